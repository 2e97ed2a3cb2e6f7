//! Tests bars that a split may explain.

use super::*;
use everwarm_domain::split::{CorporateAction, Found, Ratio};

const CLOSE: UtcMs = 11 * MINUTE;

/// A closer with a last price of 700, and the next bars: that of A is at 100.
fn closer(lockstep: bool, splits: bool) -> TestCloser {
    let mut closer = TestCloser::new(lockstep, &["A", "B"]);
    closer.past_at(&["A", "B"], 10, 700);
    if splits {
        closer.assembly = closer.assembly.clone().with_splits_of(VenueId::Alpaca);
    }
    closer.assembly.traded(CLOSE, BTreeSet::from([sym("A"), sym("B")]));
    for (symbol, price) in [("A", 100), ("B", 700)] {
        closer.assembly.found(&closer.closes, bar(symbol, 10, price), true);
    }
    closer
}

fn next(closer: &mut TestCloser, now: UtcMs) -> Next {
    closer.assembly.next(&closer.closes, now, GRACE)
}

fn action(found: Found) -> Market {
    let (venue, symbol, bar) = (VenueId::Alpaca, sym("A"), 10 * MINUTE);
    Market::CorporateAction(CorporateAction { venue, symbol, bar, found })
}

fn split() -> Market {
    action(Found::Split { ex_day: 0, ratio: Ratio::new(7, 1).unwrap() })
}

/// The symbols of the bars of a close, the missing ones and the odd ones.
fn closed(next: Next) -> (Vec<Symbol>, Vec<Symbol>, usize) {
    let Next::Append(Market::Close { bars, missing, odd, .. }) = next else { panic!("{next:?}") };
    (bars.iter().map(|bar| bar.symbol).collect(), missing, odd.len())
}

#[test]
fn where_no_splits_are_reported_the_bar_closes() {
    let mut closer = closer(true, false);
    assert_eq!(closed(next(&mut closer, CLOSE)).0, [sym("A"), sym("B")]);
}

#[test]
fn in_lockstep_the_close_waits_for_the_response_without_limit() {
    let mut closer = closer(true, true);
    let asked = action(Found::Asked(None));
    assert_eq!(next(&mut closer, CLOSE), Next::Append(asked.clone()));
    closer.apply(asked);
    assert_eq!(next(&mut closer, CLOSE), Next::Asked);
    closer.apply(action(Found::Asked(Some("no connection".to_owned()))));
    assert_eq!(next(&mut closer, CLOSE + 100 * MINUTE), Next::Asked);
    assert_eq!(closer.closes.split_doubts().collect::<Vec<_>>(), [(sym("A"), 10 * MINUTE)]);
    let mut again = Closes::default();
    again.load(&closer.closes.save()).unwrap();
    assert_eq!(again, closer.closes);
    closer.apply(split());
    let (bars, missing, odd) = closed(next(&mut closer, CLOSE));
    assert_eq!((bars, missing, odd), (vec![sym("A"), sym("B")], Vec::new(), 0), "it fits now");
}

#[test]
fn the_others_close_after_a_minute_and_the_bar_is_late() {
    for answer in [action(Found::Nothing), split()] {
        let mut closer = closer(false, true);
        let now = CLOSE + GRACE;
        let Next::Append(asked) = next(&mut closer, now) else { panic!() };
        closer.apply(asked);
        assert_eq!(next(&mut closer, now), Next::Wait(now + MINUTE + 1));
        let Next::Append(close) = next(&mut closer, now + MINUTE + 1) else { panic!() };
        let (bars, missing, _) = closed(Next::Append(close.clone()));
        assert_eq!((bars, missing), (vec![sym("B")], vec![sym("A")]));
        closer.apply(close);
        assert_eq!(next(&mut closer, now + MINUTE + 1), Next::Idle);
        closer.apply(answer);
        let late = next(&mut closer, now + MINUTE + 1);
        let Next::Append(Market::LateBar { bar: found, .. }) = late else { panic!("{late:?}") };
        assert_eq!(found, bar("A", 10, 100));
    }
}

#[test]
fn a_bar_is_asked_for_once_and_the_next_one_is_compared_with_it() {
    let mut closer = closer(true, true);
    closer.apply(action(Found::Asked(None)));
    closer.apply(action(Found::Nothing));
    let Next::Append(close) = next(&mut closer, CLOSE) else { panic!() };
    assert_eq!(closed(Next::Append(close.clone())).0, [sym("A"), sym("B")]);
    closer.apply(close);
    closer.assembly.traded(CLOSE + MINUTE, BTreeSet::from([sym("A"), sym("B")]));
    for (symbol, price) in [("A", 101), ("B", 700)] {
        closer.assembly.found(&closer.closes, bar(symbol, 11, price), true);
    }
    assert_eq!(closed(next(&mut closer, CLOSE + MINUTE)).0.len(), 2);
}
