//! The board: which edge actors have nothing left to do. The pacer reads it before time moves.
//!
//! Each entry names the input for which it holds. An entry of an older input counts as busy. So a
//! killed actor never counts as idle: its successor has to write its entry again.

use super::meters::Meters;
use crate::operation::config::Standing;
use crate::operation::health::HealthWatch;
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::Decimal;
use everwarm_domain::sessions::Sessions;
use everwarm_domain::time::{UtcMs, WallMs};
use everwarm_trading::closes::Offered;
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
    /// It works; time must not pass.
    Busy,
    /// It has nothing left to do.
    Idle,
    /// It can do nothing before this venue time.
    Until(UtcMs),
    /// It waits for another actor. Waits of that actor may pass, but no bar may come.
    Held,
}

/// The entry of one actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The last input it has taken into account.
    pub n: u64,
    /// What it waits for.
    pub rest: Rest,
}

/// The last close appended; none if there was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LastClose(Option<UtcMs>);

/// Sets a trouble, which keeps its beginning while its reason changes.
fn write(slot: &Mutex<Option<Trouble>>, at: WallMs, why: Option<String>) {
    let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    let since = slot.as_ref().map_or(at, |trouble| trouble.since);
    *slot = why.map(|why| Trouble { since, why });
}

fn read(slot: &Mutex<Option<Trouble>>) -> Option<Trouble> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// State that the edge actors of one process share.
#[derive(Debug, Default)]
pub struct Board {
    entries: Mutex<BTreeMap<&'static str, Entry>>,
    /// None: the closer has not reported yet.
    last_close: Mutex<Option<LastClose>>,
    /// The newest close that was appended, or is about to be.
    coming: AtomicI64,
    /// What was reported about the health of venue, market, clock and disk.
    pub health: Mutex<HealthWatch>,
    /// In lockstep, the latest time to which the venue may have been moved; 0: not known yet.
    reach: AtomicI64,
    /// In lockstep, what the last released minute did to our orders.
    traded: Mutex<Arc<Traded>>,
    /// In lockstep, the part of `traded` that the gateway knows from reports.
    followed: Mutex<Arc<Traded>>,
    /// In lockstep, whether an order is not final, so that it may trade in the next minute.
    resting: AtomicBool,
    /// In lockstep, the market time up to which closes may be appended.
    open_until: AtomicI64,
    venue: Mutex<Option<Trouble>>,
    /// Why the venue does not report its symbols.
    symbols: Mutex<Option<Trouble>>,
    begun: AtomicBool,
    /// Venue time since which the private stream is subscribed; none: it is not.
    listening: Mutex<Option<UtcMs>>,
    /// How long the process was paused so far, milliseconds.
    stood: AtomicI64,
    changed: Notify,
    /// Other actors that the pacer waits for before time moves.
    others: Mutex<Vec<&'static str>>,
    /// The symbols whose bars are wanted, by name: listed symbols that the venue has.
    live: watch::Sender<Arc<[Symbol]>>,
    /// The configuration in force and the switches of operators.
    config: watch::Sender<Arc<Standing>>,
    /// Whether this process has queried the venue's symbols.
    asked: AtomicBool,
    /// The trading sessions of the venue.
    sessions: Mutex<Arc<Sessions>>,
    /// Counts of received bars.
    pub bars: BarCounts,
    /// The metrics of the edge.
    pub meters: Meters,
}

/// What the market did to resting orders, in lockstep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traded {
    /// The market is released up to this venue time.
    pub market: UtcMs,
    /// Our orders that traded in the last released minute, and the other orders of their pairs:
    /// when they changed, and their filled base units. One order may trade several times at one
    /// time.
    pub orders: Vec<(ClientOrderId, UtcMs, Decimal)>,
}

/// Counts of bars received from the venue since the process began.
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

    /// The counts of odd bars that entered a close and of refused bars.
    #[must_use]
    pub fn strange(&self) -> (u64, u64) {
        (self.odd.load(Relaxed), self.refused.load(Relaxed))
    }

    /// Counts one bar by how it was taken.
    pub fn count(&self, offered: Offered) {
        match offered {
            Offered::Known => self.known.fetch_add(1, Relaxed),
            Offered::Revised => self.revised.fetch_add(1, Relaxed),
            Offered::New | Offered::Strange => 0,
        };
    }

    /// The counts of repeated bars, and of bars that differed from the first version.
    #[must_use]
    pub fn get(&self) -> (u64, u64) {
        (self.known.load(Relaxed), self.revised.load(Relaxed))
    }
}

/// Why the venue cannot be used, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Wall time of its beginning, UTC milliseconds.
    pub since: WallMs,
    /// What happened, and what is done about it.
    pub why: String,
}

impl Board {
    /// Makes the pacer wait for this actor too, from its first entry on.
    pub fn wait_for(&self, who: &'static str) {
        self.others.lock().unwrap_or_else(PoisonError::into_inner).push(who);
    }

    /// The other actors that the pacer waits for.
    #[must_use]
    pub fn others(&self) -> Vec<&'static str> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the symbols whose bars are wanted, by name.
    pub fn write_live(&self, symbols: Vec<Symbol>) {
        self.live.send_if_modified(|live| {
            let other = **live != *symbols;
            if other {
                *live = symbols.into();
            }
            other
        });
    }

    /// The symbols whose bars are wanted.
    #[must_use]
    pub fn live(&self) -> watch::Receiver<Arc<[Symbol]>> {
        self.live.subscribe()
    }

    /// Sets the configuration in force and the switches.
    pub fn write_config(&self, standing: &Standing) {
        self.config.send_if_modified(|config| {
            let other = **config != *standing;
            if other {
                *config = Arc::new(standing.clone());
            }
            other
        });
    }

    /// The configuration in force and the switches; empty at the start of a run until they are
    /// known.
    #[must_use]
    pub fn config(&self) -> watch::Receiver<Arc<Standing>> {
        self.config.subscribe()
    }

    /// The value in force of a key that may change while the daemon trades. None before a
    /// configuration is in force, or if the program that applied it had no such key.
    #[must_use]
    pub fn in_force(&self, key: &str) -> Option<serde_json::Value> {
        let standing = self.config.borrow().clone();
        let (_, text) = standing.now.content.values.iter().find(|(name, _)| name == key)?;
        serde_json::from_str(text).ok()
    }

    /// Sets the trading sessions of the venue.
    pub fn write_sessions(&self, sessions: Sessions) {
        *self.sessions.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(sessions);
    }

    /// The trading sessions of the venue, as far as they are known.
    #[must_use]
    pub fn sessions(&self) -> Arc<Sessions> {
        Arc::clone(&self.sessions.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes that the venue's symbols were queried.
    pub fn write_asked(&self) {
        self.asked.store(true, Release);
    }

    /// See [`Board::write_asked`].
    #[must_use]
    pub fn was_asked(&self) -> bool {
        self.asked.load(Acquire)
    }

    /// Writes the entry of an actor.
    pub fn write(&self, who: &'static str, n: u64, rest: Rest) {
        let entry = Entry { n, rest };
        let before = self.entries().insert(who, entry);
        if before != Some(entry) {
            self.changed.notify_waiters();
        }
    }

    /// Notes that the run and its settings are in the journal. No other input of the run comes
    /// before them: history loaded under other settings warms no indicator.
    pub fn write_begun(&self) {
        self.begun.store(true, Release);
        self.changed.notify_waiters();
    }

    /// See [`Board::write_begun`].
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.begun.load(Acquire)
    }

    /// Resolves when the run has begun.
    pub async fn begun(&self) {
        loop {
            let changed = self.changed();
            if self.has_begun() {
                return;
            }
            changed.await;
        }
    }

    /// Sets the venue time since which the private stream is subscribed and was read without a gap;
    /// none if it is not subscribed.
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

    /// Sets why the venue cannot be used, as of wall time `at`; none if it can be used.
    pub fn write_venue(&self, at: WallMs, why: Option<String>) {
        write(&self.venue, at, why);
    }

    /// Sets why the venue does not report its symbols, as of wall time `at`; none if it does. A
    /// successful request about orders does not end this.
    pub fn write_symbols(&self, at: WallMs, why: Option<String>) {
        write(&self.symbols, at, why);
    }

    /// Why the venue cannot be used. Once this process knows the symbols, trading goes on without
    /// a new report of them.
    #[must_use]
    pub fn venue(&self) -> Option<Trouble> {
        let symbols = || read(&self.symbols).filter(|_| !self.was_asked());
        read(&self.venue).or_else(symbols)
    }

    /// What does not work at the venue, for display.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        read(&self.venue).or_else(|| read(&self.symbols))
    }

    /// Adds a pause of the process, milliseconds.
    pub fn write_pause(&self, ms: i64) {
        self.stood.fetch_add(ms, AcqRel);
    }

    /// How long the process was paused so far, milliseconds.
    #[must_use]
    pub fn stood_still(&self) -> i64 {
        self.stood.load(Acquire)
    }

    /// Sets the last close, as the closer knows it.
    pub fn write_close(&self, close: Option<UtcMs>) {
        let close = LastClose(close);
        if self.close().replace(close) != Some(close) {
            self.changed.notify_waiters();
        }
    }

    /// In lockstep: announces that time will move up to here at most.
    pub fn write_reach(&self, to: UtcMs) {
        self.reach.fetch_max(to, Release);
    }

    /// In lockstep, the latest possible venue time, if it is known.
    #[must_use]
    pub fn reach(&self) -> Option<UtcMs> {
        Some(self.reach.load(Acquire)).filter(|to| *to > 0)
    }

    /// In lockstep: sets what the last released minute did to our orders.
    pub fn write_traded(&self, traded: Traded) {
        *self.traded.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(traded);
    }

    /// See [`Board::write_traded`].
    #[must_use]
    pub fn traded(&self) -> Arc<Traded> {
        Arc::clone(&self.traded.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// In lockstep: the gateway knows its orders as they are after `traded`. `resting`: whether one
    /// of them is not final.
    pub fn write_followed(&self, traded: &Arc<Traded>, resting: bool) {
        self.resting.store(resting, Release);
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *followed, Arc::clone(traded));
        drop(followed);
        if before != *traded {
            self.changed.notify_waiters();
        }
    }

    /// In lockstep: whether the gateway knows all that was published by [`Board::write_traded`].
    #[must_use]
    pub fn follows_all(&self) -> bool {
        let followed = Arc::clone(&self.followed.lock().unwrap_or_else(PoisonError::into_inner));
        followed == self.traded()
    }

    /// In lockstep: whether an order may trade in the next minute.
    #[must_use]
    pub fn has_resting_orders(&self) -> bool {
        self.resting.load(Acquire)
    }

    /// In lockstep: closes up to this market time may be appended. All that the reports of their
    /// minutes caused is done.
    pub fn write_open_until(&self, market: UtcMs) {
        self.open_until.fetch_max(market, Release);
    }

    /// See [`Board::write_open_until`].
    #[must_use]
    pub fn open_until(&self) -> UtcMs {
        self.open_until.load(Acquire)
    }

    /// Announces a close before it is appended, so that every actor that uses it finds it here.
    pub fn write_coming(&self, close: UtcMs) {
        self.coming.fetch_max(close, Release);
        self.meters.close(close);
    }

    /// The newest close to which anything in the journal can refer.
    #[must_use]
    pub fn newest_close(&self) -> Option<UtcMs> {
        let coming = self.coming.load(Acquire);
        self.last_close().max((coming > 0).then_some(coming))
    }

    /// Whether the closer has reported the last close.
    #[must_use]
    pub fn knows_close(&self) -> bool {
        self.close().is_some()
    }

    /// See [`Board::write_close`].
    #[must_use]
    pub fn last_close(&self) -> Option<UtcMs> {
        self.close().and_then(|LastClose(close)| close)
    }

    /// The last close, once the closer knows it.
    pub async fn known_close(&self) -> Option<UtcMs> {
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

    /// What `who` waits for, as of input `n`; busy if it has not reported.
    #[must_use]
    pub fn rest(&self, who: &str, n: u64) -> Rest {
        self.entries().get(who).filter(|e| e.n == n).map_or(Rest::Busy, |e| e.rest)
    }

    /// Wakes all waiting actors after a change that the board does not show.
    pub fn poke(&self) {
        self.changed.notify_waiters();
    }

    /// All entries, for display.
    #[must_use]
    pub fn all(&self) -> Vec<(&'static str, Entry)> {
        self.entries().iter().map(|(who, e)| (*who, *e)).collect()
    }

    /// Resolves when something is written after this call. Call it before reading the board, so
    /// that no change is missed.
    pub fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<&'static str, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_about_orders_does_not_end_the_trouble_with_the_symbols() {
        let (board, at) = (Board::default(), WallMs::from_utc);
        board.write_symbols(at(1), Some("no symbols".to_owned()));
        board.write_venue(at(2), None);
        let shown = || board.trouble().map(|it| (it.why, it.since));
        let symbols = Some(("no symbols".to_owned(), at(1)));
        assert_eq!((shown(), board.venue().is_some()), (symbols.clone(), true));
        board.write_venue(at(3), Some("no orders".to_owned()));
        assert_eq!(shown(), Some(("no orders".to_owned(), at(3))));
        board.write_venue(at(4), None);
        board.write_asked();
        assert_eq!((shown(), board.venue()), (symbols, None), "it trades on");
        board.write_symbols(at(5), None);
        assert_eq!(shown(), None);
    }
}
