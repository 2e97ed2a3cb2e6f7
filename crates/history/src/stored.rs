//! Which bars the history has of each series, as ranges of opening times without a gap.

use super::backfilled::BACKFILLED;
use super::bars::{OUTAGES, RANGES};
use super::gaps::joined;
use super::key_encoding::{self, SYMBOL};
use super::need::Times;
use super::projection::BARS;
use super::removed::Removed;
use everwarm_domain::id::Symbol;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_runtime::store::archive::{Archive, ArchiveError, Op, Row};
use std::collections::BTreeMap;

/// Properties of the source of the bars. A stopped daemon has no other place to find them.
pub(super) const SOURCE: &str = "source.1";
const SENDS_EMPTY: &[u8] = b"sends_empty";
/// Fetched ranges that are read at once: half a megabyte each, at most.
const RANGES_AT_ONCE: usize = 8;
/// Rows of bars from facts that are read at once. A row has the bars of all symbols.
const ROWS_AT_ONCE: usize = 64;

/// A series: symbol and width.
pub type Series = (Symbol, Timeframe);

/// What a missing bar means, by the source of the bars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Absence {
    /// No start has recorded what it means.
    #[default]
    Unknown,
    /// Nothing was traded: the source omits such bars.
    NotTraded,
    /// The source lacks it: it sends bars without a trade, too.
    Lost,
}

/// The stored bars of one series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredSeries {
    /// Opening times of its bars, ascending, as ranges without a gap.
    pub runs: Vec<Times>,
    /// Opening times of the first and the last bar from facts; none: all bars were fetched.
    pub facts: Option<Times>,
    /// Times for which the source reported that it has no bars, ascending.
    pub none: Vec<Times>,
}

/// The stored bars of all series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredBars {
    /// By symbol and width.
    pub series: BTreeMap<Series, StoredSeries>,
    /// Opening time of the last bars from facts that the retention moved out, by width.
    pub moved_through: BTreeMap<Timeframe, UtcMs>,
    /// Rows that cannot be decoded. They are left out here, and `history check` names them.
    pub damaged: u64,
}

/// Reads which bars the history has.
///
/// # Errors
/// The file could not be read.
pub fn read(archive: &Archive) -> Result<StoredBars, ArchiveError> {
    let moved_through = Removed::read(archive)?.times();
    let mut stored = StoredBars { moved_through, ..StoredBars::default() };
    for table in [RANGES, BACKFILLED] {
        each(archive, table, RANGES_AT_ONCE, &mut |row| stored.fetched(&row))?;
    }
    let mut open: BTreeMap<Series, Option<Times>> = BTreeMap::new();
    each(archive, BARS, ROWS_AT_ONCE, &mut |(key, value)| {
        let bars = key_encoding::named_bars_of(&value);
        let (Some(width), Some(_), Ok(bars)) = (width_in(&key), time_in(&key, 1), bars) else {
            stored.damaged += 1;
            return;
        };
        for bar in bars {
            let (of, time) = ((bar.symbol, width), bar.open_time);
            let series = stored.series.entry(of).or_default();
            let from = series.facts.as_ref().map_or(time, |times| time.min(*times.start()));
            let to = series.facts.as_ref().map_or(time, |times| time.max(*times.end()));
            series.facts = Some(from..=to);
            extend(open.entry(of).or_default(), time, width.ms(), &mut series.runs);
        }
    })?;
    for (of, last) in open {
        stored.series.entry(of).or_default().runs.extend(last);
    }
    each(archive, OUTAGES, ROWS_AT_ONCE, &mut |(key, value)| {
        let of = width_in(&key).zip(key_encoding::symbol_in(&key).ok());
        let times = time_in(&key, 1 + SYMBOL).zip(time_in(&value, 0));
        match of.zip(times) {
            Some(((width, symbol), (from, to))) if from <= to => {
                stored.series.entry((symbol, width)).or_default().none.push(from..=to);
            }
            Some(_) | None => stored.damaged += 1,
        }
    })?;
    for ((_, width), series) in &mut stored.series {
        series.runs = joined(std::mem::take(&mut series.runs), width.ms());
        series.none = joined(std::mem::take(&mut series.none), width.ms());
    }
    Ok(stored)
}

impl StoredBars {
    /// Adds a row with fetched bars of one series.
    fn fetched(&mut self, (key, value): &Row) {
        let of = key_encoding::symbol_in(key).ok().zip(width_in(key));
        let bars = of.map(|(symbol, _)| key_encoding::bars_of(symbol, value));
        let (Some(of), Some(Ok(bars))) = (of, bars) else {
            self.damaged += 1;
            return;
        };
        let runs = &mut self.series.entry(of).or_default().runs;
        let mut last: Option<Times> = None;
        for bar in bars {
            extend(&mut last, bar.open_time, of.1.ms(), runs);
        }
        runs.extend(last);
    }
}

/// Adds a bar to the range that grows. If the bar does not touch it, the range moves to `runs`.
fn extend(last: &mut Option<Times>, time: UtcMs, width: UtcMs, runs: &mut Vec<Times>) {
    match last {
        Some(times) if times.contains(&time) => {}
        Some(times) if times.end().saturating_add(width) == time => *times = *times.start()..=time,
        Some(_) | None => runs.extend(last.replace(time..=time)),
    }
}

/// Calls `see` with each row of a table, by key. It reads `at_once` rows at a time.
pub(super) fn each(
    archive: &Archive,
    table: &'static str,
    at_once: usize,
    see: &mut dyn FnMut(Row),
) -> Result<(), ArchiveError> {
    let mut from: Vec<u8> = Vec::new();
    loop {
        let rows = archive.range(table, &from..=&[u8::MAX; 64][..], false, at_once)?;
        let whole = rows.len() == at_once;
        for row in rows {
            from.clone_from(&row.0);
            see(row);
        }
        if !whole {
            return Ok(());
        }
        from.push(0);
    }
}

/// The width of a key that begins with one.
pub(super) fn width_in(key: &[u8]) -> Option<Timeframe> {
    let first = *key.first()?;
    Timeframe::ALL.into_iter().find(|width| key_encoding::timeframe_key(*width) == first)
}

/// The instant at an index of a key or value.
pub(super) fn time_in(bytes: &[u8], at: usize) -> Option<UtcMs> {
    let bytes = bytes.get(at..at.checked_add(8)?)?;
    bytes.try_into().ok().map(key_encoding::time_of)
}

/// What a missing bar means, as the last start recorded it.
///
/// # Errors
/// The file could not be read.
pub fn absence(archive: &Archive) -> Result<Absence, ArchiveError> {
    Ok(match archive.get(SOURCE, SENDS_EMPTY)?.as_deref() {
        Some([0]) => Absence::NotTraded,
        Some([1]) => Absence::Lost,
        Some(_) | None => Absence::Unknown,
    })
}

/// Records whether the source sends bars without a trade. It writes only a change.
///
/// # Errors
/// The file could not be read or written.
pub fn note_source(archive: &Archive, sends_empty: bool) -> Result<(), ArchiveError> {
    let now = if sends_empty { Absence::Lost } else { Absence::NotTraded };
    if absence(archive)? == now {
        return Ok(());
    }
    let (key, value) = (SENDS_EMPTY.to_vec(), vec![u8::from(sends_empty)]);
    archive.commit(&[Op::Put { table: SOURCE, key, value }], false)
}
