//! Tests limit orders of entries with all stages and a venue at which they rest.

use super::super::protection::tests::{Desk, Next};
use everwarm_domain::fact::{Body, Decision, Market, Operator};
use everwarm_domain::id::VenueId;
use everwarm_domain::money::Decimal;
use everwarm_domain::sessions::{Session, Sessions};
use everwarm_domain::settings::{EntryRule, Settings};
use everwarm_domain::switch::Switch;
use everwarm_domain::time::{DAY, MINUTE};

/// Sets limits 1 percent below the close for 2 minutes.
fn limited(orders: u32) -> impl FnOnce(&mut Settings) {
    let rule = EntryRule { below_ppm: Some(10_000), minutes: 2, orders };
    move |settings| settings.strategy.set_entry("sma_cross", rule)
}

/// A desk whose strategy signals an entry at 110.
fn signalled(orders: u32) -> Desk {
    let mut desk = Desk::new(true, limited(orders));
    desk.prices(&[100, 99, 98, 110]);
    assert_eq!(desk.decided(), ["Buy 9.1827 at 108.9"]);
    desk
}

/// Codes of all declined signals.
fn declined(desk: &Desk) -> Vec<String> {
    let code = |body: &Body| {
        let Body::Decision(Decision::Declined { code, .. }) = body else { return None };
        Some(code.clone())
    };
    desk.world.facts.iter().filter_map(|fact| code(&fact.body)).collect()
}

#[test]
fn an_entry_that_is_reached_is_bought_at_its_limit_and_has_a_stop() {
    let mut desk = signalled(1);
    desk.bar(111, 108);
    assert_eq!((desk.lot(), desk.resting.len()), ("9.1827".parse().unwrap(), 1));
    assert_eq!(desk.stops(), ["9.1827 at 103.45"]);
}

#[test]
fn an_entry_that_is_not_reached_is_given_up_after_its_minutes() {
    let mut desk = signalled(1);
    desk.prices(&[111]);
    assert_eq!(desk.resting.len(), 1);
    desk.prices(&[112, 113, 114]);
    assert_eq!((desk.lot(), desk.resting.len()), (Decimal::ZERO, 0));
    assert_eq!(desk.decided()[1..], ["cancel: it has worked for its 2 min"]);
}

#[test]
fn an_entry_that_is_not_reached_follows_the_price_as_often_as_allowed() {
    let mut desk = signalled(2);
    desk.prices(&[111, 112]);
    let again = ["cancel: it has worked for its 2 min", "Buy 9.0187 at 110.88"];
    assert_eq!(desk.decided()[1..], again);
    desk.prices(&[113, 114, 115, 116]);
    assert_eq!(desk.decided()[3..], ["cancel: it has worked for its 2 min"]);
    assert_eq!((desk.lot(), desk.resting.len()), (Decimal::ZERO, 0));
}

#[test]
fn a_part_is_protected_from_its_first_fill_and_not_completed_later() {
    let mut desk = signalled(5);
    desk.next = Next::Halves;
    desk.bar(111, 108);
    assert_eq!(desk.stops(), ["4.5913 at 103.45"], "down to the step");
    desk.prices(&[112, 113]);
    assert_eq!(desk.resting.len(), 1, "only the stop order rests");
    assert_eq!(desk.lot(), "4.59135".parse().unwrap());
    let cancels = desk.decided().iter().filter(|text| text.starts_with("cancel")).count();
    assert_eq!((desk.decided().len(), cancels), (3, 1), "{:?}", desk.decided());
}

#[test]
fn a_fill_before_the_cancel_counts_and_nothing_follows() {
    let mut desk = signalled(2);
    desk.next = Next::Fills;
    desk.prices(&[111, 112]);
    assert_eq!(desk.lot(), "9.1827".parse().unwrap());
    desk.next = Next::Usual;
    desk.prices(&[113, 114, 115]);
    assert_eq!(desk.stops(), ["9.1827 at 103.45"]);
    let buys = desk.decided().iter().filter(|text| text.starts_with("Buy")).count();
    assert_eq!(buys, 1, "{:?}", desk.decided());
}

#[test]
fn an_entry_ends_with_its_signal() {
    let mut desk = signalled(5);
    // The averages cross back at the next close: the strategy leaves what it never held.
    desk.bar(60, 109);
    desk.prices(&[50, 50, 50, 50]);
    assert_eq!((desk.lot(), desk.resting.len()), (Decimal::ZERO, 0));
    let buys = desk.decided().iter().filter(|text| text.starts_with("Buy")).count();
    assert_eq!(buys, 1, "{:?}", desk.decided());
}

#[test]
fn an_entry_ends_when_entries_are_stopped() {
    let off = Switch::Strategy { name: "sma_cross".to_owned(), on: false };
    for (switch, why) in [(off, "sma_cross is turned off"), (Switch::Halt, "an operator")] {
        let mut desk = signalled(5);
        desk.switch(switch);
        desk.prices(&[111, 112, 113, 114]);
        let decided = desk.decided();
        assert_eq!((desk.resting.len(), decided.len()), (0, 2), "{decided:?}");
        assert!(decided[1].starts_with("cancel: ") && decided[1].contains(why), "{decided:?}");
        assert_eq!(declined(&desk), [""; 0]);
    }
}

/// The ledger finds the conflict after the decision of the same input. Without an input of its own
/// the entry would rest until the next close.
#[test]
fn an_entry_ends_at_once_when_the_account_lacks_something() {
    let mut desk = signalled(5);
    desk.world.funds.insert("USDT".to_owned(), Decimal::from(9_000));
    desk.world.account();
    desk.settle();
    let decided = desk.decided();
    assert_eq!((desk.resting.len(), decided.len()), (0, 2), "{decided:?}");
    assert!(decided[1].starts_with("cancel: "), "{decided:?}");
}

#[test]
fn a_replaced_entry_passes_every_check_again() {
    let mut desk = signalled(5);
    // The next order would be worth more than the new cap.
    let (per_order, per_day, venue) = (Decimal::ONE, Decimal::ONE, VenueId::default());
    let account = String::new();
    let confirmed = Operator::LiveConfirmed { account, per_order, per_day, venue };
    desk.world.give(Body::Operator(confirmed));
    desk.prices(&[111, 112, 113]);
    assert_eq!((declined(&desk), desk.resting.len()), (vec!["live-cap".to_owned()], 0));
}

#[test]
fn an_entry_ends_with_the_session_and_is_not_replaced() {
    let mut desk = signalled(5);
    let close = desk.world.time + MINUTE;
    let spans = vec![Session { open: 0, close }, Session { open: 2 * close, close: DAY }];
    let (venue, sessions) = (VenueId::default(), Sessions::new(0, DAY, spans).unwrap());
    desk.world.give(Body::Market(Market::Sessions { venue, sessions }));
    assert_eq!(desk.resting.len(), 1, "the session goes on");
    desk.prices(&[111]);
    assert_eq!(desk.decided()[1..], ["cancel: the session of BTCUSDT ends with this close"]);
    desk.prices(&[112, 113]);
    assert_eq!((desk.lot(), desk.resting.len(), desk.decided().len()), (Decimal::ZERO, 0, 2));
}
