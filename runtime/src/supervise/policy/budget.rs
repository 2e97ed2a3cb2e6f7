//! The arithmetic of restarts: what is counted, what it allows, how long is waited.

use super::super::event::{News, Outcome, Seat, Timer};
use super::super::spec::{OnGiveUp, Settings, Strategy};
use super::{Phase, Policy};
use std::time::Duration;

impl Policy {
    /// A failure that counts.
    pub(super) fn fail(&mut self, seat: Seat, why: String, now: Duration) {
        let child = self.child(seat);
        let (degraded, on_give_up) = (child.degraded, child.rules.on_give_up);
        if !degraded && self.afford(seat, now) {
            self.child(seat).streak += 1;
            let delay = self.delay(seat);
            return self.start_again(seat, delay);
        }
        match on_give_up {
            OnGiveUp::Escalate => {
                self.put(seat, Phase::Down);
                self.tell(seat, News::GaveUp { why: why.clone() });
                self.end(Outcome::GaveUp(seat, why));
            }
            OnGiveUp::Degrade { retry } => self.degrade(seat, why, retry),
        }
    }

    /// Keeps the branch down; what it used of the budget is given back to its siblings.
    pub(super) fn degrade(&mut self, seat: Seat, why: String, retry: Duration) {
        self.window.retain(|(_, of)| *of != seat);
        let child = self.child(seat);
        child.streak = 0;
        if !std::mem::replace(&mut child.degraded, true) {
            self.tell(seat, News::BranchDown { why, retry });
        }
        self.start_again(seat, retry);
    }

    /// Allows this many restarts within such a period from here on. What was counted counts.
    pub fn limit(&mut self, intensity: u32, period: Duration) {
        (self.settings.intensity, self.settings.period) = (intensity, period);
    }

    /// The restarts that count, and what is allowed: of the child that has most, where each has a
    /// budget of its own.
    pub fn window(&self) -> (Vec<Duration>, Settings) {
        let of = |seat: Seat| self.window.iter().filter(move |(_, of)| *of == seat);
        let used = match self.settings.strategy {
            Strategy::Dynamic => {
                let most = self.window.iter().map(|(_, seat)| *seat).max_by_key(|s| of(*s).count());
                most.map_or(Vec::new(), |seat| of(seat).map(|(at, _)| *at).collect())
            }
            Strategy::OneForOne | Strategy::RestForOne | Strategy::OneForAll | Strategy::Pool => {
                self.window.iter().map(|(at, _)| *at).collect()
            }
        };
        (used, self.settings)
    }

    /// Counts a restart; whether the budget allows it.
    fn afford(&mut self, seat: Seat, now: Duration) -> bool {
        let period = self.settings.period;
        self.window.push_back((now, seat));
        while self.window.front().is_some_and(|(at, _)| now.saturating_sub(*at) > period) {
            self.window.pop_front();
        }
        let used = match self.settings.strategy {
            Strategy::Dynamic => self.window.iter().filter(|(_, of)| *of == seat).count(),
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
        // A longer delay would thin the failures out so far that the budget is never used up.
        grown.min(backoff.max).min(period / intensity.saturating_add(1))
    }

    pub(super) fn start_again(&mut self, seat: Seat, delay: Duration) {
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
        // Those that had finished come back with their group.
        let finished: Vec<Seat> = (self.children.range(group..))
            .filter(|(_, child)| matches!(child.phase, Phase::Down | Phase::Requested))
            .map(|(seat, _)| *seat)
            .collect();
        for seat in finished {
            self.put(seat, Phase::Queued);
        }
    }
}
