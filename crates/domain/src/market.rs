//! Bars: what a market did in one interval.

use super::id::Symbol;
use super::money::{Decimal, PRICE_SCALE, Price, VOLUME_SCALE};
use super::time::UtcMs;
use serde::{Deserialize, Serialize};

/// Open, high, low, close and volume of one interval; immutable once closed. The container of a bar
/// states the width of the interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bar {
    /// The symbol.
    pub symbol: Symbol,
    /// Start of the interval, UTC milliseconds.
    pub open_time: UtcMs,
    /// First price.
    pub open: Price,
    /// Highest price.
    pub high: Price,
    /// Lowest price.
    pub low: Price,
    /// Last price.
    pub close: Price,
    /// Traded quantity in base units.
    pub volume: Decimal,
}

impl Bar {
    /// The prices: open, high, low, close.
    #[must_use]
    pub const fn prices(&self) -> [Price; 4] {
        [self.open, self.high, self.low, self.close]
    }

    /// The decimals that all its prices need, 8 to 18.
    #[must_use]
    pub fn scale(&self) -> u8 {
        self.prices().into_iter().map(Price::scale).fold(PRICE_SCALE, u8::max)
    }

    /// The prices as integers with the decimals of the bar, and these decimals. A price that does
    /// not fit saturates; see [`Bar::fits`].
    #[must_use]
    pub fn units(&self) -> ([i64; 4], u8) {
        let scale = self.scale();
        if scale == PRICE_SCALE {
            return (self.prices().map(Price::units), scale);
        }
        let units = |price: Price| {
            let fits = price.scale() == scale;
            if fits { price.units() } else { i64::try_from(price.at(scale)).unwrap_or(i64::MAX) }
        };
        (self.prices().map(units), scale)
    }

    /// The volume as an integer with [`VOLUME_SCALE`] decimals, for indicators. Further decimals
    /// are dropped, and a volume above 1.7 × 10^20 saturates. It is never negative.
    #[must_use]
    pub fn volume_units(&self) -> i128 {
        let (units, scale) = (self.volume.mantissa(), self.volume.scale());
        let units = match u32::from(VOLUME_SCALE).checked_sub(scale) {
            Some(missing) => {
                let factor = 10_i64.pow(missing);
                // Nearly all volumes are 64-bit integers, whose product always fits.
                i64::try_from(units).map_or_else(
                    |_| units.saturating_mul(factor.into()),
                    |units| i128::from(units) * i128::from(factor),
                )
            }
            None => units / 10_i128.pow(scale - u32::from(VOLUME_SCALE)),
        };
        units.max(0)
    }

    /// Checks that all prices are 64-bit integers with the decimals of the bar.
    ///
    /// # Errors
    /// Names the first price that does not fit.
    pub fn fits(&self) -> Result<(), String> {
        let scale = self.scale();
        let wide = |price: &Price| i64::try_from(price.at(scale)).is_err();
        match self.prices().into_iter().find(wide) {
            None => Ok(()),
            Some(price) => Err(format!("price {price} does not fit {scale} decimals")),
        }
    }

    /// Checks the rules of every bar: positive prices, low ≤ open, close ≤ high, volume ≥ 0, and
    /// prices that fit one scale.
    ///
    /// # Errors
    /// Names the first rule that is broken.
    pub fn validate(&self) -> Result<(), String> {
        let Bar { open, high, low, close, .. } = *self;
        if low <= Price::default() {
            return Err(format!("low {low} is not positive"));
        }
        if high < low {
            return Err(format!("high {high} is below low {low}"));
        }
        if open > high || close > high {
            return Err(format!("high {high} is below open {open} or close {close}"));
        }
        if open < low || close < low {
            return Err(format!("low {low} is above open {open} or close {close}"));
        }
        if self.volume.is_sign_negative() && !self.volume.is_zero() {
            return Err(format!("volume {} is negative", self.volume));
        }
        self.fits()
    }

    /// Whether the high is the highest of its prices and the low the lowest.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        *self == self.ordered()
    }

    /// The same bar with the highest of its prices as the high and the lowest as the low.
    #[must_use]
    pub fn ordered(&self) -> Bar {
        let prices = self.prices();
        let high = prices.into_iter().max().unwrap_or(self.high);
        let low = prices.into_iter().min().unwrap_or(self.low);
        Bar { high, low, ..*self }
    }
}

/// A bar made of 1m bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolledBar {
    /// The bar; its `open_time` is the start of the bucket.
    pub bar: Bar,
    /// Number of 1m bars seen in the bucket.
    pub count: u32,
    /// Whether none of the bucket's 1m bars is missing.
    pub complete: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_an_integer_with_18_decimals() {
        let price = Price::e8(1);
        let [open, high, low, close] = [price; 4];
        let symbol = Symbol::named("ANY").unwrap();
        let units = |text: &str| {
            let volume = text.parse().unwrap();
            Bar { symbol, open_time: 0, open, high, low, close, volume }.volume_units()
        };
        let one = 10_i128.pow(18);
        assert_eq!(["0", "-1", "1", "1.50"].map(units), [0, 0, one, one * 3 / 2]);
        assert_eq!(units("22815.123456789012345678"), 22_815_123_456_789_012_345_678);
        assert_eq!(units("0.1234567890123456789"), 123_456_789_012_345_678);
        assert_eq!(units("170000000000000000000"), 170 * one * one);
        assert_eq!(units("1000000000000000000000"), i128::MAX);
    }
}
