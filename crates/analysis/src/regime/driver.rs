//! The driver of a symbol: the phase of its uptrend.
//!
//! It compares the close, the exponential averages of 20, 50 and 200 closes and the average true
//! range (ATR) of 14 bars. The candidate at a close is the first of these that is true:
//! 1. *extended*: the condition of *up* holds, and the close is above the fast average by more than
//!    3 ATR. While the state is *extended*, 2 ATR are enough. A candidate that is not yet the state
//!    still needs 3.
//! 2. *up*: the fast average is above the middle one, and that above the slow one.
//! 3. *turning*: the fast average and the close are above the middle average.
//! 4. *basing*: the state is *failing* or *basing*; the fast and the middle average are less than
//!    half an ATR apart, or less than one ATR while the state is *basing*; and the lowest low of
//!    the last 10 bars, this one included, is not below that of the 20 bars before them.
//! 5. *failing*: the fast average and the close are below the middle average.
//!
//! If none is true, there is no candidate and the state stays. All comparisons are strict, except
//! that equal lows are not below each other. The state is *none* below 200 bars. It stays so until
//! two closes running have one candidate.

use super::settled::Settled;
use crate::structure::is_valid;
use crate::{Atr, Bar, Ema, Indicator, all_grown, to_f64};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Newest lows that are compared.
const NEW_LOWS: usize = 10;
/// Lows with which they are compared.
const OLD_LOWS: usize = 20;

/// The phase of an uptrend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Driver {
    /// Unknown yet.
    None,
    /// A downtrend.
    Failing,
    /// A downtrend has stopped.
    Basing,
    /// An uptrend begins, or pauses below the slow average.
    Turning,
    /// An uptrend.
    Up,
    /// An uptrend that has gone far above its averages.
    Extended,
}

impl Driver {
    /// All drivers, from the weakest to the strongest.
    pub const ALL: [Driver; 6] = [
        Driver::None,
        Driver::Failing,
        Driver::Basing,
        Driver::Turning,
        Driver::Up,
        Driver::Extended,
    ];

    /// The name in texts: `none`, `failing`, `basing`, `turning`, `up` or `extended`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Driver::None => "none",
            Driver::Failing => "failing",
            Driver::Basing => "basing",
            Driver::Turning => "turning",
            Driver::Up => "up",
            Driver::Extended => "extended",
        }
    }
}

/// What a close compares. All in quote units.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inputs {
    pub(super) close: f64,
    /// Averages of 20, 50 and 200 closes.
    pub(super) fast: f64,
    pub(super) middle: f64,
    pub(super) slow: f64,
    pub(super) atr: f64,
    /// Whether the lowest new low is not below the lowest old one.
    pub(super) holds: bool,
}

impl Inputs {
    /// The candidate for the next state.
    pub(super) fn candidate(&self, state: Driver) -> Option<Driver> {
        let Inputs { close, fast, middle, slow, atr, holds } = *self;
        let far = if state == Driver::Extended { 2.0 } else { 3.0 };
        let apart = if state == Driver::Basing { 1.0 } else { 0.5 };
        let up = fast > middle && middle > slow;
        let fell = matches!(state, Driver::Failing | Driver::Basing);
        let all = [
            (Driver::Extended, up && close > fast + far * atr),
            (Driver::Up, up),
            (Driver::Turning, fast > middle && close > middle),
            (Driver::Basing, fell && (fast - middle).abs() < apart * atr && holds),
            (Driver::Failing, close < middle && fast < middle),
        ];
        all.into_iter().find_map(|(driver, is)| is.then_some(driver))
    }
}

/// The driver of one symbol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drivers {
    /// Bars so far, at most [`Drivers::BARS`].
    bars: u32,
    /// Averages of 20, 50 and 200 closes.
    averages: [Ema; 3],
    atr: Atr,
    /// The lows of the last 30 bars, oldest first. Units of 10^-scale.
    lows: VecDeque<i64>,
    driver: Settled<Driver>,
}

impl Drivers {
    /// Bars from which there can be a driver.
    pub const BARS: u32 = 200;

    /// The driver before the first bar.
    #[must_use]
    pub fn new() -> Drivers {
        Drivers {
            bars: 0,
            averages: [20, 50, Drivers::BARS].map(Ema::new),
            atr: Atr::new(14),
            lows: VecDeque::new(),
            driver: Settled::new(Driver::None),
        }
    }

    /// The driver at the newest close.
    #[must_use]
    pub const fn driver(&self) -> Driver {
        self.driver.state
    }

    /// Whether it has taken [`Drivers::BARS`] bars.
    #[must_use]
    pub const fn is_warm(&self) -> bool {
        self.bars == Drivers::BARS
    }

    /// Takes the next closed bar and returns the driver at its close.
    ///
    /// Returns `None` if the bar is not valid, see [`Structure::update`]. Such a bar is not counted
    /// and changes nothing.
    ///
    /// [`Structure::update`]: crate::structure::Structure::update
    pub fn update(&mut self, bar: &Bar) -> Option<Driver> {
        if !is_valid(bar) {
            return None;
        }
        self.bars = (self.bars + 1).min(Drivers::BARS);
        self.lows.push_back(bar.low);
        if self.lows.len() > OLD_LOWS + NEW_LOWS {
            self.lows.pop_front();
        }
        let [fast, middle, slow] = self.averages.each_mut().map(|average| average.update(bar));
        let atr = self.atr.update(bar);
        if self.is_warm() {
            let (close, holds) = (to_f64(bar.close, bar.scale), self.holds());
            let inputs = Inputs { close, fast, middle, slow, atr, holds };
            self.driver.take(inputs.candidate(self.driver.state));
        }
        Some(self.driver())
    }

    /// Whether the lowest new low is not below the lowest old one.
    fn holds(&self) -> bool {
        let old = self.lows.iter().take(OLD_LOWS).min();
        self.lows.iter().skip(OLD_LOWS).min() >= old
    }

    /// Prepares for bars with more decimals: multiplies each stored price by `factor`, a power of
    /// ten. Returns false if a price does not fit. The state is unusable then.
    pub fn rescale(&mut self, factor: i64) -> bool {
        self.averages.iter_mut().all(|average| average.rescale(factor))
            && self.atr.rescale(factor)
            && all_grown(&mut self.lows, factor)
    }
}

impl Default for Drivers {
    fn default() -> Drivers {
        Drivers::new()
    }
}
