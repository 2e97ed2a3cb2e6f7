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

/// `x / (1 + x)`: 0 for 0, half for 1, near 1 for large values.
pub(super) fn saturating(x: f64) -> f64 {
    let x = x.max(0.0);
    if x.is_finite() { x / (1.0 + x) } else { 1.0 }
}

/// A part of 1 in millionths.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, which is what is wanted"
)]
pub(super) fn ppm(part: f64) -> u32 {
    (part * 1e6).clamp(0.0, 1e6) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_scaled_and_a_confidence_is_bounded() {
        let two = Decimal::from(2);
        let of = [(Set::Loose, Decimal::ONE), (Set::Strict, two)];
        let thresholds = of.map(|(set, scale)| set.threshold(scale, 0.02, 0.03));
        assert_eq!(thresholds[..], [0.02, 0.06]);
        let all = [-1.0, 0.0, 1.0, 3.0, f64::INFINITY].map(|x| ppm(saturating(x)));
        assert_eq!(all, [0, 0, 500_000, 750_000, 1_000_000]);
        assert_eq!([-0.5, f64::NAN, 2.0].map(ppm), [0, 0, 1_000_000]);
    }
}
