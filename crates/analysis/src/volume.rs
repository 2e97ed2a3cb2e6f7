//! Rolling volume: the sum of the volumes of the last n bars, in base units. The first value comes
//! after n bars.
//!
//! The sum is an integer, so it is exact and independent of the first bar.

use crate::wide::Wide;
use crate::{Bar, Catalogued, Indicator, LENGTH, Param, VOLUME_SCALE, power};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Sum of the last volumes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    length: u32,
    /// The last volumes, the oldest first.
    window: VecDeque<i128>,
    sum: Wide,
}

impl Volume {
    /// A sum over `length` bars, at least 1.
    #[must_use]
    pub fn new(length: u32) -> Volume {
        let length = length.max(1);
        let window = VecDeque::with_capacity(length as usize);
        Volume { length, window, sum: Wide::default() }
    }
}

impl Indicator for Volume {
    fn update(&mut self, bar: &Bar) -> f64 {
        let full = self.window.len() >= self.length as usize;
        let oldest = full.then(|| self.window.pop_front()).flatten();
        self.window.push_back(bar.volume);
        self.sum.add(1, bar.volume);
        self.sum.add(-1, oldest.unwrap_or_default());
        if self.window.len() < self.length as usize {
            return f64::NAN;
        }
        let (sum, scale) = self.sum.shortest(VOLUME_SCALE);
        sum / power(scale)
    }

    fn rescale(&mut self, _: i64) -> bool {
        true
    }
}

impl Catalogued for Volume {
    const NAME: &'static str = "volume";
    const PARAMS: &'static [Param] = &[LENGTH];
    const BAR_BYTES: u64 = 16;
    fn make(params: &[u32], _: usize) -> Volume {
        Volume::new(params[0])
    }
    fn warm_up(params: &[u32], _: usize) -> u32 {
        params[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::{SETS, bars, by_restarts, quantity};
    use crate::testing::{ONE, bar};

    fn values(length: u32, volumes: &[i128]) -> Vec<f64> {
        let mut sum = Volume::new(length);
        volumes.iter().map(|volume| sum.update(&Bar { volume: *volume, ..bar(9) })).collect()
    }

    #[test]
    fn is_the_sum_of_the_last_volumes_from_the_nth_on() {
        let tenth = ONE / 10;
        let sums = values(3, &[tenth, 2 * tenth, 3 * tenth, 0, ONE, 0, 0, 0, 5]);
        assert!(sums[..2].iter().all(|value| value.is_nan()));
        // Floats would give 0.1 + 0.2 + 0.3 = 0.6000000000000001.
        assert_eq!(sums[2..], [0.6, 0.5, 1.3, 1.0, 1.0, 0.0, 5e-18]);
        assert_eq!(values(1, &[tenth, 0]), [0.1, 0.0]);
    }

    #[test]
    fn holds_the_largest_volumes_and_forgets_them() {
        let sums = values(2, &[i128::MAX, i128::MAX, 3 * ONE, 4 * ONE]);
        assert!((sums[1] / 3.402_823_669_209_385e20 - 1.0).abs() < 1e-15, "{}", sums[1]);
        assert_eq!(sums[3].to_bits(), 7.0_f64.to_bits());
    }

    #[test]
    fn more_decimals_of_the_price_change_nothing() {
        let mut sum = Volume::new(2);
        sum.update(&bar(9));
        let before = sum.clone();
        assert!(sum.rescale(i64::MAX));
        assert_eq!(sum, before);
    }

    #[test]
    #[cfg_attr(shared_absent, ignore = "the shared material is absent")]
    fn is_the_sum_of_recorded_volumes_and_goes_on_after_restarts() {
        for (file, rows) in SETS {
            let bars = bars(file, rows);
            let values = by_restarts(&Volume::new(20), &bars);
            for (at, value) in values.iter().enumerate() {
                if at < 19 {
                    assert!(value.is_nan(), "{file} at {at}");
                    continue;
                }
                let sum: i128 = bars[at - 19..=at].iter().map(|bar| bar.volume).sum();
                assert_eq!(value.to_bits(), quantity(sum).to_bits(), "{file} at {at}: {value}");
            }
        }
    }
}
