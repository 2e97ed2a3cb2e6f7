//! Buys a bar that falls back into a bullish zone and holds it, while the structure and the bias
//! point up, and sells when the structure turns down.
//!
//! The stop lies below the zone. The target is a multiple of the distance to the stop. After either
//! it buys again only once the structure has turned down and up.

use super::conditions::{Condition, Conditions, first_lack};
use super::numbers::{ppm, saturating, show};
use super::setting::{Form, Setting, TIMEFRAME, Wrong};
use super::{Strategy, StrategySignal, View};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::ExitPrices;
use everwarm_domain::signal::Intent;
use everwarm_domain::time::Timeframe;
use serde::{Deserialize, Serialize};

/// The strategy of market structures, also called smart money concepts.
#[derive(Clone, Copy, Debug)]
pub struct Smc;

/// Settings of the strategy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Width of the bars it runs on.
    pub timeframe: Timeframe,
    /// Bars on each side of a swing.
    pub swing: u32,
    /// It buys only if the close is above this feature.
    pub bias: String,
    /// Distance of the target from the close, in distances of the stop.
    pub reward: Decimal,
}

impl Default for Section {
    fn default() -> Section {
        let bias = "ema(50)@1h".to_owned();
        Section { timeframe: Timeframe::M5, swing: 5, bias, reward: Decimal::TWO }
    }
}

/// Bars of the average true range.
const RANGE: u32 = 14;
/// Average true ranges between the bottom of a zone and the stop.
const BELOW: f64 = 0.25;
/// Largest reward.
const REWARD_MAX: Decimal = Decimal::ONE_HUNDRED;

impl Strategy for Smc {
    const KIND: &'static str = "smc";
    const VERSION: u16 = 1;
    const SETTINGS: &'static [Setting] = &[
        TIMEFRAME,
        Setting {
            name: "swing",
            form: Form::Whole { least: 1, most: 50 },
            about: "Bars on each side of a swing: breaks and order blocks come from swings.",
        },
        Setting {
            name: "bias",
            form: Form::Feature,
            about: "It buys only if the close is above this feature.",
        },
        Setting {
            name: "reward",
            form: Form::Amount { zero: false },
            about: "Distance of the target from the close, as a multiple of that of the stop. At \
                    most 100.",
        },
    ];
    type Section = Section;
    /// No memory: each zone is entered once, and a downtrend is seen at each close.
    type Memory = ();

    fn check(section: &Section) -> Result<(), Wrong> {
        if section.reward <= REWARD_MAX {
            return Ok(());
        }
        let text = format!("reward = \"{}\" must not be above {REWARD_MAX}", section.reward);
        Err(Wrong { names: &["reward"], text })
    }

    fn timeframe(section: &Section) -> Timeframe {
        section.timeframe
    }

    fn features(section: &Section) -> Vec<String> {
        let Section { timeframe, swing, bias, .. } = section;
        vec![
            format!("close@{timeframe}"),
            bias.clone(),
            format!("trend({swing})@{timeframe}"),
            format!("zone({swing}).bottom@{timeframe}"),
            format!("zone({swing}).top@{timeframe}"),
            format!("atr({RANGE})@{timeframe}"),
        ]
    }

    fn update(
        section: &Section,
        (): &mut (),
        long: bool,
        view: &View<'_>,
    ) -> Option<StrategySignal> {
        let [close, bias, trend, bottom, top, range] = *view.values else { return None };
        if long {
            let reason = || "the newest break of structure is bearish".to_owned();
            return (trend < 0.0).then(|| StrategySignal::new(Intent::Close, 1_000_000, reason()));
        }
        // A comparison with a value that is not defined is false.
        let enters = close > bias && trend > 0.0 && top > 0.0;
        if !enters {
            return None;
        }
        let exits = exits(section, view, bottom, range)?;
        let risk = (close - bottom) / range + BELOW;
        // A stop one average true range away is worth one half.
        let confidence_ppm = ppm(saturating(1.0 / risk));
        let (bottom, top) = show(bottom, top);
        let (close, bias) = show(close, bias);
        let reason = format!(
            "the bar fell into the zone from {bottom} to {top} and closed at {close}; the newest \
             break is bullish, and {} is {bias}",
            section.bias
        );
        Some(StrategySignal { exits, ..StrategySignal::new(Intent::Open, confidence_ppm, reason) })
    }

    fn conditions(
        section: &Section,
        (): &(),
        long: bool,
        view: &View<'_>,
    ) -> Result<Conditions, String> {
        let [close, bias, trend, bottom, top, range] = *view.values else {
            return Err("it has no values".to_owned());
        };
        if long {
            let turned = Condition::new("bearish break of structure", trend < 0.0, || {
                "no bearish break of structure followed".to_owned()
            });
            return Ok(Conditions::new(Intent::Close, vec![turned]));
        }
        if bias.is_nan() {
            return Err(format!("{} is not known yet", section.bias));
        }
        if trend.is_nan() || top.is_nan() || range.is_nan() {
            return Err("the structures are not known yet".to_owned());
        }
        let above = Condition::new("close above the bias", close > bias, || {
            let (close, bias) = show(close, bias);
            format!("the close {close} is not above {bias}, the value of {}", section.bias)
        });
        let bullish = Condition::new("bullish break of structure", trend > 0.0, || {
            let newest = if trend < 0.0 { "is bearish" } else { "is missing" };
            format!("the newest break of structure {newest}")
        });
        let zone = Condition::new("bar in a bullish zone", top > 0.0, || {
            "the bar entered no bullish zone, or its close is below it".to_owned()
        });
        // Without a zone there is no stop to judge.
        let stops = !zone.met || exits(section, view, bottom, range).is_some();
        let stop = Condition::new("stop below the close", stops, || {
            let stop = if bottom > BELOW * range { "below the close" } else { "above 0" };
            format!("the stop would not be {stop}")
        });
        let all = vec![above.comparing(close, bias), bullish, zone, stop];
        Ok(Conditions::new(Intent::Open, all))
    }

    fn why_not(section: &Section, (): &(), long: bool, view: &View<'_>) -> String {
        first_lack(Self::conditions(section, &(), long, view))
    }
}

/// The stop below the zone and the target; none if there is no distance between close and stop.
fn exits(section: &Section, view: &View<'_>, bottom: f64, range: f64) -> Option<ExitPrices> {
    let close = view.head.close.decimal();
    let stop = Decimal::try_from(bottom - BELOW * range).ok()?;
    let risk = close.checked_sub(stop).filter(|risk| *risk > Decimal::ZERO)?;
    let target = close.checked_add(section.reward.checked_mul(risk)?)?;
    (stop > Decimal::ZERO)
        .then(|| ExitPrices { stop: Some(stop.normalize()), target: Some(target.normalize()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::{LotView, kind};
    use crate::testing::sym;
    use everwarm_domain::features::FeatureHead;
    use everwarm_domain::money::Price;

    /// The signal of a row and why there is none, by the default settings. The values are bias,
    /// trend, bottom, top and average true range; the close is 100.
    fn judged(long: bool, values: [f64; 5]) -> (Option<StrategySignal>, String) {
        let [bias, trend, bottom, top, range] = values;
        let values = [100.0, bias, trend, bottom, top, range];
        let head = FeatureHead { symbol: sym("A"), time: 0, close: Price::e8(10_000_000_000) };
        let view = View { head, values: &values, lot: LotView::default() };
        let section = Section::default();
        let signal = Smc::update(&section, &mut (), long, &view);
        (signal, Smc::why_not(&section, &(), long, &view))
    }

    #[test]
    fn buys_in_a_zone_with_a_stop_below_it_and_a_target_twice_as_far() {
        let (signal, _) = judged(false, [95.0, 1.0, 98.0, 99.0, 4.0]);
        let signal = signal.unwrap();
        assert_eq!(signal.intent, Intent::Open);
        let prices = [signal.exits.stop, signal.exits.target].map(|price| price.unwrap());
        assert_eq!(prices.map(|price| price.to_string()), ["97", "106"]);
        // The stop is three quarters of an average true range away.
        assert_eq!(signal.confidence_ppm, 571_428);
        let reason = "the bar fell into the zone from 98.0000 to 99.0000 and closed at 100.0000; \
                      the newest break is bullish, and ema(50)@1h is 95.0000";
        assert_eq!(signal.reason, reason);
    }

    #[test]
    fn says_the_first_condition_that_is_not_met() {
        let nan = f64::NAN;
        for (values, why) in [
            ([nan, 1.0, 98.0, 99.0, 4.0], "ema(50)@1h is not known yet"),
            ([95.0, nan, nan, nan, 4.0], "the structures are not known yet"),
            (
                [100.5, 1.0, 98.0, 99.0, 4.0],
                "the close 100.00 is not above 100.50, the value of ema(50)@1h",
            ),
            ([95.0, -1.0, 98.0, 99.0, 4.0], "the newest break of structure is bearish"),
            ([95.0, 0.0, 98.0, 99.0, 4.0], "the newest break of structure is missing"),
            (
                [95.0, 1.0, 0.0, 0.0, 4.0],
                "the bar entered no bullish zone, or its close is below it",
            ),
            ([95.0, 1.0, 100.0, 101.0, 0.0], "the stop would not be below the close"),
            ([95.0, 1.0, 1.0, 101.0, 4.0], "the stop would not be above 0"),
        ] {
            let (signal, text) = judged(false, values);
            assert_eq!((signal, &text[..]), (None, why));
        }
    }

    #[test]
    fn sells_after_a_bearish_break_at_each_close_until_it_is_sold() {
        let (signal, _) = judged(true, [105.0, -1.0, 0.0, 0.0, 4.0]);
        assert_eq!(signal.unwrap().intent, Intent::Close);
        let (signal, why) = judged(true, [105.0, 1.0, 98.0, 99.0, 4.0]);
        assert_eq!((signal, &why[..]), (None, "no bearish break of structure followed"));
    }

    #[test]
    fn its_settings_are_checked() {
        let kind = kind("smc").unwrap();
        let why = |text: &str| (kind.read)(text).unwrap_err().text;
        assert_eq!(why(r#"{"reward":"101"}"#), "reward = \"101\" must not be above 100");
        assert!(why(r#"{"bias":"ema(50)"}"#).contains("names no width of bars"));
        assert!((kind.read)(r#"{"reward":"0"}"#).is_err());
    }
}
