//! Real money has one way: mode, a typed confirmation for this account, and caps no configuration
//! raises. The exchange here is simulated; the daemon takes it for the live one.

use super::on_terminal;
use super::remote::Elsewhere;
use crate::kit::{ask, run, wait_until};
use everwarm::daemon_run::{APPLICATION, LIVE_FILE};
use everwarm_domain::fact::{Body, Operator};
use everwarm_domain::id::VenueId;
use everwarm_runtime::journal::{Journal, Options};
use everwarm_runtime::store::Store;
use rust_decimal::Decimal;
use serde_json::Value;
use std::path::Path;

const LIVE: &str = "environment = \"live\"";

/// The entries that were ever intended, by number.
fn entries(dir: &Path) -> usize {
    let orders = ask(dir, &["orders"]);
    orders.as_array().unwrap().iter().filter(|order| order["side"] == "buy").count()
}

fn declined(dir: &Path, words: &str) -> Option<Value> {
    let signals = ask(dir, &["signals"]);
    let all = signals.as_array().unwrap().iter();
    all.rev().find(|signal| signal.to_string().contains(words)).cloned()
}

/// Waits until a cap declines a signal of a later close than the newest one now.
fn declines_again(dir: &Path) {
    let mut from = None;
    wait_until("there was a close", || {
        from = ask(dir, &["status"])["close_time"].as_i64();
        from.is_some()
    });
    wait_until("a cap declines a later one", || {
        declined(dir, "confirmed cap of").is_some_and(|signal| signal["time"].as_i64() > from)
    });
}

/// Notes a confirmation for an account as the command would, had the key been of that account.
fn confirm_for(dir: &Path, account: &str) {
    let store = Store::open(&dir.join(LIVE_FILE), APPLICATION).unwrap();
    let journal = Journal::open(store, Vec::new(), Options::new(|why| panic!("{why}"))).unwrap();
    let writer = journal.writer("test");
    let (account, amount) = (account.to_owned(), Decimal::from(1_000_000));
    let body = Operator::LiveConfirmed {
        account,
        per_order: amount,
        per_day: amount,
        venue: VenueId::default(),
    };
    journal.append(&writer, i64::MIN, vec![Body::Operator(body)]).unwrap();
    journal.close();
}

#[test]
fn real_money_needs_mode_and_a_typed_confirmation_of_this_account() {
    let there = Elsewhere::start("live-gates", 2);
    let dir = there.folder.join("data");
    let refused = |config: &Path, words: &[&str]| {
        let (code, out, err) = run(&dir, &["run", "--config", config.to_str().unwrap()]);
        assert_eq!(code, Some(5), "{out}{err}");
        assert!(words.iter().all(|word| err.contains(word)), "{err}");
    };
    let paper = there.configured("paper.toml", LIVE, "");
    refused(&paper, &["trading.mode = \"live\"", "everwarm live confirm", "Nothing was changed"]);
    assert!(!dir.exists());
    let live = there.configured("live.toml", LIVE, "mode = \"live\"");
    refused(&live, &["no account is confirmed", "everwarm live confirm"]);

    let file = live.to_str().unwrap();
    let confirm = ["live", "confirm", "--config", file, "--per-order", "150", "--per-day", "400"];
    let (code, _, err) = run(&dir, &confirm);
    assert_eq!(code, Some(5), "{err}");
    assert!(err.contains("at a terminal"), "{err}");
    let (code, shown) = on_terminal(&dir, &confirm, "yes");
    assert_eq!(code, Some(5), "{shown}");
    assert!(shown.contains("not the account number") && shown.contains("at most 150"), "{shown}");
    refused(&live, &["no account is confirmed"]);
    confirm_for(&dir, "2");
    refused(&live, &["account 1", "account 2", "everwarm live confirm"]);

    let testnet = there.configured("testnet.toml", "environment = \"testnet\"", "");
    let words = ["live", "confirm", "--config", testnet.to_str().unwrap()];
    let none = [&words[..], &["--per-order", "1", "--per-day", "1"]].concat();
    let (code, shown) = on_terminal(&there.folder.join("other-data"), &none, "1");
    assert_eq!(code, Some(5), "{shown}");
    let client = there.client();
    let trades = tokio::runtime::Runtime::new().unwrap().block_on(there.trades());
    assert!(trades.is_empty(), "nothing was ever traded by {client:?}");
}

#[test]
fn the_caps_hold_over_kills_and_larger_numbers() {
    let there = Elsewhere::at_pace("live-caps", 8, 120);
    let dir = there.folder.join("data");
    let config = there.configured("live.toml", LIVE, "mode = \"live\"\nnotional = \"100\"");
    let file = config.to_str().unwrap();
    let caps = ["--per-order", "150", "--per-day", "400"];
    let confirm = [&["live", "confirm", "--config", file], &caps[..]].concat();
    let (code, shown) = on_terminal(&dir, &confirm, "1");
    assert_eq!(code, Some(0), "{shown}");

    let daemon = Elsewhere::daemon(&dir, &config);
    wait_until("the cap of the day is reached", || {
        declined(&dir, "confirmed cap of 400 a day").is_some()
    });
    let (code, _, err) = run(&dir, &confirm);
    assert_eq!(code, Some(5), "{err}");
    let status = ask(&dir, &["status"]);
    assert_eq!((&status["environment"], &status["live"]["account"]), (&"live".into(), &"1".into()));
    assert_eq!(
        (&status["live"]["per_order"], &status["live"]["per_day"]),
        (&"150".into(), &"400".into())
    );
    let signal = declined(&dir, "confirmed cap of 400 a day").unwrap();
    assert!(signal.to_string().contains("confirmed cap of 400 a day"), "{signal}");
    let symbol = signal["symbol"].as_str().unwrap();
    let (code, story, err) = run(&dir, &["why-not", symbol]);
    assert_eq!(code, Some(0), "{err}");
    assert!(story.contains(symbol), "{story}");
    // The list of orders is of the history, which is written behind what is declined.
    wait_until("100 and one percent each, 400 a day", || entries(&dir) == 3);
    daemon.kill();

    let daemon = Elsewhere::daemon(&dir, &config);
    declines_again(&dir);
    assert_eq!(entries(&dir), 3, "the day is the same day");

    // Larger numbers in the configuration change what is requested, not what is allowed: neither
    // by a reload nor at a start.
    let larger = "mode = \"live\"\nnotional = \"5000\"\nmax_positions = 100";
    assert_eq!(there.configured("live.toml", LIVE, larger), config);
    let (code, out, err) = run(&dir, &["config", "reload", "--yes"]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("trading.notional"), "{out}");
    declines_again(&dir);
    assert_eq!(entries(&dir), 3, "a reload raises nothing");
    daemon.signal("-TERM");
    assert_eq!(daemon.result().0, Some(0));
    let daemon = Elsewhere::daemon(&dir, &config);
    let words = "confirmed cap of 150 an order";
    wait_until("a large one is declined", || declined(&dir, words).is_some());
    assert_eq!(entries(&dir), 3);
    daemon.signal("-TERM");
    assert_eq!(daemon.result().0, Some(0));
    let daemon = Elsewhere::daemon(&dir, &config);
    declines_again(&dir);
    assert_eq!(entries(&dir), 3);
    let status = ask(&dir, &["status"]);
    let caps = (&status["live"]["per_order"], &status["live"]["per_day"]);
    assert_eq!(caps, (&"150".into(), &"400".into()));
    daemon.kill();
    let (code, out, err) = run(&dir, &["verify"]);
    assert_eq!(code, Some(0), "{out}{err}");
}
