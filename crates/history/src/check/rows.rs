//! Checks single rows of stored bars.

use super::{Kind, Problem, problem_of_range};
use crate::bars::{self, RANGES};
use crate::key_encoding::{self, BAR, SYMBOL};
use crate::stored::{Series, time_in, width_in};
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_runtime::store::archive::{Archive, ArchiveError};
use std::collections::BTreeMap;

/// Bytes of the key of a fetched range: width, symbol, first opening time, digest.
const RANGE_KEY: usize = 17 + SYMBOL;
/// Fetched ranges of one series that a sample reads, the newest ones.
const SAMPLED_RANGES: usize = 4;

/// The series of a key that begins with a width and a symbol.
pub(crate) fn series_in(key: &[u8]) -> Option<Series> {
    key_encoding::symbol_in(key).ok().zip(width_in(key))
}

/// The bars of a fetched range that is right.
///
/// # Errors
/// What is wrong.
pub(super) fn checked_range(key: &[u8], value: &[u8]) -> Result<Vec<Bar>, (Kind, String)> {
    let form = |why: String| (Kind::Form, why);
    let rest = key.get(1 + SYMBOL..).filter(|_| key.len() == RANGE_KEY);
    let rest = rest.ok_or_else(|| form("its key has another size".to_owned()))?;
    let bars = checked_bars(key, value)?;
    let first = bars.first().map(|bar| bar.open_time);
    if first.is_none() || time_in(rest, 0) != first {
        return Err(form("its key names another first bar".to_owned()));
    }
    let (have, want) = (bars::digest(&bars), rest.get(8..).and_then(|rest| rest.try_into().ok()));
    let want = want.map_or(0, u64::from_be_bytes);
    if have != want {
        let why = format!("its bars have the digest {have:016x}, not {want:016x}");
        return Err((Kind::Digest, why));
    }
    Ok(bars)
}

/// The bars of one series in a row, if each of them is right.
pub(super) fn checked_bars(key: &[u8], value: &[u8]) -> Result<Vec<Bar>, (Kind, String)> {
    let form = |why: String| (Kind::Form, why);
    let (symbol, width) = series_in(key).ok_or_else(|| form("its key is not one".to_owned()))?;
    let bars = key_encoding::bars_of(symbol, value).map_err(form)?;
    for pair in bars.windows(2) {
        let (before, time) = (pair[0].open_time, pair[1].open_time);
        if before == time {
            return Err((Kind::Doubled, format!("it has the bar of {time} twice")));
        }
        if before > time {
            return Err((Kind::Order, format!("the bar of {time} follows the one of {before}")));
        }
    }
    for bar in &bars {
        let time = bar.open_time;
        if time != width.open_of(time) {
            return Err((Kind::OffGrid, format!("no bar of {width} opens at {time}")));
        }
        bar.validate().map_err(|why| (Kind::Ohlc, format!("the bar of {time}: {why}")))?;
    }
    Ok(bars)
}

/// The value of a row as earlier versions stored it: they did not count the minutes of wide bars.
pub(super) fn without_minutes(value: &[u8]) -> Vec<u8> {
    let mut old = Vec::with_capacity(value.len());
    for bar in key_encoding::named_bars_of(value).unwrap_or_default() {
        key_encoding::put_named_bar(&bar, &mut old);
    }
    old
}

/// What is wrong with the bars of one row from a fact.
pub(super) fn wrong_row(
    width: Timeframe,
    time: Option<UtcMs>,
    bars: &[Bar],
) -> Option<(Kind, String)> {
    if time.is_none_or(|time| width.open_of(time) != time) {
        return Some((Kind::OffGrid, format!("no bar of {width} opens at its time")));
    }
    if let Some(other) = bars.iter().find(|bar| Some(bar.open_time) != time) {
        let (symbol, open) = (other.symbol, other.open_time);
        return Some((Kind::Form, format!("its bar of {symbol} opens at {open}")));
    }
    let twice = bars.windows(2).find(|pair| pair[0].symbol == pair[1].symbol);
    twice.map(|pair| (Kind::Doubled, format!("it has the bar of {} twice", pair[0].symbol)))
}

/// Names the symbols whose bars differ between two values of a row.
pub(super) fn differing(stored: &[u8], right: &[u8]) -> String {
    let parts = |value: &[u8]| -> BTreeMap<Vec<u8>, Vec<u8>> {
        let bars = value.chunks(SYMBOL + BAR).map(|bar| bar.split_at(SYMBOL.min(bar.len())));
        bars.map(|(name, bar)| (name.to_vec(), bar.to_vec())).collect()
    };
    let (stored, right) = (parts(stored), parts(right));
    let other = right.iter().filter(|(name, bar)| stored.get(*name) != Some(bar));
    let name = |name: &[u8]| String::from_utf8_lossy(name).trim_end_matches('\0').to_owned();
    let mut names: Vec<String> = other.map(|(of, _)| name(of)).collect();
    let more = stored.keys().filter(|of| !right.contains_key(*of));
    names.extend(more.map(|of| name(of).escape_debug().to_string()));
    if names.is_empty() {
        names.push("a symbol that it has twice".to_owned());
    }
    format!("the journal has other bars of {}", names.join(", "))
}

/// Checks the newest fetched ranges of some symbols, in all widths. Returns the number of ranges,
/// and what is wrong.
///
/// # Errors
/// The file could not be read.
pub fn sample(archive: &Archive, symbols: &[Symbol]) -> Result<(u64, Vec<Problem>), ArchiveError> {
    let (mut ranges, mut problems) = (0, Vec::new());
    for symbol in symbols {
        for width in Timeframe::ALL {
            let first = bars::range_key(width, *symbol, UtcMs::MIN, 0);
            let last = bars::range_key(width, *symbol, UtcMs::MAX, u64::MAX);
            for (key, value) in archive.range(RANGES, &first..=&last, true, SAMPLED_RANGES)? {
                ranges += 1;
                if let Err((kind, why)) = checked_range(&key, &value) {
                    problems.push(problem_of_range(kind, key, why));
                }
            }
        }
    }
    Ok((ranges, problems))
}
