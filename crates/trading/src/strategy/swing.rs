//! Buys the first close above the high of the last bars after a rise from their low, and sells a
//! close below the low of fewer bars.

use super::conditions::{Condition, Conditions, first_lack};
use super::edge::Edge;
use super::numbers::{ppm, saturating, show, show_from};
use super::setting::{Form, Setting, TIMEFRAME, Wrong};
use super::thresholds::{self, Set};
use super::{Strategy, StrategySignal, View};
use everwarm_domain::money::Decimal;
use everwarm_domain::signal::Intent;
use everwarm_domain::time::Timeframe;
use serde::{Deserialize, Serialize};

/// The swing strategy.
#[derive(Clone, Copy, Debug)]
pub struct Swing;

/// Settings of the strategy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Width of the bars it runs on.
    pub timeframe: Timeframe,
    /// Bars whose high the close must pass.
    pub entry_bars: u32,
    /// Bars whose low ends the position.
    pub exit_bars: u32,
    /// Set of thresholds: a rise of 2 % or 3 %.
    pub thresholds: Set,
    /// Factor of the threshold.
    pub threshold_scale: Decimal,
}

impl Default for Section {
    fn default() -> Section {
        Section {
            timeframe: Timeframe::M15,
            entry_bars: 20,
            exit_bars: 10,
            thresholds: Set::Loose,
            threshold_scale: Decimal::ONE,
        }
    }
}

const BARS: Form = Form::Whole { least: 2, most: 1000 };
/// Bars of the average true range, the unit of confidence.
const RANGE: u32 = 14;

impl Strategy for Swing {
    const KIND: &'static str = "swing";
    const VERSION: u16 = 1;
    const SETTINGS: &'static [Setting] = &[
        TIMEFRAME,
        Setting { name: "entry_bars", form: BARS, about: "It buys above the high of these bars." },
        Setting { name: "exit_bars", form: BARS, about: "It sells below the low of these bars." },
        Setting {
            about: "Rise from the low of `entry_bars` that an entry needs: loose 2 %, strict 3 %.",
            ..thresholds::SET
        },
        thresholds::SCALE,
    ];
    type Section = Section;
    type Memory = Edge;

    fn check(section: &Section) -> Result<(), Wrong> {
        let Section { entry_bars, exit_bars, .. } = section;
        if exit_bars <= entry_bars {
            return Ok(());
        }
        let text = format!("exit_bars = {exit_bars} must not be above entry_bars = {entry_bars}");
        Err(Wrong { names: &["entry_bars", "exit_bars"], text })
    }

    fn timeframe(section: &Section) -> Timeframe {
        section.timeframe
    }

    fn features(section: &Section) -> Vec<String> {
        let Section { timeframe, entry_bars, exit_bars, .. } = section;
        vec![
            format!("close@{timeframe}"),
            format!("donchian({entry_bars}).prior_high@{timeframe}"),
            format!("donchian({entry_bars}).low@{timeframe}"),
            format!("donchian({exit_bars}).prior_low@{timeframe}"),
            format!("atr({RANGE})@{timeframe}"),
        ]
    }

    fn update(
        section: &Section,
        edge: &mut Edge,
        long: bool,
        view: &View<'_>,
    ) -> Option<StrategySignal> {
        let [close, top, low, bottom, range] = *view.values else { return None };
        if top.is_nan() || bottom.is_nan() {
            edge.lacks();
            return None;
        }
        let enters = edge.enters(close > top && close >= low * (1.0 + rise(section)));
        let fell = close < bottom;
        let leaves = edge.leaves(long, fell);
        let Section { entry_bars, exit_bars, .. } = section;
        let (intent, reason) = if leaves {
            let (close, bottom) = show(close, bottom);
            let why = if fell {
                format!("the close {close} is below {bottom}, the low of {exit_bars} bars")
            } else {
                format!("an earlier close was below the low of {exit_bars} bars; now it is {close}")
            };
            (Intent::Close, why)
        } else if enters && !long {
            let (risen, _) = risen(section, close, low);
            let (close, top) = show(close, top);
            let why = format!(
                "the close {close} is above {top}, the high of {entry_bars} bars, and {risen} % \
                 above their low"
            );
            (Intent::Open, why)
        } else {
            return None;
        };
        let far = if intent == Intent::Open { close - top } else { bottom - close };
        // Half an average true range is worth one half.
        let confidence_ppm = ppm(saturating(2.0 * far / range));
        Some(StrategySignal::new(intent, confidence_ppm, reason))
    }

    fn conditions(
        section: &Section,
        edge: &Edge,
        long: bool,
        view: &View<'_>,
    ) -> Result<Conditions, String> {
        let [close, top, low, bottom, _] = *view.values else {
            return Err("it has no values".to_owned());
        };
        let Section { entry_bars, exit_bars, .. } = section;
        if top.is_nan() || bottom.is_nan() {
            return Err(format!("the high of {entry_bars} bars is not known yet"));
        }
        if long {
            let leaves = close < bottom || edge.is_leaving();
            let fell = Condition::new("close below the low", leaves, || {
                let (close, bottom) = show(close, bottom);
                format!("the close {close} is not below {bottom}, the low of {exit_bars} bars")
            });
            return Ok(Conditions::new(Intent::Close, vec![fell.comparing(close, bottom)]));
        }
        let above = Condition::new("close above the high", close > top, || {
            let (close, top) = show(close, top);
            format!("the close {close} is not above {top}, the high of {entry_bars} bars")
        });
        let least = low * (1.0 + rise(section));
        let rose = Condition::new("rise from the low", close >= least, || {
            let (risen, needed) = risen(section, close, low);
            format!("the close is {risen} % above the low of the bars, not {needed} %")
        });
        let first = edge.is_first(above.met && rose.met);
        let all = vec![above.comparing(close, top), rose.comparing(close, least), first];
        Ok(Conditions::new(Intent::Open, all))
    }

    fn why_not(section: &Section, edge: &Edge, long: bool, view: &View<'_>) -> String {
        first_lack(Self::conditions(section, edge, long, view))
    }
}

/// The rise of a close from the low, and the rise that an entry needs, in per cent.
fn risen(section: &Section, close: f64, low: f64) -> (String, String) {
    show_from(2, 100.0 * (close / low - 1.0), 100.0 * rise(section))
}

/// The rise that an entry needs, as a part of the low.
fn rise(section: &Section) -> f64 {
    section.thresholds.threshold(section.threshold_scale, 0.02, 0.03)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::{edge, kind};

    /// Plays rows of close, high and low of the entry bars, and low of the exit bars.
    fn play(long: bool, rows: &[[f64; 4]]) -> (Vec<Option<Intent>>, String) {
        let rows: Vec<_> = rows.iter().map(|[a, b, c, d]| [*a, *b, *c, *d, 1.0]).collect();
        edge::play::<Swing, 5>(long, &rows)
    }

    const BELOW: [f64; 4] = [100.0, 101.0, 99.0, 100.0];

    #[test]
    fn buys_the_first_close_above_the_high_of_before() {
        let above = [102.0, 101.0, 99.0, 100.0];
        assert_eq!(play(false, &[BELOW, above]).0, [None, Some(Intent::Open)]);
        let (sides, why) = play(false, &[BELOW, above, [103.0, 102.0, 99.0, 100.0]]);
        assert_eq!(sides[2], None, "only the first");
        assert!(why.contains("only the first one counts"), "{why}");
        let again = [BELOW, above, [101.5, 103.0, 99.0, 100.0], [104.0, 103.0, 99.0, 100.0]];
        assert_eq!(play(false, &again).0[2..], [None, Some(Intent::Open)], "after one below");
        let (sides, why) = play(false, &[above]);
        assert_eq!(sides, [None]);
        assert!(why.contains("the first close with values"), "{why}");
    }

    #[test]
    fn needs_the_rise_and_says_what_lacks() {
        let (sides, why) = play(false, &[BELOW, [101.5, 101.0, 99.9, 100.0]]);
        let lacks = "the close is 1.60 % above the low of the bars, not 2.00 %";
        assert_eq!((sides[1], &why[..]), (None, lacks));
        let (_, why) = play(false, &[BELOW, [101.0, 101.0, 90.0, 90.0]]);
        assert_eq!(why, "the close 101.00 is not above 101.00, the high of 20 bars");
        let nan = f64::NAN;
        let (sides, why) = play(false, &[BELOW, [9.0, nan, 1.0, nan], [9.0, 8.0, 1.0, 1.0]]);
        assert_eq!(sides, [None, None, None]);
        assert!(why.contains("the first close with values"), "{why}");
        assert_eq!(play(false, &[[9.0, nan, nan, nan]]).1, "the high of 20 bars is not known yet");
    }

    #[test]
    fn sells_below_the_low_of_before() {
        let rows = [[98.0, 101.0, 90.0, 98.0], [96.9, 99.0, 90.0, 97.0]];
        assert_eq!(play(true, &rows).0, [None, Some(Intent::Close)]);
        let (_, why) = play(true, &rows[..1]);
        assert!(why.ends_with("is not below 98.0000, the low of 10 bars"), "{why}");
    }

    #[test]
    fn an_exit_that_fell_due_in_silence_is_made_at_the_next_row() {
        // The signal of the second row reaches nobody; the third one is above the new low.
        let rows = [[98.0, 101.0, 90.0, 98.0], [90.0, 99.0, 90.0, 97.0], [92.0, 99.0, 90.0, 90.0]];
        assert_eq!(play(true, &rows).0[1..], [Some(Intent::Close), Some(Intent::Close)]);
    }

    #[test]
    fn its_settings_are_checked_and_scaled() {
        let kind = kind("swing").unwrap();
        let wrong = (kind.read)(r#"{"entry_bars":5}"#).unwrap_err();
        assert_eq!(wrong.names, ["entry_bars", "exit_bars"]);
        assert!((kind.read)(r#"{"thresholds":"wide"}"#).is_err());
        assert!((kind.read)(r#"{"threshold_scale":"0"}"#).is_err());
        let strict = Section {
            thresholds: Set::Strict,
            threshold_scale: Decimal::new(5, 1),
            ..Section::default()
        };
        assert!((rise(&strict) - 0.015).abs() < 1e-12);
    }
}
