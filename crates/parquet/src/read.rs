//! Reads a file of bars, a few thousand rows at a time.
//!
//! It reads what this program writes, and files of other programs with these columns in any order.
//! Further columns are skipped. Prices and volumes may be DOUBLE, DECIMAL or whole numbers.

use super::batch::{Batch, Wrong};
use super::columns::{CHECKSUM, NUMBERS, Sum, WIDTH, WRITER, read_exact};
use super::error::{Fault, FileError};
use super::footer::{check_ends, check_groups, place, value};
use super::pages;
use super::schema::{Column, Columns, Kind};
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_runtime::store::at_damage;
use parquet::column::reader::{ColumnReader, get_column_reader};
use parquet::data_type::ByteArray;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::serialized_reader::SerializedPageReader;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows that are decoded at once.
const BATCH: usize = 8_192;
/// Symbols that are remembered for an error.
const SYMBOLS_MAX: usize = 10_000;
/// Symbols that an error names.
const NAMED: usize = 5;

/// The numbers of a row, which may be no valid bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number in the file, from 1.
    pub number: u64,
    /// The symbol; none: the file has no such column.
    pub symbol: Option<Symbol>,
    /// Opening time, UTC milliseconds.
    pub open_time: UtcMs,
    /// Open, high, low, close.
    pub prices: [Decimal; 4],
    /// The volume; zero if it is null.
    pub volume: Decimal,
}

impl Row {
    /// The bar, with `otherwise` if the file names no symbol.
    ///
    /// # Errors
    /// The values are those of no bar.
    pub fn bar(&self, otherwise: Symbol) -> Result<Bar, String> {
        let mut prices = [Price::default(); 4];
        for (price, value) in prices.iter_mut().zip(self.prices) {
            *price = Price::exact(value)?;
        }
        let [open, high, low, close] = prices;
        let (symbol, open_time) = (self.symbol.unwrap_or(otherwise), self.open_time);
        let bar = Bar { symbol, open_time, open, high, low, close, volume: self.volume };
        bar.validate().map(|()| bar)
    }
}

/// The open columns of one group of rows.
struct Group {
    /// In the order of [`Columns::all`].
    columns: Vec<(Column, ColumnReader)>,
    /// Rows that were not read yet.
    rows: usize,
}

/// The rows of a file. After an error it ends.
pub struct BarsReader {
    path: PathBuf,
    file: Arc<File>,
    about: ParquetMetaData,
    columns: Columns,
    /// The next group.
    next: usize,
    group: Option<Group>,
    /// The rows that were read last, and the place of the next one.
    rows: Option<(Batch, usize)>,
    /// Rows that were decoded.
    read: u64,
    /// Only rows of this symbol.
    only: Option<Symbol>,
    /// Symbols of other rows.
    others: BTreeSet<Symbol>,
    sum: Sum,
    /// The checksum in the footer, if this program wrote the file.
    wanted_sum: Option<String>,
}

impl std::fmt::Debug for BarsReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BarsReader").field("path", &self.path).finish_non_exhaustive()
    }
}

impl BarsReader {
    /// Opens a file and checks its footer.
    ///
    /// # Errors
    /// It cannot be read, is no file of bars, or exceeds a bound.
    pub fn open(path: &Path) -> Result<BarsReader, FileError> {
        let of = |fault| FileError::of(path, fault);
        let mut file = File::open(path).map_err(|e| of(Fault::Io(e)))?;
        let length = check_ends(&mut file).map_err(of)?;
        let about = at_damage(|| ParquetMetaDataReader::new().parse_and_finish(&file));
        let about = about.ok_or_else(|| of(contradiction()))?;
        let about = about.map_err(|e| FileError::library(path, e))?;
        let columns = Columns::find(&about).map_err(of)?;
        let places = columns.all().map(|column| (column.name, column.at)).collect::<Vec<_>>();
        check_groups(&about, &places, length).map_err(of)?;
        let ours = about.file_metadata().created_by().is_some_and(|by| by.starts_with(WRITER));
        let wanted_sum = value(&about, CHECKSUM).filter(|_| ours);
        Ok(BarsReader {
            path: path.to_owned(),
            file: Arc::new(file),
            about,
            columns,
            next: 0,
            group: None,
            rows: None,
            read: 0,
            only: None,
            others: BTreeSet::new(),
            sum: Sum::default(),
            wanted_sum,
        })
    }

    /// Number of rows in the file.
    #[must_use]
    pub fn row_count(&self) -> u64 {
        u64::try_from(self.about.file_metadata().num_rows()).unwrap_or_default()
    }

    /// Checks that the file has bars of this width, if it names one.
    ///
    /// # Errors
    /// It names another width.
    pub fn check_width(&self, wanted: Timeframe) -> Result<(), FileError> {
        let wanted = wanted.name();
        match value(&self.about, WIDTH) {
            Some(found) if found != wanted => {
                Err(FileError::of(&self.path, Fault::Width { found, wanted }))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Reads all rows and compares them with the checksum. Returns the checksum.
    ///
    /// # Errors
    /// The file cannot be read to its end, or the checksum differs.
    pub fn check(mut self) -> Result<String, FileError> {
        while self.batch()?.is_some() {}
        Ok(self.sum.text())
    }

    /// The values of the next rows; none at the end.
    fn batch(&mut self) -> Result<Option<Batch>, FileError> {
        while self.group.as_ref().is_none_or(|group| group.rows == 0) {
            if self.next == self.about.num_row_groups() {
                return self.end().map(|()| None);
            }
            self.group = Some(self.open_group()?);
            self.next += 1;
        }
        let Some(group) = &mut self.group else { return Ok(None) };
        let count = group.rows.min(BATCH);
        group.rows -= count;
        let mut batch = Batch::default();
        for (column, reader) in &mut group.columns {
            // The library takes pages that do not fit for a bug of its own and panics.
            let added = at_damage(|| batch.add(*column, reader, count));
            let added = added.ok_or_else(|| FileError::of(&self.path, contradiction()))?;
            added.map_err(|e| match e {
                Wrong::Library(e) => FileError::library(&self.path, e),
                Wrong::Short => {
                    let text = format!("column {} has fewer values than rows", column.name);
                    FileError::of(&self.path, Fault::Damaged(text))
                }
            })?;
        }
        self.add_to_sum(&batch);
        Ok(Some(batch))
    }

    fn open_group(&self) -> Result<Group, FileError> {
        let about = self.about.row_group(self.next);
        let rows = usize::try_from(about.num_rows()).unwrap_or_default();
        let mut columns = Vec::new();
        for column in self.columns.all() {
            let chunk = about.column(column.at);
            let (start, length) = place(chunk).unwrap_or_default();
            let checked = pages::check(&self.file, start, length);
            checked.map_err(|e| FileError::of(&self.path, Fault::of_io(e)))?;
            let pages = SerializedPageReader::new(Arc::clone(&self.file), chunk, rows, None);
            let pages = pages.map_err(|e| FileError::library(&self.path, e))?;
            let reader = get_column_reader(chunk.column_descr_ptr(), Box::new(pages));
            columns.push((*column, reader));
        }
        Ok(Group { columns, rows })
    }

    fn add_to_sum(&mut self, batch: &Batch) {
        if self.wanted_sum.is_none() {
            return;
        }
        let parts = if let Kind::Time(parts) = self.columns.time.kind { parts } else { 1 };
        for (at, time) in batch.times.iter().enumerate() {
            let time = time.unwrap_or_default() / parts;
            let text = |column: &[Option<ByteArray>]| {
                column.get(at).and_then(|text| text.as_ref().map(|text| text.data().to_vec()))
            };
            let symbol = text(&batch.symbols).unwrap_or_default();
            let exact = text(&batch.exact);
            self.sum.add(&symbol, time, batch.doubles(at), exact.as_deref());
        }
    }

    /// Compares the checksum at the end.
    fn end(&mut self) -> Result<(), FileError> {
        let found = self.sum.text();
        match self.wanted_sum.take() {
            Some(wanted) if wanted != found => {
                let text = format!("its checksum is {found}, not {wanted}");
                Err(FileError::of(&self.path, Fault::Damaged(text)))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// One row; none if it is of another symbol than the wanted one.
    fn row(&mut self, batch: &Batch, at: usize) -> Result<Option<Row>, Fault> {
        let symbol = self.columns.symbol.map(|_| symbol_of(batch.symbols.get(at)));
        let symbol = symbol.transpose()?;
        if let (Some(only), Some(symbol)) = (self.only, symbol)
            && only != symbol
        {
            if self.others.len() < SYMBOLS_MAX {
                self.others.insert(symbol);
            }
            return Ok(None);
        }
        let null = |column| Fault::Value { column, text: "null".to_owned(), why: "no value" };
        let time = batch.times[at].ok_or_else(|| null("open_time"))?;
        let open_time = match self.columns.time.kind {
            Kind::Time(parts) if time % parts != 0 => {
                let (column, text) = ("open_time", time.to_string());
                return Err(Fault::Value { column, text, why: "no whole millisecond" });
            }
            Kind::Time(parts) => time / parts,
            Kind::Text | Kind::Double | Kind::Units(_) => time,
        };
        let numbers = if let Some(text) = batch.exact.get(at).and_then(Option::as_ref) {
            exact_of(text, batch.doubles(at))?
        } else {
            let mut numbers = [Decimal::ZERO; 5];
            for (i, number) in numbers.iter_mut().enumerate() {
                *number = match batch.numbers[i][at] {
                    Some(stored) => stored.decimal(NUMBERS[i])?,
                    // A source without volumes leaves them empty.
                    None if i == 4 => Decimal::ZERO,
                    None => return Err(null(NUMBERS[i])),
                };
            }
            numbers
        };
        let [open, high, low, close, volume] = numbers;
        let prices = [open, high, low, close];
        Ok(Some(Row { number: self.read, symbol, open_time, prices, volume }))
    }
}

impl Iterator for BarsReader {
    type Item = Result<Row, FileError>;

    fn next(&mut self) -> Option<Result<Row, FileError>> {
        loop {
            let next = match self.rows.take() {
                Some((batch, at)) if at < batch.times.len() => {
                    self.read += 1;
                    let row = self.row(&batch, at);
                    self.rows = Some((batch, at + 1));
                    row.map_err(|fault| FileError::at(&self.path, self.read, fault))
                }
                Some(_) | None => match self.batch() {
                    Ok(None) => return None,
                    Ok(Some(batch)) => {
                        self.rows = Some((batch, 0));
                        Ok(None)
                    }
                    Err(e) => Err(e),
                },
            };
            if next.is_err() {
                (self.next, self.group) = (self.about.num_row_groups(), None);
                (self.rows, self.wanted_sum) = (None, None);
            }
            if let Some(row) = next.transpose() {
                return Some(row);
            }
        }
    }
}

/// The first `most` rows of one symbol: of the given one, else of the only one. They need not
/// ascend.
///
/// # Errors
/// The file cannot be read, it has several symbols and none is given, or it lacks the given one.
pub fn rows_of(path: &Path, symbol: Option<Symbol>, most: usize) -> Result<Vec<Row>, FileError> {
    let mut reader = BarsReader::open(path)?;
    reader.only = symbol;
    let mut rows: Vec<Row> = Vec::new();
    while rows.len() < most
        && let Some(row) = reader.next()
    {
        let row = row?;
        let first = rows.first().unwrap_or(&row);
        if let (Some(one), Some(other)) = (first.symbol, row.symbol)
            && one != other
        {
            let several = Fault::Symbols(one.to_string(), other.to_string());
            return Err(FileError::at(path, row.number, several));
        }
        rows.push(row);
    }
    if let (true, Some(wanted)) = (rows.is_empty(), symbol) {
        let named: Vec<_> = reader.others.iter().take(NAMED).map(Symbol::to_string).collect();
        let more = reader.others.len().saturating_sub(named.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let found = if named.is_empty() { "no bars".to_owned() } else { named.join(", ") + &more };
        let wanted = wanted.to_string();
        return Err(FileError::of(path, Fault::NoSymbol { wanted, found }));
    }
    Ok(rows)
}

fn contradiction() -> Fault {
    Fault::Damaged("its structure contradicts itself".to_owned())
}

fn symbol_of(stored: Option<&Option<ByteArray>>) -> Result<Symbol, Fault> {
    let bytes = stored.and_then(Option::as_ref).map(ByteArray::data).unwrap_or_default();
    let text = String::from_utf8_lossy(bytes);
    Symbol::new(&text).map_err(|_| {
        let text = text.chars().filter(|c| !c.is_control()).take(32).collect();
        Fault::Value { column: "symbol", text, why: "no symbol" }
    })
}

fn exact_of(stored: &ByteArray, doubles: [f64; 5]) -> Result<[Decimal; 5], Fault> {
    let text = stored.as_utf8().unwrap_or_default();
    read_exact(text, doubles).ok_or_else(|| {
        let text = text.chars().filter(|c| !c.is_control()).take(100).collect();
        let why = "none of the numbers beside it";
        Fault::Value { column: "exact", text, why }
    })
}
