//! A strategy that adds to its lots makes the same entries, whatever faults are injected between
//! two of them.

use super::{kills_of, learned_of};
use everwarm::chaos::feed::LADDER;
use everwarm::chaos::plain;
use everwarm::chaos::rig::{Plan, run};
use everwarm_domain::fact::{Body, Decision, Ledger};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Side;
use std::collections::BTreeMap;

#[test]
fn a_ladder_is_climbed_and_left_as_in_the_plain_loop() {
    let (feed, learned) = learned_of("laddered");
    assert_eq!(plain::play(feed).unwrap().difference(&learned.picture), None);
    let outcome = run(feed, &Plan::default()).unwrap();
    // The entries of each lot while it is open, and of the lots that are sold.
    let (mut open, mut whole) = (BTreeMap::new(), Vec::<Vec<_>>::new());
    for fact in &outcome.facts {
        if let Body::Decision(Decision::Approved { intent, reserved, .. }) = &fact.body
            && (intent.side, intent.strategy.as_str()) == (Side::Buy, LADDER)
        {
            open.entry(intent.symbol).or_insert_with(Vec::new).push(*reserved);
        } else if let Body::Ledger(Ledger::Lot { symbol, quantity, .. }) = &fact.body
            && quantity.is_zero()
        {
            whole.extend(open.remove(symbol));
        }
    }
    println!("{whole:?}, open: {open:?}");
    assert!(whole.iter().any(|entries| entries.len() == 4), "none has all its entries");
    // A lot that is dust is not zero. The next one begins with an entry of the usual size.
    let (first, quarter) = (Decimal::new(404, 0), Decimal::new(125, 2));
    let near = |a: Decimal, b: Decimal| (a - b).abs() < b / Decimal::from(50);
    let grows = |pair: &[Decimal]| near(pair[1], pair[0] * quarter) || near(pair[1], first);
    let grow = |entries: &Vec<_>| near(entries[0], first) && entries.windows(2).all(grows);
    assert!(whole.iter().all(grow), "each entry is a quarter larger: {whole:?}");
    assert!(whole.len() > 2, "{whole:?}");
}

#[test]
fn kills_between_two_entries_of_a_ladder_make_no_difference() {
    kills_of("laddered", &["decision", "ladder", "gateway", "order-manager", "ledger"], 3);
}
