//! Writes the trades of a backtest as one file.
//!
//! Numbers are DECIMAL(38, 18): SQL adds them up exactly. Multiply them as DOUBLE.

use super::error::{Fault, FileError};
use super::write::{Out, column, properties};
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::UtcMs;
use everwarm_runtime::files::{WholeFile, sync_name};
use parquet::data_type::{
    ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use std::path::Path;
use std::sync::Arc;

/// Decimals of every number. Further ones are rounded.
const SCALE: u32 = 18;

/// A trade of a backtest.
#[derive(Clone, Debug)]
pub struct Trade<'a> {
    /// The strategy.
    pub strategy: &'a str,
    /// The symbol.
    pub symbol: Symbol,
    /// Its opening, UTC milliseconds.
    pub opened: UtcMs,
    /// Its end, UTC milliseconds.
    pub closed: UtcMs,
    /// Quantity bought, base units.
    pub quantity: Decimal,
    /// Average price of the purchases, quote units.
    pub entry: Option<Decimal>,
    /// Average price of the sales, quote units.
    pub exit: Option<Decimal>,
    /// Fees, quote units.
    pub fees: Decimal,
    /// Profit with fees, quote units.
    pub profit: Decimal,
    /// The regime at the entry; empty: none.
    pub entry_regime: &'a str,
    /// Why it was bought.
    pub entry_reason: &'a str,
    /// Why the last part was sold.
    pub exit_reason: &'a str,
}

/// Writes trades as one file, in their order. A reader finds the old file or the new one.
///
/// # Errors
/// The file cannot be written, or a number does not fit.
pub fn write_trades(path: &Path, trades: &[Trade<'_>]) -> Result<(), FileError> {
    let io = |e| FileError::of(path, Fault::Io(e));
    let whole = WholeFile::begin(path).map_err(io)?;
    let mut out = begin(whole).map_err(|e| FileError::library(path, e))?;
    if !trades.is_empty() {
        let numbers = numbers(trades).map_err(|(row, fault)| FileError::at(path, row, fault))?;
        add(&mut out, trades, &numbers).map_err(|e| FileError::library(path, e))?;
    }
    out.finish().map_err(|e| FileError::library(path, e))?;
    let whole = out.inner_mut().take().map_err(io)?;
    whole.finish(path).and_then(|()| sync_name(path)).map_err(io)
}

fn begin(whole: WholeFile) -> Result<SerializedFileWriter<Out>, ParquetError> {
    let schema = "message trades {
        REQUIRED BYTE_ARRAY strategy (STRING);
        REQUIRED BYTE_ARRAY symbol (STRING);
        REQUIRED INT64 opened (TIMESTAMP(MILLIS,true));
        REQUIRED INT64 closed (TIMESTAMP(MILLIS,true));
        REQUIRED FIXED_LEN_BYTE_ARRAY (16) quantity (DECIMAL(38,18));
        OPTIONAL FIXED_LEN_BYTE_ARRAY (16) entry (DECIMAL(38,18));
        OPTIONAL FIXED_LEN_BYTE_ARRAY (16) exit (DECIMAL(38,18));
        REQUIRED FIXED_LEN_BYTE_ARRAY (16) fees (DECIMAL(38,18));
        REQUIRED FIXED_LEN_BYTE_ARRAY (16) profit (DECIMAL(38,18));
        REQUIRED BYTE_ARRAY entry_regime (STRING);
        REQUIRED BYTE_ARRAY entry_reason (STRING);
        REQUIRED BYTE_ARRAY exit_reason (STRING);
    }";
    let schema = Arc::new(parse_message_type(schema)?);
    SerializedFileWriter::new(Out::of(whole), schema, Arc::new(properties().build()))
}

/// The columns quantity, entry, exit, fees and profit; or the row that does not fit.
type Numbers = [Vec<Option<FixedLenByteArray>>; 5];

fn numbers(trades: &[Trade<'_>]) -> Result<Numbers, (u64, Fault)> {
    let mut columns = Numbers::default();
    for (row, trade) in (1..).zip(trades) {
        let Trade { quantity, entry, exit, fees, profit, .. } = trade;
        let numbers = [
            ("quantity", Some(*quantity)),
            ("entry", *entry),
            ("exit", *exit),
            ("fees", Some(*fees)),
            ("profit", Some(*profit)),
        ];
        for (column, (name, number)) in columns.iter_mut().zip(numbers) {
            let units = number.map(|number| units(name, number)).transpose();
            column.push(units.map_err(|fault| (row, fault))?);
        }
    }
    Ok(columns)
}

fn units(column: &'static str, number: Decimal) -> Result<FixedLenByteArray, Fault> {
    let number = number.round_dp(SCALE).normalize();
    let more = 10_i128.pow(SCALE.saturating_sub(number.scale()));
    let units = number.mantissa().checked_mul(more);
    let why = "no DECIMAL(38, 18)";
    let units = units.filter(|units| units.unsigned_abs() < 10_u128.pow(38));
    let units = units.ok_or_else(|| Fault::Value { column, text: number.to_string(), why })?;
    Ok(FixedLenByteArray::from(units.to_be_bytes().to_vec()))
}

fn add(
    out: &mut SerializedFileWriter<Out>,
    trades: &[Trade<'_>],
    [quantity, entry, exit, fees, profit]: &Numbers,
) -> Result<(), ParquetError> {
    let mut group = out.next_row_group()?;
    texts(&mut group, trades.iter().map(|trade| trade.strategy))?;
    texts(&mut group, trades.iter().map(|trade| trade.symbol.as_str()))?;
    for time in [|trade: &Trade<'_>| trade.opened, |trade: &Trade<'_>| trade.closed] {
        let times: Vec<i64> = trades.iter().map(time).collect();
        column::<Int64Type>(&mut group, &times, None)?;
    }
    decimals(&mut group, quantity, false)?;
    decimals(&mut group, entry, true)?;
    decimals(&mut group, exit, true)?;
    decimals(&mut group, fees, false)?;
    decimals(&mut group, profit, false)?;
    texts(&mut group, trades.iter().map(|trade| trade.entry_regime))?;
    texts(&mut group, trades.iter().map(|trade| trade.entry_reason))?;
    texts(&mut group, trades.iter().map(|trade| trade.exit_reason))?;
    group.close().map(drop)
}

fn texts<'a>(
    group: &mut SerializedRowGroupWriter<'_, Out>,
    texts: impl Iterator<Item = &'a str>,
) -> Result<(), ParquetError> {
    let texts: Vec<ByteArray> = texts.map(|text| ByteArray::from(text.as_bytes())).collect();
    column::<ByteArrayType>(group, &texts, None)
}

fn decimals(
    group: &mut SerializedRowGroupWriter<'_, Out>,
    values: &[Option<FixedLenByteArray>],
    optional: bool,
) -> Result<(), ParquetError> {
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<FixedLenByteArray> = values.iter().flatten().cloned().collect();
    column::<FixedLenByteArrayType>(group, &values, optional.then_some(&levels[..]))
}
