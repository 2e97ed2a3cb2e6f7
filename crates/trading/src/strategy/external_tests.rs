//! Tests signals of external programs, alone and with all stages.

use super::*;
use crate::stages;
use crate::stages::instance;
use crate::testing::world::{Delivery, World, settings};
use crate::testing::{bar, configured, dec, facts_of, input, sym};
use everwarm_domain::fact::{Analysis, Body, Decision, Ledger, Operator, Order};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{OrderIntent, Side};
use everwarm_domain::settings::{ExitRules, Settings};
use everwarm_domain::signal::Signal;
use everwarm_domain::switch::Switch;
use everwarm_kernel::fact::Rank;
use everwarm_kernel::stage::Stage;
use std::collections::BTreeSet;

const ID: &str = "trend";
const SYMBOL: &str = "BTCUSDT";

/// Settings with this strategy alone, without exit rules.
fn alone() -> Settings {
    let mut settings = settings();
    settings.strategy.enable("sma_cross", false);
    settings.strategy.set_exits(ID, ExitRules::none());
    let one = settings.strategy.0.get_mut(ID).unwrap();
    one.kind = External::KIND.to_owned();
    settings
}

fn given(id: &str, side: Side) -> ExternalSignal {
    ExternalSignal {
        id: id.to_owned(),
        strategy: ID.to_owned(),
        symbol: sym(SYMBOL),
        side,
        confidence_ppm: 1_000_000,
        stop: None,
        target: None,
        time: 0,
        reason: "a test".to_owned(),
    }
}

fn signalled(given: ExternalSignal) -> Body {
    Body::Operator(Operator::Signalled(Box::new(given)))
}

/// All stages with this strategy, and two closes at 100.
struct Desk(World, i64);

impl Desk {
    fn new() -> Desk {
        let mut desk = Desk::empty();
        desk.close(100);
        desk.close(100);
        desk
    }

    /// The same before the first close.
    fn empty() -> Desk {
        let mut all = stages();
        all.push(instance(ID, External::KIND, Rank(401)).unwrap().build());
        let mut world = World::of(all, Delivery::Whole, 0);
        world.give(configured(&alone()));
        Desk(world, 0)
    }

    fn close(&mut self, price: i64) {
        self.1 += 1;
        self.0.close(vec![bar(SYMBOL, self.1, price)]);
        self.restart();
    }

    /// Gives a signal some seconds after the last input and settles its order. Returns why it was
    /// declined.
    fn signal(&mut self, given: ExternalSignal) -> Option<String> {
        self.0.time += 10_000;
        let from = self.0.facts.len();
        self.0.give(signalled(given));
        self.restart();
        self.0.send();
        self.restart();
        self.0.facts.iter().skip(from).find_map(|fact| {
            let Body::Decision(Decision::Declined { code, .. }) = &fact.body else { return None };
            Some(code.clone())
        })
    }

    fn buy(&mut self, id: &str) -> Option<String> {
        self.signal(given(id, Side::Buy))
    }

    fn sell(&mut self, id: &str) -> Option<String> {
        self.signal(given(id, Side::Sell))
    }

    /// Every stage goes on from its saved state.
    fn restart(&mut self) {
        for stage in self.0.plain.stages_mut() {
            let bytes = stage.save();
            stage.load(&bytes).unwrap();
        }
    }

    fn orders(&self) -> Vec<&OrderIntent> {
        let intents = self.0.facts.iter().filter_map(|fact| {
            let Body::Order(Order::Intent(intent)) = &fact.body else { return None };
            Some(intent)
        });
        intents.collect()
    }

    fn sides(&self) -> Vec<Side> {
        self.orders().iter().map(|intent| intent.side).collect()
    }

    fn held(&self) -> Decimal {
        let lot = self.0.facts.iter().rev().find_map(|fact| {
            let Body::Ledger(Ledger::Lot { strategy, quantity, .. }) = &fact.body else {
                return None;
            };
            (strategy == ID).then_some(*quantity)
        });
        lot.unwrap_or_default()
    }
}

#[test]
fn a_buy_opens_a_lot_when_it_arrives_and_a_sell_closes_it() {
    let mut desk = Desk::new();
    assert_eq!(desk.buy("a"), None);
    assert_eq!(desk.held(), dec("10"), "1,000 at the newest close of 100");
    assert_eq!(desk.orders()[0].strategy, ID);
    desk.close(110);
    assert_eq!(desk.sell("b"), None);
    assert_eq!(desk.held(), Decimal::ZERO);
    assert_eq!(desk.sides(), [Side::Buy, Side::Sell]);
}

#[test]
fn an_id_counts_once_though_every_stage_restarts_between_two_inputs() {
    let mut desk = Desk::new();
    desk.buy("a");
    assert_eq!((desk.buy("a"), desk.sides().len()), (None, 1), "while the lot is held");
    desk.sell("b");
    desk.sell("b");
    desk.close(100);
    assert_eq!((desk.buy("a"), desk.sides().len()), (None, 2), "after it was sold");
    assert_eq!((desk.buy("c"), desk.sides().len()), (None, 3));
}

#[test]
fn several_round_trips_after_one_close_are_different_orders() {
    let mut desk = Desk::new();
    for (buy, sell) in [("a", "b"), ("c", "d"), ("e", "f")] {
        assert_eq!((desk.buy(buy), desk.sell(sell)), (None, None));
    }
    let ids: BTreeSet<_> = desk.orders().iter().map(|intent| &intent.client_id).collect();
    assert_eq!((ids.len(), desk.orders().len()), (6, 6));
    assert_eq!(desk.held(), Decimal::ZERO);
}

#[test]
fn the_decision_says_why_a_signal_gives_no_order() {
    let mut desk = Desk::empty();
    assert_eq!(desk.buy("early").unwrap(), "no-price", "no close yet");
    desk.close(100);
    assert_eq!(desk.sell("a").unwrap(), "nothing-to-sell");
    assert_eq!(desk.buy("b"), None);
    assert_eq!(desk.buy("c").unwrap(), "already-long");
    desk.sell("d");
    let above = ExternalSignal { stop: Some(dec("101")), ..given("e", Side::Buy) };
    assert_eq!(desk.signal(above).unwrap(), "exit-price");
    desk.0.time += i64::from(u16::MAX) * 1_000;
    assert_eq!(desk.buy("late").unwrap(), "stale", "the newest close is hours old");
    let reason = "storm".to_owned();
    desk.0.give(Body::Operator(Operator::Switched { switch: Switch::Halt, reason }));
    assert_eq!(desk.buy("f").unwrap(), "exits-only");
    assert_eq!(desk.sides(), [Side::Buy, Side::Sell]);
}

#[test]
fn a_strategy_that_is_off_takes_sells_alone_and_another_one_takes_nothing() {
    let mut desk = Desk::new();
    desk.buy("a");
    let switch = Switch::Strategy { name: ID.to_owned(), on: false };
    desk.0.give(Body::Operator(Operator::Switched { switch, reason: "r".to_owned() }));
    desk.sell("b");
    assert_eq!((desk.buy("c"), desk.sides()), (None, vec![Side::Buy, Side::Sell]));
    let other = ExternalSignal { strategy: "other".to_owned(), ..given("d", Side::Buy) };
    assert_eq!((desk.signal(other), desk.sides().len()), (None, 2));
}

/// The signals of a stage at an input.
fn rows(stage: &mut dyn Stage<Body = Body>, n: u64, body: Body) -> Vec<Signal> {
    let facts = facts_of(stage, &input(n, body));
    let rows = facts.into_iter().map(|body| {
        let Body::Analysis(Analysis::Signals { rows }) = body else { panic!("{body:?}") };
        rows
    });
    rows.flatten().collect()
}

#[test]
fn a_signal_keeps_what_its_sender_gave() {
    let mut stage = instance(ID, External::KIND, Rank(401)).unwrap().build();
    rows(stage.as_mut(), 1, configured(&alone()));
    let (stop, target) = (Some(dec("90")), Some(dec("120")));
    let body = ExternalSignal { stop, target, confidence_ppm: 7, ..given("a", Side::Buy) };
    let signals = rows(stage.as_mut(), 2, signalled(body));
    let [signal] = signals.as_slice() else { panic!("{signals:?}") };
    assert_eq!((signal.confidence_ppm, signal.terms.id.as_deref()), (7, Some("a")));
    assert_eq!((signal.terms.stop, signal.terms.target), (stop, target));
    assert_eq!(signal.reason, "an external program signals it: a test");
}

#[test]
fn the_memory_of_a_symbol_is_bounded() {
    let mut memory = Memory::default();
    let mut takes = |number: i64, time: UtcMs| {
        let signal = ExternalSignal { time, ..given(&number.to_string(), Side::Buy) };
        External::external(&Section {}, &mut memory, &signal).is_some()
    };
    for number in 0..6_000 {
        let time = number * 2_000;
        assert!(takes(number, time) && !takes(number, time), "{number}");
        // The API refuses what is older.
        let hour = number - 1_800;
        assert!(hour < 0 || !takes(hour, hour * 2_000), "{hour} is remembered");
    }
    assert!(takes(0, 12_000_000), "as new as another one");
    let more = (6_000..20_000).filter(|number| takes(*number, 12_000_000)).count();
    assert!((2_000..4_000).contains(&more), "{more}");
    assert_eq!(memory.known.len(), KNOWN_MAX);
}
