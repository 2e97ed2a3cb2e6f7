//! The venue's request weight: a counter over fixed windows of the clock, not sliding ones.
//!
//! The venue's own count, told in its answers, is the truth: others behind the same address spend
//! the same budget. A part is kept for cancels and queries about orders, so that a flood of history
//! never stands in the way of finding out what became of an order.

use crate::domain::time::UtcMs;
use std::collections::VecDeque;

/// Width of the window, milliseconds.
pub const WINDOW: UtcMs = 60_000;
/// Weight a window allows until the venue tells its own value.
pub const DEFAULT_LIMIT: u32 = 6_000;
/// Share of the window that only urgent requests may use, in percent.
const RESERVE_PERCENT: u32 = 20;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Orders, cancels, and finding out what became of them: may use the reserve.
    Urgent,
    /// Everything else.
    Normal,
}

/// How long to wait, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitMs(pub u64);

/// The counter. Times are UTC milliseconds of the clock the venue's windows are aligned to.
#[derive(Clone, Debug)]
pub struct WeightLimit {
    limit: u32,
    window: i64,
    used: u32,
    blocked_until: UtcMs,
}

impl Default for WeightLimit {
    fn default() -> Self {
        WeightLimit { limit: DEFAULT_LIMIT, window: i64::MIN, used: 0, blocked_until: UtcMs::MIN }
    }
}

impl WeightLimit {
    /// Takes over the weight the venue allows a window; zero is not believed.
    pub fn set_limit(&mut self, limit: u32) {
        if limit > 0 {
            self.limit = limit;
        }
    }

    /// Books `weight` and lets the request go, or says how long to wait. One request heavier than
    /// the whole share is let go in an untouched window: waiting would not help it.
    ///
    /// # Errors
    /// The time until the window ends or the venue's own ban is over.
    pub fn admit(&mut self, now: UtcMs, weight: u32, priority: Priority) -> Result<(), WaitMs> {
        self.roll(now);
        if now < self.blocked_until {
            return Err(wait(self.blocked_until - now));
        }
        let share = match priority {
            Priority::Urgent => self.limit,
            Priority::Normal => self.limit - self.limit / 100 * RESERVE_PERCENT,
        };
        let after = self.used.saturating_add(weight);
        if after > share && self.used > 0 {
            return Err(wait(WINDOW - now.rem_euclid(WINDOW)));
        }
        self.used = after;
        Ok(())
    }

    /// Takes over the venue's own count of the window, told by the answer to a request sent at
    /// `sent`. A count that may belong to the window before is not believed.
    pub fn observe(&mut self, sent: UtcMs, now: UtcMs, used: u32) {
        self.roll(now);
        if sent.div_euclid(WINDOW) != self.window {
            return;
        }
        // Answers overtake each other; within a window the count only rises.
        self.used = self.used.max(used);
    }

    /// The venue refused for too many requests: nothing leaves before the wait is over.
    pub fn block(&mut self, now: UtcMs, for_ms: u64) {
        let end = now.saturating_add(i64::try_from(for_ms).unwrap_or(i64::MAX));
        self.blocked_until = self.blocked_until.max(end);
    }

    /// Weight used in the window of `now`.
    pub fn used(&mut self, now: UtcMs) -> u32 {
        self.roll(now);
        self.used
    }

    fn roll(&mut self, now: UtcMs) {
        let window = now.div_euclid(WINDOW);
        if window != self.window {
            self.window = window;
            self.used = 0;
        }
    }
}

fn wait(ms: UtcMs) -> WaitMs {
    WaitMs(u64::try_from(ms).unwrap_or(0).max(1))
}

/// Connections opened lately, at most so many in so long: venues ban an address that opens too many
/// (Binance: 300 in 5 minutes).
#[derive(Clone, Debug, Default)]
pub struct ConnectionLimit {
    opened: VecDeque<UtcMs>,
}

/// Connections opened in [`CONNECTIONS_MS`] at most: two thirds of what the venue takes, for others
/// behind the same address.
pub const CONNECTIONS: usize = 200;
/// See [`CONNECTIONS`], milliseconds.
pub const CONNECTIONS_MS: i64 = 300_000;

impl ConnectionLimit {
    /// Books a connection, or says how long to wait.
    ///
    /// # Errors
    /// The time until the oldest one counts no more.
    pub fn admit(&mut self, now: UtcMs) -> Result<(), WaitMs> {
        while self.opened.front().is_some_and(|at| now.saturating_sub(*at) >= CONNECTIONS_MS) {
            self.opened.pop_front();
        }
        if self.opened.len() >= CONNECTIONS {
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

    fn limit(limit: u32) -> WeightLimit {
        let mut it = WeightLimit::default();
        it.set_limit(limit);
        it
    }

    #[test]
    fn windows_are_fixed_and_the_reserve_is_kept() {
        let mut it = limit(100);
        assert_eq!(it.admit(59_000, 80, Priority::Normal), Ok(()));
        assert_eq!(it.admit(59_001, 1, Priority::Normal), Err(WaitMs(999)));
        assert_eq!(it.admit(59_001, 20, Priority::Urgent), Ok(()));
        assert_eq!(it.admit(59_999, 1, Priority::Urgent), Err(WaitMs(1)));
        assert_eq!(it.admit(60_000, 80, Priority::Normal), Ok(()), "the minute begins anew");
    }

    #[test]
    fn the_venue_counts_and_a_ban_holds() {
        let mut it = limit(100);
        it.observe(-1, 900, 99);
        it.observe(900, 1_000, 79);
        it.observe(901, 1_001, 12);
        assert_eq!(it.used(1_002), 79);
        assert_eq!(it.admit(1_002, 2, Priority::Normal), Err(WaitMs(58_998)));
        it.block(1_003, 120_000);
        assert_eq!(it.admit(61_003, 1, Priority::Urgent), Err(WaitMs(60_000)));
        assert_eq!(it.admit(121_003, 1, Priority::Urgent), Ok(()));
        it.block(121_004, u64::MAX);
        assert!(it.admit(i64::MAX - 1, 1, Priority::Urgent).is_err());
    }

    #[test]
    fn connections_are_counted_over_the_last_minutes() {
        let mut it = ConnectionLimit::default();
        for i in 0..200 {
            assert_eq!(it.admit(i * 10), Ok(()));
        }
        assert_eq!(it.admit(2_000), Err(WaitMs(298_000)));
        assert_eq!(it.admit(299_999), Err(WaitMs(1)));
        assert_eq!(it.admit(300_000), Ok(()));
        assert_eq!(it.admit(300_000), Err(WaitMs(10)));
    }

    #[test]
    fn a_request_heavier_than_the_share_goes_alone() {
        let mut it = limit(10);
        it.set_limit(0);
        assert_eq!(it.admit(0, 50, Priority::Normal), Ok(()));
        assert_eq!(it.admit(1, 1, Priority::Urgent), Err(WaitMs(59_999)));
    }
}
