//! What a supervisor does, as a pure state machine: (event, now) → actions.
//!
//! It knows no actor and no clock, and holds every rule of supervision. Two ideas carry it.
//!
//! - A child *needs a start* when it is queued or waits for its delay. What comes next follows from
//!   which children are alive and which need a start; there is no plan that could go stale.
//! - In `RestForOne` nothing may live behind a child that needs a start; in `OneForAll` nothing may
//!   live once one has failed, until all are gone. Whoever lives there is stopped, the last one
//!   first, and only then the first in need is started. First start, group restart and retry are
//!   this one rule.
//!
//! Invariants: at most one instance of a child is alive; nothing is started while ending; `End`
//! comes once, when nothing is alive; an event of an instance that was replaced changes nothing.

use super::event::{Action, ChildView, Event, News, Outcome, RequestError, Seat, State, Timer};
use super::exit::{Exit, StartError};
use super::spec::{OnGiveUp, Restart, Rules, Settings, Shutdown, Strategy};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Down,
    Queued,
    Waiting,
    Starting,
    Running,
    Stopping,
}

struct Child {
    id: Arc<str>,
    rules: Rules,
    phase: Phase,
    generation: u64,
    /// How often it has been up.
    ups: u32,
    up_since: Duration,
    injected: u32,
    /// Failures without a healthy time between them.
    streak: u32,
    degraded: bool,
    /// Added at run time and not up yet: a failed start removes it.
    requested: bool,
    leaving: bool,
    last_failure: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
enum Mode {
    Booting,
    Running,
    Ending(Outcome),
    Ended,
}

/// The rules of one supervisor, applied.
pub struct Policy {
    settings: Settings,
    children: BTreeMap<Seat, Child>,
    seats: BTreeMap<Arc<str>, Seat>,
    next: u64,
    mode: Mode,
    /// Everything alive is killed at this time.
    kill_at: Option<Duration>,
    /// `OneForAll`: all are being brought down.
    sweeping: bool,
    /// Counted restarts within the period.
    window: VecDeque<(Duration, Seat)>,
    /// Seats by phase, so that a step costs the same however many there are.
    alive: BTreeSet<Seat>,
    queued: BTreeSet<Seat>,
    waiting: BTreeSet<Seat>,
    starting: BTreeSet<Seat>,
    out: Vec<Action>,
}

impl Policy {
    /// A supervisor that has not begun, over children in this order.
    pub fn new(
        settings: Settings,
        children: impl IntoIterator<Item = (Arc<str>, Rules)>,
    ) -> Policy {
        let mut policy = Policy {
            settings,
            children: BTreeMap::new(),
            seats: BTreeMap::new(),
            next: 0,
            mode: Mode::Booting,
            kill_at: None,
            sweeping: false,
            window: VecDeque::new(),
            alive: BTreeSet::new(),
            queued: BTreeSet::new(),
            waiting: BTreeSet::new(),
            starting: BTreeSet::new(),
            out: Vec::new(),
        };
        for (id, rules) in children {
            policy.seat(id, rules, false);
        }
        policy
    }

    /// Says that the branch was down under an earlier instance of this supervisor.
    pub fn remember_down(&mut self, seat: Seat) {
        self.child(seat).degraded = true;
    }

    /// The listed children in the order of their start.
    pub fn list(&self) -> impl Iterator<Item = (Seat, &Arc<str>)> {
        self.children.iter().map(|(seat, child)| (*seat, &child.id))
    }

    /// How the child is doing; `None` when it is not listed.
    pub fn view(&self, seat: Seat) -> Option<ChildView> {
        let child = self.children.get(&seat)?;
        let state = match child.phase {
            Phase::Down => State::Stopped,
            Phase::Waiting if child.degraded => State::Down,
            Phase::Queued | Phase::Waiting => State::Backoff,
            Phase::Starting => State::Starting,
            Phase::Running => State::Running,
            Phase::Stopping => State::Stopping,
        };
        Some(ChildView {
            state,
            restarts: child.ups.saturating_sub(1),
            injected: child.injected,
            last_failure: child.last_failure.clone(),
            down: child.degraded,
        })
    }

    /// Takes what happened and says what is to be done. `now` never decreases.
    pub fn on(&mut self, event: Event, now: Duration) -> Vec<Action> {
        match event {
            Event::Started(seat, generation) if self.is_alive(seat, generation) => {
                self.started(seat, now);
            }
            Event::StartFailed(seat, generation, error) if self.is_alive(seat, generation) => {
                self.start_failed(seat, error, now);
            }
            Event::Exited(seat, generation, exit) if self.is_alive(seat, generation) => {
                self.exited(seat, exit, now);
            }
            Event::Timer(seat, generation, timer) if self.is_current(seat, generation) => {
                self.timer(seat, timer, now);
            }
            Event::Begin
            | Event::Started(..)
            | Event::StartFailed(..)
            | Event::Exited(..)
            | Event::Timer(..) => {}
            Event::Stop(by) => self.stop(by, now),
        }
        self.advance(now)
    }

    /// Lists another child and starts it when its turn comes.
    ///
    /// # Errors
    /// The id is taken, or the supervisor is stopping.
    pub fn add(
        &mut self,
        id: Arc<str>,
        rules: Rules,
        now: Duration,
    ) -> Result<(Seat, Vec<Action>), RequestError> {
        self.serving()?;
        if self.seats.contains_key(&id) {
            return Err(RequestError::AlreadyPresent);
        }
        let seat = self.seat(id, rules, true);
        Ok((seat, self.advance(now)))
    }

    /// Stops the child by its own rule and lists it no more; `Forget` says that it is done.
    ///
    /// # Errors
    /// There is no such child, or the supervisor is stopping.
    pub fn remove(&mut self, id: &str, now: Duration) -> Result<(Seat, Vec<Action>), RequestError> {
        let seat = self.find(id)?;
        let child = self.child(seat);
        child.leaving = true;
        match child.phase {
            Phase::Down | Phase::Queued | Phase::Waiting => self.forget(seat),
            Phase::Starting | Phase::Running | Phase::Stopping => self.ask_to_stop(seat, now),
        }
        Ok((seat, self.advance(now)))
    }

    /// Starts a child at once that waits for its delay; nothing else changes.
    ///
    /// # Errors
    /// There is no such child, or the supervisor is stopping.
    pub fn retry(&mut self, id: &str, now: Duration) -> Result<Vec<Action>, RequestError> {
        let seat = self.find(id)?;
        if self.child(seat).phase == Phase::Waiting {
            self.put(seat, Phase::Queued);
        }
        Ok(self.advance(now))
    }

    fn seat(&mut self, id: Arc<str>, rules: Rules, requested: bool) -> Seat {
        let seat = Seat(self.next);
        self.next += 1;
        let child = Child {
            id: id.clone(),
            rules,
            phase: Phase::Down,
            generation: 0,
            ups: 0,
            up_since: Duration::ZERO,
            injected: 0,
            streak: 0,
            degraded: false,
            requested,
            leaving: false,
            last_failure: None,
        };
        self.children.insert(seat, child);
        self.seats.insert(id, seat);
        self.put(seat, Phase::Queued);
        seat
    }

    fn serving(&self) -> Result<(), RequestError> {
        match self.mode {
            Mode::Booting | Mode::Running => Ok(()),
            Mode::Ending(_) | Mode::Ended => Err(RequestError::NotRunning),
        }
    }

    fn find(&self, id: &str) -> Result<Seat, RequestError> {
        self.serving()?;
        self.seats.get(id).copied().ok_or(RequestError::NotFound)
    }

    fn child(&mut self, seat: Seat) -> &mut Child {
        self.children.get_mut(&seat).expect("only listed seats are passed around")
    }

    fn is_current(&self, seat: Seat, generation: u64) -> bool {
        self.children.get(&seat).is_some_and(|child| child.generation == generation)
    }

    fn is_alive(&self, seat: Seat, generation: u64) -> bool {
        self.is_current(seat, generation) && self.alive.contains(&seat)
    }

    fn put(&mut self, seat: Seat, phase: Phase) {
        self.child(seat).phase = phase;
        let sets = [
            (&mut self.queued, phase == Phase::Queued),
            (&mut self.waiting, phase == Phase::Waiting),
            (&mut self.starting, phase == Phase::Starting),
            (&mut self.alive, matches!(phase, Phase::Starting | Phase::Running | Phase::Stopping)),
        ];
        for (set, member) in sets {
            if member {
                set.insert(seat);
            } else {
                set.remove(&seat);
            }
        }
    }

    fn tell(&mut self, seat: Seat, news: News) {
        self.out.push(Action::Tell(seat, news));
    }

    fn arm(&mut self, seat: Seat, timer: Timer, after: Duration) {
        let generation = self.child(seat).generation;
        self.out.push(Action::Arm(seat, generation, timer, after));
    }

    fn forget(&mut self, seat: Seat) {
        self.put(seat, Phase::Down);
        self.tell(seat, News::Removed);
        self.out.push(Action::Forget(seat));
        if let Some(child) = self.children.remove(&seat) {
            self.seats.remove(&child.id);
        }
        self.window.retain(|(_, of)| *of != seat);
    }
}

/// What events do to one child.
impl Policy {
    fn started(&mut self, seat: Seat, now: Duration) {
        let child = self.child(seat);
        child.up_since = now;
        if child.phase != Phase::Starting {
            return;
        }
        child.ups += 1;
        child.requested = false;
        let (restarts, degraded) = (child.ups - 1, child.degraded);
        let healthy = child.rules.backoff.healthy;
        self.put(seat, Phase::Running);
        self.tell(seat, News::Started { restarts });
        if degraded {
            self.arm(seat, Timer::Healthy, healthy);
        }
    }

    fn start_failed(&mut self, seat: Seat, error: StartError, now: Duration) {
        if self.child(seat).phase == Phase::Stopping || self.is_swept(seat) {
            return self.stopped(seat);
        }
        self.tell(seat, News::StartFailed { error: error.clone() });
        let child = self.child(seat);
        let (first, requested) = (child.ups == 0, child.requested);
        child.last_failure = Some(error.why.clone());
        if error.injected {
            child.injected += 1;
            let delay = child.rules.backoff.first;
            self.start_again(seat, delay);
        } else if requested {
            self.forget(seat);
        } else if first && self.mode == Mode::Booting {
            self.put(seat, Phase::Down);
            self.end(Outcome::StartFailed(error));
        } else {
            self.fail(seat, error.why, now);
        }
    }

    fn exited(&mut self, seat: Seat, exit: Exit, now: Duration) {
        let asked = self.child(seat).phase == Phase::Stopping || self.is_swept(seat);
        let child = self.child(seat);
        let uptime = now.saturating_sub(child.up_since);
        let (rules, restarts) = (child.rules, child.ups.saturating_sub(1));
        if uptime >= rules.backoff.healthy {
            child.streak = 0;
        }
        if exit.is_injected() {
            child.injected += 1;
        }
        if !matches!(exit, Exit::Normal(_)) && !asked {
            child.last_failure = Some(exit.to_string());
        }
        let why = exit.to_string();
        let (normal, injected) = (exit.is_normal(), exit.is_injected());
        let gave_up = matches!(exit, Exit::GaveUp(_));
        self.tell(seat, News::Exited { exit, uptime, restarts, asked });
        if asked {
            return self.stopped(seat);
        }
        match (rules.restart, rules.on_give_up) {
            (Restart::Temporary, _) => self.forget(seat),
            (Restart::Transient, _) if normal => self.put(seat, Phase::Down),
            (Restart::Permanent | Restart::Transient, _) if injected => {
                self.start_again(seat, Duration::ZERO);
            }
            (Restart::Permanent | Restart::Transient, OnGiveUp::Degrade { retry }) if gave_up => {
                self.degrade(seat, why, retry);
            }
            (Restart::Permanent | Restart::Transient, _) => self.fail(seat, why, now),
        }
    }

    /// An instance that was asked to stop is gone.
    fn stopped(&mut self, seat: Seat) {
        let child = self.child(seat);
        let (leaving, restart) = (child.leaving, child.rules.restart);
        match self.mode {
            Mode::Ending(_) | Mode::Ended => self.put(seat, Phase::Down),
            Mode::Booting | Mode::Running if leaving || restart == Restart::Temporary => {
                self.forget(seat);
            }
            Mode::Booting | Mode::Running => self.put(seat, Phase::Queued),
        }
    }

    fn timer(&mut self, seat: Seat, timer: Timer, now: Duration) {
        match (timer, self.child(seat).phase) {
            (Timer::StartLimit, Phase::Starting) => {
                self.out.push(Action::Stop(seat));
                self.arm_deadline(seat, now);
            }
            (Timer::StopDeadline, Phase::Starting | Phase::Running | Phase::Stopping) => {
                self.out.push(Action::Kill(seat));
            }
            (Timer::Retry, Phase::Waiting) => self.put(seat, Phase::Queued),
            (Timer::Healthy, Phase::Running) if self.child(seat).degraded => {
                self.child(seat).degraded = false;
                self.tell(seat, News::BranchUp);
            }
            (
                Timer::StartLimit | Timer::StopDeadline | Timer::Retry | Timer::Healthy,
                Phase::Down
                | Phase::Queued
                | Phase::Waiting
                | Phase::Starting
                | Phase::Running
                | Phase::Stopping,
            ) => {}
        }
    }

    /// A failure that counts.
    fn fail(&mut self, seat: Seat, why: String, now: Duration) {
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
    fn degrade(&mut self, seat: Seat, why: String, retry: Duration) {
        self.window.retain(|(_, of)| *of != seat);
        let child = self.child(seat);
        child.streak = 0;
        if !std::mem::replace(&mut child.degraded, true) {
            self.tell(seat, News::BranchDown { why, retry });
        }
        self.start_again(seat, retry);
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
            Strategy::OneForOne | Strategy::RestForOne | Strategy::OneForAll => self.window.len(),
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

    fn start_again(&mut self, seat: Seat, delay: Duration) {
        if delay.is_zero() {
            self.put(seat, Phase::Queued);
        } else {
            self.put(seat, Phase::Waiting);
            self.arm(seat, Timer::Retry, delay);
        }
        let group = match self.settings.strategy {
            Strategy::OneForOne | Strategy::Dynamic => return,
            Strategy::RestForOne => seat,
            Strategy::OneForAll => {
                self.sweeping = true;
                Seat(0)
            }
        };
        // Those that had finished come back with their group.
        let finished: Vec<Seat> = (self.children.range(group..))
            .filter(|(_, child)| child.phase == Phase::Down)
            .map(|(seat, _)| *seat)
            .collect();
        for seat in finished {
            self.put(seat, Phase::Queued);
        }
    }
}

/// What comes next.
impl Policy {
    fn stop(&mut self, by: Option<Duration>, now: Duration) {
        self.end(Outcome::Stopped);
        if let Some(by) = by {
            self.kill_at = Some(self.kill_at.map_or(by, |at| at.min(by)));
            if let Some(&last) = self.alive.last() {
                self.arm_deadline(last, now);
            }
        }
    }

    /// Ends for the first reason given.
    fn end(&mut self, outcome: Outcome) {
        if self.serving().is_ok() {
            self.mode = Mode::Ending(outcome);
            let unborn: Vec<Seat> = self.queued.union(&self.waiting).copied().collect();
            for seat in unborn {
                self.put(seat, Phase::Down);
            }
        }
    }

    fn advance(&mut self, now: Duration) -> Vec<Action> {
        match &self.mode {
            Mode::Ending(outcome) => {
                if let Some(&last) = self.alive.last() {
                    self.ask_to_stop(last, now);
                } else {
                    self.out.push(Action::End(outcome.clone()));
                    self.mode = Mode::Ended;
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
            }
        }
        std::mem::take(&mut self.out)
    }

    /// The first seat from which on nothing may live.
    fn barrier(&self) -> Option<Seat> {
        match self.settings.strategy {
            Strategy::OneForOne | Strategy::Dynamic => None,
            Strategy::RestForOne => self.first_in_need(),
            Strategy::OneForAll => self.sweeping.then_some(Seat(0)),
        }
    }

    fn first_in_need(&self) -> Option<Seat> {
        self.queued.first().into_iter().chain(self.waiting.first()).min().copied()
    }

    /// Whether the child is due to be stopped for another's sake, so that its end is no failure.
    fn is_swept(&self, seat: Seat) -> bool {
        self.barrier().is_some_and(|barrier| barrier <= seat)
    }

    /// Stops who lives behind the barrier, the last one first; true when nobody does.
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

    fn start_due(&mut self) {
        let grouped = match self.settings.strategy {
            Strategy::RestForOne | Strategy::OneForAll => true,
            Strategy::OneForOne | Strategy::Dynamic => false,
        };
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

    /// Whether all have been started, but for branches that are down and what waits for them.
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
        let (generation, limit) = (child.generation, child.rules.start_limit);
        self.out.push(Action::Start(seat, generation));
        self.arm(seat, Timer::StartLimit, limit);
    }

    fn ask_to_stop(&mut self, seat: Seat, now: Duration) {
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

    fn arm_deadline(&mut self, seat: Seat, now: Duration) {
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

#[cfg(test)]
mod tests;
