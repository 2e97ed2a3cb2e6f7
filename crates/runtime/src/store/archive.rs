//! A file of ordered byte tables for projections of the journal. It serves queries about history.
//! The daemon does not need it to continue. It may lag behind the journal and can be rebuilt from
//! it.
//!
//! 1. A file is made under a temporary name, synced, renamed, and its folder synced. Under its own
//!    name it is complete or absent.
//! 2. A commit applies all of its operations or none.
//! 3. Reads copy out and end their transaction, so no reader pins old pages.
//! 4. A file of another program or of a newer version is refused and stays unchanged.
//!
//! Over 500 lines: all that touches the tables of an archive.

use super::read_before_write::{self, Access, Hold, Reads};
use super::{StorageBackend, StoreError};
use crate::chaos::Chaos;
use crate::chaos::faults::FaultyDisk;
use crate::files::{is_full, sync_name};
use redb::backends::InMemoryBackend;
use redb::{
    Database, Durability, ReadableDatabase, ReadableTable, StorageError, TableDefinition,
    TableError,
};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// Memory for pages, bytes. The default of the library is a gigabyte.
const CACHE_BYTES: usize = 16 << 20;
/// Version of the layout of a new file, kept in the stamp.
const MADE: u32 = 1;
/// The newest version that this program reads: see [`Op::raise`].
const FORMAT: u32 = 2;
/// First bytes of every redb file.
const MAGIC: &[u8] = b"redb\x1A\x0A\xA9\x0D\x0A";
const STAMP: Table = TableDefinition::new("archive.stamp");
const STAMP_KEY: &[u8] = b"format";

type Table<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;
/// A key with its value, copied out of the file.
pub type Row = (Vec<u8>, Vec<u8>);

/// One change of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Sets the value of a key.
    Put {
        /// Name of the table. It is created on first use.
        table: &'static str,
        /// Keys are ordered by their bytes.
        key: Vec<u8>,
        /// Any bytes.
        value: Vec<u8>,
    },
    /// Removes a key, if it is present.
    Delete {
        /// Name of the table.
        table: &'static str,
        /// The key.
        key: Vec<u8>,
    },
    /// Removes all keys of a table.
    Clear {
        /// Name of the table.
        table: &'static str,
    },
}

impl Op {
    fn table(&self) -> &'static str {
        match self {
            Op::Put { table, .. } | Op::Delete { table, .. } | Op::Clear { table } => table,
        }
    }
}

impl Op {
    /// For a commit with values that programs of layout 1 cannot decode. They refuse the file then.
    #[must_use]
    pub fn raise() -> Op {
        stamp(FORMAT)
    }
}

/// The format stamp, which marks the file as an archive.
fn stamp(format: u32) -> Op {
    let value = format.to_be_bytes().to_vec();
    Op::Put { table: "archive.stamp", key: STAMP_KEY.to_vec(), value }
}

/// Why a file could not be opened, read or written. Each error names the file.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Another process has it open.
    #[error("{} is held by another process", path.display())]
    Held {
        /// The file.
        path: PathBuf,
    },
    /// It is not a file of this program.
    #[error("{} is not an archive of this program: {reason}; it was not touched", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What shows that.
        reason: String,
    },
    /// A newer program wrote it.
    #[error(
        "{} has format {found}; this program knows up to {known}; it was not touched",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this program reads.
        known: u32,
    },
    /// It is damaged: cut off or overwritten.
    #[error(
        "{} is damaged: {reason}; it was not touched",
        path.display()
    )]
    Torn {
        /// The file.
        path: PathBuf,
        /// Place and kind of the damage.
        reason: String,
    },
    /// No space left.
    #[error("no space left for {}", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// Another error of the system or the library.
    #[error("{} {}: {reason}", doing, path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operation that failed.
        doing: &'static str,
        /// Text of the system's error.
        reason: String,
    },
}

impl From<ArchiveError> for StoreError {
    fn from(error: ArchiveError) -> StoreError {
        match error {
            ArchiveError::Held { path } => StoreError::Held(path),
            ArchiveError::Foreign { path, reason } => StoreError::Foreign { path, reason },
            ArchiveError::Newer { path, found, .. } => {
                StoreError::Newer { path, found: u64::from(found) }
            }
            ArchiveError::Torn { path, reason } => StoreError::Torn { path, reason },
            ArchiveError::Full { path } => StoreError::Full(path),
            ArchiveError::Io { path, doing, reason } => {
                StoreError::Io { path, reason: format!("{doing} it: {reason}") }
            }
        }
    }
}

/// An open archive. One process at a time may open it, with any number of threads.
#[derive(Debug)]
pub struct Archive {
    db: Database,
    path: PathBuf,
}

impl Archive {
    /// Opens the file at `path`. Creates it (and its folder) if it is absent.
    ///
    /// # Errors
    /// See [`ArchiveError`].
    pub fn open(path: &Path) -> Result<Archive, ArchiveError> {
        if let Some(archive) = Archive::open_existing(path)? {
            Ok(archive)
        } else {
            create(path)?;
            checked(path, Access::Own)?.accept()
        }
    }

    /// Opens the file at `path`; `None` if it is absent. Never creates it.
    ///
    /// # Errors
    /// See [`ArchiveError`].
    pub fn open_existing(path: &Path) -> Result<Option<Archive>, ArchiveError> {
        Archive::check(path)?.map(CheckedArchive::accept).transpose()
    }

    /// Opens the file at `path` without changing it, so that the caller can check other files
    /// first. `None` if it is absent.
    ///
    /// # Errors
    /// See [`ArchiveError`].
    pub fn check(path: &Path) -> Result<Option<CheckedArchive>, ArchiveError> {
        existing(path, Access::Own)
    }

    /// Opens the file at `path` for reading; it need not be writable. Repairs after a crash and
    /// later commits stay in memory, so the file never changes. `None` if it is absent.
    ///
    /// # Errors
    /// See [`ArchiveError`].
    pub fn look(path: &Path) -> Result<Option<Archive>, ArchiveError> {
        Ok(existing(path, Access::Look)?.map(|checked| checked.archive))
    }

    /// An empty archive in memory, with `path` in its errors.
    ///
    /// # Errors
    /// See [`ArchiveError`].
    pub fn in_memory(path: &Path) -> Result<Archive, ArchiveError> {
        let backend = InMemoryBackend::new();
        let db = Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(backend);
        let db = db.map_err(|e| classify(path, "making", e.into()))?;
        let archive = Archive { db, path: path.into() };
        archive.stamp()?;
        Ok(archive)
    }

    /// Opens an archive on a simulated disk. Creates it if the disk is empty.
    ///
    /// # Errors
    /// See [`ArchiveError`].
    pub fn on_disk(disk: FaultyDisk) -> Result<Archive, ArchiveError> {
        let path = PathBuf::from("memory");
        let len = StorageBackend::len(&disk).map_err(|e| io(&path, "opening", &e))?;
        let db = Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(disk);
        let db = db.map_err(|e| classify(&path, "opening", e.into()))?;
        let archive = Archive { db, path };
        if len == 0 {
            archive.stamp()?;
        }
        check_stamp(&archive)?;
        Ok(archive)
    }

    /// Marks the file as an archive.
    fn stamp(&self) -> Result<(), ArchiveError> {
        self.commit(&[stamp(MADE)], true)
    }

    pub(super) const fn database(&self) -> &Database {
        &self.db
    }

    /// Path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Applies all of `ops`, in order for each table, or none. If `durable`, it returns once they
    /// and all earlier commits are on disk. Otherwise they may be lost with the process.
    ///
    /// # Errors
    /// Nothing was changed. The archive must be opened again.
    pub fn commit(&self, ops: &[Op], durable: bool) -> Result<(), ArchiveError> {
        let failed = |e: redb::Error| self.failed("writing to", e);
        let mut txn = self.db.begin_write().map_err(|e| failed(e.into()))?;
        let durability = if durable { Durability::Immediate } else { Durability::None };
        txn.set_durability(durability).map_err(|e| failed(e.into()))?;
        // This costs a second flush. Every flushed commit must do it, because the last one counts.
        txn.set_quick_repair(durable);
        let tables: BTreeSet<&str> = ops.iter().map(Op::table).collect();
        for name in tables {
            let ours = ops.iter().filter(|op| op.table() == name);
            let mut table = txn.open_table(Table::new(name)).map_err(|e| failed(e.into()))?;
            for op in ours {
                match op {
                    Op::Put { key, value, .. } => {
                        table.insert(key.as_slice(), value.as_slice()).map(drop)
                    }
                    Op::Delete { key, .. } => table.remove(key.as_slice()).map(drop),
                    Op::Clear { .. } => table.retain(|_, _| false),
                }
                .map_err(|e| failed(e.into()))?;
            }
        }
        txn.commit().map_err(|e| failed(e.into()))
    }

    /// Makes the file smaller by the space of removed rows. Without it, new rows use that space.
    ///
    /// # Errors
    /// The file could not be written. Its rows are unchanged.
    pub fn compact(&mut self) -> Result<(), ArchiveError> {
        let compacted = self.db.compact();
        compacted.map(drop).map_err(|e| self.failed("compacting", e.into()))
    }

    /// The value of `key`, if present.
    ///
    /// # Errors
    /// The file could not be read.
    pub fn get(&self, table: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, ArchiveError> {
        self.read(table, |t| Ok(t.get(key)?.map(|v| v.value().to_vec())))
    }

    /// At most `limit` rows with keys in `keys`, from either end. A range that ends before its
    /// start is empty.
    ///
    /// # Errors
    /// The file could not be read.
    pub fn range(
        &self,
        table: &'static str,
        keys: RangeInclusive<&[u8]>,
        newest_first: bool,
        limit: usize,
    ) -> Result<Vec<Row>, ArchiveError> {
        if keys.start() > keys.end() {
            return Ok(Vec::new());
        }
        self.read(table, |t| {
            let range = t.range::<&[u8]>(keys.clone())?;
            if newest_first {
                range.rev().take(limit).map(copied).collect()
            } else {
                range.take(limit).map(copied).collect()
            }
        })
    }

    /// All rows, in the order of their keys.
    ///
    /// # Errors
    /// The file could not be read.
    pub fn all(&self, table: &'static str) -> Result<Vec<Row>, ArchiveError> {
        self.read(table, |t| t.iter()?.map(copied).collect())
    }

    /// The row with the greatest key.
    ///
    /// # Errors
    /// The file could not be read.
    pub fn last(&self, table: &'static str) -> Result<Option<Row>, ArchiveError> {
        self.read(table, |t| Ok(t.last()?.map(|(k, v)| (k.value().to_vec(), v.value().to_vec()))))
    }

    /// Number of rows in a table.
    ///
    /// # Errors
    /// The file could not be read.
    pub fn len(&self, table: &'static str) -> Result<u64, ArchiveError> {
        self.read(table, redb::ReadableTableMetadata::len)
    }

    fn read<T: Default>(
        &self,
        name: &'static str,
        from: impl FnOnce(&Readable) -> Result<T, StorageError>,
    ) -> Result<T, ArchiveError> {
        let failed = |e: redb::Error| self.failed("reading", e);
        let txn = self.db.begin_read().map_err(|e| failed(e.into()))?;
        match txn.open_table(Table::new(name)) {
            Ok(table) => from(&table).map_err(|e| failed(e.into())),
            Err(TableError::TableDoesNotExist(_)) => Ok(T::default()),
            Err(e) => Err(failed(e.into())),
        }
    }

    fn failed(&self, doing: &'static str, error: redb::Error) -> ArchiveError {
        classify(&self.path, doing, error)
    }
}

/// An archive that passed its checks. If it is dropped, its file stays unchanged.
pub struct CheckedArchive {
    archive: Archive,
    hold: Hold,
}

impl CheckedArchive {
    /// The archive, for reading.
    #[must_use]
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Opens it for writing. Writes the repairs after a crash to the file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn accept(self) -> Result<Archive, ArchiveError> {
        self.hold.release(&Chaos::off()).map_err(|e| io(&self.archive.path, "opening", &e))?;
        Ok(self.archive)
    }
}

type Readable = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;
type Guard<'a> = redb::AccessGuard<'a, &'static [u8]>;

fn copied(row: Result<(Guard<'_>, Guard<'_>), StorageError>) -> Result<Row, StorageError> {
    row.map(|(key, value)| (key.value().to_vec(), value.value().to_vec()))
}

fn create(path: &Path) -> Result<(), ArchiveError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|e| io(folder, "making the folder", &e))?;
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    match std::fs::remove_file(&temporary) {
        Err(e) if e.kind() != ErrorKind::NotFound => {
            return Err(io(&temporary, "removing the unfinished", &e));
        }
        Ok(()) | Err(_) => {}
    }
    let db = Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create(&temporary)
        .map_err(|e| classify(&temporary, "making", e.into()))?;
    Archive { db, path: temporary.clone() }.stamp()?;
    let synced = File::open(&temporary).and_then(|f| f.sync_all());
    synced.map_err(|e| io(&temporary, "syncing", &e))?;
    std::fs::rename(&temporary, path).map_err(|e| io(path, "naming", &e))?;
    sync_name(path).map_err(|e| io(folder, "syncing", &e))
}

fn existing(path: &Path, access: Access) -> Result<Option<CheckedArchive>, ArchiveError> {
    match path.try_exists() {
        Ok(true) => checked(path, access).map(Some),
        Ok(false) => Ok(None),
        Err(e) => Err(io(path, "looking for", &e)),
    }
}

fn checked(path: &Path, access: Access) -> Result<CheckedArchive, ArchiveError> {
    check_magic(path)?;
    // The owner can rebuild the file, and must be ready soon.
    let reads = match access {
        Access::Own => Reads::WhatIsNeeded,
        Access::Look => Reads::Everything,
    };
    let opened = read_before_write::open(path, CACHE_BYTES, access, reads);
    let (db, hold) = opened.map_err(|e| classify(path, "opening", e))?;
    let archive = Archive { db, path: path.into() };
    check_stamp(&archive)?;
    Ok(CheckedArchive { archive, hold })
}

fn check_magic(path: &Path) -> Result<(), ArchiveError> {
    let mut head = Vec::new();
    let file = File::open(path).map_err(|e| io(path, "opening", &e))?;
    let size = file.metadata().map_err(|e| io(path, "looking at", &e))?.len();
    file.take(MAGIC.len() as u64)
        .read_to_end(&mut head)
        .map_err(|e| io(path, "reading the head of", &e))?;
    if size == 0 {
        return Err(ArchiveError::Torn { path: path.into(), reason: "it is empty".into() });
    }
    if head != MAGIC {
        let reason = "byte 0: it does not begin as a redb file".to_owned();
        return Err(ArchiveError::Foreign { path: path.into(), reason });
    }
    Ok(())
}

fn check_stamp(archive: &Archive) -> Result<(), ArchiveError> {
    let path = archive.path.clone();
    let foreign =
        |reason: &str| ArchiveError::Foreign { path: path.clone(), reason: reason.into() };
    let txn = archive.db.begin_read().map_err(|e| archive.failed("reading", e.into()))?;
    let value = match txn.open_table(STAMP) {
        Ok(table) => {
            let value = table.get(STAMP_KEY).map_err(|e| archive.failed("reading", e.into()))?;
            value.map(|v| v.value().to_vec())
        }
        Err(TableError::Storage(e)) => return Err(archive.failed("reading", e.into())),
        Err(_) => None,
    };
    let value = value.ok_or_else(|| foreign("table archive.stamp: no format"))?;
    let bytes: [u8; 4] =
        value.try_into().map_err(|_| foreign("table archive.stamp: the format is no number"))?;
    match u32::from_be_bytes(bytes) {
        found if found > FORMAT => Err(ArchiveError::Newer { path, found, known: FORMAT }),
        _ => Ok(()),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "every other error of another crate is shown as it is"
)]
fn classify(path: &Path, doing: &'static str, error: redb::Error) -> ArchiveError {
    let path = path.to_path_buf();
    match error {
        redb::Error::DatabaseAlreadyOpen => ArchiveError::Held { path },
        redb::Error::UpgradeRequired(v) => {
            let reason = format!("it has redb's file format {v}");
            ArchiveError::Foreign { path, reason }
        }
        redb::Error::Corrupted(reason) => ArchiveError::Torn { path, reason },
        redb::Error::RepairAborted => {
            ArchiveError::Torn { path, reason: "it could not be repaired".into() }
        }
        redb::Error::Io(e) => io(&path, doing, &e),
        other => ArchiveError::Io { path, doing, reason: other.to_string() },
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "every other error of another crate is shown as it is"
)]
fn io(path: &Path, doing: &'static str, error: &std::io::Error) -> ArchiveError {
    let path = path.to_path_buf();
    match error.kind() {
        _ if is_full(error) => ArchiveError::Full { path },
        ErrorKind::WouldBlock => ArchiveError::Held { path },
        ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
            ArchiveError::Torn { path, reason: error.to_string() }
        }
        _ => ArchiveError::Io { path, doing, reason: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A temporary folder, removed on drop.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let name = format!("everwarm-archive-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            // An earlier process with this id may have left one.
            std::fs::remove_dir_all(&path).ok();
            std::fs::create_dir_all(&path).unwrap();
            Folder(path)
        }
        fn file(&self) -> PathBuf {
            self.0.join("a.redb")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).ok();
        }
    }

    fn put(table: &'static str, key: u8, value: &[u8]) -> Op {
        Op::Put { table, key: vec![key], value: value.to_vec() }
    }

    #[test]
    fn what_is_committed_is_read_in_order_and_after_reopening() {
        let folder = Folder::new("reopen");
        let archive = Archive::open(&folder.file()).unwrap();
        assert_eq!(archive.get("t", b"x").unwrap(), None);
        assert_eq!(archive.last("t").unwrap(), None);
        archive
            .commit(&[put("t", 2, b"two"), put("t", 1, b"one"), put("u", 9, b"")], false)
            .unwrap();
        archive
            .commit(&[put("t", 3, b"three"), Op::Delete { table: "t", key: vec![1] }], true)
            .unwrap();
        drop(archive);
        let archive = Archive::open(&folder.file()).unwrap();
        let (low, high) = ([0].as_slice(), [255].as_slice());
        let up = archive.range("t", low..=high, false, 10).unwrap();
        assert_eq!(up, [(vec![2], b"two".to_vec()), (vec![3], b"three".to_vec())]);
        let newest = archive.range("t", low..=high, true, 1).unwrap();
        assert_eq!(newest, [(vec![3], b"three".to_vec())]);
        assert_eq!(archive.range("t", high..=low, true, 1).unwrap(), []);
        assert_eq!(archive.last("t").unwrap().unwrap().0, [3]);
        assert_eq!(archive.len("t").unwrap(), 2);
        archive.commit(&[Op::Clear { table: "t" }], true).unwrap();
        assert_eq!(archive.all("t").unwrap(), []);
        assert_eq!(archive.len("u").unwrap(), 1);
        assert!(!folder.0.join("a.redb.new").exists());
    }

    #[test]
    fn a_second_holder_is_refused() {
        let folder = Folder::new("held");
        let _first = Archive::open(&folder.file()).unwrap();
        assert!(matches!(Archive::open(&folder.file()), Err(ArchiveError::Held { .. })));
    }

    #[test]
    fn an_absent_file_is_not_made_by_looking() {
        let folder = Folder::new("absent");
        assert!(Archive::open_existing(&folder.file()).unwrap().is_none());
        assert!(!folder.file().exists());
    }

    #[test]
    fn foreign_and_newer_files_are_refused_and_not_touched() {
        let folder = Folder::new("foreign");
        std::fs::write(folder.file(), b"time,open\n1,2\n").unwrap();
        assert!(matches!(Archive::open(&folder.file()), Err(ArchiveError::Foreign { .. })));
        assert_eq!(std::fs::read(folder.file()).unwrap(), b"time,open\n1,2\n");

        std::fs::write(folder.file(), b"").unwrap();
        assert!(matches!(Archive::open(&folder.file()), Err(ArchiveError::Torn { .. })));
        std::fs::remove_file(folder.file()).unwrap();

        drop(Database::create(folder.file()).unwrap());
        let error = Archive::open(&folder.file()).unwrap_err();
        assert!(error.to_string().contains("no format"), "{error}");
        std::fs::remove_file(folder.file()).unwrap();

        let archive = Archive::open(&folder.file()).unwrap();
        let stamp = Op::Put {
            table: "archive.stamp",
            key: STAMP_KEY.to_vec(),
            value: 7_u32.to_be_bytes().to_vec(),
        };
        archive.commit(&[stamp], true).unwrap();
        drop(archive);
        let error = Archive::open(&folder.file()).unwrap_err();
        assert!(matches!(error, ArchiveError::Newer { found: 7, .. }), "{error}");
    }

    #[test]
    fn a_cut_or_overwritten_file_is_an_error() {
        let folder = Folder::new("torn");
        let archive = Archive::open(&folder.file()).unwrap();
        archive.commit(&[put("t", 1, &vec![7; 20_000])], true).unwrap();
        drop(archive);
        let whole = std::fs::read(folder.file()).unwrap();
        for cut in [5, 9, 100, 4096, whole.len() / 2, whole.len() - 4096] {
            std::fs::write(folder.file(), &whole[..cut]).unwrap();
            let error = Archive::open(&folder.file()).expect_err("a cut file must not open");
            assert!(error.to_string().contains("a.redb"), "{error}");
        }
        let mut overwritten = whole;
        overwritten[64..4096].fill(0xA5);
        std::fs::write(folder.file(), &overwritten).unwrap();
        assert!(matches!(Archive::open(&folder.file()), Err(ArchiveError::Torn { .. })));
    }
}
