//! Tests stops and targets that a signal gives its lot.

use super::protection::tests::Desk;
use super::*;
use crate::testing::trade;
use everwarm_domain::settings::exits::AtrStop;
use everwarm_domain::settings::{EntryRule, ExitRules, Size};

/// A buy at 100 with this stop and target.
fn with(stop: Option<&str>, target: Option<&str>) -> Signal {
    let (stop, target) = (stop.map(dec), target.map(dec));
    Signal {
        terms: Box::new(SignalTerms { stop, target, ..SignalTerms::default() }),
        ..buy("BTCUSDT")
    }
}

/// Sets a stop of twice the average true range of 3 bars.
fn by_range(settings: &mut Settings) {
    let stop_atr = Some(AtrStop { hundredths: 200, length: 3 });
    settings.strategy.set_exits("sma_cross", ExitRules { stop_atr, ..ExitRules::none() });
}

#[test]
fn a_signal_gives_its_lot_a_stop_and_a_target() {
    let mut stage = ready(|_| {});
    assert!(ask(&mut stage, &[with(Some("91.005"), Some("130"))])[0].starts_with("Buy"));
    let fill = trade(1, "101", "10");
    let (strategy, symbol) = ("sma_cross".to_owned(), sym("BTCUSDT"));
    let (client_id, side) = (ClientOrderId("entry".to_owned()), Side::Buy);
    let fill = Order::Filled { client_id, strategy, symbol, side, k: 1, fill };
    facts_of(&mut stage, &fact(3, 700, Body::Order(fill)));
    let guard = stage.guards.get(symbol, "sma_cross").unwrap();
    let levels = guard.levels(stage.instruments.get(symbol));
    assert_eq!((levels.stop, levels.target), (Some(dec("91")), Some(dec("130"))));
}

#[test]
fn a_new_lot_on_a_rest_too_small_to_sell_has_its_own_stop_and_target() {
    let mut stage = ready(|_| {});
    let (strategy, symbol) = ("sma_cross".to_owned(), sym("BTCUSDT"));
    let client_id = ClientOrderId("entry".to_owned());
    let traded = |stage: &mut Decide, n, side, fill| {
        let (client_id, strategy) = (client_id.clone(), strategy.clone());
        let fill = Order::Filled { client_id, strategy, symbol, side, k: 1, fill };
        facts_of(stage, &fact(n, 700, Body::Order(fill)));
    };
    let holds = |stage: &mut Decide, n, quantity: &str| {
        let (quantity, cost, opened) = (dec(quantity), dec("1"), Some(T));
        let (strategy, realized_pnl) = (strategy.clone(), Decimal::ZERO);
        let lot = Ledger::Lot { strategy, symbol, quantity, cost, opened, realized_pnl };
        facts_of(stage, &fact(n, 800, Body::Ledger(lot)));
    };
    let ends = |stage: &mut Decide, n| {
        let ids: Vec<ClientOrderId> = stage.holds.keys().cloned().collect();
        for id in ids {
            let ended = changed(&id.0, OrderStatus::Filled, "10");
            facts_of(stage, &fact(n, 700, ended));
        }
    };
    let levels = |stage: &Decide| {
        let guard = stage.guards.get(symbol, "sma_cross").unwrap();
        let levels = guard.levels(stage.instruments.get(symbol));
        (guard.entry(), levels.stop, levels.target)
    };
    assert!(ask(&mut stage, &[with(Some("97"), Some("103"))])[0].starts_with("Buy"));
    traded(&mut stage, 3, Side::Buy, trade(1, "120", "10"));
    holds(&mut stage, 3, "10");
    ends(&mut stage, 3);
    assert_eq!(levels(&stage), (dec("120"), Some(dec("97")), Some(dec("103"))));
    // A stop order at the venue leaves what a fee in the base asset made too small.
    traded(&mut stage, 4, Side::Sell, trade(2, "97", "9.99999"));
    holds(&mut stage, 4, "0.00001");
    let later = Signal { close_time: T + MINUTE, ..with(Some("80"), Some("130")) };
    assert!(ask(&mut stage, &[later])[0].starts_with("Buy"));
    traded(&mut stage, 6, Side::Buy, trade(3, "100", "10"));
    holds(&mut stage, 6, "10.00001");
    assert_eq!(levels(&stage), (dec("100"), Some(dec("80")), Some(dec("130"))));
}

#[test]
fn an_exit_on_the_wrong_side_of_the_price_is_refused() {
    let refused = |stop, target| ask(&mut ready(|_| {}), &[with(stop, target)]).remove(0);
    let side = "is not from one tick, 0.01, to its price 100";
    for stop in ["100", "120", "0", "0.001", "-5"] {
        let refused = refused(Some(stop), None);
        assert!(refused.starts_with("BTCUSDT exit-price: its stop"), "{refused}");
        assert!(refused.ends_with(side), "{refused}");
    }
    assert_eq!(
        refused(None, Some("100")),
        "BTCUSDT exit-price: its target 100 is not above its price 100"
    );
    assert!(refused(Some("99.99"), Some("100.01")).starts_with("Buy"));
}

#[test]
fn a_size_by_risk_uses_the_stop_of_the_signal() {
    let mut stage = ready(|settings| {
        settings.strategy.set_size("sma_cross", Size::read("risk 0.5%").unwrap());
    });
    let (equity, cash) = (dec("10000"), dec("10000"));
    let equity = Ledger::Equity { time: T, equity, cash, adjusted: Decimal::ZERO };
    facts_of(&mut stage, &fact(1, rank::LEDGER.0, Body::Ledger(equity)));
    let decided = ask(&mut stage, &[with(Some("90"), None)]);
    assert!(
        decided[0].starts_with("Buy 4.8828 BTCUSDT"),
        "50 at risk, 10 and 0.24 a unit: {decided:?}"
    );
}

#[test]
fn a_stop_by_range_waits_for_its_range() {
    let mut stage = ready(by_range);
    let refused = "BTCUSDT no-stop: its stop of 2 atr(3) needs atr(3)@1m, which has no value yet";
    assert_eq!(ask(&mut stage, &[buy("BTCUSDT")]), [refused]);
    assert!(ask(&mut stage, &[with(Some("90"), None)])[0].starts_with("Buy"));
}

#[test]
fn a_stop_by_range_rests_where_the_signal_put_it() {
    let mut desk = Desk::new(true, by_range);
    desk.prices(&[100, 99, 98, 110]);
    // The average of the true ranges 1, 1 and 12, twice, below 110.
    assert_eq!(desk.stops(), ["9.0909 at 100.66"]);
    let reason = desk.world.facts.iter().find_map(|fact| {
        let Body::Decision(Decision::Approved { reason, .. }) = &fact.body else { return None };
        Some(reason.clone())
    });
    let reason = reason.unwrap();
    assert!(reason.contains("; stop 100.6"), "{reason}");
    // The stop stays where it was, whatever the range does.
    desk.prices(&[125, 130, 150]);
    assert_eq!(desk.stops(), ["9.0909 at 100.66"]);
    desk.bar(101, 100);
    assert_eq!(desk.lot(), Decimal::ZERO);
}

#[test]
fn an_entry_that_is_ordered_again_keeps_the_stop_of_its_signal() {
    let rule = EntryRule { below_ppm: Some(10_000), minutes: 2, orders: 2 };
    let mut desk = Desk::new(true, |settings| {
        by_range(settings);
        settings.strategy.set_entry("sma_cross", rule);
    });
    desk.prices(&[100, 99, 98, 110, 111, 112]);
    assert_eq!(desk.lot(), Decimal::ZERO);
    desk.bar(112, 110);
    assert!(desk.lot() > Decimal::ZERO, "{:?}", desk.decided());
    assert!(desk.stops()[0].ends_with(" at 99.56"), "{:?}", desk.stops());
}
