//! A harness that never fails proves nothing: each promise broken on purpose is caught by it.

use super::{learned, learned_of};
use everwarm::chaos::compare::Picture;
use everwarm::chaos::rig::{Feed, Plan, run};
use everwarm::chaos::sweep::{Learned, mixture, verdict};
use everwarm_runtime::chaos::{FaultKind, Sabotage, Site};
use everwarm_sim::faults::{Fault, Kind};

/// Plans within which a broken promise is caught, at most.
const BOUND: u64 = 40;

/// Threads of the process: a panic of one ends it.
const THREADS: [&str; 2] = ["store-thread", "sealer"];

/// A plan without all that ends the process, tears its disk or ends the exchange: what is left ends
/// actors alone.
fn kills_alone(mut plan: Plan) -> Plan {
    plan.cuts.clear();
    plan.strikes.retain(|fault| {
        let of_an_actor = !THREADS.contains(&fault.who.as_str());
        of_an_actor && matches!(fault.kind, FaultKind::Kill | FaultKind::Panic)
    });
    plan
}

/// Plans with faults at such points, made of mixtures, at an exchange that does such things wrong:
/// what is seen of it first.
fn seen<T>(
    (feed, learned): &(Feed, Learned),
    sabotage: Sabotage,
    (sites, made): (&[Site], fn(Plan) -> Plan),
    faults: &[Fault],
    look: impl Fn(&Feed, &Plan, &Picture) -> Option<T>,
) -> Option<(u64, T)> {
    let mut passings = learned.passings.clone();
    passings.retain(|(site, ..), _| sites.contains(site));
    (1..=BOUND).find_map(|seed| {
        let mixture = made(mixture(&passings, &learned.operations, seed));
        let plan = Plan { sabotage: Some(sabotage), faults: faults.to_vec(), ..mixture };
        look(feed, &plan, &learned.picture).map(|seen| (seed, seen))
    })
}

fn is_caught_at(
    feed: &(Feed, Learned),
    sabotage: Sabotage,
    plans: (&[Site], fn(Plan) -> Plan),
    faults: &[Fault],
) {
    let look = |feed: &Feed, plan: &Plan, calm: &Picture| verdict(&run(feed, plan), calm);
    let Some((seed, why)) = seen(feed, sabotage, plans, faults, look) else {
        panic!("{sabotage:?} is not caught within {BOUND} plans")
    };
    let why: String = why.chars().take(300).collect();
    println!("{sabotage:?} is caught by plan {seed}: {why}");
}

fn is_caught(sabotage: Sabotage, sites: &[Site]) {
    is_caught_at(learned(), sabotage, (sites, |plan| plan), &[]);
}

#[test]
fn progress_apart_from_facts_is_caught() {
    is_caught(Sabotage::CursorApart, &[Site::AfterAppend]);
}

/// Of an actor alone: its panic falls between the two acts. Its kill never does, for it takes an
/// await, and there is none between them.
#[test]
fn progress_apart_from_facts_is_caught_by_kills_alone() {
    is_caught_at(learned(), Sabotage::CursorApart, (&[Site::AfterAppend], kills_alone), &[]);
}

#[test]
fn sending_before_the_flush_is_caught() {
    is_caught(Sabotage::NoSync, Site::ALL);
}

/// Nothing is lost where nothing dies, but the disk is looked at whenever something leaves.
#[test]
fn sending_before_the_flush_is_caught_by_kills_alone() {
    is_caught_at(learned(), Sabotage::NoSync, (Site::ALL, kills_alone), &[]);
}

#[test]
fn a_request_that_left_before_the_flush_of_its_announcement_is_named() {
    let words = "its announcement is not on disk";
    let look = |feed: &Feed, plan: &Plan, calm: &Picture| {
        verdict(&run(feed, plan), calm).filter(|why| why.contains(words))
    };
    assert!(seen(learned(), Sabotage::NoSync, (Site::ALL, |plan| plan), &[], look).is_some());
}

#[test]
fn a_history_that_loses_what_is_sealed_is_caught() {
    is_caught(Sabotage::SealUnfollowed, Site::ALL);
}

#[test]
fn facts_in_messages_alone_are_caught() {
    is_caught(Sabotage::FactsInMessages, &[Site::BeforeStep]);
}

#[test]
fn ids_by_chance_are_caught() {
    is_caught(Sabotage::RandomIds, Site::ALL);
}

#[test]
fn counting_fills_twice_is_caught() {
    is_caught(Sabotage::NoDedupe, Site::ALL);
}

/// What is on the private stream may be received before an order is sent again, and hides it:
/// nothing is reported there of orders, which alone makes no difference. The venue takes no stop
/// orders. With them such a run is caught too, but late: a second stop order is rejected for its
/// id, the daemon tries for ever to sell what the first one holds, and `Closing` ends the run.
#[test]
fn sending_again_without_asking_is_caught() {
    let at = Some("executionReport".to_owned());
    let faults = [Fault { chance: 1000, at, ..Fault::of(Kind::Missing) }];
    let without = learned_of("without-stop-orders");
    let (feed, learned) = without;
    let calm = Plan { faults: faults.to_vec(), ..Plan::default() };
    assert_eq!(verdict(&run(feed, &calm), &learned.picture), None);
    let sites = &[Site::BeforeSend, Site::AfterSend];
    is_caught_at(without, Sabotage::NoQuery, (sites, |plan| plan), &faults);
}
