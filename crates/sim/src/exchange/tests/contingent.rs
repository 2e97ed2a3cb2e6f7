//! Tests of order lists, cancels of several orders, and replacements.

use super::{CLOSE, cancel, cancel_of, trades};
use crate::exchange::{
    CancelMany, Local, Many, NewList, OrderKind, Replace, Shape, SimFact, Status, TimeInForce,
    Trigger,
};
use crate::testing::{Fake, START, at_limit, at_market, dec, leg, listed, maker, stop, sym};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Side;
use everwarm_domain::time::UtcMs;
use everwarm_kernel::stage::Stage;

const PRICES: &str = "The relationship of the prices for the orders is not correct.";

/// A pair of sales: a limit maker at `above`, and a stop at `below` that sells at any price.
fn exit(quantity: &str, above: &str, below: &str) -> Shape {
    Shape::Oco {
        above: leg(Side::Sell, maker(quantity, above), "profit"),
        below: leg(Side::Sell, stop(Trigger::StopLoss, quantity, below, None), "loss"),
    }
}

/// Buys at `price`, then sells at 108, or at any price once a trade reaches 93.
pub fn bracket(quantity: &str, price: &str) -> Shape {
    let (quantity_, price) = (dec(quantity), dec(price));
    let limit = OrderKind::Limit { quantity: quantity_, price, tif: TimeInForce::Gtc };
    Shape::Otoco {
        working: leg(Side::Buy, limit, "entry"),
        above: leg(Side::Sell, maker(quantity, "108"), "profit"),
        below: leg(Side::Sell, stop(Trigger::StopLoss, quantity, "93", None), "loss"),
    }
}

fn list(local: &mut Local, list: NewList) -> Vec<SimFact> {
    local.step(SimFact::PlaceList(list))
}

fn refusal(facts: &[SimFact]) -> (i32, &str) {
    match facts {
        [SimFact::Rejected { code, msg }] => (*code, msg),
        other => panic!("not refused: {other:?}"),
    }
}

fn stands(local: &Local) -> Vec<(String, &'static str)> {
    let stand = |o: &crate::exchange::Order| (o.client_id.clone(), o.status.wire());
    local.exchange().orders().map(stand).collect()
}

fn all(names: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
    names.iter().map(|(name, status)| ((*name).to_owned(), *status)).collect()
}

#[test]
fn a_pair_holds_once_and_stands_stop_first() {
    let mut local = Fake::usual().local();
    let facts = list(&mut local, listed(exit("500", "104", "97"), "l"));
    assert!(matches!(facts[0], SimFact::Listed(_)) && facts.len() == 3, "{facts:?}");
    assert_eq!(stands(&local), all(&[("loss", "NEW"), ("profit", "NEW")]));
    assert_eq!(local.exchange().purse("BTC").locked, dec("500"));
    let buy = Shape::Oco {
        above: leg(Side::Buy, stop(Trigger::StopLoss, "2", "105", Some("107")), "up"),
        below: leg(Side::Buy, maker("2", "95"), "down"),
    };
    list(&mut local, listed(buy, "b"));
    assert_eq!(local.exchange().purse("USDT").locked, dec("214"), "the dearer of the two");
    local.exchange().check();
    local.step(cancel(4));
    assert_eq!(local.exchange().purse("USDT").locked, Decimal::ZERO, "one takes the other along");
    assert_eq!(stands(&local)[2..], all(&[("up", "CANCELED"), ("down", "CANCELED")]));
    assert!(local.exchange().list(2).is_some_and(|list| list.done.is_some()));
    local.exchange().check();
}

#[test]
fn of_a_pair_one_ends_the_other() {
    let mut local = Fake::usual().local();
    list(&mut local, listed(exit("1", "104", "94"), "l"));
    let facts = local.advance(CLOSE, CLOSE);
    assert!(matches!(facts[0], SimFact::Expired { order: 1, .. }), "before the fill: {facts:?}");
    assert_eq!(trades(&facts)[0].price, dec("104"));
    assert_eq!(stands(&local), all(&[("loss", "EXPIRED"), ("profit", "FILLED")]));
    assert_eq!(local.exchange().open_lists().count(), 0);

    let mut local = Fake::usual().local();
    list(&mut local, listed(exit("1", "104", "97"), "l"));
    let facts = local.advance(CLOSE, CLOSE);
    assert!(matches!(facts[0], SimFact::Expired { order: 2, .. }), "{facts:?}");
    assert!(matches!(facts[1], SimFact::Triggered { order: 1, .. }), "{facts:?}");
    assert_eq!(stands(&local), all(&[("loss", "FILLED"), ("profit", "EXPIRED")]));
    // The end of the other one is known with the fill.
    let changed: Vec<String> =
        local.exchange().traded_since(START).into_iter().map(|(id, ..)| id).collect();
    assert_eq!(changed, ["loss", "profit"]);
    local.exchange().check();
}

#[test]
fn a_pair_that_has_begun_to_fill_has_no_stop_any_more() {
    let mut local = Fake::usual().local();
    list(&mut local, listed(exit("20", "104", "94"), "l"));
    local.advance(CLOSE, CLOSE);
    assert_eq!(stands(&local), all(&[("loss", "EXPIRED"), ("profit", "PARTIALLY_FILLED")]));
    let rest = local.exchange().order(2).map(crate::exchange::Order::rest);
    assert_eq!(Some(local.exchange().purse("BTC").locked), rest);
    assert_eq!(local.exchange().open_lists().count(), 1);
    local.exchange().check();
}

#[test]
fn pairs_with_prices_that_do_not_fit_are_refused() {
    for (above, below) in [("104", "101"), ("99", "97"), ("100", "97"), ("104", "100")] {
        let mut local = Fake::usual().local();
        let facts = list(&mut local, listed(exit("1", above, below), "l"));
        assert_eq!(refusal(&facts), (-2010, PRICES), "{above} {below}");
        assert_eq!((local.exchange().lists().count(), local.exchange().orders().count()), (0, 0));
    }
    let mut local = Fake::usual().local();
    let facts = list(&mut local, listed(exit("1001", "104", "97"), "l"));
    assert_eq!(refusal(&facts).1, "Filter failure: MARKET_LOT_SIZE");
    local.step(SimFact::Funded { asset: "BTC".to_owned(), amount: dec("-501"), at: 0 });
    let facts = list(&mut local, listed(exit("500", "104", "97"), "l"));
    assert_eq!(refusal(&facts).1, "Account has insufficient balance for requested action.");
    list(&mut local, listed(exit("400", "104", "97"), "l"));
    let facts = list(&mut local, listed(exit("1", "104", "97"), "l"));
    assert_eq!(refusal(&facts), (-2010, "Duplicate order sent."));
    let facts = list(&mut local, listed(exit("1", "104", "97"), "m"));
    assert_eq!(refusal(&facts), (-2010, "Duplicate order sent."), "the legs have names too");
}

#[test]
fn what_waits_for_a_working_order_holds_nothing_and_comes_with_its_fill() {
    let mut local = Fake::usual().local();
    list(&mut local, listed(bracket("1", "96"), "l"));
    let waiting = all(&[("entry", "NEW"), ("loss", "PENDING_NEW"), ("profit", "PENDING_NEW")]);
    assert_eq!(stands(&local), waiting);
    assert_eq!(local.exchange().purse("BTC").locked, Decimal::ZERO);
    local.advance(CLOSE - 3, CLOSE - 3);
    let placed = all(&[("entry", "FILLED"), ("loss", "NEW"), ("profit", "NEW")]);
    assert_eq!(stands(&local), placed);
    assert_eq!(local.exchange().purse("BTC").locked, dec("1"));
    local.advance(CLOSE, CLOSE);
    let done = all(&[("entry", "FILLED"), ("loss", "EXPIRED"), ("profit", "FILLED")]);
    assert_eq!(stands(&local), done);
    local.exchange().check();
}

#[test]
fn a_working_order_that_fills_at_once_brings_its_pair_at_once() {
    let mut local = Fake::usual().local();
    let facts = list(&mut local, listed(bracket("1", "101"), "l"));
    let activated = facts.iter().filter(|f| matches!(f, SimFact::Activated { .. })).count();
    assert_eq!(activated, 2, "{facts:?}");
    local.step(cancel(1));
    assert_eq!(stands(&local)[0].1, "FILLED", "what is over is not cancelled");
    local.step(cancel(2));
    let done = all(&[("entry", "FILLED"), ("loss", "CANCELED"), ("profit", "CANCELED")]);
    assert_eq!(stands(&local), done);
}

#[test]
fn a_working_order_that_ends_unfilled_takes_the_others_along() {
    let mut local = Fake::usual().local();
    list(&mut local, listed(bracket("1", "90"), "l"));
    local.step(cancel(1));
    assert!(local.exchange().orders().all(|o| o.status == Status::Canceled));
    let mut shape = bracket("1", "90");
    if let Shape::Otoco { working, .. } = &mut shape {
        working.kind =
            OrderKind::Limit { quantity: dec("1"), price: dec("90"), tif: TimeInForce::Fok };
    }
    list(&mut local, listed(shape, "l"));
    assert!(local.exchange().orders().skip(3).all(|o| o.status == Status::Expired));
    local.exchange().check();
}

#[test]
fn what_cannot_be_placed_when_its_time_comes_expires() {
    // After its fee the purchase leaves less than one BTC, and the account has no other.
    let mut local = Fake::usual().local();
    local.step(SimFact::Funded { asset: "BTC".to_owned(), amount: dec("-1000"), at: 0 });
    list(&mut local, listed(bracket("1", "101"), "l"));
    let done = all(&[("entry", "FILLED"), ("loss", "EXPIRED"), ("profit", "EXPIRED")]);
    assert_eq!(stands(&local), done);
    local.exchange().check();
}

#[test]
fn one_triggers_the_other() {
    let mut local = Fake::usual().local();
    let OrderKind::Market(amount) = at_market(Side::Sell, "1", "x").kind else { return };
    let limit = at_limit(Side::Buy, "1", "96", TimeInForce::Gtc, "x").kind;
    let shape = Shape::Oto {
        working: leg(Side::Buy, limit, "in"),
        pending: leg(Side::Sell, OrderKind::Market(amount), "out"),
    };
    list(&mut local, listed(shape, "l"));
    let facts = local.advance(CLOSE, CLOSE);
    assert_eq!(stands(&local), all(&[("in", "FILLED"), ("out", "FILLED")]));
    let out = trades(&facts)[1];
    assert!(!out.maker && out.price < dec("95"), "at the market of that moment: {}", out.price);
    local.exchange().check();
}

#[test]
fn all_of_a_symbol_or_a_list_are_cancelled_together() {
    let many = |local: &mut Local, many: Many| {
        let symbol = sym("BTCUSDT");
        let cancel = CancelMany { symbol, many, cancel_id: None, at: 0, deadline: UtcMs::MAX };
        local.step(SimFact::CancelMany(cancel))
    };
    let mut local = Fake::usual().local();
    local.place(at_limit(Side::Buy, "1", "90", TimeInForce::Gtc, "a")).expect("rests");
    list(&mut local, listed(exit("1", "104", "97"), "l"));
    let unknown = (-2011, "Unknown order list sent.");
    assert_eq!(refusal(&many(&mut local, Many::List(2))), unknown);
    assert_eq!(refusal(&many(&mut local, Many::ListNamed("x".to_owned()))), unknown);
    assert_eq!(many(&mut local, Many::ListNamed("l".to_owned())).len(), 2);
    list(&mut local, listed(bracket("1", "80"), "m"));
    assert_eq!(many(&mut local, Many::Symbol).len(), 4, "one order and a list of three");
    let nothing = many(&mut local, Many::Symbol);
    assert_eq!(refusal(&nothing), (-2011, "Unknown order sent."));
    assert_eq!(local.exchange().open_orders().count(), 0);
    local.exchange().check();
}

#[test]
fn replacing_cancels_first_and_reports_both_results() {
    let mut local = Fake::usual().local();
    local.place(at_limit(Side::Buy, "1100", "90", TimeInForce::Gtc, "a")).expect("rests");
    let order = at_limit(Side::Buy, "1110", "90", TimeInForce::Gtc, "b");
    let replace = |id, order: &crate::exchange::NewOrder, regardless| {
        SimFact::Replace(Replace { cancel: cancel_of(id), order: order.clone(), regardless })
    };
    let facts = local.step(replace(1, &order, false));
    assert!(
        matches!(facts[..], [SimFact::Cancelled { order: 1, .. }, SimFact::Accepted(_)]),
        "the money of the first is free for the second: {facts:?}"
    );
    let facts = local.step(replace(1, &order, false));
    assert_eq!(refusal(&facts), (-2011, "Unknown order sent."), "not attempted");
    let small = at_limit(Side::Buy, "1", "90", TimeInForce::Gtc, "c");
    let facts = local.step(replace(1, &small, true));
    assert!(matches!(facts[..], [SimFact::Rejected { .. }, SimFact::Accepted(_)]), "{facts:?}");
    let rich = at_limit(Side::Buy, "9000", "90", TimeInForce::Gtc, "d");
    let facts = local.step(replace(2, &rich, false));
    assert!(
        matches!(facts[..], [SimFact::Cancelled { order: 2, .. }, SimFact::Rejected { .. }]),
        "the cancel stands: {facts:?}"
    );
    let wrong = at_limit(Side::Buy, "1", "90.001", TimeInForce::Gtc, "e");
    let facts = local.step(replace(3, &wrong, false));
    assert_eq!(refusal(&facts).0, -1013, "filters come before everything");
    assert!(local.exchange().order(3).is_some_and(|o| o.status == Status::New));
    local.exchange().check();
}
