//! What equality stands on: undisturbed runs are equal, however many threads there are, and equal
//! to the plain loop.

use super::learned;
use crate::shared::shared;
use everwarm::chaos::compare::Picture;
use everwarm::chaos::rig::{Feed, Plan, run};
use everwarm::chaos::{feed, plain};
use everwarm::plain_run::STOP_ORDERS;
use everwarm_domain::sessions::Sessions;
use everwarm_sim::InitialBooks;
use everwarm_sim::market::Recording;
use everwarm_trading::specs;
use std::collections::BTreeMap;
use std::sync::Arc;

fn undisturbed(feed: &Feed, workers: usize) -> Picture {
    let outcome = run(feed, &Plan { workers, ..Plan::default() }).unwrap();
    assert_eq!(outcome.broken, Vec::<String>::new());
    outcome.picture
}

#[test]
fn the_small_feed_has_all_that_equality_is_about() {
    let picture = &learned().1.picture;
    let ours = |start: &str| picture.ours.iter().filter(|line| line.starts_with(start)).collect();
    let orders: Vec<&String> = ours("order ");
    assert!(orders.len() >= 21, "{} orders", orders.len());
    let rejected = orders.iter().filter(|line| line.contains("status=\"rejected\""));
    assert_eq!(rejected.count(), 1, "{orders:#?}");
    let several = picture.theirs.iter().filter(|line| line.matches(" | ").count() > 1);
    assert!(several.count() >= 5, "orders with several fills");
    let mut closes: BTreeMap<&str, u32> = BTreeMap::new();
    for order in &orders {
        *closes.entry(order.split(' ').nth(1).unwrap()).or_default() += 1;
    }
    assert!(closes.values().any(|count| *count > 1), "two symbols signal in one close");
    let missing =
        picture.ours.iter().filter(|line| line.contains("rank 0") && line.contains("USD]"));
    assert!(missing.count() >= 3, "closes with a symbol missing");
}

#[test]
fn ten_undisturbed_runs_are_equal_with_one_and_with_four_workers() {
    let (feed, learned) = learned();
    for workers in [1, 4, 1, 4, 1, 4, 1, 4, 1, 4] {
        let picture = undisturbed(feed, workers);
        assert_eq!(learned.picture.difference(&picture), None, "{workers} workers");
    }
}

#[test]
fn the_small_feed_is_equal_to_the_plain_loop() {
    let plain = plain::play(&feed::small()).unwrap();
    assert_eq!(plain.difference(&learned().1.picture), None);
}

#[test]
fn a_venue_that_takes_no_stop_orders_gets_none_and_the_end_is_that_of_the_plain_loop() {
    let feed = feed::without_stop_orders();
    let picture = undisturbed(&feed, 2);
    assert!(!picture.theirs.iter().any(|line| line.contains("STOP_LOSS")), "{picture:?}");
    assert_eq!(plain::play(&feed).unwrap().difference(&picture), None);
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn a_recording_is_equal_to_the_plain_loop() {
    let dir = shared("data/coinbase");
    let feed = Feed {
        market: Arc::new(move || Box::new(Recording::open(&dir, None).unwrap())),
        setup: InitialBooks::default(),
        settings: everwarm::chaos::feed::settings(),
        stages: specs(),
        script: Vec::new(),
        before: None,
        sessions: Sessions::ALWAYS,
        stop_orders: STOP_ORDERS,
        values: Vec::new(),
    };
    let plain = plain::play(&feed).unwrap();
    assert!(plain.theirs.len() > 400, "it trades");
    assert_eq!(plain.difference(&undisturbed(&feed, 2)), None);
}
