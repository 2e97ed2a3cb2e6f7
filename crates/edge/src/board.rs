//! Who at the edge has nothing left to do: what the pacer looks at before time moves.
//!
//! Each entry names the input it was true at; an entry of an older head says nothing. So an actor
//! that was killed cannot be taken for an idle one: its successor has to write the board anew.

use super::meters::Meters;
use crate::operation::config::Standing;
use everwarm_domain::id::Symbol;
use everwarm_domain::sessions::Sessions;
use everwarm_domain::time::{UtcMs, WallMs};
use everwarm_trading::bars::Offered;
use std::collections::BTreeMap;
use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed,
    Ordering::Release,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, watch};

/// What an actor waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Something is under way; time must not pass.
    Busy,
    /// Nothing is left to do.
    Idle,
    /// Nothing can be done before this venue time.
    Until(UtcMs),
    /// Nothing can be done before somebody else has; his waits may pass, no bar may.
    Held,
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
    /// The newest close that is being said, or was.
    coming: AtomicI64,
    /// In lockstep how far time was told to move at most; 0: nobody knows yet.
    reach: AtomicI64,
    venue: Mutex<Option<Trouble>>,
    begun: AtomicBool,
    /// Venue time since which the private stream is subscribed; none: it is not.
    listening: Mutex<Option<UtcMs>>,
    /// How long the process has stood still so far, milliseconds.
    stood: AtomicI64,
    changed: Notify,
    /// Who else is waited for before time moves.
    others: Mutex<Vec<&'static str>>,
    /// The symbols whose bars are wanted, by name: those listed that the venue has.
    live: watch::Sender<Arc<[Symbol]>>,
    /// What is configured, and what operators have switched.
    config: watch::Sender<Arc<Standing>>,
    /// Whether the venue was asked in this process what it has.
    asked: AtomicBool,
    /// When the venue trades.
    sessions: Mutex<Arc<Sessions>>,
    /// What became of bars that came.
    pub bars: BarCounts,
    /// What is measured.
    pub meters: Meters,
}

/// What became of bars that came from the venue, since the process began.
#[derive(Debug, Default)]
pub struct BarCounts {
    known: AtomicU64,
    revised: AtomicU64,
    odd: AtomicU64,
    refused: AtomicU64,
}

impl BarCounts {
    /// Counts odd bars that entered a close.
    pub fn odd(&self, count: u64) {
        self.odd.fetch_add(count, Relaxed);
    }

    /// Counts bars that were refused.
    pub fn refused(&self, count: u64) {
        self.refused.fetch_add(count, Relaxed);
    }

    /// Odd bars that entered a close, and refused ones.
    #[must_use]
    pub fn strange(&self) -> (u64, u64) {
        (self.odd.load(Relaxed), self.refused.load(Relaxed))
    }

    /// Counts one.
    pub fn count(&self, offered: Offered) {
        match offered {
            Offered::Known => self.known.fetch_add(1, Relaxed),
            Offered::Revised => self.revised.fetch_add(1, Relaxed),
            Offered::New | Offered::Strange => 0,
        };
    }

    /// Repeats, and those that differed from what was said first.
    #[must_use]
    pub fn get(&self) -> (u64, u64) {
        (self.known.load(Relaxed), self.revised.load(Relaxed))
    }
}

/// Why the venue cannot be used, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Wall time, UTC milliseconds.
    pub since: WallMs,
    /// What happened, and what is done about it.
    pub why: String,
}

impl Board {
    /// Has the pacer wait for this writer too, from its first entry on.
    pub fn wait_for(&self, who: &'static str) {
        self.others.lock().unwrap_or_else(PoisonError::into_inner).push(who);
    }

    /// Who else is waited for.
    #[must_use]
    pub fn others(&self) -> Vec<&'static str> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says whose bars are wanted, by name.
    pub fn write_live(&self, symbols: Vec<Symbol>) {
        self.live.send_if_modified(|live| {
            let other = **live != *symbols;
            if other {
                *live = symbols.into();
            }
            other
        });
    }

    /// Whose bars are wanted.
    #[must_use]
    pub fn live(&self) -> watch::Receiver<Arc<[Symbol]>> {
        self.live.subscribe()
    }

    /// Says what is configured and switched.
    pub fn write_config(&self, standing: &Standing) {
        self.config.send_if_modified(|config| {
            let other = **config != *standing;
            if other {
                *config = Arc::new(standing.clone());
            }
            other
        });
    }

    /// What is configured and switched; at the beginning of a life nothing until it is known.
    #[must_use]
    pub fn config(&self) -> watch::Receiver<Arc<Standing>> {
        self.config.subscribe()
    }

    /// The value in force of a key that may change while it trades; none before any is, and where
    /// the program that put it in force had no such key.
    #[must_use]
    pub fn in_force(&self, key: &str) -> Option<serde_json::Value> {
        let standing = self.config.borrow().clone();
        let (_, text) = standing.now.content.values.iter().find(|(name, _)| name == key)?;
        serde_json::from_str(text).ok()
    }

    /// The venue said when it trades.
    pub fn write_sessions(&self, sessions: Sessions) {
        *self.sessions.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(sessions);
    }

    /// When the venue trades, as far as it was said.
    #[must_use]
    pub fn sessions(&self) -> Arc<Sessions> {
        Arc::clone(&self.sessions.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The venue was asked what it has.
    pub fn write_asked(&self) {
        self.asked.store(true, Release);
    }

    /// See [`Board::write_asked`].
    #[must_use]
    pub fn was_asked(&self) -> bool {
        self.asked.load(Acquire)
    }

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

    /// Venue time since which the private stream is subscribed and was read without a gap; none: it
    /// is not subscribed.
    pub fn write_listening(&self, since: Option<UtcMs>) {
        let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *listening, since);
        if before.is_some() != since.is_some() {
            self.changed.notify_waiters();
        }
    }

    /// See [`Board::write_listening`].
    #[must_use]
    pub fn listening_since(&self) -> Option<UtcMs> {
        *self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the venue can be used: none, or why not as of wall time `at`.
    pub fn write_venue(&self, at: WallMs, why: Option<String>) {
        let mut venue = self.venue.lock().unwrap_or_else(PoisonError::into_inner);
        let since = venue.as_ref().map_or(at, |trouble| trouble.since);
        *venue = why.map(|why| Trouble { since, why });
    }

    /// See [`Board::write_venue`].
    #[must_use]
    pub fn venue(&self) -> Option<Trouble> {
        self.venue.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The process stood still for so long, milliseconds.
    pub fn write_pause(&self, ms: i64) {
        self.stood.fetch_add(ms, AcqRel);
    }

    /// How long the process has stood still so far, milliseconds.
    #[must_use]
    pub fn stood_still(&self) -> i64 {
        self.stood.load(Acquire)
    }

    /// The last close said, as the closer knows it.
    pub fn write_close(&self, close: Option<UtcMs>) {
        let close = LastClose(close);
        if self.close().replace(close) != Some(close) {
            self.changed.notify_waiters();
        }
    }

    /// In lockstep: time is going to be told to move so far.
    pub fn write_reach(&self, to: UtcMs) {
        self.reach.fetch_max(to, Release);
    }

    /// In lockstep the latest time there may be, where that is known.
    #[must_use]
    pub fn reach(&self) -> Option<UtcMs> {
        Some(self.reach.load(Acquire)).filter(|to| *to > 0)
    }

    /// A close is about to be said: whoever acts on it finds it here.
    pub fn write_coming(&self, close: UtcMs) {
        self.coming.fetch_max(close, Release);
        self.meters.close(close);
    }

    /// The newest close that anything in the journal can stand on.
    #[must_use]
    pub fn newest_close(&self) -> Option<UtcMs> {
        let coming = self.coming.load(Acquire);
        self.last_close().max((coming > 0).then_some(coming))
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
