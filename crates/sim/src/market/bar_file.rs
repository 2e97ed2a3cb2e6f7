//! Reads one file of recorded bars, strictly: every row is a valid bar or the file is refused.
//!
//! The only repair: a row with the same values as the row before it is dropped, with a notice.

use super::bar_lines::BarLines;
use super::recording::Notice;
use super::recording_error::{Fault, RecordingError};
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use std::path::Path;

/// The rows of one file.
#[derive(Debug, Default)]
pub(super) struct BarFile {
    /// Bars with their line numbers, ascending. Volumes are as written in the file.
    pub rows: Vec<(u64, Bar)>,
    /// Most decimals of a price.
    pub price_scale: u32,
    /// Most decimals of a volume; `None` if every volume is empty or zero.
    pub volume_scale: Option<u32>,
    /// One notice for each of the first dropped rows, and one for all the others.
    pub notices: Vec<Notice>,
    /// Rows that were dropped.
    dropped: u64,
}

/// Dropped rows that have a notice of their own.
const NAMED: u64 = 20;

/// Reads the first `most` bars of one file, of any width from a minute. The notices name dropped
/// rows. The symbol is the name of the file before `_`, or `FILE` if that is none.
///
/// # Errors
/// The file cannot be read, or a row is wrong.
pub fn read_bars(path: &Path, most: usize) -> Result<(Vec<Bar>, Vec<Notice>), RecordingError> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let symbol = name.split(['_', '.']).next().unwrap_or_default();
    let symbol = Symbol::named(symbol).or_else(|_| Symbol::named("FILE"));
    let symbol = symbol.map_err(|why| RecordingError::of(path, Fault::Name(why)))?;
    let file = read_first(path, symbol, most)?;
    Ok((file.rows.into_iter().map(|(_, bar)| bar).collect(), file.notices))
}

/// Reads the file at `path`. It is compressed if its name ends with `.gz`.
pub(super) fn read_path(path: &Path, symbol: Symbol) -> Result<BarFile, RecordingError> {
    read_first(path, symbol, usize::MAX)
}

fn read_first(path: &Path, symbol: Symbol, most: usize) -> Result<BarFile, RecordingError> {
    let mut lines = BarLines::open(path)?;
    let columns = lines.columns().clone();
    let mut out = BarFile::default();
    while out.rows.len() < most {
        let (number, read) = match lines.next_line()? {
            None => break,
            Some(line) => (line.number, line.text.and_then(|text| columns.row(text))),
        };
        let added = read.and_then(|row| {
            let bar = row.bar(symbol)?;
            if let Some(repeated) = out.add(number, bar)? {
                return Ok(Some(repeated));
            }
            out.price_scale = out.price_scale.max(row.price_scale());
            out.volume_scale = out.volume_scale.max(row.volume_scale());
            Ok(None)
        });
        if let Some(text) = added.map_err(|fault| lines.fault(fault))? {
            out.dropped += 1;
            if out.dropped <= NAMED {
                out.notices.push(Notice::at(path, number, text));
            }
        }
    }
    if out.rows.is_empty() {
        return Err(RecordingError::of(path, Fault::Empty("a header but no rows")));
    }
    if let Some(more @ 1..) = out.dropped.checked_sub(NAMED) {
        let text = format!("{more} more rows are dropped for the same reason");
        out.notices.push(Notice { file: path.to_owned(), line: None, text });
    }
    Ok(out)
}

impl BarFile {
    /// Adds a bar. Returns why the row is dropped, if it is.
    fn add(&mut self, line: u64, bar: Bar) -> Result<Option<&'static str>, Fault> {
        if let Some((_, last)) = self.rows.last() {
            let (open_time, before) = (bar.open_time, last.open_time);
            if *last == bar {
                return Ok(Some("dropped: the same as the row before it"));
            }
            if before == open_time {
                return Err(Fault::Duplicate(open_time));
            }
            if before > open_time {
                return Err(Fault::Disorder(open_time, before));
            }
        }
        self.rows.push((line, bar));
        Ok(None)
    }
}
