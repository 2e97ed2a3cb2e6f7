//! Orders by hand: they pass the decision, own their lot, and happen once, whatever is killed.

use crate::cli::api::request;
use crate::kit::{Folder, Process, ask, run, wait_until};
use everwarm_api::TOKEN_FILE;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// A slow market: a price hardly moves while a test runs.
fn start(dir: &Path) -> Process {
    let daemon = Process::start(dir, &["run", "--symbols", "3", "--pace", "20x"]);
    daemon.prints("may trade");
    daemon
}

/// A symbol with a close. Its lot of `manual` is bought for 500.
fn buy(dir: &Path, id: &str) -> Value {
    let symbol = symbol(dir);
    let words = ["order", "buy", &symbol, "--quote", "500", "--reason", "a test", "--yes"];
    ask(dir, &[&words[..], &["--id", id]].concat())
}

fn symbol(dir: &Path) -> String {
    ask(dir, &["symbols", "list"])[0]["symbol"].as_str().unwrap().to_owned()
}

/// The quantity of the lot of `manual`.
fn lot(dir: &Path) -> Option<f64> {
    let lots = ask(dir, &["lots"]);
    let lot = lots.as_array().unwrap().iter().find(|lot| lot["strategy"] == "manual")?;
    Some(lot["quantity"].as_str().unwrap().parse().unwrap())
}

/// The orders of `manual`, as side and status.
fn orders(dir: &Path) -> Vec<(String, String)> {
    let orders = ask(dir, &["orders", "--limit", "1000"]);
    let text = |order: &Value, field: &str| order[field].as_str().unwrap().to_owned();
    let by_hand = |order: &&Value| text(order, "client_order_id").starts_with("ew-manual");
    let orders = orders.as_array().unwrap().iter().filter(by_hand);
    orders.map(|order| (text(order, "side"), text(order, "status"))).collect()
}

fn closed(dir: &Path) {
    wait_until("a symbol has closed", || ask(dir, &["status"])["closes"].as_u64() > Some(1));
}

#[test]
fn an_order_by_hand_is_filled_once_though_the_daemon_is_killed() {
    let folder = Folder::new("by-hand");
    let dir = folder.join("data");
    let daemon = start(&dir);
    closed(&dir);
    let first = buy(&dir, "one");
    assert_eq!(first["state"], "done", "{first}");
    assert_eq!(first["orders"][0]["status"], "filled", "{first}");
    let held: f64 = first["orders"][0]["filled_quantity"].as_str().unwrap().parse().unwrap();
    assert_eq!(buy(&dir, "one"), first, "a repeated request prints the first result");
    daemon.kill();

    let daemon = start(&dir);
    assert_eq!(buy(&dir, "one"), first, "in the next run, too");
    let bought = lot(&dir).unwrap();
    assert!(bought > held * 0.99 && bought <= held, "{bought} of {held}, less the fee");
    let buys = || orders(&dir).iter().filter(|(side, _)| side == "buy").count();
    wait_until("it is listed", || buys() > 0);
    assert_eq!(buys(), 1);
    let id = first["orders"][0]["client_order_id"].as_str().unwrap();
    let (_, story, err) = run(&dir, &["explain", id]);
    assert!(story.contains("request one of an operator: buy"), "{story}{err}");

    // Another request under this id is refused; so is one that the decision declines.
    let of = symbol(&dir);
    let other = ["close", &of, "--id", "one", "--reason", "x", "--yes"];
    let (code, _, err) = run(&dir, &other);
    assert!(code == Some(5) && err.contains("belongs to another request: buy"), "{err}");
    let again = ["order", "buy", &of, "--quote", "500", "--reason", "x", "--yes"];
    let (code, out, err) = run(&dir, &again);
    assert!(code == Some(5) && out.contains("declined (already-long)"), "{out}{err}");
    let (code, _, err) = run(&dir, &["cancel", "ew-nothing", "--reason", "x", "--yes"]);
    assert!(code == Some(1) && err.contains("no open order has the id"), "{err}");
    let (code, _, err) = run(&dir, &[&again[..], &["--stop", "1"]].concat());
    assert!(code == Some(2) && err.contains("a purchase takes no stop"), "{err}");

    // A part of it, killed at once, and then the rest.
    let part = bought / 2.0;
    let part = format!("{part:.6}");
    let sell = ["order", "sell", &of, "--quantity", &part, "--reason", "x", "--id", "two", "--yes"];
    let sold = ask(&dir, &sell);
    assert_eq!(sold["orders"][0]["side"], "sell", "{sold}");
    daemon.kill();
    let daemon = start(&dir);
    wait_until("the part is sold", || ask(&dir, &sell)["state"] == "done");
    wait_until("the rest is held", || lot(&dir).is_some_and(|left| left < bought * 0.6));
    assert!(lot(&dir).unwrap() > bought * 0.4);
    let close = ["close", &of, "--strategy", "manual", "--reason", "x", "--yes", "--id", "three"];
    let closing = ask(&dir, &close);
    assert!(closing["lines"][0].as_str().unwrap().starts_with("exit of the lot of manual"));
    wait_until("all is sold", || lot(&dir).is_none_or(|left| left < bought * 0.01));
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    for proof in ["verify", "verify-trades"] {
        assert_eq!(ask(&dir, &[proof])["problems"], json!([]), "{proof}");
    }
    let funnel = ask(&dir, &["funnel"]);
    let manual = funnel["strategies"].as_array().unwrap().iter();
    let manual = manual.filter(|row| row["strategy"] == "manual").collect::<Vec<_>>();
    assert_eq!(manual[0]["entries"]["signals"], 2, "{funnel}");
    assert_eq!(manual[0]["entries"]["filled"], 1, "{funnel}");
    assert_eq!(manual[0]["entries"]["declined"], json!({ "already-long": 1 }), "{funnel}");
}

#[test]
fn a_limit_order_by_hand_works_on_though_the_daemon_is_killed() {
    let folder = Folder::new("by-hand-limit");
    let dir = folder.join("data");
    let daemon = start(&dir);
    closed(&dir);
    let of = symbol(&dir);
    let close = ask(&dir, &["bars", &of, "--limit", "1"])[0]["close"].clone();
    let close: f64 = close.as_str().unwrap().parse().unwrap();
    let limit = format!("{:.8}", close * 0.8);
    let words = ["order", "buy", &of, "--quote", "100", "--limit", &limit, "--minutes", "900"];
    let words = [&words[..], &["--reason", "a test", "--yes", "--id", "low"]].concat();
    let placed = ask(&dir, &words);
    assert_eq!(placed["state"], "working", "{placed}");
    assert!(placed["lines"][0].as_str().unwrap().contains("or better: open"), "{placed}");
    daemon.kill();

    let daemon = start(&dir);
    wait_until("it is the same order", || ask(&dir, &words) == placed);
    let id = placed["orders"][0]["client_order_id"].as_str().unwrap();
    let cancelled = ask(&dir, &["cancel", id, "--reason", "a test", "--yes"]);
    assert_eq!(cancelled["state"], "done", "{cancelled}");
    let ended = [("buy".to_owned(), "cancelled".to_owned())];
    wait_until("it is listed as cancelled", || orders(&dir) == ended);
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    assert_eq!(ask(&dir, &["verify"])["problems"], json!([]));
}

/// The prices of the open orders that protect the lot of `manual`: its stop, then its target.
fn protecting(dir: &Path) -> [Option<f64>; 2] {
    let lots = ask(dir, &["lots"]);
    let lot = lots.as_array().unwrap().iter().find(|lot| lot["strategy"] == "manual");
    let price = |member| lot?[member].as_str().map(|price| price.parse().unwrap());
    ["stop", "target"].map(price)
}

#[test]
fn a_limit_and_a_stop_by_hand_rest_at_the_venue_though_the_daemon_is_killed() {
    let folder = Folder::new("by-hand-prices");
    let dir = folder.join("data");
    let daemon = start(&dir);
    closed(&dir);
    let of = symbol(&dir);
    let lot = buy(&dir, "lot");
    assert_eq!(lot["state"], "done", "{lot}");
    wait_until("it has a stop order", || protecting(&dir)[0].is_some());
    let bought: f64 = lot["orders"][0]["average_price"].as_str().unwrap().parse().unwrap();
    let [limit, stop] = [1.2, 0.8].map(|times| format!("{:.8}", bought * times));
    let sell = ["order", "sell", &of, "--reason", "a test", "--yes"];
    for (more, code, text) in [
        (&["--limit", "0.00000001"][..], 5, "declined (price): the limit"),
        (&["--limit", "1", "--stop", "2"][..], 2, "the stop 2 is not below the limit 1"),
        (&["--limit", "1", "--minutes", "5"][..], 2, "sell takes no minutes"),
        (&[][..], 2, "give a quantity or a quote amount"),
    ] {
        let (ended, out, err) = run(&dir, &[&sell[..], more].concat());
        assert!(ended == Some(code) && (out + &err).contains(text), "{more:?}: {err}");
    }
    let prices = ["--limit", &limit, "--stop", &stop, "--id", "prices"];
    let request = [&sell[..], &prices].concat();
    let accepted = ask(&dir, &request);
    daemon.kill();
    assert_eq!(accepted["state"], "done", "{accepted}");
    let line = accepted["lines"][0].as_str().unwrap();
    let begins = format!("the lot of manual in {of} is sold when its price reaches ");
    assert!(line.starts_with(&begins) && line.contains(" or falls to "), "{line}");

    let daemon = start(&dir);
    assert_eq!(ask(&dir, &request), accepted, "it happens once");
    let near = |now: Option<f64>, wanted: &str| {
        let wanted: f64 = wanted.parse().unwrap();
        now.is_some_and(|now| (now / wanted - 1.0).abs() < 0.01)
    };
    wait_until("the orders have the new prices", || {
        let [at_loss, at_profit] = protecting(&dir);
        near(at_loss, &stop) && near(at_profit, &limit)
    });
    let (_, story, err) = run(&dir, &["explain", accepted["key"].as_str().unwrap()]);
    assert!(
        story.contains("request prices of an operator: sell the lot of manual"),
        "{story}{err}"
    );
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    for proof in ["verify", "verify-trades"] {
        assert_eq!(ask(&dir, &[proof])["problems"], json!([]), "{proof}");
    }
}

#[test]
fn an_order_by_hand_needs_the_token_and_a_running_daemon() {
    let folder = Folder::new("by-hand-token");
    let dir = folder.join("data");
    let words = ["order", "buy", "BTCUSDT", "--quote", "10", "--reason", "x", "--yes"];
    let (code, _, err) = run(&dir, &words);
    assert!(code == Some(3) && err.contains("no daemon is running"), "{err}");
    let daemon = start(&dir);
    closed(&dir);
    let of = symbol(&dir);
    let put = "PUT /api/v1/by-hand/one HTTP/1.1";
    let body = json!({ "action": "buy", "symbol": of, "quote": "500", "reason": "x" });
    let json = "Content-Type: application/json";
    let answer = request(&dir, &[put, json], &body.to_string());
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let token = fs::read_to_string(dir.join(TOKEN_FILE)).unwrap();
    let token = format!("Authorization: Bearer {token}");
    for (member, value) in [
        ("quantity", json!("1")),
        ("order", json!("x")),
        ("minutes", json!(5)),
        ("stop", json!("5")),
    ] {
        let mut bad = body.clone();
        bad[member] = value;
        let answer = request(&dir, &[put, json, &token], &bad.to_string());
        assert!(answer.starts_with("HTTP/1.1 400 "), "{member}: {answer}");
    }
    assert_eq!(lot(&dir), None);
    let answer = request(&dir, &[put, json, &token], &body.to_string());
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    wait_until("it is bought", || lot(&dir).is_some());
    let last = ask(&dir, &["audit", "--limit", "1"]);
    assert_eq!(last[0]["what"], "PUT /api/v1/by-hand/one", "{last}");
    daemon.kill();
}
