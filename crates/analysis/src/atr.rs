//! Average true range with Wilder's smoothing. The first value comes after n + 1 bars.

use crate::true_range::true_range;
use crate::{Bar, Catalogued, Indicator, LENGTH, Param, grown};
use serde::{Deserialize, Serialize};

/// Wilder's mean of the true ranges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Atr {
    length: u32,
    previous: Option<i64>,
    /// True ranges summed into the seed so far; `length` once the seed is complete.
    seeded: u32,
    value: f64,
    seed: f64,
}

impl Atr {
    /// An average over `length` true ranges, at least 1.
    #[must_use]
    pub fn new(length: u32) -> Atr {
        Atr { length: length.max(1), previous: None, seeded: 0, value: f64::NAN, seed: 0.0 }
    }
}

/// Bars after which the seed of Wilder's smoothing weighs at most 1 %: of n bars the seed is made,
/// and after m more it weighs `(1 - 1 / n)^m`. 5.61 n bars are enough, and the first has no value.
pub(crate) const fn settled(length: u32) -> u32 {
    length.saturating_mul(561).div_ceil(100).saturating_add(1)
}

impl Indicator for Atr {
    fn update(&mut self, bar: &Bar) -> f64 {
        let Some(before) = self.previous.replace(bar.close) else { return f64::NAN };
        let range = true_range(bar, before);
        let n = f64::from(self.length);
        if self.seeded < self.length {
            self.seeded += 1;
            self.seed += range;
            if self.seeded == self.length {
                self.value = self.seed / n;
            }
        } else {
            self.value = (self.value * (n - 1.0) + range) / n;
        }
        self.value
    }

    fn rescale(&mut self, factor: i64) -> bool {
        grown(&mut self.previous, factor)
    }
}

impl Catalogued for Atr {
    const NAME: &'static str = "atr";
    const PARAMS: &'static [Param] = &[LENGTH];
    fn make(params: &[u32], _: usize) -> Atr {
        Atr::new(params[0])
    }
    fn warm_up(params: &[u32], _: usize) -> u32 {
        params[0].saturating_add(1)
    }
    fn settled(params: &[u32], _: usize) -> u32 {
        settled(params[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::bar;

    #[test]
    fn counts_the_jump_from_the_previous_close() {
        let mut atr = Atr::new(2);
        let values: Vec<_> = [10, 14, 12, 20].iter().map(|p| atr.update(&bar(*p))).collect();
        assert!(values[..2].iter().all(|v| v.is_nan()));
        assert_eq!(values[2..], [3.0, 5.5]);
    }
}
