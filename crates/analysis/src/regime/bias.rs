//! The bias of a symbol: the side on which to trade.

use crate::structure::is_valid;
use crate::{Bar, Ema, Indicator, to_f64};
use serde::{Deserialize, Serialize};

/// The side on which to trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Bias {
    /// Too few bars: that many of [`Biases::BARS`].
    Unknown(u32),
    /// The close is above the average.
    Long,
    /// The close is not above the average.
    None,
}

impl Bias {
    /// The name in texts: `unknown`, `long` or `none`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Bias::Unknown(_) => "unknown",
            Bias::Long => "long",
            Bias::None => "none",
        }
    }

    /// What is missing, like `EMA200 1d: 143 of 200 bars`. `None` if nothing is. `width` names the
    /// width of the bars.
    #[must_use]
    pub fn missing(self, width: &str) -> Option<String> {
        let Bias::Unknown(bars) = self else { return None };
        Some(format!("EMA200 {width}: {bars} of {} bars", Biases::BARS))
    }
}

/// The bias of one symbol: its close beside the exponential average of 200 closes. The caller
/// chooses the width of the bars.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Biases {
    average: Ema,
    bias: Bias,
}

impl Biases {
    /// Bars from which the bias is known.
    pub const BARS: u32 = 200;

    /// The bias before the first bar.
    #[must_use]
    pub fn new() -> Biases {
        Biases { average: Ema::new(Biases::BARS), bias: Bias::Unknown(0) }
    }

    /// The bias at the newest close.
    #[must_use]
    pub const fn bias(&self) -> Bias {
        self.bias
    }

    /// Takes the next closed bar and returns the bias at its close.
    ///
    /// Returns `None` if the bar is not valid, see [`Structure::update`]. Such a bar is not counted
    /// and changes nothing.
    ///
    /// [`Structure::update`]: crate::structure::Structure::update
    pub fn update(&mut self, bar: &Bar) -> Option<Bias> {
        if !is_valid(bar) {
            return None;
        }
        let average = self.average.update(bar);
        self.bias = match self.bias {
            Bias::Unknown(bars) if bars + 1 < Biases::BARS => Bias::Unknown(bars + 1),
            Bias::Unknown(_) | Bias::Long | Bias::None => {
                let above = to_f64(bar.close, bar.scale) > average;
                if above { Bias::Long } else { Bias::None }
            }
        };
        Some(self.bias)
    }

    /// Prepares for bars with more decimals: multiplies each stored price by `factor`, a power of
    /// ten. Returns false if a price does not fit. The state is unusable then.
    pub fn rescale(&mut self, factor: i64) -> bool {
        self.average.rescale(factor)
    }
}

impl Default for Biases {
    fn default() -> Biases {
        Biases::new()
    }
}
