//! What a daemon that trades stocks still has after a SIGKILL: its bars, and averages that need no
//! new ones.

use super::stocks::{SYMBOLS, daemon, ready};
use super::stocks_at_night::Exchange;
use crate::kit::{ask, run, wait_until};
use everwarm::audit;
use everwarm_domain::fact::{Analysis, Body, Market, Operator};
use everwarm_domain::time::{Timeframe, UtcMs};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;

/// Where the market begins, ten minutes after the opening: 2026-01-05T14:40Z.
const START: UtcMs = 1_767_624_000_000;
/// How fast time passes: the session ends after three minutes.
const FACTOR: u32 = 120;
/// Bars that the slow average needs.
const SLOW: usize = 40;
/// Bars that must outlive a kill.
const BARS: usize = 50;

/// The newest minutes of a symbol since the market began, from the daemon or from its files.
fn bars(dir: &Path, symbol: &str) -> Vec<Value> {
    let rows = ask(dir, &["bars", symbol, "1m", "--limit", "300"]);
    let since = |row: &&Value| row["open_time"].as_i64() >= Some(START);
    rows.as_array().unwrap().iter().filter(since).cloned().collect()
}

/// Waits until each symbol has so many bars since the market began.
fn grown(dir: &Path, least: usize) {
    let has = |symbol: &&str| bars(dir, symbol).len() >= least;
    wait_until("the bars come", || SYMBOLS.iter().all(&has));
}

/// The first close of a run.
#[derive(Debug, Default)]
struct First {
    /// End of its minute.
    time: Option<UtcMs>,
    /// Symbols that have all averages there.
    warm: BTreeSet<String>,
    /// Symbols that lack one.
    cold: BTreeSet<String>,
}

impl First {
    fn take(&mut self, body: &Body) {
        if let Body::Market(Market::Close { time, .. }) = body {
            self.time.get_or_insert(*time);
        }
        let Body::Analysis(Analysis::FeatureValues { timeframe: Timeframe::M1, table, .. }) = body
        else {
            return;
        };
        for row in table.rows().filter(|row| Some(row.head.time) == self.time) {
            let has_all = row.values.iter().all(|value| value.is_finite());
            let into = if has_all { &mut self.warm } else { &mut self.cold };
            into.insert(row.head.symbol.to_string());
        }
    }
}

/// The first close of each run.
fn first_closes(dir: &Path) -> Vec<First> {
    let mut runs: Vec<First> = Vec::new();
    let read = audit::open(dir).unwrap().each(0, &mut |_, fact| {
        if let Body::Operator(Operator::Started { .. }) = &fact.body {
            runs.push(First::default());
        }
        if let Some(run) = runs.last_mut() {
            run.take(&fact.body);
        }
        ControlFlow::Continue(())
    });
    read.unwrap();
    runs
}

#[test]
fn forty_bars_give_an_average_after_a_kill_and_fifty_bars_are_still_there() {
    let there = Exchange::begin("stocks-kept", (START, FACTOR));
    let dir = there.at.folder.join("data");
    let strategy = format!("[strategy.sma_cross]\nfast = 10\nslow = {SLOW}\n");
    let config = there.at.configured("kept.toml", &strategy);
    let first = daemon(&dir, &config);
    ready(&dir);
    grown(&dir, SLOW);
    first.kill();
    let second = daemon(&dir, &config);
    ready(&dir);
    let most = SYMBOLS.map(|symbol| bars(&dir, symbol).len()).into_iter().max().unwrap();
    grown(&dir, most + 2);

    grown(&dir, BARS);
    let all = || SYMBOLS.map(|symbol| bars(&dir, symbol));
    let known = all();
    second.kill();
    let still = |what: &str| {
        for (symbol, (before, after)) in SYMBOLS.iter().zip(known.iter().zip(all())) {
            let lost = before.iter().filter(|bar| !after.contains(bar)).collect::<Vec<_>>();
            assert!(lost.is_empty() && before.len() >= BARS, "{symbol}, {what}: {lost:?}");
        }
    };
    still("in the files of the killed daemon");
    let runs = first_closes(&dir);
    let [_, after_kill] = &runs[..] else { panic!("{runs:?}") };
    assert!(after_kill.time.is_some() && after_kill.cold.is_empty(), "{after_kill:?}");
    let all = BTreeSet::from(SYMBOLS.map(str::to_owned));
    assert_eq!(after_kill.warm, all, "the symbols with averages at its first close");

    let third = daemon(&dir, &config);
    ready(&dir);
    still("in the daemon that follows");
    third.signal("-TERM");
    let (code, _, err) = third.result();
    assert_eq!(code, Some(0), "{err}");
    let (code, out, err) = run(&dir, &["verify"]);
    assert_eq!(code, Some(0), "{out}{err}");
}
