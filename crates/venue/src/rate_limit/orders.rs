//! The venue's order limits: unfilled orders in windows of 10 s and of a day, fixed like those of
//! the weight.
//!
//! Responses to orders have the venue's own count. It is right once no order is in flight, since
//! fills have returned their slots by then. While orders are in flight, responses may overtake each
//! other and miss later orders. So meanwhile they can only raise our count. An order without a
//! response stays counted.
//!
//! The counts are saved ahead, in steps of a twentieth of a limit. So a killed process leaves a
//! count that is never too low, and most orders write nothing. But the count may be too high, by up
//! to a step for each process in a window. So a process that finds a window half full queries the
//! venue before it trades ([`OrderLimit::is_in_doubt`]).

use super::ban::{Ban, Gate};
use super::{Priority, TRY, WaitMs, wait};
use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};

/// Width of the window that the venue calls `10S`, milliseconds.
pub const SHORT_MS: UtcMs = 10_000;
/// Width of the window that the venue calls `1D`, milliseconds.
pub const DAY_MS: UtcMs = 86_400_000;
/// Extra time after a full window, milliseconds. Our clock and the venue's differ slightly, and an
/// order at the border would count in the old window.
const MARGIN: UtcMs = 250;
/// Maximum number of writes for a full window.
const STEPS: u32 = 20;
/// A limit that the venue has not reported.
const UNKNOWN: u32 = u32::MAX;

/// The saved state of one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderWindow {
    /// Its width, milliseconds.
    pub width: UtcMs,
    /// Orders that the venue accepts in it.
    pub limit: u32,
    /// Its number, counted from 1970.
    pub number: i64,
    /// Orders counted in it.
    pub used: u32,
}

#[derive(Clone, Debug)]
struct Window {
    it: OrderWindow,
    /// The highest count reported since no order was in flight, and whether a response had no
    /// count.
    most: u32,
    doubt: bool,
    /// The count that was saved.
    noted: u32,
    /// Whether the count still comes from earlier processes.
    inherited: bool,
    closed_until: UtcMs,
}

impl Window {
    fn of(it: OrderWindow) -> Window {
        let (noted, closed_until) = (it.used, UtcMs::MIN);
        Window { it, most: 0, doubt: false, noted, inherited: it.used > 0, closed_until }
    }

    fn fresh(width: UtcMs) -> Window {
        Window::of(OrderWindow { width, limit: UNKNOWN, number: i64::MIN, used: 0 })
    }

    /// Whether one more order is too many for `priority`.
    fn is_full(&self, priority: Priority) -> bool {
        let after = u64::from(self.it.used) + 1;
        self.it.used > 0 && after * 100 > u64::from(self.it.limit) * priority.share()
    }

    fn roll(&mut self, now: UtcMs, flying: u32) {
        let number = now.div_euclid(self.it.width);
        if number == self.it.number {
            return;
        }
        if self.is_full(Priority::Entry) {
            self.closed_until = number.saturating_mul(self.it.width).saturating_add(MARGIN);
        }
        // Orders in flight may arrive in this window.
        (self.it.number, self.it.used, self.noted) = (number, flying, 0);
        (self.most, self.doubt, self.inherited) = (0, flying > 0, false);
    }

    /// How long an order must wait, milliseconds.
    fn left(&self, now: UtcMs, priority: Priority) -> UtcMs {
        let closed = self.closed_until.saturating_sub(now).max(0);
        if !self.is_full(priority) {
            return closed;
        }
        closed.max(self.it.width - now.rem_euclid(self.it.width) + MARGIN)
    }

    /// Sets the venue's count while no order is in flight.
    fn settle(&mut self, count: u32) {
        (self.it.used, self.inherited) = (count, false);
    }

    /// The smallest count to save that has room for a few more orders.
    fn ahead(&self) -> u32 {
        let step = if self.it.limit == UNKNOWN { 1 } else { (self.it.limit / STEPS).max(1) };
        self.it.used.div_ceil(step).saturating_mul(step)
    }
}

/// The counter. Times are those of [`super::WeightLimit`].
#[derive(Clone, Debug)]
pub struct OrderLimit {
    windows: Vec<Window>,
    /// Orders without a response yet.
    flying: u32,
    ban: Ban,
}

impl OrderLimit {
    /// A counter that continues from the saved counts and admits nothing before `until`, UTC
    /// milliseconds.
    #[must_use]
    pub fn after(noted: &[OrderWindow], until: UtcMs) -> OrderLimit {
        let noted = noted.iter().filter(|window| window.width > 0).copied();
        let mut windows: Vec<Window> = noted.map(Window::of).collect();
        for width in [SHORT_MS, DAY_MS] {
            if windows.iter().all(|window| window.it.width != width) {
                windows.push(Window::fresh(width));
            }
        }
        OrderLimit { windows, flying: 0, ban: Ban::noted(until) }
    }

    /// Sets the venue's limit for windows of `width` milliseconds. Zero is ignored.
    pub fn set_limit(&mut self, width: UtcMs, limit: u32) {
        if width <= 0 || limit == 0 {
            return;
        }
        if self.windows.iter().all(|window| window.it.width != width) {
            self.windows.push(Window::fresh(width));
        }
        for window in self.windows.iter_mut().filter(|window| window.it.width == width) {
            window.it.limit = limit;
        }
    }

    /// Books an order to be sent, or returns how long to wait.
    ///
    /// # Errors
    /// The time until every window has room and the venue's wait is over.
    pub fn admit(&mut self, now: UtcMs, priority: Priority) -> Result<(), WaitMs> {
        self.roll(now);
        let blocked = match self.ban.gate(now) {
            Gate::Open => 0,
            Gate::Wait(wait) => i64::try_from(wait.0).unwrap_or(i64::MAX),
            // An order that closes a position checks the wait.
            Gate::Probe if priority <= Priority::Stop => 0,
            Gate::Probe => TRY,
        };
        let left = self.windows.iter().map(|window| window.left(now, priority)).max().unwrap_or(0);
        if blocked.max(left) > 0 {
            return Err(wait(blocked.max(left)));
        }
        if self.ban.gate(now) == Gate::Probe {
            self.ban.probe();
        }
        self.flying += 1;
        for window in &mut self.windows {
            window.it.used = window.it.used.saturating_add(1);
        }
        Ok(())
    }

    /// An order sent at `sent` is no longer in flight. `counts`: the counts of its response, by
    /// window width. A count that may belong to the previous window is ignored.
    pub fn landed(&mut self, sent: UtcMs, now: UtcMs, counts: &[(UtcMs, u32)]) {
        self.roll(now);
        self.flying = self.flying.saturating_sub(1);
        for window in &mut self.windows {
            let OrderWindow { width, number, .. } = window.it;
            let count =
                counts.iter().find(|(of, _)| *of == width && sent.div_euclid(*of) == number);
            match count {
                Some((_, count)) => {
                    window.most = window.most.max(*count);
                    window.it.used = window.it.used.max(*count);
                }
                None => window.doubt = true,
            }
            if self.flying == 0 {
                if !window.doubt {
                    window.settle(window.most);
                }
                (window.most, window.doubt) = (0, false);
            }
        }
    }

    /// Whether saved counts of earlier processes alone fill half of a window or more.
    pub fn is_in_doubt(&mut self, now: UtcMs) -> bool {
        self.roll(now);
        let half = |it: &OrderWindow| u64::from(it.used) * 2 >= u64::from(it.limit);
        self.windows.iter().any(|window| window.inherited && half(&window.it))
    }

    /// Adopts the venue's counts by window width, queried at `asked`. They must be saved, too.
    /// While orders are in flight, they are ignored.
    pub fn counted(&mut self, asked: UtcMs, now: UtcMs, counts: &[(UtcMs, u32)]) {
        self.roll(now);
        for window in self.windows.iter_mut().filter(|_| self.flying == 0) {
            let OrderWindow { width, number, .. } = window.it;
            let count =
                counts.iter().find(|(of, _)| *of == width && asked.div_euclid(*of) == number);
            if let Some((_, count)) = count {
                window.settle(*count);
                window.noted = window.ahead();
            }
        }
    }

    /// The venue rejected an order for too many: none is sent before the wait ends.
    pub fn block(&mut self, now: UtcMs, for_ms: u64) {
        self.ban.block(now, for_ms.min(DAY_MS.unsigned_abs()));
    }

    /// The venue accepted an order. Returns whether that ended a wait.
    pub fn passed(&mut self) -> bool {
        self.ban.passed()
    }

    /// Ends a wait by command of an operator.
    pub fn clear(&mut self) {
        self.ban.clear();
    }

    /// The end of the wait and the next time for an order that closes a position, UTC milliseconds;
    /// none if nothing waits.
    #[must_use]
    pub fn banned(&self, now: UtcMs) -> Option<(UtcMs, UtcMs)> {
        Some((self.ban.until(), self.ban.next_attempt(now)?))
    }

    /// The end of the last such wait, UTC milliseconds.
    #[must_use]
    pub fn blocked_until(&self) -> UtcMs {
        self.ban.until()
    }

    /// The counts to save, never lower than the real ones.
    #[must_use]
    pub fn noted(&self) -> Vec<OrderWindow> {
        self.windows.iter().map(|window| OrderWindow { used: window.noted, ..window.it }).collect()
    }

    /// Whether a count exceeds the saved one. If so, it raises the count to save.
    pub fn is_to_be_noted(&mut self) -> bool {
        let mut any = false;
        for window in self.windows.iter_mut().filter(|window| window.it.used > window.noted) {
            window.noted = window.ahead();
            any = true;
        }
        any
    }

    fn roll(&mut self, now: UtcMs) {
        for window in &mut self.windows {
            window.roll(now, self.flying);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A counter with this limit for 10 s.
    fn limit(limit: u32) -> OrderLimit {
        let mut it = OrderLimit::after(&[], 0);
        it.set_limit(SHORT_MS, limit);
        it.set_limit(DAY_MS, 200_000);
        it
    }

    /// Places orders, each with this count in its response.
    fn placed(it: &mut OrderLimit, now: UtcMs, orders: u32, count: u32) {
        for _ in 0..orders {
            assert_eq!(it.admit(now, Priority::Stop), Ok(()));
        }
        for _ in 0..orders {
            it.landed(now, now, &[(SHORT_MS, count), (DAY_MS, count)]);
        }
    }

    #[test]
    fn windows_are_fixed_and_exits_have_a_reserve() {
        let mut it = limit(100);
        placed(&mut it, 5_000, 90, 90);
        assert_eq!(it.admit(5_001, Priority::Entry), Err(WaitMs(4_999 + 250)));
        placed(&mut it, 5_001, 8, 98);
        assert_eq!(it.admit(9_999, Priority::Stop), Err(WaitMs(1 + 250)));
        assert_eq!(it.admit(10_000, Priority::Stop), Err(WaitMs(250)), "clocks differ by a bit");
        assert_eq!(it.admit(10_250, Priority::Entry), Ok(()));
    }

    #[test]
    fn nothing_is_held_before_the_venue_has_reported_its_limits() {
        let mut it = OrderLimit::after(&[], 0);
        it.set_limit(SHORT_MS, 0);
        assert!((0..1_000).all(|_| it.admit(1, Priority::Entry).is_ok()));
        it.set_limit(SHORT_MS, 1_000);
        assert!(it.admit(1, Priority::Entry).is_err(), "they were counted");
        let mut alone = limit(1);
        assert_eq!(alone.admit(1, Priority::Entry), Ok(()), "the first of a window always may");
        assert!(alone.admit(1, Priority::Stop).is_err());
    }

    #[test]
    fn the_day_counts_too() {
        let mut it = limit(100);
        it.set_limit(DAY_MS, 10);
        assert_eq!(it.admit(0, Priority::Entry), Ok(()));
        it.landed(0, 1, &[(SHORT_MS, 1), (DAY_MS, 9)]);
        assert_eq!(it.admit(20_000, Priority::Entry), Err(WaitMs(86_380_250)));
        assert_eq!(it.admit(86_400_250, Priority::Entry), Ok(()));
    }

    #[test]
    fn the_venue_counts_and_fills_give_their_slots_back() {
        let mut it = limit(10);
        placed(&mut it, 1_000, 9, 0);
        placed(&mut it, 1_001, 9, 3);
        assert_eq!(it.windows[0].it.used, 3, "the venue's count where nothing is on its way");
        for _ in 0..2 {
            assert_eq!(it.admit(1_002, Priority::Entry), Ok(()));
        }
        it.landed(1_002, 1_003, &[(SHORT_MS, 5), (DAY_MS, 5)]);
        assert_eq!(it.windows[0].it.used, 5);
        it.landed(1_002, 1_004, &[(SHORT_MS, 4), (DAY_MS, 4)]);
        assert_eq!(it.windows[0].it.used, 5, "an answer that was overtaken reports too little");
        assert_eq!(it.admit(1_005, Priority::Entry), Ok(()));
        it.landed(1_005, 1_006, &[]);
        assert_eq!(it.windows[0].it.used, 6, "what has no answer stays counted");
        placed(&mut it, 1_007, 1, 9);
        assert_eq!(it.admit(1_008, Priority::Stop), Err(WaitMs(8_992 + 250)), "of others, too");
    }

    #[test]
    fn a_hundred_processes_that_place_one_order_each_do_not_fill_the_day() {
        let (mut noted, mut asked) = (Vec::new(), 0);
        for placed in 0..100 {
            let now = 1_000 + i64::from(placed);
            let mut it = OrderLimit::after(&noted, 0);
            it.set_limit(SHORT_MS, 100);
            it.set_limit(DAY_MS, 200_000);
            if it.is_in_doubt(now) {
                asked += 1;
                // The fills of the others have returned their slots.
                it.counted(now, now, &[(SHORT_MS, 2), (DAY_MS, placed)]);
                assert!(!it.is_in_doubt(now));
            }
            assert_eq!(it.admit(now, Priority::Entry), Ok(()), "process {placed}");
            it.is_to_be_noted();
            noted = it.noted();
        }
        assert!((5..=20).contains(&asked), "the venue was asked {asked} times");
    }

    #[test]
    fn a_count_is_believed_of_its_window_and_while_nothing_is_on_its_way() {
        let noted = OrderWindow { width: SHORT_MS, limit: 100, number: 0, used: 90 };
        let mut it = OrderLimit::after(&[noted], 0);
        assert!(it.is_in_doubt(9_000));
        it.counted(9_000, 9_001, &[(DAY_MS, 7)]);
        assert!(it.is_in_doubt(9_001), "the count of this window was not reported");
        assert_eq!(it.admit(9_001, Priority::Stop), Ok(()));
        it.counted(9_002, 9_003, &[(SHORT_MS, 3), (DAY_MS, 7)]);
        assert!(it.is_in_doubt(9_003), "the order may not be in it");
        it.landed(9_001, 9_004, &[(SHORT_MS, 4), (DAY_MS, 8)]);
        assert_eq!(it.windows[0].it.used, 4);
        assert!(!it.is_in_doubt(9_004));
        it.counted(9_999, 10_001, &[(SHORT_MS, 90)]);
        assert_eq!(it.windows[0].it.used, 0, "that was the window before");
        let mut later = OrderLimit::after(&[noted], 0);
        assert!(!later.is_in_doubt(10_000));
    }

    #[test]
    fn what_is_on_its_way_over_the_border_counts_behind_it() {
        let mut it = limit(10);
        for _ in 0..3 {
            assert_eq!(it.admit(9_990, Priority::Entry), Ok(()));
        }
        assert_eq!(it.admit(10_010, Priority::Entry), Ok(()));
        assert_eq!(it.windows[0].it.used, 4);
        it.landed(9_990, 10_020, &[(SHORT_MS, 900), (DAY_MS, 4)]);
        assert_eq!(it.windows[0].it.used, 4, "that was the window before");
    }

    #[test]
    fn a_refusal_is_waited_for_and_a_restart_knows_all_of_it() {
        let mut it = limit(100);
        it.block(1_000, 7_000);
        assert_eq!(it.admit(2_000, Priority::Stop), Err(WaitMs(6_000)));
        let mut next = OrderLimit::after(&it.noted(), it.blocked_until());
        assert_eq!(next.admit(7_999, Priority::Stop), Err(WaitMs(1)));
        let mut notes = 0;
        for _ in 0..87 {
            assert_eq!(it.admit(8_000, Priority::Entry), Ok(()));
            notes += usize::from(it.is_to_be_noted());
        }
        assert_eq!(notes, 18, "not with each order");
        let mut next = OrderLimit::after(&it.noted(), 0);
        assert_eq!(next.admit(8_001, Priority::Entry), Err(WaitMs(1_999 + 250)));
        assert_eq!(next.admit(8_001, Priority::Stop), Ok(()));
        assert_eq!(next.admit(10_250, Priority::Entry), Ok(()));
    }
}
