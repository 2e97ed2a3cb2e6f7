//! Tests of the findings about signals without orders and orders without fills.

use super::{HealthFold, Signs, findings};
use crate::status_fold::StatusFold;
use everwarm_domain::fact::{Analysis, Body, Decision, Order};
use everwarm_domain::id::ClientOrderId;
use everwarm_domain::order::{OrderIntent, OrderStatus, OrderType, Side};
use everwarm_domain::time::MINUTE;
use everwarm_kernel::fact::Fact;
use everwarm_trading::testing::{changed, dec, fact, filled, signal, sym};

#[test]
fn a_finding_about_missing_orders_or_fills_names_the_step_and_the_most_frequent_reason() {
    let signals =
        || Body::Analysis(Analysis::Signals { rows: vec![signal("BTCUSDT", Side::Buy, 0); 5] });
    let declined = |code: &str| {
        let (signal, code) = (signal("BTCUSDT", Side::Buy, 0), code.to_owned());
        Body::Decision(Decision::Declined { signal, code, text: "no cash".to_owned() })
    };
    let intent = |id: &str| {
        Body::Order(Order::Intent(OrderIntent {
            client_id: ClientOrderId(id.to_owned()),
            strategy: "sma_cross".to_owned(),
            symbol: sym("BTCUSDT"),
            side: Side::Buy,
            order_type: OrderType::Market,
            quantity: dec("1"),
            price: None,
            close_time: 0,
            valid_until: 0,
            terms: Box::default(),
        }))
    };
    let texts = |bodies: Vec<Body>| {
        let mut facts = HealthFold::default();
        let last = bodies.len();
        for (n, body) in (1..).zip(bodies) {
            let late = usize::try_from(n).unwrap() == last;
            let time = if late { 61 * MINUTE } else { 1 };
            let fact = Fact { time, ..fact(n, 600, body) };
            facts.fold(&fact, &StatusFold::default());
        }
        let venue = facts.now;
        let signs = Signs { running: true, passes: true, venue, facts, ..Signs::default() };
        let all = findings(&signs).findings.into_iter();
        let all = all.filter(|found| ["no-orders", "no-fills"].contains(&found.check.as_str()));
        all.map(|found| found.text).collect::<Vec<_>>()
    };
    let stuck = vec![
        signals(),
        declined("max-positions"),
        declined("cash"),
        declined("max-positions"),
        signals(),
        declined("cash"),
        declined("max-positions"),
    ];
    let text =
        "decision: 10 signals but no order; mostly max-positions (3); last: no cash".to_owned();
    assert_eq!(texts(stuck.clone()), [text]);
    let ordered = [stuck, vec![intent("a")]].concat();
    assert_eq!(texts(ordered.clone()), [""; 0]);
    let ended = [
        ordered,
        vec![intent("b"), intent("c")],
        vec![changed("a", OrderStatus::Rejected, "0"), changed("b", OrderStatus::Expired, "0")],
        vec![changed("c", OrderStatus::Expired, "0")],
    ]
    .concat();
    assert_eq!(texts(ended.clone()), ["fill: 3 orders but no fill; mostly expired (2)"]);
    let traded = [ended, vec![filled("c", Side::Buy, 1, "1", "1")]].concat();
    assert_eq!(texts(traded), [""; 0]);
}
