//! Bars that a backfill fetched beyond what features need. No stage was given them, so a start does
//! not depend on them: they may be removed, and a start then fetches what it needs. The retention
//! removes old ones, see `old_bars/backfilled.rs`.
//!
//! A row has the bars of a fixed span, as a block. Earlier programs stored them one after another:
//! such a row stays as it is until it is written again. A page is merged into the rows of its
//! spans, and its bars replace those that were there. A page and the times without bars are one
//! durable commit.

use super::bars::{check, outage_ops};
use super::key_encoding;
use super::need::Times;
use super::projection::BARS;
use super::queries::HistoryError;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_runtime::store::archive::{Archive, Op};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// Backfilled bars. Key: width, symbol, begin of the span; value: its bars, ascending.
pub(super) const BACKFILLED: &str = "backfilled.1";
/// Opening times of a span.
const SPAN: i64 = 1_000;
/// Rows that are read at once. A row of minutes has the bars of all symbols.
const ROWS: usize = 256;

/// Held while a page is merged into its rows: two writers would lose bars of each other.
static MERGING: Mutex<()> = Mutex::new(());

/// A fetched page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedPage {
    /// The symbol.
    pub symbol: Symbol,
    /// Width of the bars.
    pub timeframe: Timeframe,
    /// The bars, ascending.
    pub bars: Vec<Bar>,
    /// Requested times for which the venue has no bar.
    pub none: Vec<Times>,
}

/// Stores a page.
///
/// # Errors
/// The bars are not ascending, have another symbol or break the rules of bars. Or the file could
/// not be read or written, or is damaged. Nothing was stored then.
pub fn store(archive: &Archive, page: &FetchedPage) -> Result<(), HistoryError> {
    let FetchedPage { symbol, timeframe, bars, none } = page;
    check(*symbol, *timeframe, bars).map_err(HistoryError::Refused)?;
    let _turn = MERGING.lock().unwrap_or_else(PoisonError::into_inner);
    let begin = |bar: &Bar| begin_of(*timeframe, bar.open_time);
    let mut ops = Vec::new();
    for of_span in bars.chunk_by(|a, b| begin(a) == begin(b)) {
        let key = row_key(*timeframe, *symbol, begin(&of_span[0]));
        let before = archive.get(BACKFILLED, &key)?.unwrap_or_default();
        let before = key_encoding::bars_of(*symbol, &before);
        let before = before.map_err(HistoryError::damaged(BACKFILLED))?;
        let all = before.into_iter().chain(of_span.iter().copied());
        let all: BTreeMap<UtcMs, Bar> = all.map(|bar| (bar.open_time, bar)).collect();
        let all: Vec<Bar> = all.into_values().collect();
        ops.extend(row_ops(key, &all));
    }
    outage_ops(*symbol, *timeframe, none, &mut ops);
    if !ops.is_empty() {
        archive.commit(&ops, true)?;
    }
    Ok(())
}

/// Stores the bars of a row. Earlier programs cannot decode them, so they refuse the file then.
fn row_ops(key: Vec<u8>, bars: &[Bar]) -> [Op; 2] {
    let value = key_encoding::bars_bytes(bars);
    [Op::raise(), Op::Put { table: BACKFILLED, key, value }]
}

/// The backfilled bars of `symbol` with opening times in `times`, ascending.
///
/// # Errors
/// The file could not be read, or is damaged.
pub(super) fn read(
    archive: &Archive,
    (timeframe, symbol): (Timeframe, Symbol),
    times: &Times,
) -> Result<Vec<Bar>, HistoryError> {
    let first = row_key(timeframe, symbol, begin_of(timeframe, *times.start()));
    let last = row_key(timeframe, symbol, *times.end());
    let mut found = Vec::new();
    for (_, value) in archive.range(BACKFILLED, &first..=&last, false, usize::MAX)? {
        let bars = key_encoding::bars_of(symbol, &value);
        let bars = bars.map_err(HistoryError::damaged(BACKFILLED))?;
        found.extend(bars.into_iter().filter(|bar| times.contains(&bar.open_time)));
    }
    Ok(found)
}

/// The bytes of the rows that [`read`] reads.
///
/// # Errors
/// The file could not be read.
pub(super) fn bytes(
    archive: &Archive,
    (timeframe, symbol): (Timeframe, Symbol),
    times: &Times,
) -> Result<u64, HistoryError> {
    let first = row_key(timeframe, symbol, begin_of(timeframe, *times.start()));
    let last = row_key(timeframe, symbol, *times.end());
    let rows = archive.range(BACKFILLED, &first..=&last, false, usize::MAX)?;
    Ok(rows.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum())
}

/// Removes the backfilled bars of `symbol` with these opening times.
///
/// # Errors
/// The file could not be read or written, or is damaged.
pub(super) fn remove(
    archive: &Archive,
    (timeframe, symbol): (Timeframe, Symbol),
    times: &BTreeSet<UtcMs>,
) -> Result<(), HistoryError> {
    let _turn = MERGING.lock().unwrap_or_else(PoisonError::into_inner);
    let begins: BTreeSet<UtcMs> = times.iter().map(|time| begin_of(timeframe, *time)).collect();
    let mut ops = Vec::new();
    for begin in begins {
        let key = row_key(timeframe, symbol, begin);
        let Some(value) = archive.get(BACKFILLED, &key)? else { continue };
        let mut bars =
            key_encoding::bars_of(symbol, &value).map_err(HistoryError::damaged(BACKFILLED))?;
        bars.retain(|bar| !times.contains(&bar.open_time));
        if bars.is_empty() {
            ops.push(Op::Delete { table: BACKFILLED, key });
            continue;
        }
        ops.extend(row_ops(key, &bars));
    }
    if !ops.is_empty() {
        archive.commit(&ops, false)?;
    }
    Ok(())
}

/// The symbols with backfilled bars of a width.
///
/// # Errors
/// The file could not be read, or is damaged.
pub(super) fn symbols(
    archive: &Archive,
    timeframe: Timeframe,
) -> Result<BTreeSet<Symbol>, HistoryError> {
    let width = key_encoding::timeframe_key(timeframe);
    let (mut from, end) = (vec![width], [width, u8::MAX]);
    let mut found = BTreeSet::new();
    while let Some((key, _)) = archive.range(BACKFILLED, &from[..]..=&end[..], false, 1)?.pop() {
        found.insert(key_encoding::symbol_in(&key).map_err(HistoryError::damaged(BACKFILLED))?);
        // After all rows of the symbol.
        from = key[..=key_encoding::SYMBOL].to_vec();
        from.extend_from_slice(&[u8::MAX; 17]);
    }
    Ok(found)
}

/// The opening time of the first backfilled bar of `symbol`; none: there is none.
///
/// # Errors
/// The file could not be read, or is damaged.
pub(super) fn first(
    archive: &Archive,
    (timeframe, symbol): (Timeframe, Symbol),
) -> Result<Option<UtcMs>, HistoryError> {
    let (from, end) =
        (row_key(timeframe, symbol, UtcMs::MIN), row_key(timeframe, symbol, UtcMs::MAX));
    let row = archive.range(BACKFILLED, &from[..]..=&end[..], false, 1)?.pop();
    let bars = row.map(|(_, value)| key_encoding::bars_of(symbol, &value)).transpose();
    let bars = bars.map_err(HistoryError::damaged(BACKFILLED))?;
    Ok(bars.and_then(|bars| bars.first().map(|bar| bar.open_time)))
}

/// The backfilled bars of all symbols, by symbol and time.
///
/// # Errors
/// The file could not be read, or is damaged.
pub(super) fn read_all(archive: &Archive, timeframe: Timeframe) -> Result<Vec<Bar>, HistoryError> {
    let width = key_encoding::timeframe_key(timeframe);
    let last = [width, u8::MAX];
    let mut found = Vec::new();
    for (key, value) in archive.range(BACKFILLED, &[width][..]..=&last[..], false, usize::MAX)? {
        let symbol = key_encoding::symbol_in(&key).map_err(HistoryError::damaged(BACKFILLED))?;
        let bars = key_encoding::bars_of(symbol, &value);
        found.extend(bars.map_err(HistoryError::damaged(BACKFILLED))?);
    }
    Ok(found)
}

/// The opening times of all bars from facts, of each symbol, as ranges without gaps.
///
/// # Errors
/// The file could not be read, or is damaged.
pub fn times_of_facts(
    archive: &Archive,
    timeframe: Timeframe,
    times: &Times,
) -> Result<BTreeMap<Symbol, Vec<Times>>, HistoryError> {
    let width = key_encoding::timeframe_key(timeframe);
    let row =
        |time: UtcMs, last: u8| [&[width][..], &key_encoding::time_key(time), &[last; 8]].concat();
    let (mut first, last) = (row(*times.start(), 0), row(*times.end(), u8::MAX));
    let mut found: BTreeMap<Symbol, Vec<Times>> = BTreeMap::new();
    loop {
        let rows = archive.range(BARS, &first..=&last, false, ROWS)?;
        for (_, value) in &rows {
            let bars = key_encoding::named_bars_of(value).map_err(HistoryError::damaged(BARS))?;
            for bar in bars.iter().filter(|bar| times.contains(&bar.open_time)) {
                let (time, ranges) = (bar.open_time, found.entry(bar.symbol).or_default());
                match ranges.last_mut() {
                    Some(last) if time <= last.end() + timeframe.ms() => {
                        *last = *last.start()..=time.max(*last.end());
                    }
                    Some(_) | None => ranges.push(time..=time),
                }
            }
        }
        let Some((newest, _)) = rows.last().filter(|_| rows.len() == ROWS) else { break };
        first.clone_from(newest);
        first.push(0);
    }
    Ok(found)
}

/// The begin of the span of a time.
fn begin_of(timeframe: Timeframe, time: UtcMs) -> UtcMs {
    let span = SPAN * timeframe.ms();
    time.div_euclid(span).saturating_mul(span)
}

fn row_key(timeframe: Timeframe, symbol: Symbol, begin: UtcMs) -> Vec<u8> {
    let mut key = vec![key_encoding::timeframe_key(timeframe)];
    key.extend_from_slice(&key_encoding::symbol_key(symbol));
    key.extend_from_slice(&key_encoding::time_key(begin));
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bars::{TABLES, has_any, keep, outages, read_all, read_fetched};
    use crate::blocks;
    use everwarm_domain::money::Price;
    use everwarm_domain::time::MINUTE;
    use std::path::Path;

    const ALL: Times = UtcMs::MIN..=UtcMs::MAX;

    fn name() -> Symbol {
        Symbol::named("AAA").unwrap()
    }

    fn bar(minute: i64, price: i64) -> Bar {
        let [open, high, low, close] = [Price::e8(price); 4];
        let (symbol, open_time, volume) = (name(), minute * MINUTE, 1.into());
        Bar { symbol, open_time, open, high, low, close, volume }
    }

    fn page(bars: Vec<Bar>, none: Vec<Times>) -> FetchedPage {
        FetchedPage { symbol: name(), timeframe: Timeframe::M1, bars, none }
    }

    /// Minute and price of each fetched bar.
    fn shown(archive: &Archive, times: &Times) -> Vec<(i64, i128)> {
        let bars = read_fetched(archive, (Timeframe::M1, name()), times).unwrap();
        bars.values().map(|bar| (bar.open_time / MINUTE, bar.close.at(8))).collect()
    }

    #[test]
    fn pages_are_merged_and_a_page_that_comes_again_replaces_its_bars() {
        let archive = Archive::in_memory(Path::new("history")).unwrap();
        // Two spans, whose pages come out of order.
        let later = (998..1_002).map(|minute| bar(minute, 7)).collect();
        store(&archive, &page(later, Vec::new())).unwrap();
        store(&archive, &page(vec![bar(2, 5), bar(998, 9)], Vec::new())).unwrap();
        assert_eq!(shown(&archive, &ALL), [(2, 5), (998, 9), (999, 7), (1_000, 7), (1_001, 7)]);
        let some = 999 * MINUTE..=1_000 * MINUTE;
        assert_eq!(shown(&archive, &some), [(999, 7), (1_000, 7)]);
        let all = read_all(&archive, Timeframe::M1, &some).unwrap();
        assert_eq!(all.len(), 2);
        assert!(!has_any(&archive).unwrap(), "no start was announced these bars");
        assert!(TABLES.contains(&BACKFILLED), "an export leaves them out");
    }

    #[test]
    fn a_row_of_an_earlier_program_is_read_and_becomes_a_block_with_its_next_page() {
        let archive = Archive::in_memory(Path::new("history")).unwrap();
        let (key, mut value) = (row_key(Timeframe::M1, name(), 0), Vec::new());
        for minute in [1, 2] {
            key_encoding::put_bar(&bar(minute, 5), &mut value);
        }
        archive.commit(&[Op::Put { table: BACKFILLED, key: key.clone(), value }], true).unwrap();
        let layout = || archive.get("archive.stamp", b"format").unwrap().unwrap();
        assert_eq!(layout(), 1_u32.to_be_bytes());
        assert_eq!(shown(&archive, &ALL), [(1, 5), (2, 5)]);
        store(&archive, &page(vec![bar(2, 6), bar(3, 6)], Vec::new())).unwrap();
        assert_eq!(shown(&archive, &ALL), [(1, 5), (2, 6), (3, 6)]);
        assert!(blocks::is(&archive.get(BACKFILLED, &key).unwrap().unwrap()));
        assert_eq!(layout(), 2_u32.to_be_bytes(), "an earlier program refuses it");
    }

    #[test]
    fn bars_that_stages_were_given_stay_as_they_are() {
        let archive = Archive::in_memory(Path::new("history")).unwrap();
        keep(&archive, Timeframe::M1, &[(name(), vec![bar(3, 1)])]).unwrap();
        store(&archive, &page(vec![bar(2, 5), bar(3, 5)], Vec::new())).unwrap();
        assert_eq!(shown(&archive, &ALL), [(2, 5), (3, 1)]);
    }

    #[test]
    fn times_without_bars_are_stored_with_their_page_and_a_wrong_page_stores_nothing() {
        let archive = Archive::in_memory(Path::new("history")).unwrap();
        let none = 5 * MINUTE..=9 * MINUTE;
        let wrong = page(vec![bar(3, 1), bar(3, 1)], vec![none.clone()]);
        assert!(store(&archive, &wrong).is_err());
        let known = |archive| outages(archive, Timeframe::M1, name(), UtcMs::MAX).unwrap();
        assert_eq!(known(&archive), []);
        store(&archive, &page(Vec::new(), vec![none.clone()])).unwrap();
        assert_eq!(known(&archive), [none]);
    }
}
