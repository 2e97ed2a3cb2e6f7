//! Donchian channel: `donchian(20).high` is the highest high of the last n bars with the present
//! one, `.low` the lowest low. The first value comes after n bars. `.prior_high` and `.prior_low`
//! are those of the n bars before the present one: what a breakout has to pass.

use crate::{Bar, Catalogued, Indicator, LENGTH, Param, all_grown, to_f64};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The extreme of the last bars.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Donchian {
    length: u32,
    /// Whether the highest high is returned, else the lowest low.
    high: bool,
    /// Whether the present bar is left out.
    prior: bool,
    bars: u64,
    /// Number and price of each bar that is more extreme than all later ones. The first is the
    /// extreme of the window.
    extremes: VecDeque<(u64, i64)>,
}

/// The first output without the present bar.
const PRIOR: usize = 2;

impl Donchian {
    fn new(length: u32, high: bool, prior: bool) -> Donchian {
        Donchian { length: length.max(1), high, prior, bars: 0, extremes: VecDeque::new() }
    }

    /// The extreme of the last n bars taken; not a number before there were as many.
    fn extreme(&self, scale: u8) -> f64 {
        match self.extremes.front() {
            Some((_, price)) if self.bars >= self.length.into() => to_f64(*price, scale),
            _ => f64::NAN,
        }
    }
}

impl Indicator for Donchian {
    fn update(&mut self, bar: &Bar) -> f64 {
        let before = self.extreme(bar.scale);
        let now = if self.high { bar.high } else { bar.low };
        let passed = |old: i64| if self.high { old <= now } else { old >= now };
        while self.extremes.back().is_some_and(|(_, old)| passed(*old)) {
            self.extremes.pop_back();
        }
        self.extremes.push_back((self.bars, now));
        self.bars += 1;
        let first = self.bars.saturating_sub(self.length.into());
        if self.extremes.front().is_some_and(|(number, _)| *number < first) {
            self.extremes.pop_front();
        }
        if self.prior { before } else { self.extreme(bar.scale) }
    }

    fn rescale(&mut self, factor: i64) -> bool {
        all_grown(self.extremes.iter_mut().map(|(_, price)| price), factor)
    }
}

impl Catalogued for Donchian {
    const NAME: &'static str = "donchian";
    const PARAMS: &'static [Param] = &[LENGTH];
    const OUTPUTS: &'static [&'static str] = &["high", "low", "prior_high", "prior_low"];
    const COLUMNS: &'static [(usize, &'static str)] = &[(0, "don_high"), (1, "don_low")];
    fn is_price(_: usize) -> bool {
        true
    }
    fn make(params: &[u32], output: usize) -> Donchian {
        Donchian::new(params[0], output.is_multiple_of(2), output >= PRIOR)
    }
    fn warm_up(params: &[u32], output: usize) -> u32 {
        params[0] + u32::from(output >= PRIOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::bar;

    #[test]
    fn is_the_extreme_of_the_last_bars() {
        let values = |high| -> Vec<f64> {
            let mut one = Donchian::new(3, high, false);
            [5, 9, 4, 6, 3, 7].iter().map(|price| one.update(&bar(*price))).collect()
        };
        assert!(values(true)[1].is_nan());
        assert_eq!(values(true)[2..], [9.0, 9.0, 6.0, 7.0]);
        assert_eq!(values(false)[2..], [4.0, 4.0, 3.0, 3.0]);
    }

    #[test]
    fn the_prior_extreme_is_that_of_the_bar_before() {
        let prices = [5, 9, 4, 6, 3, 7, 8, 2];
        for high in [true, false] {
            let (mut with, mut prior) =
                (Donchian::new(3, high, false), Donchian::new(3, high, true));
            let mut before = f64::NAN;
            for price in prices {
                let value = prior.update(&bar(price));
                assert_eq!(value.to_bits(), before.to_bits(), "{value} {before}");
                before = with.update(&bar(price));
            }
        }
    }
}
