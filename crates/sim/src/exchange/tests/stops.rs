//! Tests of orders that wait for a price, and of orders that must rest.

use super::{CLOSE, refused, trades};
use crate::exchange::{Local, SimFact, Status, TimeInForce, Trigger};
use crate::testing::{Fake, at_limit, dec, maker, order, stop};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{OrderStatus, Side};
use everwarm_kernel::stage::Stage;

const SELL: Side = Side::Sell;
const BUY: Side = Side::Buy;

/// The status of an order, and when it entered the market, relative to the close.
fn stands(local: &Local, id: u64) -> (Status, Option<i64>) {
    let order = local.exchange().order(id).expect("it is there");
    (order.status, order.working.map(|at| at - CLOSE))
}

#[test]
fn a_stop_is_reached_by_a_trade_of_the_path_and_no_sooner() {
    // The path of the minute is 100, 95, 110, 105.
    let cases = [
        (SELL, Trigger::StopLoss, "97", -3),
        (SELL, Trigger::StopLoss, "95", -3),
        (BUY, Trigger::StopLoss, "103", -2),
        (SELL, Trigger::TakeProfit, "110", -2),
        (BUY, Trigger::TakeProfit, "99", -3),
    ];
    for (side, trigger, at, when) in cases {
        let mut local = Fake::usual().local();
        let waits = local.place(order(side, stop(trigger, "1", at, None), "s")).expect("waits");
        assert_eq!((waits.status, waits.fills.len()), (OrderStatus::Open, 0));
        assert_eq!(stands(&local, 1), (Status::New, None), "{side:?} {trigger:?} {at}");
        local.advance(CLOSE - 4, CLOSE - 4);
        assert_eq!(stands(&local, 1), (Status::New, None), "100 does not reach it");
        let facts = local.advance(CLOSE, CLOSE);
        assert!(matches!(facts[0], SimFact::Triggered { order: 1, .. }), "{facts:?}");
        assert_eq!(stands(&local, 1), (Status::Filled, Some(when)), "{side:?} {trigger:?} {at}");
        let last = if when == -3 { dec("95") } else { dec("110") };
        for trade in trades(&facts) {
            let worse = if side == SELL { trade.price < last } else { trade.price > last };
            assert!(worse && !trade.maker, "{} is behind the trade that reached it", trade.price);
        }
        local.exchange().check();
    }
    for (side, trigger, at) in [
        (SELL, Trigger::StopLoss, "94.99"),
        (BUY, Trigger::StopLoss, "110.01"),
        (SELL, Trigger::TakeProfit, "110.01"),
        (BUY, Trigger::TakeProfit, "94.99"),
    ] {
        let mut local = Fake::usual().local();
        local.place(order(side, stop(trigger, "1", at, None), "s")).expect("waits");
        assert!(local.advance(CLOSE, CLOSE).is_empty(), "{at} is not reached");
    }
}

#[test]
fn a_stop_on_the_wrong_side_is_refused() {
    for (side, trigger, at) in [
        (SELL, Trigger::StopLoss, "100"),
        (BUY, Trigger::StopLoss, "99"),
        (SELL, Trigger::TakeProfit, "99.5"),
        (BUY, Trigger::TakeProfit, "100.5"),
    ] {
        let mut local = Fake::usual().local();
        let error = refused(&mut local, order(side, stop(trigger, "1", at, None), "s"));
        assert_eq!(error, (-2010, "Order would trigger immediately.".to_owned()), "{at}");
    }
}

#[test]
fn a_stop_with_a_limit_may_jump_over_it_and_then_rests() {
    let mut local = Fake::usual().local();
    let kind = stop(Trigger::StopLoss, "1", "97", Some("96"));
    local.place(order(SELL, kind, "s")).expect("waits");
    assert_eq!(local.exchange().purse("BTC").locked, dec("1"));
    let facts = local.advance(CLOSE - 3, CLOSE - 3);
    assert_eq!(facts.len(), 1, "95 is below the limit: {facts:?}");
    assert_eq!(stands(&local, 1), (Status::New, Some(-3)));
    let facts = local.advance(CLOSE, CLOSE);
    assert_eq!(trades(&facts)[0].price, dec("96"), "110 comes by later");
    assert!(trades(&facts)[0].maker);
    assert_eq!(local.exchange().purse("BTC").locked, Decimal::ZERO);
    local.exchange().check();
}

#[test]
fn what_a_stop_holds_is_its_limit_or_its_stop() {
    let mut local = Fake::usual().local();
    local.place(order(BUY, stop(Trigger::StopLoss, "2", "103", Some("104")), "a")).expect("waits");
    assert_eq!(local.exchange().purse("USDT").locked, dec("208"));
    local.place(order(BUY, stop(Trigger::StopLoss, "2", "103", None), "b")).expect("waits");
    assert_eq!(local.exchange().purse("USDT").locked, dec("414"));
    local.advance(CLOSE, CLOSE);
    assert_eq!(stands(&local, 1), (Status::New, Some(-2)), "110 is above its limit");
    assert_eq!(stands(&local, 2).0, Status::Filled);
    assert_eq!(local.exchange().purse("USDT").locked, dec("208"));
    local.exchange().check();
}

#[test]
fn a_purchase_at_whatever_price_stops_where_the_money_does() {
    let mut local = Fake::usual().local();
    let all = stop(Trigger::StopLoss, "970", "103", None);
    let error = refused(&mut local, order(BUY, all, "a"));
    assert_eq!(error.1, "Filter failure: MARKET_LOT_SIZE");
    for id in ["a", "b"] {
        let half = stop(Trigger::StopLoss, "485", "103", None);
        local.place(order(BUY, half, id)).expect("waits");
    }
    local.advance(CLOSE, CLOSE);
    assert_eq!(stands(&local, 2).0, Status::Expired, "at 110 the money is not enough");
    let left = local.exchange().purse("USDT");
    assert!(left.free >= Decimal::ZERO && left.free < dec("1"), "{left:?}");
    local.exchange().check();
}

#[test]
fn an_order_that_must_rest_never_takes() {
    let mut local = Fake::usual().local();
    let takes = (-2010, "Order would immediately match and take.".to_owned());
    // The visible book is 99.99 to 100.01.
    assert_eq!(refused(&mut local, order(BUY, maker("1", "100.01"), "a")), takes);
    assert_eq!(refused(&mut local, order(SELL, maker("1", "99.99"), "a")), takes);
    local.place(order(SELL, maker("1", "100.01"), "a")).expect("rests");
    let facts = local.advance(CLOSE, CLOSE);
    assert!(trades(&facts)[0].maker && trades(&facts)[0].price == dec("100.01"));
}

#[test]
fn stops_are_counted_apart() {
    let mut local = Fake::usual().local();
    for i in 0..5 {
        let kind = stop(Trigger::StopLoss, "1", "90", None);
        local.place(order(SELL, kind, &i.to_string())).expect("waits");
    }
    let error = refused(&mut local, order(SELL, stop(Trigger::StopLoss, "1", "90", None), "x"));
    assert_eq!(error.1, "Filter failure: MAX_NUM_ALGO_ORDERS");
    local.place(at_limit(SELL, "1", "120", TimeInForce::Gtc, "y")).expect("limits are free");
}

#[test]
fn what_a_trigger_does_is_independent_of_how_time_is_released() {
    let whole = |steps: &[i64]| {
        let mut local = Fake::usual().local();
        let kind = stop(Trigger::StopLoss, "30", "97", Some("90"));
        local.place(order(SELL, kind, "s")).expect("waits");
        steps.iter().flat_map(|at| local.advance(*at, *at)).collect::<Vec<_>>()
    };
    assert_eq!(whole(&[CLOSE]), whole(&[CLOSE - 4, CLOSE - 3, CLOSE - 2, CLOSE - 1, CLOSE]));
}
