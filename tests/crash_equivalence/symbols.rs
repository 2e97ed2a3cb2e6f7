//! Symbols come and go while it trades: nothing is lost, whatever faults are injected.

use super::{learned_of, none_failed, number};
use everwarm::chaos::feed::{self, START};
use everwarm::chaos::rig::{Outcome, Plan, run};
use everwarm::chaos::sweep::{Die, every_target, mixture, pack, sweep};
use everwarm_domain::fact::{Body, Ledger, Market};
use everwarm_domain::time::MINUTE;
use std::collections::BTreeMap;

/// Mixtures in every test run.
const MIXTURES: u64 = 12;

/// What was appended of the standing of symbols, with the minute of the close before.
fn standings(outcome: &Outcome) -> Vec<String> {
    let (mut minute, mut words) = (0, Vec::new());
    for fact in &outcome.facts {
        match &fact.body {
            Body::Market(Market::Close { time, .. }) => minute = (time - START) / MINUTE,
            Body::Market(Market::Universe { listed, unlisted, .. }) => {
                let listed = listed.iter().map(|l| format!("{} {}", l.symbol, l.standing().name()));
                let gone = unlisted.iter().map(|symbol| format!("{symbol} -"));
                words.extend(listed.chain(gone).map(|word| format!("{minute} {word}")));
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
    words
}

#[test]
fn symbols_that_come_and_go_have_a_defined_beginning_and_end() {
    let outcome = run(&feed::moving(), &Plan { workers: 2, ..Plan::default() }).unwrap();
    assert_eq!(outcome.broken, Vec::<String>::new());
    let words = standings(&outcome);
    let text = words.join(", ");
    for needed in [
        "50 BBBUSD halted",
        "50 AAAUSD leaving",
        "69 BBBUSD trading",
        "100 AAAUSD trading",
        "CCCUSD gone",
        "200 BBBUSD trading",
    ] {
        assert!(words.iter().any(|word| word.ends_with(needed)), "{needed}: {text}");
    }
    let left = words.iter().position(|word| word.ends_with("AAAUSD -"));
    let back = words.iter().position(|word| word == "100 AAAUSD trading");
    assert!(left.is_some() && left < back, "left once nothing was held: {text}");
    // Between the two there is no bar of it in any close, and afterwards in each.
    let mut minutes: BTreeMap<i64, bool> = BTreeMap::new();
    let mut held = BTreeMap::new();
    for fact in &outcome.facts {
        match &fact.body {
            Body::Market(Market::Close { time, bars, missing, .. }) => {
                let symbols = bars.iter().map(|b| b.symbol).chain(missing.iter().copied());
                let here = symbols.into_iter().any(|symbol| symbol.as_str() == "AAAUSD");
                minutes.insert((time - START) / MINUTE, here);
            }
            Body::Ledger(Ledger::Position { symbol, quantity, .. }) => {
                held.insert(symbol.to_string(), *quantity);
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
    assert_eq!((minutes[&99], minutes[&101], minutes[&200]), (false, true, true));
    assert!(!held["CCCUSD"].is_zero(), "what cannot be sold stays on the books: {held:?}");
}

#[test]
fn kills_while_symbols_come_and_go_change_nothing() {
    let (feed, learned) = learned_of("moving");
    let mut die = Die(number("EVERWARM_SEED").unwrap_or(1));
    // All points of those who see to it; of the others mixtures.
    let mut passings = learned.passings.clone();
    passings.retain(|(_, who, _), _| {
        ["universe", "closer", "feed", "AAAUSD", "BBBUSD"].contains(&who.as_str())
    });
    let mut plans = pack(every_target(&passings, &mut die), 7, &mut die);
    plans.extend(
        (0..MIXTURES).map(|_| mixture(&learned.passings, &learned.operations, die.throw())),
    );
    let swept = sweep(feed, &plans, &learned.picture);
    println!("{} runs of {} lives, {} targets", swept.runs, swept.lives, swept.injected.len());
    none_failed("moving", &swept);
    assert!(swept.injected.keys().any(|(_, who, ..)| who == "universe"));
}
