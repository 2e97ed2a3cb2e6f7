//! Defines features: an indicator with parameters on bars of one width, by name: `sma(20)@1h`.

use crate::{settings, strategy};
use everwarm_analysis::{Catalogued as _, Count, Formula};
use everwarm_domain::fact::Retained;
use everwarm_domain::order::FIRST_STRATEGY;
use everwarm_domain::settings::Settings;
use everwarm_domain::time::{DAY, Timeframe};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::str::FromStr;

/// Most features of all strategies together.
pub const FEATURES_MAX: usize = 1_000;
/// Most bytes of the states of all features.
pub const BYTES_MAX: u64 = 256 << 20;

/// Name of the indicator that counts the bars of another one.
pub(crate) const COUNT: &str = Count::NAME;

/// A computed series: a formula on bars of one width.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Width of the bars.
    pub timeframe: Timeframe,
    /// Formula computed from the bars.
    pub formula: Formula,
}

impl Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.formula, self.timeframe)
    }
}

impl FromStr for Feature {
    type Err = String;

    fn from_str(text: &str) -> Result<Feature, String> {
        let (formula, width) = text
            .rsplit_once('@')
            .ok_or_else(|| format!("`{text}` names no width of bars: `{text}@1h` does"))?;
        let width = width.trim();
        let named = |timeframe: &Timeframe| timeframe.name() == width;
        let timeframe = Timeframe::ALL.into_iter().find(named).ok_or_else(|| {
            let all = Timeframe::ALL.map(Timeframe::name).join(", ");
            format!("`{text}`: there are no {width} bars, but {all}")
        })?;
        Ok(Feature { timeframe, formula: formula.parse()? })
    }
}

impl Feature {
    /// Bars after which the first value comes: the warm-up, or a whole UTC day.
    #[must_use]
    pub fn first(&self) -> i64 {
        self.day().max(self.formula.warm_up().into())
    }

    /// Bars after which earlier bars weigh at most 1 %.
    #[must_use]
    pub fn settled(&self) -> i64 {
        self.day().max(self.formula.settled().into())
    }

    /// Bars that a strategy with this feature needs before it enters: those of its first value, or
    /// those after which a counted feature is settled.
    #[must_use]
    pub fn entry(&self) -> i64 {
        if self.formula.name() == COUNT { self.settled() } else { self.first() }
    }

    /// Bars of a whole UTC day, if a value needs them; else 0.
    const fn day(&self) -> i64 {
        if self.formula.is_daily() { DAY / self.timeframe.ms() } else { 0 }
    }

    /// Checks that a text is the canonical name of a feature, without spaces. Values are found by
    /// it.
    ///
    /// # Errors
    /// The text names no feature, or is not in the canonical form.
    pub fn check(text: &str) -> Result<(), String> {
        let name = text.parse::<Feature>()?.to_string();
        if text == name { Ok(()) } else { Err(format!("`{text}` is written `{name}`")) }
    }
}

/// The features that these texts name, each once, sorted by canonical text. Unreadable texts are
/// skipped: the configuration was checked before.
pub(crate) fn plan(texts: impl IntoIterator<Item = String>) -> Vec<Feature> {
    let read = texts.into_iter().filter_map(|text| text.parse::<Feature>().ok());
    let by_text: BTreeMap<String, Feature> =
        read.map(|feature| (feature.to_string(), feature)).collect();
    by_text.into_values().collect()
}

/// The plan of a configuration and of the former settings it carries. `None` if it cannot be read:
/// the plan in force stays.
pub(crate) fn planned(text: &str, retained: &[Retained]) -> Option<Vec<Feature>> {
    let settings = settings::applied(text)?;
    Some(plan(strategy::features(&settings, retained)))
}

/// The number of a plan: the FNV-1a digest of its texts, never 0. It is the same in each run. It
/// needs no other input, because the states of earlier versions do not name their configuration.
pub(crate) fn number(features: &[Feature]) -> u64 {
    let text = features.iter().map(Feature::to_string).collect::<Vec<String>>().join(" ");
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step).max(1)
}

/// Checks that the features can be computed for so many symbols.
///
/// # Errors
/// A text names no feature, or there are too many. The error states the memory they need.
pub fn check(texts: &[String], symbols: usize) -> Result<(), String> {
    for text in texts {
        text.parse::<Feature>()?;
    }
    let features = plan(texts.iter().cloned());
    let each: u64 = features.iter().map(|feature| feature.formula.bytes()).sum();
    let bytes = each.saturating_mul(symbols as u64);
    if features.len() > FEATURES_MAX || bytes > BYTES_MAX {
        let (count, mb) = (features.len(), bytes.div_ceil(1 << 20));
        return Err(format!(
            "{count} features of {symbols} symbols take {mb} MB; there may be {FEATURES_MAX}, and \
             they may take {} MB: configure fewer strategies, shorter lengths or fewer symbols",
            BYTES_MAX >> 20
        ));
    }
    Ok(())
}

/// The features of a plan on bars of one width, in the order of their value columns.
pub fn columns(features: &[String], timeframe: Timeframe) -> impl Iterator<Item = &str> {
    let width = timeframe.name();
    let of = move |text: &&str| text.rsplit_once('@').is_some_and(|(_, of)| of == width);
    features.iter().map(String::as_str).filter(of)
}

/// Present names of the four columns that earlier versions recorded.
#[must_use]
pub fn old_columns(timeframe: Timeframe, fast: u32, slow: u32) -> Vec<String> {
    ["sma", "sma", "ema", "atr"]
        .iter()
        .zip([fast, slow, slow, 14])
        .map(|(name, length)| format!("{name}({length})@{timeframe}"))
        .collect()
}

/// The lengths of the first strategy when those columns were recorded, from the configuration then.
#[must_use]
pub fn old_lengths(settings: &Settings) -> Option<(u32, u32)> {
    #[derive(Deserialize)]
    struct Lengths {
        fast: u32,
        slow: u32,
    }
    let one = settings.strategy.0.get(FIRST_STRATEGY)?;
    let Lengths { fast, slow } = serde_json::from_str(&one.section).ok()?;
    Some((fast, slow))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_has_one_text() {
        let feature: Feature = "sma( 20 ) @ 1h".parse().unwrap();
        assert_eq!(
            (feature.to_string().as_str(), feature.timeframe),
            ("sma(20)@1h", Timeframe::H1)
        );
        let wrong = |text: &str| text.parse::<Feature>().unwrap_err();
        assert_eq!(wrong("sma(20)"), "`sma(20)` names no width of bars: `sma(20)@1h` does");
        assert!(wrong("sma(20)@2h").contains("there are no 2h bars, but 1m, 5m"));
        assert!(wrong("smo(20)@1h").contains("did you mean `sma`?"));
    }

    #[test]
    fn each_is_computed_once_in_the_order_of_texts() {
        let texts = ["sma(30)@1m", "sma(10)@1m", " sma(30)@1m", "close@5m", "nothing@1m"];
        let plan = plan(texts.map(str::to_owned));
        let names: Vec<String> = plan.iter().map(Feature::to_string).collect();
        assert_eq!(names, ["close@5m", "sma(10)@1m", "sma(30)@1m"]);
        let of: Vec<&str> = columns(&names, Timeframe::M1).collect();
        assert_eq!(of, ["sma(10)@1m", "sma(30)@1m"]);
    }

    #[test]
    fn too_many_are_refused_with_what_they_would_take() {
        let many: Vec<String> = (1..=10_000).map(|n| format!("sma({n})@1m")).collect();
        let why = check(&many, 300).unwrap_err();
        assert!(why.starts_with("10000 features of 300 symbols take 114"), "{why}");
        assert!(check(&many[..100], 300).is_ok());
        assert!(check(&many[..1000], 300).unwrap_err().contains("MB"), "few, and long");
        assert!(check(&["smo(3)@1m".to_owned()], 1).is_err());
    }
}
