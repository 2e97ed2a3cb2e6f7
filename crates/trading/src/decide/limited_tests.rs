//! Tests what the levels of the breaker allow.

use super::*;

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
        (
            BreakerLevel::Halted,
            "BTCUSDT halted: trading is halted: why",
            "ETHUSDT owed: trading is halted: why",
        ),
    ] {
        let mut stage = ready(|_| {});
        facts_of(&mut stage, &fact(1, 800, position("ETHUSDT", "1", "10000")));
        // The signals come first, by rank; the decision waits for the breaker.
        let rows = vec![buy("BTCUSDT"), sell("ETHUSDT")];
        stage.evolve(&fact(2, 400, Body::Analysis(Analysis::Signals { rows })));
        let breaker = Decision::Breaker {
            level,
            reasons: vec!["why".into()],
            barred: vec![],
            strategies: vec![],
        };
        let facts = facts_of(&mut stage, &fact(2, 500, Body::Decision(breaker)));
        let answers = facts
            .iter()
            .filter(|body| !matches!(body, Body::Decision(Decision::Owed { refusal: None, .. })));
        assert_eq!(answers.count(), 2);
        let mut stage = ready(|_| {});
        facts_of(&mut stage, &fact(1, 800, position("ETHUSDT", "1", "10000")));
        let breaker = Decision::Breaker {
            level,
            reasons: vec!["why".into()],
            barred: vec![],
            strategies: vec![],
        };
        facts_of(&mut stage, &fact(2, 500, Body::Decision(breaker)));
        let words = ask(&mut stage, &[buy("BTCUSDT"), sell("ETHUSDT")]);
        assert!(words[1].starts_with(buys), "{words:?}");
        assert!(words[0].starts_with(sells), "sales go first: {words:?}");
        assert_eq!(format!("{facts:?}").contains("Approved"), level != BreakerLevel::Halted);
    }
}

#[test]
fn a_limited_strategy_enters_less_or_nothing_and_others_are_free() {
    let words = |id: &str, level, account| {
        let mut stage = ready(|_| {});
        facts_of(&mut stage, &fact(1, 800, position("ETHUSDT", "1", "10000")));
        let why = "too many stop-outs".to_owned();
        let strategies = vec![StrategyLimit { id: id.to_owned(), level, why }];
        let reasons = if account == BreakerLevel::Normal { vec![] } else { vec!["w".into()] };
        let breaker = Decision::Breaker { level: account, reasons, barred: vec![], strategies };
        facts_of(&mut stage, &fact(2, 500, Body::Decision(breaker)));
        let bytes = stage.save();
        stage.load(&bytes).unwrap();
        ask(&mut stage, &[buy("BTCUSDT"), sell("ETHUSDT")])
    };
    let (normal, reduced, exits_only) =
        (BreakerLevel::Normal, BreakerLevel::Reduced, BreakerLevel::ExitsOnly);
    let full = words("other", exits_only, normal);
    let half = words("sma_cross", reduced, normal);
    assert!(full[1].starts_with("Buy 10 BTCUSDT"), "{full:?}");
    assert!(half[1].starts_with("Buy 5 BTCUSDT"), "{half:?}");
    assert_eq!(half, words("other", exits_only, reduced));
    assert_eq!(half, words("sma_cross", reduced, reduced), "not a quarter");
    let none = words("sma_cross", exits_only, normal);
    assert_eq!(none[0], full[0], "exits go on");
    let why = "BTCUSDT exits-only: positions may be left, not entered: too many stop-outs";
    assert_eq!(none[1], why);
    let halted = words("sma_cross", exits_only, BreakerLevel::Halted);
    assert_eq!(halted[1], "BTCUSDT halted: trading is halted: w");
}

#[test]
fn a_barred_symbol_is_not_bought_and_may_be_sold() {
    let mut stage = ready(|_| {});
    facts_of(&mut stage, &fact(1, 800, position("ETHUSDT", "1", "10000")));
    let barred = ["BTCUSDT", "ETHUSDT"].map(|name| (sym(name), "indicator failed".to_owned()));
    let breaker = Decision::Breaker {
        level: BreakerLevel::Normal,
        reasons: vec![],
        barred: barred.into(),
        strategies: vec![],
    };
    facts_of(&mut stage, &fact(2, 500, Body::Decision(breaker)));
    let words = ask(&mut stage, &[buy("BTCUSDT"), sell("ETHUSDT")]);
    assert!(words[1].starts_with("BTCUSDT barred: indicator failed"), "{words:?}");
    assert!(words[0].starts_with("Sell 1 "), "{words:?}");
}
