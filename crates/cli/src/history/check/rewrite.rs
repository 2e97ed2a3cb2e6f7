//! Replaces a file of bars: moves bad rows to the quarantine, and adds bars of a source.
//!
//! Good rows keep their bytes. A new file replaces the old one whole, after the quarantine has what
//! the new one lacks.

use super::files::BarsFile;
use super::known::Known;
use super::quarantine::{self, Section};
use super::series::Fold;
use everwarm_domain::market::Bar;
use everwarm_domain::time::UtcMs;
use everwarm_history::gaps::Times;
use everwarm_runtime::files::{WholeFile, sync_name};
use everwarm_views::backup::failed;
use everwarm_views::exit::{Exit, Failure};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file of bars that is being written under a temporary name.
enum NewFile {
    Plain(BufWriter<WholeFile>),
    Packed(Box<GzEncoder<BufWriter<WholeFile>>>),
}

impl NewFile {
    fn begin(path: &Path) -> io::Result<NewFile> {
        let file = BufWriter::new(WholeFile::begin(path)?);
        let packed = path.extension().is_some_and(|end| end == "gz");
        Ok(if packed {
            NewFile::Packed(Box::new(GzEncoder::new(file, Compression::default())))
        } else {
            NewFile::Plain(file)
        })
    }

    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            NewFile::Plain(file) => file.write_all(bytes),
            NewFile::Packed(file) => file.write_all(bytes),
        }
    }

    fn finish(self, path: &Path) -> io::Result<()> {
        let file = match self {
            NewFile::Plain(file) => file,
            NewFile::Packed(file) => file.finish()?,
        };
        file.into_inner().map_err(io::IntoInnerError::into_error)?.finish(path)?;
        sync_name(path)
    }
}

/// What was taken out of a file.
#[derive(Clone, Debug, Default)]
pub struct Separated {
    /// Rows that are in the quarantine.
    pub moved: u64,
    /// Where the old file is, if it cannot be read to its end.
    pub damaged: Option<PathBuf>,
}

/// Moves the bad rows of a file to its quarantine. A file that cannot be read to its end keeps its
/// readable rows; the whole old file stays beside it under another name.
///
/// # Errors
/// A file cannot be read or written.
pub fn separate(file: &BarsFile, now: UtcMs) -> Result<Separated, Failure> {
    let no = |e: io::Error| failed(&file.path, &e);
    let quarantine = file.quarantine();
    let checksum = quarantine::checksum(&file.path).map_err(no)?;
    let recorded = quarantine::read(&quarantine, &checksum).map_err(wrong)?;
    let mut scan = file.scan(now)?;
    let mut new = NewFile::begin(&file.path).map_err(no)?;
    new.add(scan.header()).map_err(no)?;
    let mut fold = Fold::new(scan.of);
    let mut section = None;
    for judged in scan.by_ref() {
        fold.add(&judged, &Known::default());
        let moved = recorded.lines.contains(&judged.line);
        match judged.bar {
            Ok(_) if !moved => new.add(&judged.bytes).map_err(no)?,
            Err(bad) if !moved => {
                let section = match &mut section {
                    Some(section) => section,
                    None => section.insert(
                        Section::begin(&quarantine, &file.path, &checksum)
                            .map_err(|e| failed(&quarantine, &e))?,
                    ),
                };
                let why = format!("{}: {}", bad.kind.name(), bad.why);
                let added = section.row(judged.line, &why, &judged.bytes);
                added.map_err(|e| failed(&quarantine, &e))?;
            }
            Ok(_) | Err(_) => {}
        }
    }
    fold.end();
    let damaged = scan.damage.is_some().then(|| keep_damaged(&file.path, &checksum));
    let damaged = damaged.transpose().map_err(no)?;
    if quarantine::checksum(&file.path).map_err(no)? != checksum {
        let text = format!("{} changed during the repair. Run it again.", file.path.display());
        return Err(Failure::new(Exit::Failed, text));
    }
    let mut moved = recorded.lines.len() as u64;
    if let Some(section) = section {
        let done = section.finish(&fold.outside());
        moved += done.map_err(|e| failed(&quarantine, &e))?;
    }
    new.finish(&file.path).map_err(no)?;
    Ok(Separated { moved, damaged })
}

/// Gives a file that cannot be read to its end a second name.
fn keep_damaged(path: &Path, checksum: &str) -> io::Result<PathBuf> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".damaged-{}", &checksum[..8]));
    let second = PathBuf::from(name);
    match std::fs::hard_link(path, &second) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        Ok(()) | Err(_) => Ok(second),
    }
}

fn wrong(why: String) -> Failure {
    Failure::new(Exit::Usage, why)
}

/// Bars of a source for a file.
pub struct Found<'a> {
    /// The name of the source.
    pub source: &'a str,
    /// The bars, ascending.
    pub bars: Vec<Bar>,
    /// Times in which they replace bars of the file that have other values.
    pub asked: &'a [Times],
    /// Opening times of the odd bars.
    pub odd: &'a BTreeSet<UtcMs>,
}

/// What a merge changed.
#[derive(Debug, Default)]
pub struct Merged {
    /// Bars that were added.
    pub added: u64,
    /// Bars that were replaced. Their rows are in the quarantine.
    pub replaced: u64,
    /// Odd bars for which the source has the same values.
    pub confirmed: Vec<Bar>,
}

/// Adds the bars of a source to a file.
///
/// # Errors
/// A file cannot be read or written.
pub fn merge(file: &BarsFile, now: UtcMs, found: &Found<'_>) -> Result<Merged, Failure> {
    let mut merged = Merged::default();
    if found.bars.is_empty() {
        return Ok(merged);
    }
    let no = |e: io::Error| failed(&file.path, &e);
    let quarantine = file.quarantine();
    let not = |e: io::Error| failed(&quarantine, &e);
    let checksum = quarantine::checksum(&file.path).map_err(no)?;
    let recorded = quarantine::read(&quarantine, &checksum).map_err(wrong)?;
    let mut scan = file.scan(now)?;
    let columns = scan.columns().clone();
    let mut new = NewFile::begin(&file.path).map_err(no)?;
    new.add(scan.header()).map_err(no)?;
    let (mut section, mut replaced) = (None, Vec::new());
    let mut coming = found.bars.iter().peekable();
    let line = |bar: &Bar| format!("{}\n", columns.line(bar));
    for judged in scan.by_ref() {
        let Ok(bar) = judged.bar else {
            new.add(&judged.bytes).map_err(no)?;
            continue;
        };
        while let Some(other) = coming.next_if(|other| other.open_time < bar.open_time) {
            new.add(line(other).as_bytes()).map_err(no)?;
            merged.added += 1;
        }
        let other = coming.next_if(|other| other.open_time == bar.open_time);
        let asked = |times: &Times| times.contains(&bar.open_time);
        match other.filter(|_| found.asked.iter().any(asked)) {
            Some(other) if *other != bar => {
                if !recorded.lines.contains(&judged.line) {
                    let section = match &mut section {
                        Some(section) => section,
                        None => section.insert(
                            Section::begin(&quarantine, &file.path, &checksum).map_err(not)?,
                        ),
                    };
                    let why = format!("replaced: {} has {}", found.source, line(other).trim_end());
                    section.row(judged.line, &why, &judged.bytes).map_err(not)?;
                }
                new.add(line(other).as_bytes()).map_err(no)?;
                merged.replaced += 1;
                replaced.push(bar.open_time..=bar.open_time);
            }
            same => {
                if same.is_some() && found.odd.contains(&bar.open_time) {
                    merged.confirmed.push(bar);
                }
                new.add(&judged.bytes).map_err(no)?;
            }
        }
    }
    for other in coming {
        new.add(line(other).as_bytes()).map_err(no)?;
        merged.added += 1;
    }
    if let Some(section) = section {
        section.finish(&replaced).map_err(not)?;
    }
    new.finish(&file.path).map_err(no)?;
    Ok(merged)
}
