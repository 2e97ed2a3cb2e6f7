//! Entries by limit orders are filled, cancelled and replaced alike, whatever faults are injected.

use super::{kills_of, learned_of};
use everwarm::chaos::plain;
use everwarm::chaos::rig::{Plan, run};
use everwarm_domain::fact::{Body, Decision, Order};
use everwarm_domain::order::{OrderStatus, OrderType};
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn limit_orders_are_filled_cancelled_and_replaced_as_in_the_plain_loop() {
    let (feed, learned) = learned_of("limited");
    assert_eq!(plain::play(feed).unwrap().difference(&learned.picture), None);
    let outcome = run(feed, &Plan::default()).unwrap();
    let (mut of, mut ends) = (BTreeMap::new(), BTreeMap::<OrderStatus, usize>::new());
    let mut stops = BTreeMap::<_, bool>::new();
    let (mut minutes, mut signals) = (BTreeSet::new(), BTreeMap::<_, usize>::new());
    for fact in &outcome.facts {
        match &fact.body {
            Body::Decision(Decision::Approved { intent, .. })
                if intent.order_type == OrderType::Limit =>
            {
                of.insert(intent.client_id.clone(), fact.key);
                *signals.entry(fact.because.clone()).or_default() += 1;
            }
            Body::Decision(Decision::Approved { intent, .. }) if intent.protection().is_some() => {
                stops.insert(intent.client_id.clone(), false);
            }
            Body::Order(Order::Changed { client_id, status: OrderStatus::Filled, .. })
                if stops.contains_key(client_id) =>
            {
                stops.insert(client_id.clone(), true);
            }
            Body::Decision(Decision::CancelIntent { client_id, reason, .. })
                if reason.starts_with("it has worked") =>
            {
                minutes.insert(client_id.clone());
            }
            Body::Order(Order::Changed { client_id, status, .. })
                if of.contains_key(client_id) && status.is_final() =>
            {
                *ends.entry(*status).or_default() += 1;
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
    let replaced = signals.values().filter(|orders| **orders > 1).count();
    println!("{} orders, {} by minutes, {replaced} replaced: {ends:?}", of.len(), minutes.len());
    let sold = stops.values().filter(|filled| **filled).count();
    println!("{} stop orders, {sold} filled", stops.len());
    assert!(sold > 1 && sold < stops.len(), "{stops:?}");
    assert!(ends.get(&OrderStatus::Filled).is_some_and(|filled| *filled > 1), "{ends:?}");
    assert!(minutes.len() > 2 && replaced > 1, "{minutes:?} {signals:?}");
}

#[test]
fn kills_around_a_limit_order_neither_lose_nor_double_it() {
    kills_of("limited", &["gateway", "decision", "order-manager", "private"], 3);
}
