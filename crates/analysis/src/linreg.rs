//! Linear regression of the last n closes over time: `linreg(50,2).mid` is the line at the last
//! bar, `.upper` and `.lower` lie some standard deviations of the closes from it, `.r2` is how much
//! of their variance the line explains, from 0 to 1. The first value comes after n bars.
//!
//! The sums are integers, so they are exact and independent of the first bar. The deviation is that
//! of the population: divided by n.

use crate::bbands::{DEVIATIONS, width};
use crate::window::Window;
use crate::{Bar, Catalogued, Indicator, LENGTH, Param, power};
use serde::{Deserialize, Serialize};

/// The line of least squares through the last closes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Regression {
    window: Window,
    /// The sum of each close times its place in the window, the oldest at 0.
    placed: i128,
    output: Output,
}

/// The value that is returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Output {
    /// The line, so many deviations from it.
    Line(i32),
    /// The explained part of the variance.
    Explained,
}

impl Regression {
    fn new(length: u32, output: Output) -> Regression {
        Regression { window: Window::new(length), placed: 0, output }
    }

    fn push(&mut self, close: i64) {
        let full = self.window.is_full();
        let before = self.window.sum();
        let oldest = self.window.push(close).map_or(0, i128::from);
        if full {
            // Every close that stays moves down by one place.
            self.placed -= before - oldest;
        }
        self.placed += self.window.newest() * i128::from(close);
    }

    #[expect(clippy::cast_precision_loss, reason = "where the exact sums become floats")]
    fn value(&self, scale: u8) -> f64 {
        let n = i128::from(self.window.length());
        // The sum of the places, and n² times their variance.
        let places = n * (n - 1) / 2;
        let place_variance = (n * n * (n * n - 1) / 12) as f64;
        let covariance = (n * self.placed - places * self.window.sum()) as f64;
        let variance = self.window.scaled_variance();
        let explained =
            if place_variance > 0.0 { covariance / place_variance * covariance } else { 0.0 };
        match self.output {
            Output::Explained if variance > 0.0 => (explained / variance).min(1.0),
            // A flat line explains nothing.
            Output::Explained => 0.0,
            Output::Line(width) => {
                let n = f64::from(self.window.length());
                let slope = if place_variance > 0.0 { covariance / place_variance } else { 0.0 };
                let line = self.window.mean(scale) + slope * ((n - 1.0) / 2.0) / power(scale);
                if width == 0 {
                    return line;
                }
                let rest = (variance - explained).max(0.0).sqrt() / (n * power(scale));
                line + f64::from(width) * rest
            }
        }
    }
}

impl Indicator for Regression {
    fn update(&mut self, bar: &Bar) -> f64 {
        self.push(bar.close);
        if self.window.is_full() { self.value(bar.scale) } else { f64::NAN }
    }

    fn rescale(&mut self, factor: i64) -> bool {
        let grown = self.placed.checked_mul(factor.into());
        self.placed = grown.unwrap_or_default();
        self.window.rescale(factor) && grown.is_some()
    }
}

impl Catalogued for Regression {
    const NAME: &'static str = "linreg";
    const PARAMS: &'static [Param] = &[LENGTH, DEVIATIONS];
    const OUTPUTS: &'static [&'static str] = &["mid", "upper", "lower", "r2"];
    const COLUMNS: &'static [(usize, &'static str)] =
        &[(1, "lr_upper"), (0, "lr_mid"), (2, "lr_lower"), (3, "lr_r2")];
    fn is_price(output: usize) -> bool {
        Self::OUTPUTS[output] != "r2"
    }
    fn make(params: &[u32], output: usize) -> Regression {
        let output = match output {
            3 => Output::Explained,
            line => Output::Line(width(params[1], line)),
        };
        Regression::new(params[0], output)
    }
    fn warm_up(params: &[u32], _: usize) -> u32 {
        params[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::bar;

    fn last(output: Output, prices: &[i64]) -> f64 {
        let mut one = Regression::new(4, output);
        prices.iter().map(|price| one.update(&bar(*price))).last().unwrap()
    }

    #[test]
    fn a_straight_line_explains_all() {
        let prices = [50, 3, 5, 7, 9];
        assert!(last(Output::Line(0), &prices[..4]).is_finite());
        let line = [0, 2].map(|width| last(Output::Line(width), &prices));
        assert_eq!(line[..], [9.0; 2]);
        let explained = [&prices[..], &[5; 4]].map(|prices| last(Output::Explained, prices));
        assert_eq!(explained[..], [1.0, 0.0]);
        assert!(last(Output::Line(0), &prices[..3]).is_nan());
    }

    #[test]
    fn the_bands_are_deviations_from_the_line() {
        // The line through 1, 4, 2, 5 is 1.5, 2.5, 3.5, 4.5: off by 0.5, 1.5, 1.5 and 0.5.
        let prices = [90, 1, 4, 2, 5];
        let deviation = 1.25_f64.sqrt();
        for (width, want) in [(0, 4.5), (2, 4.5 + 2.0 * deviation), (-1, 4.5 - deviation)] {
            let value = last(Output::Line(width), &prices);
            assert!((value - want).abs() < 1e-12, "{width}: {value}");
        }
        // The variance is 2.5, half of it on the line.
        assert!((last(Output::Explained, &prices) - 0.5).abs() < 1e-12);
    }
}
