//! Tests entries that add to a lot.

use super::*;
use crate::testing::filled;
use everwarm_domain::settings::Size;

/// A stage with a lot of 2 BTC, bought at this price.
fn holding(price: &str, change: impl FnOnce(&mut Settings)) -> Decide {
    let mut stage = ready(change);
    facts_of(&mut stage, &fact(1, 600, filled("first", Side::Buy, 1, price, "2")));
    let lot = Ledger::Lot {
        strategy: "sma_cross".to_owned(),
        symbol: sym("BTCUSDT"),
        quantity: dec("2"),
        cost: dec(price) * dec("2"),
        opened: Some(T),
        realized_pnl: Decimal::ZERO,
    };
    facts_of(&mut stage, &fact(1, 800, Body::Ledger(lot)));
    facts_of(&mut stage, &fact(1, 800, position("BTCUSDT", "2", "9800")));
    stage
}

fn more(size_ppm: Option<u32>) -> Signal {
    let terms = Box::new(SignalTerms { size_ppm, ..SignalTerms::default() });
    Signal { intent: Intent::Add, terms, ..buy("BTCUSDT") }
}

#[test]
fn a_lot_grows_by_the_size_of_the_signal_though_every_place_is_taken() {
    let one_place = |settings: &mut Settings| settings.trading.max_positions = 1;
    let mut stage = holding("100", one_place);
    let decided = ask(&mut stage, &[buy("ETHUSDT")]);
    assert_eq!(decided, ["ETHUSDT max-positions: 1 of 1 positions are taken"]);
    assert_eq!(ask(&mut stage, &[more(Some(1_562_500))]), ["Buy 15.625 BTCUSDT holding 1578.125"]);
    assert_eq!(
        ask(&mut stage, &[more(None)]),
        ["BTCUSDT pending: an order in BTCUSDT is not final yet"],
    );
    // Only an addition is larger than usual, and at most ten times.
    let mut stage = holding("100", |settings| settings.trading.notional = dec("50"));
    assert_eq!(ask(&mut stage, &[more(Some(u32::MAX))]), ["Buy 5 BTCUSDT holding 505"]);
    let large = Signal { intent: Intent::Open, symbol: sym("ETHUSDT"), ..more(Some(u32::MAX)) };
    assert_eq!(ask(&mut stage, &[large]), ["Buy 0.5 ETHUSDT holding 50.5"]);
}

#[test]
fn nothing_is_added_to_what_is_not_held_or_being_sold() {
    let mut stage = ready(|_| {});
    let decided = ask(&mut stage, &[more(None)]);
    assert_eq!(decided, ["BTCUSDT nothing-held: nothing of BTCUSDT is held to add to"]);
    let mut stage = holding("100", |_| {});
    let decided = ask(&mut stage, &[sell("BTCUSDT"), more(None)]);
    assert_eq!(decided[1], "BTCUSDT pending: an order in BTCUSDT is not final yet");
    // An exit that waits is not withdrawn by an addition, as it is by an opening.
    let mut stage = holding("100", |_| {});
    stage.instruments.learn(&[Instrument { trading: false, ..instrument("BTCUSDT") }]);
    let decided = ask(&mut stage, &[sell("BTCUSDT")]);
    let waits = "BTCUSDT owed: the venue does not take orders in BTCUSDT now";
    assert_eq!(decided, [waits]);
    // Nor by a short lot that would be opened.
    let short = Signal { direction: Direction::Short, ..buy("BTCUSDT") };
    let rows = vec![short];
    let facts = facts_of(&mut stage, &fact(3, 400, Body::Analysis(Analysis::Signals { rows })));
    assert!(!format!("{facts:?}").contains("ended: Some"), "{facts:?}");
    stage.instruments.learn(&[instrument("BTCUSDT")]);
    let rows = vec![more(None)];
    let facts = facts_of(&mut stage, &fact(3, 400, Body::Analysis(Analysis::Signals { rows })));
    assert!(format!("{facts:?}").contains(r#"code: "pending""#), "{facts:?}");
    assert!(!format!("{facts:?}").contains("ended: Some"), "{facts:?}");
}

#[test]
fn nothing_is_added_at_or_below_the_stop_of_the_lot() {
    // The stop lies 5 % below 106, at 100.7; the close is 100.
    let mut stage = holding("106", |_| {});
    let decided = ask(&mut stage, &[more(None)]);
    let why = "BTCUSDT exit-price: the stop 100.7 of its lot is not below its price 100";
    assert_eq!(decided, [why]);
    assert!(ask(&mut holding("104", |_| {}), &[more(None)])[0].starts_with("Buy 10"));
}

#[test]
fn the_stop_stays_where_the_first_entry_has_it() {
    let mut stage = holding("100", |_| {});
    let levels = |stage: &Decide| {
        let guard = stage.guards.get(sym("BTCUSDT"), "sma_cross").unwrap();
        (guard.entry(), guard.levels(stage.instruments.get(sym("BTCUSDT"))).stop)
    };
    assert_eq!(levels(&stage), (dec("100"), Some(dec("95"))));
    assert!(ask(&mut stage, &[more(None)])[0].starts_with("Buy 10"));
    facts_of(&mut stage, &fact(2, 600, filled("second", Side::Buy, 2, "97", "10")));
    assert_eq!(levels(&stage), (dec("97.5"), Some(dec("95"))));
    // A size by risk loses what the stop of the lot loses.
    let mut stage = holding("100", |settings| {
        settings.strategy.set_size("sma_cross", Size::read("risk 1%").unwrap());
    });
    let equity =
        Ledger::Equity { time: T, equity: dec("10000"), cash: dec("1"), adjusted: dec("0") };
    facts_of(&mut stage, &fact(1, rank::LEDGER.0, Body::Ledger(equity)));
    let at = |price: i64| Signal { price: Price::e8(price * 100_000_000), ..more(None) };
    let decided = ask(&mut stage, &[at(98)]);
    assert!(decided[0].starts_with("Buy 30.8"), "100 / (98 - 95 + costs): {decided:?}");
}

#[test]
fn nothing_is_added_in_the_round_that_cancels_the_stop_order_for_an_exit() {
    let mut stage = holding("100", |_| {});
    let (venue, capabilities) = (VenueId::default(), Capabilities::market_and_limit());
    let (stop_orders, fewer, pairs, splits) = (5, Vec::new(), false, false);
    let stops = Market::Capabilities { venue, capabilities, stop_orders, fewer, pairs, splits };
    let placed = format!("{:?}", facts_of(&mut stage, &input(2, Body::Market(stops))));
    assert!(placed.contains("protects the lot"), "{placed}");
    let rows = vec![sell("BTCUSDT"), more(None)];
    let facts = facts_of(&mut stage, &fact(3, 400, Body::Analysis(Analysis::Signals { rows })));
    let facts = format!("{facts:?}");
    assert!(facts.contains("an exit was decided"), "the stop order ends first: {facts}");
    assert!(facts.contains(r#"code: "leaving""#), "{facts}");
    assert!(!facts.contains("Approved"), "{facts}");
}
