//! Counts what each strategy says about each symbol, by day.
//!
//! The counts follow from the facts of the journal, which keeps those for `storage.analysis_days`.
//! Each night the daemon stores the counts of the last days in the history, where they stay. It
//! stores nothing on the way of an order. Days without stored counts are counted on request. The
//! bars at which exactly one condition failed are evaluated again on request, too.

use super::evaluations::Evaluations;
use super::exit::{Exit, Failure};
use super::journal_reader::JournalFacts;
use super::known_strategies::known;
use super::scan::ScanView;
use super::summary::Period;
use everwarm_domain::fact::{Body, Market, Operator};
use everwarm_domain::id::Symbol;
use everwarm_domain::settings::Settings;
use everwarm_domain::signal::Intent;
use everwarm_domain::time::{DAY, UtcMs, day_of};
use everwarm_runtime::store::Store;
use everwarm_runtime::store::archive::{Archive, Op};
use everwarm_trading::strategy::{Distance, Verdict};
use everwarm_words::shapes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use utoipa::ToSchema;

/// Most days of one request.
pub const DAYS_MAX: u32 = 3_660;
/// Days whose counts a night stores if no earlier night did.
const NIGHTS: i64 = 7;
/// Stored counts. The key is the day and the strategy, the value a list of symbols with counts.
const TABLE: &str = "scan_days.1";

/// What one strategy says about one symbol in a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScanDayView {
    /// Start of the day, UTC milliseconds.
    pub day: UtcMs,
    /// The strategy.
    pub strategy: String,
    /// The symbol.
    #[schema(value_type = shapes::Symbol)]
    pub symbol: Symbol,
    /// Bars of the strategy that ended in the day, with values.
    pub bars: u64,
    /// Of these, bars that could not be judged: a feature had too few bars.
    pub unjudged: u64,
    /// Signals that open a lot.
    pub enters: u64,
    /// Signals that add to a lot.
    pub adds: u64,
    /// Signals that close a lot.
    pub exits: u64,
    /// Bars without a signal at which exactly one condition failed.
    pub near: u64,
}

/// The counts of one strategy, symbol and day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    bars: u64,
    unjudged: u64,
    enters: u64,
    adds: u64,
    exits: u64,
    near: u64,
}

impl Counts {
    fn add(&mut self, verdict: &Verdict) {
        self.bars += 1;
        let intent = verdict.signal.as_ref().map(|signal| signal.intent);
        match (intent, &verdict.judged) {
            (Some(Intent::Open), _) => self.enters += 1,
            (Some(Intent::Add), _) => self.adds += 1,
            (Some(Intent::Reduce | Intent::Close), _) => self.exits += 1,
            (None, Err(_)) => self.unjudged += 1,
            (None, Ok(all)) => {
                let Distance { failed, .. } = all.distance();
                self.near += u64::from(failed == 1);
            }
        }
    }

    /// The stored form. Later versions may add numbers at the end.
    fn numbers(self) -> [u64; 6] {
        let Counts { bars, unjudged, enters, adds, exits, near } = self;
        [bars, unjudged, enters, adds, exits, near]
    }

    fn of(numbers: &[u64]) -> Counts {
        let at = |at: usize| numbers.get(at).copied().unwrap_or(0);
        let [bars, unjudged, enters, adds, exits, near] = [0, 1, 2, 3, 4, 5].map(at);
        Counts { bars, unjudged, enters, adds, exits, near }
    }

    fn view(self, (day, strategy, symbol): (UtcMs, &str, Symbol)) -> ScanDayView {
        let Counts { bars, unjudged, enters, adds, exits, near } = self;
        let strategy = strategy.to_owned();
        ScanDayView { day, strategy, symbol, bars, unjudged, enters, adds, exits, near }
    }
}

/// Counts by day, strategy and symbol.
type Days = BTreeMap<UtcMs, BTreeMap<String, BTreeMap<Symbol, Counts>>>;

/// Takes the evaluations of some days, while they are made again.
#[derive(Debug)]
pub(crate) struct DayCounts {
    period: Period,
    /// Days that are not counted, because their counts are stored.
    stored: BTreeSet<UtcMs>,
    days: Days,
    /// The rows near a signal, if they are wanted instead of the counts.
    near: Option<Near>,
}

/// Rows at which exactly one condition failed.
#[derive(Debug)]
struct Near {
    /// The only strategy that counts; none: all.
    strategy: Option<String>,
    /// Number of rows that are kept, the nearest to a signal.
    top: usize,
    rows: Vec<ScanView>,
}

impl Near {
    fn add(&mut self, strategy: &str, verdict: &Verdict) {
        let wanted = self.strategy.as_deref().is_none_or(|only| only == strategy);
        let failed = verdict.judged.as_ref().map_or(0, |all| all.distance().failed);
        if !wanted || verdict.signal.is_some() || failed != 1 {
            return;
        }
        self.rows.push(ScanView::of_bar(strategy, verdict.clone()));
        if self.rows.len() >= self.top.saturating_mul(2).max(1_000) {
            self.keep();
        }
    }

    /// Drops all but the nearest rows. Of equally near ones the newest come first.
    fn keep(&mut self) {
        self.rows.sort_by(|one, other| {
            let (gap, of) = (one.gap.unwrap_or(f64::MAX), other.gap.unwrap_or(f64::MAX));
            let by_time = || other.close.cmp(&one.close);
            gap.total_cmp(&of).then_with(by_time).then_with(|| one.order(other))
        });
        self.rows.truncate(self.top);
    }
}

impl DayCounts {
    fn new(period: Period, stored: BTreeSet<UtcMs>) -> DayCounts {
        DayCounts { period, stored, days: Days::new(), near: None }
    }

    /// Whether the bar that ended at `time` counts.
    pub(crate) fn has(&self, time: UtcMs) -> bool {
        let day = day_of(time) * DAY;
        (self.period.from..self.period.to).contains(&time) && !self.stored.contains(&day)
    }

    /// Takes one evaluation.
    pub(crate) fn add(&mut self, strategy: &str, verdict: &Verdict) {
        if let Some(near) = &mut self.near {
            return near.add(strategy, verdict);
        }
        let (day, symbol) = (day_of(verdict.head.time) * DAY, verdict.head.symbol);
        let of_day = self.days.entry(day).or_default();
        if !of_day.contains_key(strategy) {
            of_day.insert(strategy.to_owned(), BTreeMap::new());
        }
        if let Some(all) = of_day.get_mut(strategy) {
            all.entry(symbol).or_default().add(verdict);
        }
    }
}

/// The counts of the newest `days` days up to the close `newest`, oldest first. With a strategy,
/// only its rows.
///
/// # Errors
/// The journal or the history could not be read, or there is no such strategy.
pub fn scan_days(
    journal: &dyn JournalFacts,
    archive: &Archive,
    (days, newest): (u32, UtcMs),
    strategy: Option<&str>,
) -> Result<Vec<ScanDayView>, Failure> {
    let period = newest_days(days, newest);
    let (mut all, stored) = stored(archive, period)?;
    let (counted, settings) = again(journal, DayCounts::new(period, stored))?;
    all.extend(counted.days);
    let mut rows = Vec::new();
    for (day, strategies) in &all {
        for (id, symbols) in strategies {
            if strategy.is_none_or(|strategy| strategy == id) {
                let view = |(symbol, of): (&Symbol, &Counts)| of.view((*day, id, *symbol));
                rows.extend(symbols.iter().map(view));
            }
        }
    }
    if rows.is_empty() {
        strategy.map_or(Ok(()), |strategy| known(strategy, &settings))?;
    }
    Ok(rows)
}

/// The bars of the newest `days` days up to the close `newest` at which exactly one condition of a
/// signal failed: the `top` ones with the smallest gap. With a strategy, only its rows.
///
/// # Errors
/// The journal could not be read, or there is no such strategy.
pub fn near(
    journal: &dyn JournalFacts,
    (days, newest): (u32, UtcMs),
    strategy: Option<&str>,
    top: usize,
) -> Result<Vec<ScanView>, Failure> {
    let near = Near { strategy: strategy.map(str::to_owned), top, rows: Vec::new() };
    let of = DayCounts::new(newest_days(days, newest), BTreeSet::new());
    let (found, settings) = again(journal, DayCounts { near: Some(near), ..of })?;
    let Some(mut near) = found.near else { return Ok(Vec::new()) };
    near.keep();
    if near.rows.is_empty() {
        strategy.map_or(Ok(()), |strategy| known(strategy, &settings))?;
    }
    Ok(near.rows)
}

/// The newest days up to a close, that of the close included.
fn newest_days(days: u32, newest: UtcMs) -> Period {
    let to = (day_of(newest) + 1) * DAY;
    Period { from: to - i64::from(days) * DAY, to }
}

/// Stores the counts of the days before `to` that are not stored yet, at most those of a week. Days
/// without a bar have none.
///
/// # Errors
/// The journal or the history could not be read or written.
pub fn store(journal: &dyn JournalFacts, archive: &Archive, to: UtcMs) -> Result<(), Failure> {
    let period = Period { from: to - NIGHTS * DAY, to };
    let (_, stored) = stored(archive, period)?;
    let (counted, _) = again(journal, DayCounts::new(period, stored))?;
    let mut ops = Vec::new();
    for (day, strategies) in counted.days {
        for (id, symbols) in strategies {
            let key = [&key_of(day)[..], id.as_bytes()].concat();
            let rows: Vec<(Symbol, [u64; 6])> =
                symbols.into_iter().map(|(symbol, of)| (symbol, of.numbers())).collect();
            let value = serde_json::to_vec(&rows).expect("plain values and memory takes them");
            ops.push(Op::Put { table: TABLE, key, value });
        }
    }
    if ops.is_empty() {
        return Ok(());
    }
    archive.commit(&ops, true).map_err(Failure::from)
}

/// The start of the key of a day. Earlier days sort first.
fn key_of(day: UtcMs) -> [u8; 8] {
    day.max(0).to_be_bytes()
}

/// The stored counts of a period, and their days.
fn stored(archive: &Archive, period: Period) -> Result<(Days, BTreeSet<UtcMs>), Failure> {
    let damaged = |reason: &str| {
        let text = format!("the history's table {TABLE} is damaged: {reason}");
        Failure::new(Exit::Foreign, text)
    };
    let (from, to) = (key_of(period.from), key_of(period.to));
    let mut days = Days::new();
    for (key, value) in archive.range(TABLE, &from[..]..=&to[..], false, usize::MAX)? {
        let (day, id) = key.split_first_chunk().ok_or_else(|| damaged("a key is too short"))?;
        let id = std::str::from_utf8(id).map_err(|e| damaged(&e.to_string()))?;
        let rows: Vec<(Symbol, Vec<u64>)> =
            serde_json::from_slice(&value).map_err(|e| damaged(&e.to_string()))?;
        let symbols = rows.into_iter().map(|(symbol, of)| (symbol, Counts::of(&of))).collect();
        days.entry(i64::from_be_bytes(*day)).or_default().insert(id.to_owned(), symbols);
    }
    let stored = days.keys().copied().collect();
    Ok((days, stored))
}

/// Makes the evaluations of the journal again, and returns what was wanted of them and the newest
/// settings. Days from which facts were removed have no counts.
fn again(journal: &dyn JournalFacts, wanted: DayCounts) -> Result<(DayCounts, Settings), Failure> {
    let whole_from = journal.store().map_or(Ok(1), Store::whole_from);
    let whole_from = whole_from.map_err(|e| Failure::new(Exit::StoreFailed, e.to_string()))?;
    let period = wanted.period;
    let mut evaluations = Evaluations::counting(wanted);
    let (mut settings, mut removed) = (Settings::default(), None);
    journal.each(0, &mut |row, fact| {
        evaluations.fold(fact);
        if let Body::Operator(Operator::ConfigApplied { text, .. }) = &fact.body {
            settings = Settings::from_text(text).unwrap_or_default();
        }
        if let Body::Market(Market::Close { time, .. }) = &fact.body
            && row < whole_from
        {
            removed = removed.max(Some(day_of(*time) * DAY));
        }
        ControlFlow::Continue(())
    })?;
    let none = || DayCounts::new(period, BTreeSet::new());
    let mut found = evaluations.counts.unwrap_or_else(none);
    found.days.retain(|day, _| removed.is_none_or(|removed| *day > removed));
    Ok((found, settings))
}

#[cfg(test)]
#[path = "scan_days_tests.rs"]
mod tests;
