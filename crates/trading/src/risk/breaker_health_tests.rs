//! The health of the surroundings, restarts and orders of others, as the breaker judges them.

use super::tests::{appended, with};
use super::*;
use crate::testing::{AccountFact, close, trade};
use everwarm_domain::fact::{HealthCheck, Restarts};
use everwarm_domain::order::MANUAL;

fn unfit(problems: &[(HealthCheck, &str)]) -> Body {
    let problems = problems.iter().map(|(check, why)| (*check, (*why).to_owned())).collect();
    Body::Operator(Operator::Health { problems })
}

#[test]
fn what_is_unfit_allows_exits_only_until_an_input_says_that_it_is_over() {
    let mut stage = with(Risk { venue_silent_s: 120, ..Risk::default() });
    let venue = (HealthCheck::Venue, "the venue does not respond since 00:02 UTC");
    let text = "ExitsOnly [\"the venue does not respond since 00:02 UTC\"]";
    assert_eq!(appended(&mut stage, 0, unfit(&[venue])), text);
    let started = Operator::Started { life: 2, installation: "i".to_owned(), epoch: 0 };
    assert_eq!(appended(&mut stage, 0, Body::Operator(started)), "", "not by a restart");
    let clock = unfit(&[(HealthCheck::Clock, "the clock is off")]);
    assert_eq!(appended(&mut stage, 0, clock), "Normal []", "its check is off");
}

#[test]
fn many_unplanned_restarts_within_an_hour_allow_exits_only() {
    let mut stage = with(Risk { restarts_per_hour: 3, ..Risk::default() });
    let restarted = |reason: &str, times| {
        let row = Restarts { actor: "feed".to_owned(), reason: reason.to_owned(), times };
        Body::Operator(Operator::Restarted { actors: vec![row] })
    };
    assert_eq!(appended(&mut stage, 0, restarted("injected", 9)), "", "an operator did that");
    assert_eq!(appended(&mut stage, 0, restarted("panic", 2)), "");
    assert_eq!(appended(&mut stage, 0, close("A", 30, 1)), "");
    let text = "ExitsOnly [\"3 restarts or more within an hour\"]";
    assert_eq!(appended(&mut stage, 0, restarted("error", 1)), text);
    assert_eq!(appended(&mut stage, 0, close("A", 60, 1)), "Normal []");
}

#[test]
fn open_orders_of_others_halt_trading_only_if_the_configuration_says_so() {
    let account = |open: &[&str]| {
        let symbol = Symbol::new("BTCUSDT").unwrap();
        let open = open.iter().map(|id| (ClientOrderId((*id).to_owned()), symbol)).collect();
        AccountFact { open, ..AccountFact::default() }.body()
    };
    let mut stage = with(Risk::default());
    assert_eq!(appended(&mut stage, 0, account(&["web_1"])), "", "by default they are ignored");
    let mut stage = with(Risk { external_orders: ExternalOrders::Halt, ..Risk::default() });
    assert_eq!(appended(&mut stage, 0, account(&["ew-smacross-1", "ew-panic-1"])), "");
    let one = "Halted [\"an order in BTCUSDT is not ours: web_1\"]";
    assert_eq!(appended(&mut stage, 0, account(&["ew-smacross-1", "web_1"])), one);
    let two = "Halted [\"2 open orders are not ours; the first is web_1 in BTCUSDT\"]";
    assert_eq!(appended(&mut stage, 0, account(&["web_1", "web_2"])), two);
    assert_eq!(appended(&mut stage, 0, account(&[])), "Normal []");
}

#[test]
fn what_an_adopted_order_bought_is_no_entry_and_no_success_of_ours() {
    let limits = Risk { max_trades_per_day: 1, max_consecutive_failures: 1, ..Risk::default() };
    let bought = |id: &str| {
        Body::Order(Order::Filled {
            client_id: ClientOrderId(id.to_owned()),
            strategy: MANUAL.to_owned(),
            symbol: Symbol::new("BTCUSDT").unwrap(),
            side: Side::Buy,
            k: 1,
            fill: trade(1, "100", "1"),
        })
    };
    let mut stage = with(limits);
    stage.counts.failures = 1;
    let text = "ExitsOnly [\"1970-01-01: 1 orders in a row were rejected or expired\"]";
    assert_eq!(appended(&mut stage, 700, bought("web_1")), text);
    let text = "ExitsOnly [\"1970-01-01: the limit of 1 entries a day is reached\"]";
    assert_eq!(appended(&mut stage, 700, bought("ew-manual-1")), text);
}
