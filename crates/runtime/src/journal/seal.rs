//! Keeps the live file small. The sealing thread packs the oldest part of the journal into
//! segments, and the store thread names them in a commit.
//!
//! A segment never holds anything that a start needs. It ends before the oldest state in the file,
//! and before the facts that projections still have to read. Any error or panic ends the process,
//! as on the store thread.

use super::Journal;
use super::locked_state::Inner;
use crate::chaos::Site;
use crate::store::{Keep, Op, Sealing, Segment, StoreError, Thinned};
use everwarm_kernel::fact::Body;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Name of the thread at kill points.
pub(crate) const NAME: &str = "sealer";
/// Name of a thread that thins segments, at kill points.
const THINNER: &str = "thinner";
/// Time until another attempt to seal, while projections are too far behind. A saved state brings
/// one earlier.
const AGAIN: Duration = Duration::from_millis(250);

/// What may be sealed.
struct Due {
    /// Ranks that save states.
    ranks: Vec<u16>,
    /// The last row.
    until: u64,
    /// Size of a segment.
    size: u64,
    /// Number of commits with a saved state so far.
    saves: u64,
}

struct Panicked<'a, B: Body>(&'a Journal<B>);

impl<B: Body> Drop for Panicked<'_, B> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let path = self.0.store.path.clone();
            let reason = "the sealing thread panicked".to_owned();
            self.0.fail(&StoreError::Io { path, reason });
        }
    }
}

impl<B: Body> Journal<B> {
    /// Sets the sizes at which the journal seals, instead of the defaults.
    pub fn seal_after(&self, sealing: Sealing) {
        self.lock().sealing = sealing;
        self.seals.notify_one();
    }

    /// Reports that this projection still has to read the rows from `row` on, also after a crash.
    /// They stay in the live file. Rows that it has read but not flushed count as unread.
    pub fn hold(&self, name: &'static str, row: u64) {
        self.lock().holds.insert(name, row);
    }

    /// As [`Journal::hold`], at the start of a projection. If an earlier instance in this process
    /// has reported a row, that row stays.
    pub fn hold_from(&self, name: &'static str, row: u64) {
        self.lock().holds.entry(name).or_insert(row);
    }

    /// Whether the live file holds enough for a segment. A projection that has read it should
    /// flush, then report its row by [`Journal::hold`].
    #[must_use]
    pub fn wants_room(&self) -> bool {
        self.lock().seals()
    }

    /// Thins every segment that ends before row `before`, the newest first: facts stay only if
    /// `keep` says so. It reads and writes files, so it may block for long. It stops early if the
    /// journal ends.
    ///
    /// # Errors
    /// A segment cannot be read or written.
    pub fn thin(&self, before: u64, keep: &mut Keep<'_, B>) -> Result<Thinned, StoreError> {
        self.options.chaos.point(Site::BeforeSegment, THINNER);
        self.store.thin_with(before, keep, &mut |thinned| {
            self.options.chaos.point(Site::AfterSegment, THINNER);
            Ok(self.until_thinned(*thinned))
        })
    }

    /// Waits until the live file names a thinned segment and is flushed: then the old file may be
    /// removed. False if the journal ended before.
    fn until_thinned(&self, segment: Segment) -> bool {
        let mut inner = self.lock();
        if inner.closing || inner.ended {
            return false;
        }
        inner.thins = Some(segment.last);
        inner.pending.push(Op::Seal(segment));
        self.work.notify_one();
        while inner.thins.is_some() {
            if inner.ended {
                return false;
            }
            inner = self.seals.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    /// Runs until the journal ends.
    pub(super) fn seal(&self) {
        let _guard = Panicked(self);
        if let Err(e) = self.store.sweep() {
            return self.fail(&e);
        }
        while let Some(Due { ranks, until, size, saves }) = self.until_due() {
            self.options.chaos.point(Site::BeforeSegment, NAME);
            match self.store.seal(&ranks, until, size) {
                Err(e) => return self.fail(&e),
                Ok(Some(segment)) => {
                    self.options.chaos.point(Site::AfterSegment, NAME);
                    let mut inner = self.lock();
                    if inner.closing || inner.ended {
                        // The store thread may be at its last commit. The next start sweeps the
                        // file.
                        return;
                    }
                    inner.pending.push(Op::Seal(segment));
                    drop(inner);
                    self.work.notify_one();
                    if !self.until_sealed(segment.end) {
                        return;
                    }
                }
                Ok(None) => {
                    // Each commit notifies, but an attempt reads megabytes.
                    let rests = |inner: &mut Inner<B>| {
                        inner.saves == saves && !inner.ended && !inner.closing
                    };
                    let waited = self.seals.wait_timeout_while(self.lock(), AGAIN, rests);
                    drop(waited.unwrap_or_else(PoisonError::into_inner));
                }
            }
        }
    }

    /// Waits until there is enough for a segment; none if the journal ends.
    fn until_due(&self) -> Option<Due> {
        let mut inner = self.lock();
        while !inner.seals() || inner.ended || inner.closing {
            if inner.ended || inner.closing {
                return None;
            }
            inner = self.seals.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        // A projection that has not reported yet may have read nothing.
        let reported = |name: &&str| inner.holds.get(name).copied().unwrap_or_default();
        let followers = self.options.followers.iter().map(reported);
        let held = inner.holds.values().copied().chain(followers).min();
        let until = held.map_or(u64::MAX, |row| row.saturating_sub(1)).min(inner.durable);
        let ranks = inner.present().map(|stage| stage.info.rank.0).collect();
        Some(Due { ranks, until, size: inner.sealing.segment, saves: inner.saves })
    }

    /// Waits until the bytes up to `end` are sealed; false if the journal ended before.
    fn until_sealed(&self, end: u64) -> bool {
        let mut inner = self.lock();
        while inner.bytes.1 < end {
            if inner.ended {
                return false;
            }
            inner = self.seals.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    pub(super) fn start_sealing(self: &Arc<Self>) -> std::io::Result<std::thread::JoinHandle<()>> {
        let own = Arc::clone(self);
        std::thread::Builder::new().name(NAME.into()).spawn(move || own.seal())
    }
}
