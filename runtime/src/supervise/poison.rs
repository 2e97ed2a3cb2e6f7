//! Counts how often a stage failed at an input, so that one bad input cannot fail it for ever.
//!
//! Pure: whoever owns the journal keeps it there, and writes the attempt before the next try.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Failures at the same input that make it poisoned.
pub const POISON_ATTEMPTS: u32 = 3;

/// What a failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be tried again; so many tries are left.
    Again {
        /// Tries left, at least 1.
        left: u32,
    },
    /// It has failed too often and must be set aside.
    Poisoned,
}

/// Failed attempts of each stage at the inputs it has not passed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poison {
    attempts: BTreeMap<String, BTreeMap<u64, u32>>,
}

impl Poison {
    /// Counts a failure of `stage` at input `n`; one that was `injected` leaves the count as it is.
    pub fn failed(&mut self, stage: &str, n: u64, injected: bool) -> Verdict {
        if !injected {
            let inputs = self.attempts.entry(stage.to_owned()).or_default();
            let count = inputs.entry(n).or_default();
            *count = count.saturating_add(1);
        }
        match POISON_ATTEMPTS.saturating_sub(self.attempts(stage, n)) {
            0 => Verdict::Poisoned,
            left => Verdict::Again { left },
        }
    }

    /// Forgets what `stage` did at the inputs up to `n`: it has passed them.
    pub fn passed(&mut self, stage: &str, n: u64) {
        if let Some(inputs) = self.attempts.get_mut(stage) {
            inputs.retain(|input, _| *input > n);
            if inputs.is_empty() {
                self.attempts.remove(stage);
            }
        }
    }

    /// How often `stage` has failed at `n`.
    pub fn attempts(&self, stage: &str, n: u64) -> u32 {
        self.attempts.get(stage).and_then(|inputs| inputs.get(&n)).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_failure_at_one_input_poisons_it() {
        let mut poison = Poison::default();
        assert_eq!(poison.failed("regime", 7, false), Verdict::Again { left: 2 });
        assert_eq!(poison.failed("counter", 7, false), Verdict::Again { left: 2 });
        assert_eq!(poison.failed("regime", 8, false), Verdict::Again { left: 2 });
        assert_eq!(poison.failed("regime", 7, true), Verdict::Again { left: 2 });
        assert_eq!(poison.failed("regime", 7, false), Verdict::Again { left: 1 });
        assert_eq!(poison.failed("regime", 7, false), Verdict::Poisoned);
        assert_eq!(poison.failed("regime", 7, true), Verdict::Poisoned);
    }

    #[test]
    fn what_was_passed_is_forgotten_and_the_rest_is_kept() {
        let mut poison = Poison::default();
        for n in [7, 8, 9] {
            poison.failed("regime", n, false);
        }
        poison.passed("regime", 8);
        assert_eq!((7..10).map(|n| poison.attempts("regime", n)).collect::<Vec<_>>(), [0, 0, 1]);
        let stored = rmp_serde::to_vec(&poison).unwrap();
        assert_eq!(rmp_serde::from_slice::<Poison>(&stored).unwrap(), poison);
        poison.passed("regime", 9);
        assert_eq!(poison, Poison::default());
    }
}
