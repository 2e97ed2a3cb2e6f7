//! Ranges of past bars fetched from a venue. Each range is stored unchanged under its digest. So a
//! stage always gets the same bars again, whatever the venue reports later. Bars from facts are
//! stored separately.

use super::backfilled::{self, BACKFILLED};
use super::key_encoding;
use super::need::Times;
use super::page::{Cursor, Page, Paged};
use super::projection::BARS;
use super::queries::HistoryError;
use super::removed::REMOVED;
use super::repair::REFETCH;
use super::stored::SOURCE;
use everwarm_domain::fact::{Body, Market};
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_kernel::fact::Library;
use everwarm_runtime::store::archive::{Archive, ArchiveError, Op};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Fetched ranges. Key: width, symbol, opening time of the first bar, digest; value: the bars.
pub(super) const RANGES: &str = "ranges.1";
/// Times for which a venue has no bars. Key: width, symbol, first opening time; value: the last.
/// Version 1 also covered the times between two gaps.
pub(super) const OUTAGES: &str = "outages.2";

/// The tables with bars, which can be fetched again, and with what is known about them.
pub const TABLES: [&str; 7] = [BARS, RANGES, OUTAGES, BACKFILLED, SOURCE, REFETCH, REMOVED];

/// FNV-1a over the bars as stored, symbols included: equal bars have equal digests.
#[must_use]
pub fn digest(bars: &[Bar]) -> u64 {
    let mut bytes = Vec::with_capacity(bars.len() * (key_encoding::SYMBOL + key_encoding::BAR));
    for bar in bars {
        key_encoding::put_named_bar(bar, &mut bytes);
    }
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Stores fetched ranges, one for each symbol, in one durable commit. Returns one `HistoryLoaded`
/// for each range, in their order. Empty ranges are skipped; see [`nothing`].
///
/// # Errors
/// A range is not ascending by opening time, holds another symbol, or holds a bar that breaks the
/// rules of bars. Or the file could not be written. Nothing was stored then.
pub fn keep(
    archive: &Archive,
    timeframe: Timeframe,
    ranges: &[(Symbol, Vec<Bar>)],
) -> Result<Vec<Market>, HistoryError> {
    let mut ops = Vec::new();
    let mut announced = Vec::new();
    for (symbol, bars) in ranges {
        check(*symbol, timeframe, bars).map_err(HistoryError::Refused)?;
        announced.extend(range_ops(*symbol, timeframe, bars, &mut ops)?);
    }
    if !ops.is_empty() {
        archive.commit(&ops, true)?;
    }
    Ok(announced)
}

/// The operations that write one range, and the fact that announces it; none without bars.
pub(super) fn range_ops(
    symbol: Symbol,
    timeframe: Timeframe,
    bars: &[Bar],
    ops: &mut Vec<Op>,
) -> Result<Option<Market>, HistoryError> {
    let (Some(first), Some(last)) = (bars.first(), bars.last()) else { return Ok(None) };
    let count = u32::try_from(bars.len())
        .map_err(|_| HistoryError::Refused(format!("{symbol}: too many bars")))?;
    let digest = digest(bars);
    let mut value = Vec::with_capacity(bars.len() * key_encoding::BAR);
    for bar in bars {
        key_encoding::put_bar(bar, &mut value);
    }
    let key = range_key(timeframe, symbol, first.open_time, digest);
    ops.push(Op::Put { table: RANGES, key, value });
    let (from, to) = (first.open_time, last.open_time);
    Ok(Some(Market::HistoryLoaded { symbol, timeframe, from, to, count, digest, plan: 0 }))
}

/// The operations that record that a venue has no bars for these times.
pub(super) fn outage_ops(symbol: Symbol, timeframe: Timeframe, none: &[Times], ops: &mut Vec<Op>) {
    for times in none {
        let key = outage_key(timeframe, symbol, *times.start());
        let value = key_encoding::time_key(*times.end()).to_vec();
        ops.push(Op::Put { table: OUTAGES, key, value });
    }
}

fn outage_key(timeframe: Timeframe, symbol: Symbol, from: UtcMs) -> Vec<u8> {
    let mut key = vec![key_encoding::timeframe_key(timeframe)];
    key.extend_from_slice(&key_encoding::symbol_key(symbol));
    key.extend_from_slice(&key_encoding::time_key(from));
    key
}

/// Times up to `until` for which the venue has no bars of `symbol`, ascending.
///
/// # Errors
/// The file could not be read, or is damaged.
pub fn outages(
    archive: &Archive,
    timeframe: Timeframe,
    symbol: Symbol,
    until: UtcMs,
) -> Result<Vec<Times>, HistoryError> {
    let first = outage_key(timeframe, symbol, UtcMs::MIN);
    let last = outage_key(timeframe, symbol, until);
    let rows = archive.range(OUTAGES, &first..=&last, false, usize::MAX)?;
    let time = |bytes: Option<&[u8]>| bytes?.try_into().ok().map(key_encoding::time_of);
    let times = rows.iter().map(|(key, value)| {
        let from = time(key.get(1 + key_encoding::SYMBOL..));
        let to = time(Some(value));
        from.zip(to).map(|(from, to)| from..=to)
    });
    let times: Option<Vec<Times>> = times.collect();
    let wrong = || HistoryError::damaged(OUTAGES)("a row is of another size".to_owned());
    times.ok_or_else(wrong)
}

/// Whether any range was ever stored.
///
/// # Errors
/// The file could not be read.
pub fn has_any(archive: &Archive) -> Result<bool, ArchiveError> {
    Ok(!archive.range(RANGES, &[][..]..=&[u8::MAX; 64][..], false, 1)?.is_empty())
}

/// The fact that a symbol has no bars with opening times in `times`. Bars found later come after
/// it.
#[must_use]
pub fn nothing(symbol: Symbol, timeframe: Timeframe, times: RangeInclusive<UtcMs>) -> Market {
    let (from, to) = times.into_inner();
    let digest = digest(&[]);
    Market::HistoryLoaded { symbol, timeframe, from, to, count: 0, digest, plan: 0 }
}

/// Checks a range. The error names what is wrong.
pub(super) fn check(symbol: Symbol, timeframe: Timeframe, bars: &[Bar]) -> Result<(), String> {
    let mut before = None;
    for bar in bars {
        let at = |what: &str| format!("{symbol} {timeframe} bar of {}: {what}", bar.open_time);
        if bar.symbol != symbol {
            return Err(at(&format!("is of {}", bar.symbol)));
        }
        if bar.open_time != timeframe.open_of(bar.open_time) {
            return Err(at("is off the grid"));
        }
        if before.is_some_and(|time| time >= bar.open_time) {
            return Err(at("is not after the one before"));
        }
        bar.validate().map_err(|e| at(&e))?;
        before = Some(bar.open_time);
    }
    Ok(())
}

pub(super) fn range_key(timeframe: Timeframe, symbol: Symbol, from: UtcMs, digest: u64) -> Vec<u8> {
    let mut key = vec![key_encoding::timeframe_key(timeframe)];
    key.extend_from_slice(&key_encoding::symbol_key(symbol));
    key.extend_from_slice(&key_encoding::time_key(from));
    key.extend_from_slice(&digest.to_be_bytes());
    key
}

/// The bars of `symbol` whose opening times are in `times`, ascending: fetched bars and bars from
/// facts. If both exist for one time, the bar from the fact counts.
///
/// # Errors
/// The file could not be read, or is damaged.
pub fn read(
    archive: &Archive,
    timeframe: Timeframe,
    symbol: Symbol,
    times: RangeInclusive<UtcMs>,
) -> Result<Vec<Bar>, HistoryError> {
    read_as_of(archive, timeframe, symbol, (times, u64::MAX))
}

/// The same as of input `n`: bars of later inputs are ignored.
///
/// # Errors
/// As [`read`].
pub fn read_as_of(
    archive: &Archive,
    timeframe: Timeframe,
    symbol: Symbol,
    (times, n): (RangeInclusive<UtcMs>, u64),
) -> Result<Vec<Bar>, HistoryError> {
    let mut found = read_fetched(archive, (timeframe, symbol), &times)?;
    let row = |time: UtcMs, n: u64| {
        let mut key = vec![key_encoding::timeframe_key(timeframe)];
        key.extend_from_slice(&key_encoding::time_key(time));
        key.extend_from_slice(&n.to_be_bytes());
        key
    };
    let (first, last) = (row(*times.start(), 0), row(*times.end(), u64::MAX));
    for (key, value) in archive.range(BARS, &first..=&last, false, usize::MAX)? {
        if key.get(9..).is_some_and(|input| input > &n.to_be_bytes()[..]) {
            continue;
        }
        let bars = key_encoding::bars_named(symbol, &value).map_err(HistoryError::damaged(BARS))?;
        let within = bars.into_iter().filter(|bar| times.contains(&bar.open_time));
        found.extend(within.map(|bar| (bar.open_time, bar)));
    }
    Ok(found.into_values().collect())
}

/// The bars of all symbols with opening times in `times`, ascending by time, then by symbol:
/// fetched bars and bars from facts. If both exist for one time, the bar from the fact counts.
///
/// # Errors
/// As [`read`].
pub fn read_all(
    archive: &Archive,
    timeframe: Timeframe,
    times: &Times,
) -> Result<BTreeMap<(UtcMs, Symbol), Bar>, HistoryError> {
    let width = key_encoding::timeframe_key(timeframe);
    let mut found = BTreeMap::new();
    let mut add = |bars: Vec<Bar>| {
        let within = bars.into_iter().filter(|bar| times.contains(&bar.open_time));
        found.extend(within.map(|bar| ((bar.open_time, bar.symbol), bar)));
    };
    add(backfilled::read_all(archive, timeframe)?);
    for (key, value) in archive.range(RANGES, &[width]..=&[width, u8::MAX], false, usize::MAX)? {
        let symbol = key_encoding::symbol_in(&key).map_err(HistoryError::damaged(RANGES))?;
        add(key_encoding::bars_of(symbol, &value).map_err(HistoryError::damaged(RANGES))?);
    }
    let row =
        |time: UtcMs, last: u8| [&[width][..], &key_encoding::time_key(time), &[last; 8]].concat();
    let (first, last) = (row(*times.start(), 0), row(*times.end(), u8::MAX));
    for (_, value) in archive.range(BARS, &first..=&last, false, usize::MAX)? {
        add(key_encoding::named_bars_of(&value).map_err(HistoryError::damaged(BARS))?);
    }
    Ok(found)
}

/// The opening time of the newest bar from facts; none: there is none.
///
/// # Errors
/// The file could not be read.
pub fn newest(archive: &Archive, timeframe: Timeframe) -> Result<Option<UtcMs>, ArchiveError> {
    let width = key_encoding::timeframe_key(timeframe);
    let row = archive.range(BARS, &[width]..=&[width + 1], true, 1)?;
    let time = row.first().and_then(|(key, _)| key.get(1..9)?.try_into().ok());
    Ok(time.map(key_encoding::time_of))
}

/// The fetched bars of `symbol` with opening times in `times`, without bars from facts. A bar that
/// a stage was given takes the place of a backfilled one.
///
/// # Errors
/// As [`read`].
pub fn read_fetched(
    archive: &Archive,
    (timeframe, symbol): (Timeframe, Symbol),
    times: &Times,
) -> Result<BTreeMap<UtcMs, Bar>, HistoryError> {
    let backfilled = backfilled::read(archive, (timeframe, symbol), times)?;
    let mut found: BTreeMap<UtcMs, Bar> =
        backfilled.into_iter().map(|bar| (bar.open_time, bar)).collect();
    let first = range_key(timeframe, symbol, UtcMs::MIN, 0);
    let last = range_key(timeframe, symbol, *times.end(), u64::MAX);
    for (_, value) in archive.range(RANGES, &first..=&last, false, usize::MAX)? {
        let bars = key_encoding::bars_of(symbol, &value).map_err(HistoryError::damaged(RANGES))?;
        let within = bars.into_iter().filter(|bar| times.contains(&bar.open_time));
        found.extend(within.map(|bar| (bar.open_time, bar)));
    }
    Ok(found)
}

/// A page of the bars of `symbol`, by opening time.
///
/// # Errors
/// The file could not be read, or is damaged.
pub fn page(
    archive: &Archive,
    timeframe: Timeframe,
    symbol: Symbol,
    Page { limit, before }: &Page,
) -> Result<Paged<Bar>, HistoryError> {
    let end = before.as_ref().map_or(UtcMs::MAX, |before| before.time().saturating_sub(1));
    let paged = |bars| Paged::newest(bars, *limit, |bar: &Bar| Cursor::at(bar.open_time));
    let width = key_encoding::timeframe_key(timeframe);
    let row = |newest| archive.range(BARS, &[width]..=&[width + 1], newest, 1);
    let time = |row: &[(Vec<u8>, Vec<u8>)]| {
        let bytes = row.first().and_then(|(key, _)| key.get(1..9)?.try_into().ok());
        bytes.map(key_encoding::time_of)
    };
    let (Some(limit), Some(first), Some(last)) = (limit, time(&row(false)?), time(&row(true)?))
    else {
        return Ok(paged(read(archive, timeframe, symbol, UtcMs::MIN..=end)?));
    };
    // One bar more than wanted shows whether older ones exist. A symbol may have gaps, so the
    // search goes back further each time, and at last over everything.
    let last = last.min(end);
    let wanted = limit.saturating_add(1);
    let mut back = timeframe.ms().saturating_mul(i64::try_from(wanted).unwrap_or(i64::MAX));
    loop {
        let from = last.saturating_sub(back);
        let all = from <= first;
        let from = if all { UtcMs::MIN } else { from };
        let bars = read(archive, timeframe, symbol, from..=end)?;
        if all || bars.len() >= wanted {
            return Ok(paged(bars));
        }
        back = back.saturating_mul(4);
    }
}

/// Gives stages the bars that a `HistoryLoaded` announces.
#[derive(Clone, Debug)]
pub struct HistoryLibrary {
    archive: Arc<Archive>,
}

impl HistoryLibrary {
    /// Reads from `archive`.
    #[must_use]
    pub const fn new(archive: Arc<Archive>) -> HistoryLibrary {
        HistoryLibrary { archive }
    }
}

impl Library<Body> for HistoryLibrary {
    fn resolve(&self, body: &Body) -> Result<Option<Body>, String> {
        let Body::Market(Market::HistoryLoaded {
            symbol,
            timeframe,
            from,
            to,
            count,
            digest: want,
            plan,
        }) = body
        else {
            return Ok(None);
        };
        if *count == 0 {
            return Ok(None);
        }
        let about = format!("history of {symbol} {timeframe} from {from}");
        let key = range_key(*timeframe, *symbol, *from, *want);
        let value = self.archive.get(RANGES, &key).map_err(|e| format!("{about}: {e}"))?;
        let value = value.ok_or_else(|| {
            format!("{about}: no bars of digest {want:016x} are stored; a start fetches them again")
        })?;
        let bars = key_encoding::bars_of(*symbol, &value).map_err(|e| format!("{about}: {e}"))?;
        if bars.len() != *count as usize || bars.last().map(|bar| bar.open_time) != Some(*to) {
            let have = bars.len();
            return Err(format!(
                "{about}: {count} bars up to {to} were announced, {have} are there"
            ));
        }
        let have = digest(&bars);
        if have != *want {
            return Err(format!("{about}: digest {want:016x} was announced, it is {have:016x}"));
        }
        let (symbol, timeframe, plan) = (*symbol, *timeframe, *plan);
        Ok(Some(Body::Market(Market::HistoryBars { symbol, timeframe, bars, plan })))
    }
}
