//! Bollinger bands: `bbands(20,2).mid` is the mean of the last n closes, `.upper` and `.lower` lie
//! some standard deviations from it. The first value comes after n bars.
//!
//! The deviation is that of the population: divided by n, not by n - 1. The sums are integers, so
//! they are exact and independent of the first bar.

use crate::window::Window;
use crate::{Bar, Catalogued, Indicator, LENGTH, Param};
use serde::{Deserialize, Serialize};

/// Mean and deviation of the last closes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bollinger {
    /// Deviations from the mean: above 0 for the upper band, below for the lower.
    width: i32,
    window: Window,
}

impl Bollinger {
    fn new(length: u32, width: i32) -> Bollinger {
        Bollinger { width, window: Window::new(length) }
    }
}

impl Indicator for Bollinger {
    fn update(&mut self, bar: &Bar) -> f64 {
        self.window.push(bar.close);
        if !self.window.is_full() {
            return f64::NAN;
        }
        let mid = self.window.mean(bar.scale);
        if self.width == 0 {
            return mid;
        }
        mid + f64::from(self.width) * self.window.deviation(bar.scale)
    }

    fn rescale(&mut self, factor: i64) -> bool {
        self.window.rescale(factor)
    }
}

/// The parameter of bands: a number of standard deviations.
pub(crate) const DEVIATIONS: Param = Param { name: "deviations", least: 1, most: 100 };

/// Deviations of the outputs mid, upper and lower.
pub(crate) fn width(deviations: u32, output: usize) -> i32 {
    let width = i32::try_from(deviations).unwrap_or(i32::MAX);
    [0, width, -width].get(output).copied().unwrap_or(0)
}

impl Catalogued for Bollinger {
    const NAME: &'static str = "bbands";
    const PARAMS: &'static [Param] = &[LENGTH, DEVIATIONS];
    const OUTPUTS: &'static [&'static str] = &["mid", "upper", "lower"];
    const COLUMNS: &'static [(usize, &'static str)] =
        &[(1, "bb_upper"), (0, "bb_mid"), (2, "bb_lower")];
    fn is_price(_: usize) -> bool {
        true
    }
    fn make(params: &[u32], output: usize) -> Bollinger {
        Bollinger::new(params[0], width(params[1], output))
    }
    fn warm_up(params: &[u32], _: usize) -> u32 {
        params[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::bar;

    #[test]
    fn the_bands_are_deviations_of_the_population_from_the_mean() {
        let mut upper = Bollinger::new(4, 2);
        let values: Vec<_> = [9, 2, 4, 4, 6].iter().map(|p| upper.update(&bar(*p))).collect();
        assert!(values[2].is_nan());
        // 2, 4, 4, 6: the mean is 4, the variance 2.
        assert_eq!(values[4].to_bits(), (4.0 + 2.0 * 2.0_f64.sqrt()).to_bits());
        let mut mid = Bollinger::new(2, 0);
        mid.update(&bar(1));
        assert_eq!(mid.update(&bar(2)).to_bits(), 1.5_f64.to_bits());
    }
}
