//! Reads one file of recorded bars, strictly: every row is a valid bar or the file is refused.
//!
//! The only repair: a row with the same values as the row before it is dropped, with a notice.

use super::bar_lines::BarLines;
use super::bar_row::BarRow;
use super::parquet_file;
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
    read_bars_of(path, None, most)
}

/// The same for the bars of one symbol, which only a file of Parquet names.
///
/// # Errors
/// As [`read_bars`]. Or the file is one of Parquet with several symbols, and none is given.
pub fn read_bars_of(
    path: &Path,
    wanted: Option<Symbol>,
    most: usize,
) -> Result<(Vec<Bar>, Vec<Notice>), RecordingError> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let symbol = name.split(['_', '.']).next().unwrap_or_default();
    let symbol = Symbol::named(symbol).or_else(|_| Symbol::named("FILE"));
    let symbol = symbol.map_err(|why| RecordingError::of(path, Fault::Name(why)))?;
    let file = if parquet_file::is_parquet(path) {
        parquet_file::read(path, (wanted, symbol), most)?
    } else {
        read_first(path, symbol, most)?
    };
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
        let taken = read.and_then(|row| out.take(path, number, &row, symbol));
        taken.map_err(|fault| lines.fault(fault))?;
    }
    out.end(path)
}

impl BarFile {
    /// Takes the next row, or notes why it is dropped.
    pub(super) fn take(
        &mut self,
        path: &Path,
        number: u64,
        row: &BarRow,
        symbol: Symbol,
    ) -> Result<(), Fault> {
        if let Some(repeated) = self.add(number, row.bar(symbol)?)? {
            self.dropped += 1;
            if self.dropped <= NAMED {
                self.notices.push(Notice::at(path, number, repeated));
            }
            return Ok(());
        }
        self.price_scale = self.price_scale.max(row.price_scale());
        self.volume_scale = self.volume_scale.max(row.volume_scale());
        Ok(())
    }

    /// The file, once all rows are taken.
    pub(super) fn end(mut self, path: &Path) -> Result<BarFile, RecordingError> {
        if self.rows.is_empty() {
            return Err(RecordingError::of(path, Fault::Empty("a header but no rows")));
        }
        if let Some(more @ 1..) = self.dropped.checked_sub(NAMED) {
            let text = format!("{more} more rows are dropped for the same reason");
            self.notices.push(Notice { file: path.to_owned(), line: None, text });
        }
        Ok(self)
    }

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
