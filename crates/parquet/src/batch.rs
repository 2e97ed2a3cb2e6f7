//! The values of some rows, as they are stored.

use super::columns::{decimal, scaled};
use super::error::Fault;
use super::schema::{Column, Kind};
use everwarm_domain::money::Decimal;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;

/// The values of one batch of rows.
#[derive(Default)]
pub struct Batch {
    pub symbols: Vec<Option<ByteArray>>,
    pub times: Vec<Option<i64>>,
    pub numbers: Vec<Vec<Option<Number>>>,
    pub exact: Vec<Option<ByteArray>>,
}

/// A number as it is stored.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    Double(f64),
    /// With the decimals of its column.
    Units(i128, u32),
}

/// Why the values of a column cannot be read.
pub enum Wrong {
    Library(ParquetError),
    Short,
}

impl From<ParquetError> for Wrong {
    fn from(error: ParquetError) -> Wrong {
        Wrong::Library(error)
    }
}

impl Batch {
    pub fn add(
        &mut self,
        column: Column,
        reader: &mut ColumnReader,
        count: usize,
    ) -> Result<(), Wrong> {
        let optional = column.optional;
        match reader {
            ColumnReader::ByteArrayColumnReader(reader) if matches!(column.kind, Kind::Text) => {
                let values = values(reader, count, optional)?;
                let text = if column.name == "exact" { &mut self.exact } else { &mut self.symbols };
                *text = values;
            }
            ColumnReader::Int64ColumnReader(reader) if matches!(column.kind, Kind::Time(_)) => {
                self.times = values(reader, count, optional)?;
            }
            ColumnReader::DoubleColumnReader(reader) => {
                let values = values(reader, count, optional)?.into_iter();
                self.numbers.push(values.map(|value| value.map(Number::Double)).collect());
            }
            ColumnReader::Int32ColumnReader(reader) => {
                let values = values(reader, count, optional)?.into_iter();
                self.units(column, values.map(|value| value.map(i128::from)));
            }
            ColumnReader::Int64ColumnReader(reader) => {
                let values = values(reader, count, optional)?.into_iter();
                self.units(column, values.map(|value| value.map(i128::from)));
            }
            ColumnReader::ByteArrayColumnReader(reader) => {
                let values = values(reader, count, optional)?.into_iter();
                self.units(column, values.map(|value| value.map(|bytes| units(bytes.data()))));
            }
            ColumnReader::FixedLenByteArrayColumnReader(reader) => {
                let values = values(reader, count, optional)?.into_iter();
                self.units(column, values.map(|value| value.map(|bytes| units(bytes.data()))));
            }
            ColumnReader::BoolColumnReader(_)
            | ColumnReader::Int96ColumnReader(_)
            | ColumnReader::FloatColumnReader(_) => return Err(Wrong::Short),
        }
        Ok(())
    }

    fn units(&mut self, column: Column, values: impl Iterator<Item = Option<i128>>) {
        let scale = if let Kind::Units(scale) = column.kind { scale } else { 0 };
        self.numbers.push(values.map(|value| value.map(|v| Number::Units(v, scale))).collect());
    }

    /// The five numbers of a row; NaN for those that are stored otherwise.
    pub fn doubles(&self, at: usize) -> [f64; 5] {
        let mut doubles = [f64::NAN; 5];
        for (double, column) in doubles.iter_mut().zip(&self.numbers) {
            if let Some(Some(Number::Double(value))) = column.get(at) {
                *double = *value;
            }
        }
        doubles
    }
}

/// The next `count` values of a column.
fn values<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    count: usize,
    optional: bool,
) -> Result<Vec<Option<T::T>>, Wrong> {
    let (mut levels, mut found) = (Vec::new(), Vec::with_capacity(count));
    let mut records = 0;
    while records < count {
        let levels = optional.then_some(&mut levels);
        let (read, ..) = reader.read_records(count - records, levels, None, &mut found)?;
        if read == 0 {
            return Err(Wrong::Short);
        }
        records += read;
    }
    if !optional {
        return Ok(found.into_iter().map(Some).collect());
    }
    let mut found = found.into_iter();
    Ok(levels.into_iter().map(|level| if level == 1 { found.next() } else { None }).collect())
}

/// The integer of a DECIMAL in bytes, most significant first; the largest one if it is too long.
fn units(bytes: &[u8]) -> i128 {
    let fill = if bytes.first().is_some_and(|first| *first >= 0x80) { 0xff } else { 0 };
    let mut whole = [fill; 16];
    let start = bytes.len().saturating_sub(16);
    if bytes[..start].iter().any(|byte| *byte != fill) {
        return i128::MAX;
    }
    let bytes = &bytes[start..];
    whole[16 - bytes.len()..].copy_from_slice(bytes);
    i128::from_be_bytes(whole)
}

impl Number {
    pub fn decimal(self, column: &'static str) -> Result<Decimal, Fault> {
        let (value, text) = match self {
            Number::Double(double) => (decimal(double), double.to_string()),
            Number::Units(units, scale) => (scaled(units, scale), format!("{units}e-{scale}")),
        };
        let why = "no decimal of up to 28 digits";
        value.ok_or(Fault::Value { column, text, why })
    }
}
