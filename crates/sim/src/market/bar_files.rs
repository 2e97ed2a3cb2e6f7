//! Finds the files of a recording in its folder.

use super::recording_error::{Fault, RecordingError};
use everwarm_domain::id::Symbol;
use everwarm_domain::time::Timeframe;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The file of wider bars beside the file of minutes at `path`.
pub(super) fn wider_file(
    symbol: Symbol,
    width: Timeframe,
    path: &Path,
) -> Result<Option<PathBuf>, RecordingError> {
    let file = |end| path.with_file_name(format!("{symbol}_{width}.csv{end}"));
    let mut files = ["", ".gz"].map(file).to_vec();
    files.retain(|path| path.is_file());
    match &files[..] {
        [] | [_] => Ok(files.pop()),
        [path, ..] => {
            let name = format!("{symbol} {width}");
            Err(RecordingError::of(path, Fault::SymbolTwice(name)))
        }
    }
}

/// The `_1m` files of a folder by symbol.
pub(super) fn bar_files(folder: &Path) -> Result<BTreeMap<Symbol, PathBuf>, RecordingError> {
    let refused = |e: std::io::Error| RecordingError::of(folder, Fault::Io(e.to_string()));
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(refused)? {
        let path = entry.map_err(refused)?.path();
        let Some(name) = path.file_name().map(std::ffi::OsStr::to_string_lossy) else { continue };
        let stem = name.strip_suffix(".gz").unwrap_or(&name);
        let Some(name) = stem.strip_suffix("_1m.csv") else { continue };
        if path.is_dir() {
            continue;
        }
        let wrong = |reason| RecordingError::of(&path, Fault::Name(reason));
        // The protocol writes symbols in lower case in stream names and in capitals elsewhere.
        // Clients could not match bars of a symbol with other letters.
        let symbol = Symbol::named(name).map_err(|why| wrong(format!("{why}: rename the file")))?;
        if files.insert(symbol, path.clone()).is_some() {
            return Err(RecordingError::of(folder, Fault::SymbolTwice(symbol.to_string())));
        }
    }
    if files.is_empty() {
        return Err(RecordingError::of(folder, Fault::NoFiles));
    }
    Ok(files)
}
