//! Buys when the fast average crosses above the slow one, and sells when it crosses below.
//!
//! The first row with both averages only shows their order. A row without both is ignored. A
//! position is also closed if the fast average is below the slow one without a seen cross. The
//! averages then crossed while the supervisor had stopped the stage.
//!
//! The setting `confidence` chooses the formula of the confidence. Configurations before version 6
//! lack it and keep the formula that they had.

use super::conditions::{Condition, Conditions, first_lack};
use super::numbers::{ppm, saturating, show};
use super::setting::{Added, Form, Setting, TIMEFRAME, Wrong};
use super::{Strategy, StrategySignal, View};
use everwarm_domain::signal::Intent;
use everwarm_domain::time::Timeframe;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// The moving average cross strategy.
#[derive(Clone, Copy, Debug)]
pub struct SmaCross;

/// Settings of the strategy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Width of the bars it runs on.
    pub timeframe: Timeframe,
    /// Length of the fast average, in bars.
    pub fast: u32,
    /// Length of the slow average, in bars.
    pub slow: u32,
    /// Formula of the confidence.
    #[serde(default)]
    pub confidence: Formula,
}

impl Default for Section {
    fn default() -> Section {
        Section { timeframe: Timeframe::M1, fast: 10, slow: 30, confidence: Formula::Atr }
    }
}

/// How the confidence of a signal is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Formula {
    /// The distance of the averages, relative to the slow one. Sections without the setting have
    /// this formula.
    #[default]
    Averages,
    /// x / (1 + x), where x is the distance of the close from the slow average, in average true
    /// ranges.
    Atr,
}

/// Bars of the average true range, the unit of confidence.
const RANGE: u32 = 14;

const BARS: Form = Form::Whole { least: 1, most: 1000 };

impl Strategy for SmaCross {
    const KIND: &'static str = "sma_cross";
    const VERSION: u16 = 6;
    const CONVERTS: &'static [u16] = &[4, 5];
    const SETTINGS: &'static [Setting] = &[
        TIMEFRAME,
        Setting {
            name: "fast",
            form: BARS,
            about: "Length of the fast average in bars. Less than `slow`.",
        },
        Setting { name: "slow", form: BARS, about: "Length of the slow average in bars." },
        Setting {
            name: "confidence",
            form: Form::OneOf(&["averages", "atr"]),
            about: "How confidence is computed. \"atr\": from the distance of the close from the \
                    slow average, in average true ranges of 14 bars. \"averages\": from the \
                    distance of the averages.",
        },
    ];
    const ADDED: &'static [Added] = &[Added { name: "confidence", version: 6 }];
    type Section = Section;
    /// Whether the fast average was below (-1), at (0) or above (1) the slow one.
    type Memory = Option<i8>;

    fn check(section: &Section) -> Result<(), Wrong> {
        let Section { fast, slow, .. } = section;
        if fast < slow {
            return Ok(());
        }
        let text = format!("fast = {fast} must be less than slow = {slow}");
        Err(Wrong { names: &["fast", "slow"], text })
    }

    fn timeframe(section: &Section) -> Timeframe {
        section.timeframe
    }

    fn features(section: &Section) -> Vec<String> {
        let timeframe = section.timeframe;
        let averages = [section.fast, section.slow].map(|n| format!("sma({n})@{timeframe}"));
        let range = match section.confidence {
            Formula::Averages => None,
            Formula::Atr => Some(format!("atr({RANGE})@{timeframe}")),
        };
        averages.into_iter().chain(range).collect()
    }

    fn update(
        section: &Section,
        before: &mut Option<i8>,
        long: bool,
        view: &View<'_>,
    ) -> Option<StrategySignal> {
        let [fast, slow, ..] = *view.values else { return None };
        let now = stands(view)?;
        let before = before.replace(now)?;
        let late = long && now < 0;
        let (intent, word) = match (before <= 0 && now > 0, late || (before >= 0 && now < 0)) {
            (true, _) => (Intent::Open, "above"),
            (_, true) => (Intent::Close, "below"),
            (false, false) => return None,
        };
        // Skips the text if the stage would not pass the signal on.
        if (intent == Intent::Open) == long {
            return None;
        }
        let (f, s) = show(fast, slow);
        let mut reason = format!("sma{} {f} crossed {word} sma{} {s}", section.fast, section.slow);
        let confidence_ppm = match section.confidence {
            Formula::Averages => distance_ppm(fast, slow),
            Formula::Atr => {
                let (above, text) = ranges(view, slow);
                reason.push_str(&text);
                ppm(saturating(if intent == Intent::Open { above } else { -above }))
            }
        };
        Some(StrategySignal::new(intent, confidence_ppm, reason))
    }

    fn conditions(
        section: &Section,
        before: &Option<i8>,
        long: bool,
        view: &View<'_>,
    ) -> Result<Conditions, String> {
        let (Some(now), &[fast, slow, ..]) = (stands(view), view.values) else {
            let slow = section.slow;
            return Err(format!("the averages are not warm yet: the slow one needs {slow} bars"));
        };
        let lacks = || no_cross(*before, now, long);
        let (intent, name, there) = if long {
            (Intent::Close, "fast average below the slow one", now < 0)
        } else {
            (Intent::Open, "fast average above the slow one", now > 0)
        };
        let side = Condition::new(name, there, lacks).comparing(fast, slow);
        // A position ends below the slow average, whether or not the cross was seen.
        let crossed = !there || before.is_some_and(|before| long || before <= 0);
        let cross = Condition::new("the averages crossed at this close", crossed, lacks);
        Ok(Conditions::new(intent, vec![side, cross]))
    }

    fn why_not(section: &Section, before: &Option<i8>, long: bool, view: &View<'_>) -> String {
        first_lack(Self::conditions(section, before, long, view))
    }
}

/// Why averages that stood so before, and stand so now, give no signal.
fn no_cross(before: Option<i8>, now: i8, long: bool) -> String {
    let word = |at: i8| ["below", "at", "above"][usize::try_from(at + 1).unwrap_or(1)];
    let stands = format!("the fast average is {} the slow one", word(now));
    match before {
        None => format!("{stands}, and there is no earlier value to compare with"),
        Some(before) if before == now => {
            format!("{stands}, as at the close before: the averages did not cross")
        }
        Some(before) => {
            let why = match (long, now < 0) {
                (true, _) => "the strategy holds a position already",
                (false, true) => "the strategy holds nothing",
                (false, false) => "they did not cross",
            };
            format!("{stands}; it was {} before, but {why}", word(before))
        }
    }
}

/// Position of the fast average relative to the slow one; `None` if one is not defined.
fn stands(view: &View<'_>) -> Option<i8> {
    let [fast, slow, ..] = *view.values else { return None };
    fast.partial_cmp(&slow).map(|order| match order {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    })
}

/// How far the close is above the slow average, in average true ranges, and that in words. Not a
/// number while the range has too few bars, or if neither moves.
fn ranges(view: &View<'_>, slow: f64) -> (f64, String) {
    let close = view.head.close.to_f64();
    let above = (close - slow) / view.values.get(2).copied().unwrap_or(f64::NAN);
    let (shown, _) = show(close, slow);
    if above.is_nan() {
        return (above, format!("; the range of {RANGE} bars is not known at {shown}"));
    }
    let side = if above < 0.0 { "below" } else { "above" };
    (above, format!("; the close {shown} is {:.2} ATR {side} the slow one", above.abs()))
}

/// Distance of the averages relative to the slow one, in millionths, at most one million.
fn distance_ppm(fast: f64, slow: f64) -> u32 {
    ppm(((fast - slow) / slow).abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::StrategyStage;
    use crate::testing::{configured, crossing, facts_of, input, sym};
    use everwarm_domain::fact::kinds::rank;
    use everwarm_domain::fact::{Analysis, Body, Operator};
    use everwarm_domain::features::{FeatureHead, FeatureTable};
    use everwarm_domain::money::Price;
    use everwarm_domain::order::Side;
    use everwarm_domain::switch::Switch;
    use everwarm_domain::time::Timeframe;
    use everwarm_kernel::stage::Stage;

    const NAN: f64 = f64::NAN;

    /// A plan with averages of these lengths on 1m bars.
    fn planned(lengths: &[u32]) -> Body {
        let features = lengths.iter().map(|n| format!("sma({n})@1m")).collect();
        Body::Analysis(Analysis::FeaturePlan { plan: 1, features })
    }

    /// Values of that plan after a bar of `A`.
    fn valued(values: &[f64]) -> Body {
        let head = FeatureHead { symbol: sym("A"), time: 0, close: Price::e8(100_000_000) };
        let table = FeatureTable::of(values.len(), vec![head], values.to_vec());
        Body::Analysis(Analysis::FeatureValues { plan: 1, timeframe: Timeframe::M1, table })
    }

    fn fresh() -> StrategyStage<SmaCross> {
        StrategyStage::new("sma_cross", rank::STRATEGY)
    }

    /// A stage with the default settings, which use these lengths.
    fn started() -> StrategyStage<SmaCross> {
        let mut stage = fresh();
        facts_of(&mut stage, &input(1, configured(&crossing(10, 30))));
        facts_of(&mut stage, &input(1, planned(&[10, 30])));
        stage
    }

    fn run(rows: &[(f64, f64)]) -> Vec<String> {
        let mut stage = started();
        let mut signals = Vec::new();
        for (n, (fast, slow)) in (2..).zip(rows) {
            for body in facts_of(&mut stage, &input(n, valued(&[*fast, *slow]))) {
                let Body::Analysis(Analysis::Signals { rows }) = body else { panic!() };
                assert_eq!(rows.len(), 1);
                signals.push(format!("{n} {:?} {}", rows[0].side(), rows[0].reason));
            }
            // A resumed stage continues where it was.
            let bytes = stage.save();
            stage = fresh();
            stage.load(&bytes).unwrap();
        }
        signals
    }

    #[test]
    fn buys_above_and_sells_below() {
        let signals = run(&[
            (NAN, NAN),
            (99.0, NAN),
            (99.0, 100.0),
            (101.2, 100.95),
            (102.0, 101.0),
            (100.0, 101.0),
        ]);
        let up = "5 Buy sma10 101.20 crossed above sma30 100.95";
        let down = "7 Sell sma10 100.00 crossed below sma30 101.00";
        assert_eq!(signals, [up, down]);
    }

    #[test]
    fn the_first_defined_row_only_tells_where_they_stand() {
        assert!(run(&[(2.0, 1.0), (3.0, 1.0)]).is_empty());
        assert!(run(&[(1.0, 2.0), (0.5, 2.0)]).is_empty());
    }

    #[test]
    fn sells_nothing_it_did_not_buy_and_buys_once() {
        assert!(run(&[(2.0, 1.0), (1.0, 2.0)]).is_empty(), "no sell without a buy");
        let touch = [(1.0, 2.0), (3.0, 2.0), (2.0, 2.0), (3.0, 2.0), (2.0, 2.0), (1.0, 2.0)];
        let signals = run(&touch);
        assert_eq!(signals.len(), 2, "{signals:?}");
        assert!(signals[0].starts_with("3 Buy") && signals[1].starts_with("7 Sell"), "{signals:?}");
    }

    #[test]
    fn rows_without_values_change_nothing() {
        let signals = run(&[(1.0, 2.0), (NAN, 2.0), (3.0, 2.0)]);
        assert_eq!(signals.len(), 1);
    }

    #[test]
    fn bounds_its_confidence() {
        assert_eq!(distance_ppm(101.0, 100.0), 10_000);
        assert_eq!(distance_ppm(1000.0, 1.0), 1_000_000);
    }

    /// The signal of one row after a row on the other side, and the features of the section.
    fn signalled(section: &Section, long: bool, close: i64, range: f64) -> StrategySignal {
        let head = FeatureHead { symbol: sym("A"), time: 0, close: Price::e8(close * 100_000_000) };
        let (fast, slow) = if long { (101.0, 102.0) } else { (101.0, 100.0) };
        let values = [fast, slow, range];
        let lot = crate::strategy::LotView::default();
        let values = &values[..SmaCross::features(section).len()];
        let view = View { head, values, lot };
        SmaCross::update(section, &mut Some(if long { 1 } else { -1 }), long, &view).unwrap()
    }

    #[test]
    fn the_close_counts_in_average_true_ranges_from_the_slow_average() {
        let of = |long, close, range| {
            let signal = signalled(&Section::default(), long, close, range);
            (signal.confidence_ppm, signal.reason)
        };
        let (ppm, reason) = of(false, 103, 2.0);
        let words = "sma10 101.00 crossed above sma30 100.00; the close 103.00 is 1.50 ATR above \
                     the slow one";
        assert_eq!((ppm, reason.as_str()), (600_000, words));
        let (ppm, reason) = of(false, 99, 2.0);
        assert!(ppm == 0 && reason.ends_with("the close 99.00 is 0.50 ATR below the slow one"));
        let (ppm, reason) = of(false, 103, NAN);
        assert!(ppm == 0 && reason.ends_with("the range of 14 bars is not known at 103.00"));
        assert_eq!(of(true, 100, 2.0).0, 500_000, "a sell counts to the other side");
        assert_eq!(of(true, 103, 2.0).0, 0);
    }

    #[test]
    fn a_stored_configuration_without_the_formula_keeps_the_former_one() {
        let kind = crate::strategy::kind("sma_cross").unwrap();
        let stored = r#"{"fast":10,"slow":30,"timeframe":"1m"}"#;
        let features = ["sma(10)@1m", "sma(30)@1m"];
        // As a configuration has it, and as one carries it for positions opened before.
        let read = (kind.read)(stored).unwrap();
        for text in [stored, &read] {
            assert_eq!((kind.features)(text), features, "{text}");
            let section: Section = serde_json::from_str(text).unwrap();
            let signal = signalled(&section, false, 103, 2.0);
            let words = "sma10 101.00 crossed above sma30 100.00";
            assert_eq!((signal.confidence_ppm, signal.reason.as_str()), (10_000, words));
        }
        let all = [&features[..], &["atr(14)@1m"]].concat();
        assert_eq!((kind.features)(&(kind.defaults)()), all, "a new one has the new formula");
    }

    #[test]
    fn while_an_operator_has_it_off_it_only_sells_and_it_is_warm_when_it_is_on_again() {
        let mut stage = started();
        let mut apply = |body: Body| facts_of(&mut stage, &input(2, body)).len();
        let rows = |fast: f64, slow: f64| valued(&[fast, slow]);
        let turn = |on| {
            let switch = Switch::Strategy { name: "sma_cross".into(), on };
            Body::Operator(Operator::Switched { switch, reason: "r".into() })
        };
        assert_eq!((apply(rows(1.0, 2.0)), apply(rows(3.0, 2.0))), (0, 1), "bought");
        assert_eq!(apply(turn(false)), 0);
        assert_eq!(apply(rows(1.0, 2.0)), 1, "what it has it leaves");
        assert_eq!(apply(rows(3.0, 2.0)), 0, "and enters nothing");
        assert_eq!(apply(rows(1.0, 2.0)), 0);
        assert_eq!(apply(turn(true)), 0);
        assert_eq!(apply(rows(3.0, 2.0)), 1, "it knew where they stood");
    }

    #[test]
    fn what_was_entered_is_left_by_the_lengths_it_was_entered_by() {
        let mut stage = fresh();
        let mut apply = |body: Body| {
            let bytes = stage.save();
            stage.load(&bytes).unwrap();
            let facts = facts_of(&mut stage, &input(2, body));
            let words = facts.iter().map(|body| {
                let Body::Analysis(Analysis::Signals { rows }) = body else { panic!() };
                rows[0].reason.clone()
            });
            words.collect::<Vec<_>>().join("; ")
        };
        let under = |fast, slow, enabled| {
            let mut settings = crossing(fast, slow);
            settings.strategy.enable("sma_cross", enabled);
            configured(&settings)
        };
        // Both pairs are computed. A position uses only the pair it was opened with.
        let both = planned(&[10, 20, 30, 5]);
        let now = |fast: f64, slow: f64| valued(&[NAN, slow, NAN, fast]);
        let former = |fast: f64, slow: f64| valued(&[fast, NAN, slow, NAN]);
        apply(under(10, 30, true));
        apply(both.clone());
        assert_eq!(apply(former(1.0, 2.0)), "");
        assert!(apply(former(3.0, 2.0)).contains("crossed above sma30"));
        apply(under(5, 20, true));
        apply(both.clone());
        assert_eq!(apply(now(1.0, 2.0)), "", "not its lengths");
        assert_eq!(apply(former(3.0, 2.0)), "");
        apply(under(5, 20, false));
        apply(both.clone());
        assert!(apply(former(1.0, 2.0)).contains("sma10 1.0000 crossed below sma30"), "off or not");
        assert_eq!(apply(former(3.0, 2.0)), "", "nothing is entered by them");
        apply(under(5, 20, true));
        apply(both.clone());
        assert_eq!(apply(now(1.0, 2.0)), "");
        assert!(apply(now(3.0, 2.0)).contains("crossed above sma20"));
        // A section that is configured again continues where it was.
        apply(under(10, 30, true));
        apply(under(5, 20, true));
        apply(both);
        assert!(apply(now(1.0, 2.0)).contains("crossed below sma20"));
        // A position whose features are no longer computed uses the section in force.
        assert_eq!(apply(now(1.0, 2.0)), "");
        assert!(apply(now(3.0, 2.0)).contains("crossed above sma20"));
        apply(under(10, 30, true));
        apply(planned(&[10, 30]));
        assert_eq!(apply(valued(&[3.0, 2.0])), "");
        assert!(apply(valued(&[1.0, 2.0])).contains("crossed below sma30"));
    }

    #[test]
    fn values_of_earlier_versions_are_read() {
        let mut stage = fresh();
        facts_of(&mut stage, &input(1, configured(&crossing(10, 30))));
        let mut apply = |fast: f64, slow: f64| {
            let head = FeatureHead { symbol: sym("A"), time: 0, close: Price::e8(100_000_000) };
            let table = FeatureTable::of(4, vec![head], vec![fast, slow, slow, NAN]);
            let values = Analysis::FeatureValues { plan: 0, timeframe: Timeframe::M1, table };
            facts_of(&mut stage, &input(2, Body::Analysis(values))).len()
        };
        assert_eq!((apply(1.0, 2.0), apply(3.0, 2.0), apply(1.0, 2.0)), (0, 1, 1));
    }

    #[test]
    fn what_crossed_while_nobody_asked_is_left_at_the_next_row() {
        let features = |fast: f64| valued(&[fast, 2.0]);
        let mut stage = started();
        assert!(facts_of(&mut stage, &input(2, features(1.0))).is_empty());
        let side = |stage: &mut _, n, fast| {
            let facts = facts_of(stage, &input(n, features(fast)));
            let [Body::Analysis(Analysis::Signals { rows })] = &facts[..] else {
                panic!("{facts:?}")
            };
            rows[0].side()
        };
        assert_eq!(side(&mut stage, 3, 3.0), Side::Buy);
        stage.evolve(&input(4, features(1.0)));
        assert_eq!(side(&mut stage, 5, 1.5), Side::Sell);
        assert!(facts_of(&mut stage, &input(6, features(1.0))).is_empty(), "once");
    }
}
