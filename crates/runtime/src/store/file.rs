//! The live file: opens, creates and reads it.
//!
//! A crash during creation could leave an incomplete file. So a file is made under a temporary
//! name, flushed, and renamed; only complete files have the final name. A file that is foreign,
//! newer or torn is refused and stays unchanged: see `read_before_write.rs`.
//!
//! Over 500 lines: all that touches the tables of the live file.

use super::checkpoints::{self, CHECKPOINTS, Slot};
use super::read_before_write::{self, Access, Hold, Reads};
use super::rows::{self, BLOCKS, META, PASSED, POISON, ROSTER};
use super::segments::{self, Segment, Shelf};
use super::thin::Looks;
use crate::chaos::Chaos;
use crate::chaos::faults::FaultyDisk;
use crate::files::{is_full, sync_name};
use crate::poison::Poison;
use everwarm_kernel::fact::{Body, Fact};
use everwarm_kernel::roster::Member;
use redb::{
    Database, DatabaseError, ReadTransaction, ReadableDatabase, ReadableTable, StorageError,
    TableError,
};
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::{ControlFlow, RangeInclusive};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The newest released layout of the live file. Layout 2 added segments. 3 added facts with members
/// that older programs do not read. 4 added kinds of facts above 63. 5 added two checkpoints for
/// each rank, as postcard, and stages that join and leave. 6 added bars with a scale, sessions,
/// days and capabilities. 7 added thinned segments. 8 added signals of external programs, prices by
/// hand and charges of an account. 9 added the ids of these charges. 10 added kinds of facts that
/// older programs do not read.
pub const SCHEMA: u64 = 10;
/// The layout to which a run raises a file when it first writes. While the next layout is being
/// made, this is a draft of it: `draft(SCHEMA + 1, 1)` and so on. A program reads its own draft and
/// every released layout, but no other draft.
pub const WRITES: u64 = SCHEMA;
/// Bits for the number of a draft. The number of its layout is above them.
const DRAFT_BITS: u32 = 16;

pub(super) const fn draft(layout: u64, number: u64) -> u64 {
    layout << DRAFT_BITS | number
}

/// Message about a layout that this program does not read.
fn unread(found: u64) -> String {
    let layout_name = |layout: u64| match layout >> DRAFT_BITS {
        0 => format!("layout {layout}"),
        of => format!("draft {} of layout {of}", layout - draft(of, 0)),
    };
    let remedy = match found >> DRAFT_BITS {
        0 => "use the newer program",
        _ => "use the program that wrote it",
    };
    let knows = match WRITES {
        SCHEMA => String::new(),
        other => format!(" and {}", layout_name(other)),
    };
    format!("has {}, this program knows layout {SCHEMA}{knows}: {remedy}", layout_name(found))
}

/// Memory for pages, bytes. Normal work reads little again: the newest block, the roots, the
/// checkpoints.
const CACHE_BYTES: usize = 5 << 20;
const MAGIC: &[u8; 4] = b"redb";

/// Why a store cannot be opened or has failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error("{} is held by another process", .0.display())]
    Held(PathBuf),
    /// It is not a store of this application.
    #[error(
        "{} is no store of everwarm: {reason}. Nothing was changed",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What shows that.
        reason: String,
    },
    /// A newer version wrote it, or another draft of one.
    #[error("{} {}; it was not touched", path.display(), unread(*found))]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its layout.
        found: u64,
    },
    /// Its contents are damaged.
    #[error("{} is damaged: {reason}", path.display())]
    Torn {
        /// The file.
        path: PathBuf,
        /// Place and kind of the damage.
        reason: String,
    },
    /// The disk is full.
    #[error("no space left for {}", .0.display())]
    Full(PathBuf),
    /// Reading or writing failed.
    #[error("{}: {reason}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Text of the system's error.
        reason: String,
    },
}

impl StoreError {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "every other error of another crate is shown as it is"
    )]
    pub(crate) fn of(path: &Path, error: impl Into<redb::Error>) -> StoreError {
        let path = path.to_owned();
        match error.into() {
            redb::Error::DatabaseAlreadyOpen => StoreError::Held(path),
            redb::Error::Corrupted(reason) => StoreError::Torn { path, reason },
            redb::Error::UpgradeRequired(v) => {
                StoreError::Foreign { path, reason: format!("engine format {v}") }
            }
            redb::Error::Io(e) => StoreError::io(&path, &e),
            other => StoreError::Io { path, reason: other.to_string() },
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "every other error of another crate is shown as it is"
    )]
    pub(crate) fn io(path: &Path, error: &io::Error) -> StoreError {
        match error.kind() {
            _ if is_full(error) => StoreError::Full(path.to_owned()),
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                StoreError::Torn { path: path.to_owned(), reason: error.to_string() }
            }
            _ => StoreError::Io { path: path.to_owned(), reason: error.to_string() },
        }
    }
}

/// An open live file. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) db: Arc<Database>,
    pub(crate) path: PathBuf,
    pub(crate) shelf: Shelf,
    /// Who may open segments now.
    pub(super) looks: Looks,
    /// Device and number of the file; none for a simulated disk.
    identity: Option<(u64, u64)>,
}

/// A store that passed its checks. If it is dropped, its file stays unchanged.
pub struct CheckedStore {
    store: Store,
    hold: Hold,
}

impl CheckedStore {
    /// The store, for reading.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Opens it for writing. Writes the repairs after a crash to the file, with a kill point before
    /// each write and flush.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn accept(self, chaos: &Chaos) -> Result<Store, StoreError> {
        self.hold.release(chaos).map_err(|e| StoreError::io(&self.store.path, &e))?;
        Ok(self.store)
    }
}

/// Data that a start reads from the store.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// Number of this run, from 1.
    pub life: u64,
    /// Last committed row. Rows are numbered from 1, one for each fact.
    pub row: u64,
    pub(crate) passed: Vec<(u16, rows::PassedRow)>,
    /// Saved states by rank, the newest first.
    pub(crate) checkpoints: Vec<(u16, Slot, rows::CheckpointRow)>,
    pub(crate) poison: Vec<(u16, Poison)>,
    /// The stages that take or took part, by rank.
    pub(crate) roster: Vec<Member>,
    /// Bytes of blocks ever written, and how many of them are sealed.
    pub(crate) bytes: (u64, u64),
}

impl Recovered {
    /// The last input each stage has passed, by rank.
    pub fn progress(&self) -> impl Iterator<Item = (u16, u64)> {
        let stages = self.passed.iter().filter(|(rank, _)| *rank != 0);
        stages.map(|(rank, passed)| (*rank, passed.n))
    }
}

impl Store {
    /// Opens the store of `application` at `path`. Creates it if it is absent.
    ///
    /// # Errors
    /// See [`StoreError`]. A refused file stays unchanged.
    pub fn open(path: &Path, application: &str) -> Result<Store, StoreError> {
        if !path.exists() {
            create(path, application)?;
        }
        match Store::check(path, application)? {
            Some(checked) => checked.accept(&Chaos::off()),
            None => Err(StoreError::io(path, &io::ErrorKind::NotFound.into())),
        }
    }

    /// Opens the store of `application` at `path` without changing the file, so that the caller can
    /// check other files first. None if it is absent.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn check(path: &Path, application: &str) -> Result<Option<CheckedStore>, StoreError> {
        if !path.exists() {
            return Ok(None);
        }
        let (store, hold) = Store::checked(path, application, Access::Own)?;
        Ok(Some(CheckedStore { store, hold }))
    }

    /// Opens the store of `application` at `path` for reading; it need not be writable. Repairs
    /// after a crash stay in memory, so the file never changes.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn look(path: &Path, application: &str) -> Result<Store, StoreError> {
        Store::checked(path, application, Access::Look).map(|(store, _)| store)
    }

    fn checked(
        path: &Path,
        application: &str,
        access: Access,
    ) -> Result<(Store, Hold), StoreError> {
        check_magic(path)?;
        let opened = read_before_write::open(path, CACHE_BYTES, access, Reads::Everything);
        let (db, hold) = opened.map_err(|e| StoreError::of(path, e))?;
        let shelf = Shelf::beside(path);
        let (path, identity) = (path.to_owned(), hold.identity());
        let looks = Looks::default();
        let store = Store { db: Arc::new(db), path, shelf, looks, identity };
        store.check_owner(application)?;
        Ok((store, hold))
    }

    /// Opens a store on a simulated disk. Creates it if the disk is empty.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn on_disk(disk: FaultyDisk, application: &str) -> Result<Store, StoreError> {
        let path = Path::new("memory");
        let fresh = redb::StorageBackend::len(&disk).map_err(|e| StoreError::io(path, &e))? == 0;
        let shelf = Shelf::Memory(disk.clone());
        let db = Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(disk);
        let store = Store::from(db, path, shelf)?;
        if fresh {
            store.write_owner(application)?;
        }
        store.check_owner(application)?;
        Ok(store)
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "every other error of another crate is shown as it is"
    )]
    fn from(
        db: Result<Database, DatabaseError>,
        path: &Path,
        shelf: Shelf,
    ) -> Result<Store, StoreError> {
        let db = db.map_err(|e| match e {
            DatabaseError::Storage(StorageError::Io(e))
                if e.kind() == io::ErrorKind::InvalidData =>
            {
                StoreError::Foreign { path: path.to_owned(), reason: e.to_string() }
            }
            other => StoreError::of(path, other),
        })?;
        let (path, looks) = (path.to_owned(), Looks::default());
        Ok(Store { db: Arc::new(db), path, shelf, looks, identity: None })
    }

    fn write_owner(&self, application: &str) -> Result<(), StoreError> {
        let fill = || -> Result<(), redb::Error> {
            let write = self.db.begin_write()?;
            {
                let mut meta = write.open_table(META)?;
                meta.insert("application", application.as_bytes())?;
                meta.insert("schema", 1_u64.to_le_bytes().as_slice())?;
            }
            write.open_table(BLOCKS)?;
            write.open_table(PASSED)?;
            for table in CHECKPOINTS {
                write.open_table(table)?;
            }
            write.open_table(POISON)?;
            write.commit()?;
            Ok(())
        };
        fill().map_err(|e| StoreError::of(&self.path, e))
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "every other error of another crate is shown as it is"
    )]
    fn check_owner(&self, application: &str) -> Result<(), StoreError> {
        let read = || -> Result<(Vec<u8>, u64), redb::Error> {
            let meta = self.db.begin_read()?.open_table(META)?;
            let owner = meta.get("application")?.map(|v| v.value().to_vec()).unwrap_or_default();
            Ok((owner, number(&meta, "schema")?))
        };
        let path = self.path.clone();
        let (owner, schema) = read().map_err(|e| match e {
            redb::Error::TableDoesNotExist(t) | redb::Error::TableTypeMismatch { table: t, .. } => {
                StoreError::Foreign { path: path.clone(), reason: format!("table {t} is not ours") }
            }
            other => StoreError::of(&path, other),
        })?;
        if owner != application.as_bytes() {
            let reason = format!("it belongs to {:?}", String::from_utf8_lossy(&owner));
            return Err(StoreError::Foreign { path, reason });
        }
        if schema > SCHEMA && schema != WRITES {
            return Err(StoreError::Newer { path, found: schema });
        }
        Ok(())
    }

    /// Reads the state for a start: the number of the next run, the last row, progress,
    /// checkpoints, failures and the roster.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn recover(&self) -> Result<Recovered, StoreError> {
        let read = || -> Result<Recovered, redb::Error> {
            let read = self.db.begin_read()?;
            let life = number(&read.open_table(META)?, "life")? + 1;
            let row = read.open_table(BLOCKS)?.last()?.map(|kv| kv.0.value());
            let sealed = segments::from(&read, 0)?.last().map_or(0, |segment| segment.last);
            let row = row.unwrap_or(sealed);
            let mut found = Recovered { life, row, ..Recovered::default() };
            for kv in read.open_table(PASSED)?.iter()? {
                let (rank, value) = kv?;
                found.passed.push((rank.value(), rows::PassedRow::from(value.value())));
            }
            let written = found.passed.iter().find(|(rank, _)| *rank == 0);
            found.bytes = (written.map_or(0, |(_, p)| p.since), segments::sealed_bytes(&read)?);
            found.checkpoints = checkpoints::all(&read)?;
            found.poison = poison(&read)?;
            found.roster = roster(&read)?;
            Ok(found)
        };
        read().map_err(|e| StoreError::of(&self.path, e))
    }

    /// The stages that take or took part, by rank. Empty in a file from before rosters existed.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn roster(&self) -> Result<Vec<Member>, StoreError> {
        let read = || -> Result<Vec<Member>, redb::Error> { roster(&self.db.begin_read()?) };
        read().map_err(|e| StoreError::of(&self.path, e))
    }

    /// Path at which it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file still has its name. A deleted or replaced file still accepts writes, but
    /// they are lost when the process ends.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        let Some(ours) = self.identity else { return true };
        match fs::metadata(&self.path) {
            Ok(about) => read_before_write::identity(&about) == Some(ours),
            Err(e) => e.kind() != io::ErrorKind::NotFound,
        }
    }

    /// Whether it holds no facts.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn is_new(&self) -> Result<bool, StoreError> {
        let read = || -> Result<bool, redb::Error> {
            let read = self.db.begin_read()?;
            let blocks = read.open_table(BLOCKS)?.last()?.is_some();
            Ok(!blocks && segments::from(&read, 0)?.is_empty())
        };
        read().map_err(|e| StoreError::of(&self.path, e))
    }

    /// The first row that is not sealed, from 1.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn live_from(&self) -> Result<u64, StoreError> {
        Ok(self.segments_from(0)?.last().map_or(0, |segment| segment.last) + 1)
    }

    /// Passes every committed fact from row `from` on to `see`, with its row, in the order of the
    /// journal: sealed facts first, then the live file.
    ///
    /// # Errors
    /// A row or segment is damaged, or see [`StoreError`].
    pub fn scan<B: Body>(&self, from: u64, see: &mut Scan<'_, B>) -> Result<(), StoreError> {
        let of = |e: redb::Error| StoreError::of(&self.path, e);
        let _look = self.looks.begin();
        // One transaction for both. It still sees rows in the live file that are sealed meanwhile.
        let read = self.db.begin_read().map_err(|e| of(e.into()))?;
        for segment in segments::from(&read, from).map_err(of)? {
            if self.scan_segment(&segment, from, see)?.is_break() {
                return Ok(());
            }
        }
        let torn = |reason| StoreError::Torn { path: self.path.clone(), reason };
        let blocks = read.open_table(BLOCKS).map_err(|e| of(e.into()))?;
        for kv in blocks.range(from..).map_err(|e| of(e.into()))? {
            let (last, block) = kv.map_err(|e| of(e.into()))?;
            let walk = rows::decode_block(block.value(), from, see);
            let flow = walk.map_err(|why| torn(format!("block {}: {why}", last.value())))?;
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// As [`Store::scan`], but skips the rest of an unreadable segment. Reports which of its rows
    /// are lost, and why.
    ///
    /// # Errors
    /// A row of the live file is damaged, or see [`StoreError`].
    pub fn scan_left<B: Body>(
        &self,
        mut from: u64,
        see: &mut dyn FnMut(Left<'_, Fact<B>>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        loop {
            let scanned = self.scan(from, &mut |row, fact| {
                from = row + 1;
                see(Left::Row(row, &fact))
            });
            let Err(torn @ StoreError::Torn { .. }) = scanned else { return scanned };
            let Some(last) = self.sealed_with(from)? else { return Err(torn) };
            if see(Left::Lost(from..=last, &torn)).is_break() {
                return Ok(());
            }
            from = last + 1;
        }
    }

    fn scan_segment<B: Body>(
        &self,
        segment: &Segment,
        from: u64,
        see: &mut Scan<'_, B>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let path = self.shelf.path(&segment.name());
        let torn = |reason| StoreError::Torn { path: path.clone(), reason };
        let io = |e: io::Error| {
            let missing = e.kind() == io::ErrorKind::NotFound;
            if missing { torn("it is missing".to_owned()) } else { StoreError::io(&path, &e) }
        };
        for block in self.shelf.open(segment).map_err(io)? {
            let (last, block) = block.map_err(io)?;
            if last < from {
                continue;
            }
            let walk = rows::decode_block(&block, from, see);
            let flow = walk.map_err(|why| torn(format!("block {last}: {why}")))?;
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Packs the oldest facts into a segment of about `size` bytes, if there are enough. It ends at
    /// `until` at the latest, and before the oldest saved state of each of these ranks.
    pub(crate) fn seal(
        &self,
        ranks: &[u16],
        until: u64,
        size: u64,
    ) -> Result<Option<Segment>, StoreError> {
        let pack = || -> Result<Option<Segment>, redb::Error> {
            let read = self.db.begin_read()?;
            // A restart reads from the saved state on, or from the older one if the newer is
            // damaged. So it never needs a segment.
            let saved = checkpoints::oldest_rows(&read, ranks)?;
            let until =
                saved.into_iter().fold(until, |until, row| until.min(row.saturating_sub(1)));
            segments::pack(&read, &self.shelf, (size, until))
        };
        pack().map_err(|e| StoreError::of(&self.path, e))
    }

    /// Removes segments that a crash left before the live file named them.
    pub(crate) fn sweep(&self) -> Result<(), StoreError> {
        let named = self.segments_from(0)?;
        self.shelf.sweep(&named).map_err(|e| StoreError::io(&self.path, &e))
    }

    /// Last row of the segment that holds `row`; none if `row` is not sealed.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn sealed_with(&self, row: u64) -> Result<Option<u64>, StoreError> {
        Ok(self.segments_from(row)?.first().map(|segment| segment.last))
    }

    /// Reads every segment and compares it with its recorded checksum.
    pub(crate) fn check_segments(&self) -> Result<(), StoreError> {
        let _look = self.looks.begin();
        for segment in self.segments_from(0)? {
            let path = self.shelf.path(&segment.name());
            self.shelf.whole(&segment).map_err(|e| {
                let missing = e.kind() == io::ErrorKind::NotFound;
                let (path, reason) = (path.clone(), "it is missing".to_owned());
                if missing { StoreError::Torn { path, reason } } else { StoreError::io(&path, &e) }
            })?;
        }
        Ok(())
    }

    /// Number of segments, and total bytes of their files.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn segments(&self) -> Result<(u64, u64), StoreError> {
        let all = self.segments_from(0)?;
        Ok((all.len() as u64, all.iter().map(|segment| segment.size).sum()))
    }

    /// Size of the live file in bytes; 0 for a simulated disk.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |m| m.len())
    }

    /// Version of the layout of the file.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn schema(&self) -> Result<u64, StoreError> {
        let read = || -> Result<u64, redb::Error> {
            number(&self.db.begin_read()?.open_table(META)?, "schema")
        };
        read().map_err(|e| StoreError::of(&self.path, e))
    }

    /// Sets the layout version of the file. Only for tests of refused files.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn alter_schema(&self, schema: u64) -> Result<(), StoreError> {
        let alter = || -> Result<(), redb::Error> {
            let write = self.db.begin_write()?;
            write.open_table(META)?.insert("schema", schema.to_le_bytes().as_slice())?;
            write.commit()?;
            Ok(())
        };
        alter().map_err(|e| StoreError::of(&self.path, e))
    }

    /// Changes the body of the fact in `row`. Only for tests of `verify`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn alter_fact(&self, row: u64, change: impl Fn(&mut Vec<u8>)) -> Result<(), StoreError> {
        rows::alter(&self.db, row, change).map_err(|e| StoreError::of(&self.path, e))
    }
}

/// An item of a scan over a journal whose segments may be damaged or missing, in its order.
#[derive(Debug)]
pub enum Left<'a, F> {
    /// The row of a fact, and the fact.
    Row(u64, &'a F),
    /// Rows that cannot be read, and why.
    Lost(RangeInclusive<u64>, &'a StoreError),
}

/// Receives the facts of a scan, with their rows.
pub type Scan<'a, B> = dyn FnMut(u64, Fact<B>) -> ControlFlow<()> + 'a;

pub(super) fn number(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &str,
) -> Result<u64, redb::Error> {
    let bytes = table.get(key)?.map(|v| v.value().to_vec()).unwrap_or_default();
    Ok(bytes.try_into().map_or(0, u64::from_le_bytes))
}

fn poison(read: &ReadTransaction) -> Result<Vec<(u16, Poison)>, redb::Error> {
    let table = match read.open_table(POISON) {
        // The file is from before this table existed.
        Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        table => table?,
    };
    let row = |kv: Result<(redb::AccessGuard<'_, u16>, redb::AccessGuard<'_, &[u8]>), _>| {
        let (rank, bytes) = kv.map_err(redb::Error::from)?;
        let poison = rmp_serde::from_slice(bytes.value());
        let torn = |e| redb::Error::Corrupted(format!("failures of rank {}: {e}", rank.value()));
        Ok((rank.value(), poison.map_err(torn)?))
    };
    table.iter()?.map(row).collect()
}

fn roster(read: &ReadTransaction) -> Result<Vec<Member>, redb::Error> {
    let table = match read.open_table(ROSTER) {
        // The file is from before this table existed.
        Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        table => table?,
    };
    let mut members = Vec::new();
    for kv in table.iter()? {
        let (rank, bytes) = kv?;
        members.push(rows::decode_member(rank.value(), bytes.value())?);
    }
    let passed = read.open_table(PASSED)?;
    for member in &mut members {
        member.passed = passed.get(member.who.rank.0)?.map_or(0, |row| row.value().0);
    }
    Ok(members)
}

fn check_magic(path: &Path) -> Result<(), StoreError> {
    let io = |e: io::Error| StoreError::io(path, &e);
    let mut head = Vec::new();
    File::open(path).map_err(io)?.take(4).read_to_end(&mut head).map_err(io)?;
    if head != MAGIC {
        let reason = "it does not begin like one".to_owned();
        return Err(StoreError::Foreign { path: path.to_owned(), reason });
    }
    Ok(())
}

fn create(path: &Path, application: &str) -> Result<(), StoreError> {
    let io = |e: io::Error| StoreError::io(path, &e);
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(io)?;
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io(e)),
        Ok(()) | Err(_) => {}
    }
    // Errors name the file by its final path.
    let store = Store::from(Database::builder().create(&new), path, Shelf::beside(path))?;
    store.write_owner(application)?;
    drop(store);
    File::open(&new).and_then(|f| f.sync_all()).map_err(io)?;
    fs::rename(&new, path).map_err(io)?;
    sync_name(path).map_err(io)
}
