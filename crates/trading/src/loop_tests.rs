//! Tests all stages together on the plain loop.

use super::testing::world::{Delivery, History, World, settings};
use super::testing::{bar, configured, dec, sym, trade};
use crate::stages;
use everwarm_domain::fact::kinds::kind;
use everwarm_domain::fact::{Analysis, Body, Decision, Ledger, Market, Operator, Order, Venue};
use everwarm_domain::features::FeatureTable;
use everwarm_domain::market::Bar;
use everwarm_domain::order::{
    FIRST_STRATEGY, OrderReport, OrderStatus, ReportSource, SendAttempt, Side, Validity,
};
use everwarm_domain::settings::exits::AtrStop;
use everwarm_domain::settings::{ExitRules, Size};
use everwarm_domain::time::{MINUTE, Timeframe};
use everwarm_kernel::fact::{Body as _, Fact};
use everwarm_kernel::plain::PlainLoop;
use std::collections::BTreeSet;

impl World {
    /// Walks the prices of three symbols; the last close has no trade.
    fn walk(&mut self, closes: i64) {
        self.walk_from(1, closes);
    }

    fn bytes(&self, wanted: impl Fn(&Fact<Body>) -> bool) -> Vec<Vec<u8>> {
        let encode = |fact: &Fact<Body>| {
            let mut bytes = Vec::new();
            fact.body.encode(&mut bytes);
            bytes
        };
        self.facts.iter().filter(|fact| wanted(fact)).map(encode).collect()
    }

    fn count(&self, kind: u8) -> usize {
        self.facts.iter().filter(|fact| fact.body.kind() == kind).count()
    }
}

#[test]
fn a_round_trip_is_right_to_the_cent() {
    let mut world = World::new(Delivery::Whole, 0);
    for (minute, price) in (1..).zip([100, 99, 98, 110, 120, 125, 90, 80]) {
        world.close(vec![bar("BTCUSDT", minute, price)]);
    }
    let last = world.facts.iter().rev();
    let positions = world.facts.iter().filter_map(|fact| {
        let Body::Ledger(Ledger::Position { quantity, realized_pnl, cash, .. }) = &fact.body else {
            return None;
        };
        Some(format!("{quantity} {realized_pnl} {cash}"))
    });
    // Bought at 110 in two halves for 1,000 rounded down, sold at 90; a thousandth each way.
    let expected = ["4.5454 -0.499994 9499.506006", "9.0909 -0.999999 8999.001001"];
    let positions: Vec<String> = positions.collect();
    assert_eq!(positions[..2], expected);
    assert_eq!(positions.len(), 4);
    let bought = dec("9.0909") * dec("110");
    let sold = dec("9.0909") * dec("90");
    let profit = (sold - bought - (bought + sold) * dec("0.001")).normalize();
    let cash = (dec("10000") + profit).normalize();
    assert_eq!(positions[3], format!("0 {profit} {cash}"));
    let mut equities = last.filter_map(|fact| {
        let Body::Ledger(Ledger::Equity { equity, cash, .. }) = &fact.body else { return None };
        Some((*equity, *cash))
    });
    assert_eq!(equities.next(), Some((cash, cash)));
    assert_eq!(world.funds["USDT"], cash);
    // The appended facts follow from the inputs: the buy was decided at 110 and is valid for 300 s.
    let intents = world.facts.iter().filter_map(|fact| {
        let Body::Order(Order::Intent(intent)) = &fact.body else { return None };
        Some(intent)
    });
    let sides: Vec<_> = intents.map(|i| (i.side, i.close_time, i.valid_until)).collect();
    assert_eq!(
        sides,
        [(Side::Buy, 5 * MINUTE, 10 * MINUTE), (Side::Sell, 8 * MINUTE, 13 * MINUTE)]
    );
}

#[test]
fn the_same_inputs_give_the_same_facts_and_the_venue_agrees() {
    let mut once = World::new(Delivery::Torn, 0);
    once.walk(400);
    assert!(once.count(kind::FILLED) > 40, "{} fills", once.count(kind::FILLED));
    assert!(once.count(kind::DECLINED) > 0);
    once.account();
    let last = once.facts.last().map(|fact| &fact.body);
    assert!(
        matches!(last, Some(Body::Ledger(Ledger::Reconciled { conflicts, foreign, .. }))
            if conflicts.is_empty() && foreign.is_empty()),
        "{last:?}"
    );
    let mut twice = World::new(Delivery::Torn, 0);
    twice.walk(400);
    twice.account();
    assert!(once.facts == twice.facts || once.bytes(|_| true) == twice.bytes(|_| true));
    // Resumed from checkpoints at every turn.
    for resume_every in [1, 7, 100] {
        let mut resumed = World::new(Delivery::Torn, resume_every);
        resumed.walk(400);
        resumed.account();
        assert_eq!(once.facts.len(), resumed.facts.len());
        assert!(once.bytes(|_| true) == resumed.bytes(|_| true), "every {resume_every}");
    }
}

#[test]
fn sizes_by_risk_and_their_caps_are_the_same_after_any_resume() {
    let walked = |resume_every| {
        let mut world = World::new(Delivery::Torn, resume_every);
        let mut sized = settings();
        sized.strategy.set_size(FIRST_STRATEGY, Size::read("risk 2%").unwrap());
        sized.risk.sizes.max_exposure = Some(dec("4500"));
        world.give(configured(&sized));
        world.walk(400);
        world
    };
    let once = walked(0);
    let words: Vec<&str> = once
        .facts
        .iter()
        .filter_map(|fact| match &fact.body {
            Body::Decision(Decision::Approved { sizing, .. }) => sizing.as_deref(),
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => None,
        })
        .collect();
    let cut = words.iter().filter(|words| words.contains("cut to")).count();
    assert!(cut > 5 && words.len() > cut, "{cut} of {}: {words:?}", words.len());
    let equities: BTreeSet<&str> = words.iter().filter_map(|w| w.split(' ').nth(1)).collect();
    assert!(equities.len() > 5, "the size follows the equity: {equities:?}");
    for resume_every in [1, 7] {
        assert!(once.bytes(|_| true) == walked(resume_every).bytes(|_| true), "{resume_every}");
    }
}

#[test]
fn however_reports_come_the_books_are_the_same() {
    let books = [Delivery::Whole, Delivery::Torn, Delivery::Scrambled].map(|delivery| {
        let mut world = World::new(delivery, 0);
        world.walk(300);
        assert_eq!(world.count(kind::COMPARED), 1, "no conflict came of it");
        let kinds =
            [kind::FILLED, kind::POSITION, kind::EQUITY, kind::INTENT, kind::FEATURE_VALUES];
        kinds.map(|kind| world.bytes(|fact| fact.body.kind() == kind))
    });
    assert!(books[0] == books[1] && books[1] == books[2]);
}

#[test]
fn history_makes_the_first_close_count() {
    let bars: Vec<Bar> = (1..=3).zip([100, 99, 98]).map(|(m, p)| bar("BTCUSDT", m, p)).collect();
    let mut world = World::new(Delivery::Whole, 0);
    world.plain = PlainLoop::new(stages(), Box::new(History(bars)));
    world.give(configured(&settings()));
    world.give(Body::Market(Market::HistoryLoaded {
        symbol: sym("BTCUSDT"),
        timeframe: Timeframe::M1,
        from: MINUTE,
        to: 3 * MINUTE,
        count: 3,
        digest: 0,
        plan: 0,
    }));
    assert_eq!(world.count(kind::FEATURE_VALUES), 0);
    assert_eq!(world.count(kind::HISTORY_BARS), 0, "the journal keeps the reference");
    world.close(vec![bar("BTCUSDT", 4, 110)]);
    let values = world.facts.iter().find_map(|fact| {
        let Body::Analysis(everwarm_domain::fact::Analysis::FeatureValues { table, .. }) =
            &fact.body
        else {
            return None;
        };
        table.rows().next().map(|row| row.values.to_vec())
    });
    assert_eq!(values.unwrap(), [104.0, 307.0 / 3.0]);
}

/// A query finds an entry without a response after its exit was decided. The exit is sent with the
/// next clock tick, before the next close.
#[test]
fn an_exit_leaves_at_once_where_a_query_ends_its_entry() {
    let mut world = World::new(Delivery::Whole, 0);
    let close = |world: &mut World, minute: i64, price: i64| {
        world.time = (minute + 1) * MINUTE;
        let bars = vec![bar("BTCUSDT", minute, price)];
        world.give(Body::Market(Market::close(world.time, bars, Vec::new())));
    };
    for (minute, price) in (1..).zip([100, 99, 98, 110]) {
        close(&mut world, minute, price);
    }
    let (intent, timestamp) = (world.book.to_send(world.time)[0].intent.clone(), world.time);
    let (client_id, quantity) = (intent.client_id.clone(), intent.quantity);
    let (client, validity) = (client_id.clone(), Validity::within(timestamp, 5_000));
    let attempt = SendAttempt { client_id: client, attempt: 1, validity };
    world.give(Body::Venue(Venue::Sent { attempts: vec![attempt] }));
    let reason = "timeout".to_owned();
    world.give(Body::Venue(Venue::Unanswered { client_id, attempt: 1, reason }));
    for (minute, price) in (5..).zip([120, 125, 90, 80]) {
        close(&mut world, minute, price);
    }
    assert_eq!(world.count(kind::CANCEL_INTENT), 1);
    let mut fill = trade(1, "110", "1");
    fill.quantity = quantity;
    world.give(Body::Venue(Venue::Reported(OrderReport {
        source: ReportSource::Query,
        client_id: intent.client_id,
        venue_order_id: 1.into(),
        symbol: intent.symbol,
        side: Side::Buy,
        status: OrderStatus::Filled,
        quantity,
        executed: quantity,
        executed_quote: quantity * dec("110"),
        fills: vec![fill],
        time: timestamp,
    })));
    let time = world.time + 1;
    assert_eq!(world.plain.next_wake(), Some(time), "it need not wait for a close");
    world.give(Body::Operator(Operator::Clock { time }));
    let sales = world.facts.iter().filter(|fact| {
        matches!(&fact.body, Body::Order(Order::Intent(intent)) if intent.side == Side::Sell)
    });
    assert_eq!(sales.count(), 1);
    assert_ne!(world.plain.next_wake(), Some(time), "and then nothing is due");
}

/// The values at the ends of 15m bars. Minutes 18 and 19 have the highest prices of their bar. They
/// come in their closes; or late, after the close that ends their 5m bar; or never.
fn ranges((is_late, comes): (bool, bool)) -> Vec<FeatureTable> {
    let mut world = World::new(Delivery::Whole, 0);
    let mut settings = settings();
    settings.strategy.set(FIRST_STRATEGY, "timeframe", "15m");
    let stop_atr = Some(AtrStop { hundredths: 200, length: 1 });
    settings.strategy.set_exits(FIRST_STRATEGY, ExitRules { stop_atr, ..ExitRules::default() });
    world.give(configured(&settings));
    let high = |minute| minute == 18 || minute == 19;
    for minute in 0..60 {
        let bar = |minute| bar("BTCUSDT", minute, if high(minute) { 900 } else { 100 });
        let (mut bars, mut missing) = (vec![bar(minute)], Vec::new());
        if is_late && high(minute) {
            (bars, missing) = (Vec::new(), vec![sym("BTCUSDT")]);
        }
        world.time = (minute + 1) * MINUTE;
        world.give(Body::Market(Market::close(world.time, bars, missing)));
        if is_late && comes && minute == 19 {
            for minute in [18, 19] {
                world.give(Body::Market(Market::LateBar { bar: bar(minute), odd: None }));
            }
        }
    }
    let values = world.facts.into_iter().filter_map(|fact| {
        let Body::Analysis(Analysis::FeatureValues { timeframe, table, .. }) = fact.body else {
            return None;
        };
        (timeframe == Timeframe::M15).then_some(table)
    });
    values.collect()
}

#[test]
fn a_late_minute_of_an_open_bar_is_in_its_values() {
    let whole = ranges((false, true));
    assert_eq!(whole.len(), 4);
    assert_eq!(ranges((true, true)), whole);
    assert_ne!(ranges((true, false)), whole, "the minutes matter");
}
