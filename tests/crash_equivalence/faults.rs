//! An exchange that misbehaves: what is transparent changes nothing, alone, together and with
//! kills in between; what is consequential is seen.

use super::{learned, none_failed};
use everwarm::chaos::faults::{
    all_consequential, all_transparent, are_comparable, consequential, transparent,
};
use everwarm::chaos::requests;
use everwarm::chaos::rig::{Plan, run};
use everwarm::chaos::sweep::{mixture, sweep, verdict};
use everwarm_runtime::chaos::{FaultKind, Sabotage};
use everwarm_sim::faults::{Fault, KINDS, Kind};
use everwarm_sim::server::requests::Entry;
use std::collections::BTreeSet;

/// Mixtures of kills and outages under all faults.
const MIXTURES: u64 = 10;

/// Names of the faults that were met.
fn hits(asked: &[Entry]) -> BTreeSet<String> {
    let faults = asked.iter().filter_map(|entry| match entry {
        Entry::Asked(asked) => asked.fault.clone(),
        Entry::Spoilt { fault, .. } => Some(fault.clone()),
        Entry::Started { .. } | Entry::Answered(_) => None,
    });
    faults.collect()
}

#[test]
fn every_transparent_fault_ends_the_same() {
    let (feed, learned) = learned();
    let faults = KINDS.iter().filter_map(|row| transparent(row.kind, 3));
    let plans: Vec<Plan> =
        faults.map(|fault| Plan { faults: vec![fault], ..Plan::default() }).collect();
    assert_eq!(plans.len(), 13);
    none_failed("small", &sweep(feed, &plans, &learned.picture));
}

#[test]
fn all_of_them_with_kills_and_outages_end_the_same() {
    let (feed, learned) = learned();
    let plan = |seed| {
        let mut plan = mixture(&learned.passings, &learned.operations, seed);
        // Deaths of the exchange among the kills.
        for (planned, outage) in plan.strikes.iter_mut().zip([false, false, true].iter().cycle()) {
            if *outage {
                planned.kind = FaultKind::Outage;
            }
        }
        plan.faults = all_transparent(seed);
        plan
    };
    let plans: Vec<Plan> = (1..=MIXTURES).map(plan).collect();
    none_failed("small", &sweep(feed, &plans, &learned.picture));
}

#[test]
fn every_fault_is_met() {
    let (feed, learned) = learned();
    let outcome = run(feed, &Plan { faults: all_transparent(5), ..Plan::default() }).unwrap();
    assert_eq!(verdict(&Ok(outcome.clone()), &learned.picture), None);
    let met = hits(&outcome.asked);
    let wanted = KINDS.iter().filter(|row| row.transparent).map(|row| row.name.to_owned());
    let missed: Vec<String> = wanted.filter(|name| !met.contains(name)).collect();
    assert!(missed.is_empty(), "never met: {missed:?}");
    let (orders, again) = requests::count(&outcome.asked);
    assert!(orders > 5 && again > 0, "{again} of {orders} orders were asked for again");
}

#[test]
fn every_consequential_fault_under_kills_ends_as_without_them_or_keeps_the_invariants() {
    let (feed, learned) = learned();
    let each = KINDS.iter().filter_map(|row| consequential(row.kind, 3)).map(|fault| vec![fault]);
    let mut met = BTreeSet::new();
    let mut delays = all_consequential(9);
    delays.retain(|fault| are_comparable(std::slice::from_ref(fault)));
    for faults in each.chain([delays, all_consequential(9)]) {
        let calm = run(feed, &Plan { faults: faults.clone(), ..Plan::default() });
        let calm = calm.unwrap_or_else(|why| panic!("{faults:?}: {why}"));
        assert_eq!(calm.broken, Vec::<String>::new(), "{faults:?}");
        met.extend(hits(&calm.asked));
        let plan = |seed| Plan {
            faults: faults.clone(),
            ..mixture(&learned.passings, &learned.operations, seed)
        };
        let plans = [plan(31), plan(32)];
        if are_comparable(&faults) {
            none_failed("small", &sweep(feed, &plans, &calm.picture));
            continue;
        }
        for plan in plans {
            assert_eq!(run(feed, &plan).unwrap().broken, Vec::<String>::new(), "{plan:?}");
        }
    }
    // The clock is wrong all the time; nothing is hit by it.
    let wanted = KINDS.iter().filter(|row| !row.transparent && row.kind != Kind::ClockSkew);
    let missed: Vec<&str> =
        wanted.map(|row| row.name).filter(|name| !met.contains(*name)).collect();
    assert!(missed.is_empty(), "never met: {missed:?}");
}

#[test]
fn what_is_consequential_is_seen() {
    let (feed, learned) = learned();
    for kind in [Kind::LateFills, Kind::PartialFills] {
        let faults = vec![Fault { times: Some(1), ..Fault::of(kind) }];
        let outcome = run(feed, &Plan { faults, ..Plan::default() }).unwrap();
        assert_eq!(outcome.broken, Vec::<String>::new(), "{kind:?}");
        let difference = learned.picture.difference(&outcome.picture);
        assert!(difference.is_some(), "{kind:?} makes a difference");
    }
}

#[test]
fn sending_again_without_asking_is_in_the_request_log() {
    let (feed, _) = learned();
    let at = Some("POST order".to_owned());
    let lost = Fault { chance: 500, at, ..Fault::of(Kind::Reset) };
    let plan = Plan { faults: vec![lost], sabotage: Some(Sabotage::NoQuery), ..Plan::default() };
    let broken = run(feed, &plan).unwrap().broken;
    let again: Vec<&String> =
        broken.iter().filter(|b| b.starts_with("POST order") && b.contains("again at")).collect();
    assert!(!again.is_empty(), "{broken:?}");
}
