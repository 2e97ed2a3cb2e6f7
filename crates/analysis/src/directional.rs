//! Wilder's directional movement: which part of the range points up or down, and how strong the
//! trend is, each from 0 to 100.
//!
//! `adx(14)` is the average directional index, with its first value after 2n bars. `.plus_di`,
//! `.minus_di` and `.dx` have theirs after n + 1 bars.

use crate::atr::settled;
use crate::true_range::true_range;
use crate::{Bar, Catalogued, Indicator, LENGTH, Param, all_grown, to_f64};
use serde::{Deserialize, Serialize};

/// Wilder's sums of the movements, and their average index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Directional {
    length: u32,
    output: Output,
    /// High, low and close of the last bar.
    previous: Option<[i64; 3]>,
    /// Bars after the first, at most 2n - 1.
    bars: u32,
    plus: f64,
    minus: f64,
    range: f64,
    dx: f64,
    /// The sum of its seed until the seed is complete, then the average.
    adx: f64,
}

/// The value that is returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Output {
    Adx,
    PlusDi,
    MinusDi,
    Dx,
}

impl Directional {
    fn new(length: u32, output: Output) -> Directional {
        let length = length.max(1);
        let (previous, bars) = (None, 0);
        let [plus, minus, range, dx, adx] = [0.0; 5];
        Directional { length, output, previous, bars, plus, minus, range, dx, adx }
    }

    /// Adds one bar to the sums. The first n - 1 are added plainly.
    fn add(&mut self, plus: f64, minus: f64, range: f64) {
        let n = f64::from(self.length);
        let smooth = self.bars >= self.length;
        for (sum, value) in
            [(&mut self.plus, plus), (&mut self.minus, minus), (&mut self.range, range)]
        {
            *sum = if smooth { *sum - *sum / n + value } else { *sum + value };
        }
    }

    /// The indices up and down.
    fn indices(&self) -> (f64, f64) {
        let of = |sum: f64| if self.range > 0.0 { 100.0 * (sum / self.range) } else { 0.0 };
        (of(self.plus), of(self.minus))
    }

    /// Averages the index of the present bar. Without movement the average stays as it is.
    fn average(&mut self, (plus, minus): (f64, f64)) {
        let (n, all) = (f64::from(self.length), plus + minus);
        let moves = all > 0.0;
        if moves {
            self.dx = 100.0 * ((minus - plus).abs() / all);
        }
        if self.bars < self.seeded() {
            self.adx += if moves { self.dx } else { 0.0 };
        } else if self.bars == self.seeded() {
            self.adx = (self.adx + if moves { self.dx } else { 0.0 }) / n;
        } else if moves {
            self.adx = (self.adx * (n - 1.0) + self.dx) / n;
        }
    }

    /// Bars after the first until the average has its first value.
    const fn seeded(&self) -> u32 {
        2 * self.length - 1
    }
}

impl Indicator for Directional {
    fn update(&mut self, bar: &Bar) -> f64 {
        let now = [bar.high, bar.low, bar.close];
        let Some([high, low, close]) = self.previous.replace(now) else { return f64::NAN };
        self.bars = (self.bars + 1).min(self.seeded() + 1);
        // Floats decide which move is larger, as in the reference: of decimals that moved equally,
        // rounding may make one larger.
        let move_of = |from: i64, to: i64| to_f64(to, bar.scale) - to_f64(from, bar.scale);
        let (up, down) = (move_of(high, bar.high), move_of(bar.low, low));
        let plus = if up > down && up > 0.0 { up } else { 0.0 };
        let minus = if down > up && down > 0.0 { down } else { 0.0 };
        self.add(plus, minus, true_range(bar, close));
        if self.bars < self.length {
            return f64::NAN;
        }
        let indices = self.indices();
        self.average(indices);
        match self.output {
            Output::Adx if self.bars < self.seeded() => f64::NAN,
            Output::Adx => self.adx,
            Output::PlusDi => indices.0,
            Output::MinusDi => indices.1,
            Output::Dx => self.dx,
        }
    }

    fn rescale(&mut self, factor: i64) -> bool {
        all_grown(self.previous.iter_mut().flatten(), factor)
    }
}

impl Catalogued for Directional {
    const NAME: &'static str = "adx";
    const PARAMS: &'static [Param] = &[LENGTH];
    const OUTPUTS: &'static [&'static str] = &["", "plus_di", "minus_di", "dx"];
    const COLUMNS: &'static [(usize, &'static str)] =
        &[(1, "plus_di"), (2, "minus_di"), (0, "adx")];
    fn make(params: &[u32], output: usize) -> Directional {
        let output = match output {
            1 => Output::PlusDi,
            2 => Output::MinusDi,
            3 => Output::Dx,
            _ => Output::Adx,
        };
        Directional::new(params[0], output)
    }
    fn warm_up(params: &[u32], output: usize) -> u32 {
        params[0]
            .saturating_mul(if output == 0 { 2 } else { 1 })
            .saturating_add(u32::from(output != 0))
    }
    fn settled(params: &[u32], output: usize) -> u32 {
        let sums = settled(params[0]);
        // The index averages values of the sums, once more with Wilder's smoothing.
        if output == 0 {
            sums.saturating_add(params[0].saturating_mul(14).div_ceil(10))
        } else {
            sums
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::bar;

    fn values(output: Output, prices: &[i64]) -> Vec<f64> {
        let mut one = Directional::new(2, output);
        prices.iter().map(|price| one.update(&bar(*price))).collect()
    }

    #[test]
    fn a_rise_points_up_and_a_fall_down() {
        let (rise, fall) = ([1, 2, 3, 4, 5], [5, 4, 3, 2, 1]);
        assert_eq!(values(Output::PlusDi, &rise)[2..], [100.0; 3]);
        assert_eq!(values(Output::MinusDi, &rise)[2..], [0.0; 3]);
        assert_eq!(values(Output::MinusDi, &fall)[2..], [100.0; 3]);
        assert_eq!(values(Output::Adx, &fall)[3..], [100.0; 2]);
    }

    #[test]
    fn without_movement_the_average_stays() {
        let prices = [1, 3, 2, 4, 4, 4, 4];
        let adx = values(Output::Adx, &prices);
        assert!(adx[2].is_nan() && adx[3] > 0.0);
        // The movement of before still weighs, so its index does not change.
        let dx = values(Output::Dx, &prices);
        assert_eq!(dx[3].to_bits(), dx[6].to_bits());
        let still = values(Output::Adx, &[4; 6]);
        assert_eq!(still[3..], [0.0; 3]);
    }
}
