//! Counts restarts, compares them with the budget, and computes delays.

use super::super::event::{Announcement, Outcome, Seat, Timer};
use super::super::rules::{OnGiveUp, Settings, Strategy};
use super::{Phase, Policy};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Restarts that count, by time and by child. An operation costs only a few comparisons: a thousand
/// children of one supervisor may fail at the same moment.
#[derive(Debug)]
pub(super) struct Counted<K> {
    /// By time, then in the order of arrival.
    all: BTreeMap<(Duration, u64), K>,
    by: BTreeMap<K, BTreeSet<(Duration, u64)>>,
    /// Children by number of restarts.
    most: BTreeSet<(usize, K)>,
    next: u64,
}

impl<K> Default for Counted<K> {
    fn default() -> Counted<K> {
        let (all, by, most) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Counted { all, by, most, next: 0 }
    }
}

impl<K: Copy + Ord> Counted<K> {
    /// Adds a restart. `at` must not be before earlier ones.
    pub(super) fn add(&mut self, at: Duration, of: K) {
        let key = (at, self.next);
        self.next += 1;
        self.all.insert(key, of);
        self.change(of, |own| own.insert(key));
    }

    /// Removes restarts from more than `period` before `now`.
    pub(super) fn expire(&mut self, now: Duration, period: Duration) {
        while let Some(first) = self.all.first_entry() {
            let key = *first.key();
            if now.saturating_sub(key.0) <= period {
                return;
            }
            let of = first.remove();
            self.change(of, |own| own.remove(&key));
        }
    }

    /// Removes the restarts of one child.
    pub(super) fn forget(&mut self, of: K) {
        let own = self.by.remove(&of).unwrap_or_default();
        self.most.remove(&(own.len(), of));
        for key in own {
            self.all.remove(&key);
        }
    }

    /// Number of restarts of one child.
    pub(super) fn count(&self, of: K) -> usize {
        self.by.get(&of).map_or(0, BTreeSet::len)
    }

    /// Number of all restarts.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Times of all restarts.
    pub(super) fn times(&self) -> Vec<Duration> {
        self.all.keys().map(|(at, _)| *at).collect()
    }

    /// Times of the restarts of the child that has most.
    pub(super) fn times_of_most(&self) -> Vec<Duration> {
        let own = self.most.last().and_then(|(_, of)| self.by.get(of));
        own.map_or(Vec::new(), |own| own.iter().map(|(at, _)| *at).collect())
    }

    fn change(&mut self, of: K, change: impl FnOnce(&mut BTreeSet<(Duration, u64)>) -> bool) {
        let own = self.by.entry(of).or_default();
        let before = own.len();
        change(own);
        let after = own.len();
        self.most.remove(&(before, of));
        if after == 0 {
            self.by.remove(&of);
        } else {
            self.most.insert((after, of));
        }
    }
}

impl Policy {
    /// Handles a failure that counts.
    pub(super) fn restart_or_give_up(&mut self, seat: Seat, why: String, now: Duration) {
        let child = self.child(seat);
        let (degraded, on_give_up) = (child.degraded, child.rules.on_give_up);
        if !degraded && self.afford(seat, now) {
            self.child(seat).streak += 1;
            let delay = self.delay(seat);
            return self.schedule_restart(seat, delay);
        }
        match on_give_up {
            OnGiveUp::Escalate => {
                self.put(seat, Phase::Down);
                self.announce(seat, Announcement::GaveUp { why: why.clone() });
                self.end(Outcome::GaveUp(seat, why));
            }
            OnGiveUp::Degrade { retry } => self.degrade(seat, why, retry),
        }
    }

    /// Keeps the branch down until its retry. The restarts it used no longer count for its
    /// siblings.
    pub(super) fn degrade(&mut self, seat: Seat, why: String, retry: Duration) {
        self.window.forget(seat);
        let child = self.child(seat);
        child.streak = 0;
        if !std::mem::replace(&mut child.degraded, true) {
            self.announce(seat, Announcement::BranchDown { why, retry });
        }
        self.schedule_restart(seat, retry);
    }

    /// Sets the restart budget from here on. Earlier restarts still count.
    pub fn limit(&mut self, intensity: u32, period: Duration) {
        (self.settings.intensity, self.settings.period) = (intensity, period);
    }

    /// The restarts that count, and the budget. If each child has its own budget, the restarts of
    /// the child that has most.
    pub fn window(&self) -> (Vec<Duration>, Settings) {
        let used = match self.settings.strategy {
            Strategy::Dynamic => self.window.times_of_most(),
            Strategy::OneForOne | Strategy::RestForOne | Strategy::OneForAll | Strategy::Pool => {
                self.window.times()
            }
        };
        (used, self.settings)
    }

    /// Counts a restart and returns whether the budget allows it.
    fn afford(&mut self, seat: Seat, now: Duration) -> bool {
        self.window.add(now, seat);
        self.window.expire(now, self.settings.period);
        let used = match self.settings.strategy {
            Strategy::Dynamic => self.window.count(seat),
            Strategy::OneForOne | Strategy::RestForOne | Strategy::OneForAll | Strategy::Pool => {
                self.window.len()
            }
        };
        used <= self.settings.intensity as usize
    }

    fn delay(&mut self, seat: Seat) -> Duration {
        let Settings { period, intensity, .. } = self.settings;
        let child = self.child(seat);
        let backoff = child.rules.backoff;
        let Some(doublings) = child.streak.checked_sub(2) else { return Duration::ZERO };
        let grown = backoff.first.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX));
        // With a longer delay, failures would be so rare that the budget is never used up.
        grown.min(backoff.max).min(period / intensity.saturating_add(1))
    }

    pub(super) fn schedule_restart(&mut self, seat: Seat, delay: Duration) {
        if delay.is_zero() {
            self.put(seat, Phase::Queued);
        } else {
            self.put(seat, Phase::Waiting);
            self.arm(seat, Timer::Retry, delay);
        }
        let group = match self.settings.strategy {
            Strategy::OneForOne | Strategy::Dynamic | Strategy::Pool => return,
            Strategy::RestForOne => seat,
            Strategy::OneForAll => {
                self.sweeping = true;
                Seat(0)
            }
        };
        // Children that had ended restart with their group.
        let finished: Vec<Seat> = (self.children.range(group..))
            .filter(|(_, child)| matches!(child.phase, Phase::Down | Phase::Requested))
            .map(|(seat, _)| *seat)
            .collect();
        for seat in finished {
            self.put(seat, Phase::Queued);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::cmp::Ordering;

    thread_local! {
        static LOOKS: Cell<u64> = const { Cell::new(0) };
    }

    /// A key that counts its comparisons.
    #[derive(Clone, Copy, Debug)]
    struct Looked(u64);

    impl Ord for Looked {
        fn cmp(&self, other: &Looked) -> Ordering {
            LOOKS.set(LOOKS.get() + 1);
            self.0.cmp(&other.0)
        }
    }

    impl PartialOrd for Looked {
        fn partial_cmp(&self, other: &Looked) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    impl PartialEq for Looked {
        fn eq(&self, other: &Looked) -> bool {
            self.cmp(other) == Ordering::Equal
        }
    }

    impl Eq for Looked {}

    /// Counts comparisons while each of `children` children fails five times and is then stopped.
    fn looks(children: u64) -> u64 {
        let (mut counted, period) = (Counted::default(), Duration::from_secs(10));
        let before = LOOKS.get();
        for round in 0..5 {
            for child in 0..children {
                let now = Duration::from_millis(round);
                counted.add(now, Looked(child));
                counted.expire(now, period);
                let shown = counted.times_of_most().len() as u64;
                assert_eq!((counted.count(Looked(child)) as u64, shown), (round + 1, round + 1));
            }
        }
        for child in 0..children {
            counted.forget(Looked(child));
            assert_eq!(counted.count(Looked(child)), 0);
        }
        assert_eq!((counted.len(), counted.times_of_most().len()), (0, 0));
        LOOKS.get() - before
    }

    #[test]
    fn that_many_fail_at_once_costs_each_about_what_it_costs_one_of_few() {
        let (few, many) = (looks(40), looks(320));
        assert!(many < few * 8 * 3, "{few} looks at 40 children, {many} at 320");
    }

    #[test]
    fn the_one_that_has_most_is_shown_and_what_is_old_is_forgotten() {
        let (mut counted, s) = (Counted::default(), Duration::from_secs);
        for (at, of) in [(1, 'a'), (2, 'b'), (2, 'b'), (3, 'a'), (4, 'a')] {
            counted.add(s(at), of);
        }
        assert_eq!(counted.times_of_most(), [s(1), s(3), s(4)]);
        counted.expire(s(11), s(10));
        assert_eq!(counted.len(), 5, "one exactly a period old counts");
        counted.expire(s(12), s(10));
        assert_eq!((counted.count('a'), counted.count('b')), (2, 2));
        counted.expire(s(13), s(10));
        assert_eq!(counted.times_of_most(), [s(3), s(4)]);
        counted.forget('a');
        assert_eq!((counted.times(), counted.times_of_most()), (Vec::new(), Vec::new()));
    }
}
