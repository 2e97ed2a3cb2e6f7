//! Opens a file without changing it until its checks have passed.
//!
//! The engine writes while it opens a file. It marks the file as in use, and repairs it after a
//! crash. In a foreign, newer or damaged file that would be an unwanted change, and a repair may
//! hide a loss. So an opening writes to an overlay in memory. After all checks, it repeats the
//! writes and flushes on the file, in their order. A crash among them leaves the same file as a
//! crash of the engine. A file that is refused or only read stays unchanged.
//!
//! A reader opens the file for reading only, so it works in a folder without write permission. The
//! engine requests the locks of a writer. A reader takes shared locks instead. They exclude a
//! writer, but allow other readers.
//!
//! After a crash the engine reads the whole file and compares its checksums. After a clean stop it
//! would not. Then this module makes it do so, which costs about 0.1 s per 100 MB. A file that can
//! be rebuilt skips this after a crash ([`Reads::WhatIsNeeded`]). So it opens in the same time at
//! any size. The next start after a clean stop compares its checksums, and so does each reader.

use crate::chaos::{Chaos, Site};
use redb::backends::FileBackend;
use redb::{BackendError, Database, DatabaseError, StorageBackend};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::{Metadata, OpenOptions};
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Unit of the overlay, bytes.
const PAGE: u64 = 4096;
/// Name of the actor at kill points.
const REPAIR: &str = "repair";

thread_local! {
    static OPENING: Cell<bool> = const { Cell::new(false) };
}

/// From here on, if a library panics [`at_damage`], the panic hook is not called. The panic becomes
/// an error.
pub fn quiet_damage() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !OPENING.get() {
            before(info);
        }
    }));
}

/// Runs what reads a file with a library that panics if the file contradicts itself. None: it
/// panicked.
pub fn at_damage<T>(read: impl FnOnce() -> T) -> Option<T> {
    OPENING.set(true);
    let read = catch_unwind(AssertUnwindSafe(read));
    OPENING.set(false);
    read.ok()
}

/// Purpose of an opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Reading. Writes stay in memory.
    Look,
    /// Writing, after all checks have passed.
    Own,
}

/// How much of a file is read for the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// All of it.
    Everything,
    /// After a crash, only the part that its last flushed commit noted for this. Otherwise all of
    /// it.
    WhatIsNeeded,
}

/// Place of the engine's flags in the head of a file. `IN_USE` marks a file that is in use or was
/// left by a crash. See "Header" and "God byte" in redb's description of its file format.
const FLAGS: u64 = 9;
const IN_USE: u8 = 2;

/// Whether a crash left the file marked as in use.
fn is_left_by_a_crash(file: &FileBackend) -> io::Result<bool> {
    let mut flags = [0];
    file.read(FLAGS, &mut flags)?;
    Ok(flags[0] & IN_USE != 0)
}

/// Opens the file at `path` and holds back all writes.
///
/// # Errors
/// It is held by another process, damaged or absent. It was not changed.
pub(super) fn open(
    path: &Path,
    cache: usize,
    access: Access,
    reads: Reads,
) -> Result<(Database, Hold), redb::Error> {
    let file = OpenOptions::new().read(true).write(access == Access::Own).open(path);
    let file = file.map_err(redb::Error::Io)?;
    let about = file.metadata().map_err(redb::Error::Io)?;
    let len = about.len();
    let file = FileBackend::new(file)?;
    let crashed = is_left_by_a_crash(&file).map_err(redb::Error::Io)?;
    let everything = reads == Reads::Everything || !crashed;
    let shared = Arc::new(Shared {
        file,
        access,
        through: AtomicBool::new(false),
        over: Mutex::new(Over { len, floor: len, ..Over::default() }),
    });
    let backend = Backend(Arc::clone(&shared));
    // The engine takes contradictions between damaged pages for a bug of its own and panics.
    let opened = at_damage(|| checked(backend, cache, everything));
    let db = opened
        .unwrap_or_else(|| Err(damaged("its structure contradicts itself").into()))
        .map_err(redb::Error::from)?;
    Ok((db, Hold(shared, identity(&about))))
}

fn checked(backend: Backend, cache: usize, everything: bool) -> Result<Database, DatabaseError> {
    let repaired = Arc::new(AtomicBool::new(false));
    let on_repair = Arc::clone(&repaired);
    let mut db = Database::builder()
        .set_cache_size(cache)
        .set_repair_callback(move |_| on_repair.store(true, Ordering::Relaxed))
        .create_with_backend(backend)?;
    if everything && !repaired.load(Ordering::Relaxed) && !db.check_integrity()? {
        return Err(damaged("its checksums do not match what is in it").into());
    }
    Ok(db)
}

fn damaged(reason: &str) -> redb::StorageError {
    redb::StorageError::Corrupted(reason.to_owned())
}

/// Device and number of the file, which do not depend on its name. None if the system has none.
pub(super) fn identity(about: &Metadata) -> Option<(u64, u64)> {
    #[cfg(unix)]
    let identity = {
        use std::os::unix::fs::MetadataExt as _;
        Some((about.dev(), about.ino()))
    };
    #[cfg(not(unix))]
    let identity = None;
    identity
}

/// The writes that are held back. If it is dropped, they and all later ones are discarded.
pub(super) struct Hold(Arc<Shared>, Option<(u64, u64)>);

impl Hold {
    /// Device and number of the open file.
    pub(super) const fn identity(&self) -> Option<(u64, u64)> {
        self.1
    }

    /// Applies the writes to the file. From here on the engine writes directly to it.
    pub(super) fn release(self, chaos: &Chaos) -> io::Result<()> {
        let mut over = self.0.over();
        for change in std::mem::take(&mut over.log) {
            let site =
                if matches!(change, Change::Flush) { Site::BeforeSync } else { Site::BeforeCommit };
            chaos.point(site, REPAIR);
            match change {
                Change::Write(at, bytes) => self.0.file.write(at, &bytes)?,
                Change::Length(len) => self.0.file.set_len(len)?,
                Change::Flush => self.0.file.sync_data()?,
            }
        }
        over.pages.clear();
        self.0.through.store(true, Ordering::Release);
        Ok(())
    }
}

#[derive(Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
    Flush,
}

/// The overlay in memory.
#[derive(Debug, Default)]
struct Over {
    len: u64,
    /// Up to here, unwritten pages are read from the file. After it they are zeros.
    floor: u64,
    pages: BTreeMap<u64, Vec<u8>>,
    log: Vec<Change>,
}

#[derive(Debug)]
struct Shared {
    file: FileBackend,
    access: Access,
    through: AtomicBool,
    over: Mutex<Over>,
}

impl Shared {
    fn over(&self) -> MutexGuard<'_, Over> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The overlay; none after its release.
    fn held(&self) -> Option<MutexGuard<'_, Over>> {
        let through = || self.through.load(Ordering::Acquire);
        // It may be released while this call waits for the lock.
        if through() { None } else { Some(self.over()).filter(|_| !through()) }
    }
}

fn within(at: usize) -> u64 {
    at as u64
}

fn index(at: u64) -> usize {
    usize::try_from(at).expect("a part of a page, or of a buffer in memory")
}

impl Over {
    fn read(&self, file: &FileBackend, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let end = offset + within(out.len());
        if end > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let shown = index(end.min(self.floor).saturating_sub(offset));
        file.read(offset, &mut out[..shown])?;
        out[shown..].fill(0);
        for (page, bytes) in self.pages.range(offset / PAGE..=end.saturating_sub(1) / PAGE) {
            let start = page * PAGE;
            let (from, to) = (offset.max(start), end.min(start + PAGE));
            out[index(from - offset)..index(to - offset)]
                .copy_from_slice(&bytes[index(from - start)..index(to - start)]);
        }
        Ok(())
    }

    fn write(&mut self, file: &FileBackend, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = offset + within(data.len());
        self.len = self.len.max(end);
        for page in offset / PAGE..end.div_ceil(PAGE) {
            let start = page * PAGE;
            let mut bytes = vec![0; index(PAGE)];
            let known = index(self.len.min(start + PAGE) - start);
            self.read(file, start, &mut bytes[..known])?;
            let (from, to) = (offset.max(start), end.min(start + PAGE));
            bytes[index(from - start)..index(to - start)]
                .copy_from_slice(&data[index(from - offset)..index(to - offset)]);
            self.pages.insert(page, bytes);
        }
        self.log.push(Change::Write(offset, data.to_vec()));
        Ok(())
    }

    fn set_len(&mut self, len: u64) {
        (self.len, self.floor) = (len, self.floor.min(len));
        self.pages.split_off(&len.div_ceil(PAGE));
        if let Some(bytes) = self.pages.get_mut(&(len / PAGE)) {
            bytes[index(len % PAGE)..].fill(0);
        }
        self.log.push(Change::Length(len));
    }
}

/// The file with its overlay, as the engine sees it.
#[derive(Debug)]
struct Backend(Arc<Shared>);

type Locked = Result<bool, BackendError>;

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.held().map_or_else(|| self.0.file.len(), |over| Ok(over.len))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match self.0.held() {
            Some(over) => over.read(&self.0.file, offset, out),
            None => self.0.file.read(offset, out),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        match self.0.held() {
            Some(mut over) => {
                over.set_len(len);
                Ok(())
            }
            None => self.0.file.set_len(len),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.0.held() {
            Some(mut over) => {
                over.log.push(Change::Flush);
                Ok(())
            }
            None => self.0.file.sync_data(),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        match self.0.held() {
            Some(mut over) => over.write(&self.0.file, offset, data),
            None => self.0.file.write(offset, data),
        }
    }

    fn close(&self) -> io::Result<()> {
        self.0.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked {
        match self.0.access {
            Access::Look => self.0.file.try_lock_shared_range(start, end),
            Access::Own => self.0.file.try_lock_range(start, end),
        }
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked {
        self.0.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        match self.0.access {
            Access::Look => self.0.file.lock_shared_range(start, end),
            Access::Own => self.0.file.lock_range(start, end),
        }
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked {
        self.0.file.query_lock_range(start, end)
    }
}
