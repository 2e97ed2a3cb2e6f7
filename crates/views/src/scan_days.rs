//! Counts what each strategy says about each symbol, by day.
//!
//! The counts follow from the facts of the journal, which keeps those for `storage.analysis_days`.
//! Each night the daemon stores the counts of the last days in the history. It reads the facts
//! since the night before, see `reading.rs`. Nothing on the way of an order waits for it. Days
//! without stored counts are counted on request. `near.rs` lists the bars at which exactly one
//! condition failed.
//!
//! What a night stores is one commit of the history. A night that was killed has stored nothing,
//! and the next one does all of its work.

mod near;
mod reading;

pub use near::{NEAR_DAYS, NEAR_ROWS, NearView, UnknownDaysView, forget_near, near};

use super::exit::{Exit, Failure};
use super::journal_reader::JournalFacts;
use super::known_strategies::known;
use super::summary::Period;
use everwarm_domain::bar_retention::StorageRules;
use everwarm_domain::id::Symbol;
use everwarm_domain::signal::Intent;
use everwarm_domain::time::{DAY, UtcMs, day_of};
use everwarm_runtime::store::archive::{Archive, Op};
use everwarm_trading::strategy::Verdict;
use everwarm_words::shapes;
use near::{OfDays, Request};
use reading::Found;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// Most days of one request.
pub const DAYS_MAX: u32 = 3_660;
/// Days for which the history keeps counts. It keeps them for longer if `storage.analysis_days` is
/// longer.
pub const COUNT_DAYS: i64 = 90;
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
            (None, Ok(_)) => self.near += u64::from(near::is_near(verdict)),
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
    /// The newest day from which facts were removed. No day up to it counts.
    removed: Option<UtcMs>,
    days: Days,
    /// The bars near a signal of each day, if they are kept beside the counts.
    kept: Option<OfDays>,
    /// A request for the nearest bars, if they are wanted instead of the counts.
    request: Option<Request>,
}

impl DayCounts {
    fn new(period: Period, stored: BTreeSet<UtcMs>) -> DayCounts {
        let (removed, days, kept, request) = (None, Days::new(), None, None);
        DayCounts { period, stored, removed, days, kept, request }
    }

    /// Whether the bar that ended at `time` counts.
    pub(crate) fn has(&self, time: UtcMs) -> bool {
        let day = day_of(time) * DAY;
        (self.period.from..self.period.to).contains(&time)
            && !self.stored.contains(&day)
            && self.removed.is_none_or(|removed| day > removed)
    }

    /// Takes one evaluation.
    pub(crate) fn add(&mut self, strategy: &str, verdict: &Verdict) {
        if let Some(request) = &mut self.request {
            return request.add(strategy, verdict);
        }
        let (day, symbol) = (day_of(verdict.head.time) * DAY, verdict.head.symbol);
        if let Some(kept) = &mut self.kept {
            near::add_to(kept, (day, strategy), verdict);
        }
        let of_day = self.days.entry(day).or_default();
        if !of_day.contains_key(strategy) {
            of_day.insert(strategy.to_owned(), BTreeMap::new());
        }
        if let Some(all) = of_day.get_mut(strategy) {
            all.entry(symbol).or_default().add(verdict);
        }
    }

    /// Drops what was counted of days from which facts were removed.
    fn drop_removed(&mut self) {
        let Some(removed) = self.removed else { return };
        self.days.retain(|day, _| *day > removed);
        if let Some(kept) = &mut self.kept {
            kept.retain(|(day, _), _| *day > removed);
        }
        if let Some(request) = &mut self.request {
            request.drop_until(removed);
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
    let Found { counts, settings, .. } = reading::whole(journal, DayCounts::new(period, stored))?;
    all.extend(counts.days);
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

/// The newest days up to a close, that of the close included.
fn newest_days(days: u32, newest: UtcMs) -> Period {
    let to = (day_of(newest) + 1) * DAY;
    Period { from: to - i64::from(days) * DAY, to }
}

/// Stores the counts of the days before `to` that are not stored yet, at most those of a week. Days
/// without a bar have none. With `keeps_near`, the bars near a signal of these days are kept, too:
/// at most [`NEAR_ROWS`] of one strategy, symbol and day.
///
/// # Errors
/// The journal or the history could not be read or written. Then nothing was stored.
pub fn store(
    journal: &dyn JournalFacts,
    archive: &Archive,
    to: UtcMs,
    keeps_near: bool,
) -> Result<(), Failure> {
    let period = Period { from: to - NIGHTS * DAY, to };
    let (_, stored) = stored(archive, period)?;
    let kept = keeps_near.then(OfDays::new);
    let counts = DayCounts { kept, ..DayCounts::new(period, stored) };
    let Found { counts, next, .. } = reading::of_night(journal, archive, counts, to)?;
    let mut ops: Vec<Op> =
        next.into_iter().chain(near::ops(counts.kept.unwrap_or_default())).collect();
    for (day, strategies) in counts.days {
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

/// Removes the counts and the bars near a signal that are too old on a day, days since 1970. If
/// `storage.analysis_days` is 0, everything stays.
///
/// # Errors
/// The history could not be read or written.
pub fn remove_old(archive: &Archive, rules: &StorageRules, today: i64) -> Result<(), Failure> {
    if rules.analysis_days == 0 {
        return Ok(());
    }
    let counts = COUNT_DAYS.max(rules.analysis_days);
    let (first, mut ops) = (key_of(0), Vec::new());
    for (table, days) in [(TABLE, counts), (near::TABLE, NEAR_DAYS)] {
        let until = key_of(today.saturating_sub(days).saturating_mul(DAY));
        let old = archive.range(table, &first[..]..=&until[..], false, usize::MAX)?;
        ops.extend(old.into_iter().map(|(key, _)| Op::Delete { table, key }));
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
    let mut days = Days::new();
    for (day, id, value) in rows_of(archive, TABLE, period)? {
        let rows: Vec<(Symbol, Vec<u64>)> =
            serde_json::from_slice(&value).map_err(|e| damaged(TABLE, &e.to_string()))?;
        let symbols = rows.into_iter().map(|(symbol, of)| (symbol, Counts::of(&of))).collect();
        days.entry(day).or_default().insert(id, symbols);
    }
    let stored = days.keys().copied().collect();
    Ok((days, stored))
}

/// A row of a table by day and strategy: both, and its value.
type DayRow = (UtcMs, String, Vec<u8>);

/// The rows of a table by day and strategy, of a period of whole days.
fn rows_of(archive: &Archive, table: &'static str, period: Period) -> Result<Vec<DayRow>, Failure> {
    // A key of the end itself would have a strategy, too.
    let (from, to) = (key_of(period.from), key_of(period.to));
    let rows = archive.range(table, &from[..]..=&to[..], false, usize::MAX)?;
    let row = |(key, value): (Vec<u8>, Vec<u8>)| -> Result<DayRow, Failure> {
        let (day, id) =
            key.split_first_chunk().ok_or_else(|| damaged(table, "a key is too short"))?;
        let id = std::str::from_utf8(id).map_err(|e| damaged(table, &e.to_string()))?;
        Ok((i64::from_be_bytes(*day), id.to_owned(), value))
    };
    rows.into_iter().map(row).collect()
}

fn damaged(table: &str, reason: &str) -> Failure {
    let text = format!("the history's table {table} is damaged: {reason}");
    Failure::new(Exit::Foreign, text)
}

#[cfg(test)]
#[path = "scan_days_tests.rs"]
mod tests;
