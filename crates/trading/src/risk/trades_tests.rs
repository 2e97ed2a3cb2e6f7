use super::*;
use crate::testing::{dec, sym};

/// The default rules.
fn rules() -> Risk {
    Risk {
        losses_in_a_row: 3,
        losses_bar_minutes: 60,
        symbol_trades: 5,
        symbol_trades_bar_minutes: 360,
        stop_cooldown_minutes: 15,
        strategy_reduce_at_stops: 4,
        strategy_reduce_at_stop_percent: 40,
        strategy_exits_only_at_stops: 6,
        strategy_exits_only_at_stop_percent: 60,
        ..Risk::default()
    }
}

/// Trades of one strategy, by minutes.
struct Desk {
    trades: Trades,
    limits: Risk,
    realized: Decimal,
    orders: u32,
}

impl Desk {
    fn new(limits: Risk) -> Desk {
        Desk { trades: Trades::default(), limits, realized: Decimal::ZERO, orders: 0 }
    }

    fn at(&mut self, minute: i64) {
        self.trades.close(minute * MINUTE, &self.limits);
    }

    fn lot(&mut self, symbol: &str, quantity: &str, made: &str) {
        self.realized += dec(made);
        let name = (sym(symbol), "s");
        self.trades.lot(name, dec(quantity), self.realized, &self.limits);
    }

    /// A trade that ends at a minute, with an entry fee of 1 and this result in all.
    fn trade(&mut self, minute: i64, symbol: &str, result: &str, stopped: bool) {
        self.at(minute);
        self.realized = Decimal::ZERO;
        self.trades.lots.clear();
        self.lot(symbol, "2", "-1");
        self.orders += 1;
        let id = ClientOrderId(format!("ew-{}", self.orders));
        if stopped {
            self.trades.stops.insert(id.clone(), (sym(symbol), "s".to_owned()));
        }
        self.trades.sold(&id, sym(symbol), "s");
        self.lot(symbol, "1", "0");
        self.realized += Decimal::ONE;
        self.lot(symbol, "0", result);
    }

    fn barred(&self) -> Vec<String> {
        self.trades.barred().map(|(symbol, why)| format!("{symbol} {why}")).collect()
    }

    fn limited(&self) -> Vec<String> {
        let text = |of: &StrategyLimit| format!("{} {:?}: {}", of.id, of.level, of.why);
        self.trades.limited().iter().map(text).collect()
    }
}

#[test]
fn losing_trades_in_a_row_bar_a_symbol_until_an_exact_close() {
    let mut desk = Desk::new(Risk { symbol_trades: 0, ..rules() });
    desk.trade(1, "A", "-1", false);
    desk.trade(2, "A", "-1", false);
    desk.trade(3, "B", "-1", false);
    desk.trade(4, "A", "0", false);
    desk.trade(5, "A", "-1", false);
    desk.trade(6, "A", "-1", false);
    assert_eq!(desk.barred(), [""; 0], "no three in a row");
    desk.trade(7, "A", "-0.01", false);
    let bar = ["A barred until 01:07 UTC: 3 losing trades in a row"];
    assert_eq!(desk.barred(), bar);
    desk.at(66);
    desk.at(5);
    assert_eq!(desk.barred(), bar, "a time that steps back does not matter");
    desk.trades.configured(&Risk::default());
    assert_eq!(desk.barred(), bar, "a reload does not end it");
    desk.at(67);
    assert_eq!(desk.barred(), [""; 0]);
    // The fees of the entry belong to the trade.
    let mut desk = Desk::new(Risk { losses_in_a_row: 1, ..rules() });
    desk.at(1);
    desk.lot("A", "1", "-2");
    desk.lot("A", "0", "1");
    assert_eq!(desk.barred(), ["A barred until 01:01 UTC: its last trade lost"]);
}

#[test]
fn trades_of_a_day_that_lose_together_bar_a_symbol_longer() {
    let mut desk = Desk::new(Risk { losses_in_a_row: 0, ..rules() });
    for (minute, result) in [(1, "-9"), (2, "2"), (3, "2"), (4, "2")] {
        desk.trade(minute, "A", result, false);
    }
    assert_eq!(desk.barred(), [""; 0], "four are too few");
    desk.trade(5, "A", "2", false);
    let bar = ["A barred until 06:05 UTC: its last 5 trades within 24 h lost 1"];
    assert_eq!(desk.barred(), bar);
    desk.trade(365, "A", "2", false);
    assert_eq!(desk.barred(), [""; 0], "the last five won");
    for minute in [1001, 1002, 1003, 1004, 2441] {
        desk.trade(minute, "B", "-1", false);
    }
    assert_eq!(desk.barred(), [""; 0], "not within 24 h");
}

#[test]
fn a_stop_cools_its_symbol_down_and_a_shorter_bar_does_not_replace_a_longer_one() {
    let mut desk = Desk::new(rules());
    desk.trade(1, "A", "5", true);
    assert_eq!(desk.barred(), ["A barred until 00:16 UTC: a stop sold it"]);
    desk.trade(2, "B", "-5", false);
    desk.trade(3, "B", "-5", false);
    desk.trade(4, "B", "-5", true);
    let bars = [
        "A barred until 00:16 UTC: a stop sold it",
        "B barred until 01:04 UTC: 3 losing trades in a row",
    ];
    assert_eq!(desk.barred(), bars);
    assert!(desk.trades.stops.is_empty());
}

#[test]
fn many_stop_outs_reduce_a_strategy_and_more_allow_exits_only_until_they_are_old() {
    let mut desk = Desk::new(rules());
    for minute in 0..6 {
        desk.trade(minute, "A", "1", false);
    }
    for minute in 10..13 {
        desk.trade(minute, "A", "1", true);
    }
    assert_eq!(desk.limited(), [""; 0], "three are too few");
    desk.trade(13, "A", "1", true);
    let reduced = "s Reduced: 4 of 10 exits in 24 h were stop-outs, until 00:10 UTC";
    assert_eq!(desk.limited(), [reduced]);
    desk.trade(14, "A", "1", false);
    assert_eq!(desk.limited(), [""; 0], "fewer than 40 %");
    for minute in 15..20 {
        desk.trade(minute, "A", "1", true);
    }
    let reduced = "s Reduced: 9 of 16 exits in 24 h were stop-outs, until 00:16 UTC";
    assert_eq!(desk.limited(), [reduced]);
    desk.trade(20, "A", "1", true);
    desk.trade(21, "A", "1", true);
    let exits_only = "s ExitsOnly: 11 of 18 exits in 24 h were stop-outs, until 00:16 UTC";
    assert_eq!(desk.limited(), [exits_only]);
    desk.at(1440 + 15);
    assert!(desk.limited()[0].starts_with("s ExitsOnly: 6 of 6"), "{:?}", desk.limited());
    desk.at(1440 + 16);
    assert!(desk.limited()[0].starts_with("s Reduced: 5 of 5"), "{:?}", desk.limited());
    desk.at(1440 + 18);
    assert_eq!(desk.limited(), [""; 0]);
    desk.trade(3000, "A", "1", true);
    desk.at(4441);
    assert!(desk.trades.exits.is_empty());
}

#[test]
fn what_is_off_keeps_nothing_and_the_house_does_not_trade() {
    let mut desk = Desk::new(Risk::default());
    for minute in 0..9 {
        desk.trade(minute, "A", "-1", true);
    }
    assert_eq!((desk.barred(), desk.limited()), (vec![], vec![]));
    assert!(desk.trades.symbols.is_empty() && desk.trades.exits.is_empty());
    let mut desk = Desk::new(Risk { losses_in_a_row: 1, ..rules() });
    desk.trades.lot((sym("A"), HOUSE), dec("1"), dec("0"), &desk.limits);
    desk.trades.lot((sym("A"), HOUSE), dec("0"), dec("-1"), &desk.limits);
    assert_eq!(desk.barred(), [""; 0]);
}
