//! What a supervisor does, as a pure state machine: (event, now) → actions.
//!
//! It knows no actor and no clock, and holds every rule of supervision. It is based on three ideas.
//!
//! - A child *needs a start* when it is queued or waits for its delay. The next action follows from
//!   which children are alive and which need a start. There is no plan that could become stale.
//! - In `RestForOne`, no child after one that needs a start may be alive. In `OneForAll`, no child
//!   may be alive after one has failed, until all have ended. Such children are stopped, the last
//!   one first. Only then is the first child in need started. First start, group restart and retry
//!   follow this one rule.
//! - A *requested* start is not such a need. It affects no other child and uses no budget. Only the
//!   caller sees its failure.
//!
//! Invariants: at most one instance of a child is alive. While ending, nothing is started. `End`
//! comes once, when nothing is alive. An event of a replaced instance changes nothing.
//!
//! `requests` handles requests at run time, and `child_events` applies events to one child.
//! `restart_decision` counts restarts. `next_action` finds the next starts and stops.

mod child_events;
mod next_action;
mod requests;
mod restart_decision;

use super::event::{Action, Announcement, ChildView, Event, Outcome, Seat, State, Timer};
use super::rules::{Rules, Settings};
use restart_decision::Counted;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No instance, and none is due.
    Down,
    /// Its start was requested.
    Requested,
    /// Its start is due.
    Queued,
    /// Its start is due after a delay.
    Waiting,
    Starting,
    Running,
    Stopping,
}

/// A request for a child that is not done yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Nothing,
    /// Start for the first time. A failure removes it from the list.
    Add,
    /// Start again. A failure leaves it without an instance.
    Restart,
    /// End its instance.
    Terminate,
    /// End its instance and remove it from the list.
    Remove,
}

struct Child {
    id: Arc<str>,
    rules: Rules,
    /// Rules that apply from the next start on.
    next_rules: Option<Rules>,
    phase: Phase,
    asked: Asked,
    generation: u64,
    /// Number of instances that were up under earlier supervisors, and under this one.
    earlier: u32,
    ups: u32,
    up_since: Duration,
    injected: u32,
    /// Number of failures without a healthy time between them.
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

/// The rules of one supervisor as a state machine.
pub struct Policy {
    settings: Settings,
    children: BTreeMap<Seat, Child>,
    seats: BTreeMap<Arc<str>, Seat>,
    next: u64,
    mode: Mode,
    /// Time at which all living children are killed.
    kill_at: Option<Duration>,
    /// `OneForAll`: all children are being stopped.
    sweeping: bool,
    /// Restarts within the period that count.
    window: Counted<Seat>,
    /// Seats by phase, so that the cost of a step does not depend on the number of children.
    alive: BTreeSet<Seat>,
    requested: BTreeSet<Seat>,
    queued: BTreeSet<Seat>,
    waiting: BTreeSet<Seat>,
    starting: BTreeSet<Seat>,
    /// Alive and not requested to stop yet.
    unasked: BTreeSet<Seat>,
    out: Vec<Action>,
}

impl Policy {
    /// A supervisor that has not begun, with children in this order.
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
            unasked: BTreeSet::new(),
            out: Vec::new(),
        };
        for (id, rules) in children {
            let seat = policy.seat(id, rules);
            policy.put(seat, Phase::Queued);
        }
        policy
    }

    /// Continues from the child's view under an earlier instance of this supervisor. Its counts go
    /// on, and a branch that counted as down still does.
    pub fn remember(&mut self, seat: Seat, past: ChildView) {
        let child = self.child(seat);
        (child.earlier, child.injected) = (past.ups, past.injected);
        (child.last_failure, child.degraded) = (past.last_failure, past.down);
    }

    /// The listed children in the order of their start.
    pub fn list(&self) -> impl Iterator<Item = (Seat, &Arc<str>)> {
        self.children.iter().map(|(seat, child)| (*seat, &child.id))
    }

    /// View of the child; `None` if it is not listed.
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

    /// Handles an event and returns the actions to perform. `now` never decreases.
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
            asked: Asked::Nothing,
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

    /// Whether this is the current instance of the child, starting or alive.
    pub fn is_alive(&self, seat: Seat, generation: u64) -> bool {
        self.is_current(seat, generation) && self.alive.contains(&seat)
    }

    fn put(&mut self, seat: Seat, phase: Phase) {
        self.child(seat).phase = phase;
        let unasked = matches!(phase, Phase::Starting | Phase::Running);
        let sets = [
            (&mut self.requested, phase == Phase::Requested),
            (&mut self.queued, phase == Phase::Queued),
            (&mut self.waiting, phase == Phase::Waiting),
            (&mut self.starting, phase == Phase::Starting),
            (&mut self.unasked, unasked),
            (&mut self.alive, unasked || phase == Phase::Stopping),
        ];
        for (set, member) in sets {
            if member {
                set.insert(seat);
            } else {
                set.remove(&seat);
            }
        }
    }

    fn announce(&mut self, seat: Seat, news: Announcement) {
        self.out.push(Action::Announce(seat, news));
    }

    fn arm(&mut self, seat: Seat, timer: Timer, after: Duration) {
        let generation = self.child(seat).generation;
        self.out.push(Action::Arm(seat, generation, timer, after));
    }

    fn forget(&mut self, seat: Seat) {
        self.put(seat, Phase::Down);
        self.announce(seat, Announcement::Removed);
        self.out.push(Action::Forget(seat));
        if let Some(child) = self.children.remove(&seat) {
            self.seats.remove(&child.id);
        }
    }
}

#[cfg(test)]
mod tests;
