//! Tests limits and stops that operators give their lot, with all stages and a venue.

use crate::decide::manual::tests::{ask, close, give, held, order, quantity, quote};
use crate::decide::protection::tests::{Desk, Next, SYMBOL};
use crate::testing::{dec, sym};
use everwarm_domain::fact::{Body, Decision, Market, Order};
use everwarm_domain::manual::{Amount, Request};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{MANUAL, Side, VenueFill};
use everwarm_domain::switch::{SafeStep, Switch};

/// What a venue takes: stop orders, and pairs of a stop and a target order.
const PAIRS: (bool, bool) = (true, true);
const STOPS: (bool, bool) = (true, false);
const NEITHER: (bool, bool) = (false, false);

/// A desk with a lot of 3 that was bought by hand at 100.
fn bought(takes: (bool, bool)) -> Desk {
    let mut desk = Desk::at(takes, |_| {});
    desk.prices(&[100, 100]);
    assert_eq!(ask(&mut desk, "bought", &order(Side::Buy, quantity("3"))), None);
    desk
}

/// A sale of the whole lot at a limit, at a stop, or at both.
fn sale(limit: Option<&str>, stop: Option<&str>) -> Request {
    sale_of(None, limit, stop)
}

fn sale_of(amount: Option<Amount>, limit: Option<&str>, stop: Option<&str>) -> Request {
    let (stop, target) = (stop.map(dec), limit.map(dec));
    Request::Guard { symbol: sym(SYMBOL), stop, target, amount }
}

/// The prices of the orders at the venue: limits, then stops.
fn resting(desk: &Desk) -> (Vec<Decimal>, Vec<Decimal>) {
    let intents = || desk.resting.values().map(|(intent, _)| intent);
    let limits = intents().filter(|intent| intent.terms.stop.is_none());
    let limits = limits.filter_map(|intent| intent.price).collect();
    (limits, intents().filter_map(|intent| intent.terms.stop).collect())
}

/// The fills of the sales of the lot.
fn sales(desk: &Desk) -> impl Iterator<Item = &VenueFill> {
    desk.world.facts.iter().filter_map(|fact| {
        let Body::Order(Order::Filled { side: Side::Sell, strategy, fill, .. }) = &fact.body else {
            return None;
        };
        (strategy == MANUAL).then_some(fill)
    })
}

/// Their prices.
fn sold_at(desk: &Desk) -> Vec<Decimal> {
    sales(desk).map(|fill| fill.price).collect()
}

/// Why the last request was declined.
fn why(desk: &Desk) -> &str {
    let declined = desk.world.facts.iter().rev().find_map(|fact| {
        let Body::Decision(Decision::Declined { text, .. }) = &fact.body else { return None };
        Some(text.as_str())
    });
    declined.unwrap()
}

#[test]
fn a_limit_and_a_stop_replace_the_orders_at_the_venue() {
    let mut desk = bought(PAIRS);
    assert_eq!(resting(&desk), (vec![], vec![dec("95")]));
    assert_eq!(ask(&mut desk, "a", &sale(Some("120"), Some("90"))), None);
    assert_eq!(resting(&desk), (vec![dec("120")], vec![dec("90")]));
    let decided = desk.decided();
    let cancel = "cancel: its stop has moved";
    assert_eq!(decided[2..], [cancel, "Sell 3 stop", "Sell 3 at 120"]);
    // A price that is not given stays, and a small difference counts.
    assert_eq!(ask(&mut desk, "b", &sale(Some("120.1"), None)), None);
    assert_eq!(resting(&desk), (vec![dec("120.1")], vec![dec("90")]));
    assert_eq!(ask(&mut desk, "c", &sale(None, Some("90.1"))), None);
    assert_eq!(resting(&desk), (vec![dec("120.1")], vec![dec("90.1")]));
    // The same prices change nothing.
    let before = desk.decided();
    assert_eq!(ask(&mut desk, "d", &sale(Some("120.1"), Some("90.1"))), None);
    desk.prices(&[101, 119]);
    assert_eq!(desk.decided(), before);
}

#[test]
fn the_price_that_is_reached_sells_the_lot_once() {
    for takes in [PAIRS, STOPS, NEITHER] {
        for (close, low) in [(121, 121), (91, 89)] {
            let mut desk = bought(takes);
            assert_eq!(ask(&mut desk, "a", &sale(Some("120"), Some("90"))), None);
            desk.bar(close, low);
            desk.prices(&[121, 89, 100]);
            assert_eq!((held(&desk, MANUAL), desk.resting.len()), (Decimal::ZERO, 0), "{takes:?}");
            let sold: Decimal = sales(&desk).map(|fill| fill.quantity).sum();
            assert_eq!(sold, dec("3"), "{takes:?} {:?}", desk.decided());
            if takes == PAIRS && close == 121 {
                assert_eq!(sold_at(&desk), [dec("120")], "the order waits at the limit");
            }
        }
    }
}

#[test]
fn a_restart_after_each_input_changes_nothing() {
    let run = |resume_every: u64, next: Next| {
        let mut desk = bought(PAIRS);
        desk.world.resume_every = resume_every;
        ask(&mut desk, "a", &sale(Some("120"), Some("90")));
        // The next request comes while the orders are replaced.
        give(&mut desk, "b", &sale(Some("118"), None));
        desk.next = next;
        ask(&mut desk, "c", &sale(None, Some("92")));
        desk.next = Next::Usual;
        let orders = resting(&desk);
        desk.prices(&[100, 119]);
        (orders, desk.decided(), sold_at(&desk))
    };
    let orders = (vec![dec("118")], vec![dec("92")]);
    let calm = run(0, Next::Usual);
    assert_eq!((&calm.0, &calm.2), (&orders, &vec![dec("118")]));
    assert_eq!(run(1, Next::Usual), calm);
    // An order at the venue is filled before its cancel arrives.
    let filled = run(0, Next::Fills);
    assert_eq!((filled.0.clone(), filled.2.len()), ((vec![], vec![]), 1), "{:?}", filled.1);
    assert_eq!(run(1, Next::Fills), filled);
}

#[test]
fn without_orders_at_the_venue_the_prices_are_judged_at_closes() {
    let mut desk = bought(NEITHER);
    assert_eq!(ask(&mut desk, "a", &sale(Some("103"), Some("98"))), None);
    desk.bar(102, 99);
    assert_eq!(held(&desk, MANUAL), dec("3"));
    desk.bar(102, 98);
    assert_eq!(held(&desk, MANUAL), Decimal::ZERO);
    let exit = "exit stop 98 reached: the low was 98; owed".to_owned();
    assert!(desk.decided().contains(&exit), "{:?}", desk.decided());
    let mut desk = bought(NEITHER);
    assert_eq!(ask(&mut desk, "a", &sale(Some("103"), None)), None);
    desk.prices(&[103]);
    let exit = "exit target 103 reached: the high was 103; owed".to_owned();
    assert!(desk.decided().contains(&exit), "{:?}", desk.decided());
}

#[test]
fn prices_before_the_request_do_not_reach_its_prices() {
    let mut desk = bought(NEITHER);
    desk.world.time += 30_000;
    assert_eq!(ask(&mut desk, "a", &sale(None, Some("98"))), None);
    desk.bar(102, 97);
    assert_eq!(held(&desk, MANUAL), dec("3"), "the low may be older than the request");
    desk.bar(102, 97);
    assert_eq!(held(&desk, MANUAL), Decimal::ZERO);
    let mut desk = bought(NEITHER);
    desk.world.time += 30_000;
    assert_eq!(ask(&mut desk, "a", &sale(None, Some("98"))), None);
    desk.prices(&[97]);
    assert_eq!(held(&desk, MANUAL), Decimal::ZERO, "its closing price counts");
}

#[test]
fn prices_are_put_on_ticks() {
    let mut desk = bought(PAIRS);
    assert_eq!(ask(&mut desk, "a", &sale(Some("119.991"), Some("90.009"))), None);
    assert_eq!(resting(&desk), (vec![dec("120")], vec![dec("90")]));
    // The lowest limit is one tick above the close.
    assert_eq!(ask(&mut desk, "b", &sale(Some("100.001"), None)), None);
    assert_eq!(resting(&desk), (vec![dec("100.01")], vec![dec("90")]));
}

#[test]
fn a_sale_at_a_price_is_declined_with_a_reason() {
    let mut desk = Desk::at(PAIRS, |_| {});
    desk.prices(&[100, 100]);
    assert_eq!(ask(&mut desk, "a", &sale(Some("120"), None)).unwrap(), "nothing-to-sell");
    let mut desk = bought(PAIRS);
    let decided = desk.decided();
    for (place, (request, code, words)) in [
        (
            sale(Some("100"), None),
            "price",
            "the limit 100 is not above the newest close 100. To sell now, order without --limit",
        ),
        (
            sale(Some("120"), Some("100.009")),
            "price",
            "the stop 100 is not below the newest close 100. To sell now, order without --stop",
        ),
        (
            sale(None, Some("0.009")),
            "price",
            "the stop 0.009 is below one tick of BTCUSDT: 0.01. Order with a higher --stop",
        ),
        (
            sale(None, Some("3.3")),
            "too-small",
            "3 BTC rounds down to 3, worth less than the 10 that BTCUSDT asks for",
        ),
        (
            sale_of(Some(quantity("2.9")), Some("120"), None),
            "part",
            "a part of a lot is sold at the market; a limit or stop sells the whole lot. Order \
             without the amount, or without --limit and --stop",
        ),
        (
            sale_of(Some(quote("299")), None, Some("90")),
            "part",
            "a part of a lot is sold at the market; a limit or stop sells the whole lot. Order \
             without the amount, or without --limit and --stop",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(ask(&mut desk, &place.to_string(), &request).as_deref(), Some(code));
        assert_eq!(why(&desk), words);
    }
    assert_eq!(ask(&mut desk, "0", &sale(Some("120"), None)).unwrap(), "repeated");
    desk.switch(Switch::Safe(SafeStep::Collect));
    assert_eq!(ask(&mut desk, "b", &sale(Some("120"), None)).unwrap(), "halted");
    desk.switch(Switch::Safe(SafeStep::Trade));
    desk.switch(Switch::Resume);
    assert_eq!(desk.decided(), decided, "nothing has changed");
    // An amount that is not below the lot is the whole lot.
    assert_eq!(ask(&mut desk, "c", &sale_of(Some(quantity("3")), Some("120"), None)), None);
    give(&mut desk, "d", &close(None));
    assert_eq!(give(&mut desk, "e", &sale(Some("130"), None)).unwrap(), "owed");
    let mut desk = bought(PAIRS);
    let (listed, unlisted) = (Vec::new(), vec![sym(SYMBOL)]);
    desk.world.give(Body::Market(Market::Universe { asked: 0, basis: 0, listed, unlisted }));
    assert_eq!(ask(&mut desk, "a", &sale(Some("120"), None)).unwrap(), "no-price");
}

#[test]
fn a_new_limit_is_tried_as_a_pair_again() {
    let mut desk = bought(PAIRS);
    desk.next = Next::RejectsPairs;
    assert_eq!(ask(&mut desk, "a", &sale(Some("150"), None)), None);
    assert_eq!(resting(&desk), (vec![], vec![dec("95")]), "the stop order is alone");
    desk.next = Next::Usual;
    assert_eq!(ask(&mut desk, "b", &sale(None, Some("94"))), None);
    assert_eq!(resting(&desk), (vec![], vec![dec("94")]), "the limit is the rejected one");
    assert_eq!(ask(&mut desk, "c", &sale(Some("120"), None)), None);
    assert_eq!(resting(&desk), (vec![dec("120")], vec![dec("94")]));
}

#[test]
fn the_prices_end_with_the_lot() {
    let mut desk = bought(PAIRS);
    assert_eq!(ask(&mut desk, "a", &sale(Some("120"), Some("90"))), None);
    assert_eq!(ask(&mut desk, "b", &order(Side::Sell, quantity("1"))), None);
    assert_eq!(resting(&desk), (vec![dec("120")], vec![dec("90")]), "they stay for the rest");
    assert_eq!(ask(&mut desk, "c", &order(Side::Sell, quantity("2"))), None);
    assert_eq!((held(&desk, MANUAL), desk.resting.len()), (Decimal::ZERO, 0));
    assert_eq!(ask(&mut desk, "d", &order(Side::Buy, quantity("3"))), None);
    assert_eq!(resting(&desk), (vec![], vec![dec("95")]));
}

#[test]
fn the_lot_of_a_strategy_keeps_its_own_prices() {
    let mut desk = Desk::long(true, |_| {});
    assert_eq!(ask(&mut desk, "a", &sale(None, Some("100"))).unwrap(), "nothing-to-sell");
    assert_eq!(ask(&mut desk, "b", &order(Side::Buy, quantity("2"))), None);
    assert_eq!(ask(&mut desk, "c", &sale(None, Some("100"))), None);
    let stops = resting(&desk).1;
    assert!(stops.contains(&dec("100")) && stops.contains(&dec("104.5")), "{stops:?}");
}
