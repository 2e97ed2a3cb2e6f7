//! Switches that operators turn on and off while the daemon trades, and their current state.

use super::fact::{Body, BreakerLevel, Operator};
use super::time::UtcMs;
use everwarm_kernel::fact::Fact;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An operator command that stays in force until another one reverses it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Switch {
    /// Stops entries; exits are allowed.
    Halt,
    /// Ends a halt or a flatten.
    Resume,
    /// Stops entries, and sells everything that is held.
    Flatten,
    /// How much a daemon may do after a careful start.
    Safe(SafeStep),
    /// Whether a strategy may open lots. It closes its lots by its rules in any case.
    Strategy {
        /// Its name.
        name: String,
        /// Whether it may enter.
        on: bool,
    },
    /// Whether a branch of the supervision tree runs.
    Process {
        /// Its path in the tree.
        path: String,
        /// Whether it runs.
        on: bool,
    },
    /// Ends a halt or a flatten, and a level after a drawdown: the present equity is its new peak.
    NewPeak,
}

impl Switch {
    /// Turns a strategy on or off, or a process if the name is a path in the tree.
    #[must_use]
    pub fn named(name: &str, on: bool) -> Switch {
        let name = name.to_owned();
        if name.contains('/') {
            Switch::Process { path: name, on }
        } else {
            Switch::Strategy { name, on }
        }
    }
}

/// Steps of a careful start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SafeStep {
    /// The daemon collects data and reads the account. It sends nothing.
    Collect,
    /// Exits are allowed, too.
    Exits,
    /// Everything is allowed.
    #[default]
    Trade,
}

impl SafeStep {
    /// The name, as it is serialised.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            SafeStep::Collect => "collect",
            SafeStep::Exits => "exits",
            SafeStep::Trade => "trade",
        }
    }
}

/// Why and since when a switch is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The reason in the operator's words.
    pub reason: String,
    /// Event time of the command, UTC milliseconds.
    pub since: UtcMs,
}

/// The current state of the switches: a fold over operator commands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Switches {
    /// Entries are stopped.
    pub halted: Option<Cause>,
    /// Everything held is sold, and entries are stopped.
    pub flatten: Option<Cause>,
    /// The current step of a careful start that is not finished.
    pub safe: Option<(SafeStep, Cause)>,
    /// Strategies that may not enter, by name.
    pub strategies: BTreeMap<String, Cause>,
    /// Branches of the tree that do not run, by path.
    pub processes: BTreeMap<String, Cause>,
}

impl Switches {
    /// Whether a path in the tree, or one above it, is turned off.
    #[must_use]
    pub fn is_off(&self, path: &str) -> bool {
        let below =
            |of: &String| path.strip_prefix(of).is_some_and(|r| r.is_empty() || r.starts_with('/'));
        self.processes.keys().any(below)
    }

    /// Applies a fact.
    pub fn fold(&mut self, fact: &Fact<Body>) {
        if let Body::Operator(Operator::Switched { switch, reason }) = &fact.body {
            self.apply(switch, reason, fact.time);
        }
    }

    /// Applies a command given at event time `since`. If it is repeated, the first reason and time
    /// stay.
    pub fn apply(&mut self, switch: &Switch, reason: &str, since: UtcMs) {
        if !self.would_change(switch) {
            return;
        }
        let cause = Cause { reason: reason.to_owned(), since };
        match switch {
            Switch::Halt => self.halted = Some(cause),
            Switch::Resume | Switch::NewPeak => (self.halted, self.flatten) = (None, None),
            Switch::Flatten => self.flatten = Some(cause),
            Switch::Safe(SafeStep::Trade) => self.safe = None,
            Switch::Safe(step) => self.safe = Some((*step, cause)),
            Switch::Strategy { name, on } => put(&mut self.strategies, name, *on, cause),
            Switch::Process { path, on } => put(&mut self.processes, path, *on, cause),
        }
    }

    /// Whether a command changes the current state.
    #[must_use]
    pub fn would_change(&self, switch: &Switch) -> bool {
        match switch {
            Switch::Halt => self.halted.is_none(),
            Switch::Resume => self.halted.is_some() || self.flatten.is_some(),
            // The switches do not know the peak.
            Switch::NewPeak => true,
            Switch::Flatten => self.flatten.is_none(),
            Switch::Safe(step) => self.step() != *step,
            Switch::Strategy { name, on } => self.strategies.contains_key(name) == *on,
            Switch::Process { path, on } => self.processes.contains_key(path) == *on,
        }
    }

    /// The current step of a careful start.
    #[must_use]
    pub fn step(&self) -> SafeStep {
        self.safe.as_ref().map_or(SafeStep::Trade, |(step, _)| *step)
    }

    /// The switches that restrict trading: the level that each allows, its description and reason.
    fn holds(&self) -> impl Iterator<Item = (BreakerLevel, &'static str, &Cause)> {
        let safe = self.safe.as_ref().map(|(step, cause)| match step {
            SafeStep::Collect => {
                (BreakerLevel::Halted, "a careful start, only data is collected", cause)
            }
            SafeStep::Exits | SafeStep::Trade => {
                (BreakerLevel::ExitsOnly, "a careful start, positions may only be left", cause)
            }
        });
        let held = [
            (&self.flatten, "an operator has everything sold"),
            (&self.halted, "an operator halted trading"),
        ];
        let held = held.into_iter().filter_map(|(cause, what)| {
            cause.as_ref().map(|cause| (BreakerLevel::ExitsOnly, what, cause))
        });
        safe.into_iter().chain(held)
    }

    /// The breaker level that operators allow, and a sentence for each restriction.
    #[must_use]
    pub fn level(&self) -> (BreakerLevel, Vec<String>) {
        let level = self.holds().map(|(level, ..)| level).max().unwrap_or_default();
        let reason = |(_, what, cause): (_, &str, &Cause)| format!("{what}: {}", cause.reason);
        (level, self.holds().map(reason).collect())
    }

    /// Event time since which operators restrict trading to this level; none: they do not.
    #[must_use]
    pub fn since(&self, level: BreakerLevel) -> Option<UtcMs> {
        self.holds().filter(|(of, ..)| *of == level).map(|(.., cause)| cause.since).min()
    }
}

fn put(off: &mut BTreeMap<String, Cause>, name: &str, on: bool, cause: Cause) {
    if on {
        off.remove(name);
    } else {
        off.insert(name.to_owned(), cause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(words: &[(Switch, &str)]) -> Switches {
        let mut switches = Switches::default();
        for ((switch, reason), since) in words.iter().zip(1..) {
            switches.apply(switch, reason, since);
        }
        switches
    }

    #[test]
    fn what_is_said_twice_keeps_its_first_reason_and_resume_ends_both() {
        let halted = after(&[(Switch::Halt, "a"), (Switch::Halt, "b")]);
        let why = ["an operator halted trading: a".to_owned()];
        assert_eq!(halted.level(), (BreakerLevel::ExitsOnly, why.into()));
        assert_eq!(halted.halted.as_ref().unwrap().since, 1);
        assert!(!halted.would_change(&Switch::Halt) && halted.would_change(&Switch::Flatten));
        let over = after(&[(Switch::Halt, "a"), (Switch::Flatten, "b"), (Switch::Resume, "c")]);
        assert_eq!(over, Switches::default());
        assert!(!over.would_change(&Switch::Resume) && over.would_change(&Switch::NewPeak));
        let over = after(&[(Switch::Halt, "a"), (Switch::Flatten, "b"), (Switch::NewPeak, "c")]);
        assert_eq!(over, Switches::default());
    }

    #[test]
    fn a_careful_start_goes_step_by_step_and_apart_from_a_halt() {
        let step = |step| (Switch::Safe(step), "s");
        let collect = after(&[step(SafeStep::Collect), (Switch::Halt, "h")]);
        assert_eq!((collect.level().0, collect.level().1.len()), (BreakerLevel::Halted, 2));
        let exits = after(&[step(SafeStep::Collect), step(SafeStep::Exits)]);
        assert_eq!((exits.level().0, exits.step()), (BreakerLevel::ExitsOnly, SafeStep::Exits));
        let since = [BreakerLevel::ExitsOnly, BreakerLevel::Halted, BreakerLevel::Reduced];
        assert_eq!(since.map(|level| collect.since(level)), [Some(2), Some(1), None]);
        let resumed = after(&[step(SafeStep::Exits), (Switch::Resume, "r")]);
        assert_eq!(resumed.step(), SafeStep::Exits, "another switch");
        let trade = after(&[step(SafeStep::Collect), step(SafeStep::Trade)]);
        assert_eq!(trade, Switches::default());
    }

    #[test]
    fn strategies_and_processes_are_off_until_they_are_on() {
        let strategy = |on| Switch::Strategy { name: "s".into(), on };
        let off = after(&[(strategy(false), "a")]);
        assert!(off.strategies.contains_key("s") && off.level().0 == BreakerLevel::Normal);
        assert!(off.would_change(&strategy(true)) && !off.would_change(&strategy(false)));
        assert_eq!(after(&[(strategy(false), "a"), (strategy(true), "b")]), Switches::default());
    }
}
