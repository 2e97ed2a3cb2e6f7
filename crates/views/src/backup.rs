//! A backup: one file with the journal, the history and small files. It gets its name only after it
//! was written completely and read again.

use super::exit::{Exit, Failure};
use everwarm_domain::time::UtcMs;
use everwarm_runtime::files::{is_full, sync_name};
use everwarm_runtime::parcel::{Record, Unpacker};
use everwarm_runtime::store::LOOP_STATE;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Version of the backup format.
pub const FORMAT: u32 = 1;
/// Name of the part with the journal.
pub const JOURNAL: &str = "journal";
/// Name of the part with the history.
pub const HISTORY: &str = "history";
/// Name of the part with small files.
pub const NOTES: &str = "notes";

/// The header of a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Version of the backup format.
    pub format: u32,
    /// Version of the program that made it.
    pub version: String,
    /// Wall time of the backup, UTC milliseconds.
    pub taken: UtcMs,
    /// Number of the last run in it.
    pub life: u64,
    /// The last row of the journal in it.
    pub row: u64,
    /// Whether it lacks what can be fetched or computed again: an export.
    #[serde(default)]
    pub export: bool,
}

/// A backup that was read and is complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupView {
    /// The file.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// Its header.
    #[serde(flatten)]
    pub about: About,
    /// Number of sealed journal parts in it.
    pub segments: u64,
}

/// The result of a restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredView {
    /// The data directory.
    pub data_dir: String,
    /// Wall time of the backup, UTC milliseconds.
    pub taken: UtcMs,
    /// Number of facts in its journal; all of them were read.
    pub facts: u64,
    /// Name of the installation, unchanged.
    pub installation: String,
    /// Epoch of client order ids in the backup.
    pub epoch_before: u64,
    /// Epoch of client order ids from now on, so that no id is used twice.
    pub epoch: u64,
}

/// Writes the content of a backup to its argument.
pub type Pack = dyn Fn(&mut dyn Write) -> Result<(), Failure> + Send + Sync;

/// The failure for a file that cannot be used.
#[must_use]
pub fn failed(path: &Path, error: &io::Error) -> Failure {
    let torn = [ErrorKind::InvalidData, ErrorKind::UnexpectedEof].contains(&error.kind());
    let exit = if is_full(error) {
        Exit::DiskFull
    } else if torn {
        Exit::Foreign
    } else {
        Exit::Failed
    };
    Failure::new(exit, format!("cannot use {}: {error}", path.display()))
}

/// Writes a backup with `pack`, reads it again, and gives it its name. It replaces an older file
/// only if `replace`.
///
/// # Errors
/// The backup was not made. An older file of that name is unchanged.
pub fn write(
    file: &Path,
    replace: bool,
    pack: impl FnOnce(&mut dyn Write) -> Result<(), Failure>,
) -> Result<BackupView, Failure> {
    let is_free = || {
        // A dangling link takes the name too.
        if replace || fs::symlink_metadata(file).is_err() {
            return Ok(());
        }
        let file = file.display();
        let text = format!("{file} exists; choose another name, or replace it with --force");
        Err(Failure::new(Exit::Refused, text))
    };
    is_free()?;
    let mut unfinished = file.as_os_str().to_owned();
    unfinished.push(".new");
    let unfinished = PathBuf::from(unfinished);
    let made = write_unfinished(&unfinished, pack).and_then(|()| check(&unfinished));
    let named = made.and_then(|found| {
        is_free()?;
        fs::rename(&unfinished, file).map_err(|e| failed(file, &e))?;
        sync_name(file).map_err(|e| failed(file, &e))?;
        Ok(BackupView { file: file.display().to_string(), ..found })
    });
    if named.is_err() {
        // The file may be absent or not removable: report the first error.
        drop(fs::remove_file(&unfinished));
    }
    named
}

fn write_unfinished(
    path: &Path,
    pack: impl FnOnce(&mut dyn Write) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let no = |e: io::Error| failed(path, &e);
    let mut out = BufWriter::new(options.open(path).map_err(no)?);
    pack(&mut out)?;
    let file = out.into_inner().map_err(|e| no(e.into_error()))?;
    file.sync_all().map_err(no)
}

/// Reads a whole backup, checks that it is complete, and returns its header.
///
/// # Errors
/// It is damaged, cut off, newer, or no backup. The text has the place and the cause.
pub fn check(file: &Path) -> Result<BackupView, Failure> {
    let mut segments = 0;
    let mut is_journal = false;
    let about = each(file, &mut |record| {
        match record {
            Record::Part(name) => is_journal = name == JOURNAL,
            Record::File(name) if is_journal && !name.ends_with(LOOP_STATE) => segments += 1,
            Record::About(_)
            | Record::Table(_)
            | Record::Row(..)
            | Record::File(_)
            | Record::Bytes(_) => {}
        }
        Ok(())
    })?;
    let bytes = fs::metadata(file).map_err(|e| failed(file, &e))?.len();
    Ok(BackupView { file: file.display().to_string(), bytes, about, segments })
}

/// Calls `see` with each record after the header, and returns the header.
///
/// # Errors
/// It is incomplete, newer than this program, or `see` fails.
pub fn each(
    file: &Path,
    see: &mut dyn FnMut(Record<'_>) -> Result<(), Failure>,
) -> Result<About, Failure> {
    let no = |e: io::Error| failed(file, &e);
    let foreign = |why: String| Failure::new(Exit::Foreign, format!("{}: {why}", file.display()));
    let mut from = Unpacker::new(BufReader::new(File::open(file).map_err(no)?)).map_err(no)?;
    let about: About = match from.record().map_err(no)? {
        Some(Record::About(text)) => serde_json::from_slice(text)
            .map_err(|e| foreign(format!("its header is unreadable: {e}")))?,
        Some(_) | None => return Err(foreign("it has no header".to_owned())),
    };
    if about.format > FORMAT {
        let (found, version) = (about.format, &about.version);
        let why = format!(
            "it has format {found}, but this program reads {FORMAT}: use version {version}"
        );
        return Err(foreign(why));
    }
    while let Some(record) = from.record().map_err(no)? {
        see(record)?;
    }
    Ok(about)
}
