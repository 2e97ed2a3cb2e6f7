//! Indicators over closed bars. Each takes one bar after the other and gives a number after each.
//!
//! Conventions are TA-Lib's. A value is `NaN` until it is defined; nothing else ever is. State is
//! exact (integer sums) or a few floats whose bits are saved, so that a resumed indicator goes on
//! bit for bit.

mod atr;
mod bank;
mod catalog;
mod close;
mod ema;
mod formula;
mod rsi;
mod sma;

pub use atr::Atr;
pub use bank::{Bank, state};
pub use catalog::{Catalogued, Entry, Param};
pub use close::Close;
pub use ema::Ema;
pub use formula::Formula;
pub use rsi::Rsi;
pub use sma::Sma;

use catalog::entry;

/// Every indicator there is. A new one is its file and its line here.
pub const CATALOG: &[Entry] =
    &[entry::<Close>(), entry::<Sma>(), entry::<Ema>(), entry::<Atr>(), entry::<Rsi>()];

/// The most usual parameter: a number of bars.
pub(crate) const LENGTH: Param = Param { name: "length", least: 1, most: 10_000 };

/// Decimals that a price has at least.
pub const SCALE: u8 = 8;
/// Decimals that a price has at most.
pub const SCALE_MAX: u8 = 18;

/// The prices of a closed bar: integers with the decimals of the bar.
///
/// All bars that one indicator takes have the same scale. [`Indicator::rescale`] changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// First price.
    pub open: i64,
    /// Highest price.
    pub high: i64,
    /// Lowest price.
    pub low: i64,
    /// Last price.
    pub close: i64,
    /// Decimals of its prices, [`SCALE`] to [`SCALE_MAX`].
    pub scale: u8,
}

impl Bar {
    /// The same bar with more decimals; none where a price does not fit.
    #[must_use]
    pub fn at(&self, scale: u8) -> Option<Bar> {
        if scale == self.scale {
            return Some(*self);
        }
        let factor = 10_i64.checked_pow(scale.checked_sub(self.scale)?.into())?;
        let price = |price: i64| price.checked_mul(factor);
        let (open, high) = (price(self.open)?, price(self.high)?);
        let (low, close) = (price(self.low)?, price(self.close)?);
        Some(Bar { open, high, low, close, scale })
    }
}

/// A number computed from bars, one update a bar.
pub trait Indicator {
    /// Takes one more closed bar and gives the value after it; `NaN` while it is not defined.
    fn update(&mut self, bar: &Bar) -> f64;

    /// Bars have more decimals from here on: multiplies each price it holds by `factor`, a power of
    /// ten. False where one does not fit; its state is then not to be used.
    fn rescale(&mut self, factor: i64) -> bool;
}

/// A price in quote units. Equal prices of different scales give equal floats.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53; above, 1 ulp")]
pub(crate) fn to_f64(price: i64, scale: u8) -> f64 {
    if scale == SCALE {
        return price as f64 / 1e8;
    }
    let (price, scale) = shortest(price.into(), scale);
    price as f64 / power(scale)
}

/// The same number with as few decimals as it needs, at least [`SCALE`].
pub(crate) fn shortest(mut units: i128, mut scale: u8) -> (i128, u8) {
    while scale > SCALE && units % 10 == 0 {
        (units, scale) = (units / 10, scale - 1);
    }
    (units, scale)
}

/// Ten to the power of a scale.
pub(crate) fn power(scale: u8) -> f64 {
    const ALL: [f64; 11] = [1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18];
    ALL[usize::from(scale.clamp(SCALE, SCALE_MAX) - SCALE)]
}

/// Multiplies a price that may be there. False where it does not fit.
pub(crate) fn grown(price: &mut Option<i64>, factor: i64) -> bool {
    let Some(known) = price else { return true };
    *price = known.checked_mul(factor);
    price.is_some()
}

#[cfg(test)]
mod testing {
    use super::{Bar, SCALE};

    /// A bar at one price, in whole units.
    pub(crate) fn bar(price: i64) -> Bar {
        let price = price * 100_000_000;
        Bar { open: price, high: price, low: price, close: price, scale: SCALE }
    }
}
