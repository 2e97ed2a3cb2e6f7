//! Buys after a fast fall within a rising trend, and sells after the recovery.
//!
//! An example of a strategy that uses bars of two widths.

use super::conditions::{Condition, Conditions, first_lack};
use super::setting::{Form, Setting, TIMEFRAME, Wrong};
use super::{Strategy, StrategySignal, View};
use everwarm_domain::signal::Intent;
use everwarm_domain::time::Timeframe;
use serde::{Deserialize, Serialize};

/// The RSI reversal strategy.
#[derive(Clone, Copy, Debug)]
pub struct RsiReversal;

/// Settings of the strategy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Width of the bars it runs on.
    pub timeframe: Timeframe,
    /// Length of the relative strength index, in bars.
    pub length: u32,
    /// It buys if the index is below this value.
    pub low: u32,
    /// It sells if the index is above this value.
    pub high: u32,
    /// It buys only if the price is above this feature.
    pub trend: String,
}

impl Default for Section {
    fn default() -> Section {
        let trend = "sma(20)@15m".to_owned();
        Section { timeframe: Timeframe::M1, length: 14, low: 30, high: 70, trend }
    }
}

const INDEX: Form = Form::Whole { least: 1, most: 99 };

impl Strategy for RsiReversal {
    const KIND: &'static str = "rsi_reversal";
    const VERSION: u16 = 1;
    const SETTINGS: &'static [Setting] = &[
        TIMEFRAME,
        Setting {
            name: "length",
            form: Form::Whole { least: 2, most: 1000 },
            about: "Length of the relative strength index in bars.",
        },
        Setting { name: "low", form: INDEX, about: "It buys below this index." },
        Setting { name: "high", form: INDEX, about: "It sells above this index." },
        Setting { name: "trend", form: Form::Feature, about: "It buys only above this feature." },
    ];
    type Section = Section;
    /// No memory.
    type Memory = ();

    fn check(section: &Section) -> Result<(), Wrong> {
        let Section { low, high, .. } = section;
        if low < high {
            return Ok(());
        }
        let text = format!("low = {low} must be less than high = {high}");
        Err(Wrong { names: &["low", "high"], text })
    }

    fn timeframe(section: &Section) -> Timeframe {
        section.timeframe
    }

    fn features(section: &Section) -> Vec<String> {
        let Section { timeframe, length, trend, .. } = section;
        vec![format!("rsi({length})@{timeframe}"), format!("close@{timeframe}"), trend.clone()]
    }

    fn update(
        section: &Section,
        (): &mut (),
        long: bool,
        view: &View<'_>,
    ) -> Option<StrategySignal> {
        let [rsi, close, trend] = *view.values else { return None };
        let Section { length, low, high, .. } = section;
        let (intent, reason) = if long && rsi > f64::from(*high) {
            (Intent::Close, format!("rsi{length} {rsi:.1} is above {high}"))
        } else if !long && rsi < f64::from(*low) && close > trend {
            let name = &section.trend;
            (Intent::Open, format!("rsi{length} {rsi:.1} is below {low}, {name} below the price"))
        } else {
            return None;
        };
        Some(StrategySignal::new(intent, distance_ppm(rsi), reason))
    }

    fn conditions(
        section: &Section,
        (): &(),
        long: bool,
        view: &View<'_>,
    ) -> Result<Conditions, String> {
        let Section { length, low, high, trend: name, .. } = section;
        let [rsi, close, trend] = *view.values else { return Err("it has no values".to_owned()) };
        if rsi.is_nan() {
            return Err(format!("rsi{length} is not warm yet"));
        }
        let (low, high) = (f64::from(*low), f64::from(*high));
        if long {
            let rose = Condition::new("index above `high`", rsi > high, || {
                format!("rsi{length} {rsi:.1} is not above {high}, where it sells")
            });
            return Ok(Conditions::new(Intent::Close, vec![rose.comparing(rsi, high)]));
        }
        let fell = Condition::new("index below `low`", rsi < low, || {
            format!("rsi{length} {rsi:.1} is not below {low}, where it buys")
        });
        if fell.met && trend.is_nan() {
            return Err(format!("{name} is not warm yet"));
        }
        let above = Condition::new("price above the trend", close > trend, || {
            format!("the price {close} is not above {name} {trend:.2}")
        });
        let all = vec![fell.comparing(rsi, low), above.comparing(close, trend)];
        Ok(Conditions::new(Intent::Open, all))
    }

    fn why_not(section: &Section, (): &(), long: bool, view: &View<'_>) -> String {
        first_lack(Self::conditions(section, &(), long, view))
    }
}

/// Distance of the index from 50, in millionths of the full distance.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, which is what is wanted"
)]
fn distance_ppm(rsi: f64) -> u32 {
    ((rsi - 50.0).abs() * 20_000.0).min(1e6) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::{LotView, kind};
    use everwarm_domain::features::FeatureHead;
    use everwarm_domain::money::Price;

    fn view(values: &[f64; 3]) -> View<'_> {
        let symbol = crate::testing::sym("A");
        let head = FeatureHead { symbol, time: 0, close: Price::e8(1) };
        View { head, values, lot: LotView::default() }
    }

    fn intent(long: bool, values: [f64; 3]) -> Option<Intent> {
        RsiReversal::update(&Section::default(), &mut (), long, &view(&values))
            .map(|signal| signal.intent)
    }

    fn why(long: bool, values: [f64; 3]) -> String {
        assert_eq!(intent(long, values), None);
        RsiReversal::why_not(&Section::default(), &(), long, &view(&values))
    }

    #[test]
    fn buys_what_fell_in_a_rising_market_and_sells_what_recovered() {
        assert_eq!(intent(false, [29.9, 101.0, 100.0]), Some(Intent::Open));
        assert_eq!(intent(true, [70.1, 1.0, 2.0]), Some(Intent::Close), "whatever the trend");
        assert_eq!(intent(true, [70.1, 1.0, f64::NAN]), Some(Intent::Close), "or without one");
    }

    #[test]
    fn says_which_condition_is_not_met() {
        assert_eq!(why(false, [f64::NAN, 1.0, 1.0]), "rsi14 is not warm yet");
        assert_eq!(why(false, [30.0, 2.0, 1.0]), "rsi14 30.0 is not below 30, where it buys");
        assert_eq!(why(true, [70.0, 2.0, 1.0]), "rsi14 70.0 is not above 70, where it sells");
        assert_eq!(why(false, [20.0, 2.0, f64::NAN]), "sma(20)@15m is not warm yet");
        assert_eq!(why(false, [20.0, 2.5, 3.0]), "the price 2.5 is not above sma(20)@15m 3.00");
    }

    #[test]
    fn its_settings_are_checked_each_and_together() {
        let kind = kind("rsi_reversal").unwrap();
        let wrong = |text: &str| (kind.read)(text).unwrap_err();
        assert_eq!(wrong(r#"{"low":70,"high":70}"#).names, ["low", "high"]);
        assert!(wrong(r#"{"trend":"smma(50)@1h"}"#).text.ends_with("; did you mean `sma`?"));
        let section = (kind.read)(r#"{"length":7,"trend":"ema(9)@1h"}"#).unwrap();
        assert_eq!((kind.features)(&section), ["rsi(7)@1m", "close@1m", "ema(9)@1h"]);
    }
}
