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
    desk.prices(&[11, 11, 11, 11]);
    let [stop] = &desk.stops()[..] else { panic!("{:?}", desk.stops()) };
    assert!(stop.ends_with(" at 10.45"), "{stop}");
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

#[test]
fn a_state_without_splits_is_read() {
    let mut stage = ready(|_| {});
    facts_of(&mut stage, &fact(1, 800, position("BTCUSDT", "2", "9000")));
    let now = stage.save();
    let before = rewritten(&now, (12, 0xf09b_5dee_70cb_9e81), 1);
    let mut read = Decide::default();
    read.convert(12, &before).unwrap();
    assert_eq!(read.save(), now);
}
