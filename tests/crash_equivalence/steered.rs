//! The configuration changes and operators speak while it trades: it is the old or the new, never
//! between, whoever is struck meanwhile.

use super::{none_failed, number};
use everwarm::chaos::feed::{self, START};
use everwarm::chaos::rig::Feed;
use everwarm::chaos::rig::{Outcome, Plan, run};
use everwarm::chaos::sweep::{Die, Learned, every_target, learn, mixture, pack, sweep};
use everwarm::domain::fact::{Analysis, Body, Decision, Market, Operator, Order};
use everwarm::domain::order::Side;
use everwarm::domain::time::MINUTE;
use std::sync::OnceLock;

/// Mixtures in every test run.
const MIXTURES: u64 = 8;

fn learned() -> &'static (Feed, Learned) {
    static LEARNED: OnceLock<(Feed, Learned)> = OnceLock::new();
    LEARNED.get_or_init(|| {
        let feed = feed::steered();
        let learned = learn(&feed).unwrap();
        (feed, learned)
    })
}

/// What happened of note, with the minute of the close before.
fn events(outcome: &Outcome) -> Vec<(i64, String)> {
    let (mut minute, mut events) = (0, Vec::new());
    for fact in &outcome.facts {
        let event = match &fact.body {
            Body::Market(Market::Close { time, .. }) => {
                minute = (time - START) / MINUTE;
                continue;
            }
            Body::Operator(Operator::ConfigApplied { generation, .. }) => {
                format!("generation {generation}")
            }
            Body::Analysis(Analysis::Kept { slow, .. }) => format!("kept {slow}"),
            Body::Decision(Decision::Approved { intent, reason, .. }) => {
                format!("{:?} by {}: {reason}", intent.side, intent.strategy)
            }
            Body::Decision(Decision::Declined { code, .. }) => format!("declined {code}"),
            Body::Order(Order::Filled { side: Side::Sell, strategy, .. }) => {
                format!("sold by {strategy}")
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => continue,
        };
        events.push((minute, event));
    }
    events
}

#[test]
fn what_is_changed_while_it_trades_holds_from_there_on_and_what_is_held_keeps_its_rules() {
    let outcome = run(&feed::steered(), &Plan { workers: 2, ..Plan::default() }).unwrap();
    assert_eq!(outcome.broken, Vec::<String>::new(), "the audit is one of the invariants");
    let events = events(&outcome);
    let told: Vec<String> = events.iter().map(|(at, event)| format!("{at} {event}")).collect();
    let told = told.join("\n");
    let within = |from: i64, to: i64, words: &str| {
        events.iter().filter(|(at, e)| (from..to).contains(at) && e.contains(words)).count()
    };
    for (minute, generation) in [(30, 2), (52, 3), (84, 4), (90, 5), (170, 6)] {
        assert_eq!(within(minute, minute + 1, &format!("generation {generation}")), 1, "{told}");
    }
    assert!(within(30, 52, "kept 30") > 0, "the lengths before go on for what is held\n{told}");
    assert!(within(30, 60, "crossed below sma30") > 0, "and it is left by them\n{told}");
    assert_eq!(within(31, 170, "crossed above sma30"), 0, "nothing is entered by them\n{told}");
    assert!(within(31, 170, "crossed above sma12") > 0, "{told}");
    assert_eq!(within(61, 80, "Buy by"), 0, "off by an operator\n{told}");
    assert_eq!(within(85, 91, "Buy by"), 0, "off by the configuration\n{told}");
    assert_eq!(within(131, 160, "Buy by"), 0, "halted\n{told}");
    assert!(within(131, 160, "declined exits-only") > 0, "{told}");
    assert!(within(131, 160, "Sell by sma_cross") > 0, "what is held may be left\n{told}");
    assert!(within(195, 196, "Sell by flatten") > 0, "{told}");
    assert!(within(195, 198, "sold by flatten") > 0, "{told}");
    assert_eq!(within(196, 225, "Buy by"), 0, "{told}");
}

#[test]
fn kills_around_every_change_end_the_same() {
    let (feed, learned) = learned();
    let mut die = Die(number("EVERWARM_SEED").unwrap_or(1));
    // All points of those who see to it; of the others mixtures.
    let mut passings = learned.passings.clone();
    passings.retain(|(_, who, _), _| ["config", "universe", "store"].contains(&who.as_str()));
    let mut plans = pack(every_target(&passings, &mut die), 7, &mut die);
    let operations = learned.operations.len() as u64;
    plans.extend((0..MIXTURES).map(|_| mixture(&learned.passings, operations, die.throw())));
    let swept = sweep(feed, &plans, &learned.picture);
    println!("{} runs of {} lives, {} targets", swept.runs, swept.lives, swept.struck.len());
    none_failed(&swept);
    assert!(swept.struck.keys().any(|(_, who, ..)| who == "config"));
}
