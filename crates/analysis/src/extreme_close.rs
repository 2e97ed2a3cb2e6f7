//! The highest and the lowest close: `closes(20).high` is the highest close of the last n bars with
//! the present one, `.low` the lowest. The first value comes after n bars.

use crate::{Bar, Catalogued, Donchian, Indicator, LENGTH, Param};
use serde::{Deserialize, Serialize};

/// The extreme close of the last bars: a channel over bars that are their closes alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtremeClose(Donchian);

impl Indicator for ExtremeClose {
    fn update(&mut self, bar: &Bar) -> f64 {
        self.0.update(&Bar { high: bar.close, low: bar.close, ..*bar })
    }

    fn rescale(&mut self, factor: i64) -> bool {
        self.0.rescale(factor)
    }
}

impl Catalogued for ExtremeClose {
    const NAME: &'static str = "closes";
    const PARAMS: &'static [Param] = &[LENGTH];
    const OUTPUTS: &'static [&'static str] = &["high", "low"];
    const COLUMNS: &'static [(usize, &'static str)] = &[(0, "close_high"), (1, "close_low")];
    fn is_price(_: usize) -> bool {
        true
    }
    fn make(params: &[u32], output: usize) -> ExtremeClose {
        ExtremeClose(Donchian::make(params, output))
    }
    fn warm_up(params: &[u32], output: usize) -> u32 {
        Donchian::warm_up(params, output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::bar;

    #[test]
    fn is_the_extreme_of_the_last_closes_whatever_the_bars_reached() {
        for (output, expected) in [(0, [9.0, 9.0, 6.0, 7.0]), (1, [4.0, 4.0, 3.0, 3.0])] {
            let mut one = ExtremeClose::make(&[3], output);
            let wide = |close| Bar { high: 1_000_000_000_000, low: 1, ..bar(close) };
            let values: Vec<f64> =
                [5, 9, 4, 6, 3, 7].iter().map(|close| one.update(&wide(*close))).collect();
            assert!(values[..2].iter().all(|value| value.is_nan()), "{values:?}");
            assert_eq!(values[2..], expected);
        }
    }
}
