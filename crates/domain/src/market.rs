//! Bars: what a market did in one interval.

use super::id::Symbol;
use super::money::{Decimal, Price};
use super::time::UtcMs;
use serde::{Deserialize, Serialize};

/// Open, high, low, close and volume of one interval; immutable once closed. The interval is told
/// by whoever carries the bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bar {
    /// What traded.
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
    /// Checks what every bar must fulfil: positive prices, low ≤ open, close ≤ high, volume ≥ 0.
    ///
    /// # Errors
    /// Names the first rule broken.
    pub fn validate(&self) -> Result<(), String> {
        let Bar { open, high, low, close, .. } = *self;
        if low.0 <= 0 {
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
        Ok(())
    }

    /// Whether its high is the highest of its prices and its low the lowest.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        *self == self.ordered()
    }

    /// The same bar with the highest of its prices as its high and the lowest as its low.
    #[must_use]
    pub fn ordered(&self) -> Bar {
        let prices = [self.open, self.high, self.low, self.close];
        let high = prices.into_iter().max().unwrap_or(self.high);
        let low = prices.into_iter().min().unwrap_or(self.low);
        Bar { high, low, ..*self }
    }
}

/// A bar made of smaller ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolledBar {
    /// The bar; its `open_time` is the start of the bucket.
    pub bar: Bar,
    /// Number of 1m bars seen in the bucket.
    pub count: u32,
    /// Whether none of the bucket's 1m bars is missing.
    pub complete: bool,
}
