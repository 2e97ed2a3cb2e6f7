//! Reads the folder of an export: `WIDTH/YEAR-MONTH.parquet`, each with all symbols.

use super::bar_file::BarFile;
use super::recording_error::{Fault, RecordingError};
use everwarm_domain::id::Symbol;
use everwarm_domain::time::Timeframe;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The bars of an export by symbol and width.
pub(super) type Exported = BTreeMap<(Symbol, Timeframe), BarFile>;

/// The folder of one width.
fn folder_of(folder: &Path, width: Timeframe) -> PathBuf {
    folder.join(width.name())
}

/// Whether a folder is that of an export with minutes.
pub(super) fn is_export(folder: &Path) -> bool {
    files(&folder_of(folder, Timeframe::M1)).is_ok_and(|files| !files.is_empty())
}

/// Reads all bars of these widths.
fn read(folder: &Path, widths: &[Timeframe]) -> Result<Exported, RecordingError> {
    let mut exported = Exported::new();
    for width in widths {
        let folder = folder_of(folder, *width);
        if !folder.is_dir() {
            continue;
        }
        let files = files(&folder);
        let files = files.map_err(|e| RecordingError::of(&folder, Fault::Io(e.to_string())))?;
        // Names of months sort by time, so the bars of a symbol ascend.
        for file in files {
            super::parquet_file::read_all(&file, *width, &mut exported)?;
        }
    }
    Ok(exported)
}

/// The minutes and the bars of these widths, and the folder of the minutes for each symbol.
///
/// # Errors
/// A file cannot be read, or a row is wrong.
pub(super) fn recorded(
    folder: &Path,
    wider: &[Timeframe],
) -> Result<(BTreeMap<Symbol, PathBuf>, Exported), RecordingError> {
    let widths: Vec<Timeframe> = [Timeframe::M1].iter().chain(wider).copied().collect();
    let exported = read(folder, &widths)?;
    let minutes = folder_of(folder, Timeframe::M1);
    let of_minutes = exported.keys().filter(|(_, width)| *width == Timeframe::M1);
    let files = of_minutes.map(|(symbol, _)| (*symbol, minutes.clone())).collect();
    Ok((files, exported))
}

/// The files of Parquet in a folder, by name.
fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if super::parquet_file::is_parquet(&path) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
