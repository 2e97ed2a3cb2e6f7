//! Reads one file of recorded bars, strictly: every row is a valid bar or the file is refused.
//!
//! The only repair: a row with the same values as the row before it is dropped, with a notice.
//! Fields have no quotes. The header names the columns, in any order; other columns and blank lines
//! are skipped. A plain file must end with a line end. Otherwise a row that is cut in its last
//! number would pass as a bar. A compressed file carries a checksum.

use super::recording::Notice;
use super::recording_config::VOLUME_SCALE;
use super::recording_error::{Fault, RecordingError};
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, Price, parse_decimal};
use everwarm_domain::time::{MINUTE, UtcMs};
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

pub(super) const COLUMNS: [&str; 6] = ["open_time", "open", "high", "low", "close", "volume"];

/// Longest accepted line, in bytes: ten times a wide row. It bounds the memory for a file without
/// line ends.
const LINE_MAX: u64 = 4_096;

/// Accepted opening times: 1990-01-01 to 2100-01-01. Times in seconds or microseconds fall outside.
const TIME_RANGE: std::ops::Range<UtcMs> = 631_152_000_000..4_102_444_800_000;

/// Largest volume in any unit: 10^18. Divided by the smallest step, it still fits a decimal.
pub(super) const VOLUME_MAX: Decimal = Decimal::from_parts(2_808_348_672, 232_830_643, 0, false, 0);

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
    let file = File::open(path).map_err(|e| RecordingError::of(path, Fault::Io(e.to_string())))?;
    let file = BufReader::new(file);
    if path.extension().is_some_and(|e| e == "gz") {
        let text = BufReader::with_capacity(1 << 16, MultiGzDecoder::new(file));
        Reader { path, symbol, most, checksummed: true, line: 0 }.read(text)
    } else {
        Reader { path, symbol, most, checksummed: false, line: 0 }.read(file)
    }
}

struct Reader<'a> {
    path: &'a Path,
    symbol: Symbol,
    /// Bars after which it stops.
    most: usize,
    checksummed: bool,
    line: u64,
}

impl Reader<'_> {
    fn read(mut self, mut text: impl BufRead) -> Result<BarFile, RecordingError> {
        let mut line = Vec::new();
        if !self.next_line(&mut text, &mut line)? {
            return Err(RecordingError::of(self.path, Fault::Empty("no header")));
        }
        let columns = Columns::find(self.text(&line)?).map_err(|f| self.fault(f))?;
        let mut out = BarFile::default();
        while out.rows.len() < self.most && self.next_line(&mut text, &mut line)? {
            let row = self.text(&line)?;
            self.row(&columns, row, &mut out).map_err(|f| self.fault(f))?;
        }
        if out.rows.is_empty() {
            return Err(RecordingError::of(self.path, Fault::Empty("a header but no rows")));
        }
        if let Some(more @ 1..) = out.dropped.checked_sub(NAMED) {
            let text = format!("{more} more rows are dropped for the same reason");
            out.notices.push(Notice { file: self.path.to_owned(), line: None, text });
        }
        Ok(out)
    }

    /// Reads the next line that is not blank, without its line end. False at the end of the file.
    fn next_line(
        &mut self,
        text: &mut impl BufRead,
        line: &mut Vec<u8>,
    ) -> Result<bool, RecordingError> {
        loop {
            line.clear();
            self.line += 1;
            let read = text.by_ref().take(LINE_MAX).read_until(b'\n', line);
            let bytes = read.map_err(|e| self.fault(self.io_fault(&e)))?;
            if bytes == 0 {
                return Ok(false);
            }
            if line.last() == Some(&b'\n') {
                line.pop();
            } else if bytes as u64 == LINE_MAX {
                return Err(self.fault(Fault::NotText("longer than 4096 bytes")));
            } else if !self.checksummed {
                let hint = ": the last line has no end (if it is whole, add one)";
                return Err(self.fault(Fault::CutShort(hint)));
            }
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            if !line.is_empty() {
                return Ok(true);
            }
        }
    }

    fn io_fault(&self, error: &std::io::Error) -> Fault {
        let (kind, text) = (error.kind(), error.to_string());
        if kind == ErrorKind::UnexpectedEof {
            Fault::CutShort("")
        } else if self.checksummed
            && matches!(kind, ErrorKind::InvalidData | ErrorKind::InvalidInput)
        {
            Fault::Damaged(text)
        } else {
            Fault::Io(text)
        }
    }

    fn text<'l>(&self, line: &'l [u8]) -> Result<&'l str, RecordingError> {
        let text = std::str::from_utf8(line).map_err(|_| Fault::NotText("not UTF-8"));
        text.map_err(|f| self.fault(f))
    }

    fn fault(&self, fault: Fault) -> RecordingError {
        RecordingError::at(self.path, self.line, fault)
    }

    fn row(&self, columns: &Columns, row: &str, out: &mut BarFile) -> Result<(), Fault> {
        let fields = columns.fields(row)?;
        let open_time = time(fields[0])?;
        let mut prices = [Price::default(); 4];
        let mut price_scale = 0;
        for (i, price) in prices.iter_mut().enumerate() {
            let (column, text) = (COLUMNS[i + 1], fields[i + 1]);
            let value = number(column, text)?.normalize();
            let wrong = |_| Fault::Price { column, text: text.to_owned() };
            *price = Price::exact(value).map_err(wrong)?;
            price_scale = price_scale.max(value.scale());
        }
        let [open, high, low, close] = prices;
        let (volume, volume_scale) = volume(fields[5])?;
        let bar = Bar { symbol: self.symbol, open_time, open, high, low, close, volume };
        bar.validate().map_err(Fault::Bar)?;
        if let Some((_, last)) = out.rows.last() {
            if *last == bar {
                let text = "dropped: the same as the row before it";
                out.dropped += 1;
                if out.dropped <= NAMED {
                    out.notices.push(Notice::at(self.path, self.line, text));
                }
                return Ok(());
            }
            if last.open_time == open_time {
                return Err(Fault::Duplicate(open_time));
            }
            if last.open_time > open_time {
                return Err(Fault::Disorder(open_time, last.open_time));
            }
        }
        out.price_scale = out.price_scale.max(price_scale);
        out.volume_scale = out.volume_scale.max(volume_scale);
        out.rows.push((self.line, bar));
        Ok(())
    }
}

/// The positions of the needed columns.
struct Columns {
    places: [usize; 6],
    count: usize,
}

impl Columns {
    fn find(header: &str) -> Result<Columns, Fault> {
        let header = header.strip_prefix('\u{feff}').unwrap_or(header);
        let names: Vec<&str> = header.split(',').map(str::trim).collect();
        let mut places = [0; 6];
        for (place, wanted) in places.iter_mut().zip(COLUMNS) {
            let mut found =
                names.iter().enumerate().filter(|(_, name)| name.eq_ignore_ascii_case(wanted));
            *place = found.next().ok_or(Fault::MissingColumn(wanted))?.0;
            if found.next().is_some() {
                return Err(Fault::ColumnTwice(wanted));
            }
        }
        Ok(Columns { places, count: names.len() })
    }

    fn fields<'r>(&self, row: &'r str) -> Result<[&'r str; 6], Fault> {
        let mut fields = [""; 6];
        let mut found = 0;
        for (at, field) in row.split(',').enumerate() {
            found += 1;
            for (wanted, place) in self.places.iter().enumerate() {
                if *place == at {
                    fields[wanted] = field.trim();
                }
            }
        }
        if found == self.count {
            Ok(fields)
        } else {
            Err(Fault::Fields { found, wanted: self.count })
        }
    }
}

fn time(text: &str) -> Result<UtcMs, Fault> {
    let wanted = "a whole number of milliseconds";
    let wrong = |_| Fault::NotANumber { column: COLUMNS[0], text: text.to_owned(), wanted };
    let time: UtcMs = text.parse().map_err(wrong)?;
    if !TIME_RANGE.contains(&time) {
        return Err(Fault::TimeRange(time));
    }
    match time.rem_euclid(MINUTE) {
        0 => Ok(time),
        past => Err(Fault::OffGrid(time, past)),
    }
}

/// Parses a plain decimal: digits, one point, a minus. The decimal parser alone accepts more
/// (`1_000`, `+1`).
fn number(column: &'static str, text: &str) -> Result<Decimal, Fault> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-'));
    let value = plain.then(|| parse_decimal(text).ok()).flatten();
    let wanted = "a plain decimal number";
    value.ok_or_else(|| Fault::NotANumber { column, text: text.to_owned(), wanted })
}

/// Parses a volume and counts its decimals. An empty field is zero, and zero gives no count.
fn volume(text: &str) -> Result<(Decimal, Option<u32>), Fault> {
    if text.is_empty() {
        return Ok((Decimal::ZERO, None));
    }
    let value = number(COLUMNS[5], text)?.normalize();
    if value > VOLUME_MAX {
        return Err(Fault::Volume(text.to_owned()));
    }
    let scale = (!value.is_zero()).then(|| value.scale().min(VOLUME_SCALE.into()));
    Ok((value, scale))
}
