//! A harness that never fails proves nothing: each promise broken on purpose is caught by it.

use super::learned;
use everwarm::chaos::rig::run;
use everwarm::chaos::sweep::{mixture, verdict};
use everwarm_runtime::chaos::{Sabotage, Site};

/// Plans within which a broken promise is caught, at most.
const BOUND: u64 = 40;

/// The first plan with strikes at such points that shows the sabotage, and how.
fn caught(sabotage: Sabotage, sites: &[Site]) -> Option<(u64, String)> {
    let (feed, learned) = learned();
    let operations = learned.operations.len() as u64;
    let mut passings = learned.passings.clone();
    passings.retain(|(site, ..), _| sites.contains(site));
    (1..=BOUND).find_map(|seed| {
        let mut plan = mixture(&passings, operations, seed);
        plan.sabotage = Some(sabotage);
        verdict(&run(feed, &plan), &learned.picture).map(|why| (seed, why))
    })
}

/// Whether a plan within the bound breaks an invariant in these words.
fn breaks(sabotage: Sabotage, sites: &[Site], words: &str) -> bool {
    let (feed, learned) = learned();
    let operations = learned.operations.len() as u64;
    let mut passings = learned.passings.clone();
    passings.retain(|(site, ..), _| sites.contains(site));
    (1..=BOUND).any(|seed| {
        let mut plan = mixture(&passings, operations, seed);
        plan.sabotage = Some(sabotage);
        let broken = run(feed, &plan).map(|outcome| outcome.broken).unwrap_or_default();
        broken.iter().any(|broken| broken.contains(words))
    })
}

fn is_caught(sabotage: Sabotage, sites: &[Site]) {
    let Some((seed, why)) = caught(sabotage, sites) else {
        panic!("{sabotage:?} is not caught within {BOUND} plans")
    };
    let why: String = why.chars().take(300).collect();
    println!("{sabotage:?} is caught by plan {seed}: {why}");
}

#[test]
fn progress_apart_from_facts_is_caught() {
    is_caught(Sabotage::CursorApart, &[Site::AfterAppend]);
}

#[test]
fn sending_before_the_flush_is_caught() {
    is_caught(Sabotage::NoSync, Site::ALL);
}

#[test]
fn a_request_that_left_before_the_flush_of_its_announcement_is_named() {
    assert!(breaks(Sabotage::NoSync, Site::ALL, "its announcement is not on disk"));
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

#[test]
fn sending_again_without_asking_is_caught() {
    is_caught(Sabotage::NoQuery, &[Site::BeforeSend, Site::AfterSend]);
}
