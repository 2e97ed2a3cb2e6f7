//! Tests splits: what leaves while they are queried, and with all stages what is held after one.

use super::*;
use crate::decide::protection::tests::{Desk, SYMBOL};
use crate::testing::rewritten;
use everwarm_domain::split::{CorporateAction, Found, Ratio};

fn action(found: Found) -> Body {
    let (venue, symbol, bar) = (VenueId::default(), sym(SYMBOL), T);
    Body::Market(Market::CorporateAction(CorporateAction { venue, symbol, bar, found }))
}

fn split(new: u32, old: u32) -> Body {
    action(Found::Split { ex_day: 0, ratio: Ratio::new(new, old).unwrap() })
}

#[test]
fn nothing_is_bought_or_sold_until_the_venue_responds() {
    let mut stage = ready(|_| {});
    facts_of(&mut stage, &fact(1, 800, position("BTCUSDT", "10", "9000")));
    facts_of(&mut stage, &input(2, action(Found::Asked(None))));
    let asked = "BTCUSDT owed: BTCUSDT may have been split: the venue is queried";
    assert_eq!(ask(&mut stage, &[sell("BTCUSDT")]), [asked]);
    let failed = "BTCUSDT waits 0: BTCUSDT may have been split, and the query failed: no \
                  connection";
    let why = Some("no connection".to_owned());
    assert_eq!(exits(&mut stage, &input(3, action(Found::Asked(why)))), [failed]);
    let mut again = Decide::default();
    again.load(&stage.save()).unwrap();
    assert_eq!(minute(&mut again, 20), Vec::<String>::new(), "a restart changes nothing");
    facts_of(&mut again, &input(11, action(Found::Nothing)));
    let mut closed = input(12, close("BTCUSDT", 21, 100));
    closed.time = 22 * MINUTE;
    let sold = exits(&mut again, &closed);
    assert!(sold.iter().any(|line| line.starts_with("Sell 10 BTCUSDT")), "{sold:?}");
}

#[test]
fn entries_of_other_symbols_go_on() {
    let mut stage = ready(|_| {});
    facts_of(&mut stage, &input(2, action(Found::Asked(None))));
    let answers = ask(&mut stage, &[buy("ADAUSDT"), buy("BTCUSDT")]);
    assert!(answers[0].starts_with("Buy 10 ADAUSDT"), "{answers:?}");
    assert!(answers[1].starts_with("BTCUSDT split: "), "{answers:?}");
}

/// The last equity.
fn equity(desk: &Desk) -> Decimal {
    let of = |fact: &Fact<Body>| {
        let Body::Ledger(Ledger::Equity { equity, .. }) = &fact.body else { return None };
        Some(*equity)
    };
    desk.world.facts.iter().rev().find_map(of).unwrap()
}

#[test]
fn a_split_leaves_one_lot_of_new_shares_with_a_new_stop() {
    let mut desk = Desk::long(true, |_| {});
    assert_eq!(desk.stops(), ["9.0909 at 104.5"]);
    desk.prices(&[110]);
    let before = equity(&desk);
    desk.world.give(action(Found::Asked(None)));
    desk.settle();
    desk.world.give(split(10, 1));
    desk.settle();
    assert_eq!(desk.lot(), dec("90.909"));
    // The bar that waited comes next. Any input has the stop replaced.
    desk.clock();
    assert_eq!(desk.stops(), ["90.909 at 10.45"], "{:?}", desk.decided());
    desk.prices(&[11, 11, 11, 11]);
    assert_eq!(desk.stops(), ["90.909 at 10.45"]);
    let sold = |line: &String| line.starts_with("exit") || line.ends_with("market");
    let sales: Vec<String> = desk.decided().into_iter().filter(sold).collect();
    assert_eq!(sales, ["Buy 9.0909 market"], "{:?}", desk.decided());
    assert_eq!(equity(&desk), before);
}

#[test]
fn an_exit_rule_waits_for_the_response() {
    let mut desk = Desk::long(false, |_| {});
    desk.world.give(action(Found::Asked(None)));
    desk.prices(&[50]);
    assert_eq!(desk.lot(), dec("9.0909"), "{:?}", desk.decided());
    desk.world.give(action(Found::Nothing));
    desk.prices(&[50]);
    assert_eq!(desk.lot(), Decimal::ZERO, "{:?}", desk.decided());
}

/// A minute of the second day.
const TOMORROW: i64 = 1_500;

/// The venue takes so many stop orders and reports splits.
fn reports_splits(stop_orders: u32) -> Body {
    let (venue, capabilities) = (VenueId::default(), Capabilities::market_and_limit());
    let (fewer, pairs, splits) = (Vec::new(), false, true);
    let takes = Market::Capabilities { venue, capabilities, stop_orders, fewer, pairs, splits };
    Body::Market(takes)
}

#[test]
fn a_cancelled_stop_returns_after_the_first_bar_of_the_day() {
    for (reports, before, after) in [(true, 0, 1), (false, 1, 1)] {
        let mut desk = Desk::long(true, |_| {});
        if reports {
            desk.world.give(reports_splits(5));
        }
        desk.all_cancelled_at(TOMORROW);
        desk.prices(&[110, 110, 110]);
        assert_eq!(desk.stops().len(), before, "closes of the day before come late");
        desk.skip_to(TOMORROW);
        desk.prices(&[110]);
        assert_eq!(desk.stops().len(), after, "{:?}", desk.decided());
    }
}

#[test]
fn an_exit_rule_waits_for_the_first_bar_of_the_day() {
    for price in [50, 110] {
        let mut desk = Desk::long(false, |_| {});
        desk.world.give(reports_splits(0));
        desk.all_cancelled_at(TOMORROW);
        desk.prices(&[50]);
        assert_eq!(desk.lot(), dec("9.0909"), "{:?}", desk.decided());
        desk.skip_to(TOMORROW);
        desk.prices(&[price]);
        assert_eq!(desk.lot(), Decimal::ZERO, "{:?}", desk.decided());
    }
}

#[test]
fn a_stop_that_was_cancelled_at_a_split_returns_in_new_shares() {
    let mut desk = Desk::long(true, |_| {});
    desk.world.give(reports_splits(5));
    desk.all_cancelled_at(TOMORROW);
    desk.prices(&[110, 110, 110]);
    desk.world.time = (TOMORROW + 1) * MINUTE;
    let at = |found| {
        let (venue, symbol, bar) = (VenueId::default(), sym(SYMBOL), TOMORROW * MINUTE);
        Body::Market(Market::CorporateAction(CorporateAction { venue, symbol, bar, found }))
    };
    desk.world.give(at(Found::Asked(None)));
    desk.settle();
    assert_eq!(desk.stops(), Vec::<String>::new());
    desk.world.give(at(Found::Split { ex_day: 1, ratio: Ratio::new(10, 1).unwrap() }));
    desk.clock();
    assert_eq!(desk.stops(), ["90.909 at 10.45"], "{:?}", desk.decided());
    desk.skip_to(TOMORROW);
    desk.prices(&[11, 11]);
    assert_eq!(desk.stops(), ["90.909 at 10.45"]);
    let sold = |line: &&String| line.starts_with("exit") || line.starts_with("Sell 9.0909 market");
    assert_eq!(desk.decided().iter().find(sold), None);
}

#[test]
fn a_former_state_is_read() {
    let mut stage = ready(|_| {});
    facts_of(&mut stage, &fact(1, 800, position("BTCUSDT", "2", "9000")));
    let now = stage.save();
    for (version, of, less) in [(13, 0x220f_3b36_55b4_7fdb, 2), (12, 0xf09b_5dee_70cb_9e81, 3)] {
        let before = rewritten(&now, (version, of), less);
        let mut read = Decide::default();
        read.convert(version.into(), &before).unwrap();
        assert_eq!(read.save(), now, "{version}");
    }
}
