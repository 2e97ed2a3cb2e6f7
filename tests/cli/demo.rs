//! The first command of the README, stopped, killed and started again.

use crate::kit::{
    Folder, PATIENCE, Process, ask, complaints, exchange, kill_exchange, runs, wait_until,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Wall time in which a person has seen the first fills.
const SOON: Duration = Duration::from_secs(30);

/// Words of the lines of one kind.
fn of<'a>(lines: &'a [String], kind: &str) -> Vec<Vec<&'a str>> {
    let words = lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>());
    // The time before the word is one of the day, or with its date.
    words.filter(|words| words.iter().take(3).any(|word| *word == kind)).collect()
}

/// (side, symbol) of a line about a fill: `… fill bought 1 SYMBOL at …`.
fn filled<'a>(words: &[&'a str]) -> (&'static str, &'a str) {
    (if words[2] == "bought" { "buy" } else { "sell" }, words[4])
}

fn enough(lines: &[String]) -> bool {
    let fills = of(lines, "fill");
    let symbols: BTreeSet<&str> = fills.iter().map(|words| filled(words).1).collect();
    fills.len() >= 10 && symbols.len() >= 4
}

/// Each fill has a line before it that names who signalled it, and why.
fn assert_reasons(lines: &[String]) {
    let mut signalled = BTreeSet::new();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.get(1) {
            Some(&"signal") => {
                assert!(line.contains("crossed"), "without a reason: {line}");
                signalled.insert((words[2].to_owned(), words[3].to_owned()));
            }
            Some(&"fill") => {
                let (side, symbol) = filled(&words);
                assert!(signalled.contains(&(side.to_owned(), symbol.to_owned())), "{line}");
            }
            _ => {}
        }
    }
}

fn quantities(positions: &Value) -> Vec<(String, String)> {
    let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
    let rows = positions.as_array().unwrap().iter();
    rows.map(|row| (text(row, "symbol"), text(row, "quantity"))).collect()
}

/// What there was is there still, in front; and positions moved only with new fills.
fn assert_kept(dir: &Path, before: &[Value; 3]) {
    let [fills, orders, positions] = before;
    let count = |rows: &Value| rows.as_array().unwrap().len();
    let has = |what: &str, rows: &Value| count(&ask(dir, &[what])) >= count(rows);
    // What a kill took from the history is written again behind what is decided.
    wait_until("all of it is listed", || has("fills", fills) && has("orders", orders));
    let now = ask(dir, &["fills"]);
    let now_fills = now.as_array().unwrap();
    let kept = fills.as_array().unwrap();
    assert_eq!(now_fills.get(..kept.len()), Some(kept.as_slice()));
    let id = |order: &Value| order["client_order_id"].clone();
    // An order that was listed before it was on disk was not sent either. A kill may take it.
    let (unsent, old): (Vec<&Value>, Vec<&Value>) =
        orders.as_array().unwrap().iter().partition(|order| order["status"] == "intent");
    let [unsent, old] = [unsent, old].map(|orders| orders.into_iter().map(id).collect::<Vec<_>>());
    let mut new: Vec<Value> = ask(dir, &["orders"]).as_array().unwrap().iter().map(id).collect();
    new.retain(|id| !unsent.contains(id));
    assert_eq!(new.get(..old.len()), Some(old.as_slice()));
    let held = ask(dir, &["positions"]);
    if ask(dir, &["fills"]).as_array().unwrap().len() == kept.len() {
        assert_eq!(quantities(&held), quantities(positions));
    }
}

fn kept(dir: &Path) -> [Value; 3] {
    ["fills", "orders", "positions"].map(|what| ask(dir, &[what]))
}

#[test]
fn the_demo_trades_at_once_and_goes_on_whatever_ends_it() {
    let folder = Folder::new("demo");
    let dir = folder.join("data");

    let first = Process::start(&dir, &[]);
    let lines = first.until("10 fills on 4 symbols", SOON, enough);
    assert_reasons(&lines);
    assert!(lines.iter().any(|line| line.contains("run 1 ")), "{lines:?}");
    assert!(
        lines.iter().any(|line| line.contains("the strategy loses money after fees")),
        "{lines:?}"
    );
    let venue = exchange(&dir).expect("an exchange runs");
    first.signal("-INT");
    let (status, lines, err) = first.end();
    assert_eq!(status.code(), Some(0), "{err}");
    assert_reasons(&lines);
    let summary = lines[lines.len() - 4..].join("\n");
    for words in ["run 1 took", "market time", "fills", "equity"] {
        assert!(summary.contains(words), "{words}: {summary}");
    }
    wait_until("the exchange ends", || !runs(venue));
    assert_eq!(complaints(&err), [""; 0]);

    let before = kept(&dir);
    let second = Process::start(&dir, &[]);
    let lines = second.prints("may trade");
    assert!(lines.iter().any(|line| line.contains("run 2 ")), "{lines:?}");
    second.answers();
    assert_kept(&dir, &before);
    second.until("a close", PATIENCE, |lines| !of(lines, "close").is_empty());
    second.kill();

    let before = kept(&dir);
    let third = Process::start(&dir, &[]);
    let lines = third.prints("may trade again");
    assert!(lines.iter().any(|line| line.contains("run 3 ")), "{lines:?}");
    third.answers();
    assert_kept(&dir, &before);
    third.until("a close", PATIENCE, |lines| !of(lines, "close").is_empty());
    third.kill();

    // Another pace: the exchange that is left runs at the old one and must not be taken for it.
    let venue = exchange(&dir).expect("it outlives the daemon");
    let fourth = Process::start(&dir, &["run", "--pace", "600x"]);
    fourth.prints("may trade again");
    assert!(!runs(venue), "the exchange of the old pace is still there");
    fourth.answers();
    let status = ask(&dir, &["status"]);
    assert_eq!((&status["pace"], &status["life"]), (&"600x".into(), &4.into()));
    fourth.signal("-TERM");
    assert_eq!(fourth.end().0.code(), Some(0));
    assert_eq!(ask(&dir, &["verify"])["problems"], serde_json::json!([]));
    kill_exchange(&dir);
}
