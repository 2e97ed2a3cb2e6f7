//! Buys a close at the lower line of a regression channel, and sells one at its middle.
//!
//! A channel counts only if its line explains enough of the variance of the closes. The sale does
//! not depend on that.

use super::setting::{Form, Setting, TIMEFRAME};
use super::thresholds::{self, Set, ppm};
use super::{Strategy, StrategySignal, View};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{ExitPrices, Side};
use everwarm_domain::time::Timeframe;
use serde::{Deserialize, Serialize};

/// The channel strategy.
#[derive(Clone, Copy, Debug)]
pub struct Channel;

/// Settings of the strategy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Width of the bars it runs on.
    pub timeframe: Timeframe,
    /// Bars of the regression.
    pub length: u32,
    /// Standard deviations from the middle to the lower line.
    pub deviations: u32,
    /// Set of thresholds: an R² of 0.5 or 0.7.
    pub thresholds: Set,
    /// Factor of the threshold. The result is at most 0.95.
    pub threshold_scale: Decimal,
}

impl Default for Section {
    fn default() -> Section {
        Section {
            timeframe: Timeframe::M5,
            length: 50,
            deviations: 2,
            thresholds: Set::Loose,
            threshold_scale: Decimal::ONE,
        }
    }
}

/// The largest R² that is asked for.
const MOST: f64 = 0.95;

impl Strategy for Channel {
    const KIND: &'static str = "channel";
    const VERSION: u16 = 1;
    const SETTINGS: &'static [Setting] = &[
        TIMEFRAME,
        Setting {
            name: "length",
            form: Form::Whole { least: 3, most: 1000 },
            about: "Length of the regression in bars.",
        },
        Setting {
            name: "deviations",
            form: Form::Whole { least: 1, most: 10 },
            about: "Standard deviations from the middle of the channel to its lower line.",
        },
        Setting {
            about: "R² that a channel needs: loose 0.5, strict 0.7. Scaled, it is at most 0.95.",
            ..thresholds::SET
        },
        thresholds::SCALE,
    ];
    type Section = Section;
    /// No memory.
    type Memory = ();

    fn timeframe(section: &Section) -> Timeframe {
        section.timeframe
    }

    fn features(section: &Section) -> Vec<String> {
        let Section { timeframe, length, deviations, .. } = section;
        let line = |output: &str| format!("linreg({length},{deviations}).{output}@{timeframe}");
        vec![format!("close@{timeframe}"), line("lower"), line("mid"), line("r2")]
    }

    fn update(
        section: &Section,
        (): &mut (),
        long: bool,
        view: &View<'_>,
    ) -> Option<StrategySignal> {
        let [close, lower, mid, explained] = *view.values else { return None };
        let (side, reason) = if long && close >= mid {
            (Side::Sell, format!("the close {close} is at the middle of the channel, {mid:.6}"))
        } else if !long && close <= lower && explained >= threshold(section) {
            let line = format!("the lower line of the channel, {lower:.6}");
            (Side::Buy, format!("the close {close} is at {line}; R² {explained:.2}"))
        } else {
            return None;
        };
        let least = threshold(section);
        let confidence_ppm = ppm((explained - least) / (1.0 - least));
        Some(StrategySignal { side, confidence_ppm, reason, exits: ExitPrices::default() })
    }

    fn why_not(section: &Section, (): &(), long: bool, view: &View<'_>) -> String {
        let [close, lower, mid, explained] = *view.values else {
            return "it has no values".to_owned();
        };
        if mid.is_nan() {
            return format!("the regression needs {} bars", section.length);
        }
        if long {
            return format!("the close {close} is below the middle of the channel, {mid:.6}");
        }
        let least = threshold(section);
        if explained < least {
            return format!("R² {explained:.2} is below {least:.2}: the closes form no channel");
        }
        format!("the close {close} is above the lower line of the channel, {lower:.6}")
    }
}

/// The R² that a channel needs.
fn threshold(section: &Section) -> f64 {
    section.thresholds.threshold(section.threshold_scale, 0.5, 0.7).min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::kind;
    use everwarm_domain::features::FeatureHead;
    use everwarm_domain::money::Price;

    fn played(long: bool, values: [f64; 4]) -> (Option<Side>, String) {
        let symbol = crate::testing::sym("A");
        let head = FeatureHead { symbol, time: 0, close: Price::e8(1) };
        let (section, view) = (Section::default(), View { head, values: &values });
        let signal = Channel::update(&section, &mut (), long, &view);
        (signal.map(|signal| signal.side), Channel::why_not(&section, &(), long, &view))
    }

    #[test]
    fn buys_at_the_lower_line_and_sells_at_the_middle() {
        assert_eq!(played(false, [90.0, 90.0, 100.0, 0.5]).0, Some(Side::Buy));
        assert_eq!(played(true, [100.0, 90.0, 100.0, 0.1]).0, Some(Side::Sell), "whatever R²");
    }

    #[test]
    fn says_which_condition_is_not_met() {
        let why = |long, values| {
            let (side, why) = played(long, values);
            assert_eq!(side, None);
            why
        };
        let nan = f64::NAN;
        assert_eq!(why(false, [1.0, nan, nan, nan]), "the regression needs 50 bars");
        let flat = why(false, [90.0, 90.0, 100.0, 0.49]);
        assert_eq!(flat, "R² 0.49 is below 0.50: the closes form no channel");
        assert!(why(false, [91.0, 90.0, 100.0, 0.5]).contains("above the lower line"));
        assert!(why(true, [99.0, 90.0, 100.0, 0.5]).contains("below the middle"));
    }

    #[test]
    fn a_scaled_threshold_stays_below_one() {
        let scaled = |thresholds, scale| {
            threshold(&Section { thresholds, threshold_scale: scale, ..Section::default() })
        };
        assert!((scaled(Set::Loose, Decimal::new(2, 1)) - 0.1).abs() < 1e-12);
        assert!((scaled(Set::Strict, Decimal::TWO) - MOST).abs() < 1e-12);
        let section = r#"{"timeframe":"1h","length":9,"deviations":1}"#;
        let kind = kind("channel").unwrap();
        let features = (kind.features)(&(kind.read)(section).unwrap());
        assert_eq!(features[1..3], ["linreg(9,1).lower@1h", "linreg(9,1).mid@1h"]);
    }
}
