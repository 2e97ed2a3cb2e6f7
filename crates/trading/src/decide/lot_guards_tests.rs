//! Tests the exit rules of lots, one bar at a time.

use super::*;
use crate::testing::{dec, instrument, sym, trade};
use everwarm_domain::fact::Body;
use everwarm_domain::money::Price;
use everwarm_domain::order::OrderType;
use everwarm_domain::settings::exits::{AtrStop, ProfitRow};

const SYMBOL: &str = "BTCUSDT";

/// Guards with one lot of 2 units, bought at 100 at the end of minute 10 for a fee of 0.1 percent.
fn guarded(rules: ExitRules) -> Guards {
    let mut strategies = Strategies::default();
    strategies.set_exits("s", rules);
    let mut guards = Guards::default();
    guards.configured(&strategies, 0, |_| None);
    for (trade_id, price) in [(1, "99"), (2, "101")] {
        let (fee, fee_asset) = (dec(price) * dec("0.001"), "USDT".to_owned());
        let fill = VenueFill { time: 10 * MINUTE, fee, fee_asset, ..trade(trade_id, price, "1") };
        guards.filled(sym(SYMBOL), "s", Side::Buy, &fill, Some(&instrument(SYMBOL)));
    }
    guards
}

/// Why the bar of this minute (opening, highest, lowest, closing price) has the lot sold.
fn judged(guards: &mut Guards, minute: i64, prices: [&str; 4]) -> String {
    let mut instruments = Instruments::default();
    instruments.learn(&[instrument(SYMBOL)]);
    let [open, high, low, close] = prices.map(|price| Price::exact(dec(price)).unwrap());
    let (symbol, open_time, volume) = (sym(SYMBOL), minute * MINUTE, Decimal::ONE);
    let bar = Bar { symbol, open_time, open, high, low, close, volume };
    guards.close((1, open_time + MINUTE), &[bar], &instruments, &Given::default());
    guards.due().map(|(_, _, (_, why))| why.clone()).collect()
}

fn lot(symbol: &str, strategy: &str, quantity: &str, cost: &str) -> Body {
    Body::Ledger(Ledger::Lot {
        strategy: strategy.to_owned(),
        symbol: sym(symbol),
        quantity: dec(quantity),
        cost: dec(cost),
        opened: Some(0),
        realized_pnl: Decimal::ZERO,
    })
}

fn with(change: impl FnOnce(&mut ExitRules)) -> Guards {
    let mut rules = ExitRules::none();
    change(&mut rules);
    guarded(rules)
}

#[test]
fn a_stop_counts_from_the_average_price_of_the_entry() {
    let mut guards = guarded(ExitRules::default());
    assert_eq!(judged(&mut guards, 10, ["100", "104", "95.01", "96"]), "");
    assert_eq!(
        judged(&mut guards, 11, ["96", "104", "94.5", "103"]),
        "stop 95 reached: the low was 94.5"
    );
    guards.at(Key { n: 2, rank: 0, i: 0 });
    assert_eq!(guards.due().count(), 0, "another input sells nothing by this close");
}

#[test]
fn a_later_fill_and_another_tick_move_prices_that_a_close_has_computed() {
    let mut guards = guarded(ExitRules::default());
    assert_eq!(judged(&mut guards, 10, ["100", "100", "95.01", "100"]), "");
    let fill = VenueFill { time: 10 * MINUTE, ..trade(3, "103", "2") };
    guards.filled(sym(SYMBOL), "s", Side::Buy, &fill, Some(&instrument(SYMBOL)));
    let stop = "stop 96.42 reached: the low was 96.42";
    assert_eq!(judged(&mut guards.clone(), 11, ["100", "100", "96.42", "100"]), stop);
    assert_eq!(judged(&mut guards, 11, ["100", "100", "96.43", "100"]), "");
    let mut instruments = Instruments::default();
    instruments.learn(&[Instrument { tick_size: dec("5"), ..instrument(SYMBOL) }]);
    let [open, high, low, close] = [Price::exact(dec("96")).unwrap(); 4];
    let (symbol, open_time, volume) = (sym(SYMBOL), 12 * MINUTE, Decimal::ONE);
    let bar = Bar { symbol, open_time, open, high, low, close, volume };
    guards.close((2, open_time + MINUTE), &[bar], &instruments, &Given::default());
    assert_eq!(guards.due().count(), 0, "95 is the next lower tick");
}

#[test]
fn the_prices_of_a_signal_count_in_place_of_the_rules() {
    let entry = || {
        let (symbol, strategy, quantity) = (sym(SYMBOL), "s".to_owned(), Decimal::TWO);
        OrderIntent {
            client_id: ClientOrderId("entry".to_owned()),
            strategy,
            symbol,
            side: Side::Buy,
            order_type: OrderType::Market,
            quantity,
            price: None,
            close_time: 10 * MINUTE,
            valid_until: UtcMs::MAX,
            terms: Box::default(),
        }
    };
    let levels = |exits| {
        let mut guards = Guards::default();
        guards.entered(&entry(), exits, false);
        let fill = VenueFill { time: 10 * MINUTE, ..trade(1, "100", "2") };
        guards.filled(sym(SYMBOL), "s", Side::Buy, &fill, Some(&instrument(SYMBOL)));
        guards.get(sym(SYMBOL), "s").unwrap().levels(Some(&instrument(SYMBOL)))
    };
    let given = levels(ExitPrices { stop: Some(dec("91.237")), target: Some(dec("120")) });
    assert_eq!((given.stop, given.target), (Some(dec("91.23")), Some(dec("120"))));
    let stop = levels(ExitPrices { stop: None, target: Some(dec("120")) }).stop;
    assert_eq!(stop, Some(dec("95")), "the rules give what the signal does not");
}

#[test]
fn a_lot_that_came_from_another_owner_has_no_stop_by_range() {
    let stop_atr = Some(AtrStop { hundredths: 200, length: 14 });
    let mut strategies = Strategies::default();
    strategies.set_exits("s", ExitRules { stop_atr, ..ExitRules::none() });
    let mut guards = Guards::default();
    guards.configured(&strategies, 0, |_| None);
    let Body::Ledger(moved) = lot(SYMBOL, "s", "2", "200") else { unreachable!() };
    guards.lot(&moved, 0);
    let levels = guards.get(sym(SYMBOL), "s").unwrap().levels(Some(&instrument(SYMBOL)));
    assert_eq!(levels.stop, Some(dec("95")), "it has the usual one");
}

#[test]
fn where_a_bar_reaches_both_the_stop_counts() {
    let mut guards = with(|rules| {
        (rules.stop_ppm, rules.target_ppm) = (Some(50_000), Some(100_000));
    });
    assert_eq!(
        judged(&mut guards, 10, ["100", "110", "99", "109"]),
        "target 110 reached: the high was 110"
    );
    let both = judged(&mut guards, 11, ["100", "120", "90", "119"]);
    assert!(both.starts_with("stop 95 reached"), "{both}");
}

#[test]
fn a_trailing_stop_follows_the_highest_price_and_never_falls() {
    let mut guards = with(|rules| {
        (rules.trail_ppm, rules.trail_from_ppm) = (Some(100_000), Some(200_000));
    });
    assert_eq!(judged(&mut guards, 10, ["100", "119", "50", "118"]), "", "it has not begun");
    // The bar that begins it is judged by what was known before it.
    assert_eq!(judged(&mut guards, 11, ["118", "200", "100", "150"]), "");
    assert_eq!(judged(&mut guards, 12, ["190", "190", "180.01", "185"]), "");
    assert_eq!(
        judged(&mut guards, 13, ["185", "185", "180", "181"]),
        "trailing stop 180 reached: the low was 180"
    );
}

#[test]
fn a_bar_that_began_before_the_lot_counts_with_its_close_only() {
    let mut guards = guarded(ExitRules::default());
    assert_eq!(judged(&mut guards, 9, ["100", "100", "10", "99"]), "");
    assert_eq!(
        judged(&mut guards, 9, ["100", "100", "10", "94"]),
        "stop 95 reached: the low was 94"
    );
}

#[test]
fn the_profit_table_is_net_of_both_fees_and_goes_by_age() {
    let row = |minutes, profit_ppm| ProfitRow { minutes, profit_ppm };
    let mut guards = with(|rules| rules.profit = vec![row(2, 10_000), row(5, -5_000)]);
    assert_eq!(judged(&mut guards, 10, ["100", "150", "100", "150"]), "", "one minute old");
    // 101 after a fee of 0.1 percent on each side is 0.798 percent net.
    assert_eq!(judged(&mut guards, 11, ["101", "101", "101", "101"]), "");
    assert_eq!(
        judged(&mut guards, 12, ["102", "102", "102", "102"]),
        "profit table row 2: 1% reached: 1.8% net"
    );
    assert_eq!(judged(&mut guards, 14, ["99.5", "99.5", "99.5", "99.5"]), "", "0.7 percent lost");
    assert_eq!(
        judged(&mut guards, 15, ["99.9", "99.9", "99.9", "99.9"]),
        "profit table row 5: -0.5% reached: -0.3% net"
    );
}

#[test]
fn a_lot_is_held_no_longer_than_allowed() {
    let mut guards = with(|rules| rules.max_hold_minutes = 3);
    assert_eq!(judged(&mut guards, 11, ["100"; 4]), "");
    assert_eq!(judged(&mut guards, 12, ["100"; 4]), "held for 3 min");
}

#[test]
fn a_lot_keeps_the_rules_that_it_was_opened_with() {
    let mut guards = guarded(ExitRules::default());
    let mut strategies = Strategies::default();
    strategies.set_exits("s", ExitRules::none());
    guards.configured(&strategies, 0, |_| None);
    assert!(judged(&mut guards, 10, ["94"; 4]).starts_with("stop 95"));
    let reported = |guards: &mut Guards, quantity: &str| {
        let Body::Ledger(lot) = lot(SYMBOL, "s", quantity, "200") else { panic!() };
        guards.lot(&lot, 0);
    };
    reported(&mut guards, "2");
    assert!(judged(&mut guards, 10, ["94"; 4]).starts_with("stop 95"));
    reported(&mut guards, "0");
    assert_eq!(guards.get(sym(SYMBOL), "s"), None);
    // Opened anew, it has the rules of now.
    reported(&mut guards, "2");
    assert_eq!(judged(&mut guards, 10, ["94"; 4]), "");
}

#[test]
fn a_lot_of_a_version_without_rules_takes_the_first_ones_from_its_last_close_on() {
    let older = |text: &str| serde_json::from_str::<Strategies>(text).unwrap();
    let bare = older(r#"{"s":{"kind":"sma_cross","enabled":true}}"#);
    let mut guards = Guards::default();
    let last = |symbol| (symbol == sym(SYMBOL)).then(|| dec("90"));
    guards.configured(&bare, 0, last);
    for symbol in [SYMBOL, "ETHUSDT"] {
        let Body::Ledger(lot) = lot(symbol, "s", "2", "200") else { panic!() };
        guards.lot(&lot, 0);
    }
    assert_eq!(judged(&mut guards, 10, ["50"; 4]), "", "no rule, no sale");
    guards.configured(&bare, 11 * MINUTE, last);
    assert_eq!(judged(&mut guards, 11, ["50"; 4]), "");
    let mut strategies = bare.clone();
    strategies.set_exits("s", ExitRules { max_hold_minutes: 5, ..ExitRules::default() });
    guards.configured(&strategies, 12 * MINUTE, last);
    assert_eq!(guards.get(sym("ETHUSDT"), "s").unwrap().entry(), dec("100"), "it has no close");
    let mut sold = guards.clone();
    let stop = "stop 85.5 reached: the low was 85";
    assert_eq!(judged(&mut sold, 12, ["90", "90", "85", "90"]), stop);
    assert_eq!(judged(&mut guards, 15, ["90"; 4]), "");
    assert_eq!(judged(&mut guards, 16, ["90"; 4]), "held for 5 min");
    // Rules that come later count for later lots only.
    strategies.set_exits("s", ExitRules::none());
    guards.configured(&strategies, 17 * MINUTE, last);
    assert_eq!(judged(&mut guards, 17, ["90"; 4]), "held for 5 min");
}

#[test]
fn prices_by_hand_replace_the_rules_and_end_the_count_of_rejections() {
    let mut guards = with(|rules| rules.trail_ppm = Some(50_000));
    let given = |guards: &mut Guards, stop: Option<&str>, target: Option<&str>| {
        let exits = ExitPrices { stop: stop.map(dec), target: target.map(dec) };
        guards.given(sym(SYMBOL), "s", exits);
        let guard = guards.get(sym(SYMBOL), "s").unwrap();
        let Levels { stop, target, .. } = guard.levels(Some(&instrument(SYMBOL)));
        (stop, target)
    };
    let name = (sym(SYMBOL), "s".to_owned());
    guards.lots.get_mut(&name).unwrap().orders.rejected = 2;
    assert_eq!(given(&mut guards, Some("97"), None), (Some(dec("97")), None));
    assert_eq!(guards.lots[&name].orders.rejected, 0);
    assert_eq!(given(&mut guards, None, Some("130")), (Some(dec("97")), Some(dec("130"))));
    // The higher one of both stops counts.
    assert_eq!(judged(&mut guards, 10, ["100", "110", "100", "110"]), "");
    assert_eq!(given(&mut guards, None, None), (Some(dec("104.5")), Some(dec("130"))));
    assert_eq!(given(&mut guards, Some("106"), None), (Some(dec("106")), Some(dec("130"))));
}
