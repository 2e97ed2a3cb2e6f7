//! A stage of the analysis is kept down for a while and comes up again, whatever faults are
//! injected before, meanwhile and after.

use super::{learned_of, none_failed, number};
use everwarm::chaos::feed::{self, START};
use everwarm::chaos::rig::{Outcome, Plan, run};
use everwarm::chaos::sweep::{Die, cuts, every_target, mixture, pack, sweep};
use everwarm_domain::fact::{Analysis, Body, Market, Operator};
use everwarm_domain::time::MINUTE;
use everwarm_runtime::chaos::FaultKind;
use std::collections::BTreeMap;
use std::ops::Range;

/// Plans with ends of the process in every test run.
const DEATHS: usize = 12;
/// Closes, by their minute, at which the averages are down.
const NO_AVERAGES: Range<i64> = 56..86;

/// What was derived of the bars at each close, by its minute; and the events of branches.
fn averages(outcome: &Outcome) -> (BTreeMap<i64, Vec<String>>, Vec<String>) {
    let (mut minute, mut closes) = (0, BTreeMap::new());
    let (mut averages, mut branches) = (BTreeMap::<i64, Vec<String>>::new(), Vec::new());
    for fact in &outcome.facts {
        match &fact.body {
            Body::Market(Market::Close { time, .. }) => {
                minute = (time - START) / MINUTE;
                closes.insert(fact.key.n, minute);
            }
            Body::Analysis(features @ Analysis::FeatureValues { .. }) => {
                // Closes that were owed are appended before anybody speaks about the first of them.
                let of = averages.entry(closes[&fact.key.n]).or_default();
                of.push(format!("{features:?}"));
            }
            Body::Operator(Operator::Branch { path, down }) => {
                let name = path.rsplit('/').next().unwrap_or_default();
                branches.push(format!(
                    "{minute} {name} {}",
                    if down.is_some() { "down" } else { "up" }
                ));
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
    }
    (averages, branches)
}

#[test]
fn who_was_down_is_warm_once_it_is_up_and_says_nothing_of_what_it_missed() {
    let (down, branches) = averages(&run(&feed::ailing(), &Plan::default()).unwrap());
    let expected =
        ["55 indicator down", "85 indicator up", "150 sma_cross down", "175 sma_cross up"];
    assert_eq!(branches, expected);
    let (mut never, _) = averages(&run(&feed::small(), &Plan::default()).unwrap());
    assert!(NO_AVERAGES.clone().any(|minute| never.contains_key(&minute)));
    never.retain(|minute, _| !NO_AVERAGES.contains(minute));
    assert_eq!(down, never);
}

#[test]
fn kills_before_while_and_after_end_the_same() {
    let (feed, learned) = learned_of("ailing");
    let mut die = Die(number("EVERWARM_SEED").unwrap_or(1));
    // All points of the stages that fail, and of the breaker, which reads their facts.
    let mut passings = learned.passings.clone();
    passings.retain(|(_, who, _), _| ["indicator", "sma_cross", "breaker"].contains(&who.as_str()));
    let mut targets = every_target(&passings, &mut die);
    targets.retain(|faults| faults.iter().all(|fault| fault.kind != FaultKind::Die));
    let swept = sweep(feed, &pack(targets, 7, &mut die), &learned.picture);
    println!("{} runs of {} lives, {} targets", swept.runs, swept.lives, swept.injected.len());
    none_failed("ailing", &swept);
    assert!(swept.injected.keys().any(|(_, who, ..)| who == "indicator"));
}

/// A life begins with all stages up, and closes that the last one owed may be appended before
/// anybody is found ill: at those an analysis speaks that would have been silent. The rest holds as
/// ever.
#[test]
fn ends_of_the_process_and_its_disk_keep_the_invariants_and_the_averages_warm() {
    let (feed, learned) = learned_of("ailing");
    let mut die = Die(number("EVERWARM_SEED").unwrap_or(1));
    let mut plans = cuts(&learned.operations, &mut die);
    die.shuffle(&mut plans);
    plans.truncate(DEATHS);
    plans.extend((0..DEATHS).map(|_| mixture(&learned.passings, &learned.operations, die.throw())));
    let (never, _) = averages(&run(&feed::small(), &Plan::default()).unwrap());
    let mut lives = 0;
    for plan in plans {
        let line = serde_json::to_string(&plan).unwrap();
        let outcome = run(feed, &plan).unwrap_or_else(|why| panic!("{line}: {why}"));
        lives += outcome.lives;
        assert_eq!(outcome.broken, Vec::<String>::new(), "{line}");
        let (down, _) = averages(&outcome);
        for (minute, words) in &never {
            let found = down.get(minute);
            let may_be_silent = NO_AVERAGES.contains(minute);
            assert!(found == Some(words) || (may_be_silent && found.is_none()), "{minute}: {line}");
        }
    }
    println!("{lives} lives");
}
