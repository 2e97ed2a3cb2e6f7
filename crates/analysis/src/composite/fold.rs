//! Bars of a composite.

use super::Step;
use crate::{Bar, SCALE};
use serde::{Deserialize, Serialize};

/// Makes bars of one width from the values of one composite.
///
/// A bar opens at the value before its first one. Its high and low are the extremes of that value
/// and its own. So they are as fine as the values: with a value each minute they are those of the
/// minutes. A bar has 8 decimals and no volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fold {
    /// Milliseconds.
    width: i64,
    present: Option<Present>,
}

/// A bar that is not complete. Prices are in units of 10^-[`SCALE`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Present {
    open_time: i64,
    open: i64,
    high: i64,
    low: i64,
    close: i64,
}

impl Fold {
    /// Makes bars of `width` milliseconds, at least 1.
    #[must_use]
    pub fn new(width: i64) -> Fold {
        Fold { width: width.max(1), present: None }
    }

    /// Takes the value at `time`, UTC milliseconds. Appends each bar that is complete then. A bar
    /// without a value at its end is complete at the next value.
    pub fn update(&mut self, time: i64, step: Step, bars: &mut Vec<Bar>) {
        let open_time = time.saturating_sub(1).div_euclid(self.width) * self.width;
        bars.extend(self.present.take_if(|bar| bar.open_time != open_time).map(|bar| bar.bar()));
        let (open, close) = (units(step.before), units(step.value));
        let fresh = Present { open_time, open, high: open, low: open, close };
        let bar = self.present.get_or_insert(fresh);
        (bar.high, bar.low, bar.close) = (bar.high.max(close), bar.low.min(close), close);
        bars.extend(self.present.take_if(|_| time - open_time == self.width).map(|bar| bar.bar()));
    }
}

impl Present {
    fn bar(&self) -> Bar {
        let Present { open_time, open, high, low, close } = *self;
        Bar { open_time, open, high, low, close, scale: SCALE, volume: 0 }
    }
}

/// A value in units of 10^-[`SCALE`].
#[expect(clippy::cast_possible_truncation, reason = "a value is at most 10^9: 10^17 units")]
fn units(value: f64) -> i64 {
    (value * 10_f64.powi(SCALE.into())).round() as i64
}
