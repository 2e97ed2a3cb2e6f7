//! Symbols are barred after losing trades, until the same close whatever faults are injected.

use super::{learned_of, none_failed, number};
use everwarm::chaos::feed;
use everwarm::chaos::rig::{Plan, run};
use everwarm::chaos::sweep::{Die, every_target, mixture, pack, sweep};
use everwarm_domain::fact::{Body, Decision};
use std::collections::BTreeSet;

/// Mixtures in every test run.
const MIXTURES: u64 = 3;

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
    let (feed, learned) = learned_of("barring");
    let mut die = Die(number("EVERWARM_SEED").unwrap_or(1));
    let mut passings = learned.passings.clone();
    passings.retain(|(_, who, _), _| ["breaker", "decision", "ledger"].contains(&who.as_str()));
    let mut targets = every_target(&passings, &mut die);
    die.shuffle(&mut targets);
    targets.truncate(30);
    let mut plans = pack(targets, 7, &mut die);
    plans.extend(
        (0..MIXTURES).map(|_| mixture(&learned.passings, &learned.operations, die.throw())),
    );
    let swept = sweep(feed, &plans, &learned.picture);
    println!("{} runs of {} lives, {} targets", swept.runs, swept.lives, swept.injected.len());
    none_failed("barring", &swept);
    assert!(swept.injected.keys().any(|(_, who, ..)| who == "breaker"));
}
