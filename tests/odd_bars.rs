//! Odd bars: what a stream alone sends is never traded on, and a real crash is never hidden from
//! exits.

use crate::kit::{Folder, Process, ask, run, wait_until_free};
use everwarm::daemon_run::{APPLICATION, LIVE_FILE};
use everwarm_domain::fact::{Body, Market};
use everwarm_domain::id::Symbol;
use everwarm_domain::odd::Oddity;
use everwarm_kernel::fact::Fact;
use everwarm_runtime::store::Store;
use everwarm_sim::faults::{Fault, Kind, prepare};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

/// Opening time of the first bar, UTC milliseconds.
const START: i64 = 1_600_000_020_000;
const MINUTE: i64 = 60_000;

/// A recording of one symbol with the closing price of each minute, in cents.
fn recording(dir: &Path, price: impl Fn(i64) -> i64, minutes: i64) -> String {
    fs::create_dir_all(dir).unwrap();
    let mut text = "open_time,open,high,low,close,volume\n".to_owned();
    for minute in 0..minutes {
        let decimal = |cents: i64| format!("{}.{:02}", cents / 100, cents % 100);
        let (open, close) = (price((minute - 1).max(0)), price(minute));
        let (high, low) = (decimal(open.max(close)), decimal(open.min(close)));
        let (open_time, open, close) = (START + minute * MINUTE, decimal(open), decimal(close));
        writeln!(text, "{open_time},{open},{high},{low},{close},1000").unwrap();
    }
    fs::write(dir.join("BTCUSDT_1m.csv"), text).unwrap();
    dir.to_str().unwrap().to_owned()
}

fn markets(dir: &Path) -> Vec<Market> {
    let mut all = Vec::new();
    let store = Store::open(&dir.join(LIVE_FILE), APPLICATION).unwrap();
    let read = store.scan(0, &mut |_, fact: Fact<Body>| {
        if let Body::Market(market) = fact.body {
            all.push(market);
        }
        ControlFlow::Continue(())
    });
    read.unwrap();
    all
}

/// Closing prices in cents, by minute.
type Prices = BTreeMap<i64, i64>;
/// Odd bars, by minute.
type Odd = Vec<(i64, Oddity)>;

/// Closing prices in cents by minute, the minutes with an odd bar, and what was refused.
#[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
fn recorded(dir: &Path) -> (Prices, Odd, Vec<Market>) {
    let (mut prices, mut odd, mut refused) = (BTreeMap::new(), Vec::new(), Vec::new());
    for market in markets(dir) {
        match &market {
            Market::Close { time, bars, odd: marked, .. } => {
                let minute = (time - MINUTE - START) / MINUTE;
                prices.extend(bars.iter().map(|bar| (minute, bar.close.units() / 1_000_000)));
                odd.extend(marked.iter().map(|odd| (minute, odd.why)));
            }
            Market::BarRefused { .. } => refused.push(market),
            _ => {}
        }
    }
    (prices, odd, refused)
}

fn play(dir: &Path, recording: &str) {
    let (code, out, err) =
        run(dir, &["run", "--pace", "lockstep", "--until-end", "--recording", recording]);
    assert_eq!(code, Some(0), "{out}\n{err}");
    wait_until_free(dir);
}

fn orders(dir: &Path, side: &str) -> Vec<Value> {
    let all = ask(dir, &["orders"]);
    all.as_array().unwrap().iter().filter(|order| order["side"] == side).cloned().collect()
}

#[test]
fn a_bar_that_the_stream_alone_tells_never_reaches_a_close() {
    let folder = Folder::new("odd-stream");
    // It rises slowly: a bar at a tenth of its price would be an exit.
    let price = |minute: i64| 10_000 + (minute - 60).max(0) * 10;
    let recording = recording(&folder.join("recording"), price, 240);
    let dir = folder.join("data");
    let fault = Fault { skip: 100, times: Some(3), ..Fault::of(Kind::OddBar) };
    prepare(&dir.join("exchange"), &[fault]).unwrap();
    play(&dir, &recording);
    let (prices, odd, refused) = recorded(&dir);
    for (minute, closed) in &prices {
        assert_eq!(*closed, price(*minute), "minute {minute}");
    }
    assert!(prices.len() > 200, "{}", prices.len());
    assert_eq!(odd, []);
    // If the stream is late, the bar was fetched before.
    assert!((1..=3).contains(&refused.len()), "{refused:?}");
    for market in &refused {
        let Market::BarRefused { symbol, time, reason, claimed } = market else { continue };
        assert_eq!(*symbol, Symbol::new("BTCUSDT").unwrap());
        assert_eq!(reason, "the exchange's records contradict the stream");
        let tenth = price((time - START) / MINUTE) / 10;
        let close = format!("close {}.{:02}", tenth / 100, tenth % 100);
        assert!(claimed.contains(close.trim_end_matches('0').trim_end_matches('.')), "{claimed}");
    }
    let sold = |fill: &&Value| fill["side"] == "sell";
    let fills = ask(&dir, &["fills"]);
    assert_eq!(fills.as_array().unwrap().iter().find(sold), None, "nothing was sold for it");
    assert_eq!(ask(&dir, &["verify"])["problems"], serde_json::json!([]));
}

#[test]
fn a_crash_reaches_exits_at_once_and_entries_pause_for_15_closes() {
    let folder = Folder::new("odd-crash");
    // It rises until it crashes by half in a minute, rises at once from there, and so is to be
    // bought again some minutes later.
    let crash = 120;
    let price = |minute: i64| match minute {
        at if at < 60 => 10_000,
        at if at < crash => 10_000 + (at - 60) * 10,
        at if at < crash + 3 => 5_000,
        at if at < crash + 10 => 5_000 + (at - crash - 2) * 400,
        at if at < crash + 40 => 7_800 - (at - crash - 9) * 20,
        at => 7_200 + (at - crash - 40) * 20,
    };
    let recording = recording(&folder.join("recording"), price, 300);
    let dir = folder.join("data");
    fs::write(folder.join("fast.toml"), "[strategy.sma_cross]\nfast = 2\nslow = 5\n").unwrap();
    let config = folder.join("fast.toml");
    let (code, out, err) = run(
        &dir,
        &[
            "run",
            "--pace",
            "lockstep",
            "--until-end",
            "--recording",
            &recording,
            "--config",
            config.to_str().unwrap(),
        ],
    );
    assert_eq!(code, Some(0), "{out}\n{err}");
    wait_until_free(&dir);
    let (prices, odd, refused) = recorded(&dir);
    assert_eq!(odd, [(crash, Oddity::Jump)]);
    assert_eq!(refused, []);
    assert_eq!(prices[&crash], 5_000);
    let closed = |minute: i64| START + (minute + 1) * MINUTE;
    let fills = ask(&dir, &["fills"]);
    let sale = fills.as_array().unwrap().iter().find(|fill| fill["side"] == "sell").unwrap();
    let minute = closed(crash - 1)..=closed(crash);
    assert!(minute.contains(&sale["time"].as_i64().unwrap()), "sold at once: {fills}");
    let signals = ask(&dir, &["signals"]);
    let bought: Vec<i64> =
        orders(&dir, "buy").iter().filter_map(|order| order["time"].as_i64()).collect();
    let (from, to) = (closed(crash), closed(crash + 15));
    assert!(bought.iter().all(|time| !(from..to).contains(time)), "{bought:?}\n{signals}");
    assert!(bought.iter().any(|time| *time >= to), "it is bought again later: {bought:?}");
    let declined = |signal: &&Value| signal.to_string().contains("had an odd bar");
    let paused: Vec<&Value> = signals.as_array().unwrap().iter().filter(declined).collect();
    assert!(!paused.is_empty(), "{signals}");
    assert_eq!(ask(&dir, &["verify"])["problems"], serde_json::json!([]));
}

#[test]
fn bars_that_streams_and_records_tell_alike_are_believed_and_shown() {
    let folder = Folder::new("odd-records");
    let recording = recording(&folder.join("recording"), |_| 10_000, 400);
    let dir = folder.join("data");
    let mut daemon = Process::start(&dir, &["run", "--pace", "60x", "--recording", &recording]);
    daemon.prints("ready");
    // Some bars of the future are odd whoever sends them, others by the stream alone.
    for fault in
        [["odd-records", "--times", "1", "--skip", "0"], ["odd-bar", "--times", "2", "--skip", "3"]]
    {
        let parts = [&["sim", "fault"], fault.as_slice()].concat();
        let (code, out, err) = run(&dir, &parts);
        assert_eq!(code, Some(0), "{out}{err}");
    }
    let shown = |words: &str| {
        let lines = daemon.prints(words);
        lines.into_iter().find(|line| line.contains(words)).unwrap()
    };
    assert!(shown(" odd ").contains("its price jumped, and the exchange confirms it"));
    assert!(shown(" refused ").contains("records contradict the stream"));
    let doctor = run(&dir, &["doctor"]).1;
    assert!(doctor.contains("the bar BTCUSDT"), "{doctor}");
    assert!(daemon.alive());
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
}
