//! The parts of a life in which a process is killed, and the exact moment in each.

use crate::chaos::crashes::Moment;
use crate::chaos::process::Step;
use crate::chaos::sweep::Die;
use everwarm_runtime::chaos::{FaultKind, Phase, PlannedFault, Site};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

macro_rules! parts {
    ($($part:ident $name:literal $about:literal;)*) => {
        /// A part of a life.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Part { $(#[doc = $about] #[serde(rename = $name)] $part),* }

        impl Part {
            /// All of them.
            pub const ALL: &'static [Part] = &[$(Part::$part),*];

            /// Its name in reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Part::$part => $name),* }
            }
        }
    };
}

parts! {
    Open "open" "Open the files and check them in memory.";
    Repair "repair" "Repair the files after a crash.";
    Connect "connect" "Find or start the exchange.";
    Restore "restore" "Read the journal and start the tree.";
    Reconcile "reconcile" "Query the venue for all orders and the account.";
    CatchUp "catch-up" "Fetch and append the missed closes.";
    Live "live" "Trade.";
    Sync "in sync" "Sync a commit.";
    Checkpoint "in a checkpoint" "Save a state.";
    Sealing "sealing" "Seal the oldest part of the journal into a segment.";
    Stopping "stopping" "Stop.";
    Continued "after SIGSTOP" "Suspended for a while, then resumed.";
    Alone "started twice" "Two started together; one ended.";
}

/// A kill: the part it counts for, and its moment. None: it counts for the step the life was in.
pub(super) type Kill = (Option<Part>, Moment);

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn at_most(of: Duration, die: &mut Die) -> Duration {
    of.mul_f64(f64::from(u32::try_from(die.below(1000)).unwrap_or(0)) / 1000.0)
}

fn at(site: Site, who: &str, phase: Phase, nth: u64) -> Moment {
    let nth = u32::try_from(nth).unwrap_or(1);
    Moment::At(PlannedFault { site, who: who.to_owned(), phase, nth, kind: FaultKind::Die })
}

fn one<T: Copy>(of: [T; 2], die: &mut Die) -> T {
    if die.below(2) == 0 { of[0] } else { of[1] }
}

impl Part {
    /// The part that a step of a life counts for.
    #[must_use]
    pub const fn of(step: Step) -> Part {
        match step {
            Step::Open => Part::Open,
            Step::Repair => Part::Repair,
            Step::Connect => Part::Connect,
            Step::Restore => Part::Restore,
            Step::Reconcile => Part::Reconcile,
            Step::CatchUp => Part::CatchUp,
            Step::Live => Part::Live,
            Step::Stop => Part::Stopping,
        }
    }

    /// How many lives its kills need.
    pub(super) const fn lives(self) -> u64 {
        if matches!(self, Part::Repair) { 2 } else { 1 }
    }

    /// The kills for this part, one for each life it needs. An undisturbed life trades for about
    /// `live`.
    pub(super) fn kills(self, live: Duration, die: &mut Die) -> Vec<Kill> {
        let within = |step, wait| vec![(None, Moment::In(step, wait))];
        match self {
            // These steps take about a millisecond, so the first has a kill point too.
            Part::Open if die.below(2) == 0 => within(Step::Open, at_most(ms(1) / 4, die)),
            Part::Open => vec![(Some(self), at(Site::AfterResume, "open", Phase::Starting, 1))],
            Part::CatchUp => within(Step::CatchUp, at_most(ms(1) / 4, die)),
            Part::Connect => within(Step::Connect, at_most(ms(2), die)),
            Part::Restore => within(Step::Restore, at_most(ms(2), die)),
            Part::Reconcile => within(Step::Reconcile, at_most(ms(2), die)),
            Part::Live => within(Step::Live, at_most(live / 40, die)),
            Part::Stopping => {
                let (trading, wait) = (at_most(live / 60, die), at_most(ms(8), die));
                vec![(None, Moment::Stopping(trading, wait))]
            }
            Part::Continued => {
                let (trading, stands) = (at_most(live / 60, die), at_most(ms(400), die));
                vec![(Some(self), Moment::Continued(trading, stands))]
            }
            Part::Alone => vec![(Some(self), Moment::Alone(at_most(live / 60, die)))],
            // The first kill leaves something to repair; the second hits the writes of the repair.
            Part::Repair => {
                let (site, nth) =
                    [(Site::BeforeCommit, 1), (Site::BeforeCommit, 2), (Site::BeforeSync, 1)]
                        [usize::try_from(die.below(3)).expect("below three")];
                let repair = at(site, "repair", Phase::Starting, nth);
                let mut kills = Part::Sync.kills(live, die);
                kills.push((Some(self), repair));
                kills
            }
            Part::Sync => {
                let site = one([Site::BeforeSync, Site::AfterCommit], die);
                vec![(Some(self), at(site, "store-thread", Phase::Live, 1 + die.below(6)))]
            }
            Part::Checkpoint => {
                let (site, who) = one(
                    [(Site::BeforeCheckpoint, "indicator"), (Site::AfterCheckpoint, "ledger")],
                    die,
                );
                vec![(Some(self), at(site, who, Phase::Live, 1 + die.below(6)))]
            }
            Part::Sealing => {
                let site = one([Site::BeforeSegment, Site::AfterSegment], die);
                vec![(Some(self), at(site, "sealer", Phase::Live, 1))]
            }
        }
    }
}

/// The parts for the kills of one run. Half of them take turns, the other half are those hit least
/// so far: some parts end before a kill hits them.
pub(super) fn spread(injected: &BTreeMap<Part, u64>, count: u64, die: &mut Die) -> Vec<Part> {
    let mut hits = injected.clone();
    let mut turn: Vec<Part> = Vec::new();
    let mut parts = Vec::new();
    for i in 0..count {
        let part = if i % 2 == 0 {
            if turn.is_empty() {
                turn = Part::ALL.to_vec();
                die.shuffle(&mut turn);
            }
            turn.pop()
        } else {
            let least = |part: &&Part| hits.get(*part).copied().unwrap_or(0);
            Part::ALL.iter().min_by_key(least).copied()
        };
        let part = part.expect("there are parts");
        *hits.entry(part).or_default() += 1;
        parts.push(part);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_struck_least_comes_most() {
        let count = |parts: &[Part], of: Part| parts.iter().filter(|part| **part == of).count();
        let even = spread(&BTreeMap::new(), 44, &mut Die(1));
        for part in Part::ALL {
            assert!((3..=5).contains(&count(&even, *part)), "{part:?}: {even:?}");
        }
        let injected = Part::ALL.iter().map(|part| (*part, 20));
        let injected = injected.filter(|(part, _)| *part != Part::Repair).collect();
        let parts = spread(&injected, 26, &mut Die(1));
        assert_eq!(count(&parts, Part::Repair), 14, "{parts:?}");
        assert_eq!(count(&parts, Part::Live), 1, "each keeps its turn: {parts:?}");
    }

    #[test]
    fn a_repair_is_struck_in_a_life_behind_a_commit_that_was_cut_off() {
        let kills = Part::Repair.kills(ms(100), &mut Die(3));
        let names: Vec<_> = kills.iter().map(|(part, _)| part.map(Part::name)).collect();
        assert_eq!(names, [Some("in sync"), Some("repair")]);
    }

    #[test]
    fn every_step_is_a_part_of_its_name() {
        for step in Step::ALL {
            assert_eq!(Part::of(*step).name(), step.name());
        }
    }
}
