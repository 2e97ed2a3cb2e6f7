//! Exponential moving average, seeded with the simple mean of its first n closes.

use crate::sma::mean;
use crate::{Bar, Catalogued, Indicator, LENGTH, Param, to_f64};
use serde::{Deserialize, Serialize};

/// Exponential moving average of the closes, with k = 2 / (n + 1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ema {
    length: u32,
    /// Closes summed into the seed so far; `length` once the seed is complete.
    seeded: u32,
    seed: i128,
    value: f64,
}

impl Ema {
    /// An average over `length` closes, at least 1.
    #[must_use]
    pub fn new(length: u32) -> Ema {
        Ema { length: length.max(1), seeded: 0, seed: 0, value: f64::NAN }
    }
}

/// The average of `length` values after one more. The order of operations is that of the reference:
/// another order gives other bits.
pub(crate) fn next(value: f64, average: f64, length: u32) -> f64 {
    let k = 2.0 / f64::from(length + 1);
    (value - average) * k + average
}

/// Bars after which the seed weighs at most 1 %: of n bars the seed is made, and after m more it
/// weighs `(1 - 2 / (n + 1))^m`. 3.3 n + 3 bars are enough for every n.
pub(crate) const fn settled(length: u32) -> u32 {
    length.saturating_mul(33).div_ceil(10).saturating_add(3)
}

impl Indicator for Ema {
    fn update(&mut self, bar: &Bar) -> f64 {
        if self.seeded < self.length {
            self.seeded += 1;
            self.seed += i128::from(bar.close);
            if self.seeded == self.length {
                self.value = mean(self.seed, self.length, bar.scale);
            }
        } else {
            self.value = next(to_f64(bar.close, bar.scale), self.value, self.length);
        }
        self.value
    }

    fn rescale(&mut self, factor: i64) -> bool {
        let grown = self.seed.checked_mul(factor.into());
        self.seed = grown.unwrap_or_default();
        grown.is_some()
    }
}

impl Catalogued for Ema {
    const NAME: &'static str = "ema";
    const PARAMS: &'static [Param] = &[LENGTH];
    fn is_price(_: usize) -> bool {
        true
    }
    fn make(params: &[u32], _: usize) -> Ema {
        Ema::new(params[0])
    }
    fn warm_up(params: &[u32], _: usize) -> u32 {
        params[0]
    }
    fn settled(params: &[u32], _: usize) -> u32 {
        settled(params[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::bar;

    #[test]
    fn starts_from_the_mean() {
        let mut ema = Ema::new(3);
        let values: Vec<_> = [1, 2, 6, 5].iter().map(|p| ema.update(&bar(*p))).collect();
        assert!(values[..2].iter().all(|v| v.is_nan()));
        assert_eq!(values[2..], [3.0, 4.0]);
    }
}
