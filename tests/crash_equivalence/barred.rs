//! Symbols are barred after losing trades, until the same close whatever faults are injected.

use super::kills_of;
use everwarm::chaos::feed;
use everwarm::chaos::rig::{Plan, run};
use everwarm_domain::fact::{Body, Decision};
use std::collections::BTreeSet;

#[test]
fn losing_trades_bar_their_symbol_and_nothing_enters_it_meanwhile() {
    let outcome = run(&feed::barring(), &Plan::default()).unwrap();
    assert_eq!(outcome.broken, Vec::<String>::new());
    let (mut barred, mut ever, mut lifted, mut declined) = (BTreeSet::new(), 0, 0, 0);
    for fact in &outcome.facts {
        match &fact.body {
            Body::Decision(Decision::Breaker { barred: now, .. }) => {
                let now: BTreeSet<_> = now.iter().map(|(symbol, _)| *symbol).collect();
                ever += now.difference(&barred).count();
                lifted += barred.difference(&now).count();
                barred = now;
            }
            Body::Decision(Decision::Approved { intent, .. }) => {
                let enters = intent.side == everwarm_domain::order::Side::Buy;
                assert!(!enters || !barred.contains(&intent.symbol), "{intent:?}");
            }
            Body::Decision(Decision::Declined { code, .. }) if code == "barred" => declined += 1,
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
    }
    println!("{ever} bars, {lifted} lifted, {declined} declined");
    assert!(ever > 3 && lifted > 1 && declined > 0, "{ever} {lifted} {declined}");
}

#[test]
fn kills_of_the_breaker_neither_loosen_a_bar_nor_prolong_it() {
    kills_of("barring", &["breaker", "decision", "ledger"], 3);
}
