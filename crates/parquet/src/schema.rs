//! Finds the columns of bars in the schema of a file, and how their values are stored.

use super::columns::NUMBERS;
use super::error::Fault;
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::file::metadata::ParquetMetaData;
use parquet::schema::types::ColumnDescriptor;

/// A column that is read.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub name: &'static str,
    /// Its place in the schema.
    pub at: usize,
    /// Whether a row may lack a value.
    pub optional: bool,
    pub kind: Kind,
}

/// How the values of a column are stored.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Text,
    /// So many of them are a millisecond.
    Time(i64),
    Double,
    /// Integers with so many decimals.
    Units(u32),
}

/// The columns of a file.
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    pub symbol: Option<Column>,
    pub time: Column,
    pub numbers: [Column; 5],
    pub exact: Option<Column>,
}

impl Columns {
    pub fn find(about: &ParquetMetaData) -> Result<Columns, Fault> {
        let symbol = find(about, "symbol")?.map(|found| found.of("a text", text_kind));
        let exact = find(about, "exact")?.map(|found| found.of("a text", text_kind));
        let number = |name| {
            let wanted = "DOUBLE, DECIMAL or a whole number";
            found(about, name).and_then(|found| found.of(wanted, number_kind))
        };
        let [open, high, low, close, volume] = NUMBERS;
        let wanted = "a timestamp in UTC, or INT64 with UTC milliseconds";
        Ok(Columns {
            symbol: symbol.transpose()?,
            time: found(about, "open_time")?.of(wanted, time_kind)?,
            numbers: [number(open)?, number(high)?, number(low)?, number(close)?, number(volume)?],
            exact: exact.transpose()?,
        })
    }

    /// Every column that is read.
    pub fn all(&self) -> impl Iterator<Item = &Column> {
        self.symbol.iter().chain([&self.time]).chain(&self.numbers).chain(&self.exact)
    }
}

/// A column of the schema.
struct Found<'a> {
    name: &'static str,
    at: usize,
    about: &'a ColumnDescriptor,
}

impl Found<'_> {
    /// The column, if its values can be read.
    fn of(
        &self,
        wanted: &'static str,
        kind: fn(&ColumnDescriptor) -> Option<Kind>,
    ) -> Result<Column, Fault> {
        let Found { name: column, at, about } = *self;
        let flat = about.max_rep_level() == 0 && about.max_def_level() <= 1;
        match kind(about).filter(|_| flat) {
            Some(kind) => {
                Ok(Column { name: column, at, optional: about.max_def_level() == 1, kind })
            }
            None => Err(Fault::Type { column, found: type_of(about), wanted }),
        }
    }
}

fn found<'a>(about: &'a ParquetMetaData, name: &'static str) -> Result<Found<'a>, Fault> {
    find(about, name)?.ok_or(Fault::MissingColumn(name))
}

fn find<'a>(about: &'a ParquetMetaData, name: &'static str) -> Result<Option<Found<'a>>, Fault> {
    let columns = about.file_metadata().schema_descr().columns();
    let mut found = columns.iter().enumerate().filter(|(_, column)| {
        let parts = column.path().parts();
        parts.first().is_some_and(|part| parts.len() == 1 && part.eq_ignore_ascii_case(name))
    });
    let first = found.next().map(|(at, column)| Found { name, at, about: column.as_ref() });
    if found.next().is_some() { Err(Fault::ColumnTwice(name)) } else { Ok(first) }
}

/// The type of a column as a text.
fn type_of(about: &ColumnDescriptor) -> String {
    let physical = about.physical_type();
    match about.logical_type_ref() {
        Some(LogicalType::Timestamp(time)) if !time.is_adjusted_to_u_t_c => {
            format!("{physical}, a timestamp without a time zone")
        }
        Some(logical) => format!("{physical}, {logical:?}"),
        None if about.converted_type() != ConvertedType::NONE => {
            format!("{physical}, {:?}", about.converted_type())
        }
        None => physical.to_string(),
    }
}

fn text_kind(about: &ColumnDescriptor) -> Option<Kind> {
    (about.physical_type() == Type::BYTE_ARRAY).then_some(Kind::Text)
}

/// Whether an integer is one without a further meaning, as older programs write it.
fn is_plain(about: &ColumnDescriptor) -> bool {
    let signed = [ConvertedType::INT_32, ConvertedType::INT_64];
    about.converted_type() == ConvertedType::NONE || signed.contains(&about.converted_type())
}

fn time_kind(about: &ColumnDescriptor) -> Option<Kind> {
    if about.physical_type() != Type::INT64 {
        return None;
    }
    match about.logical_type_ref() {
        Some(LogicalType::Timestamp(time)) if time.is_adjusted_to_u_t_c => match time.unit {
            TimeUnit::MILLIS => Some(Kind::Time(1)),
            TimeUnit::MICROS => Some(Kind::Time(1_000)),
            TimeUnit::NANOS => Some(Kind::Time(1_000_000)),
        },
        Some(LogicalType::Integer(_)) => Some(Kind::Time(1)),
        // Older programs write these types, whose times are UTC.
        None if about.converted_type() == ConvertedType::TIMESTAMP_MILLIS => Some(Kind::Time(1)),
        None if about.converted_type() == ConvertedType::TIMESTAMP_MICROS => {
            Some(Kind::Time(1_000))
        }
        None => is_plain(about).then_some(Kind::Time(1)),
        Some(_) => None,
    }
}

fn number_kind(about: &ColumnDescriptor) -> Option<Kind> {
    let physical = about.physical_type();
    let whole = [Type::INT32, Type::INT64].contains(&physical);
    let bytes = [Type::BYTE_ARRAY, Type::FIXED_LEN_BYTE_ARRAY].contains(&physical);
    let scale = match about.logical_type_ref() {
        Some(LogicalType::Decimal(decimal)) => Some(decimal.scale),
        Some(LogicalType::Integer(number)) if number.is_signed => Some(0),
        Some(_) => return None,
        None if about.converted_type() == ConvertedType::DECIMAL => Some(about.type_scale()),
        None => None,
    };
    match scale {
        None if physical == Type::DOUBLE => Some(Kind::Double),
        None => (whole && is_plain(about)).then_some(Kind::Units(0)),
        Some(scale) => {
            let scale = u32::try_from(scale).ok();
            scale.filter(|_| whole || bytes).map(Kind::Units)
        }
    }
}
