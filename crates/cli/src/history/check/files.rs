//! Finds the files of bars of a folder, and reads one to its end.

use super::known::Known;
use super::quarantine;
use super::scan::Scan;
use super::series::Fold;
use super::wide::Rollup;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_views::backup::failed;
use everwarm_views::exit::{Exit, Failure};
use std::path::{Path, PathBuf};

/// One file of bars.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BarsFile {
    pub symbol: Symbol,
    pub timeframe: Timeframe,
    pub path: PathBuf,
}

/// A file that was read.
pub struct Looked {
    pub file: BarsFile,
    /// What its rows add up to; none: it cannot be opened.
    pub fold: Option<Fold>,
    pub known: Known,
    /// What is wrong with the file, beside its rows.
    pub wrong: Vec<String>,
    /// Whether rows are bad or were not moved yet, so that a repair has to rewrite it.
    pub is_bad: bool,
    /// Wide bars that differ from their minutes.
    pub differing: Vec<Bar>,
}

impl BarsFile {
    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    pub fn quarantine(&self) -> PathBuf {
        quarantine::path(self.folder(), self.symbol, self.timeframe)
    }

    pub fn known(&self) -> PathBuf {
        Known::path(self.folder(), self.symbol, self.timeframe)
    }

    pub fn series(&self) -> (Symbol, Timeframe) {
        (self.symbol, self.timeframe)
    }

    /// Its judged rows.
    ///
    /// # Errors
    /// It cannot be opened, or its header is wrong.
    pub fn scan(&self, now: UtcMs) -> Result<Scan, Failure> {
        let scan = Scan::open(&self.path, self.series(), now);
        scan.map_err(|why| Failure::new(Exit::Usage, why.to_string()))
    }

    /// Reads the whole file. `minutes` is the file with the minutes of its symbol.
    ///
    /// # Errors
    /// A file cannot be read. What is wrong in the file is no error.
    pub fn look(&self, minutes: Option<&BarsFile>, now: UtcMs) -> Result<Looked, Failure> {
        let mut looked = Looked {
            file: self.clone(),
            fold: None,
            known: Known::default(),
            wrong: Vec::new(),
            is_bad: false,
            differing: Vec::new(),
        };
        match Known::read(&self.known(), self.symbol) {
            Ok(known) => looked.known = known,
            Err(why) => looked.wrong.push(why),
        }
        let mut scan = match Scan::open(&self.path, self.series(), now) {
            Ok(scan) => scan,
            Err(why) => {
                looked.wrong.push(why.to_string());
                return Ok(looked);
            }
        };
        let mut fold = Fold::new(scan.of);
        let minutes = minutes.filter(|_| !scan.of.grid.has_sessions());
        let minutes = minutes.and_then(|minutes| minutes.scan(now).ok());
        let minutes = minutes.map(|scan| scan.filter_map(|judged| judged.bar.ok()));
        let mut rollup = minutes.map(|minutes| Rollup::new(minutes, self.timeframe));
        for judged in scan.by_ref() {
            fold.add(&judged, &looked.known);
            let Ok(bar) = &judged.bar else { continue };
            let differs = rollup.as_mut().and_then(|rollup| rollup.differs(bar));
            if let Some(bad) = differs.filter(|_| !looked.known.has_bar(bar)) {
                fold.finding(judged.line, &bad);
                looked.differing.push(*bar);
            }
        }
        fold.end();
        if fold.good == 0 {
            looked.wrong.push(format!("{}: has no good row", self.path.display()));
        }
        looked.is_bad = fold.good < fold.rows || scan.damage.is_some();
        looked.wrong.extend(scan.damage.map(|why| why.to_string()));
        let checksum = quarantine::checksum(&self.path).map_err(|e| failed(&self.path, &e))?;
        match quarantine::read(&self.quarantine(), &checksum) {
            Ok(recorded) => {
                looked.is_bad |= !recorded.lines.is_empty();
                for times in recorded.missing {
                    fold.missing(times);
                }
            }
            Err(why) => looked.wrong.push(why),
        }
        looked.fold = Some(fold);
        Ok(looked)
    }
}

/// The files of a folder, sorted.
///
/// # Errors
/// The folder cannot be read, or it has no such file.
pub fn all(folder: &Path) -> Result<Vec<BarsFile>, Failure> {
    let no = |e: std::io::Error| failed(folder, &e);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(no)? {
        let path = entry.map_err(no)?.path();
        let series = if path.is_dir() { None } else { series_of(&path) };
        files.extend(series.map(|(symbol, timeframe)| BarsFile { symbol, timeframe, path }));
    }
    if files.is_empty() {
        let text = format!("{} holds no file named SYMBOL_WIDTH.csv[.gz]", folder.display());
        return Err(Failure::new(Exit::Usage, text));
    }
    files.sort();
    Ok(files)
}

/// The symbol and the width in the name of a file.
fn series_of(path: &Path) -> Option<(Symbol, Timeframe)> {
    let name = path.file_name()?.to_str()?;
    let stem = name.strip_suffix(".gz").unwrap_or(name).strip_suffix(".csv")?;
    let (symbol, width) = stem.rsplit_once('_')?;
    Some((Symbol::named(symbol).ok()?, width.parse().ok()?))
}
