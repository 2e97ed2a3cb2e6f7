//! Buys the first close above the high of the last bars after a rise from their low, and sells a
//! close below the low of fewer bars.

use super::setting::{Form, Setting, TIMEFRAME, Wrong};
use super::thresholds::{self, Set, ppm, saturating};
use super::{Strategy, StrategySignal, View};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{ExitPrices, Side};
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

/// What it remembers of the bar before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Highest high of the entry bars, and lowest low of the exit bars.
    bounds: Option<(f64, f64)>,
    /// Whether that close met both conditions of an entry.
    entered: bool,
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
    type Memory = Memory;

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
            format!("donchian({entry_bars}).high@{timeframe}"),
            format!("donchian({entry_bars}).low@{timeframe}"),
            format!("donchian({exit_bars}).low@{timeframe}"),
            format!("atr({RANGE})@{timeframe}"),
        ]
    }

    fn update(
        section: &Section,
        memory: &mut Memory,
        long: bool,
        view: &View<'_>,
    ) -> Option<StrategySignal> {
        let [close, high, low, exit, range] = *view.values else { return None };
        let bounds = (!high.is_nan()).then_some((high, exit));
        let before = std::mem::replace(memory, Memory { bounds, entered: false });
        let (top, bottom) = before.bounds?;
        memory.entered = close > top && close >= low * (1.0 + rise(section));
        let Section { entry_bars, exit_bars, .. } = section;
        let (side, reason) = if long && close < bottom {
            (Side::Sell, format!("the close is below {bottom}, the low of {exit_bars} bars"))
        } else if !long && memory.entered && !before.entered {
            let risen = 100.0 * (close / low - 1.0);
            let why = format!(
                "the close is above {top}, the high of {entry_bars} bars, and {risen:.1} % above \
                 their low {low}"
            );
            (Side::Buy, why)
        } else {
            return None;
        };
        let far = if side == Side::Buy { close - top } else { bottom - close };
        // Half an average true range is worth one half.
        let confidence_ppm = ppm(saturating(2.0 * far / range));
        Some(StrategySignal { side, confidence_ppm, reason, exits: ExitPrices::default() })
    }

    fn why_not(section: &Section, memory: &Memory, long: bool, view: &View<'_>) -> String {
        let [close, _, low, ..] = *view.values else { return "it has no values".to_owned() };
        let Section { entry_bars, exit_bars, .. } = section;
        let Some((top, bottom)) = memory.bounds else {
            return format!("the high of {entry_bars} bars is not known yet");
        };
        if long {
            return format!("the close is not below {bottom}, the low of {exit_bars} bars");
        }
        if close <= top {
            return format!("the close is not above {top}, the high of {entry_bars} bars");
        }
        let (risen, needed) = (100.0 * (close / low - 1.0), 100.0 * rise(section));
        if close < low * (1.0 + rise(section)) {
            return format!("the close is {risen:.2} % above the low {low}, not {needed:.2} %");
        }
        "the close before met the conditions already: it buys the first one".to_owned()
    }
}

/// The rise that an entry needs, as a part of the low.
fn rise(section: &Section) -> f64 {
    section.thresholds.threshold(section.threshold_scale, 0.02, 0.03)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::kind;
    use everwarm_domain::features::FeatureHead;
    use everwarm_domain::money::Price;

    /// Plays rows of close, high, low of the entry bars, and low of the exit bars.
    fn play(long: bool, rows: &[[f64; 4]]) -> (Vec<Option<Side>>, String) {
        let (section, mut memory) = (Section::default(), Memory::default());
        let (mut sides, mut why) = (Vec::new(), String::new());
        for [close, high, low, exit] in rows {
            let symbol = crate::testing::sym("A");
            let head = FeatureHead { symbol, time: 0, close: Price::e8(1) };
            let values = [*close, *high, *low, *exit, 1.0];
            let view = View { head, values: &values };
            why = Swing::why_not(&section, &memory, long, &view);
            let signal = Swing::update(&section, &mut memory, long, &view);
            sides.push(signal.map(|signal| signal.side));
        }
        (sides, why)
    }

    #[test]
    fn buys_the_first_close_above_the_high_of_before() {
        let rows = [[100.0, 101.0, 99.0, 100.0], [102.0, 102.0, 99.0, 100.0]];
        assert_eq!(play(false, &rows).0, [None, Some(Side::Buy)]);
        let next = [rows[0], rows[1], [103.0, 103.0, 99.0, 100.0]];
        let (sides, why) = play(false, &next);
        assert_eq!(sides[2], None, "only the first");
        assert!(why.contains("the close before met the conditions"), "{why}");
        let again = [rows[0], rows[1], [101.5, 103.0, 99.0, 100.0], [104.0, 104.0, 99.0, 100.0]];
        assert_eq!(play(false, &again).0[2..], [None, Some(Side::Buy)], "after one below");
    }

    #[test]
    fn needs_the_rise_and_says_what_lacks() {
        let low = [[100.0, 101.0, 99.9, 100.0], [101.5, 101.5, 99.9, 100.0]];
        let (sides, why) = play(false, &low);
        assert_eq!(
            (sides[1], &why[..]),
            (None, "the close is 1.60 % above the low 99.9, not 2.00 %")
        );
        let (_, why) = play(false, &[low[0], [101.0, 101.0, 90.0, 90.0]]);
        assert_eq!(why, "the close is not above 101, the high of 20 bars");
        let (sides, why) = play(false, &[[9.0, f64::NAN, f64::NAN, 1.0], [9.0, 9.0, 1.0, 1.0]]);
        assert_eq!((sides, &why[..]), (vec![None, None], "the high of 20 bars is not known yet"));
    }

    #[test]
    fn sells_below_the_low_of_before() {
        let rows =
            [[100.0, 101.0, 90.0, 98.0], [98.0, 101.0, 90.0, 97.0], [96.9, 99.0, 90.0, 96.0]];
        let (sides, _) = play(true, &rows);
        assert_eq!(sides, [None, None, Some(Side::Sell)]);
        let (_, why) = play(true, &rows[..2]);
        assert_eq!(why, "the close is not below 98, the low of 10 bars");
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
