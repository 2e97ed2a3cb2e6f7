//! Convergence of two exponential averages: `macd(12,26,9).line` is the fast one less the slow one,
//! `.signal` its own exponential average, `.hist` the line less the signal.
//!
//! As in TA-Lib, both averages start at the same bar, and all three outputs with the signal: after
//! slow + signal - 1 bars.

use crate::ema::{next, settled};
use crate::sma::mean;
use crate::{Bar, Catalogued, Indicator, LENGTH, Param, to_f64};
use serde::{Deserialize, Serialize};

/// Two averages of the closes, and the average of their difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Macd {
    fast: Average,
    slow: Average,
    signal: u32,
    output: Output,
    /// Closes taken until the slow average began.
    closes: u32,
    /// Lines summed into the seed of the signal so far; `signal` once the seed is complete.
    lines: u32,
    /// The sum of the seed, then the signal.
    value: f64,
}

/// An exponential average of the closes. Its seed is the mean of the `length` closes before it
/// begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Average {
    length: u32,
    seed: i128,
    value: f64,
}

/// The value that is returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Output {
    Line,
    Signal,
    Hist,
}

impl Macd {
    fn new(fast: u32, slow: u32, signal: u32, output: Output) -> Macd {
        let average = |length: u32| Average { length: length.max(1), seed: 0, value: f64::NAN };
        let (fast, slow, signal) = (average(fast), average(slow), signal.max(1));
        Macd { fast, slow, signal, output, closes: 0, lines: 0, value: 0.0 }
    }

    /// Takes a close before both averages have begun.
    fn seed(&mut self, bar: &Bar) {
        let begin = self.slow.length;
        self.closes += 1;
        for average in [&mut self.fast, &mut self.slow] {
            if self.closes + average.length > begin {
                average.seed += i128::from(bar.close);
            }
            if self.closes == begin {
                average.value = mean(average.seed, average.length, bar.scale);
            }
        }
    }
}

impl Indicator for Macd {
    fn update(&mut self, bar: &Bar) -> f64 {
        if self.closes < self.slow.length {
            self.seed(bar);
            if self.closes < self.slow.length {
                return f64::NAN;
            }
        } else {
            let close = to_f64(bar.close, bar.scale);
            for average in [&mut self.fast, &mut self.slow] {
                average.value = next(close, average.value, average.length);
            }
        }
        let line = self.fast.value - self.slow.value;
        if self.lines < self.signal {
            self.lines += 1;
            self.value += line;
            if self.lines < self.signal {
                return f64::NAN;
            }
            self.value /= f64::from(self.signal);
        } else {
            self.value = next(line, self.value, self.signal);
        }
        match self.output {
            Output::Line => line,
            Output::Signal => self.value,
            Output::Hist => line - self.value,
        }
    }

    fn rescale(&mut self, factor: i64) -> bool {
        [&mut self.fast.seed, &mut self.slow.seed].into_iter().all(|seed| {
            let grown = seed.checked_mul(factor.into());
            *seed = grown.unwrap_or_default();
            grown.is_some()
        })
    }
}

impl Catalogued for Macd {
    const NAME: &'static str = "macd";
    const PARAMS: &'static [Param] = &[
        Param { name: "fast", ..LENGTH },
        Param { name: "slow", ..LENGTH },
        Param { name: "signal", ..LENGTH },
    ];
    const OUTPUTS: &'static [&'static str] = &["line", "signal", "hist"];
    const COLUMNS: &'static [(usize, &'static str)] =
        &[(0, "macd"), (1, "macd_signal"), (2, "macd_hist")];
    fn make(params: &[u32], output: usize) -> Macd {
        let output = [Output::Line, Output::Signal, Output::Hist][output];
        Macd::new(params[0], params[1], params[2], output)
    }
    fn warm_up(params: &[u32], _: usize) -> u32 {
        params[1].saturating_add(params[2]).saturating_sub(1)
    }
    fn settled(params: &[u32], _: usize) -> u32 {
        // The signal averages lines of settled averages.
        settled(params[1]).saturating_add(settled(params[2]))
    }
    fn check(params: &[u32]) -> Result<(), &'static str> {
        if params[0] < params[1] { Ok(()) } else { Err("fast must be less than slow") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::bar;

    #[test]
    fn both_averages_begin_at_one_bar() {
        let values = |output| -> Vec<f64> {
            let mut macd = Macd::new(1, 3, 2, output);
            [3, 6, 9, 12].iter().map(|price| macd.update(&bar(*price))).collect()
        };
        let (line, signal) = (values(Output::Line), values(Output::Signal));
        assert!(line[..3].iter().all(|value| value.is_nan()), "not before the signal");
        // The averages are 9 and 6, then 12 and 9.
        assert_eq!((line[3], signal[3], values(Output::Hist)[3]), (3.0, 3.0, 0.0));
    }
}
