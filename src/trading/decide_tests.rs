//! The decision, round by round.

use super::*;
use crate::domain::order::OrderStatus;
use crate::trading::testing::{
    changed, configured, dec, fact, facts_of, input, instrument, position, reconciled, signal, sym,
};

const T: i64 = 600_000;

/// A stage that knows two instruments and 10,000 of cash.
fn ready(change: impl FnOnce(&mut Settings)) -> Decide {
    let mut stage = Decide::default();
    let mut settings = Settings::default();
    change(&mut settings);
    let started = Operator::Started { life: 1, installation: "inst".into(), epoch: 1 };
    let rules = ["ADAUSDT", "BTCUSDT", "ETHUSDT"].map(instrument).to_vec();
    for body in [
        Body::Operator(started),
        configured(&settings),
        Body::Market(Market::Instruments { rules }),
    ] {
        assert!(facts_of(&mut stage, &input(1, body)).is_empty());
    }
    facts_of(&mut stage, &fact(1, 800, reconciled(1, "10000")));
    stage
}

fn ask(stage: &mut Decide, rows: &[Signal]) -> Vec<String> {
    let signals = Body::Analysis(Analysis::Signals { rows: rows.to_vec() });
    let said = facts_of(stage, &fact(2, 400, signals));
    assert_eq!(said.len(), rows.len(), "one answer a signal");
    let words = said.iter().map(|body| match body {
        Body::Decision(Decision::Approved { intent, reserved, .. }) => {
            let OrderIntent { side, symbol, quantity, .. } = intent;
            format!("{side:?} {quantity} {symbol} holding {reserved}")
        }
        Body::Decision(Decision::Declined { signal, code, text }) => {
            format!("{} {code}: {text}", signal.symbol)
        }
        Body::Market(_)
        | Body::Venue(_)
        | Body::Operator(_)
        | Body::Analysis(_)
        | Body::Decision(_)
        | Body::Order(_)
        | Body::Ledger(_) => panic!("{body:?}"),
    });
    words.collect()
}

fn buy(symbol: &str) -> Signal {
    signal(symbol, Side::Buy, T)
}

fn sell(symbol: &str) -> Signal {
    signal(symbol, Side::Sell, T)
}

#[test]
fn approves_a_rounded_fixed_notional_and_holds_it_until_the_order_is_final() {
    let mut stage = ready(|_| {});
    let said = ask(&mut stage, &[buy("BTCUSDT")]);
    assert_eq!(said, ["Buy 10 BTCUSDT holding 1010"]);
    let id = stage.holds.keys().next().unwrap().0.clone();
    assert_eq!(
        ask(&mut stage, &[buy("BTCUSDT")]),
        ["BTCUSDT pending: an order in BTCUSDT is not final yet"]
    );
    facts_of(&mut stage, &fact(3, 700, changed(&id, OrderStatus::PartlyFilled, "4")));
    assert_eq!(stage.round().cash, Some(dec("9390")), "400 of it have left the cash");
    facts_of(&mut stage, &fact(3, 800, position("BTCUSDT", "10", "9000")));
    facts_of(&mut stage, &fact(4, 700, changed(&id, OrderStatus::Filled, "10")));
    assert!(stage.holds.is_empty());
    assert_eq!(
        ask(&mut stage, &[buy("BTCUSDT")]),
        ["BTCUSDT already-long: BTCUSDT is held already"]
    );
    assert_eq!(ask(&mut stage, &[sell("BTCUSDT")]), ["Sell 10 BTCUSDT holding 0"]);
}

#[test]
fn takes_the_surest_first_then_by_name_while_places_and_cash_last() {
    let sure = |symbol, confidence_ppm| Signal { confidence_ppm, ..buy(symbol) };
    let rows = [sure("ADAUSDT", 5), sure("BTCUSDT", 5), sure("ETHUSDT", 7)];
    let mut stage = ready(|s| s.trading.max_positions = 2);
    assert_eq!(
        ask(&mut stage, &rows),
        [
            "Buy 10 ETHUSDT holding 1010",
            "Buy 10 ADAUSDT holding 1010",
            "BTCUSDT max-positions: 2 of 2 positions are taken",
        ]
    );
    let mut stage = ready(|s| s.trading.notional = dec("4000"));
    let said = ask(&mut stage, &rows);
    assert_eq!(said[2], "BTCUSDT cash: 4040 USDT are needed, 1920 are free");
}

#[test]
fn decides_by_the_breaker_of_the_same_round() {
    for (level, buys, sells) in [
        (BreakerLevel::Normal, "Buy 10", "Sell 1 "),
        (BreakerLevel::Reduced, "Buy 5", "Sell 1 "),
        (
            BreakerLevel::ExitsOnly,
            "BTCUSDT exits-only: positions may be left, not entered: why",
            "Sell 1 ",
        ),
        (BreakerLevel::Halted, "BTCUSDT halted: trading is halted: why", "ETHUSDT halted"),
    ] {
        let mut stage = ready(|_| {});
        facts_of(&mut stage, &fact(1, 800, position("ETHUSDT", "1", "10000")));
        // The signals come first, by rank; the answer waits for the breaker.
        let rows = vec![buy("BTCUSDT"), sell("ETHUSDT")];
        stage.evolve(&fact(2, 400, Body::Analysis(Analysis::Signals { rows })));
        let breaker = Decision::Breaker { level, reasons: vec!["why".into()], barred: vec![] };
        let said = facts_of(&mut stage, &fact(2, 500, Body::Decision(breaker)));
        assert_eq!(said.len(), 2);
        let mut stage = ready(|_| {});
        facts_of(&mut stage, &fact(1, 800, position("ETHUSDT", "1", "10000")));
        let breaker = Decision::Breaker { level, reasons: vec!["why".into()], barred: vec![] };
        facts_of(&mut stage, &fact(2, 500, Body::Decision(breaker)));
        let words = ask(&mut stage, &[buy("BTCUSDT"), sell("ETHUSDT")]);
        assert!(words[0].starts_with(buys), "{words:?}");
        assert!(words[1].starts_with(sells), "{words:?}");
        assert_eq!(format!("{said:?}").contains("Approved"), level != BreakerLevel::Halted);
    }
}

#[test]
fn declines_with_a_code_and_both_sides_in_words() {
    type Case = (&'static str, fn(&mut Decide), Signal);
    let cases: [Case; 6] = [
        ("XRPUSDT instrument: the venue's rules for XRPUSDT are not known", |_| {}, buy("XRPUSDT")),
        (
            "BTCUSDT instrument: the venue does not take orders in BTCUSDT now",
            |stage| {
                stage.instruments.learn(&[Instrument { trading: false, ..instrument("BTCUSDT") }]);
            },
            buy("BTCUSDT"),
        ),
        (
            "BTCUSDT instrument: BTCUSDT is paid in USDT, cash is EUR",
            |stage| stage.settings.trading.quote_asset = "EUR".into(),
            buy("BTCUSDT"),
        ),
        ("BTCUSDT nothing-to-sell: no BTC is held", |_| {}, sell("BTCUSDT")),
        (
            "BTCUSDT not-reconciled: the cash is not known before the account was compared",
            |stage| stage.cash = None,
            buy("BTCUSDT"),
        ),
        (
            "BTCUSDT too-small: 0.00005 BTC rounds down to 0, less than the quantity 0.0001 that \
             BTCUSDT asks for",
            |stage| stage.positions.insert(sym("BTCUSDT"), dec("0.00005")),
            sell("BTCUSDT"),
        ),
    ];
    for (text, prepare, signal) in cases {
        let mut stage = ready(|_| {});
        prepare(&mut stage);
        assert_eq!(ask(&mut stage, &[signal]), [text]);
    }
}

#[test]
fn dust_takes_no_place_and_does_not_forbid_an_entry() {
    let mut stage = ready(|s| s.trading.max_positions = 1);
    facts_of(&mut stage, &fact(1, 800, position("ETHUSDT", "0.00009", "10000")));
    assert_eq!(ask(&mut stage, &[buy("ETHUSDT")]), ["Buy 10 ETHUSDT holding 1010"]);
}

#[test]
fn only_facts_of_the_decision_are_approvals() {
    let mut stage = ready(|_| {});
    let rows = vec![buy("BTCUSDT")];
    let said = facts_of(&mut stage, &fact(2, 400, Body::Analysis(Analysis::Signals { rows })));
    assert!(Approved::told(&fact(2, rank::DECISION.0, said[0].clone())).is_some());
    assert!(Approved::told(&fact(2, 0, said[0].clone())).is_none(), "an input is none");
    let bytes = stage.save();
    let mut again = Decide::default();
    again.load(&bytes).unwrap();
    assert_eq!(again.save(), bytes);
}

#[test]
fn a_barred_symbol_is_not_bought_and_may_be_sold() {
    let mut stage = ready(|_| {});
    facts_of(&mut stage, &fact(1, 800, position("ETHUSDT", "1", "10000")));
    let barred = ["BTCUSDT", "ETHUSDT"].map(|name| (sym(name), "indicator failed".to_owned()));
    let breaker =
        Decision::Breaker { level: BreakerLevel::Normal, reasons: vec![], barred: barred.into() };
    facts_of(&mut stage, &fact(2, 500, Body::Decision(breaker)));
    let words = ask(&mut stage, &[buy("BTCUSDT"), sell("ETHUSDT")]);
    assert!(words[0].starts_with("BTCUSDT barred: indicator failed"), "{words:?}");
    assert!(words[1].starts_with("Sell 1 "), "{words:?}");
}
