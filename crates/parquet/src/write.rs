//! Writes a file of bars, or extends one.
//!
//! The new file is written under a temporary name, read back and compared with its checksum. Then
//! it is flushed and gets its name. A reader finds the old file or the new one.

use super::columns::{CHECKSUM, Sum, WIDTH, WRITER, double, exact, schema};
use super::error::{Fault, FileError};
use super::read::BarsReader;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_runtime::files::{WholeFile, sync_name};
use parquet::basic::{Compression, Encoding};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::ColumnPath;
use std::io::{self, Write};
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows of a group. A writer holds one group, 5 MB, and readers can skip whole groups.
const GROUP: usize = if cfg!(test) { 1_000 } else { 65_536 };

/// A file of bars that is being written.
pub struct BarsWriter {
    path: PathBuf,
    width: Timeframe,
    out: SerializedFileWriter<Out>,
    temporary: PathBuf,
    /// Bars of the file that is there.
    old: Option<Peekable<BarsReader>>,
    group: Vec<Bar>,
    last: Option<(Symbol, UtcMs)>,
    sum: Sum,
    written: Written,
}

/// What a file has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Number of symbols.
    pub symbols: u64,
    /// Number of bars.
    pub bars: u64,
    /// Bars among them that only the file had.
    pub kept: u64,
    /// Its bytes.
    pub bytes: u64,
    /// The first opening time, UTC milliseconds; none: it has no bar.
    pub first: Option<UtcMs>,
    /// The last opening time, UTC milliseconds; none: it has no bar.
    pub last: Option<UtcMs>,
}

impl std::fmt::Debug for BarsWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BarsWriter").field("path", &self.path).finish_non_exhaustive()
    }
}

impl BarsWriter {
    /// Begins a file with bars of this width. If it exists, its bars stay. Of two bars for one
    /// time, the added one counts.
    ///
    /// # Errors
    /// A file cannot be written there, or the old one cannot be read.
    pub fn begin(path: &Path, width: Timeframe) -> Result<BarsWriter, FileError> {
        let io = |e| FileError::of(path, Fault::Io(e));
        let old = if path.try_exists().map_err(io)? {
            let old = BarsReader::open(path)?;
            old.check_width(width)?;
            Some(old.peekable())
        } else {
            None
        };
        let whole = WholeFile::begin(path).map_err(io)?;
        let temporary = whole.temporary().to_owned();
        let out = schema().and_then(|schema| {
            SerializedFileWriter::new(Out::of(whole), schema, Arc::new(bar_properties().build()))
        });
        Ok(BarsWriter {
            path: path.to_owned(),
            width,
            out: out.map_err(|e| FileError::library(path, e))?,
            temporary,
            old,
            group: Vec::new(),
            last: None,
            sum: Sum::default(),
            written: Written::default(),
        })
    }

    /// Adds a bar. Bars ascend by symbol, then by time.
    ///
    /// # Errors
    /// A file cannot be read or written, or the bar is out of order.
    pub fn add(&mut self, bar: &Bar) -> Result<(), FileError> {
        self.merge(Some((bar.symbol, bar.open_time)))?;
        self.push(bar)
    }

    /// Writes the rest, reads all back, and gives the file its name.
    ///
    /// # Errors
    /// A file cannot be read or written, or it does not have what was written.
    pub fn finish(mut self) -> Result<Written, FileError> {
        self.merge(None)?;
        self.flush().map_err(|e| FileError::library(&self.path, e))?;
        let BarsWriter { path, width, mut out, temporary, sum, mut written, .. } = self;
        let (wanted, count) = (sum.text(), written.bars);
        for (key, value) in [(CHECKSUM, wanted.clone()), (WIDTH, width.name().to_owned())] {
            out.append_key_value_metadata(KeyValue::new(key.to_owned(), value));
        }
        out.finish().map_err(|e| FileError::library(&path, e))?;
        let written_back = BarsReader::open(&temporary)?;
        let found = (written_back.row_count(), written_back.check()?);
        if found != (count, wanted) {
            let text = "it was read back with other bars".to_owned();
            return Err(FileError::of(&temporary, Fault::Damaged(text)));
        }
        let io = |e| FileError::of(&path, Fault::Io(e));
        written.bytes = std::fs::metadata(&temporary).map_err(io)?.len();
        let whole = out.inner_mut().take().map_err(io)?;
        whole.finish(&path).and_then(|()| sync_name(&path)).map_err(io)?;
        Ok(written)
    }

    /// Writes the old bars before `next`, or all of them. Drops the one at `next`.
    fn merge(&mut self, next: Option<(Symbol, UtcMs)>) -> Result<(), FileError> {
        let Some(mut old) = self.old.take() else { return Ok(()) };
        while let Some(row) = old.next_if(|row| match (row, next) {
            (Ok(row), Some(next)) => row.symbol.is_none_or(|s| (s, row.open_time) <= next),
            (Ok(_) | Err(_), _) => true,
        }) {
            let row = row?;
            let wrong = |fault| FileError::at(&self.path, row.number, fault);
            let symbol = row.symbol.ok_or_else(|| wrong(Fault::MissingColumn("symbol")))?;
            if next == Some((symbol, row.open_time)) {
                continue;
            }
            let bar = row.bar(symbol).map_err(|why| wrong(Fault::Bar(why)))?;
            self.push(&bar)?;
            self.written.kept += 1;
        }
        self.old = Some(old);
        Ok(())
    }

    fn push(&mut self, bar: &Bar) -> Result<(), FileError> {
        let key = (bar.symbol, bar.open_time);
        if let Some(last) = self.last.filter(|last| *last >= key) {
            let text = |(symbol, time)| format!("{symbol} at {time}");
            return Err(FileError::of(&self.path, Fault::Disorder(text(key), text(last))));
        }
        let Written { symbols, bars, first, last, .. } = &mut self.written;
        *symbols += u64::from(self.last.is_none_or(|(symbol, _)| symbol != bar.symbol));
        *bars += 1;
        *first = Some(first.map_or(bar.open_time, |time| time.min(bar.open_time)));
        *last = Some(last.map_or(bar.open_time, |time| time.max(bar.open_time)));
        self.last = Some(key);
        self.group.push(*bar);
        if self.group.len() < GROUP {
            return Ok(());
        }
        self.flush().map_err(|e| FileError::library(&self.path, e))
    }

    /// Writes the bars at hand as one group.
    fn flush(&mut self) -> Result<(), ParquetError> {
        if self.group.is_empty() {
            return Ok(());
        }
        let bars = std::mem::take(&mut self.group);
        let mut values = Values::default();
        for bar in &bars {
            values.add(bar, &mut self.sum);
        }
        let mut group = self.out.next_row_group()?;
        column::<ByteArrayType>(&mut group, &values.symbols, None)?;
        column::<Int64Type>(&mut group, &values.times, None)?;
        for numbers in &values.numbers {
            column::<DoubleType>(&mut group, numbers, None)?;
        }
        column::<ByteArrayType>(&mut group, &values.exact, Some(&values.has_exact))?;
        group.close()?;
        self.group = bars;
        self.group.clear();
        Ok(())
    }
}

/// The new file, which is taken away from the library once it is complete.
pub struct Out(Option<WholeFile>);

impl Out {
    pub const fn of(whole: WholeFile) -> Out {
        Out(Some(whole))
    }

    /// Takes the file away.
    pub fn take(&mut self) -> io::Result<WholeFile> {
        self.0.take().ok_or_else(Out::none)
    }

    fn none() -> io::Error {
        io::Error::other("the file is complete")
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.as_mut().ok_or_else(Out::none)?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.as_mut().map_or(Ok(()), Write::flush)
    }
}

/// The columns of a group.
#[derive(Default)]
struct Values {
    symbols: Vec<ByteArray>,
    times: Vec<i64>,
    numbers: [Vec<f64>; 5],
    exact: Vec<ByteArray>,
    /// 1 for each row that has `exact`, else 0.
    has_exact: Vec<i16>,
}

impl Values {
    fn add(&mut self, bar: &Bar, sum: &mut Sum) {
        let [open, high, low, close] = bar.prices().map(|price| price.decimal().normalize());
        let decimals: [Decimal; 5] = [open, high, low, close, bar.volume.normalize()];
        let doubles = decimals.map(double);
        let exact = doubles.iter().any(|(_, same)| !same).then(|| exact(&decimals));
        let doubles = doubles.map(|(double, _)| double);
        for (column, double) in self.numbers.iter_mut().zip(doubles) {
            column.push(double);
        }
        let symbol = bar.symbol.as_str().as_bytes();
        sum.add(symbol, bar.open_time, doubles, exact.as_deref().map(str::as_bytes));
        // Bars of one symbol share its bytes.
        let same = self.symbols.last().filter(|last| last.data() == symbol).cloned();
        self.symbols.push(same.unwrap_or_else(|| ByteArray::from(symbol)));
        self.times.push(bar.open_time);
        self.has_exact.push(i16::from(exact.is_some()));
        self.exact.extend(exact.map(|text| ByteArray::from(text.into_bytes())));
    }
}

/// Writes the next column of a group.
pub fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Out>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let next = group.next_column()?;
    let mut column = next.ok_or_else(|| ParquetError::General("no further column".to_owned()))?;
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}

/// The properties of every file. All readers know them. The same rows give the same bytes.
pub fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_created_by(format!("{WRITER}{}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_dictionary_enabled(true)
}

/// Those of a file of bars. Times ascend and volumes differ, so a dictionary does not help.
fn bar_properties() -> WriterPropertiesBuilder {
    let order = |column_idx| SortingColumn { column_idx, descending: false, nulls_first: false };
    let (time, volume) = (ColumnPath::from("open_time"), ColumnPath::from("volume"));
    properties()
        .set_sorting_columns(Some(vec![order(0), order(1)]))
        .set_column_dictionary_enabled(time.clone(), false)
        .set_column_dictionary_enabled(volume, false)
        .set_column_encoding(time, Encoding::DELTA_BINARY_PACKED)
}
