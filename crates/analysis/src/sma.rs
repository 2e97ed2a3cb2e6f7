//! Simple moving average: the mean of the last n closes. The first value comes after n bars.
//!
//! The sum is an integer, so it is exact and independent of the first bar.

use crate::{Bar, Catalogued, Indicator, LENGTH, Param, all_grown, power, shortest};
use serde::{Deserialize, Serialize};

/// Simple moving average of the closes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sma {
    length: u32,
    /// The last closes; a ring buffer once it has `length` of them.
    window: Vec<i64>,
    /// Index of the oldest close, which the next one replaces once the ring is full.
    next: u32,
    sum: i128,
}

impl Sma {
    /// An average over `length` closes, at least 1.
    #[must_use]
    pub fn new(length: u32) -> Sma {
        let length = length.max(1);
        Sma { length, window: Vec::with_capacity(length as usize), next: 0, sum: 0 }
    }
}

/// The mean in quote units of `count` prices with the sum `sum`.
#[expect(clippy::cast_precision_loss, reason = "the one place where the exact sum becomes a float")]
pub(crate) fn mean(sum: i128, count: u32, scale: u8) -> f64 {
    let (sum, scale) = shortest(sum, scale);
    let scale = power(scale);
    let sum = i64::try_from(sum).map_or_else(|_| wide(sum), |s| s as f64);
    sum / (f64::from(count) * scale)
}

/// A sum of more than 64 bits, which is rare. Its conversion is slow, and the optimiser would make
/// it for every sum.
#[cold]
#[inline(never)]
#[expect(clippy::cast_precision_loss, reason = "the nearest float")]
fn wide(sum: i128) -> f64 {
    sum as f64
}

impl Indicator for Sma {
    fn update(&mut self, bar: &Bar) -> f64 {
        self.sum += i128::from(bar.close);
        if self.window.len() < self.length as usize {
            self.window.push(bar.close);
            if self.window.len() < self.length as usize {
                return f64::NAN;
            }
        } else {
            let oldest = std::mem::replace(&mut self.window[self.next as usize], bar.close);
            self.sum -= i128::from(oldest);
            self.next = if self.next + 1 == self.length { 0 } else { self.next + 1 };
        }
        mean(self.sum, self.length, bar.scale)
    }

    fn rescale(&mut self, factor: i64) -> bool {
        self.sum = self.sum.saturating_mul(factor.into());
        all_grown(&mut self.window, factor)
    }
}

impl Catalogued for Sma {
    const NAME: &'static str = "sma";
    const PARAMS: &'static [Param] = &[LENGTH];
    fn is_price(_: usize) -> bool {
        true
    }
    fn make(params: &[u32], _: usize) -> Sma {
        Sma::new(params[0])
    }
    fn warm_up(params: &[u32], _: usize) -> u32 {
        params[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::bar;
    use crate::to_f64;

    #[test]
    fn is_the_mean_of_the_last_closes_from_the_nth_on() {
        let mut sma = Sma::new(3);
        let values: Vec<_> = [1, 2, 6, 4, 5, 9].iter().map(|p| sma.update(&bar(*p))).collect();
        assert!(values[0].is_nan() && values[1].is_nan());
        assert_eq!(values[2..], [3.0, 4.0, 5.0, 6.0]);
    }

    #[test]
    fn holds_the_largest_prices() {
        let mut sma = Sma::new(2);
        let dear = Bar { close: i64::MAX, ..bar(1) };
        sma.update(&dear);
        let value = sma.update(&dear);
        assert!((value - to_f64(i64::MAX, 8)).abs() < 1e-3);
    }

    #[test]
    fn more_decimals_change_no_value() {
        let token = |price, scale| Bar { close: price, scale, ..bar(0) };
        let (mut short, mut long) = (Sma::new(2), Sma::new(2));
        short.update(&token(31, 12));
        long.update(&token(3_100_000, 17));
        let mean = short.update(&token(32, 12));
        assert_eq!(mean.to_bits(), long.update(&token(3_200_000, 17)).to_bits());
        assert!((mean - 3.15e-11).abs() < 1e-25, "{mean}");
        assert!(short.rescale(100_000));
        assert_eq!(short, long);
        assert!(!short.rescale(i64::MAX));
    }
}
