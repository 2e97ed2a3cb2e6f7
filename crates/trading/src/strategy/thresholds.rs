//! Named sets of thresholds, and a factor for the chosen one.

use super::setting::{Form, Setting};
use everwarm_domain::money::{Decimal, float};
use serde::{Deserialize, Serialize};

/// The setting that chooses a set.
pub(super) const SET: Setting = Setting {
    name: "thresholds",
    form: Form::OneOf(&["loose", "strict"]),
    about: "Set of thresholds: loose or strict.",
};
/// The setting with the factor.
pub(super) const SCALE: Setting = Setting {
    name: "threshold_scale",
    form: Form::Amount { zero: false },
    about: "Factor of the thresholds, like \"0.5\".",
};

/// A set of thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Set {
    /// More entries.
    Loose,
    /// Fewer entries.
    Strict,
}

impl Set {
    /// The threshold of this set, times the factor.
    pub(super) fn threshold(self, scale: Decimal, loose: f64, strict: f64) -> f64 {
        let threshold = if self == Set::Loose { loose } else { strict };
        threshold * float(scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_scaled() {
        let two = Decimal::from(2);
        let of = [(Set::Loose, Decimal::ONE), (Set::Strict, two)];
        let thresholds = of.map(|(set, scale)| set.threshold(scale, 0.02, 0.03));
        assert_eq!(thresholds[..], [0.02, 0.06]);
    }
}
