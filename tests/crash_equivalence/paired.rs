//! Several strategies of one kind on the same symbols: each holds lots of its own and sells no
//! other's, whatever faults are injected meanwhile.

use super::{learned_of, none_failed, number};
use everwarm::chaos::feed::{self, SECOND, START, THIRD};
use everwarm::chaos::rig::{Plan, run};
use everwarm::chaos::sweep::{Die, every_target, mixture, pack, sweep};
use everwarm_domain::fact::{Body, Decision, Ledger, Market, Operator};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{FIRST_STRATEGY, HOUSE, Side};
use everwarm_domain::time::MINUTE;
use everwarm_runtime::chaos::Site;
use std::collections::{BTreeMap, BTreeSet};

/// Mixtures in every test run.
const MIXTURES: u64 = 8;

#[test]
fn two_strategies_on_one_symbol_hold_and_sell_each_their_own() {
    let outcome = run(&feed::paired(), &Plan { workers: 2, ..Plan::default() }).unwrap();
    assert_eq!(outcome.broken, Vec::<String>::new(), "the audit is one of the invariants");
    let mut lots: BTreeMap<_, Decimal> = BTreeMap::new();
    let (mut both, mut minute, mut joined) = (BTreeSet::new(), 0, Vec::new());
    let (mut bought, mut sold, mut left) = (BTreeMap::new(), Vec::new(), Vec::new());
    for fact in &outcome.facts {
        match &fact.body {
            Body::Market(Market::Close { time, .. }) => minute = (time - START) / MINUTE,
            Body::Operator(Operator::StageJoined { rank, id, kind, .. }) => {
                joined.push((*rank, id.clone(), kind.clone()));
            }
            Body::Operator(Operator::StageLeft { rank }) => {
                assert_eq!(*rank, 401);
                let of_it = lots.iter().filter(|((strategy, _), _)| strategy == SECOND);
                // What is less than a step cannot be sold.
                let step = Decimal::new(1, 3);
                let of_it: Vec<_> = of_it.filter(|(_, quantity)| **quantity >= step).collect();
                assert!(of_it.is_empty(), "{minute}: it held {of_it:?}");
                left.push(minute);
            }
            Body::Ledger(Ledger::Lot { strategy, symbol, quantity, .. }) => {
                lots.insert((strategy.clone(), *symbol), *quantity);
                let holds = |strategy: &str| {
                    let lot = lots.get(&(strategy.to_owned(), *symbol));
                    lot.is_some_and(|quantity| !quantity.is_zero())
                };
                if holds(FIRST_STRATEGY) && holds(SECOND) {
                    both.insert(*symbol);
                }
            }
            Body::Decision(Decision::Approved { intent, .. }) => {
                let lot = (intent.strategy.clone(), intent.symbol);
                if intent.side == Side::Buy {
                    bought.entry(lot.0).or_insert_with(Vec::new).push(minute);
                } else {
                    // The next sale takes the dust of all along.
                    let house = (HOUSE.to_owned(), lot.1);
                    let own = [&lot, &house].map(|lot| lots.get(lot).copied().unwrap_or_default());
                    let held = own[0] + own[1];
                    assert!(intent.quantity <= held, "{minute}: {intent:?} of {held}");
                    sold.push((minute, lot.0));
                }
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
    let of = |rank, id: &str| (rank, id.to_owned(), FIRST_STRATEGY.to_owned());
    let again = of(401, SECOND);
    assert_eq!(joined, [again.clone(), of(402, THIRD), again], "the second one came back");
    let [at] = left[..] else { panic!("{left:?}") };
    assert!((200..228).contains(&at), "it left at {at}");
    assert!(!both.is_empty(), "at no time both hold the same symbol");
    let minutes = &bought[SECOND];
    let any = |from: i64, to: i64| minutes.iter().any(|at| (from..to).contains(at));
    assert!(any(0, 58) && any(58, 111), "under both lengths: {minutes:?}");
    assert!(!minutes.iter().any(|at| (111..=130).contains(at)), "it was off: {minutes:?}");
    assert!(!any(201, 228), "it is not configured: {minutes:?}");
    assert!(any(228, 260), "it is back: {minutes:?}");
    assert!(bought[FIRST_STRATEGY].iter().any(|at| *at > 200), "the other one goes on");
    assert!(bought[THIRD].iter().all(|at| *at > 215), "it joined then: {bought:?}");
    let flattened: BTreeSet<&str> = sold
        .iter()
        .filter(|(at, _)| (160..170).contains(at))
        .map(|(_, strategy)| strategy.as_str())
        .collect();
    assert!(flattened.contains(FIRST_STRATEGY) || flattened.contains(SECOND), "{sold:?}");
}

#[test]
fn kills_around_two_strategies_end_the_same() {
    let (feed, learned) = learned_of("paired");
    let mut die = Die(number("EVERWARM_SEED").unwrap_or(1));
    // All points of the strategies that come and go, of who puts settings in force, and of who
    // appends that one leaves; of the others mixtures.
    let mut passings = learned.passings.clone();
    passings.retain(|(site, who, _), _| {
        let appends = [Site::BeforeAppend, Site::AfterAppend].contains(site);
        [SECOND, THIRD, "config"].contains(&who.as_str()) || (appends && who == "universe")
    });
    let mut plans = pack(every_target(&passings, &mut die), 7, &mut die);
    plans.extend(
        (0..MIXTURES).map(|_| mixture(&learned.passings, &learned.operations, die.throw())),
    );
    let swept = sweep(feed, &plans, &learned.picture);
    println!("{} runs of {} lives, {} targets", swept.runs, swept.lives, swept.injected.len());
    none_failed("paired", &swept);
    for of in [SECOND, "universe"] {
        assert!(
            swept.injected.keys().any(|(_, who, ..)| who == of),
            "no fault was injected into {of}"
        );
    }
}
