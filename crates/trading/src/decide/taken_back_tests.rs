//! Tests withdrawn signals: entries by an exit, exits by an entry.

use super::*;
use everwarm_domain::manual::Request;
use everwarm_domain::settings::exits::ExitRule;

/// Sets the status of an order of `BTCUSDT` without fills.
fn stands(stage: &mut Decide, id: &str, status: OrderStatus) {
    stage.evolve(&fact(2, 700, changed(id, status, "0")));
}

fn saved(stage: &mut Decide) {
    let bytes = stage.save();
    *stage = Decide::default();
    stage.load(&bytes).unwrap();
}

#[test]
fn an_exit_withdraws_an_entry_that_was_not_sent_and_cancels_one_that_was() {
    for (status, taken_back) in [
        (None, "withdrawn"),
        (Some(OrderStatus::Sent), "cancelled"),
        (Some(OrderStatus::Unknown), "cancelled"),
        (Some(OrderStatus::PartlyFilled), "cancelled"),
    ] {
        let mut stage = ready(|_| {});
        ask(&mut stage, &[buy("BTCUSDT")]);
        let entry = living(&stage);
        if let Some(status) = status {
            stands(&mut stage, &entry, status);
        }
        saved(&mut stage);
        let decided = exits(&mut stage, &signals(vec![sell("BTCUSDT")]));
        let waits = "BTCUSDT waits 0: an order in BTCUSDT is not final yet".to_owned();
        let ends = format!("Buy of BTCUSDT {taken_back}: an exit was decided: because");
        assert_eq!(decided, [waits, ends]);
        saved(&mut stage);
        assert_eq!(minute(&mut stage, 10), [""; 0], "it is appended once");
        // Its fills are sold; without fills, nothing is.
        facts_of(&mut stage, &fact(4, 700, changed(&entry, OrderStatus::Cancelled, "0")));
        assert!(stage.exits.is_empty() && stage.holds.is_empty());
    }
}

#[test]
fn an_entry_that_is_granted_another_attempt_is_withdrawn() {
    let mut stage = ready(|_| {});
    ask(&mut stage, &[buy("BTCUSDT")]);
    let entry = living(&stage);
    stands(&mut stage, &entry, OrderStatus::Sent);
    let client_id = ClientOrderId(entry);
    let granted = Order::Granted { client_id, attempt: 2, reason: String::new() };
    stage.evolve(&fact(2, 700, Body::Order(granted)));
    let decided = exits(&mut stage, &signals(vec![sell("BTCUSDT")]));
    assert!(decided[1].starts_with("Buy of BTCUSDT withdrawn: "), "{decided:?}");
}

#[test]
fn an_entry_that_is_filled_whole_is_not_cancelled() {
    let mut stage = ready(|_| {});
    ask(&mut stage, &[buy("BTCUSDT")]);
    let entry = living(&stage);
    stage.evolve(&fact(2, 700, changed(&entry, OrderStatus::PartlyFilled, "10")));
    let decided = exits(&mut stage, &signals(vec![sell("BTCUSDT")]));
    assert_eq!(decided, ["BTCUSDT waits 0: an order in BTCUSDT is not final yet"]);
}

#[test]
fn a_flattened_lot_takes_back_the_rest_of_its_entry() {
    let mut stage = ready(|_| {});
    ask(&mut stage, &[buy("BTCUSDT")]);
    let entry = living(&stage);
    stage.evolve(&fact(2, 700, changed(&entry, OrderStatus::PartlyFilled, "4")));
    facts_of(&mut stage, &fact(2, 800, position("BTCUSDT", "4", "9600")));
    let flatten = Operator::Switched { switch: Switch::Flatten, reason: "enough".into() };
    let decided = exits(&mut stage, &input(3, Body::Operator(flatten)));
    let ends = "Buy of BTCUSDT cancelled: an exit was decided: an operator has everything sold";
    assert_eq!(decided[1], ends, "{decided:?}");
    let decided = exits(&mut stage, &fact(4, 700, changed(&entry, OrderStatus::Cancelled, "4")));
    assert!(decided.iter().any(|text| text.starts_with("Sell 4 BTCUSDT")), "{decided:?}");
}

#[test]
fn a_new_entry_withdraws_a_request_to_sell_that_was_not_sent() {
    let mut stage = ready(|_| {});
    facts_of(&mut stage, &fact(1, 800, position("BTCUSDT", "3", "9700")));
    exits(&mut stage, &signals(vec![sell("BTCUSDT")]));
    let request = living(&stage);
    saved(&mut stage);
    let decided = exits(&mut stage, &signals(vec![buy("BTCUSDT")]));
    assert_eq!(
        decided,
        [
            "Sell of BTCUSDT withdrawn: the strategy signals a new entry",
            "BTCUSDT done: the strategy signals a new entry",
            "BTCUSDT already-long",
        ]
    );
    assert!(stage.exits.is_empty());
    facts_of(&mut stage, &fact(2, 700, changed(&request, OrderStatus::Cancelled, "0")));
    assert!(stage.holds.is_empty());
    assert_eq!(minute(&mut stage, 10), [""; 0], "nothing is sold any more");
    exits(&mut stage, &signals(vec![sell("BTCUSDT")]));
    assert_ne!(living(&stage), request, "the same decision again has another id");
}

#[test]
fn a_new_entry_does_not_withdraw_an_exit_that_an_operator_requested() {
    for strategy in [None, Some("sma_cross".to_owned())] {
        let mut stage = ready(|_| {});
        facts_of(&mut stage, &fact(1, 800, position("BTCUSDT", "3", "9700")));
        let request = Request::Close { symbol: sym("BTCUSDT"), strategy };
        let close = |id: &str| {
            let (id, request, reason) = (id.to_owned(), request.clone(), "enough".to_owned());
            Body::Operator(Operator::Manual { id, request, reason })
        };
        exits(&mut stage, &input(3, close("a")));
        let order = living(&stage);
        saved(&mut stage);
        assert_eq!(exits(&mut stage, &input(4, close("b"))), ["BTCUSDT owed"]);
        let decided = exits(&mut stage, &signals(vec![buy("BTCUSDT")]));
        assert_eq!(decided, ["BTCUSDT pending"]);
        // The sale failed. It is owed still, whatever the strategy signals.
        facts_of(&mut stage, &fact(2, 700, changed(&order, OrderStatus::Expired, "0")));
        saved(&mut stage);
        exits(&mut stage, &signals(vec![buy("BTCUSDT")]));
        assert!(!stage.exits.is_empty());
    }
}

#[test]
fn a_new_entry_does_not_withdraw_an_exit_that_a_rule_opened() {
    let mut stage = ready(|_| {});
    facts_of(&mut stage, &fact(1, 800, position("BTCUSDT", "3", "9700")));
    let opened = Decision::Owed {
        strategy: "sma_cross".to_owned(),
        symbol: sym("BTCUSDT"),
        since: T,
        cause: "stop 95 reached".to_owned(),
        revision: 0,
        tries: 0,
        refusal: None,
        ended: None,
        rule: Some(ExitRule::Stop),
    };
    let mut opened = fact(2, 600, Body::Decision(opened));
    opened.because = vec![Key { n: 2, rank: 0, i: 0 }];
    stage.evolve(&opened);
    saved(&mut stage);
    assert!(minute(&mut stage, 10)[0].starts_with("Sell 3 BTCUSDT"));
    let order = living(&stage);
    assert_eq!(exits(&mut stage, &signals(vec![buy("BTCUSDT")])), ["BTCUSDT pending"]);
    // The order was not sent in time. The exit is owed still.
    facts_of(&mut stage, &fact(2, 700, changed(&order, OrderStatus::Expired, "0")));
    assert_eq!(exits(&mut stage, &signals(vec![buy("BTCUSDT")])), ["BTCUSDT already-long"]);
    assert!(minute(&mut stage, 11)[1].starts_with("Sell 3 BTCUSDT"));
}
