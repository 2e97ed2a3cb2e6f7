//! Tests requests of operators with all stages and a venue with stop orders.

use super::super::protection::tests::{Desk, Next, SYMBOL};
use crate::testing::{bar, dec, sym};
use everwarm_domain::fact::{Body, Decision, Ledger, Market, Operator, Order};
use everwarm_domain::id::{ClientOrderId, VenueId};
use everwarm_domain::manual::{Amount, Request};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{MANUAL, OrderIntent, Side};
use everwarm_domain::sessions::{Session, Sessions};
use everwarm_domain::settings::{ExitRules, Settings};
use everwarm_domain::switch::Switch;
use everwarm_domain::time::{DAY, MINUTE};
use std::collections::{BTreeMap, BTreeSet};

/// A desk with two closes at 100. No strategy holds a lot.
fn desk(change: impl FnOnce(&mut Settings)) -> Desk {
    let mut desk = Desk::new(true, change);
    desk.prices(&[100, 100]);
    desk
}

pub(in crate::decide) fn quantity(text: &str) -> Amount {
    Amount::Quantity(dec(text))
}

pub(in crate::decide) fn quote(text: &str) -> Amount {
    Amount::Quote(dec(text))
}

/// An order in BTCUSDT.
pub(in crate::decide) fn order(side: Side, amount: Amount) -> Request {
    order_of(SYMBOL, side, amount)
}

fn order_of(symbol: &str, side: Side, amount: Amount) -> Request {
    Request::Order { symbol: sym(symbol), side, amount, limit: None, minutes: 0 }
}

pub(in crate::decide) fn close(strategy: Option<&str>) -> Request {
    Request::Close { symbol: sym(SYMBOL), strategy: strategy.map(str::to_owned) }
}

/// Gives a request, before anything is sent. Returns why it was declined.
pub(in crate::decide) fn give(desk: &mut Desk, id: &str, request: &Request) -> Option<String> {
    let (from, id, reason) = (desk.world.facts.len(), id.to_owned(), "test".to_owned());
    let request = request.clone();
    desk.world.give(Body::Operator(Operator::Manual { id, request, reason }));
    desk.world.facts.iter().skip(from).find_map(|fact| {
        let Body::Decision(Decision::Declined { signal, code, .. }) = &fact.body else {
            return None;
        };
        assert_eq!(signal.strategy, MANUAL);
        assert_eq!(fact.because.len(), 1, "its cause is the request");
        Some(code.clone())
    })
}

/// Gives a request and settles all orders.
pub(in crate::decide) fn ask(desk: &mut Desk, id: &str, request: &Request) -> Option<String> {
    let declined = give(desk, id, request);
    desk.settle();
    declined
}

/// The lots by owner.
fn lots(desk: &Desk) -> BTreeMap<String, Decimal> {
    let mut lots = BTreeMap::new();
    for fact in &desk.world.facts {
        if let Body::Ledger(Ledger::Lot { strategy, quantity, .. }) = &fact.body {
            lots.insert(strategy.clone(), *quantity);
        }
    }
    lots.retain(|_, quantity| !quantity.is_zero());
    lots
}

pub(in crate::decide) fn held(desk: &Desk, owner: &str) -> Decimal {
    lots(desk).get(owner).copied().unwrap_or_default()
}

fn orders(desk: &Desk) -> Vec<OrderIntent> {
    let intent = |body: &Body| {
        let Body::Order(Order::Intent(intent)) = body else { return None };
        Some(intent.clone())
    };
    desk.world.facts.iter().filter_map(|fact| intent(&fact.body)).collect()
}

fn stopless(settings: &mut Settings) {
    settings.strategy.set_exits("sma_cross", ExitRules::none());
}

#[test]
fn a_buy_by_hand_has_its_own_lot_and_the_usual_stop() {
    for amount in [quantity("3"), quote("300"), quote("300.009"), quantity("3.00009")] {
        let mut desk = desk(|_| {});
        assert_eq!(ask(&mut desk, "a", &order(Side::Buy, amount)), None);
        assert_eq!(lots(&desk), BTreeMap::from([(MANUAL.to_owned(), dec("3"))]), "{amount:?}");
        assert_eq!(desk.stops(), ["3 at 95"]);
        assert_eq!(orders(&desk)[0].strategy, MANUAL);
    }
}

#[test]
fn a_request_with_a_known_id_has_no_effect() {
    let mut desk = desk(|_| {});
    let buy = order(Side::Buy, quantity("3"));
    assert_eq!(give(&mut desk, "a", &buy), None);
    assert_eq!(give(&mut desk, "a", &buy).unwrap(), "repeated");
    desk.settle();
    assert_eq!(ask(&mut desk, "a", &close(None)).unwrap(), "repeated");
    desk.prices(&[100]);
    assert_eq!(ask(&mut desk, "a", &buy).unwrap(), "repeated");
    assert_eq!(desk.decided(), ["Buy 3 market", "Sell 3 stop"]);
}

#[test]
fn a_repeated_sale_of_a_part_does_not_end_the_first() {
    let mut desk = desk(|_| {});
    ask(&mut desk, "a", &order(Side::Buy, quantity("3")));
    let part = order(Side::Sell, quantity("1"));
    assert_eq!(give(&mut desk, "b", &part), None);
    assert_eq!(give(&mut desk, "b", &part).unwrap(), "repeated");
    assert_eq!(give(&mut desk, "c", &part).unwrap(), "pending");
    desk.settle();
    assert_eq!(held(&desk, MANUAL), dec("2"));
}

#[test]
fn a_buy_by_hand_passes_the_checks_of_an_entry() {
    let buy = |amount| order(Side::Buy, amount);
    let mut desk = desk(|settings| settings.trading.max_positions = 1);
    let other = order_of("XRPUSDT", Side::Buy, quote("100"));
    assert_eq!(ask(&mut desk, "a", &other).unwrap(), "instrument");
    let silent = order_of("ETHUSDT", Side::Buy, quote("100"));
    assert_eq!(ask(&mut desk, "b", &silent).unwrap(), "no-price");
    assert_eq!(ask(&mut desk, "c", &buy(quote("20000"))).unwrap(), "cash");
    assert_eq!(ask(&mut desk, "d", &buy(quantity("200"))).unwrap(), "cash");
    assert_eq!(ask(&mut desk, "e", &buy(quote("1"))).unwrap(), "too-small");
    let switched = |switch| Operator::Switched { switch, reason: "test".to_owned() };
    desk.world.give(Body::Operator(switched(Switch::Halt)));
    assert_eq!(ask(&mut desk, "f", &buy(quote("100"))).unwrap(), "exits-only");
    desk.world.give(Body::Operator(switched(Switch::Resume)));
    desk.world.time += 5 * MINUTE;
    assert_eq!(ask(&mut desk, "g", &buy(quote("100"))).unwrap(), "stale");
    assert_eq!(orders(&desk).len(), 0);
    let minute = desk.world.time / MINUTE - 1;
    desk.world.give(Body::Market(Market::close(
        desk.world.time,
        ["BTCUSDT", "ETHUSDT"].map(|symbol| bar(symbol, minute, 100)).to_vec(),
        Vec::new(),
    )));
    assert_eq!(ask(&mut desk, "h", &buy(quote("100"))), None);
    assert_eq!(ask(&mut desk, "i", &buy(quote("100"))).unwrap(), "already-long");
    assert_eq!(ask(&mut desk, "j", &silent).unwrap(), "max-positions");
    assert_eq!(held(&desk, MANUAL), dec("1"));
}

#[test]
fn two_entries_at_one_close_are_different_orders() {
    let mut desk = desk(|_| {});
    for id in ["a", "b", "c"] {
        assert_eq!(ask(&mut desk, id, &order(Side::Buy, quantity("3"))), None);
        assert_eq!(ask(&mut desk, &format!("{id}-1"), &order(Side::Sell, quantity("1"))), None);
        assert_eq!(desk.stops(), ["2 at 95"]);
        assert_eq!(ask(&mut desk, &format!("{id}-2"), &order(Side::Sell, quantity("9"))), None);
        assert_eq!((held(&desk, MANUAL), desk.stops().len()), (Decimal::ZERO, 0));
    }
    let orders = orders(&desk);
    let ids: BTreeSet<&ClientOrderId> = orders.iter().map(|intent| &intent.client_id).collect();
    assert_eq!((ids.len(), orders.len()), (15, 15));
}

#[test]
fn a_sale_of_a_part_cancels_the_stop_order_first_and_the_rest_is_protected_again() {
    for amount in [quantity("1"), quote("100")] {
        let mut desk = desk(|_| {});
        ask(&mut desk, "a", &order(Side::Buy, quantity("3")));
        assert_eq!(ask(&mut desk, "b", &order(Side::Sell, amount)), None);
        assert_eq!(held(&desk, MANUAL), dec("2"));
        assert_eq!(desk.stops(), ["2 at 95"]);
        let cancel = "cancel: an operator sells a part of its lot";
        assert_eq!(desk.decided()[2..], [cancel, "Sell 1 market", "Sell 2 stop"]);
    }
}

#[test]
fn a_sale_of_a_part_sells_nothing_if_the_stop_order_was_filled() {
    let mut desk = desk(|_| {});
    ask(&mut desk, "a", &order(Side::Buy, quantity("3")));
    desk.next = Next::Fills;
    ask(&mut desk, "b", &order(Side::Sell, quantity("1")));
    assert_eq!(held(&desk, MANUAL), Decimal::ZERO);
    assert_eq!(desk.decided().iter().filter(|text| text.starts_with("Sell")).count(), 1);
    let declined = desk.world.facts.iter().any(|fact| {
        matches!(&fact.body, Body::Decision(Decision::Declined { code, .. })
            if code == "nothing-to-sell")
    });
    assert!(declined);
}

#[test]
fn a_sale_too_small_leaves_the_stop_order() {
    let mut desk = desk(|_| {});
    ask(&mut desk, "a", &order(Side::Buy, quantity("3")));
    assert_eq!(ask(&mut desk, "b", &order(Side::Sell, quote("1"))).unwrap(), "too-small");
    assert_eq!(desk.decided(), ["Buy 3 market", "Sell 3 stop"]);
    assert_eq!(desk.stops(), ["3 at 95"]);
}

#[test]
fn a_sale_by_hand_never_sells_the_lot_of_a_strategy() {
    let mut desk = Desk::long(true, stopless);
    let strategy = held(&desk, "sma_cross");
    let sell = |amount| order(Side::Sell, amount);
    assert_eq!(ask(&mut desk, "a", &sell(quantity("1"))).unwrap(), "nothing-to-sell");
    ask(&mut desk, "b", &order(Side::Buy, quote("220")));
    assert_eq!(held(&desk, MANUAL), dec("2"));
    assert_eq!(ask(&mut desk, "c", &sell(quantity("5"))), None);
    assert_eq!((held(&desk, MANUAL), held(&desk, "sma_cross")), (Decimal::ZERO, strategy));
    assert_eq!(desk.stops(), [""; 0]);
}

#[test]
fn a_close_sells_all_lots_of_the_symbol_or_one() {
    let both = || {
        let mut desk = Desk::long(true, |_| {});
        ask(&mut desk, "a", &order(Side::Buy, quote("220")));
        assert_eq!(lots(&desk).len(), 2);
        desk
    };
    let mut desk = both();
    assert_eq!(ask(&mut desk, "b", &close(Some(MANUAL))), None);
    assert_eq!(lots(&desk).into_keys().collect::<Vec<_>>(), ["sma_cross"]);
    assert_eq!(ask(&mut desk, "c", &close(Some(MANUAL))).unwrap(), "nothing-to-sell");
    assert_eq!(ask(&mut desk, "d", &close(Some("sma_cross"))), None);
    assert_eq!(lots(&desk).len(), 0);
    let mut desk = both();
    assert_eq!(ask(&mut desk, "b", &close(None)), None);
    assert_eq!((lots(&desk).len(), desk.stops().len()), (0, 0));
    assert_eq!(ask(&mut desk, "c", &close(None)).unwrap(), "nothing-to-sell");
}

#[test]
fn a_cancel_withdraws_an_order_and_ends_its_exit() {
    let cancel = |client_id: &ClientOrderId| Request::Cancel {
        client_id: client_id.clone(),
        symbol: sym(SYMBOL),
    };
    let mut desk = desk(|_| {});
    give(&mut desk, "a", &order(Side::Buy, quantity("3")));
    let entry = orders(&desk)[0].client_id.clone();
    assert_eq!(give(&mut desk, "b", &cancel(&entry)), None);
    desk.settle();
    assert_eq!(lots(&desk).len(), 0);
    assert_eq!(ask(&mut desk, "c", &cancel(&entry)).unwrap(), "not-open");
    ask(&mut desk, "d", &order(Side::Buy, quantity("3")));
    let stop = orders(&desk)[2].client_id.clone();
    assert_eq!(ask(&mut desk, "e", &cancel(&stop)).unwrap(), "protects");
    assert_eq!(desk.stops(), ["3 at 95"]);
    let mut desk = Desk::long(false, stopless);
    give(&mut desk, "a", &close(None));
    let exit = orders(&desk)[1].client_id.clone();
    assert_eq!(give(&mut desk, "b", &cancel(&exit)), None);
    desk.settle();
    desk.prices(&[112, 115]);
    assert_eq!(held(&desk, "sma_cross"), dec("9.0909"), "its exit has ended");
    assert_eq!(ask(&mut desk, "c", &close(None)), None);
    assert_eq!(lots(&desk).len(), 0);
    let ids: BTreeSet<ClientOrderId> = orders(&desk).into_iter().map(|o| o.client_id).collect();
    assert_eq!(ids.len(), orders(&desk).len());
}

/// A purchase of 3 at a limit.
fn limited(limit: &str, minutes: u32) -> Request {
    let (side, amount, limit) = (Side::Buy, quantity("3"), Some(dec(limit)));
    Request::Order { symbol: sym(SYMBOL), side, amount, limit, minutes }
}

#[test]
fn a_limit_order_by_hand_works_until_it_is_filled_or_cancelled() {
    let mut desk = desk(|_| {});
    assert_eq!(ask(&mut desk, "a", &limited("97.004", 0)), None);
    assert_eq!(desk.decided(), ["Buy 3 at 97"], "on the tick below");
    desk.prices(&[101, 102, 101, 98]);
    assert_eq!(desk.resting.len(), 1, "it has no end");
    desk.bar(98, 96);
    assert_eq!((held(&desk, MANUAL), desk.stops()), (dec("3"), vec!["3 at 92.15".to_owned()]));

    assert_eq!(ask(&mut desk, "b", &limited("90", 0)).unwrap(), "already-long");
    assert_eq!(ask(&mut desk, "c", &close(None)), None);
    assert_eq!(ask(&mut desk, "d", &limited("90", 0)), None);
    let client_id = orders(&desk).last().unwrap().client_id.clone();
    assert_eq!(ask(&mut desk, "e", &Request::Cancel { client_id, symbol: sym(SYMBOL) }), None);
    assert_eq!((desk.resting.len(), held(&desk, MANUAL)), (0, Decimal::ZERO));
}

#[test]
fn a_limit_order_by_hand_ends_after_its_minutes() {
    let mut desk = desk(|_| {});
    assert_eq!(ask(&mut desk, "a", &limited("97", 2)), None);
    desk.prices(&[100]);
    assert_eq!(desk.resting.len(), 1);
    desk.prices(&[100, 100]);
    let decided = ["Buy 3 at 97", "cancel: it has worked for its 2 min"];
    assert_eq!((desk.resting.len(), desk.decided()), (0, decided.map(str::to_owned).to_vec()));
}

#[test]
fn a_sale_by_hand_has_no_limit() {
    let mut desk = desk(|_| {});
    ask(&mut desk, "a", &order(Side::Buy, quantity("3")));
    for amount in [quantity("3"), quantity("1")] {
        let (side, limit) = (Side::Sell, Some(dec("120")));
        let sale = Request::Order { symbol: sym(SYMBOL), side, amount, limit, minutes: 0 };
        assert_eq!(ask(&mut desk, &format!("{amount:?}"), &sale).unwrap(), "unsupported");
    }
    assert_eq!(held(&desk, MANUAL), dec("3"));
}

/// Reports that the session ended a while ago and the next one opens in an hour.
fn night(desk: &mut Desk) {
    let (venue, close) = (VenueId::default(), desk.world.time);
    let open = close + 60 * MINUTE;
    let spans = vec![Session { open: 0, close }, Session { open, close: open + 60 * MINUTE }];
    let sessions = Sessions::new(0, DAY, spans).unwrap();
    desk.world.give(Body::Market(Market::Sessions { venue, sessions }));
    desk.world.time += 30 * MINUTE;
}

#[test]
fn a_market_order_to_buy_is_declined_while_the_market_is_closed() {
    let mut desk = desk(|_| {});
    night(&mut desk);
    let buy = order(Side::Buy, quantity("3"));
    assert_eq!(ask(&mut desk, "a", &buy).unwrap(), "market-closed");
    let text = desk.world.facts.iter().find_map(|fact| {
        let Body::Decision(Decision::Declined { text, .. }) = &fact.body else { return None };
        Some(text.as_str())
    });
    let words = "BTCUSDT does not trade now; the next session opens on 1970-01-01 at 01:03 UTC. \
                 Order then, or with --limit now";
    assert_eq!(text, Some(words));
    desk.world.time += 30 * MINUTE;
    assert_eq!(ask(&mut desk, "b", &buy), None, "the next session has opened");
    assert_eq!(held(&desk, MANUAL), dec("3"));
}

#[test]
fn a_limit_order_that_works_beyond_the_opening_is_placed_at_night() {
    for (minutes, declined) in [(0, None), (59, Some("market-closed")), (61, None)] {
        let mut desk = desk(|_| {});
        night(&mut desk);
        let result = ask(&mut desk, "a", &limited("97", minutes));
        assert_eq!(result.as_deref(), declined, "{minutes}");
        assert_eq!(desk.resting.len(), usize::from(declined.is_none()));
    }
}

#[test]
fn a_lot_is_sold_by_hand_while_the_market_is_closed() {
    let mut desk = desk(|_| {});
    ask(&mut desk, "a", &order(Side::Buy, quantity("3")));
    night(&mut desk);
    assert_eq!(ask(&mut desk, "b", &order(Side::Sell, quantity("1"))), None);
    assert_eq!(ask(&mut desk, "c", &close(None)), None);
    assert_eq!(held(&desk, MANUAL), Decimal::ZERO);
}
