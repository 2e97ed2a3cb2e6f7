//! Reads recorded bars from a file of Parquet, with the rules for the rows of other files.

use super::bar_file::BarFile;
#[cfg(feature = "parquet")]
use super::bar_row::BarRow;
use super::months::Exported;
use super::recording_error::{Fault, RecordingError};
use everwarm_domain::id::Symbol;
use everwarm_domain::time::Timeframe;
use std::path::Path;

/// Why a file of Parquet is refused by a program without Parquet.
pub const NO_PARQUET: &str =
    "this program was built without Parquet; build it with: cargo build --features parquet";

/// Whether a file is one of Parquet, by its name.
pub(super) fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "parquet")
}

/// Reads the first `most` rows of one symbol: of `wanted`, else of the only one. A file without
/// symbols has those of `otherwise`.
#[cfg(feature = "parquet")]
pub(super) fn read(
    path: &Path,
    (wanted, otherwise): (Option<Symbol>, Symbol),
    most: usize,
) -> Result<BarFile, RecordingError> {
    let rows = everwarm_parquet::rows_of(path, wanted, most);
    let rows = rows.map_err(|e| wrong(path, e.row, &e.fault))?;
    let mut out = BarFile::default();
    for row in rows {
        let symbol = row.symbol.or(wanted).unwrap_or(otherwise);
        let (open_time, prices, volume) = (row.open_time, row.prices, row.volume);
        let taken = out.take(path, row.number, &BarRow { open_time, prices, volume }, symbol);
        taken.map_err(|fault| wrong(path, Some(row.number), &fault))?;
    }
    out.end(path)
}

#[cfg(feature = "parquet")]
fn wrong(path: &Path, row: Option<u64>, why: &dyn std::fmt::Display) -> RecordingError {
    let place = row.map(|row| format!("row {row}: ")).unwrap_or_default();
    RecordingError::of(path, Fault::Parquet(format!("{place}{why}")))
}

/// Refuses the file: this program was built without Parquet.
#[cfg(not(feature = "parquet"))]
pub(super) fn read(
    path: &Path,
    _: (Option<Symbol>, Symbol),
    _: usize,
) -> Result<BarFile, RecordingError> {
    Err(RecordingError::of(path, Fault::Parquet(NO_PARQUET.to_owned())))
}

/// Reads all rows of a file with the bars of several symbols.
#[cfg(feature = "parquet")]
pub(super) fn read_all(
    path: &Path,
    width: Timeframe,
    exported: &mut Exported,
) -> Result<(), RecordingError> {
    let rows = everwarm_parquet::BarsReader::open(path);
    let rows = rows.map_err(|e| wrong(path, e.row, &e.fault))?;
    rows.check_width(width).map_err(|e| wrong(path, e.row, &e.fault))?;
    for row in rows {
        let row = row.map_err(|e| wrong(path, e.row, &e.fault))?;
        let none = "column symbol is missing";
        let symbol = row.symbol.ok_or_else(|| wrong(path, None, &none))?;
        // Other names would differ between the protocol's capitals and lower case.
        Symbol::named(symbol.as_str()).map_err(|why| wrong(path, Some(row.number), &why))?;
        let (open_time, prices, volume) = (row.open_time, row.prices, row.volume);
        let file = exported.entry((symbol, width)).or_default();
        let taken = file.take(path, row.number, &BarRow { open_time, prices, volume }, symbol);
        taken.map_err(|fault| wrong(path, Some(row.number), &fault))?;
    }
    Ok(())
}

/// Refuses the file: this program was built without Parquet.
#[cfg(not(feature = "parquet"))]
pub(super) fn read_all(path: &Path, _: Timeframe, _: &mut Exported) -> Result<(), RecordingError> {
    Err(RecordingError::of(path, Fault::Parquet(NO_PARQUET.to_owned())))
}
