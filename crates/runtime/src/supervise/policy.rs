//! What a supervisor does, as a pure state machine: (event, now) → actions.
//!
//! It knows no actor and no clock, and holds every rule of supervision. Three ideas carry it.
//!
//! - A child *needs a start* when it is queued or waits for its delay. What comes next follows from
//!   which children are alive and which need a start; there is no plan that could go stale.
//! - In `RestForOne` nothing may live behind a child that needs a start; in `OneForAll` nothing may
//!   live once one has failed, until all are gone. Whoever lives there is stopped, the last one
//!   first, and only then the first in need is started. First start, group restart and retry are
//!   this one rule.
//! - A start that was *requested* is none of these needs: it touches nobody else, costs nothing,
//!   and a failure of it is the asker's.
//!
//! Invariants: at most one instance of a child is alive; nothing is started while ending; `End`
//! comes once, when nothing is alive; an event of an instance that was replaced changes nothing.
//!
//! `requests` is what people and programs ask at run time, `ends` what events do to one child,
//! `budget` the arithmetic of restarts, `next` what follows from where everybody stands.

mod child_events;
mod requests;
mod restart_budget;
mod start_stop_order;

use super::event::{Action, Announcement, ChildView, Event, Outcome, Seat, State, Timer};
use super::rules::{Rules, Settings};
use restart_budget::Counted;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No instance, and none to come.
    Down,
    /// Its start was asked for.
    Requested,
    /// Due to be started again.
    Queued,
    /// To be started again after a delay.
    Waiting,
    Starting,
    Running,
    Stopping,
}

/// What was asked of a child and is not done yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Nothing,
    /// To be up for the first time; a failure takes it off the list.
    Add,
    /// To be up again; a failure leaves it without an instance.
    Restart,
    /// To have no instance.
    Terminate,
    /// To be listed no more.
    Remove,
}

struct Child {
    id: Arc<str>,
    rules: Rules,
    /// In force from the next start on.
    next_rules: Option<Rules>,
    phase: Phase,
    asked: Asked,
    generation: u64,
    /// How often it has been up under earlier supervisors, and under this one.
    earlier: u32,
    ups: u32,
    up_since: Duration,
    injected: u32,
    /// Failures without a healthy time between them.
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
    window: Counted<Seat>,
    /// Seats by phase, so that a step costs the same however many there are.
    alive: BTreeSet<Seat>,
    requested: BTreeSet<Seat>,
    queued: BTreeSet<Seat>,
    waiting: BTreeSet<Seat>,
    starting: BTreeSet<Seat>,
    /// Alive and not yet asked to stop.
    unasked: BTreeSet<Seat>,
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

    /// Says how the child did under an earlier instance of this supervisor: what is counted of it
    /// goes on from there, and a branch that was down is still.
    pub fn remember(&mut self, seat: Seat, past: ChildView) {
        let child = self.child(seat);
        (child.earlier, child.injected) = (past.ups, past.injected);
        (child.last_failure, child.degraded) = (past.last_failure, past.down);
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

    /// The rules of a child, those of its next start where they were replaced.
    pub fn rules(&self, seat: Seat) -> Option<&Rules> {
        let child = self.children.get(&seat)?;
        Some(child.next_rules.as_ref().unwrap_or(&child.rules))
    }

    /// Takes what happened and says what is to be done. `now` never decreases.
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

    /// Whether this is the instance the child has, or is to have.
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

    fn tell(&mut self, seat: Seat, news: Announcement) {
        self.out.push(Action::Tell(seat, news));
    }

    fn arm(&mut self, seat: Seat, timer: Timer, after: Duration) {
        let generation = self.child(seat).generation;
        self.out.push(Action::Arm(seat, generation, timer, after));
    }

    fn forget(&mut self, seat: Seat) {
        self.put(seat, Phase::Down);
        self.tell(seat, Announcement::Removed);
        self.out.push(Action::Forget(seat));
        if let Some(child) = self.children.remove(&seat) {
            self.seats.remove(&child.id);
        }
    }
}

#[cfg(test)]
mod tests;
