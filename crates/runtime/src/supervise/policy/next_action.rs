//! Finds the next action from the states of all children: a stop, a start, or the end.

use super::super::event::{Action, Outcome, Seat, Timer};
use super::super::rules::{Shutdown, Strategy};
use super::{Mode, Phase, Policy};
use std::time::Duration;

impl Policy {
    pub(super) fn stop(&mut self, by: Option<Duration>, now: Duration) {
        self.end(Outcome::Stopped);
        if let Some(by) = by {
            self.kill_at = Some(self.kill_at.map_or(by, |at| at.min(by)));
            // Children that are requested to stop later get their deadline then.
            let first = if self.is_pool() { self.alive.first() } else { self.alive.last() };
            let asked: Vec<Seat> =
                first.map_or_else(Vec::new, |first| self.alive.range(first..).copied().collect());
            for seat in asked {
                self.arm_deadline(seat, now);
            }
        }
    }

    fn is_pool(&self) -> bool {
        self.settings.strategy == Strategy::Pool
    }

    /// Ends the supervisor. Only the first outcome counts.
    pub(super) fn end(&mut self, outcome: Outcome) {
        if self.serving().is_ok() {
            self.mode = Mode::Ending(outcome);
            let unborn = self.queued.iter().chain(&self.waiting).chain(&self.requested);
            for seat in unborn.copied().collect::<Vec<_>>() {
                self.put(seat, Phase::Down);
            }
        }
    }

    pub(super) fn advance(&mut self, now: Duration) -> Vec<Action> {
        match &self.mode {
            Mode::Ending(outcome) => {
                if self.alive.is_empty() {
                    self.out.push(Action::End(outcome.clone()));
                    self.mode = Mode::Ended;
                } else if self.is_pool() {
                    while let Some(&seat) = self.unasked.last() {
                        self.ask_to_stop(seat, now);
                    }
                } else if let Some(&last) = self.alive.last() {
                    self.ask_to_stop(last, now);
                }
            }
            Mode::Ended => {}
            Mode::Booting | Mode::Running => {
                if self.clear(now) {
                    self.start_due();
                }
                if self.mode == Mode::Booting && self.has_settled() {
                    self.mode = Mode::Running;
                    self.out.push(Action::Up);
                }
                if self.mode == Mode::Running {
                    self.start_requested();
                }
            }
        }
        std::mem::take(&mut self.out)
    }

    /// The first seat from which on no child may be alive.
    fn barrier(&self) -> Option<Seat> {
        match self.settings.strategy {
            Strategy::OneForOne | Strategy::Dynamic | Strategy::Pool => None,
            Strategy::RestForOne => self.first_in_need(),
            Strategy::OneForAll => self.sweeping.then_some(Seat(0)),
        }
    }

    fn first_in_need(&self) -> Option<Seat> {
        self.queued.first().into_iter().chain(self.waiting.first()).min().copied()
    }

    /// Whether the child must stop because of another one, so that its end is no failure.
    pub(super) fn is_swept(&self, seat: Seat) -> bool {
        self.barrier().is_some_and(|barrier| barrier <= seat)
    }

    /// Stops the last child after the barrier. True if none is alive there.
    fn clear(&mut self, now: Duration) -> bool {
        let Some(barrier) = self.barrier() else { return true };
        let last = self.alive.range(barrier..).next_back().copied();
        if let Some(last) = last {
            self.ask_to_stop(last, now);
        } else {
            self.sweeping = false;
        }
        last.is_none()
    }

    fn is_grouped(&self) -> bool {
        match self.settings.strategy {
            Strategy::RestForOne | Strategy::OneForAll => true,
            Strategy::OneForOne | Strategy::Dynamic | Strategy::Pool => false,
        }
    }

    fn start_due(&mut self) {
        let grouped = self.is_grouped();
        if grouped || self.mode == Mode::Booting {
            let next = if grouped { self.first_in_need() } else { self.queued.first().copied() };
            if let (Some(seat), true) = (next, self.starting.is_empty())
                && self.child(seat).phase == Phase::Queued
            {
                self.start(seat);
            }
        } else {
            while let Some(&seat) = self.queued.first() {
                self.start(seat);
            }
        }
    }

    /// Starts children whose start was requested, unless a group restart includes them.
    fn start_requested(&mut self) {
        while let Some(&seat) = self.requested.first() {
            let waits = match self.settings.strategy {
                Strategy::OneForOne | Strategy::Dynamic | Strategy::Pool => false,
                Strategy::RestForOne => !self.starting.is_empty() || self.is_swept(seat),
                Strategy::OneForAll => !self.starting.is_empty() || self.first_in_need().is_some(),
            };
            if waits {
                break;
            }
            self.start(seat);
        }
    }

    /// Whether all children have been started, except stopped branches and children that wait for
    /// them.
    fn has_settled(&self) -> bool {
        let degraded = |seat: &Seat| self.children[seat].degraded;
        let blocked = self.first_in_need().is_some_and(|first| self.waiting.contains(&first));
        self.starting.is_empty()
            && self.waiting.iter().all(degraded)
            && (self.queued.is_empty() || blocked)
    }

    fn start(&mut self, seat: Seat) {
        self.put(seat, Phase::Starting);
        let child = self.child(seat);
        child.generation += 1;
        child.rules = child.next_rules.take().unwrap_or(child.rules);
        let (generation, limit) = (child.generation, child.rules.start_limit);
        self.out.push(Action::Start(seat, generation));
        self.arm(seat, Timer::StartLimit, limit);
    }

    pub(super) fn ask_to_stop(&mut self, seat: Seat, now: Duration) {
        let child = self.child(seat);
        let shutdown = child.rules.shutdown;
        if child.phase == Phase::Stopping {
            return;
        }
        self.put(seat, Phase::Stopping);
        match shutdown {
            Shutdown::Kill => self.out.push(Action::Kill(seat)),
            Shutdown::Timed(_) | Shutdown::Infinite => {
                self.out.push(Action::Stop(seat));
                self.arm_deadline(seat, now);
            }
        }
    }

    pub(super) fn arm_deadline(&mut self, seat: Seat, now: Duration) {
        let own = match self.child(seat).rules.shutdown {
            Shutdown::Kill => Some(Duration::ZERO),
            Shutdown::Timed(limit) => Some(limit),
            Shutdown::Infinite => None,
        };
        let all = self.kill_at.map(|at| at.saturating_sub(now));
        if let Some(limit) = own.into_iter().chain(all).min() {
            self.arm(seat, Timer::StopDeadline, limit);
        }
    }
}
