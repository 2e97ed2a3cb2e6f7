//! Wilder's relative strength index: the share of upward moves in all moves, from 0 to 100. The
//! first value comes after n + 1 bars.

use crate::{Bar, Catalogued, Indicator, LENGTH, Param, grown, to_f64};
use serde::{Deserialize, Serialize};

/// Wilder's averages of the moves up and down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rsi {
    length: u32,
    previous: Option<i64>,
    /// Moves summed into the seed so far; `length` once the seed is complete.
    seeded: u32,
    up: f64,
    down: f64,
}

impl Rsi {
    /// An index over `length` moves, at least 1.
    #[must_use]
    pub fn new(length: u32) -> Rsi {
        Rsi { length: length.max(1), previous: None, seeded: 0, up: 0.0, down: 0.0 }
    }
}

impl Indicator for Rsi {
    fn update(&mut self, bar: &Bar) -> f64 {
        let Some(before) = self.previous.replace(bar.close) else { return f64::NAN };
        let up = to_f64(bar.close.saturating_sub(before).max(0), bar.scale);
        let down = to_f64(before.saturating_sub(bar.close).max(0), bar.scale);
        let n = f64::from(self.length);
        if self.seeded < self.length {
            self.seeded += 1;
            self.up += up;
            self.down += down;
            if self.seeded < self.length {
                return f64::NAN;
            }
            self.up /= n;
            self.down /= n;
        } else {
            self.up = (self.up * (n - 1.0) + up) / n;
            self.down = (self.down * (n - 1.0) + down) / n;
        }
        let all = self.up + self.down;
        // TA-Lib gives 0 if the price did not move.
        if all > 0.0 { 100.0 * (self.up / all) } else { 0.0 }
    }

    fn rescale(&mut self, factor: i64) -> bool {
        grown(&mut self.previous, factor)
    }
}

impl Catalogued for Rsi {
    const NAME: &'static str = "rsi";
    const PARAMS: &'static [Param] = &[LENGTH];
    fn make(params: &[u32], _: usize) -> Rsi {
        Rsi::new(params[0])
    }
    fn warm_up(params: &[u32], _: usize) -> u32 {
        params[0].saturating_add(1)
    }
    fn settled(params: &[u32], _: usize) -> u32 {
        crate::atr::settled(params[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::bar;

    #[test]
    fn is_the_part_of_the_moves_that_went_up() {
        let mut rsi = Rsi::new(2);
        let values: Vec<_> = [10, 13, 12, 14].iter().map(|p| rsi.update(&bar(*p))).collect();
        assert!(values[..2].iter().all(|v| v.is_nan()));
        // Means of 1.5 up and 0.5 down, then of 1.75 and 0.25.
        assert_eq!(values[2..], [75.0, 87.5]);
        let mut still = Rsi::new(1);
        still.update(&bar(5));
        assert_eq!(still.update(&bar(5)).to_bits(), 0.0_f64.to_bits());
    }
}
