//! Computes indicators over closed bars. Each indicator takes one bar at a time and returns one
//! number. [`structure`] finds swings, gaps and breaks in the same bars and returns events.
//! [`composite`] makes one series of many symbols.
//!
//! The conventions are TA-Lib's. A value is `NaN` only until it is defined. The state is exact:
//! integer sums, or a few floats saved bit for bit. So a resumed indicator gives the same bits as
//! one that never stopped.

mod atr;
mod bank;
mod bbands;
mod catalog;
mod close;
pub mod composite;
mod count;
mod directional;
mod donchian;
mod ema;
mod extreme_close;
mod formula;
mod linreg;
mod macd;
#[cfg(test)]
#[path = "recorded_tests.rs"]
mod recorded;
pub mod regime;
#[cfg(test)]
mod restart_tests;
mod rsi;
#[cfg(test)]
#[path = "../../../tests/shared.rs"]
mod shared;
mod sma;
pub mod structure;
#[cfg(test)]
mod talib_tests;
mod trend;
mod true_range;
mod volume;
mod vwap;
mod wide;
mod window;
mod zone;

pub use atr::Atr;
pub use bank::{Bank, state};
pub use bbands::Bollinger;
pub use catalog::{Catalogued, Entry, Param};
pub use close::Close;
pub use count::Count;
pub use directional::Directional;
pub use donchian::Donchian;
pub use ema::Ema;
pub use extreme_close::ExtremeClose;
pub use formula::Formula;
pub use linreg::Regression;
pub use macd::Macd;
pub use rsi::Rsi;
pub use sma::Sma;
pub use trend::Trend;
pub use true_range::TrueRange;
pub use volume::Volume;
pub use vwap::Vwap;
pub use zone::Zone;

use catalog::entry;

/// All indicators. A new one needs its own file and an entry here.
pub const CATALOG: &[Entry] = &[
    entry::<Close>(),
    entry::<Sma>(),
    entry::<Ema>(),
    entry::<Atr>(),
    entry::<Rsi>(),
    entry::<TrueRange>(),
    entry::<Directional>(),
    entry::<Macd>(),
    entry::<Bollinger>(),
    entry::<Donchian>(),
    entry::<ExtremeClose>(),
    entry::<Regression>(),
    entry::<Volume>(),
    entry::<Vwap>(),
    entry::<Trend>(),
    entry::<Zone>(),
    entry::<regime::RegimeNumber>(),
    entry::<regime::DriverNumber>(),
    entry::<Count>(),
];

/// The most common parameter: a number of bars.
pub(crate) const LENGTH: Param = Param { name: "length", least: 1, most: 10_000 };

/// Fewest decimals of a price.
pub const SCALE: u8 = 8;
/// Most decimals of a price.
pub const SCALE_MAX: u8 = 18;

/// Decimals of a volume.
pub const VOLUME_SCALE: u8 = SCALE_MAX;

/// The prices of a closed bar, as integers in units of 10^-`scale`, its volume and its time.
///
/// All bars of one indicator have the same scale. [`Indicator::rescale`] changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Start of the interval, UTC milliseconds.
    pub open_time: i64,
    /// First price.
    pub open: i64,
    /// Highest price.
    pub high: i64,
    /// Lowest price.
    pub low: i64,
    /// Last price.
    pub close: i64,
    /// Decimals of the prices, from [`SCALE`] to [`SCALE_MAX`].
    pub scale: u8,
    /// Traded quantity in units of 10^-[`VOLUME_SCALE`] of the base asset, at least 0. It is 0 if
    /// the source of the bar has no volumes.
    pub volume: i128,
}

impl Bar {
    /// The same bar with `scale` decimals. `None` if `scale` is smaller or a price does not fit.
    #[must_use]
    pub fn at(&self, scale: u8) -> Option<Bar> {
        if scale == self.scale {
            return Some(*self);
        }
        let factor = 10_i64.checked_pow(scale.checked_sub(self.scale)?.into())?;
        let price = |price: i64| price.checked_mul(factor);
        let (open, high) = (price(self.open)?, price(self.high)?);
        let (low, close) = (price(self.low)?, price(self.close)?);
        Some(Bar { open, high, low, close, scale, ..*self })
    }
}

/// A number computed from bars, with one update a bar.
pub trait Indicator {
    /// Takes the next closed bar and returns the value after it; `NaN` while it is not defined.
    fn update(&mut self, bar: &Bar) -> f64;

    /// Prepares for bars with more decimals: multiplies each stored price by `factor`, a power of
    /// ten. Returns false if a price does not fit. The state is unusable then.
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

/// Multiplies a price, if there is one. Returns false if the result does not fit.
pub(crate) fn grown(price: &mut Option<i64>, factor: i64) -> bool {
    let Some(known) = price else { return true };
    *price = known.checked_mul(factor);
    price.is_some()
}

/// Multiplies each price. Returns false if a result does not fit; the prices are unusable then.
pub(crate) fn all_grown<'a>(prices: impl IntoIterator<Item = &'a mut i64>, factor: i64) -> bool {
    prices.into_iter().all(|price| {
        let grown = price.checked_mul(factor);
        *price = grown.unwrap_or_default();
        grown.is_some()
    })
}

#[cfg(test)]
mod testing {
    use super::{Bar, SCALE};

    /// A volume of 1.
    pub(crate) const ONE: i128 = 1_000_000_000_000_000_000;

    /// A bar at one price, in whole units, with the volume 1. It opens at the epoch.
    pub(crate) fn bar(price: i64) -> Bar {
        ohlc([price; 4])
    }

    /// Such a bar with its prices open, high, low, close.
    pub(crate) fn ohlc(prices: [i64; 4]) -> Bar {
        let [open, high, low, close] = prices.map(|price| price * 100_000_000);
        Bar { open_time: 0, open, high, low, close, scale: SCALE, volume: ONE }
    }
}
