//! Limits of the venue that others have used up: orders wait, and in the end all is as without.

use super::learned;
use everwarm::chaos::rig::{Outcome, Plan, run};
use everwarm::chaos::sweep::verdict;
use everwarm_domain::fact::{Body, Order, Venue};
use everwarm_runtime::clock;
use everwarm_sim::server::requests::Entry;
use everwarm_sim::wire::info::Limits;
use std::collections::{BTreeMap, BTreeSet};
use std::thread::park_timeout;
use std::time::Duration;

/// Orders the exchange takes in 10 s in lockstep.
fn limit() -> u64 {
    Limits::scaled(1_000).orders
}

/// A run at an exchange that has counted so many orders of others, in a window that still lasts for
/// some seconds of it.
fn after(orders_used: u64) -> Outcome {
    let (feed, learned) = learned();
    while !(3_000..6_000).contains(&clock::wall().utc().rem_euclid(10_000)) {
        park_timeout(Duration::from_millis(50));
    }
    let outcome = run(feed, &Plan { orders_used, ..Plan::default() }).unwrap();
    assert_eq!(verdict(&Ok(outcome.clone()), &learned.picture), None);
    outcome
}

/// By order, the codes its POSTs were answered with; 0: it was taken.
fn answers(outcome: &Outcome) -> BTreeMap<&str, Vec<i32>> {
    let mut open = BTreeMap::new();
    let mut codes: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for entry in &outcome.asked {
        match entry {
            Entry::Asked(asked) if asked.what == "POST order" => {
                open.insert(asked.n, asked.id.as_str());
            }
            Entry::Answered(answered) => {
                if let Some(id) = open.remove(&answered.n) {
                    codes.entry(id).or_default().push(answered.code.unwrap_or(0));
                }
            }
            Entry::Asked(_) | Entry::Started { .. } | Entry::Spoilt { .. } => {}
        }
    }
    codes
}

#[test]
fn an_order_too_many_is_not_sent_again_before_the_window_is_over() {
    let outcome = after(limit());
    let answers = answers(&outcome);
    let refused: BTreeSet<&str> =
        answers.iter().filter(|(_, codes)| codes.contains(&-1015)).map(|(id, _)| *id).collect();
    assert!(!refused.is_empty(), "none was too many: {answers:?}");
    // The exchange refuses until its window is over: a POST meanwhile would be another refusal.
    for id in &refused {
        assert_eq!(answers[id], [-1015, 0], "{id}: {answers:?}");
    }
    // What waits appends nothing meanwhile.
    let total = |of: fn(&Body) -> usize| outcome.facts.iter().map(|f| of(&f.body)).sum::<usize>();
    let sent =
        total(
            |body| {
                if let Body::Venue(Venue::Sent { attempts }) = body { attempts.len() } else { 0 }
            },
        );
    let granted = total(|body| usize::from(matches!(body, Body::Order(Order::Granted { .. }))));
    assert_eq!((sent, granted), (answers.len() + refused.len(), refused.len()));
}
