//! The venue's request weight: a counter over fixed windows of the clock, not sliding ones.
//!
//! The venue reports its own count in its responses, and that count is right. Other programs behind
//! the same address use the same budget, and so did this one before a restart. So the first request
//! is a cheap one: until its response has the count, no other request is sent. The less urgent a
//! request, the smaller the share of the window it may fill. So a flood of history requests never
//! delays a cancel.
//!
//! Orders are counted separately ([`OrderLimit`]). Successful orders cost no weight.
//!
//! Bans, recent connections and recent orders are saved outside the process. A process that
//! restarts during a ban sends nothing. Many restarts in a row open and place no more than one
//! process may.

use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

mod ban;
mod orders;

use ban::{Ban, Gate};
pub use ban::{DOUBT, LONGEST};
pub use orders::{DAY_MS, OrderLimit, OrderWindow, SHORT_MS};

/// Width of the window, milliseconds.
pub const WINDOW: UtcMs = 60_000;
/// Weight of a window until the venue reports its own limit.
pub const DEFAULT_LIMIT: u32 = 6_000;
/// How long to wait for the first response before another request is tried, milliseconds.
const FIRST: UtcMs = 15_000;
/// How long a connection waits for the request that checks a ban, milliseconds.
const TRY: UtcMs = 1_000;
/// Poll interval of requests that wait for the first response, milliseconds.
const LOOK: UtcMs = 1;

/// The purpose of a request, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Cancelling orders.
    Cancel,
    /// Orders that close a position: waiting can only cost more.
    Stop,
    /// Finding the status of orders, and the account.
    Fills,
    /// New orders.
    Entry,
    /// Everything else.
    History,
}

impl Priority {
    /// How full a window may be when such a request is sent, in percent.
    fn share(self) -> u64 {
        match self {
            Priority::Cancel => 100,
            Priority::Stop => 98,
            Priority::Fills => 95,
            Priority::Entry => 90,
            Priority::History => 80,
        }
    }
}

/// The state that the venue counts but reports only when it rejects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// The end of the last ban, UTC milliseconds; zero: there was none.
    pub banned_until: UtcMs,
    /// Times of the connections that still count, UTC milliseconds, oldest first.
    pub connections: VecDeque<UtcMs>,
    /// No order may be sent before this time, UTC milliseconds, after a rejection for too many
    /// orders.
    #[serde(default)]
    pub orders_until: UtcMs,
    /// Orders placed, by window; never fewer than were placed.
    #[serde(default)]
    pub orders: Vec<OrderWindow>,
}

/// How durable a note is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// It survives a power failure.
    Synced,
    /// It survives only the process. A machine restarts more slowly than the counts expire, and the
    /// request need not wait for the disk.
    Quick,
}

/// Saves the counts.
pub type WriteNote = dyn Fn(&Spent, Care) + Send + Sync;

/// The counts of earlier processes, and how to save them for later ones.
#[derive(Clone)]
pub struct Note {
    /// The state that was saved before.
    pub before: Spent,
    /// Saves the current state.
    pub write: Arc<WriteNote>,
}

impl Default for Note {
    /// Saves nothing.
    fn default() -> Self {
        Note { before: Spent::default(), write: Arc::new(|_, _| ()) }
    }
}

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Note").field("before", &self.before).finish_non_exhaustive()
    }
}

/// A wait, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitMs(pub u64);

/// Why a request may not be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// First query the venue's count, by a request of weight 1.
    Ask,
    /// Wait this long.
    Wait(WaitMs),
}

/// The counter. Times are UTC milliseconds of the clock the venue's windows are aligned to.
#[derive(Clone, Debug)]
pub struct WeightLimit {
    limit: u32,
    window: i64,
    used: u32,
    ban: Ban,
    count: Count,
}

/// Whether the venue has reported its count to this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Count {
    Unknown,
    /// A request sent at this time will return the count.
    Asked(UtcMs),
    Known,
}

impl Default for WeightLimit {
    fn default() -> Self {
        WeightLimit {
            limit: DEFAULT_LIMIT,
            window: i64::MIN,
            used: 0,
            ban: Ban::noted(UtcMs::MIN),
            count: Count::Unknown,
        }
    }
}

impl WeightLimit {
    /// A counter that admits nothing before `until`, UTC milliseconds. `times` is the factor of the
    /// venue's limits. Earlier processes may have spent more than the usual limit, and the venue
    /// reports that count before its limit.
    #[must_use]
    pub fn after(until: UtcMs, times: usize) -> WeightLimit {
        let times = u32::try_from(times.max(1)).unwrap_or(u32::MAX);
        let limit = DEFAULT_LIMIT.saturating_mul(times);
        WeightLimit { limit, ban: Ban::noted(until), ..WeightLimit::default() }
    }

    /// Sets the venue's limit for a window. Zero is ignored.
    pub fn set_limit(&mut self, limit: u32) {
        if limit > 0 {
            self.limit = limit;
        }
    }

    /// Books `weight` and admits the request, or returns how long to wait. A request heavier than
    /// the whole share is admitted in an unused window, since waiting would not help. In a long
    /// ban, one of weight 1 is sent now and then to check it.
    ///
    /// # Errors
    /// The venue's count is not known yet, or the time until the window or the venue's ban ends.
    pub fn admit(&mut self, now: UtcMs, weight: u32, priority: Priority) -> Result<(), Hold> {
        self.roll(now);
        match self.ban.gate(now) {
            Gate::Open => {}
            Gate::Wait(wait) => return Err(Hold::Wait(wait)),
            Gate::Probe if weight == 1 => self.ban.probe(),
            Gate::Probe => return Err(Hold::Ask),
        }
        match self.count {
            Count::Asked(at) if now.saturating_sub(at) < FIRST => {
                return Err(Hold::Wait(wait(LOOK)));
            }
            Count::Unknown | Count::Asked(_) if weight > 1 => return Err(Hold::Ask),
            Count::Unknown | Count::Asked(_) | Count::Known => {}
        }
        let after = self.used.saturating_add(weight);
        let full = u64::from(after) * 100 > u64::from(self.limit) * priority.share();
        if full && self.used > 0 {
            return Err(Hold::Wait(wait(WINDOW - now.rem_euclid(WINDOW))));
        }
        self.used = after;
        if self.count != Count::Known {
            self.count = Count::Asked(now);
        }
        Ok(())
    }

    /// Adopts the venue's count of the window, from the response to a request sent at `sent`. A
    /// count that may belong to the previous window is ignored.
    pub fn observe(&mut self, sent: UtcMs, now: UtcMs, used: u32) {
        self.roll(now);
        self.count = Count::Known;
        if sent.div_euclid(WINDOW) != self.window {
            return;
        }
        // Responses may overtake each other. Within a window, the count only rises.
        self.used = self.used.max(used);
    }

    /// The venue responds without a count, so only our count remains.
    pub fn uncounted(&mut self) {
        self.count = Count::Known;
    }

    /// A request ended without a count. If it was the first, another may be sent.
    pub fn unobserved(&mut self) {
        if let Count::Asked(_) = self.count {
            self.count = Count::Unknown;
        }
    }

    /// The venue rejected a request for too many: nothing is sent before the wait ends.
    pub fn block(&mut self, now: UtcMs, for_ms: u64) {
        self.ban.block(now, for_ms);
    }

    /// Whether anything may be sent, whatever its weight.
    ///
    /// # Errors
    /// The time until the ban ends or is checked.
    pub fn silent(&mut self, now: UtcMs) -> Result<(), WaitMs> {
        match self.ban.gate(now) {
            Gate::Open => Ok(()),
            Gate::Wait(wait) => Err(wait),
            Gate::Probe => Err(wait(TRY)),
        }
    }

    /// The venue accepted a request. Returns whether that ended a ban.
    pub fn passed(&mut self) -> bool {
        self.ban.passed()
    }

    /// Ends a ban by command of an operator.
    pub fn clear(&mut self) {
        self.ban.clear();
    }

    /// The end of the ban and the time of the next request, UTC milliseconds; none if there is no
    /// ban.
    #[must_use]
    pub fn banned(&self, now: UtcMs) -> Option<(UtcMs, UtcMs)> {
        Some((self.ban.until(), self.ban.next_attempt(now)?))
    }

    /// The end of the last such wait, UTC milliseconds.
    #[must_use]
    pub fn blocked_until(&self) -> UtcMs {
        self.ban.until()
    }

    /// Weight used in the window of `now`.
    pub fn used(&mut self, now: UtcMs) -> u32 {
        self.roll(now);
        self.used
    }

    /// Whether the venue has reported its count to this process.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.count == Count::Known
    }

    /// Share of the window's budget that is used, 0 to 1.
    pub fn used_share(&mut self, now: UtcMs) -> f64 {
        f64::from(self.used(now)) / f64::from(self.limit.max(1))
    }

    fn roll(&mut self, now: UtcMs) {
        let window = now.div_euclid(WINDOW);
        if window != self.window {
            self.window = window;
            self.used = 0;
        }
    }
}

/// The end of a wait that begins now.
fn end_of(now: UtcMs, for_ms: u64) -> UtcMs {
    now.saturating_add(i64::try_from(for_ms).unwrap_or(i64::MAX))
}

fn wait(ms: UtcMs) -> WaitMs {
    WaitMs(u64::try_from(ms).unwrap_or(0).max(1))
}

/// Recent connections: at most a number in a period. Venues reject an address that opens too many
/// (300 in 5 minutes). Times are those of [`WeightLimit`].
#[derive(Clone, Debug)]
pub struct ConnectionLimit {
    most: usize,
    opened: VecDeque<UtcMs>,
}

/// Maximum connections in [`CONNECTIONS_MS`]: two thirds of the venue's limit, since others may use
/// the same address.
pub const CONNECTIONS: usize = 200;
/// See [`CONNECTIONS`], milliseconds.
pub const CONNECTIONS_MS: i64 = 300_000;

impl ConnectionLimit {
    /// The limit of a whole process. Earlier processes `opened` these connections. `times` is the
    /// factor of the venue's limits.
    #[must_use]
    pub fn after(opened: VecDeque<UtcMs>, times: usize) -> ConnectionLimit {
        ConnectionLimit { most: CONNECTIONS.saturating_mul(times.max(1)), opened }
    }

    /// Times of the connections that still counted at the last booking, UTC milliseconds.
    #[must_use]
    pub fn opened(&self) -> &VecDeque<UtcMs> {
        &self.opened
    }

    /// The limit of one `of` several connections, so that one that fails repeatedly leaves the
    /// others their share.
    #[must_use]
    pub fn share(of: usize) -> ConnectionLimit {
        ConnectionLimit { most: (CONNECTIONS / of.max(1)).max(2), opened: VecDeque::new() }
    }

    /// Books a connection, or returns how long to wait.
    ///
    /// # Errors
    /// The time until the oldest one no longer counts.
    pub fn admit(&mut self, now: UtcMs) -> Result<(), WaitMs> {
        // The clock may have been set back. That must not make the wait longer.
        self.opened.iter_mut().for_each(|at| *at = (*at).min(now));
        while self.opened.front().is_some_and(|at| now.saturating_sub(*at) >= CONNECTIONS_MS) {
            self.opened.pop_front();
        }
        if self.opened.len() >= self.most {
            let oldest = self.opened.front().copied().unwrap_or(now);
            return Err(wait(oldest.saturating_add(CONNECTIONS_MS).saturating_sub(now)));
        }
        self.opened.push_back(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(ms: u64) -> Result<(), Hold> {
        Err(Hold::Wait(WaitMs(ms)))
    }

    fn limit(limit: u32) -> WeightLimit {
        let mut it = WeightLimit::default();
        it.set_limit(limit);
        it.observe(-WINDOW, 0, 0);
        it
    }

    #[test]
    fn windows_are_fixed_and_the_reserve_is_kept() {
        let mut it = limit(100);
        assert_eq!(it.admit(59_000, 80, Priority::History), Ok(()));
        assert_eq!(it.admit(59_001, 1, Priority::History), held(999));
        assert_eq!(it.admit(59_001, 10, Priority::Entry), Ok(()));
        assert_eq!(it.admit(59_001, 1, Priority::Entry), held(999));
        assert_eq!(it.admit(59_001, 5, Priority::Fills), Ok(()));
        assert_eq!(it.admit(59_001, 1, Priority::Fills), held(999));
        assert_eq!(it.admit(59_001, 3, Priority::Stop), Ok(()));
        assert_eq!(it.admit(59_001, 1, Priority::Stop), held(999));
        assert_eq!(it.admit(59_001, 2, Priority::Cancel), Ok(()));
        assert_eq!(it.admit(59_999, 1, Priority::Cancel), held(1));
        assert_eq!(it.admit(60_000, 80, Priority::History), Ok(()), "the minute begins anew");
    }

    #[test]
    fn the_first_request_goes_alone_until_the_venue_has_reported_its_count() {
        let mut it = WeightLimit::default();
        assert_eq!(it.admit(1_000, 20, Priority::Fills), Err(Hold::Ask));
        assert_eq!(it.admit(1_000, 1, Priority::Fills), Ok(()));
        assert_eq!(it.admit(1_001, 0, Priority::Cancel), held(1));
        it.observe(1_000, 1_100, 5_990);
        assert_eq!(it.admit(1_101, 20, Priority::Fills), held(58_899));
        assert_eq!(it.admit(60_000, 20, Priority::Fills), Ok(()));

        let mut it = WeightLimit::default();
        assert_eq!(it.admit(1_000, 1, Priority::History), Ok(()));
        it.unobserved();
        assert_eq!(it.admit(1_001, 1, Priority::History), Ok(()), "the first one failed");
        assert_eq!(it.admit(16_000, 1, Priority::History), held(1));
        assert_eq!(it.admit(16_001, 1, Priority::History), Ok(()), "or it hangs");
    }

    #[test]
    fn a_ban_of_an_earlier_process_holds() {
        let mut it = WeightLimit::after(5_000, 1);
        assert_eq!(it.admit(1_000, 1, Priority::Cancel), held(4_000));
        assert_eq!(it.admit(5_000, 1, Priority::Cancel), Ok(()));
    }

    #[test]
    fn what_was_spent_at_a_fast_venue_holds_no_next_process_up() {
        for (times, held_up) in [(1, true), (10, false), (usize::MAX, false)] {
            let mut it = WeightLimit::after(0, times);
            it.observe(1_000, 1_100, 7_000);
            assert_eq!(it.admit(1_101, 20, Priority::History).is_err(), held_up, "{times}");
        }
    }

    #[test]
    fn the_venue_counts_and_a_ban_holds() {
        let mut it = limit(100);
        it.observe(-1, 900, 99);
        it.observe(900, 1_000, 79);
        it.observe(901, 1_001, 12);
        assert_eq!(it.used(1_002), 79);
        assert_eq!(it.admit(1_002, 2, Priority::History), held(58_998));
        it.block(1_003, 120_000);
        assert_eq!(it.blocked_until(), 121_003);
        assert_eq!(it.admit(61_003, 1, Priority::Cancel), held(60_000));
        assert_eq!(it.admit(121_003, 1, Priority::Cancel), Ok(()));
        it.block(121_004, u64::MAX);
        assert_eq!(it.blocked_until(), 121_004 + LONGEST);
        assert_eq!(it.admit(241_004, 20, Priority::Fills), Err(Hold::Ask), "it is looked first");
        assert_eq!(it.admit(241_004, 1, Priority::Fills), Ok(()));
        assert!(it.admit(241_005, 1, Priority::Cancel).is_err());
        assert!(it.passed());
        assert_eq!(it.admit(241_006, 1, Priority::Cancel), Ok(()));
    }

    #[test]
    fn connections_are_counted_over_the_last_minutes() {
        let mut it = ConnectionLimit::after(VecDeque::new(), 1);
        for i in 0..200 {
            assert_eq!(it.admit(i * 10), Ok(()));
        }
        assert_eq!(it.admit(2_000), Err(WaitMs(298_000)));
        assert_eq!(it.admit(299_999), Err(WaitMs(1)));
        assert_eq!(it.admit(300_000), Ok(()));
        assert_eq!(it.admit(300_000), Err(WaitMs(10)));
        let mut next = ConnectionLimit::after(it.opened().clone(), 1);
        assert_eq!(next.admit(300_000), Err(WaitMs(10)), "another process");
        assert_eq!(ConnectionLimit::after(it.opened().clone(), 2).admit(300_000), Ok(()));
        assert_eq!(it.admit(9), Err(WaitMs(300_000)), "the clock was set back");
        assert_eq!(it.admit(300_009), Ok(()));
        let mut share = ConnectionLimit::share(50);
        assert!((0..4).all(|at| share.admit(at).is_ok()));
        assert_eq!(share.admit(4), Err(WaitMs(299_996)));
        let mut least = ConnectionLimit::share(1_000);
        assert!((0..2).all(|at| least.admit(at).is_ok()) && least.admit(2).is_err());
    }

    #[test]
    fn a_request_heavier_than_the_share_goes_alone() {
        let mut it = limit(10);
        it.set_limit(0);
        assert_eq!(it.admit(0, 50, Priority::History), Ok(()));
        assert_eq!(it.admit(1, 1, Priority::Cancel), held(59_999));
    }
}
