//! The account changed behind the daemon's back: it refuses, shows both sides, and goes on when an
//! operator has decided. What is not ours is shown and left alone; a twin halts.

use crate::kit::{Folder, Process, ask, run, wait_until};
use crate::manual_trader::{ManualTrader, held, held_and_killed};
use everwarm_domain::fact::{Body, Venue};
use reqwest::Method;
use serde_json::{Value, json};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;

fn state(dir: &Path) -> String {
    ask(dir, &["status"])["state"].as_str().unwrap().to_owned()
}

/// What `reconcile` shows, and how it ends.
fn reconcile(dir: &Path) -> (Value, Option<i32>) {
    let (code, out, err) = run(dir, &["reconcile", "--json"]);
    (serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}")), code)
}

fn conflict(dir: &Path) -> (String, Value) {
    let (view, code) = reconcile(dir);
    assert_eq!(code, Some(4), "{view}");
    let conflict = view["conflicts"][0].clone();
    (conflict["id"].as_str().unwrap().to_owned(), view)
}

fn resolve(dir: &Path, id: &str, accept: &str) {
    let words = ["resolve", id, "--accept", accept, "--reason", "it was me, by hand", "--yes"];
    let (code, out, err) = run(dir, &words);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("is resolved"), "{out}");
}

fn start(dir: &Path) -> Process {
    let daemon = Process::start(dir, &["run", "--pace", "240x"]);
    daemon.answers();
    daemon
}

/// Nothing is entered, all the rest goes on, and the reason is shown; the id of the conflict.
fn assert_refused(dir: &Path, symbol: &str, quantity: &str) -> String {
    let (id, view) = conflict(dir);
    let status = ask(dir, &["status"]);
    assert_eq!((&status["state"], &status["ready"]), (&json!("refused"), &json!(false)));
    let problems = status["problems"].to_string();
    assert!(problems.contains(&id) && problems.contains("in the books"), "{problems}");
    assert_eq!(status["foreign_orders"], 1, "{status}");
    let row = |view: &Value, asset: &str| {
        let rows = view["balances"].as_array().unwrap().iter();
        rows.filter(|row| row["asset"] == asset).cloned().next_back().unwrap()
    };
    let about = view["conflicts"][0]["about"].as_str().unwrap().to_owned();
    assert_eq!(view["conflicts"][0]["dispute"], "balance");
    assert_eq!(row(&view, &about)["difference"], format!("-{quantity}"), "{view}");
    let ours = |o: &&Value| o["client_order_id"] == "by-hand";
    let order = view["orders"].as_array().unwrap().iter().find(ours).unwrap();
    let want = (&json!(true), &json!(true), &Value::Null);
    assert_eq!((&order["foreign"], &order["open"], &order["ours"]), want);
    let quote = symbol.strip_prefix(&about).unwrap();
    assert_ne!(row(&view, quote)["foreign"], "0", "what the sale brought is not ours: {view}");
    let (_, out, _) = run(dir, &["reconcile"]);
    for words in ["shortage, conflict", "external, never touched", "surplus, never traded", &id] {
        assert!(out.contains(words), "{words}: {out}");
    }
    let closes = || ask(dir, &["status"])["closes"].as_u64().unwrap();
    let (orders, seen) = (|| ask(dir, &["orders"]), closes());
    let buys =
        |orders: &Value| orders.as_array().unwrap().iter().filter(|o| o["side"] == "buy").count();
    // The list of orders is of the history, which is written behind what is decided.
    wait_until("the market goes on", || closes() > seen + 10);
    let before = buys(&orders());
    wait_until("and on", || closes() > seen + 60);
    assert_eq!(buys(&orders()), before, "nothing is entered");
    assert_eq!(ask(dir, &["status"])["breaker"], "exits-only");
    id
}

/// The venue's word is taken, and nothing else is.
fn assert_resolved(dir: &Path, id: &str) {
    let refuses = |words: &[&str], code: i32, reason: &str| {
        let (ended, out, err) = run(dir, &[&["resolve"], words].concat());
        assert_eq!(ended, Some(code), "{out}{err}");
        assert!(err.contains(reason), "{err}");
    };
    let venue = ["--accept", "venue", "--yes", "--reason"];
    refuses(&[&["none"], &venue[..], &["x"]].concat(), 1, "there is no conflict none");
    refuses(&[&[id], &venue[..], &[" "]].concat(), 2, "the reason must have 1 to 500 characters");
    resolve(dir, id, "venue");
    wait_until("it trades again", || state(dir) == "trading");
    let (view, code) = reconcile(dir);
    assert_eq!((code, &view["conflicts"]), (Some(0), &json!([])));
    assert_eq!(view["resolved"][0]["reason"], "it was me, by hand");
    refuses(&[&[id], &venue[..], &["again"]].concat(), 1, "is already resolved");
}

#[test]
fn a_sale_by_hand_is_refused_shown_and_resolved_for_good() {
    let folder = Folder::new("conflicts");
    let dir = folder.join("data");
    let daemon = start(&dir);
    daemon.prints("may trade");
    let (code, out, err) = run(&dir, &["reconcile"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("no unexplained differences"), "{out}");
    let (symbol, quantity) = held_and_killed(&dir, daemon, || start(&dir));
    let hand = ManualTrader::new(&dir);
    hand.order(&format!("symbol={symbol}&side=SELL&type=MARKET&quantity={quantity}"));
    let limit = "side=BUY&type=LIMIT&timeInForce=GTC&newClientOrderId=by-hand";
    let price = ask(&dir, &["bars", &symbol, "1m"])[0]["close"].as_str().unwrap().to_owned();
    // Whole, or in the steps of a price below 1.
    let price = price.parse::<f64>().unwrap() * 0.8;
    let price = if price < 1.0 { (price * 1e4).floor() / 1e4 } else { price.floor() };
    hand.order(&format!("symbol={symbol}&quantity={quantity}&price={price}&{limit}"));

    let daemon = start(&dir);
    daemon.prints("trading is refused");
    let id = assert_refused(&dir, &symbol, &quantity);
    let buys = || {
        let orders = ask(&dir, &["orders"]);
        orders.as_array().unwrap().iter().filter(|o| o["side"] == "buy").count()
    };
    let before = buys();
    assert_resolved(&dir, &id);
    wait_until("something is bought", || buys() > before);
    daemon.kill();

    // It stays resolved; the next one is ended in the files, and our word counts.
    let daemon = start(&dir);
    daemon.prints("may trade");
    assert_eq!(reconcile(&dir).1, Some(0));
    // Beside it rests the stop order of what was bought since.
    assert!(hand.open().contains(&"by-hand".to_owned()), "it was never touched");
    let (symbol, quantity) = held_and_killed(&dir, daemon, || start(&dir));
    hand.order(&format!("symbol={symbol}&side=SELL&type=MARKET&quantity={quantity}"));
    let daemon = start(&dir);
    daemon.prints("trading is refused");
    // It is reported before it is on disk: a stop in order writes it there.
    daemon.signal("-TERM");
    let (status, _, err) = daemon.end();
    assert_eq!(status.code(), Some(0), "{err}");
    let (id, _) = conflict(&dir);
    resolve(&dir, &id, "ours");
    assert_eq!(reconcile(&dir).1, Some(0));
    for _ in 0..2 {
        let daemon = start(&dir);
        daemon.prints("may trade");
        daemon.kill();
    }
    let daemon = start(&dir);
    wait_until("it trades", || state(&dir) == "trading");
    wait_until("the equity counts what was lost", || {
        let point = ask(&dir, &["equity", "--limit", "1"])[0].clone();
        point["adjusted"].as_str().is_some_and(|adjusted| adjusted.starts_with('-'))
    });
    daemon.signal("-INT");
    let (status, _, err) = daemon.end();
    assert_eq!(status.code(), Some(0), "{err}");
    assert_eq!(ask(&dir, &["verify"])["problems"], json!([]));
    assert_eq!(ask(&dir, &["verify-trades"])["problems"], json!([]));
}

/// How often the journal of a daemon that is down has what the account was.
fn accounts(dir: &Path) -> usize {
    let journal = everwarm::audit::open(dir).unwrap_or_else(|e| panic!("{e:?}"));
    let mut count = 0;
    let each = journal.each(0, &mut |_, fact| {
        count += usize::from(matches!(fact.body, Body::Venue(Venue::Account { .. })));
        ControlFlow::Continue(())
    });
    assert!(each.is_ok());
    count
}

#[test]
fn what_is_missing_is_noticed_while_it_trades() {
    let folder = Folder::new("missing");
    let (dir, config) = (folder.join("data"), folder.join("often.toml"));
    fs::write(&config, "[venue]\ncompare_account_s = 0\n").unwrap();
    let often = ["run", "--pace", "240x", "--config", config.to_str().unwrap()];
    let daemon = Process::start(&dir, &often);
    daemon.prints("may trade");
    // How often may change while it trades.
    fs::write(&config, "[venue]\ncompare_account_s = 1\n").unwrap();
    let (code, out, err) = run(&dir, &["config", "reload", "--yes"]);
    assert!(code == Some(0) && out.contains("venue.compare_account_s: 0 becomes 1"), "{out}{err}");
    // What it does itself is no difference, however often that is looked at and whatever of it is
    // reported late, twice or not at all.
    for (fault, at) in [("missing", "executionReport"), ("no-answer", "POST order")] {
        let (code, out, err) = run(&dir, &["sim", "fault", fault, "--at", at, "--chance", "300"]);
        assert_eq!(code, Some(0), "{out}{err}");
    }
    let closes = || ask(&dir, &["status"])["closes"].as_u64().unwrap();
    let seen = closes();
    wait_until("it trades for a while", || closes() > seen + 60);
    assert_eq!(run(&dir, &["sim", "lift"]).0, Some(0));
    wait_until("something is held", || held(&dir).is_some());
    assert_eq!((state(&dir).as_str(), reconcile(&dir).1), ("trading", Some(0)));
    // Somebody sells by hand; where the daemon was faster, the next one.
    let hand = ManualTrader::new(&dir);
    let sold = || {
        let (symbol, quantity) = held(&dir)?;
        // The daemon may end one first.
        drop(hand.cancel_stops(&symbol));
        let quantity = hand.lots(&symbol, &quantity);
        let order = format!("symbol={symbol}&side=SELL&type=MARKET&quantity={quantity}");
        let answer = hand.ask(Method::POST, "order", &order);
        answer["orderId"].is_u64().then_some(symbol)
    };
    wait_until("it is sold by hand", || sold().is_some());
    wait_until("it is noticed", || state(&dir) == "refused");
    let (id, view) = conflict(&dir);
    assert_eq!(view["conflicts"][0]["dispute"], "balance", "{view}");
    let level = || ask(&dir, &["status"])["breaker"].clone();
    wait_until("nothing is entered any more", || level() == "exits-only");
    resolve(&dir, &id, "venue");
    wait_until("it trades again", || state(&dir) == "trading");
    daemon.signal("-TERM");
    assert_eq!(daemon.end().0.code(), Some(0));
    assert!(accounts(&dir) > 2, "looked at more often than at the start");
    assert_eq!(ask(&dir, &["verify"])["problems"], json!([]));
    assert_eq!(ask(&dir, &["verify-trades"])["problems"], json!([]));
}

#[test]
fn an_order_under_our_name_that_is_not_ours_halts_until_it_is_resolved() {
    let folder = Folder::new("twin");
    let dir = folder.join("data");
    let daemon = start(&dir);
    daemon.prints("may trade");
    let hand = ManualTrader::new(&dir);
    let mut found = None;
    wait_until("something is held", || {
        found = held(&dir);
        found.is_some()
    });
    let (symbol, quantity) = found.unwrap();
    let quantity = hand.lots(&symbol, &quantity);
    let order = format!("symbol={symbol}&side=BUY&type=MARKET&quantity={quantity}");
    hand.order(&format!("{order}&newClientOrderId=ew-twin-by-hand"));
    wait_until("it halts", || ask(&dir, &["status"])["breaker"] == "halted");
    let status = ask(&dir, &["status"]);
    assert_eq!(status["state"], "refused", "{status}");
    let problems = status["problems"].to_string();
    assert!(problems.contains("another daemon uses this installation name"), "{problems}");
    daemon.kill();
    let daemon = start(&dir);
    daemon.prints("trading is refused");
    let (_, view) = conflict(&dir);
    let conflicts = view["conflicts"].as_array().unwrap();
    let disputes: Vec<&str> = conflicts.iter().map(|c| c["dispute"].as_str().unwrap()).collect();
    assert!(disputes.contains(&"twin"), "also in the next life: {view}");
    assert!(disputes.contains(&"balance"), "what it cost is missing: {view}");
    for conflict in conflicts {
        assert_ne!(state(&dir), "trading", "as long as one is left");
        resolve(&dir, conflict["id"].as_str().unwrap(), "venue");
    }
    wait_until("it trades again", || state(&dir) == "trading");
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    assert_eq!(ask(&dir, &["verify"])["problems"], json!([]));
    assert_eq!(ask(&dir, &["verify-trades"])["problems"], json!([]));
}

#[test]
fn of_two_copies_of_one_data_directory_whoever_sees_the_other_halts() {
    let folder = Folder::new("copies");
    let (dir, copy) = (folder.join("data"), folder.join("copy"));
    let daemon = start(&dir);
    daemon.prints("may trade");
    daemon.kill();
    let copied = Command::new("cp").arg("-r").arg(&dir).arg(&copy).status().unwrap();
    assert!(copied.success());
    let both = [start(&dir), start(&copy)];
    let halted = |dir: &Path| ask(dir, &["status"])["breaker"] == "halted";
    wait_until("one of them halts", || halted(&dir) || halted(&copy));
    // Whoever halts before it has sent anything is not seen by the other.
    let dirs = [&dir, &copy].into_iter().filter(|dir| halted(dir));
    for dir in dirs {
        // What the other one bought meanwhile may be among it.
        let (_, view) = conflict(dir);
        let mut conflicts = view["conflicts"].as_array().unwrap().iter();
        assert!(conflicts.any(|conflict| conflict["dispute"] == "twin"), "{view}");
    }
    both.into_iter().for_each(Process::kill);
}
