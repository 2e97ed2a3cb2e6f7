//! Who at the edge has nothing left to do: what the pacer looks at before time moves.
//!
//! Each entry names the input it was true at; an entry of an older head says nothing. So an actor
//! that was killed cannot be taken for an idle one: its successor has to write the board anew.

use crate::domain::time::UtcMs;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// What an actor waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Something is under way; time must not pass.
    Busy,
    /// Nothing is left to do.
    Idle,
    /// Nothing can be done before this venue time.
    Until(UtcMs),
}

/// What an actor has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The last input it has taken into account.
    pub n: u64,
    /// What it waits for.
    pub rest: Rest,
}

/// The last close said; none where none was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LastClose(Option<UtcMs>);

/// The board.
#[derive(Debug, Default)]
pub struct Board {
    entries: Mutex<BTreeMap<&'static str, Entry>>,
    /// None: the closer has not said anything yet.
    last_close: Mutex<Option<LastClose>>,
    venue: Mutex<Option<Trouble>>,
    begun: AtomicBool,
    listening: AtomicBool,
    changed: Notify,
}

/// Why the venue cannot be used, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Wall time, UTC milliseconds.
    pub since: UtcMs,
    /// What happened, and what is done about it.
    pub why: String,
}

impl Board {
    /// Writes an entry.
    pub fn write(&self, who: &'static str, n: u64, rest: Rest) {
        let entry = Entry { n, rest };
        let before = self.entries().insert(who, entry);
        if before != Some(entry) {
            self.changed.notify_waiters();
        }
    }

    /// The life and its settings are in the journal. Nothing else of this life comes before them: a
    /// past that is loaded under other settings warms nothing.
    pub fn write_begun(&self) {
        self.begun.store(true, Release);
        self.changed.notify_waiters();
    }

    /// See [`Board::write_begun`].
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.begun.load(Acquire)
    }

    /// Resolves when the life has begun.
    pub async fn begun(&self) {
        loop {
            let changed = self.changed();
            if self.has_begun() {
                return;
            }
            changed.await;
        }
    }

    /// Whether the private stream is subscribed.
    pub fn write_listening(&self, listening: bool) {
        if self.listening.swap(listening, AcqRel) != listening {
            self.changed.notify_waiters();
        }
    }

    /// See [`Board::write_listening`].
    #[must_use]
    pub fn is_listening(&self) -> bool {
        self.listening.load(Acquire)
    }

    /// Whether the venue can be used: none, or why not as of wall time `at`.
    pub fn write_venue(&self, at: UtcMs, why: Option<String>) {
        let mut venue = self.venue.lock().unwrap_or_else(PoisonError::into_inner);
        let since = venue.as_ref().map_or(at, |trouble| trouble.since);
        *venue = why.map(|why| Trouble { since, why });
    }

    /// See [`Board::write_venue`].
    #[must_use]
    pub fn venue(&self) -> Option<Trouble> {
        self.venue.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last close said, as the closer knows it.
    pub fn write_close(&self, close: Option<UtcMs>) {
        let close = LastClose(close);
        if self.close().replace(close) != Some(close) {
            self.changed.notify_waiters();
        }
    }

    /// See [`Board::write_close`].
    #[must_use]
    pub fn last_close(&self) -> Option<UtcMs> {
        self.close().and_then(|LastClose(close)| close)
    }

    /// The last close said, once the closer knows it.
    pub async fn said(&self) -> Option<UtcMs> {
        loop {
            let changed = self.changed();
            if let Some(LastClose(close)) = *self.close() {
                return close;
            }
            changed.await;
        }
    }

    fn close(&self) -> MutexGuard<'_, Option<LastClose>> {
        self.last_close.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `who` waits for, as of input `n`; busy where it has not said.
    #[must_use]
    pub fn rest(&self, who: &str, n: u64) -> Rest {
        self.entries().get(who).filter(|e| e.n == n).map_or(Rest::Busy, |e| e.rest)
    }

    /// Something the board does not show has changed: whoever waits looks again.
    pub fn poke(&self) {
        self.changed.notify_waiters();
    }

    /// All of it, for people.
    #[must_use]
    pub fn all(&self) -> Vec<(&'static str, Entry)> {
        self.entries().iter().map(|(who, e)| (*who, *e)).collect()
    }

    /// Resolves when something is written after this call. Made before the board is read, it misses
    /// nothing.
    pub fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<&'static str, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
