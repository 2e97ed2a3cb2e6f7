//! Exact sums of products, which may need more than 128 bits.

use crate::SCALE;
use serde::{Deserialize, Serialize};

/// Bits of the lower part.
const BITS: u32 = 60;
const MASK: i128 = (1 << BITS) - 1;

/// An integer of up to 187 bits, with one form for each value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wide {
    /// The value divided by 2^60, rounded down.
    high: i128,
    /// The rest.
    low: i128,
}

impl Wide {
    /// Adds `factor` times `value`. The factor has at most 66 bits: the sum of some prices.
    pub(crate) fn add(&mut self, factor: i128, value: i128) {
        self.add_parts(factor, value >> BITS, value & MASK);
    }

    /// Adds `factor` times another sum. The factor has at most 66 bits.
    pub(crate) fn add_wide(&mut self, factor: i128, other: Wide) {
        self.add_parts(factor, other.high, other.low);
    }

    fn add_parts(&mut self, factor: i128, high: i128, low: i128) {
        let low = self.low + factor * low;
        self.low = low & MASK;
        // No turnover is as large: it would be 10^30 in quote units.
        let high = factor.saturating_mul(high).saturating_add(low >> BITS);
        self.high = self.high.saturating_add(high);
    }

    pub(crate) fn is_zero(self) -> bool {
        self == Wide::default()
    }

    /// Multiplies the sum. Returns false if the result does not fit.
    pub(crate) fn rescale(&mut self, factor: i64) -> bool {
        let low = self.low * i128::from(factor);
        let high = self.high.checked_mul(factor.into());
        let high = high.and_then(|high| high.checked_add(low >> BITS));
        *self = Wide { high: high.unwrap_or_default(), low: low & MASK };
        high.is_some()
    }

    /// The quotient, if there is no rest. The divisor has at most 34 bits.
    fn over(self, divisor: i128) -> Option<Wide> {
        let rest = (self.high.rem_euclid(divisor) << BITS) + self.low;
        let high = self.high.div_euclid(divisor);
        (rest % divisor == 0).then(|| Wide { high, low: rest / divisor })
    }

    /// The nearest float.
    #[expect(clippy::cast_precision_loss, reason = "where the exact sum becomes a float")]
    pub(crate) fn float(self) -> f64 {
        // Beyond 128 bits the lower part has no weight.
        self.whole().map_or_else(|| self.high as f64 * (MASK + 1) as f64, |whole| whole as f64)
    }

    /// The sum as a plain integer, if it has no more than 128 bits.
    fn whole(self) -> Option<i128> {
        self.high.checked_mul(1 << BITS).and_then(|high| high.checked_add(self.low))
    }

    /// The whole quotient of two sums, neither below 0, and the rest. The quotient has at most 66
    /// bits, the divisor is not 0.
    pub(crate) fn divided(self, by: Wide) -> (i128, Wide) {
        if let (Some(all), Some(by)) = (self.whole(), by.whole()) {
            let mut rest = Wide::default();
            rest.add(1, all % by);
            return (all / by, rest);
        }
        let (mut quotient, mut rest) = (0, self);
        for bit in (0..66).rev() {
            let mut less = rest;
            less.add_wide(-(1 << bit), by);
            if less.high >= 0 {
                (quotient, rest) = (quotient + (1 << bit), less);
            }
        }
        (quotient, rest)
    }

    /// The number of which this is the integer with `scale` decimals: a float and its decimals.
    /// There are as few as it needs, at least [`SCALE`]. So equal numbers give equal floats.
    pub(crate) fn shortest(self, mut scale: u8) -> (f64, u8) {
        let more = scale.saturating_sub(SCALE);
        if let Some(short) = self.over(10_i128.pow(more.into())) {
            return (short.float(), scale - more);
        }
        let mut all = self;
        while let Some(tenth) = all.over(10) {
            (all, scale) = (tenth, scale - 1);
        }
        (all.float(), scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(products: &[(i128, i128)]) -> Wide {
        let mut sum = Wide::default();
        for (factor, value) in products {
            sum.add(*factor, *value);
        }
        sum
    }

    #[test]
    fn what_is_added_and_taken_away_leaves_nothing() {
        let (price, volume) = (3 * i128::from(i64::MAX), 1_i128 << 110);
        let one = of(&[(price, volume)]);
        let exact = 3.0 * 2.0_f64.powi(173);
        assert!((one.float() / exact - 1.0).abs() < 1e-15, "{one:?}");
        let many = of(&[(price, volume), (7, 5), (-price, volume - 1), (-7, 4)]);
        assert_eq!(many, of(&[(price, 1), (7, 1)]));
        assert_eq!(many.float().to_bits(), 27_670_116_110_564_327_428.0_f64.to_bits());
        let mut rest = many;
        rest.add_wide(-1, of(&[(1, 7), (price, 1)]));
        assert!(rest.is_zero() && !many.is_zero());
    }

    #[test]
    fn a_quotient_is_whole_and_leaves_a_rest() {
        let (volume, price) = (of(&[(3, 1 << 100)]), (1_i128 << 65) - 1);
        for (all, by, want) in [
            (of(&[(7, 5)]), of(&[(1, 4)]), (8, of(&[(1, 3)]))),
            (of(&[(3 * price, 1 << 100)]), volume, (price, Wide::default())),
            (of(&[(3 * price, 1 << 100), (1, 9)]), volume, (price, of(&[(1, 9)]))),
            (
                of(&[(3 * price, 1 << 100), (1, -1)]),
                volume,
                (price - 1, of(&[(3, 1 << 100), (1, -1)])),
            ),
        ] {
            assert_eq!(all.divided(by), want);
        }
    }

    #[test]
    fn a_negative_sum_has_one_form() {
        let sum = of(&[(-3, 5)]);
        assert_eq!(sum, of(&[(5, -3)]));
        assert_eq!(sum, of(&[(1, -(1 << 100)), (1, (1 << 100) - 15)]));
        assert_eq!(sum.float().to_bits(), (-15.0_f64).to_bits());
        assert_eq!(sum.over(5), Some(of(&[(1, -3)])));
    }

    #[test]
    fn more_decimals_change_no_float() {
        for value in [0, 1, -1, 25, -120, 1 << 90, -(7 << 100)] {
            let short = of(&[(1, value)]);
            let mut long = short;
            assert!(long.rescale(10_i64.pow(10)), "{value}");
            let (number, decimals) = long.shortest(18);
            assert_eq!((number.to_bits(), decimals), (short.float().to_bits(), 8), "{value}");
        }
        assert_eq!(of(&[(1, 1_200)]).shortest(12), (12.0, 10));
        assert!(!of(&[(i128::from(i64::MAX), i128::MAX)]).rescale(i64::MAX));
    }
}
