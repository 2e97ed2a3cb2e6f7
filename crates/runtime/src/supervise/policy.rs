//! The rules of a supervisor as a pure state machine: (event, now) → actions.
//!
//! It uses no actor and no clock, and contains every rule of supervision. It has three ideas.
//!
//! - A child *needs a start* when it is queued or waits for its delay. The next step follows from
//!   the children that are alive and those that need a start. No plan is kept, so none can go stale.
//! - In `RestForOne` no child may be alive behind one that needs a start. In `OneForAll` none may
//!   be alive after a failure, until all have ended. Such children are stopped, the last one first.
//!   Only then the first child in need is started. First start, group restart and retry are this one
//!   rule.
//! - A *requested* start is none of these needs. It touches no other child and costs no budget, and
//!   its failure is returned to the requester.
//!
//! Invariants: at most one instance of a child is alive. Nothing is started while ending. `End`
//! comes once, when nothing is alive. An event of a replaced instance changes nothing.
//!
//! `requests` are changes at run time. `ends` applies events to one child. `budget` counts
//! restarts. `next` computes the next actions.

mod budget;
mod ends;
mod next;
mod requests;

use super::event::{Action, ChildView, Event, News, Outcome, Seat, State, Timer};
use super::rules::{Rules, Settings};
use budget::Counted;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No instance, and no start is planned.
    Down,
    /// Its start was requested.
    Requested,
    /// It is due to be started again.
    Queued,
    /// It is started again after a delay.
    Waiting,
    Starting,
    Running,
    Stopping,
}

/// A pending request about a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    None,
    /// Start it for the first time. A failure takes it off the list.
    Add,
    /// Start it again. A failure leaves it without an instance.
    Restart,
    /// Stop it.
    Terminate,
    /// Stop it and take it off the list.
    Remove,
}

struct Child {
    id: Arc<str>,
    rules: Rules,
    /// Rules that apply from the next start on.
    next_rules: Option<Rules>,
    phase: Phase,
    request: Request,
    generation: u64,
    /// How often it was up under earlier supervisors, and under this one.
    earlier: u32,
    ups: u32,
    up_since: Duration,
    injected: u32,
    /// Failures in a row without a healthy time between them.
    streak: u32,
    degraded: bool,
    last_failure: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
enum Mode {
    Booting,
    Running,
    Ending(Outcome),
    Ended,
}

/// The state machine of one supervisor.
pub struct Policy {
    settings: Settings,
    children: BTreeMap<Seat, Child>,
    seats: BTreeMap<Arc<str>, Seat>,
    next: u64,
    mode: Mode,
    /// The time at which everything alive is killed.
    kill_at: Option<Duration>,
    /// `OneForAll`: all children are being stopped.
    sweeping: bool,
    /// Counted restarts within the period.
    window: Counted<Seat>,
    /// Seats by phase, so that a step costs the same for any number of children.
    alive: BTreeSet<Seat>,
    requested: BTreeSet<Seat>,
    queued: BTreeSet<Seat>,
    waiting: BTreeSet<Seat>,
    starting: BTreeSet<Seat>,
    /// Alive and not stopping yet.
    not_stopping: BTreeSet<Seat>,
    out: Vec<Action>,
}

impl Policy {
    /// A supervisor before its start, with children in this order.
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
            window: Counted::default(),
            alive: BTreeSet::new(),
            requested: BTreeSet::new(),
            queued: BTreeSet::new(),
            waiting: BTreeSet::new(),
            starting: BTreeSet::new(),
            not_stopping: BTreeSet::new(),
            out: Vec::new(),
        };
        for (id, rules) in children {
            let seat = policy.seat(id, rules);
            policy.put(seat, Phase::Queued);
        }
        policy
    }

    /// Restores the counts of a child from an earlier instance of this supervisor. A branch that
    /// was down is still down.
    pub fn remember(&mut self, seat: Seat, past: ChildView) {
        let child = self.child(seat);
        (child.earlier, child.injected) = (past.ups, past.injected);
        (child.last_failure, child.degraded) = (past.last_failure, past.down);
    }

    /// The listed children in the order of their start.
    pub fn list(&self) -> impl Iterator<Item = (Seat, &Arc<str>)> {
        self.children.iter().map(|(seat, child)| (*seat, &child.id))
    }

    /// The view of a child; `None` if it is not listed.
    pub fn view(&self, seat: Seat) -> Option<ChildView> {
        let child = self.children.get(&seat)?;
        let state = match child.phase {
            Phase::Down => State::Stopped,
            Phase::Waiting if child.degraded => State::Down,
            Phase::Queued | Phase::Waiting => State::Backoff,
            Phase::Requested | Phase::Starting => State::Starting,
            Phase::Running => State::Running,
            Phase::Stopping => State::Stopping,
        };
        Some(ChildView {
            state,
            ups: child.earlier + child.ups,
            injected: child.injected,
            last_failure: child.last_failure.clone(),
            down: child.degraded,
        })
    }

    /// The rules of a child. If they were replaced, those of its next start.
    pub fn rules(&self, seat: Seat) -> Option<&Rules> {
        let child = self.children.get(&seat)?;
        Some(child.next_rules.as_ref().unwrap_or(&child.rules))
    }

    /// Handles an event and returns the actions. `now` never decreases.
    pub fn on(&mut self, event: Event, now: Duration) -> Vec<Action> {
        match event {
            Event::Started(seat, generation) if self.is_alive(seat, generation) => {
                self.started(seat, now);
            }
            Event::Ignored(seat, generation) if self.is_alive(seat, generation) => {
                self.ignored(seat);
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
            | Event::Ignored(..)
            | Event::StartFailed(..)
            | Event::Exited(..)
            | Event::Timer(..) => {}
            Event::Stop(by) => self.stop(by, now),
        }
        self.advance(now)
    }

    fn seat(&mut self, id: Arc<str>, rules: Rules) -> Seat {
        let seat = Seat(self.next);
        self.next += 1;
        let child = Child {
            id: id.clone(),
            rules,
            next_rules: None,
            phase: Phase::Down,
            request: Request::None,
            generation: 0,
            earlier: 0,
            ups: 0,
            up_since: Duration::ZERO,
            injected: 0,
            streak: 0,
            degraded: false,
            last_failure: None,
        };
        self.children.insert(seat, child);
        self.seats.insert(id, seat);
        seat
    }

    fn child(&mut self, seat: Seat) -> &mut Child {
        self.children.get_mut(&seat).expect("only listed seats are passed around")
    }

    fn is_current(&self, seat: Seat, generation: u64) -> bool {
        self.children.get(&seat).is_some_and(|child| child.generation == generation)
    }

    /// Whether this is the instance that the child has or is about to have.
    pub fn is_alive(&self, seat: Seat, generation: u64) -> bool {
        self.is_current(seat, generation) && self.alive.contains(&seat)
    }

    fn put(&mut self, seat: Seat, phase: Phase) {
        self.child(seat).phase = phase;
        let not_stopping = matches!(phase, Phase::Starting | Phase::Running);
        let sets = [
            (&mut self.requested, phase == Phase::Requested),
            (&mut self.queued, phase == Phase::Queued),
            (&mut self.waiting, phase == Phase::Waiting),
            (&mut self.starting, phase == Phase::Starting),
            (&mut self.not_stopping, not_stopping),
            (&mut self.alive, not_stopping || phase == Phase::Stopping),
        ];
        for (set, member) in sets {
            if member {
                set.insert(seat);
            } else {
                set.remove(&seat);
            }
        }
    }

    fn report(&mut self, seat: Seat, news: News) {
        self.out.push(Action::Report(seat, news));
    }

    fn arm(&mut self, seat: Seat, timer: Timer, after: Duration) {
        let generation = self.child(seat).generation;
        self.out.push(Action::Arm(seat, generation, timer, after));
    }

    fn forget(&mut self, seat: Seat) {
        self.put(seat, Phase::Down);
        self.report(seat, News::Removed);
        self.out.push(Action::Forget(seat));
        if let Some(child) = self.children.remove(&seat) {
            self.seats.remove(&child.id);
        }
    }
}

#[cfg(test)]
mod tests;
