//! Minimises a plan that makes a difference. Leaves out half of its faults, then a quarter, in the
//! end each fault alone, as long as the rest still makes a difference.

use super::{OnProgress, Report};
use crate::chaos::interrupt;
use crate::chaos::rig::Plan;
use std::ops::Range;

/// Runs for it, at most.
const RUNS: u64 = 32;

/// How many faults of a plan may be left out. Consequential venue faults stay, for without them
/// another result would be right.
fn size(plan: &Plan) -> usize {
    let transparent = plan.faults.iter().filter(|fault| fault.kind.row().transparent).count();
    plan.strikes.len() + plan.cuts.len() + transparent + usize::from(plan.at_random.is_some())
}

/// The plan without some of its faults, counted from the first planned fault.
fn without(plan: &Plan, out: &Range<usize>) -> Plan {
    let mut at = 0;
    let mut stays = || {
        at += 1;
        !out.contains(&(at - 1))
    };
    let mut plan = plan.clone();
    plan.strikes.retain(|_| stays());
    plan.cuts.retain(|_| stays());
    plan.faults.retain(|fault| !fault.kind.row().transparent || stays());
    plan.at_random = plan.at_random.filter(|_| stays());
    plan
}

/// The smallest plan found that is still `wrong`, and what is wrong with it; none: no smaller plan
/// is.
fn shrunk(
    plan: &Plan,
    on_progress: OnProgress<'_>,
    (mut wrong, is_interrupted): (impl FnMut(&Plan) -> Option<String>, impl Fn() -> bool),
) -> Option<(Plan, String)> {
    let mut found: Option<(Plan, String)> = None;
    let (mut step, mut runs) = (size(plan).div_ceil(2), 0);
    while step > 0 {
        let mut at = 0;
        loop {
            let least = found.as_ref().map_or(plan, |(plan, _)| plan);
            let all = size(least);
            if at >= all || all < 2 || runs >= RUNS || is_interrupted() {
                break;
            }
            let smaller = without(least, &(at..at + step));
            runs += 1;
            on_progress("runs to make the plan smaller", runs, RUNS);
            match wrong(&smaller) {
                // The result of an interrupted run says nothing about its plan.
                _ if is_interrupted() => return found,
                Some(why) => found = Some((smaller, why)),
                None => at += step,
            }
        }
        step /= 2;
    }
    found
}

impl Report {
    /// Minimises the first difference from index `from`, if its plan runs within this process.
    /// `wrong` runs a plan.
    pub(super) fn shrink(
        &mut self,
        from: usize,
        on_progress: OnProgress<'_>,
        wrong: impl FnMut(&Plan) -> Option<String>,
    ) {
        let Some(difference) = self.differences.get_mut(from) else { return };
        let Ok(plan) = serde_json::from_str::<Plan>(&difference.again) else { return };
        if let Some((plan, why)) = shrunk(&plan, on_progress, (wrong, interrupt::is_set)) {
            difference.again = serde_json::to_string(&plan).unwrap_or_default();
            difference.why = why;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Difference;
    use super::*;
    use crate::chaos::faults::{all_consequential, all_transparent};
    use everwarm_runtime::chaos::{FaultKind, Phase, PlannedFault, Site};
    use everwarm_sim::faults::Kind;
    use std::cell::Cell;

    fn kill(nth: u32) -> PlannedFault {
        let who = "ledger".to_owned();
        PlannedFault { site: Site::BeforeStep, who, phase: Phase::Live, nth, kind: FaultKind::Kill }
    }

    #[test]
    fn what_has_nothing_to_do_with_a_difference_is_left_out() {
        let faults = [all_transparent(1), all_consequential(1)].concat();
        let strikes = (1..=20).map(kill).collect();
        let plan = Plan { strikes, faults, at_random: Some((1, 3)), ..Plan::default() };
        let has = |plan: &Plan, kind| plan.faults.iter().any(|fault| fault.kind == kind);
        let mut runs = 0;
        let differs = |plan: &Plan| {
            runs += 1;
            let both = plan.strikes.contains(&kill(7)) && has(plan, Kind::Duplicate);
            both.then(|| "two together".to_owned())
        };
        let again = serde_json::to_string(&plan).unwrap();
        let first = Difference { why: "first".to_owned(), again: "{}".to_owned() };
        let second = Difference { why: "many".to_owned(), again };
        let mut report = Report { differences: vec![first, second], ..Report::default() };
        report.shrink(1, &|_, _, _| (), differs);
        let [first, second] = &report.differences[..] else { panic!("{report:?}") };
        assert_eq!((first.why.as_str(), second.why.as_str()), ("first", "two together"));
        let left: Plan = serde_json::from_str(&second.again).unwrap();
        assert_eq!(left.strikes, [kill(7)]);
        assert_eq!(size(&left), 2, "{left:?}");
        let matter = |plan: &Plan| crate::chaos::faults::that_matter(&plan.faults);
        assert_eq!(matter(&left), matter(&plan), "another venue would have another end");
        assert!(runs <= RUNS, "{runs}");
    }

    #[test]
    fn a_difference_that_is_not_met_again_stays_as_it_is() {
        let plan = Plan { strikes: (1..=9).map(kill).collect(), ..Plan::default() };
        let never = || false;
        assert_eq!(shrunk(&plan, &|_, _, _| (), (|_: &Plan| None, never)), None);
        let alone = Plan { strikes: vec![kill(1)], ..Plan::default() };
        let least = |_: &Plan| panic!("it is the smallest");
        assert_eq!(shrunk(&alone, &|_, _, _| (), (least, never)), None);
    }

    #[test]
    fn a_run_that_is_interrupted_is_no_smaller_difference() {
        let plan = Plan { strikes: (1..=8).map(kill).collect(), ..Plan::default() };
        for before in 0..2_u32 {
            let (runs, interrupted) = (Cell::new(0), Cell::new(false));
            let wrong = |_: &Plan| {
                runs.set(runs.get() + 1);
                interrupted.set(runs.get() > before);
                Some(if interrupted.get() { "interrupted" } else { "different" }.to_owned())
            };
            let found = shrunk(&plan, &|_, _, _| (), (wrong, || interrupted.get()));
            let whys = found.map(|(plan, why)| (plan.strikes.len(), why));
            let left = 8_usize >> before;
            assert_eq!(whys, (before > 0).then(|| (left, "different".to_owned())));
            assert_eq!(runs.get(), before + 1, "nothing is run once it is interrupted");
        }
        // It was found before, so the report keeps it whatever ends the proof.
        let difference = Difference { why: "different".to_owned(), again: "{}".to_owned() };
        let with = Report { differences: vec![difference], ..Report::default() };
        let interrupted = || Err("interrupted".to_owned());
        assert_eq!(with.found(interrupted()).unwrap().differences.len(), 1);
        assert_eq!(Report::default().found(interrupted()).unwrap_err(), "interrupted");
    }
}
