//! Buys the first close at or below the lower line of a regression channel, and sells one at or
//! above its middle.
//!
//! A channel counts only if its line explains enough of the variance of the closes. The sale does
//! not depend on that.

use super::conditions::{Condition, Conditions, first_lack};
use super::edge::Edge;
use super::numbers::{ppm, show, show_from};
use super::setting::{Form, Setting, TIMEFRAME, Wrong};
use super::thresholds::{self, Set};
use super::{Strategy, StrategySignal, View};
use everwarm_domain::money::Decimal;
use everwarm_domain::signal::Intent;
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
/// Distance of the lines, relative to the price, below which a channel is a line.
const FLAT: f64 = 1e-9;

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
    type Memory = Edge;

    /// The last of n closes is at most sqrt(n - (4n - 2) / (n + 1)) deviations from the line: its
    /// leverage in the regression is (4n - 2) / (n (n + 1)). A lower line that is farther away is
    /// never reached.
    fn check(section: &Section) -> Result<(), Wrong> {
        let (n, far) = (u64::from(section.length), u64::from(section.deviations));
        if far * far * (n + 1) + 4 * n - 2 < n * (n + 1) {
            return Ok(());
        }
        let text = format!(
            "with length = {n} no close is ever {far} deviations from the line; take more bars or \
             fewer deviations"
        );
        Err(Wrong { names: &["length", "deviations"], text })
    }

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
        edge: &mut Edge,
        long: bool,
        view: &View<'_>,
    ) -> Option<StrategySignal> {
        let [close, lower, mid, explained] = *view.values else { return None };
        if mid.is_nan() {
            edge.lacks();
            return None;
        }
        let least = threshold(section);
        let enters = edge.enters(close <= lower && explained >= least && !is_flat(lower, mid));
        let reached = close >= mid;
        let leaves = edge.leaves(long, reached);
        let (intent, reason) = if leaves {
            let (close, mid) = show(close, mid);
            let why = if reached {
                format!("the close {close} is not below the middle of the channel, {mid}")
            } else {
                format!("an earlier close reached the middle of the channel; now it is {close}")
            };
            (Intent::Close, why)
        } else if enters && !long {
            let (close, lower) = show(close, lower);
            let line = format!("the lower line of the channel, {lower}");
            (Intent::Open, format!("the close {close} is not above {line}; R² {explained:.2}"))
        } else {
            return None;
        };
        let confidence_ppm = ppm((explained - least) / (1.0 - least));
        Some(StrategySignal::new(intent, confidence_ppm, reason))
    }

    fn conditions(
        section: &Section,
        edge: &Edge,
        long: bool,
        view: &View<'_>,
    ) -> Result<Conditions, String> {
        let [close, lower, mid, explained] = *view.values else {
            return Err("it has no values".to_owned());
        };
        if mid.is_nan() {
            return Err(format!("the regression needs {} bars", section.length));
        }
        if long {
            let leaves = close >= mid || edge.is_leaving();
            let reached = Condition::new("close at the middle", leaves, || {
                let (close, mid) = show(close, mid);
                format!("the close {close} is below the middle of the channel, {mid}")
            });
            return Ok(Conditions::new(Intent::Close, vec![reached.comparing(close, mid)]));
        }
        let least = threshold(section);
        let forms = Condition::new("R² of the channel", explained >= least, || {
            let (explained, least) = show_from(2, explained, least);
            format!("R² {explained} is below {least}: the closes form no channel")
        });
        let flat = is_flat(lower, mid);
        let below = Condition::new("close at the lower line", close <= lower && !flat, || {
            let (close, lower) = show(close, lower);
            format!("the close {close} is above the lower line of the channel, {lower}")
        });
        let first = edge.is_first(forms.met && below.met);
        // The lines of a flat channel are one: the close may be on it, and nothing is near.
        let below = if flat { below } else { below.comparing(close, lower) };
        Ok(Conditions::new(Intent::Open, vec![forms.comparing(explained, least), below, first]))
    }

    fn why_not(section: &Section, edge: &Edge, long: bool, view: &View<'_>) -> String {
        first_lack(Self::conditions(section, edge, long, view))
    }
}

/// Whether the lines of a channel are one, but for rounding.
fn is_flat(lower: f64, mid: f64) -> bool {
    mid - lower <= mid.abs() * FLAT
}

/// The R² that a channel needs.
fn threshold(section: &Section) -> f64 {
    section.thresholds.threshold(section.threshold_scale, 0.5, 0.7).min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::{edge, kind};

    /// Plays rows of close, lower line, middle and R².
    fn play(long: bool, rows: &[[f64; 4]]) -> (Vec<Option<Intent>>, String) {
        edge::play::<Channel, 4>(long, rows)
    }

    const ABOVE: [f64; 4] = [99.0, 90.0, 100.0, 0.6];
    const AT: [f64; 4] = [90.0, 90.0, 100.0, 0.5];

    #[test]
    fn buys_the_first_close_at_the_lower_line_and_sells_at_the_middle() {
        let (sides, why) = play(false, &[ABOVE, AT, AT]);
        assert_eq!(sides, [None, Some(Intent::Open), None]);
        assert!(why.contains("only the first one counts"), "{why}");
        let sold = play(true, &[ABOVE, [100.0, 90.0, 100.0, 0.1], [99.0, 90.0, 100.0, 0.1]]).0;
        let sale = Some(Intent::Close);
        assert_eq!(sold, [None, sale, sale], "whatever R², and until the position is gone");
    }

    #[test]
    fn says_which_condition_is_not_met() {
        let why = |long, values| {
            let (sides, why) = play(long, &[ABOVE, values]);
            assert_eq!(sides, [None, None]);
            why
        };
        let nan = f64::NAN;
        assert_eq!(why(false, [1.0, nan, nan, nan]), "the regression needs 50 bars");
        let loose = why(false, [90.0, 90.0, 100.0, 0.4996]);
        assert_eq!(loose, "R² 0.4996 is below 0.5000: the closes form no channel");
        assert!(why(false, [91.0, 90.0, 100.0, 0.5]).contains("above the lower line"));
        let below = why(true, [99.0, 90.0, 100.0, 0.5]);
        assert_eq!(below, "the close 99.00 is below the middle of the channel, 100.00");
        why(false, [100.0, 100.0, 100.0 + 1e-8, 1.0]);
    }

    #[test]
    fn a_channel_that_is_never_reached_is_refused() {
        let read = |length: u32, deviations: u32| {
            let section = format!(r#"{{"length":{length},"deviations":{deviations}}}"#);
            (kind("channel").unwrap().read)(&section).map(drop).map_err(|wrong| wrong.names)
        };
        let wrong: Result<(), &[&str]> = Err(&["length", "deviations"]);
        for (least, deviations) in [(4, 1), (8, 2), (104, 10)] {
            assert_eq!(read(least, deviations), Ok(()), "{least}");
            assert_eq!(read(least - 1, deviations), wrong, "{least}");
        }
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
