//! Against the reference bars of recorded trades, and against trades that cannot be right.

use super::*;
use crate::testing::dec;
use crate::testing::golden::golden;

fn trade(time: UtcMs, id: u64, price: &str, quantity: &str, buyer_maker: bool) -> Trade {
    Trade { time, id, price: dec(price), quantity: dec(quantity), buyer_maker }
}

fn trades(path: &str) -> Vec<Trade> {
    let read = |row: &Vec<String>| {
        let (time, id) = (row[0].parse().unwrap(), row[1].parse().unwrap());
        trade(time, id, &row[2], &row[3], row[4] == "true")
    };
    golden(path).iter().map(read).collect()
}

/// The values of a bar, in the columns of the reference.
fn values(bar: &TradeBar) -> [Decimal; 11] {
    let PointBar { open_time, open, high, low, close, count } = bar.prices;
    let ids = [bar.first_id, bar.last_id].map(Decimal::from);
    [
        open_time.into(),
        open,
        high,
        low,
        close,
        bar.volume,
        bar.quote_volume,
        count.into(),
        bar.taker_buy_volume,
        ids[0],
        ids[1],
    ]
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn recorded_trades_give_the_bars_of_the_reference() {
    for (trades_of, bars_of) in [
        ("data/freqtrade/XRPETH_trades.csv.gz", "golden/trade_bars/XRPETH_1m.csv.gz"),
        ("data/binance/BTCUSDT_trades.csv.gz", "golden/trade_bars/binance-BTCUSDT_1m.csv.gz"),
        (
            "data/binance_futures/BTCUSDT_trades.csv.gz",
            "golden/trade_bars/binancefutures-BTCUSDT_1m.csv.gz",
        ),
    ] {
        let (mut bars, mut found, mut points) = (TradeBars::default(), Vec::new(), 0);
        for trade in trades(trades_of) {
            found.extend(bars.take(&trade).unwrap());
            points += 1;
        }
        found.extend(bars.present());
        let expected = golden(bars_of);
        assert_eq!(found.len(), expected.len(), "{bars_of}");
        for (bar, row) in found.iter().zip(&expected) {
            let row: Vec<Decimal> = row.iter().map(|cell| dec(cell)).collect();
            assert_eq!(values(bar).to_vec(), row, "{bars_of}");
        }
        assert_eq!(found.iter().map(|bar| bar.prices.count).sum::<u64>(), points);
    }
}

#[test]
fn a_minute_without_a_point_has_no_bar() {
    let mut bars = PointBars::default();
    let mut done = Vec::new();
    for (time, price) in [(5_000, "2"), (59_999, "3"), (60_000, "1"), (240_001, "4")] {
        done.extend(bars.take(time, dec(price)).unwrap());
    }
    let bar = |open_time, prices: [&str; 4], count| {
        let [open, high, low, close] = prices.map(dec);
        PointBar { open_time, open, high, low, close, count }
    };
    assert_eq!(
        done,
        [bar(0, ["2", "3", "2", "3"], 2), bar(60_000, ["1", "1", "1", "1"], 1)],
        "the minutes 2 and 3 are empty"
    );
    assert_eq!(bars.present(), Some(bar(240_000, ["4", "4", "4", "4"], 1)));
}

#[test]
fn trades_out_of_order_and_impossible_ones_are_refused_and_change_nothing() {
    let mut bars = TradeBars::default();
    bars.take(&trade(60_000, 7, "2", "1", true)).unwrap();
    let before = bars.present();
    let most = Decimal::MAX.to_string();
    for (wrong, why) in [
        (trade(60_001, 7, "2", "1", true), "repeats or is before trade 7"),
        (trade(60_001, 6, "2", "1", true), "repeats or is before trade 7"),
        (trade(59_999, 8, "2", "1", true), "is older than trade 7 at 60000"),
        (trade(60_001, 8, "0", "1", true), "cannot be traded"),
        (trade(60_001, 8, "-2", "1", true), "cannot be traded"),
        (trade(60_001, 8, "2", "-1", true), "cannot be traded"),
        (trade(60_001, 8, &most, "2", true), "not exact in 28 digits"),
        (trade(60_001, 8, "1", &most, true), "not exact in 28 digits"),
    ] {
        let found = bars.take(&wrong).unwrap_err();
        assert!(found.contains(why), "{why:?} is not in {found:?}");
        assert_eq!(bars.present(), before);
    }
    let mut points = PointBars::default();
    points.take(60_000, dec("2")).unwrap();
    for (time, price, why) in [
        (60_000, "2", "is not newer than the one at 60000"),
        (59_999, "2", "is not newer than the one at 60000"),
        (60_001, "0", "0 is not above 0"),
        (60_001, "-1", "-1 is not above 0"),
    ] {
        let found = points.take(time, dec(price)).unwrap_err();
        assert!(found.contains(why), "{why:?} is not in {found:?}");
    }
}
