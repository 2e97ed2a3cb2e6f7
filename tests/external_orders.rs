//! Orders that somebody else places at the account, with `risk.external_orders = "adopt"`: what
//! they trade is a lot of `manual`, each trade once, whatever is killed.

use crate::kit::{Folder, Process, ask, run, wait_until};
use crate::manual_trader::ManualTrader;
use everwarm_domain::money::Decimal;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// A slow market: a price hardly moves while a test runs. Orders of others are adopted.
fn start(folder: &Folder, dir: &Path) -> Process {
    let config = folder.join("adopt.toml");
    let text = "[risk]\nexternal_orders = \"adopt\"\n[venue]\ncompare_account_s = 1\n";
    fs::write(&config, text).unwrap();
    let words = ["run", "--symbols", "3", "--pace", "20x", "--config", config.to_str().unwrap()];
    let daemon = Process::start(dir, &words);
    daemon.answers();
    daemon
}

fn state(dir: &Path) -> String {
    ask(dir, &["status"])["state"].as_str().unwrap().to_owned()
}

fn dec(value: &Value) -> Decimal {
    value.as_str().unwrap().parse().unwrap()
}

/// A symbol that has closed, and how much of it is worth about 500, in whole lots.
fn traded(dir: &Path, hand: &ManualTrader) -> (String, String) {
    wait_until("a symbol has closed", || ask(dir, &["status"])["closes"].as_u64() > Some(1));
    let symbol = ask(dir, &["symbols", "list"])[0]["symbol"].as_str().unwrap().to_owned();
    let close = dec(&ask(dir, &["bars", &symbol, "--limit", "1"])[0]["close"]);
    let quantity = hand.lots(&symbol, &(Decimal::from(500) / close).to_string());
    (symbol, quantity)
}

/// An order at the market that the daemon does not know.
fn trade(hand: &ManualTrader, id: &str, (symbol, side, quantity): (&str, &str, &str)) {
    let order = format!("symbol={symbol}&side={side}&type=MARKET&quantity={quantity}");
    hand.order(&format!("{order}&newClientOrderId={id}"));
}

/// The lot of `manual`, and the price of its stop order.
fn lot(dir: &Path) -> Option<(Decimal, Option<Decimal>)> {
    let lots = ask(dir, &["lots"]);
    let lot = lots.as_array().unwrap().iter().find(|lot| lot["strategy"] == "manual")?;
    let stop = lot["stop"].as_str().map(|stop| stop.parse().unwrap());
    Some((dec(&lot["quantity"]), stop))
}

fn held(dir: &Path) -> Decimal {
    lot(dir).map_or(Decimal::ZERO, |(quantity, _)| quantity)
}

/// What an order of others has filled, according to the daemon.
fn filled(dir: &Path, id: &str) -> Decimal {
    let fills = ask(dir, &["fills", "--limit", "0"]);
    let of = fills.as_array().unwrap().iter().filter(|fill| fill["client_order_id"] == id);
    of.map(|fill| dec(&fill["quantity"])).sum()
}

fn conflicts(dir: &Path) -> Value {
    let (_, out, err) = run(dir, &["reconcile", "--json"]);
    let view: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
    view["conflicts"].clone()
}

/// The daemon ends, and its files are sound.
fn proved(dir: &Path, daemon: Process) {
    daemon.signal("-INT");
    let (status, _, err) = daemon.end();
    assert_eq!(status.code(), Some(0), "{err}");
    for proof in ["verify", "verify-trades"] {
        assert_eq!(ask(dir, &[proof])["problems"], json!([]), "{proof}");
    }
}

/// Bounds of what is left of a quantity after a fee in the base asset.
fn less_a_fee(quantity: Decimal) -> (Decimal, Decimal) {
    (quantity * Decimal::new(99, 2), quantity)
}

#[test]
fn what_others_trade_is_a_lot_of_manual_once_though_the_daemon_is_killed() {
    let folder = Folder::new("external-orders");
    let dir = folder.join("data");
    let daemon = start(&folder, &dir);
    daemon.prints("may trade");
    let hand = ManualTrader::new(&dir);
    let (symbol, quantity) = traded(&dir, &hand);
    let each: Decimal = quantity.parse().unwrap();

    // While it runs, and it has a stop order.
    trade(&hand, "web-1", (&symbol, "BUY", &quantity));
    wait_until("it is adopted", || lot(&dir).is_some_and(|(_, stop)| stop.is_some()));
    let (least, most) = less_a_fee(each);
    assert!((least..=most).contains(&held(&dir)), "{} of {each}", held(&dir));

    // Just before a kill, and while it does not run.
    trade(&hand, "web-2", (&symbol, "BUY", &quantity));
    daemon.kill();
    trade(&hand, "web-3", (&symbol, "BUY", &quantity));
    let daemon = start(&folder, &dir);
    daemon.prints("may trade");
    let (least, most) = less_a_fee(each * Decimal::from(3));
    wait_until("both are adopted", || (least..=most).contains(&held(&dir)));
    let bought = held(&dir);
    wait_until("nothing differs", || state(&dir) == "trading");
    assert_eq!(conflicts(&dir), json!([]));
    daemon.kill();

    // A part of it is sold while it does not run.
    drop(hand.cancel_stops(&symbol));
    trade(&hand, "web-4", (&symbol, "SELL", &quantity));
    let daemon = start(&folder, &dir);
    daemon.prints("may trade");
    wait_until("the sale is adopted", || held(&dir) == bought - each);
    daemon.kill();
    let daemon = start(&folder, &dir);
    daemon.prints("may trade");
    wait_until("it is protected again", || lot(&dir).is_some_and(|(_, stop)| stop.is_some()));
    assert_eq!(held(&dir), bought - each, "the next starts find nothing new");
    assert_eq!(conflicts(&dir), json!([]));
    for id in ["web-1", "web-2", "web-3", "web-4"] {
        wait_until("it is listed", || filled(&dir, id) == each);
    }
    let (code, out, err) = run(&dir, &["explain", "web-3"]);
    assert!(code == Some(0) && out.contains("of the external order web-3"), "{out}{err}");
    let funnel = ask(&dir, &["funnel"]);
    let mut rows = funnel["strategies"].as_array().unwrap().iter();
    let counted = |row: &Value| row["entries"]["filled"].as_u64().unwrap_or_default() > 0;
    let is_manual = |row: &&Value| row["strategy"] == "manual";
    assert!(!rows.any(|row| is_manual(&row) && counted(row)), "{funnel}");
    proved(&dir, daemon);
}

#[test]
fn a_sale_of_more_than_manual_holds_is_a_conflict_that_an_operator_resolves() {
    let folder = Folder::new("external-oversold");
    let dir = folder.join("data");
    let daemon = start(&folder, &dir);
    daemon.prints("may trade");
    let hand = ManualTrader::new(&dir);
    let (symbol, quantity) = traded(&dir, &hand);
    let each: Decimal = quantity.parse().unwrap();
    let base = symbol.strip_suffix("USDT").unwrap();
    trade(&hand, "web-1", (&symbol, "BUY", &quantity));
    wait_until("it is adopted", || held(&dir) > Decimal::ZERO);
    // What is paid in belongs to nobody.
    hand.fund(base, &(each * Decimal::TWO).to_string());
    let external = || {
        let (_, out, _) = run(&dir, &["reconcile", "--json"]);
        let view: Value = serde_json::from_str(&out).unwrap();
        let rows = view["balances"].as_array().unwrap().clone();
        rows.iter().find(|row| row["asset"] == base).map_or(Decimal::ZERO, |r| dec(&r["foreign"]))
    };
    wait_until("it is seen", || external() == each * Decimal::TWO);
    let bought = held(&dir);
    daemon.kill();
    drop(hand.cancel_stops(&symbol));
    trade(&hand, "web-2", (&symbol, "SELL", &(each * Decimal::TWO).normalize().to_string()));

    let daemon = start(&folder, &dir);
    daemon.prints("trading is refused");
    wait_until("the lot is sold", || held(&dir).is_zero());
    let found = conflicts(&dir);
    let about = (found[0]["dispute"].as_str(), found[0]["about"].as_str());
    assert_eq!(about, (Some("balance"), Some(base)));
    assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
    assert_eq!(external(), each * Decimal::TWO, "what is external is not touched");
    let id = found[0]["id"].as_str().unwrap().to_owned();
    let words = ["resolve", &id, "--accept", "venue", "--reason", "it was me", "--yes"];
    let (code, out, err) = run(&dir, &words);
    assert_eq!(code, Some(0), "{out}{err}");
    wait_until("it trades again", || state(&dir) == "trading");
    let rest = each * Decimal::TWO - bought;
    assert_eq!(external(), each * Decimal::TWO - rest, "the rest came out of it");
    proved(&dir, daemon);
}

#[test]
fn an_unknown_order_under_our_name_halts_though_it_traded_while_nothing_ran() {
    let folder = Folder::new("external-twin");
    let dir = folder.join("data");
    let daemon = start(&folder, &dir);
    daemon.prints("may trade");
    let hand = ManualTrader::new(&dir);
    let (symbol, quantity) = traded(&dir, &hand);
    daemon.kill();
    trade(&hand, "ew-twin-by-hand", (&symbol, "BUY", &quantity));
    let daemon = start(&folder, &dir);
    daemon.prints("trading is refused");
    wait_until("it halts", || ask(&dir, &["status"])["breaker"] == "halted");
    assert_eq!(held(&dir), Decimal::ZERO, "it is nobody's order");
    let found = conflicts(&dir);
    let disputes = found.as_array().unwrap().iter().map(|c| c["dispute"].as_str().unwrap());
    assert!(disputes.collect::<Vec<_>>().contains(&"twin"), "{found}");
    daemon.kill();
}

#[test]
fn orders_of_others_are_not_adopted_by_default() {
    let folder = Folder::new("external-ignored");
    let dir = folder.join("data");
    let words = ["run", "--symbols", "3", "--pace", "20x"];
    let daemon = Process::start(&dir, &words);
    daemon.prints("may trade");
    let hand = ManualTrader::new(&dir);
    let (symbol, quantity) = traded(&dir, &hand);
    daemon.kill();
    trade(&hand, "web-1", (&symbol, "BUY", &quantity));
    let daemon = Process::start(&dir, &words);
    daemon.prints("trading is refused");
    let found = conflicts(&dir);
    assert_eq!(found[0]["about"], "USDT", "the cash that it cost is missing: {found}");
    assert_eq!((held(&dir), filled(&dir, "web-1")), (Decimal::ZERO, Decimal::ZERO));
    daemon.kill();
}
