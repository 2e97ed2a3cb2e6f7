//! Limits change while it trades: what is in force is what is decided by, and what was decided
//! under each is decided so again.

use crate::cli::look::measured;
use crate::kit::{Folder, Process, ask, run, wait_until};
use everwarm_domain::time::day_of;
use serde_json::Value;
use std::fs;
use std::path::Path;

fn rows(dir: &Path, what: &str) -> Vec<Value> {
    ask(dir, &[what]).as_array().unwrap().clone()
}

/// The close of the newest buy signal that was declined with these words, UTC milliseconds.
fn declined(dir: &Path, words: &str) -> Option<i64> {
    let with_words = |row: &Value| row["declined"].as_str().is_some_and(|why| why.contains(words));
    let signals = rows(dir, "signals").into_iter();
    let buys = signals.filter(|row| row["side"] == "buy" && with_words(row));
    buys.filter_map(|row| row["time"].as_i64()).max()
}

/// The closes that led to orders that buy, UTC milliseconds. The list is of the history, which is
/// written behind what `status` and `signals` report.
fn entries(dir: &Path) -> Vec<i64> {
    let buys = rows(dir, "orders").into_iter().filter(|order| order["side"] == "buy");
    buys.map(|order| order["time"].as_i64().unwrap()).collect()
}

/// The newest close that was decided by, UTC milliseconds.
fn close(dir: &Path) -> i64 {
    ask(dir, &["status"])["close_time"].as_i64().unwrap()
}

/// Has the entries of a day limited to as many as were filled today, and gives their number; fewer
/// are refused.
fn as_many_as_filled(
    dir: &Path,
    used: &str,
    write: &dyn Fn(u32, usize),
    reload: &dyn Fn() -> (Option<i32>, String, String),
) -> u32 {
    wait_until("more than one was filled today", || measured(dir, used) * 1000.0 > 1.5);
    wait_until("fewer are refused", || {
        write(1, 8);
        let (code, _, err) = reload();
        let explained =
            err.contains("risk.max_trades_per_day: ") && err.contains("1 would be allowed");
        assert!(code == Some(0) || (code == Some(5) && explained), "{code:?} {err}");
        write(1000, 8);
        if code == Some(0) {
            // A day began in between.
            assert_eq!(reload().0, Some(0));
        }
        code == Some(5)
    });
    let mut most = 0;
    wait_until("as many as were filled are the most", || {
        most = format!("{:.0}", measured(dir, used) * 1000.0).parse().unwrap();
        write(most, 8);
        most > 0 && reload().0 == Some(0)
    });
    most
}

#[test]
fn limits_change_while_it_trades_and_a_replay_decides_the_same() {
    let folder = Folder::new("limits");
    let (dir, file) = (folder.join("data"), folder.join("mine.toml"));
    let write = |entries: u32, positions: usize| {
        let text = format!(
            "[risk]\nmax_trades_per_day = {entries}\n[trading]\nmax_positions = {positions}\n"
        );
        fs::write(&file, text).unwrap();
    };
    let reload = || run(&dir, &["config", "reload", "--yes"]);
    write(1000, 8);
    let path = file.to_str().unwrap();
    let market = ["run", "--symbols", "8", "--pace", "300x", "--config", path];
    let daemon = Process::start(&dir, &market);
    daemon.answers();
    daemon.prints(" fill ");
    let halted = "everwarm_trading_halted{reason=\"limit\"}";
    let used = "everwarm_risk_limit_used_ratio{limit=\"entries_per_day\"}";
    assert_eq!(measured(&dir, halted).to_bits(), 0.0_f64.to_bits());

    // As many as were filled today are enough from now on; fewer would be below what is used.
    let most = as_many_as_filled(&dir, used, &write, &reload);
    let reason = &format!("the limit of {most} entries a day is reached");
    wait_until("the breaker leaves exits only", || {
        let status = ask(&dir, &["status"]);
        let why = status["breaker_reasons"].to_string();
        status["breaker"] == "exits-only" && why.contains(reason)
    });
    wait_until("metrics tell of it", || measured(&dir, halted) > 0.5);
    assert!(measured(&dir, used) >= 1.0);
    let from = close(&dir);
    wait_until("entries are declined", || declined(&dir, reason) > Some(from));
    let until = declined(&dir, reason).unwrap();

    write(1000, 8);
    assert_eq!(reload().0, Some(0));
    wait_until("it is normal again", || ask(&dir, &["status"])["breaker"] == "normal");
    wait_until("entries are sent again", || entries(&dir).iter().any(|time| *time > until));
    // Of another day than that on which it was reached there may be one, where that takes so long.
    let sent: Vec<i64> = entries(&dir);
    let between = |time: &&i64| (from + 1..=until).contains(*time);
    let late = sent.iter().filter(between).all(|time| day_of(*time) > day_of(from));
    assert!(late, "{from} {until} {sent:?}");
    assert!(measured(&dir, halted) < 0.5 && measured(&dir, used) < 1.0);

    // No more than is held, of few: all eight are held too seldom to wait for. What would be less
    // than is held is refused.
    let mut most = 0;
    wait_until("as many as are held are the most", || {
        let listed = ask(&dir, &["symbols", "list"]);
        let held = listed.as_array().unwrap().iter().filter(|row| !row["held"].is_null()).count();
        write(1000, held);
        most = held;
        (1..=4).contains(&held) && reload().0 == Some(0)
    });
    let reason = format!("{most} of {most} positions are open");
    wait_until("others are declined", || declined(&dir, &reason).is_some());
    // A machine may have been faster than the market.
    wait_until("much was decided", || ask(&dir, &["status"])["head"].as_u64() > Some(150));
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    let (code, out, err) = run(&dir, &["verify"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let again = ask(&dir, &["replay"]);
    assert!(again["inputs"].as_u64() > Some(100), "{again}");
    assert_eq!(again["differing"], 0, "{again}");
    let stages = again["stages"].as_array().unwrap();
    let same =
        |stage: &str| stages.iter().find(|row| row["stage"] == stage).unwrap()["same"].as_u64();
    assert!(same("breaker") >= Some(2) && same("decision") >= Some(2), "{again}");
}
