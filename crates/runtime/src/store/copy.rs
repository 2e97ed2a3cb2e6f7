//! Copies a store and an archive while they are written, and makes files from such copies.
//!
//! A copy holds the rows that one read transaction sees. It copies rows, not pages, so it does not
//! depend on the engine's use of the file meanwhile. The transaction pins its pages, so it lasts
//! only for the copy. Segments never change. Their files are copied as they are, and compared with
//! their recorded checksums.

use super::archive::Archive;
use super::checkpoints::CHECKPOINTS;
use super::file::{Store, StoreError, number};
use super::loop_states::{self, StoredLoop};
use super::rows::{BLOCKS, META, PASSED, POISON, ROSTER};
use super::segments::{self, LOOP_STATE, SEGMENTS, Segment, Shelf, THINNED, is_ours};
use super::thin::{Keep, Look, thin_segment};
use crate::chaos::faults::FaultyDisk;
use crate::parcel::Record;
use everwarm_kernel::fact::Body;
use redb::{
    Database, Durability, Key, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition,
    TableError, TableHandle, Value, WriteTransaction,
};
use std::io;
use std::path::{Path, PathBuf};

/// Maximum bytes of a file in one record.
const PIECE: usize = 256 << 10;
/// Bytes in one commit of a new file, about.
const COMMIT: usize = 4 << 20;
/// Memory of the engine for a new file, bytes.
const CACHE_BYTES: usize = 16 << 20;

/// Receives the records of a copy.
pub type Take<'a> = dyn FnMut(Record<'_>) -> io::Result<()> + 'a;

/// Why a copy failed.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The original cannot be read.
    #[error(transparent)]
    Source(#[from] StoreError),
    /// The copy cannot be written.
    #[error(transparent)]
    Target(#[from] io::Error),
}

/// A store as one read transaction sees it.
pub struct StoreLook {
    read: ReadTransaction,
    shelf: Shelf,
    path: PathBuf,
    /// Keeps the files that it will copy.
    look: Look,
    /// Number of the last run that wrote.
    pub life: u64,
    /// The last row; 0 if there is none.
    pub row: u64,
}

impl Store {
    /// Begins a read transaction, to copy the committed rows.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn look_at(&self) -> Result<StoreLook, StoreError> {
        let in_use = self.looks.begin();
        let look = || -> Result<StoreLook, redb::Error> {
            let read = self.db.begin_read()?;
            let life = number(&read.open_table(META)?, "life")?;
            let row = read.open_table(BLOCKS)?.last()?.map(|(row, _)| row.value());
            let sealed = || segments::from(&read, 0).map(|all| all.last().map_or(0, |s| s.last));
            let row = row.map_or_else(sealed, Ok)?;
            Ok(StoreLook {
                read,
                shelf: self.shelf.clone(),
                path: self.path.clone(),
                look: in_use,
                life,
                row,
            })
        };
        look().map_err(|e| StoreError::of(&self.path, e))
    }
}

impl StoreLook {
    /// Passes every row to `take`, then the files of the named segments, and the states of the
    /// loop.
    ///
    /// # Errors
    /// A segment is missing or altered, or see [`CopyError`].
    pub fn copy(self, take: &mut Take<'_>) -> Result<(), CopyError> {
        let StoreLook { read, shelf, path, look, .. } = self;
        copy_live(&read, &path, take)?;
        copy_table(&read, SEGMENTS, &path, take)?;
        copy_table(&read, THINNED, &path, take)?;
        let segments = segments::from(&read, 0).map_err(|e| StoreError::of(&path, e))?;
        drop(read);
        for segment in &segments {
            copy_segment(&shelf, segment, take)?;
        }
        drop(look);
        // States of the loop may come and go meanwhile. Each is complete, and checks itself.
        for name in shelf.names()?.iter().filter(|name| name.ends_with(LOOP_STATE)) {
            if let Ok(bytes) = shelf.get(name) {
                copy_file(name, &bytes, take)?;
            }
        }
        Ok(())
    }

    /// As [`StoreLook::copy`], but of the segments that end before this state of the loop, the copy
    /// has only the facts that `keep` names, see [`Store::thin`]. It has no other state.
    ///
    /// # Errors
    /// As of [`StoreLook::copy`].
    pub fn copy_thinned<B: Body>(
        self,
        state: &StoredLoop<B>,
        keep: &mut Keep<'_, B>,
        take: &mut Take<'_>,
    ) -> Result<(), CopyError> {
        let StoreLook { read, shelf, path, look, .. } = self;
        copy_live(&read, &path, take)?;
        let segments = segments::from(&read, 0).map_err(|e| StoreError::of(&path, e))?;
        drop(read);
        for segment in segments.iter().rev() {
            // One at a time in memory.
            let target = Shelf::Memory(FaultyDisk::default());
            let follows = segment.last >= state.row;
            let thinned =
                if follows { None } else { thin_segment(&shelf, segment, keep, &target)? };
            let (from, segment) = thinned.map_or((&shelf, *segment), |thinned| (&target, thinned));
            copy_segment(from, &segment, take)?;
            let Segment { first, last, end, size, crc, thinned } = segment;
            put_row(SEGMENTS, last, &(first, end, size, crc), take)?;
            if let Some(thinned) = thinned {
                put_row(THINNED, last, &thinned, take)?;
            }
        }
        drop(look);
        let (name, bytes) = loop_states::file(state);
        copy_file(&name, &bytes, take)
    }
}

/// Copies the tables of the live file, except those about segments.
fn copy_live(read: &ReadTransaction, path: &Path, take: &mut Take<'_>) -> Result<(), CopyError> {
    copy_table(read, META, path, take)?;
    copy_table(read, BLOCKS, path, take)?;
    copy_table(read, PASSED, path, take)?;
    for table in CHECKPOINTS {
        copy_table(read, table, path, take)?;
    }
    copy_table(read, POISON, path, take)?;
    copy_table(read, ROSTER, path, take)
}

/// Passes one row of a table to `take`.
fn put_row<V: Value + 'static>(
    table: TableDefinition<'_, u64, V>,
    key: u64,
    value: &V::SelfType<'_>,
    take: &mut Take<'_>,
) -> Result<(), CopyError> {
    take(Record::Table(table.name()))?;
    let value = V::as_bytes(value);
    take(Record::Row(u64::as_bytes(&key).as_ref(), value.as_ref()))?;
    Ok(())
}

fn copy_segment(shelf: &Shelf, segment: &Segment, take: &mut Take<'_>) -> Result<(), CopyError> {
    let name = segment.name();
    let bytes = shelf.whole(segment).map_err(|e| {
        let path = shelf.path(&name);
        let missing = e.kind() == io::ErrorKind::NotFound;
        let torn = |reason: String| StoreError::Torn { path: path.clone(), reason };
        if missing { torn("it is missing".to_owned()) } else { StoreError::io(&path, &e) }
    })?;
    copy_file(&name, &bytes, take)
}

fn copy_file(name: &str, bytes: &[u8], take: &mut Take<'_>) -> Result<(), CopyError> {
    take(Record::File(name))?;
    for piece in bytes.chunks(PIECE) {
        take(Record::Bytes(piece))?;
    }
    Ok(())
}

/// An archive as one read transaction sees it.
pub struct ArchiveLook {
    read: ReadTransaction,
    path: PathBuf,
}

impl Archive {
    /// Begins a read transaction, to copy the committed rows.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn look_at(&self) -> Result<ArchiveLook, StoreError> {
        let path = self.path().to_owned();
        let read = self.database().begin_read().map_err(|e| StoreError::of(&path, e))?;
        Ok(ArchiveLook { read, path })
    }
}

impl ArchiveLook {
    /// Passes every row of every table to `take`.
    ///
    /// # Errors
    /// See [`CopyError`].
    pub fn copy(self, take: &mut Take<'_>) -> Result<(), CopyError> {
        let ArchiveLook { read, path } = self;
        let tables = read.list_tables().map_err(|e| StoreError::of(&path, e))?;
        for table in tables {
            let name = table.name().to_owned();
            copy_table(&read, TableDefinition::<&[u8], &[u8]>::new(&name), &path, take)?;
        }
        Ok(())
    }
}

fn copy_table<K: Key + 'static, V: Value + 'static>(
    read: &ReadTransaction,
    table: TableDefinition<'_, K, V>,
    path: &Path,
    take: &mut Take<'_>,
) -> Result<(), CopyError> {
    let of = |e: redb::Error| StoreError::of(path, e);
    let opened = match read.open_table(table) {
        // The file is from before this table existed.
        Err(TableError::TableDoesNotExist(_)) => return Ok(()),
        opened => opened.map_err(|e| of(e.into()))?,
    };
    take(Record::Table(table.name()))?;
    for row in opened.iter().map_err(|e| of(e.into()))? {
        let (key, value) = row.map_err(|e| of(e.into()))?;
        let (key, value) = (key.value(), value.value());
        take(Record::Row(K::as_bytes(&key).as_ref(), V::as_bytes(&value).as_ref()))?;
    }
    Ok(())
}

/// Kind of the file to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Make {
    /// A live file, with its segments beside it.
    Store,
    /// An archive.
    Archive,
}

/// A new file that is made from a copy. No file may exist at its path. It is incomplete until it is
/// finished.
pub struct Making {
    make: Make,
    path: PathBuf,
    db: Database,
    write: Option<WriteTransaction>,
    written: usize,
    table: String,
    segment: Option<(String, Vec<u8>)>,
}

impl Making {
    /// Creates the file.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn begin(make: Make, path: &Path) -> Result<Making, StoreError> {
        let db = Database::builder().set_cache_size(CACHE_BYTES).create(path);
        let db = db.map_err(|e| StoreError::of(path, e))?;
        Ok(Making {
            make,
            path: path.to_owned(),
            db,
            write: None,
            written: 0,
            table: String::new(),
            segment: None,
        })
    }

    /// Writes a record of the copy to the file.
    ///
    /// # Errors
    /// The record does not belong to such a file, or see [`StoreError`].
    pub fn put(&mut self, record: Record<'_>) -> Result<(), StoreError> {
        match record {
            Record::Table(name) => name.clone_into(&mut self.table),
            Record::Row(key, value) => {
                self.row(key, value)?;
                self.written += key.len() + value.len();
                if self.written >= COMMIT {
                    self.commit(Durability::None)?;
                }
            }
            Record::File(name) => {
                self.end_segment()?;
                if self.make != Make::Store || !is_ours(name) {
                    return Err(self.torn(format!("no file {name:?} belongs to it")));
                }
                self.segment = Some((name.to_owned(), Vec::new()));
            }
            Record::Bytes(bytes) => match &mut self.segment {
                Some((_, whole)) => whole.extend_from_slice(bytes),
                None => return Err(self.torn("bytes of no file".to_owned())),
            },
            Record::About(_) | Record::Part(_) => {
                return Err(self.torn("a record that belongs to no file".to_owned()));
            }
        }
        Ok(())
    }

    /// Commits the rest and flushes the file.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn finish(mut self) -> Result<(), StoreError> {
        self.end_segment()?;
        self.commit(Durability::Immediate)
    }

    fn torn(&self, reason: String) -> StoreError {
        StoreError::Torn { path: self.path.clone(), reason }
    }

    fn end_segment(&mut self) -> Result<(), StoreError> {
        let Some((name, bytes)) = self.segment.take() else { return Ok(()) };
        let put = Shelf::beside(&self.path).put(&name, &bytes);
        put.map_err(|e| StoreError::io(&self.path, &e))
    }

    fn begun(&mut self) -> Result<&WriteTransaction, StoreError> {
        if self.write.is_none() {
            let begun = self.db.begin_write().map_err(|e| StoreError::of(&self.path, e))?;
            self.write = Some(begun);
        }
        Ok(self.write.as_ref().expect("it was just begun"))
    }

    fn commit(&mut self, durability: Durability) -> Result<(), StoreError> {
        self.begun()?;
        self.written = 0;
        let Some(mut write) = self.write.take() else { return Ok(()) };
        let of = |e: redb::Error| StoreError::of(&self.path, e);
        let odd = |e| of(redb::Error::Io(io::Error::other(e)));
        write.set_durability(durability).map_err(odd)?;
        write.commit().map_err(|e| of(e.into()))
    }

    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let (make, path, table) = (self.make, self.path.clone(), self.table.clone());
        let write = self.begun()?;
        let put = match (make, table.as_str()) {
            (Make::Archive, name) => {
                put(write, TableDefinition::<&[u8], &[u8]>::new(name), key, value)
            }
            (Make::Store, name) if name == META.name() => put(write, META, key, value),
            (Make::Store, name) if name == BLOCKS.name() => put(write, BLOCKS, key, value),
            (Make::Store, name) if name == PASSED.name() => put(write, PASSED, key, value),
            (Make::Store, name) if name == POISON.name() => put(write, POISON, key, value),
            (Make::Store, name) if name == ROSTER.name() => put(write, ROSTER, key, value),
            (Make::Store, name) if name == SEGMENTS.name() => put(write, SEGMENTS, key, value),
            (Make::Store, name) if name == THINNED.name() => put(write, THINNED, key, value),
            (Make::Store, name) => match CHECKPOINTS.iter().find(|table| table.name() == name) {
                Some(table) => put(write, *table, key, value),
                None => Err(redb::Error::Corrupted(format!("no table {name:?}"))),
            },
        };
        put.map_err(|e| StoreError::of(&path, e))
    }
}

fn put<K: Key + 'static, V: Value + 'static>(
    write: &WriteTransaction,
    table: TableDefinition<'_, K, V>,
    key: &[u8],
    value: &[u8],
) -> Result<(), redb::Error> {
    let fits = |width: Option<usize>, bytes: &[u8]| width.is_none_or(|width| width == bytes.len());
    if !fits(K::fixed_width(), key) || !fits(V::fixed_width(), value) {
        let why = format!("a row of table {} has another width", table.name());
        return Err(redb::Error::Corrupted(why));
    }
    write.open_table(table)?.insert(K::from_bytes(key), V::from_bytes(value))?;
    Ok(())
}
