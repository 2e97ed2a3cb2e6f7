//! Replaces wrong rows of a history that no process uses.
//!
//! 1. A row leaves its table only after the quarantine has it on disk. So nothing is lost.
//! 2. A row gets a value only from the facts of the journal, or a value with the digest that the
//!    journal announced. So no bar is invented, and `verify` reads what the stages read.
//! 3. An announced range that cannot be made again is marked. The next start fetches it.

use super::backfilled;
use super::bars::{self, RANGES};
use super::check::{Announced, Problem, series_in};
use super::key_encoding::{self, BAR, SYMBOL};
use super::need::Times;
use super::projection::BARS;
use super::queries::HistoryError;
use super::stored::{Series, time_in};
use everwarm_domain::market::Bar;
use everwarm_domain::time::UtcMs;
use everwarm_runtime::store::archive::{Archive, ArchiveError, Op};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Ranges that the next start fetches again. Key: as of the range; value: opening time of the last
/// bar.
pub(super) const REFETCH: &str = "refetch.1";
/// Name of the file in the data directory that gets wrong rows.
pub const QUARANTINE: &str = "history.quarantine";
/// The first line of that file.
pub const HEAD: &str = "# Rows that `everwarm history check --repair` removed: table, key, \
                        reason, value, with a tab between them.\n";

/// A fetched range that the journal needs and that the next start fetches again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    /// Its series.
    pub of: Series,
    /// Opening times of its first and last bar.
    pub times: Times,
    /// The announced digest.
    pub digest: u64,
}

/// What a repair did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Rows that the quarantine has.
    pub quarantined: u64,
    /// Rows of bars that were written again from their facts.
    pub from_facts: u64,
    /// Ranges that were made again from other stored bars. Their digest is the announced one.
    pub rebuilt: u64,
    /// Ranges that the next start fetches again.
    pub marked: u64,
}

/// Replaces or removes wrong rows. `keep` gets the lines of the quarantine and returns once they
/// are on disk.
///
/// # Errors
/// The quarantine or the history cannot be written. No row was changed then.
pub fn repair(
    archive: &Archive,
    problems: &[Problem],
    keep: impl FnOnce(&str) -> Result<(), String>,
) -> Result<Repaired, HistoryError> {
    let (mut done, mut ops, mut lines) = (Repaired::default(), Vec::new(), String::new());
    let wrong: BTreeSet<&[u8]> = problems
        .iter()
        .filter(|problem| problem.table == RANGES)
        .map(|problem| &problem.key[..])
        .collect();
    for problem in problems {
        let Problem { table, key, right, announced, .. } = problem;
        let stored = archive.get(table, key)?;
        if let Some(stored) = &stored {
            lines.push_str(&line(problem, stored));
            done.quarantined += 1;
        }
        let rebuilt = match announced {
            Some(announced) => rebuild(archive, key, *announced, (stored.as_deref(), &wrong))?,
            None => None,
        };
        done.rebuilt += u64::from(rebuilt.is_some());
        done.from_facts += u64::from(right.is_some());
        let key = key.clone();
        if let Some(value) = rebuilt.or_else(|| right.clone()) {
            ops.push(Op::Put { table, key, value });
            continue;
        }
        if let Some(announced) = announced {
            let value = key_encoding::time_key(announced.to).to_vec();
            ops.push(Op::Put { table: REFETCH, key: key.clone(), value });
            done.marked += 1;
        }
        ops.push(Op::Delete { table, key });
    }
    if !lines.is_empty() {
        keep(&lines).map_err(HistoryError::Refused)?;
    }
    if !ops.is_empty() {
        archive.commit(&ops, true)?;
    }
    Ok(done)
}

/// The line of a row in the quarantine. Key and value are hexadecimal.
fn line(problem: &Problem, value: &[u8]) -> String {
    let Problem { table, key, kind, why, .. } = problem;
    let clean: String = why.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("{table}\t{}\t{}: {clean}\t{}\n", hex(key), kind.name(), hex(value))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap_or_default();
    }
    text
}

/// Makes an announced range again from its own readable bars, other ranges and bars from facts.
/// None: no combination has the announced digest.
fn rebuild(
    archive: &Archive,
    key: &[u8],
    announced: Announced,
    (stored, wrong): (Option<&[u8]>, &BTreeSet<&[u8]>),
) -> Result<Option<Vec<u8>>, ArchiveError> {
    let (Some(of), Some(from)) = (series_in(key), time_in(key, 1 + SYMBOL)) else {
        return Ok(None);
    };
    let times = from..=announced.to;
    let mut own = BTreeMap::new();
    for bytes in stored.unwrap_or_default().chunks_exact(BAR) {
        let bar = key_encoding::bar_of(of.0, bytes).ok();
        own.extend(bar.map(|bar| (bar.open_time, bar)));
    }
    let mut others: BTreeMap<UtcMs, Bar> = backfilled::read(archive, (of.1, of.0), &times)
        .unwrap_or_default()
        .into_iter()
        .map(|bar| (bar.open_time, bar))
        .collect();
    others.extend(other_ranges(archive, of, announced.to, wrong)?);
    let facts = facts(archive, of, &times)?;
    let none = BTreeMap::new();
    for parts in [
        [&own, &none, &none],
        [&own, &others, &none],
        [&others, &none, &none],
        [&own, &others, &facts],
        [&others, &facts, &none],
    ] {
        let mut all: BTreeMap<UtcMs, Bar> = BTreeMap::new();
        for part in parts {
            all.extend(part.range(times.clone()).map(|(time, bar)| (*time, *bar)));
        }
        let made: Vec<Bar> =
            all.into_values().filter(|bar| of.1.open_of(bar.open_time) == bar.open_time).collect();
        let last = made.last().map(|bar| bar.open_time);
        let whole = made.len() == announced.count as usize && last == Some(announced.to);
        if whole && bars::range_key(of.1, of.0, from, bars::digest(&made)) == key {
            let mut value = Vec::with_capacity(made.len() * BAR);
            for bar in &made {
                key_encoding::put_bar(bar, &mut value);
            }
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// The bars of fetched ranges that are right. Of two for one time, the later range counts, as for
/// a start.
fn other_ranges(
    archive: &Archive,
    (symbol, width): Series,
    to: UtcMs,
    wrong: &BTreeSet<&[u8]>,
) -> Result<BTreeMap<UtcMs, Bar>, ArchiveError> {
    let first = bars::range_key(width, symbol, UtcMs::MIN, 0);
    let last = bars::range_key(width, symbol, to, u64::MAX);
    let mut found = BTreeMap::new();
    for (key, value) in archive.range(RANGES, &first..=&last, false, usize::MAX)? {
        if !wrong.contains(&key[..])
            && let Ok(bars) = key_encoding::bars_of(symbol, &value)
        {
            found.extend(bars.into_iter().map(|bar| (bar.open_time, bar)));
        }
    }
    Ok(found)
}

/// The bars from facts, as a start stores them.
fn facts(
    archive: &Archive,
    (symbol, width): Series,
    times: &Times,
) -> Result<BTreeMap<UtcMs, Bar>, ArchiveError> {
    let row = |time: UtcMs, n: u64| {
        let width = key_encoding::timeframe_key(width);
        [&[width][..], &key_encoding::time_key(time), &n.to_be_bytes()].concat()
    };
    let (first, last) = (row(*times.start(), 0), row(*times.end(), u64::MAX));
    let mut found = BTreeMap::new();
    for (_, value) in archive.range(BARS, &first..=&last, false, usize::MAX)? {
        let bars = key_encoding::bars_named(symbol, &value).unwrap_or_default();
        found.extend(bars.into_iter().map(|bar| (bar.open_time, bar.ordered())));
    }
    Ok(found)
}

/// The ranges that a repair marked.
///
/// # Errors
/// The file could not be read.
pub fn marked(archive: &Archive) -> Result<Vec<Marked>, ArchiveError> {
    let rows = archive.all(REFETCH)?;
    let of_row = |(key, value): &(Vec<u8>, Vec<u8>)| {
        let (of, from, to) = (series_in(key)?, time_in(key, 1 + SYMBOL)?, time_in(value, 0)?);
        let digest = key.get(1 + SYMBOL + 8..)?.try_into().ok().map(u64::from_be_bytes)?;
        Some(Marked { of, times: from..=to, digest })
    };
    Ok(rows.iter().filter_map(of_row).collect())
}

/// Removes the marks of ranges for which a source has answered.
///
/// # Errors
/// The file could not be written.
pub fn unmark(archive: &Archive, ranges: &[Marked]) -> Result<(), ArchiveError> {
    let delete = |marked: &Marked| {
        let ((symbol, width), from) = (marked.of, *marked.times.start());
        let key = bars::range_key(width, symbol, from, marked.digest);
        Op::Delete { table: REFETCH, key }
    };
    let ops: Vec<Op> = ranges.iter().map(delete).collect();
    if ops.is_empty() { Ok(()) } else { archive.commit(&ops, true) }
}

/// The times of marked ranges, by series.
///
/// # Errors
/// The file could not be read.
pub fn marked_times(archive: &Archive) -> Result<BTreeMap<Series, Vec<Times>>, ArchiveError> {
    let mut all: BTreeMap<Series, Vec<Times>> = BTreeMap::new();
    for range in marked(archive)? {
        all.entry(range.of).or_default().push(range.times);
    }
    for ((_, width), times) in &mut all {
        *times = super::gaps::joined(std::mem::take(times), width.ms());
    }
    Ok(all)
}
