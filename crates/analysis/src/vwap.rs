//! Volume-weighted average price of the UTC day: the sum of typical price × volume, divided by the
//! sum of the volumes. The typical price is (high + low + close) / 3.
//!
//! It starts anew at the first bar that opens on another UTC day. The UTC day counts at venues with
//! trading sessions, too. If the first bar opens within a day, the value is that of the bars since
//! then. While the day has no volume, the value is the typical price of the newest bar.
//!
//! The sums are integers, so they are exact.

use crate::sma::mean;
use crate::wide::Wide;
use crate::{Bar, Catalogued, Indicator, Param, SCALE, power};
use serde::{Deserialize, Serialize};

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// Volume-weighted average price of the UTC day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vwap {
    /// Number of the day since the epoch; none before the first bar.
    day: Option<i64>,
    /// Three times the sum of typical price × volume.
    turnover: Wide,
    volume: Wide,
}

impl Vwap {
    /// The average of a day with volume: whole units of the shortest scale, and the rest. Neither
    /// depends on the decimals of the prices.
    fn quotient(&self, scale: u8) -> f64 {
        let mut unit = Wide::default();
        unit.add_wide(3 * 10_i128.pow(scale.saturating_sub(SCALE).into()), self.volume);
        let (whole, rest) = self.turnover.divided(unit);
        let (rest, scale) = rest.shortest(scale);
        mean(whole, 1, SCALE) + rest / (3.0 * self.volume.float() * power(scale))
    }
}

impl Indicator for Vwap {
    fn update(&mut self, bar: &Bar) -> f64 {
        let day = Some(bar.open_time.div_euclid(DAY));
        if self.day != day {
            *self = Vwap { day, ..Vwap::default() };
        }
        let prices: i128 = [bar.high, bar.low, bar.close].map(i128::from).iter().sum();
        self.turnover.add(prices, bar.volume);
        self.volume.add(1, bar.volume);
        let mut distance = self.turnover;
        distance.add_wide(-prices, self.volume);
        // Without volume, and on a day with one price, it is the price without a rounding error.
        if distance.is_zero() {
            return mean(prices, 3, bar.scale);
        }
        self.quotient(bar.scale)
    }

    fn rescale(&mut self, factor: i64) -> bool {
        self.turnover.rescale(factor)
    }
}

impl Catalogued for Vwap {
    const NAME: &'static str = "vwap";
    const PARAMS: &'static [Param] = &[];
    const DAILY: bool = true;
    fn is_price(_: usize) -> bool {
        true
    }
    fn make(_: &[u32], _: usize) -> Vwap {
        Vwap::default()
    }
    fn warm_up(_: &[u32], _: usize) -> u32 {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::{SETS, bars, by_restarts, quantity};
    use crate::testing::{ONE, bar, ohlc};
    use crate::to_f64;

    const HOUR: i64 = 3_600_000;

    /// A bar of this hour with high, low, close and volume in whole units.
    fn traded(hour: i64, [high, low, close]: [i64; 3], volume: i128) -> Bar {
        let prices = ohlc([close, high, low, close]);
        Bar { open_time: hour * HOUR, volume: volume * ONE, ..prices }
    }

    fn values(bars: &[Bar]) -> Vec<f64> {
        let mut vwap = Vwap::default();
        bars.iter().map(|bar| vwap.update(bar)).collect()
    }

    #[test]
    fn weighs_typical_prices_by_volume() {
        let bars = [
            traded(0, [12, 6, 9], 2),   // typical 9
            traded(1, [20, 10, 15], 1), // typical 15: (18 + 15) / 3 = 11
            traded(2, [99, 99, 99], 0), // no volume, no weight
            traded(23, [8, 4, 6], 9),   // typical 6: (33 + 54) / 12 = 7.25
        ];
        assert_eq!(values(&bars), [9.0, 11.0, 11.0, 7.25]);
        assert_eq!(values(&bars[1..2]), [15.0], "a series of one bar");
    }

    #[test]
    fn starts_anew_with_the_utc_day() {
        let day = |hour, price, volume| traded(hour, [price; 3], volume);
        // The first bar opens at 22:00 of the day before the epoch.
        let bars = [day(-2, 10, 1), day(-1, 40, 2), day(0, 7, 5), day(23, 9, 5), day(24, 3, 1)];
        assert_eq!(values(&bars), [10.0, 30.0, 7.0, 8.0, 3.0]);
        // The same hour of a later day, after a gap.
        assert_eq!(values(&[day(5, 10, 1), day(5 + 7 * 24, 20, 1)]), [10.0, 20.0]);
        // The last millisecond of a day.
        let late = Bar { open_time: DAY - 1, ..day(0, 20, 1) };
        assert_eq!(values(&[day(0, 10, 1), late]), [10.0, 15.0]);
    }

    #[test]
    fn without_volume_is_the_typical_price_of_the_newest_bar() {
        let bars = [
            traded(0, [3, 1, 2], 0),
            traded(1, [8, 4, 3], 0),
            traded(2, [6, 6, 6], 4),
            traded(3, [9, 9, 9], 0),
            traded(24, [7, 5, 3], 0), // The volume of yesterday does not count.
        ];
        assert_eq!(values(&bars), [2.0, 5.0, 6.0, 6.0, 5.0]);
    }

    #[test]
    fn of_a_flat_day_is_its_price() {
        for (price, scale, want) in [(1_234_567_891, 8, 12.345_678_91), (31, 12, 31e-12)] {
            let flat = |minute: i64| {
                let volume = ONE / 7 * i128::from(1 + minute % 13);
                let prices = Bar { high: price, low: price, close: price, ..bar(0) };
                Bar { open_time: minute * 60_000, scale, volume, ..prices }
            };
            let all = values(&(0..1_440).map(flat).collect::<Vec<_>>());
            assert!(all.iter().all(|value| value.to_bits() == f64::to_bits(want)), "{price}");
        }
    }

    #[test]
    fn more_decimals_change_no_value() {
        let token = |price: i64, scale, volume: i128| {
            let prices = Bar { high: 2 * price, low: price, close: price, ..bar(0) };
            Bar { scale, volume: volume * ONE / 1_000, ..prices }
        };
        let (mut short, mut long) = (Vwap::default(), Vwap::default());
        short.update(&token(31, 12, 700));
        long.update(&token(3_100_000, 17, 700));
        let value = short.update(&token(62, 12, 1_100));
        assert_eq!(value.to_bits(), long.update(&token(6_200_000, 17, 1_100)).to_bits());
        // Typical prices of 124/3 and 248/3, volumes of 0.7 and 1.1: (86.8 + 272.8) / 5.4.
        assert!((value / 66.592_592_592_592_59e-12 - 1.0).abs() < 1e-15, "{value}");
        for n in 1..200 {
            let (price, volume) = (31 + n * n % 97, i128::from(n * 7_919 % 1_009));
            let value = short.update(&token(price, 12, volume));
            let same = long.update(&token(price * 100_000, 17, volume));
            assert_eq!(value.to_bits(), same.to_bits(), "{n}: {value}, {same}");
        }
        assert!(short.rescale(100_000));
        assert_eq!(short, long);
        let dear = Bar { high: i64::MAX, low: i64::MAX, close: i64::MAX, ..bar(1) };
        let mut most = Vwap::default();
        most.update(&Bar { volume: i128::MAX, ..dear });
        assert!(!most.rescale(i64::MAX));
    }

    #[test]
    #[cfg_attr(shared_absent, ignore = "the shared material is absent")]
    fn is_the_average_of_recorded_days_and_goes_on_after_restarts() {
        for (file, rows) in SETS {
            let bars = bars(file, rows);
            let values = by_restarts(&Vwap::default(), &bars);
            let mut first = 0;
            for (at, (bar, value)) in bars.iter().zip(&values).enumerate() {
                if bar.open_time / DAY != bars[first].open_time / DAY {
                    first = at;
                }
                let price = |bar: &Bar| {
                    let prices = [bar.high, bar.low, bar.close];
                    prices.map(|price| to_f64(price, SCALE)).iter().sum::<f64>() / 3.0
                };
                let day = bars[first..=at].iter().map(|bar| (price(bar), quantity(bar.volume)));
                let (turnover, volume) = day.fold((0.0, 0.0), |sum, (price, volume)| {
                    (sum.0 + price * volume, sum.1 + volume)
                });
                let want = if volume > 0.0 { turnover / volume } else { price(bar) };
                assert!((value / want - 1.0).abs() < 1e-12, "{file} at {at}: {value}, {want}");
            }
        }
    }
}
