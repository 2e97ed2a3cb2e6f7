//! Numbers of strategies: confidence, and values in texts.

use std::cmp::Ordering;

/// `x / (1 + x)`: 0 for 0, half for 1, near 1 for large values.
#[must_use]
pub fn saturating(x: f64) -> f64 {
    let x = x.max(0.0);
    if x.is_finite() { x / (1.0 + x) } else { 1.0 }
}

/// A part of 1 in millionths.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, which is what is wanted"
)]
#[must_use]
pub fn ppm(part: f64) -> u32 {
    (part * 1e6).clamp(0.0, 1e6) as u32
}

/// Two prices with the fewest decimals that distinguish them: two from 100 on, more for smaller
/// ones.
#[must_use]
pub fn show(one: f64, other: f64) -> (String, String) {
    let fewest = match other.abs() {
        v if v >= 100.0 => 2,
        v if v >= 1.0 => 4,
        // Averages of prices with more than 8 decimals.
        v if v < 1e-8 => 12,
        _ => 6,
    };
    show_from(fewest, one, other)
}

/// Two numbers with at least `fewest` decimals, and as many as distinguish them. Equal ones have
/// the fewest.
pub(super) fn show_from(fewest: usize, one: f64, other: f64) -> (String, String) {
    let most = match one.partial_cmp(&other) {
        Some(Ordering::Equal) => fewest,
        _ if other.abs() < 1e-8 => 24,
        _ => 12,
    };
    let mut shown = (String::new(), String::new());
    for decimals in fewest..=most {
        shown = (format!("{one:.decimals$}"), format!("{other:.decimals$}"));
        if shown.0 != shown.1 {
            break;
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confidence_is_bounded() {
        let all = [-1.0, 0.0, 1.0, 3.0, f64::INFINITY].map(|x| ppm(saturating(x)));
        assert_eq!(all, [0, 0, 500_000, 750_000, 1_000_000]);
        assert_eq!([-0.5, f64::NAN, 2.0].map(ppm), [0, 0, 1_000_000]);
    }

    #[test]
    fn what_differs_is_shown_as_different() {
        assert_eq!(show(46_456.501, 46_456.502), ("46456.501".into(), "46456.502".into()));
        assert_eq!(show(0.001_620_08, 0.001_61), ("0.001620".into(), "0.001610".into()));
        assert_eq!(show_from(2, 0.4996, 0.5), ("0.4996".into(), "0.5000".into()));
        assert_eq!(show(3.1e-11, 3.0e-11).0, "0.000000000031");
        assert_eq!(show(101.0, 101.0).0, "101.00");
    }
}
