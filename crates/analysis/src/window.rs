//! The last n closes, with exact sums over them.
//!
//! The sums are integers. So they do not depend on the first bar, and a resumed window equals one
//! that never stopped.

use crate::sma::mean;
use crate::{all_grown, power};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The last closes, their sum and the sum of their squares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Window {
    length: u32,
    prices: VecDeque<i64>,
    sum: i128,
    /// The sum of the absolute prices.
    size: i128,
    /// The sum of squares modulo 2^128. See [`Window::scaled_variance`].
    squares: i128,
}

impl Window {
    /// A window of `length` closes, at least 1.
    pub(crate) fn new(length: u32) -> Window {
        let length = length.max(1);
        let prices = VecDeque::with_capacity(length as usize);
        Window { length, prices, sum: 0, size: 0, squares: 0 }
    }

    pub(crate) const fn length(&self) -> u32 {
        self.length
    }

    pub(crate) const fn sum(&self) -> i128 {
        self.sum
    }

    /// The place of the newest close; the oldest is at 0.
    pub(crate) fn newest(&self) -> i128 {
        i128::try_from(self.prices.len()).unwrap_or_default() - 1
    }

    /// Takes the next close. Returns the one that leaves the window.
    pub(crate) fn push(&mut self, close: i64) -> Option<i64> {
        let full = self.is_full();
        let oldest = full.then(|| self.prices.pop_front()).flatten();
        for (price, sign) in [(Some(close), 1), (oldest, -1)] {
            let price = i128::from(price.unwrap_or_default());
            self.sum += sign * price;
            self.size += sign * price.abs();
            self.squares = self.squares.wrapping_add(sign * price * price);
        }
        self.prices.push_back(close);
        oldest
    }

    pub(crate) fn is_full(&self) -> bool {
        self.prices.len() >= self.length as usize
    }

    /// The mean, quote units.
    pub(crate) fn mean(&self, scale: u8) -> f64 {
        mean(self.sum, self.length, scale)
    }

    /// n² times the variance, in squares of price units.
    #[expect(clippy::cast_precision_loss, reason = "where the exact sums become a float")]
    pub(crate) fn scaled_variance(&self) -> f64 {
        let n = i128::from(self.length);
        // The sum of the squares is at most the square of the sum. If that fits n times, nothing
        // has wrapped.
        let most = self.size.checked_mul(self.size).and_then(|square| square.checked_mul(n));
        if most.is_some() {
            return (n * self.squares - self.sum * self.sum) as f64;
        }
        let off = |price: &i64| (i128::from(*price) * n - self.sum) as f64;
        self.prices.iter().map(off).map(|off| off * off).sum::<f64>() / f64::from(self.length)
    }

    /// The standard deviation of the population, quote units.
    pub(crate) fn deviation(&self, scale: u8) -> f64 {
        self.scaled_variance().sqrt() / (f64::from(self.length) * power(scale))
    }

    /// Multiplies each price. Returns false if one does not fit.
    pub(crate) fn rescale(&mut self, factor: i64) -> bool {
        let mut prices = std::mem::take(&mut self.prices);
        let fits = all_grown(&mut prices, factor);
        *self = Window::new(self.length);
        for price in prices {
            self.push(price);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_that_wrapped_come_back() {
        let mut one = Window::new(2);
        for price in [i64::MAX, i64::MAX, i64::MAX - 200_000_000_000, i64::MAX] {
            one.push(price);
        }
        let wide = one.deviation(8);
        assert!((wide - 1_000.0).abs() < 1e-3, "{wide}");
        let mut fresh = Window::new(2);
        for price in [100, 300] {
            one.push(price);
            fresh.push(price);
        }
        assert_eq!(one, fresh);
        assert_eq!(one.deviation(8).to_bits(), 1e-6_f64.to_bits());
    }
}
