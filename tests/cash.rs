//! Cash that comes back: what `everwarm panic` sold is booked as an exit, and a deposit is ours
//! once it is adopted.

use crate::kit::{Folder, Process, ask, run, wait_until};
use crate::manual_trader::{ManualTrader, held, held_and_killed};
use everwarm_domain::fact::{Body, Ledger};
use everwarm_domain::money::Decimal;
use serde_json::{Value, json};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

fn start(dir: &Path) -> Process {
    let daemon = Process::start(dir, &["run", "--pace", "240x"]);
    daemon.answers();
    daemon
}

/// One that compares the account as often as it may, or at starts alone.
fn often(folder: &Folder, dir: &Path, every_s: u32) -> Process {
    let config = folder.join("often.toml");
    fs::write(&config, format!("[venue]\ncompare_account_s = {every_s}\n")).unwrap();
    Process::start(dir, &["run", "--pace", "240x", "--config", config.to_str().unwrap()])
}

fn dec(value: &Value) -> Decimal {
    value.as_str().unwrap_or_else(|| panic!("{value}")).parse().unwrap()
}

/// What `reconcile` shows.
fn reconciled(dir: &Path) -> Value {
    let (_, out, err) = run(dir, &["reconcile", "--json"]);
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"))
}

/// How much of an asset is not ours.
fn external(dir: &Path, asset: &str) -> Decimal {
    let view = reconciled(dir);
    let mut rows = view["balances"].as_array().unwrap().iter();
    rows.find(|row| row["asset"] == asset).map_or(Decimal::ZERO, |row| dec(&row["foreign"]))
}

/// The fills of `everwarm panic`: an id, and what they brought.
fn panic_fills(dir: &Path) -> Option<(String, Decimal)> {
    let fills = ask(dir, &["fills"]);
    let of = |row: &&Value| row["client_order_id"].as_str().unwrap().starts_with("ew-panic-");
    let sold: Vec<&Value> = fills.as_array().unwrap().iter().filter(of).collect();
    let id = sold.first()?["client_order_id"].as_str().unwrap().to_owned();
    Some((id, sold.iter().map(|row| dec(&row["price"]) * dec(&row["quantity"])).sum()))
}

/// Every conflict the journal of a daemon that is down ever had.
fn conflicts(dir: &Path) -> Vec<String> {
    let journal = everwarm::audit::open(dir).unwrap_or_else(|e| panic!("{e:?}"));
    let mut all = Vec::new();
    let each = journal.each(0, &mut |_, fact| {
        if let Body::Ledger(Ledger::Reconciled { conflicts, .. }) = &fact.body {
            all.extend(conflicts.iter().map(|conflict| format!("{conflict:?}")));
        }
        ControlFlow::Continue(())
    });
    assert!(each.is_ok());
    all
}

fn stopped(daemon: Process) {
    daemon.signal("-TERM");
    let (status, _, err) = daemon.end();
    assert_eq!(status.code(), Some(0), "{err}");
}

#[test]
fn what_panic_sold_while_no_daemon_ran_is_booked_by_the_next_start() {
    let folder = Folder::new("cash-stopped");
    let dir = folder.join("data");
    let daemon = start(&dir);
    daemon.prints("may trade");
    held_and_killed(&dir, daemon, || start(&dir));
    let before = ask(&dir, &["equity"]);
    let before = before.as_array().unwrap();
    // Whatever else is wrong with the configuration does not keep it.
    let broken = folder.join("broken.toml");
    fs::write(&broken, "[strategy.sma_cross]\nfast = 900\n[risk]\nmax = = 1\n").unwrap();
    let sold = ["panic", "--venue", "sim", "--flatten", "--yes", "--config"];
    let (code, out, err) = run(&dir, &[&sold[..], &[broken.to_str().unwrap()]].concat());
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("sold"), "{out}");

    let daemon = start(&dir);
    daemon.prints("may trade");
    let points = || ask(&dir, &["equity"]);
    wait_until("it goes on", || points().as_array().unwrap().len() > before.len() + 2);
    stopped(daemon);
    assert_eq!(conflicts(&dir), [""; 0], "no unexplained differences");
    assert_eq!(external(&dir, "USDT"), Decimal::ZERO, "what it brought is ours");
    let (id, brought) = panic_fills(&dir).expect("it is among the fills");
    assert!(brought > Decimal::ONE, "{brought}");
    let after = points();
    let equity = |point: &Value| dec(&point["equity"]);
    let change = equity(&after[before.len()]) - equity(before.last().unwrap());
    assert!(change.abs() < brought / Decimal::from(5), "{change} of {brought}");
    assert_eq!(after[before.len()]["adjusted"], "0");
    let (code, out, err) = run(&dir, &["explain", &id]);
    assert!(code == Some(0) && out.contains("everwarm panic sold"), "{out}{err}");
    let strategies = ask(&dir, &["summary"])["money"]["strategies"].to_string();
    assert!(strategies.contains("panic"), "{strategies}");
    assert_eq!(ask(&dir, &["verify"])["problems"], json!([]));
    assert_eq!(ask(&dir, &["verify-trades"])["problems"], json!([]));

    // It counts once: the next starts find nothing new.
    let daemon = start(&dir);
    daemon.prints("may trade");
    stopped(daemon);
    assert_eq!(panic_fills(&dir), Some((id, brought)));
    assert_eq!(conflicts(&dir), [""; 0]);
}

#[test]
fn a_running_daemon_is_halted_and_books_what_panic_sells() {
    let folder = Folder::new("cash-running");
    let dir = folder.join("data");
    let daemon = often(&folder, &dir, 0);
    daemon.prints("may trade");
    wait_until("something is held", || held(&dir).is_some());
    let (code, out, err) = run(&dir, &["panic", "--venue", "sim", "--flatten", "--yes"]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(err.contains("the daemon is halted"), "{err}");
    let halted = ask(&dir, &["switches"]);
    assert_eq!(halted["halted"]["reason"], "everwarm panic", "{halted}");
    // What was being sold by the daemon itself is no sale by hand.
    if out.contains(": sold") || out.contains(" sold ") {
        wait_until("it is booked", || panic_fills(&dir).is_some());
        wait_until("nothing is held", || held(&dir).is_none());
    }
    assert_eq!(reconciled(&dir)["conflicts"], json!([]));
    stopped(daemon);
    let daemon = start(&dir);
    daemon.answers();
    wait_until("the account is compared", || reconciled(&dir)["life"] == 2);
    stopped(daemon);
    assert_eq!(conflicts(&dir), [""; 0]);
    assert_eq!(external(&dir, "USDT"), Decimal::ZERO, "what it brought is ours");
    assert_eq!(ask(&dir, &["verify"])["problems"], json!([]));
    assert_eq!(ask(&dir, &["verify-trades"])["problems"], json!([]));
}

/// Adopts as soon as no order lives in that asset.
fn adopts(dir: &Path, words: &[&str]) -> String {
    let mut output = String::new();
    wait_until("it is adopted", || {
        let all = [&["adopt"], words, &["--reason", "a deposit", "--yes"]].concat();
        let (code, out, err) = run(dir, &all);
        let busy = code == Some(5) && err.contains("still trades");
        assert!(code == Some(0) || busy, "{words:?}: {out}{err}");
        output = out;
        code == Some(0)
    });
    output
}

fn refused(dir: &Path, words: &[&str], code: i32, why: &str) {
    let mut last = String::new();
    wait_until("it is refused for that", || {
        let (ended, out, err) = run(dir, &[&["adopt"], words, &["--yes"]].concat());
        assert_eq!(ended, Some(code), "{words:?}: {out}{err}");
        last = err;
        last.contains(why) || !last.contains("still trades")
    });
    assert!(last.contains(why), "{last}");
}

#[test]
fn a_deposit_is_ours_once_it_is_adopted_and_is_no_profit() {
    let folder = Folder::new("cash-deposit");
    let dir = folder.join("data");
    let daemon = often(&folder, &dir, 1);
    daemon.prints("may trade");
    let hand = ManualTrader::new(&dir);
    hand.fund("USDT", "5000");
    let five = Decimal::from(5000);
    wait_until("it is seen", || external(&dir, "USDT") == five);
    let (_, out, _) = run(&dir, &["reconcile"]);
    assert!(out.contains("everwarm adopt ASSET --reason TEXT"), "{out}");
    refused(&dir, &["USDT", "5001", "--reason", "r"], 5, "only 5000 USDT");
    refused(&dir, &["USDT", "--reason", " "], 2, "the reason must have 1 to 500 characters");
    refused(&dir, &["XYZ", "--reason", "r"], 5, "no XYZ beyond the books");
    let output = adopts(&dir, &["USDT", "2000"]);
    assert!(
        output.contains("adopted 2000 USDT as cash; this is no profit or loss")
            || output.contains("adopted 2,000 USDT as cash; this is no profit or loss"),
        "{output}"
    );
    let adjusted = || {
        let points = ask(&dir, &["equity", "--limit", "1"]);
        points.as_array().unwrap().last().map_or(Decimal::ZERO, |point| dec(&point["adjusted"]))
    };
    wait_until("the equity says so", || adjusted() == Decimal::from(2000));
    assert_eq!(external(&dir, "USDT"), Decimal::from(3000));
    // A base asset becomes part of the position, at its last price.
    let mut symbol = String::new();
    wait_until("something is held", || {
        symbol = held(&dir).map(|(symbol, _)| symbol).unwrap_or_default();
        !symbol.is_empty()
    });
    let base = symbol.strip_suffix("USDT").unwrap();
    hand.fund(base, "1");
    wait_until("it is seen", || external(&dir, base) == Decimal::ONE);
    let output = adopts(&dir, &[base]);
    assert!(output.contains(&format!("a position in {symbol} at its last price")), "{output}");
    wait_until("the equity says so", || adjusted() > Decimal::from(2000));
    let before = adjusted();
    stopped(daemon);
    // Without a daemon it goes into the files.
    adopts(&dir, &["USDT"]);
    let daemon = start(&dir);
    daemon.prints("may trade");
    wait_until("the equity says so", || adjusted() == before + Decimal::from(3000));
    stopped(daemon);
    assert_eq!((external(&dir, "USDT"), external(&dir, base)), (Decimal::ZERO, Decimal::ZERO));
    assert_eq!(conflicts(&dir), [""; 0]);
    let money = ask(&dir, &["summary"])["money"].clone();
    assert!(dec(&money["profit"]).abs() < five / Decimal::TWO, "no deposit is a profit: {money}");
    assert_eq!(ask(&dir, &["verify"])["problems"], json!([]));
    assert_eq!(ask(&dir, &["verify-trades"])["problems"], json!([]));
}

#[test]
fn an_order_that_lacks_balance_has_the_account_compared_at_once() {
    let folder = Folder::new("cash-lacking");
    let dir = folder.join("data");
    // It would be compared at starts alone.
    let daemon = often(&folder, &dir, 0);
    daemon.prints("may trade");
    let hand = ManualTrader::new(&dir);
    hand.fund("USDT", "-1000000");
    let state = || ask(&dir, &["status"])["state"].as_str().unwrap().to_owned();
    wait_until("it is noticed", || state() == "refused");
    let about = reconciled(&dir)["conflicts"][0]["about"].clone();
    assert_eq!(about, "USDT");
    daemon.kill();
}
