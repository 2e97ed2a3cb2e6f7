//! Moves old bars out of the history: into files of an archive by month, or away.
//!
//! 1. A bar leaves the history only after the file of its month has it: on disk, read back and
//!    compared.
//! 2. After a kill at any point, the next call writes the same bars into the same file again. A
//!    file has each bar once. So nothing is lost, and nothing is there twice.
//! 3. Files also get the bars that a start fetched for the same days. Those stay in the history:
//!    facts refer to them. Bars that a backfill fetched leave it, see `old_bars/backfilled.rs`.

mod backfilled;

pub use backfilled::{any_backfilled, move_backfilled};

use super::backfilled::BACKFILLED;
use super::bars::{self, RANGES};
use super::key_encoding::{self, time_key, timeframe_key};
use super::projection::BARS;
use super::queries::HistoryError;
use super::removed;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::time::{DAY, Timeframe, UtcMs, date_of, day_of};
use everwarm_runtime::store::archive::{Archive, ArchiveError, Op, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Rows of one commit. A row has the bars of all symbols.
const ROWS: usize = if cfg!(test) { 100 } else { 256 };
/// Bars that are written to a file at once, 30 MB of memory. A file is written again for each such
/// part of its month.
const PART: usize = if cfg!(test) { 300 } else { 250_000 };
/// Rows from which the size of all due rows is estimated.
const SAMPLE: usize = 64;
/// Bytes of a bar in a row.
const NAMED_BAR: usize = key_encoding::SYMBOL + key_encoding::BAR;
/// End of the names of files.
const END: &str = ".parquet";
/// End of the name of a file that is being written.
const UNFINISHED: &str = ".parquet.new";

/// Bars by symbol, then by opening time.
pub type Sorted = BTreeMap<(Symbol, UtcMs), Bar>;

/// Bars for the file of a month.
#[derive(Clone, Debug, Default)]
pub struct MonthBars {
    /// Bars that leave the history. They replace those that the file has.
    pub leaving: Sorted,
    /// Bars that stay in the history. They are added where the file has none: it may have a bar
    /// that left the history earlier.
    pub staying: Sorted,
}

impl MonthBars {
    /// The bars to write. `known` are the keys of bars that the file has.
    #[must_use]
    pub fn merged(mut self, known: impl Iterator<Item = (Symbol, UtcMs)>) -> Sorted {
        for key in known {
            self.staying.remove(&key);
        }
        self.staying.append(&mut self.leaving);
        self.staying
    }
}

/// The files of old bars, one for each width and month.
pub trait MonthFiles {
    /// Adds bars of one month to its file. If it returns without an error, the file has them and
    /// those it had before, each once: on disk, read back and compared.
    ///
    /// # Errors
    /// The reason, with the name of the file. The file is as before.
    fn add(&self, width: Timeframe, month: &str, bars: MonthBars) -> Result<(), String>;
}

/// What happens to bars that are due.
#[derive(Clone, Copy)]
pub enum Goal<'a> {
    /// They are counted. Nothing changes.
    Count,
    /// They are removed.
    Remove,
    /// They are written to files, then removed.
    Files(&'a dyn MonthFiles),
}

impl std::fmt::Debug for Goal<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Goal::Count => "Count",
            Goal::Remove => "Remove",
            Goal::Files(_) => "Files",
        })
    }
}

/// The bars of one width and month that left the history, or would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The month, like `2026-11`.
    pub month: String,
    /// Number of bars from facts.
    pub bars: u64,
    /// Their bytes in the history.
    pub bytes: u64,
    /// The first opening time.
    pub first: UtcMs,
    /// The last opening time.
    pub last: UtcMs,
}

/// The month of an instant, UTC, like `2026-11`. Later months sort later.
#[must_use]
pub fn month_of(time: UtcMs) -> String {
    let mut date = date_of(day_of(time));
    date.truncate(7);
    date
}

/// Moves the bars of a width that opened before `before`, event time. `goes_on` is called after
/// each step; `false` ends the work there. After a kill or an error, the next call does the rest.
///
/// # Errors
/// The history cannot be read or written, or a file cannot. The bars of that file stay.
pub fn move_out(
    archive: &Archive,
    (width, before): (Timeframe, UtcMs),
    goal: Goal<'_>,
    goes_on: &mut dyn FnMut() -> bool,
) -> Result<Vec<Moved>, HistoryError> {
    let mut moved: Vec<Moved> = Vec::new();
    let (mut from, end) = (row_key(width, UtcMs::MIN), row_key(width, before));
    while let Some(mut part) = Part::read(archive, &from, &end, matches!(goal, Goal::Files(_)))? {
        if let Goal::Files(files) = goal {
            part.add_fetched(archive, width)?;
            let bars = std::mem::take(&mut part.bars);
            files.add(width, &part.moved.month, bars).map_err(HistoryError::Refused)?;
            if !goes_on() {
                return Ok(moved);
            }
        }
        if !matches!(goal, Goal::Count) {
            for keys in part.keys.chunks(ROWS) {
                let delete = |key: &Vec<u8>| Op::Delete { table: BARS, key: key.clone() };
                let mut ops: Vec<Op> = keys.iter().map(delete).collect();
                ops.extend(keys.last().and_then(|last| removed::note(last)));
                archive.commit(&ops, false)?;
                if !goes_on() {
                    return Ok(moved);
                }
            }
        }
        // The key after the last one of this part.
        from = part.keys.last().map_or(end.clone(), |key| [&key[..], &[0]].concat());
        match moved.last_mut().filter(|last| last.month == part.moved.month) {
            Some(last) => last.join(&part.moved),
            None => moved.push(part.moved),
        }
    }
    Ok(moved)
}

impl Moved {
    fn join(&mut self, next: &Moved) {
        self.bars += next.bars;
        self.bytes += next.bytes;
        self.last = next.last;
    }
}

/// Rows of one month that are moved together.
struct Part {
    moved: Moved,
    keys: Vec<Vec<u8>>,
    /// Their bars, if they are wanted.
    bars: MonthBars,
    /// Those that leave and lack minutes.
    partial: BTreeSet<(Symbol, UtcMs)>,
}

impl Part {
    /// The first rows from `from` to `end`: those of one month, up to [`PART`] bars. None: there
    /// are none.
    fn read(
        archive: &Archive,
        from: &[u8],
        end: &[u8],
        wants: bool,
    ) -> Result<Option<Part>, HistoryError> {
        let (mut part, mut from): (Option<Part>, _) = (None, from.to_vec());
        'part: loop {
            let rows = archive.range(BARS, &from..=end, false, ROWS)?;
            let more = rows.len() == ROWS;
            for (key, value) in rows {
                let time = time_in(&key)?;
                let month = month_of(time);
                let part = part.get_or_insert_with(|| Part::begin(month.clone(), time));
                if part.moved.month != month || part.moved.bars >= PART as u64 {
                    break 'part;
                }
                let bars = part.add(&value, wants);
                part.moved.bars += bars.map_err(HistoryError::damaged(BARS))?;
                part.moved.bytes += (key.len() + value.len()) as u64;
                part.moved.last = time;
                from.clone_from(&key);
                part.keys.push(key);
            }
            if !more {
                break;
            }
            from.push(0);
        }
        Ok(part)
    }

    fn begin(month: String, first: UtcMs) -> Part {
        let moved = Moved { month, bars: 0, bytes: 0, first, last: first };
        Part { moved, keys: Vec::new(), bars: MonthBars::default(), partial: BTreeSet::new() }
    }

    /// Adds the bars of a row, if they are wanted, and returns their number. Of two rows for one
    /// time, the later one counts.
    fn add(&mut self, value: &[u8], wants: bool) -> Result<u64, String> {
        let bars = key_encoding::named_bars_of(value)?;
        let count = bars.len() as u64;
        for (bar, bytes) in bars.into_iter().zip(value.chunks_exact(NAMED_BAR)) {
            if !wants {
                break;
            }
            let key = (bar.symbol, bar.open_time);
            let made = key_encoding::minutes_named(bar.symbol, bytes)?;
            if made.iter().any(|(_, made)| made.is_some_and(|made| !made.complete)) {
                self.partial.insert(key);
            } else {
                self.partial.remove(&key);
            }
            self.bars.leaving.insert(key, bar);
        }
        Ok(count)
    }

    /// Adds the bars that were fetched for the same days and the day before. If both exist for one
    /// time, the bar from the fact counts, unless it lacks minutes.
    fn add_fetched(&mut self, archive: &Archive, width: Timeframe) -> Result<(), HistoryError> {
        let Moved { month, first, last, .. } = &self.moved;
        let day = day_of(*first) * DAY;
        let from = if month_of(day - DAY) == *month { day - DAY } else { day };
        for symbol in fetched_symbols(archive, width)? {
            for (time, bar) in bars::read_fetched(archive, (width, symbol), &(from..=*last))? {
                let key = (symbol, time);
                let gives_way = self.partial.contains(&key);
                let MonthBars { leaving, staying } = &mut self.bars;
                if gives_way { leaving } else { staying }.insert(key, bar);
            }
        }
        Ok(())
    }
}

/// The symbols of fetched bars of a width.
fn fetched_symbols(archive: &Archive, width: Timeframe) -> Result<BTreeSet<Symbol>, HistoryError> {
    let mut symbols = BTreeSet::new();
    let end = [timeframe_key(width), u8::MAX];
    for table in [RANGES, BACKFILLED] {
        let mut from = vec![timeframe_key(width)];
        while let Some((key, _)) = archive.range(table, &from[..]..=&end[..], false, 1)?.pop() {
            let symbol = key_encoding::symbol_in(&key).map_err(HistoryError::damaged(table))?;
            symbols.insert(symbol);
            from = key[..=key_encoding::SYMBOL].to_vec();
            // After all rows of the symbol.
            from.extend_from_slice(&[u8::MAX; 17]);
        }
    }
    Ok(symbols)
}

/// The bytes of the bars of a width that opened before `before`, estimated from the first rows.
///
/// # Errors
/// The history cannot be read.
pub fn due_bytes(archive: &Archive, width: Timeframe, before: UtcMs) -> Result<u64, ArchiveError> {
    let (from, end) = (row_key(width, UtcMs::MIN), row_key(width, before));
    let range = |newest, rows| archive.range(BARS, &from..=&end, newest, rows);
    let bytes = |(key, value): &Row| (key.len() + value.len()) as u64;
    let sample = range(false, SAMPLE)?;
    let sum: u64 = sample.iter().map(bytes).sum();
    let last = range(true, 1)?;
    let times = (sample.first(), last.first());
    let (Some(first), Some(last)) = (times.0.and_then(time_of), times.1.and_then(time_of)) else {
        return Ok(sum);
    };
    if sample.len() < SAMPLE {
        return Ok(sum);
    }
    let rows = last.saturating_sub(first).div_euclid(width.ms()).saturating_add(1);
    Ok((sum / SAMPLE as u64).saturating_mul(rows.unsigned_abs()))
}

/// The key before all rows of a width and time.
fn row_key(width: Timeframe, time: UtcMs) -> Vec<u8> {
    [&[timeframe_key(width)][..], &time_key(time)].concat()
}

fn time_of((key, _): &Row) -> Option<UtcMs> {
    key.get(1..9)?.try_into().ok().map(key_encoding::time_of)
}

fn time_in(key: &[u8]) -> Result<UtcMs, HistoryError> {
    let time = key.get(1..9).and_then(|bytes| bytes.try_into().ok());
    let short = || HistoryError::damaged(BARS)("a key is cut short".to_owned());
    time.map(key_encoding::time_of).ok_or_else(short)
}

/// The file of a month in the folder of an archive.
#[must_use]
pub fn file_of(folder: &Path, width: Timeframe, month: &str) -> PathBuf {
    folder.join(width.name()).join(format!("{month}{END}"))
}

/// The files of a width in the folder of an archive, by month.
///
/// # Errors
/// The folder cannot be read.
pub fn files(folder: &Path, width: Timeframe) -> io::Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    for (name, path) in named(&folder.join(width.name()))? {
        if let Some(month) = name.strip_suffix(END).filter(|month| is_month(month)) {
            files.push((month.to_owned(), path));
        }
    }
    files.sort();
    Ok(files)
}

/// The files with months before that of `from`: none of their bars stays.
///
/// # Errors
/// The folder cannot be read.
pub fn expired(folder: &Path, width: Timeframe, from: UtcMs) -> io::Result<Vec<PathBuf>> {
    let first = month_of(from);
    let old = files(folder, width)?.into_iter().filter(|(month, _)| *month < first);
    Ok(old.map(|(_, path)| path).collect())
}

/// Removes unfinished files that a kill left.
///
/// # Errors
/// The folder cannot be read, or a file cannot be removed.
pub fn remove_unfinished(folder: &Path, width: Timeframe) -> io::Result<()> {
    for (name, path) in named(&folder.join(width.name()))? {
        if name.strip_suffix(UNFINISHED).is_some_and(is_month) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The entries of a folder with their names; empty: it does not exist.
fn named(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    Ok(found)
}

/// Whether a text is a month like `2026-11`.
fn is_month(text: &str) -> bool {
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('-').is_some_and(|(year, month)| digits(year, 4) && digits(month, 2))
}

#[cfg(test)]
mod tests;
