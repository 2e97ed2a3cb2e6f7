//! Odd bars: bars with implausible values. The venue's records decide whether they are true.
//!
//! A bar is odd if its prices contradict each other, if it is too far from the close before it, or
//! if its volume is far above the volumes before it. The rule depends only on the bar, the bars
//! before it and one setting. So its result is always the same.

use super::id::Symbol;
use super::market::Bar;
use super::money::{Decimal, Price};
use super::split::Ratio;
use super::time::UtcMs;
use serde::{Deserialize, Serialize};

/// Number of volumes remembered. It is odd, so the median is one of them.
const WINDOW: usize = 21;
/// Fewest volumes needed to judge another one.
const LEAST: usize = 15;
/// A volume above this many times the median is odd.
const TIMES: i64 = 1_000_000;
/// A bar that opens below or above these percents of the close before may follow a split.
const SPLIT_PERCENT: [i128; 2] = [85, 118];
/// Decimals of a price or volume after a split.
const PLACES: u32 = 8;

/// Why a bar is odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Oddity {
    /// Its high is below another of its prices, or its low above one.
    Order,
    /// Its price is too far from the close before it.
    Jump,
    /// Its volume is above a million times the median before it.
    Volume,
}

/// An odd bar of a close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OddBar {
    /// The symbol of the bar.
    pub symbol: Symbol,
    /// Why it is odd.
    pub why: Oddity,
}

impl Oddity {
    /// All reasons, in the order of their numbers in stored bars.
    pub const ALL: [Oddity; 3] = [Oddity::Order, Oddity::Jump, Oddity::Volume];

    /// The reason in words, to follow the name of the bar.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Oddity::Order => "its high and low contradict its other prices",
            Oddity::Jump => "its price jumped",
            Oddity::Volume => "its volume is a million times the median",
        }
    }
}

/// The bars before a bar, as far as the rule needs them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    /// Opening time of the last one.
    time: Option<UtcMs>,
    /// Its closing price.
    close: Price,
    /// Volumes of the last bars, the oldest first.
    volumes: Vec<Decimal>,
}

impl Recent {
    /// Adds a bar. A bar that is not newer than the last one is ignored.
    pub fn push(&mut self, bar: &Bar) {
        if self.time.is_some_and(|time| time >= bar.open_time) {
            return;
        }
        (self.time, self.close) = (Some(bar.open_time), bar.close);
        if self.volumes.len() >= WINDOW {
            self.volumes.remove(0);
        }
        self.volumes.push(bar.volume);
    }

    /// Whether there is no bar yet. Then the next one cannot be compared.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.time.is_none()
    }

    /// Whether a split may explain `bar`: it opens below 85 % or above 118 % of the last close.
    #[must_use]
    pub fn may_be_split(&self, bar: &Bar) -> bool {
        let scale = bar.scale().max(self.close.scale());
        let (open, close) = (bar.open.at(scale) * 100, self.close.at(scale));
        let [least, most] = SPLIT_PERCENT.map(|percent| close * percent);
        self.time.is_some() && close > 0 && (open < least || open > most)
    }

    /// Puts these bars into new shares, so that the next bar compares with them.
    pub fn split(&mut self, ratio: Ratio) {
        let close = ratio.price(self.close.decimal()).round_dp(PLACES);
        self.close = Price::exact(close).unwrap_or(self.close);
        for volume in &mut self.volumes {
            *volume = ratio.quantity(*volume).round_dp(PLACES);
        }
    }

    /// Why `bar` is odd after these bars; none if it is not. A price more than `max_jump_percent`
    /// away from the last close is odd; 0 turns that off.
    #[must_use]
    pub fn judge(&self, bar: &Bar, max_jump_percent: u32) -> Option<Oddity> {
        if !bar.is_ordered() {
            return Some(Oddity::Order);
        }
        let scale = bar.scale().max(self.close.scale());
        let close = self.close.at(scale);
        let far = |price: Price| {
            let moved = (price.at(scale) - close).abs();
            moved * 100 > close * i128::from(max_jump_percent)
        };
        let known = self.time.is_some() && close > 0 && max_jump_percent > 0;
        if known && (far(bar.high) || far(bar.low)) {
            return Some(Oddity::Jump);
        }
        self.is_much(bar.volume).then_some(Oddity::Volume)
    }

    /// Whether a volume is above [`TIMES`] times the median. It is if it is above that many times
    /// more than half of the volumes, which needs no sorting.
    fn is_much(&self, volume: Decimal) -> bool {
        let count = self.volumes.len();
        let above = |before: &&Decimal| {
            !before.is_zero() && volume > before.saturating_mul(Decimal::from(TIMES))
        };
        count >= LEAST && self.volumes.iter().filter(above).count() * 2 > count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERCENT: u32 = 30;

    fn bar(minute: i64, prices: [i64; 4], volume: Decimal) -> Bar {
        let [open, high, low, close] = prices.map(|cents| Price::e8(cents * 1_000_000));
        let symbol = Symbol::new("BTCUSDT").unwrap();
        Bar { symbol, open_time: minute * 60_000, open, high, low, close, volume }
    }

    /// The state after `count` bars at 100.00 with a volume of 2.
    fn after(count: i64) -> Recent {
        let mut recent = Recent::default();
        for minute in 0..count {
            recent.push(&bar(minute, [10_000; 4], Decimal::TWO));
        }
        recent
    }

    #[test]
    fn a_bar_is_odd_by_the_order_of_its_prices_by_a_jump_or_by_its_volume() {
        let judge = |prices, volume| after(30).judge(&bar(30, prices, volume), PERCENT);
        let usual = Decimal::TWO;
        assert_eq!(judge([10_000; 4], usual), None);
        assert_eq!(judge([10_000, 13_000, 7_000, 9_000], usual), None, "exactly the limit");
        assert_eq!(judge([10_000, 13_001, 10_000, 10_000], usual), Some(Oddity::Jump));
        assert_eq!(judge([10_000, 10_000, 6_999, 10_000], usual), Some(Oddity::Jump));
        assert_eq!(judge([10_000, 9_000, 9_500, 9_200], usual), Some(Oddity::Order));
        assert_eq!(judge([10_000, 9_000, 8_000, 8_500], usual), Some(Oddity::Order));
        let much = Decimal::from(2_000_000);
        assert_eq!(judge([10_000; 4], much), None, "exactly a million times the median");
        assert_eq!(judge([10_000; 4], much + Decimal::ONE), Some(Oddity::Volume));
        assert_eq!(judge([10_000; 4], Decimal::MAX), Some(Oddity::Volume));
    }

    #[test]
    fn what_nothing_can_be_compared_with_is_not_odd() {
        let far = bar(50, [1, 90_000, 1, 50_000], Decimal::from(1_000_000_000));
        assert_eq!(Recent::default().judge(&far, PERCENT), None, "the first bar");
        let much = bar(50, [10_000; 4], Decimal::from(1_000_000_000));
        assert_eq!(after(14).judge(&much, PERCENT), None, "too few volumes");
        assert_eq!(after(15).judge(&much, PERCENT), Some(Oddity::Volume));
        assert_eq!(after(30).judge(&bar(50, [90_000; 4], Decimal::ONE), 0), None, "it is off");
        let mut quiet = Recent::default();
        for minute in 0..30 {
            let volume = if minute % 3 == 0 { Decimal::ONE } else { Decimal::ZERO };
            quiet.push(&bar(minute, [10_000; 4], volume));
        }
        assert_eq!(quiet.judge(&much, PERCENT), None, "most minutes have no volume");
    }

    #[test]
    fn the_last_bars_count_and_an_older_one_is_passed_over() {
        let mut recent = after(30);
        recent.push(&bar(30, [5_000; 4], Decimal::from(9_000_000)));
        assert_eq!(recent.judge(&bar(31, [5_000; 4], Decimal::TWO), PERCENT), None);
        assert_eq!(recent.judge(&bar(31, [10_000; 4], Decimal::TWO), PERCENT), Some(Oddity::Jump));
        recent.push(&bar(29, [10_000; 4], Decimal::TWO));
        assert_eq!(recent.judge(&bar(31, [5_000; 4], Decimal::TWO), PERCENT), None);
        for minute in 31..90 {
            recent.push(&bar(minute, [5_000; 4], Decimal::TWO));
        }
        assert_eq!(recent.volumes.len(), WINDOW);
    }

    #[test]
    fn a_bar_far_from_the_close_may_follow_a_split_and_fits_after_it() {
        let at = |open: i64| bar(30, [open; 4], Decimal::TWO);
        let mut recent = after(30);
        for (open, may) in [(8_500, false), (8_499, true), (11_800, false), (11_801, true)] {
            assert_eq!(recent.may_be_split(&at(open)), may, "{open}");
        }
        assert!(!Recent::default().may_be_split(&at(1)), "there is no close before");
        recent.split(Ratio::new(7, 1).unwrap());
        assert!(!recent.may_be_split(&at(1_430)) && recent.may_be_split(&at(10_000)));
        assert_eq!(recent.judge(&at(1_430), PERCENT), None);
        assert_eq!(recent.volumes[0], Decimal::from(14));
    }

    #[test]
    fn the_prices_of_an_odd_bar_are_put_in_order() {
        let odd = bar(0, [10_000, 9_000, 9_500, 9_200], Decimal::ONE);
        let ordered = odd.ordered();
        assert_eq!((ordered.high, ordered.low), (odd.open, odd.high));
        assert_eq!((ordered.open, ordered.close), (odd.open, odd.close));
        assert!(ordered.validate().is_ok() && odd.validate().is_err());
        assert_eq!(ordered.ordered(), ordered);
    }
}
