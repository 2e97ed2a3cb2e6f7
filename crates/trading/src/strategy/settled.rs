//! The features of strategies that enter on settled values only, and the counts of their bars.
//!
//! Some features have values before they are settled: the mean that seeds them still weighs more
//! than 1 %. For each of them the plan has a feature that counts its bars: `bars(200,663)@1d` for
//! `ema(200)@1d`. It has its first value and waits for history exactly like that feature.

use super::features_without_counts;
use crate::indicators::Feature;
use everwarm_domain::settings::{Instance, Settings, WarmUp};
use everwarm_domain::time::MINUTE;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A feature, and how its bars are counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counted {
    /// Name of the feature.
    pub(crate) feature: String,
    /// Name of the feature that counts its bars.
    pub(crate) count: String,
    /// Bars after which it is settled.
    pub(crate) settled: u32,
    /// Width of its bars, minutes.
    pub(crate) minutes: u32,
}

impl Counted {
    /// None: the first value of the feature is settled.
    fn of(text: &str) -> Option<Counted> {
        let feature: Feature = text.parse().ok()?;
        let first = u32::try_from(feature.first()).ok()?;
        let settled = u32::try_from(feature.settled()).ok()?;
        let minutes = u32::try_from(feature.timeframe.ms() / MINUTE).ok()?;
        let count = format!("bars({first},{settled})@{}", feature.timeframe);
        let feature = text.to_owned();
        (settled > first).then_some(Counted { feature, count, settled, minutes })
    }
}

/// What an instance with these features needs counted. Empty unless it enters on settled values
/// only.
fn counted(one: &Instance, features: &[String]) -> Vec<Counted> {
    let needed = one.enabled && one.warm_up == WarmUp::Settled;
    features.iter().filter(|_| needed).filter_map(|text| Counted::of(text)).collect()
}

/// The features that count bars for an instance with these features.
pub(super) fn counts(one: &Instance, features: &[String]) -> impl Iterator<Item = String> {
    counted(one, features).into_iter().map(|counted| counted.count)
}

/// The features that are not settled with their first value, of each strategy that enters on
/// settled values only.
pub(crate) fn counted_by_strategy(settings: &Settings) -> BTreeMap<String, Vec<Counted>> {
    let of = |(id, one): (&String, &Instance)| {
        let all = counted(one, &features_without_counts(one));
        (!all.is_empty()).then(|| (id.clone(), all))
    };
    settings.strategy.0.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::super::features_by_strategy;
    use super::*;
    use crate::testing::crossing;
    use everwarm_domain::settings::ExitRules;
    use everwarm_domain::settings::exits::AtrStop;

    #[test]
    fn bars_of_features_that_are_settled_later_are_counted() {
        let mut settings = crossing(10, 30);
        let stop_atr = Some(AtrStop { hundredths: 200, length: 14 });
        settings.strategy.set_exits("sma_cross", ExitRules { stop_atr, ..ExitRules::default() });
        let features = |settings: &Settings| features_by_strategy(settings)["sma_cross"].join(" ");
        assert_eq!(features(&settings), "sma(10)@1m sma(30)@1m atr(14)@1m");
        assert!(counted_by_strategy(&settings).is_empty());
        settings.strategy.0.get_mut("sma_cross").unwrap().warm_up = WarmUp::Settled;
        let all = "sma(10)@1m sma(30)@1m atr(14)@1m bars(15,80)@1m";
        assert_eq!(features(&settings), all, "a plain mean is settled with its first value");
        let [counted] = &counted_by_strategy(&settings)["sma_cross"][..] else { panic!() };
        assert_eq!((counted.feature.as_str(), counted.settled), ("atr(14)@1m", 80));
        settings.strategy.enable("sma_cross", false);
        assert!(counted_by_strategy(&settings).is_empty());
    }

    #[test]
    fn a_count_has_values_and_is_settled_with_its_feature() {
        for text in ["ema(200)@1d", "rsi(14)@4h", "adx(14)@1h", "macd(12,26,9).hist@15m"] {
            let (of, counted): (Feature, _) = (text.parse().unwrap(), Counted::of(text).unwrap());
            let count: Feature = counted.count.parse().unwrap();
            let lengths = (count.timeframe, count.first(), count.settled());
            assert_eq!(lengths, (of.timeframe, of.first(), of.settled()), "{text}");
        }
        for text in ["sma(200)@1d", "vwap@1h", "donchian(20).high@1h", "nothing@1h"] {
            assert_eq!(Counted::of(text), None);
        }
    }
}
