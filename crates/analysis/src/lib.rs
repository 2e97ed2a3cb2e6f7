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

/// Decimals of a price: a price is an integer in units of 10^-8.
pub const SCALE: u32 = 8;

/// The prices of a closed bar, with [`SCALE`] decimals.
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
}

/// A number computed from bars, one update a bar.
pub trait Indicator {
    /// Takes one more closed bar and gives the value after it; `NaN` while it is not defined.
    fn update(&mut self, bar: &Bar) -> f64;
}

/// A price in whole units.
#[expect(clippy::cast_precision_loss, reason = "exact below 90 million; above, 1 ulp")]
pub(crate) fn to_f64(price: i64) -> f64 {
    price as f64 / 1e8
}

#[cfg(test)]
mod testing {
    use super::Bar;

    /// A bar at one price, in whole units.
    pub(crate) fn bar(price: i64) -> Bar {
        let price = price * 100_000_000;
        Bar { open: price, high: price, low: price, close: price }
    }
}
