//! The values of one composite.

use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// The first value.
const START: f64 = 100.0;
/// Values that a bar can have: at least 100 of its units. Another value is no data.
const VALUES: RangeInclusive<f64> = 1e-6..=1e9;

/// A value of a composite, and the one before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The value at the close before, or the first value itself.
    pub before: f64,
    /// The value at this close.
    pub value: f64,
}

/// The members of one composite at a close, summed up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    /// Members with a bar.
    bars: usize,
    /// Members with a bar at the close before, too.
    pairs: usize,
    /// Sum of the weights of these, and of their weights times `close / close before`.
    weight: f64,
    weighted: f64,
}

impl Sums {
    /// Adds a member with a bar. `change` is its close divided by the one before, if that is known.
    pub(super) fn add(&mut self, weight: f64, change: Option<f64>) {
        self.bars += 1;
        if let Some(change) = change {
            self.pairs += 1;
            self.weight += weight;
            self.weighted += weight * change;
        }
    }
}

/// The value of one composite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Chain {
    value: f64,
    /// The newest close at which enough members had bars. The next close is compared with it, so
    /// an outage of all members loses no change of prices.
    time: Option<i64>,
}

impl Default for Chain {
    fn default() -> Chain {
        Chain { value: START, time: None }
    }
}

impl Chain {
    /// The close with which the next one is compared.
    pub(super) const fn time(&self) -> Option<i64> {
        self.time
    }

    /// The newest value. None: there is none yet.
    pub(super) fn value(&self) -> Option<f64> {
        self.time.map(|_| self.value)
    }

    /// Takes the members at a close.
    pub(super) fn take(&mut self, time: i64, sums: Sums, least: usize) -> Option<Step> {
        if sums.bars < least {
            return None;
        }
        let begun = self.time.replace(time).is_some();
        if !begun {
            return Some(Step { before: START, value: START });
        }
        let value = self.value * (sums.weighted / sums.weight);
        // Without a member that has both bars the quotient is NaN, which is in no range.
        if sums.pairs < least || !VALUES.contains(&value) {
            return None;
        }
        let before = std::mem::replace(&mut self.value, value);
        Some(Step { before, value })
    }
}
