//! Keeps the live file small. A thread packs the oldest part of the journal into segments; the
//! store thread names them in a commit.
//!
//! A start never needs a segment. Each ends before the oldest saved state in the file, and before
//! the rows that projections have still to read. Any error or panic ends the process, as on the
//! store thread.

use super::Journal;
use crate::chaos::Site;
use crate::store::{Op, Sealing, StoreError};
use everwarm_kernel::fact::Body;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Name of the thread at kill points.
pub(crate) const NAME: &str = "sealer";
/// Time until the next attempt if states or projections were too far behind.
const AGAIN: Duration = Duration::from_millis(250);

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
    /// Sets sizes other than the default ones.
    pub fn seal_after(&self, sealing: Sealing) {
        self.lock().sealing = sealing;
        self.seals.notify_one();
    }

    /// Keeps rows from `row` on in the live file until the projection of this name has read them,
    /// also after a crash. Rows that it read without a flush of its own count as unread.
    pub fn hold(&self, name: &'static str, row: u64) {
        self.lock().holds.insert(name, row);
    }

    /// As [`Journal::hold`] when a projection of this name starts. It keeps the progress that an
    /// earlier instance in this process made durable.
    pub fn hold_from(&self, name: &'static str, row: u64) {
        self.lock().holds.entry(name).or_insert(row);
    }

    /// Whether the live file holds enough for a segment. A projection that has read it makes that
    /// durable and calls [`Journal::hold`].
    #[must_use]
    pub fn wants_room(&self) -> bool {
        self.lock().seals()
    }

    /// Runs until the journal ends.
    pub(super) fn seal(&self) {
        let _guard = Panicked(self);
        if let Err(e) = self.store.sweep() {
            return self.fail(&e);
        }
        while let Some((ranks, until, size)) = self.until_due() {
            self.options.chaos.point(Site::BeforeSegment, NAME);
            match self.store.seal(&ranks, until, size) {
                Err(e) => return self.fail(&e),
                Ok(Some(segment)) => {
                    self.options.chaos.point(Site::AfterSegment, NAME);
                    let mut inner = self.lock();
                    if inner.closing || inner.ended {
                        // The last commit may be on its way. The next start removes the leftover
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
                    let waited = self.seals.wait_timeout(self.lock(), AGAIN);
                    drop(waited.unwrap_or_else(PoisonError::into_inner));
                }
            }
        }
    }

    /// Waits until there is enough for a segment. Returns the ranks that save states, the last row
    /// that may be sealed, and the size.
    fn until_due(&self) -> Option<(Vec<u16>, u64, u64)> {
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
        Some((ranks, until, inner.sealing.segment))
    }

    /// Waits until that much is sealed; false if the journal ended before.
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
