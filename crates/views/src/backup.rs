//! A backup: one file with everything that is kept, written whole under its name or not at all, and
//! read again before it gets it.

use super::exit::{Exit, Failure};
use everwarm_domain::time::UtcMs;
use everwarm_runtime::files::{is_full, sync_name};
use everwarm_runtime::parcel::{Record, Unpacker};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Format of what is in a backup.
pub const FORMAT: u32 = 1;
/// The part that holds the journal.
pub const JOURNAL: &str = "journal";
/// The part that holds the history.
pub const HISTORY: &str = "history";
/// The part that holds small files.
pub const NOTES: &str = "notes";

/// What a backup says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Format of what follows.
    pub format: u32,
    /// Version of the program that made it.
    pub version: String,
    /// When, by the wall clock, UTC milliseconds.
    pub taken: UtcMs,
    /// Number of the last process life in it.
    pub life: u64,
    /// The last row of the journal in it.
    pub row: u64,
}

/// A backup that was found whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupView {
    /// The file.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// What it says of itself.
    #[serde(flatten)]
    pub about: About,
    /// Sealed parts of the journal in it.
    pub segments: u64,
}

/// What a backup was restored to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredView {
    /// The data directory.
    pub data_dir: String,
    /// When the backup was made, by the wall clock, UTC milliseconds.
    pub taken: UtcMs,
    /// Facts in its journal, all of which were read.
    pub facts: u64,
    /// Identity of the installation, as before.
    pub installation: String,
    /// What client order ids were made with.
    pub epoch_before: u64,
    /// What they are made with from here on, so that none is used twice.
    pub epoch: u64,
}

/// Where a backup is sent.
pub type Pack = dyn Fn(&mut dyn Write) -> Result<(), Failure> + Send + Sync;

/// Words and exit code of a file that cannot be used.
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
    Failure::new(exit, format!("{}: {error}", path.display()))
}

/// Has `pack` write a backup, reads it again, and gives it its name; in place of an older file only
/// where it is to `replace` one.
///
/// # Errors
/// It was not made; what had that name before has it still.
pub fn write(
    file: &Path,
    replace: bool,
    pack: impl FnOnce(&mut dyn Write) -> Result<(), Failure>,
) -> Result<BackupView, Failure> {
    let is_free = || {
        // A link that leads nowhere is a name that is taken, too.
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
        // There may be none, or no way to remove it: the reason counts.
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

/// Reads all of a backup: whether it is whole, and what it says of itself.
///
/// # Errors
/// It is damaged, cut off, newer, or no backup; where and how.
pub fn check(file: &Path) -> Result<BackupView, Failure> {
    let mut segments = 0;
    let mut is_journal = false;
    let about = each(file, &mut |record| {
        match record {
            Record::Part(name) => is_journal = name == JOURNAL,
            Record::File(_) if is_journal => segments += 1,
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

/// Shows what is in a backup, behind what it says of itself.
///
/// # Errors
/// It is not whole, newer than this program, or `see` fails.
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
