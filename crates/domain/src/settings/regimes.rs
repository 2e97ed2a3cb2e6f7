//! The regimes in which a strategy enters, and how large its entries are there.

use super::confidence;
use super::sizes::MILLION;
use crate::nearest::nearest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Names of the members, as in a section of the configuration.
pub const MEMBERS: [&str; 2] = ["regimes", "regime_sizes"];
/// The feature whose values are regimes.
pub const FEATURE: &str = "regime@1h";

/// The condition of the market of a symbol, from its hourly bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Regime {
    /// Too few bars.
    NoData,
    /// An untouched zone is near.
    TightSmc,
    /// The market breaks its structure, or its trend is strong.
    WideStructure,
    /// None of these.
    Consolidation,
}

impl Regime {
    /// All regimes, in the order of the values of [`FEATURE`].
    pub const ALL: [Regime; 4] =
        [Regime::NoData, Regime::TightSmc, Regime::WideStructure, Regime::Consolidation];

    /// The name in texts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Regime::NoData => "no_data",
            Regime::TightSmc => "tight_smc",
            Regime::WideStructure => "wide_structure",
            Regime::Consolidation => "consolidation",
        }
    }

    /// The regime of this name.
    ///
    /// # Errors
    /// There is none. The text has all names, and the one that was probably meant.
    pub fn named(name: &str) -> Result<Regime, String> {
        let known = Regime::ALL.into_iter().find(|regime| regime.name() == name);
        known.ok_or_else(|| {
            let names = Regime::ALL.map(Regime::name);
            let meant = nearest(name, names.into_iter());
            let meant = meant.map_or(String::new(), |meant| format!("; did you mean {meant:?}?"));
            format!("{name:?} is not one of {}{meant}", names.join(", "))
        })
    }
}

/// What regimes change for the entries of a strategy. Exits do not depend on them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegimeRule {
    /// The regimes in which it enters; empty: all.
    pub only: BTreeSet<Regime>,
    /// Sizes of its entries, millionths of the usual one; in other regimes: the usual one.
    pub sizes_ppm: BTreeMap<Regime, u32>,
}

impl RegimeRule {
    /// Reads a list like `tight_smc, wide_structure`. Empty: all regimes.
    ///
    /// # Errors
    /// The reason as text.
    pub fn list(text: &str) -> Result<BTreeSet<Regime>, String> {
        let mut all = BTreeSet::new();
        for name in parts(text) {
            if !all.insert(Regime::named(name)?) {
                return Err(format!("{name} is there twice"));
            }
        }
        Ok(all)
    }

    /// Reads sizes like `tight_smc: 0.5, consolidation: 0.25`, millionths. Empty: none.
    ///
    /// # Errors
    /// The reason as text.
    pub fn sizes(text: &str) -> Result<BTreeMap<Regime, u32>, String> {
        let mut all = BTreeMap::new();
        for part in parts(text) {
            let (name, size) = part.split_once(':').ok_or_else(|| {
                format!("{part:?} is not a regime with a part of the size, like \"tight_smc: 0.5\"")
            })?;
            let name = name.trim();
            let size = confidence::read(size.trim()).map_err(|why| format!("{name}: {why}"))?;
            if all.insert(Regime::named(name)?, size).is_some() {
                return Err(format!("{name} is there twice"));
            }
        }
        Ok(all)
    }

    /// Takes the members of a section. Missing ones change nothing.
    ///
    /// # Errors
    /// The member, and what is wrong with it.
    pub fn take(section: &mut Map<String, Value>) -> Result<RegimeRule, String> {
        let mut rule = RegimeRule::default();
        let [regimes, sizes] = MEMBERS;
        if let Some(value) = section.remove(regimes) {
            rule.only = text(&value).and_then(RegimeRule::list).map_err(at(regimes))?;
        }
        if let Some(value) = section.remove(sizes) {
            rule.sizes_ppm = text(&value).and_then(RegimeRule::sizes).map_err(at(sizes))?;
        }
        Ok(rule)
    }

    /// The members of a section.
    #[must_use]
    pub fn members(&self) -> Map<String, Value> {
        let size = |(regime, ppm): (&Regime, &u32)| {
            format!("{}: {}", regime.name(), confidence::text(*ppm))
        };
        let sizes: Vec<String> = self.sizes_ppm.iter().map(size).collect();
        let [regimes, of] = MEMBERS.map(str::to_owned);
        [(regimes, Value::from(self.names())), (of, Value::from(sizes.join(", ")))]
            .into_iter()
            .collect()
    }

    /// The names of the regimes in which it enters; empty: all.
    #[must_use]
    pub fn names(&self) -> String {
        self.only.iter().map(|regime| regime.name()).collect::<Vec<_>>().join(", ")
    }

    /// The feature that it needs; none: it changes nothing.
    #[must_use]
    pub fn feature(&self) -> Option<&'static str> {
        (*self != RegimeRule::default()).then_some(FEATURE)
    }

    /// Whether its strategy enters in a regime.
    #[must_use]
    pub fn enters(&self, regime: Regime) -> bool {
        self.only.is_empty() || self.only.contains(&regime)
    }

    /// The size of an entry in a regime, millionths of the usual one.
    #[must_use]
    pub fn size_ppm(&self, regime: Regime) -> u32 {
        self.sizes_ppm.get(&regime).copied().unwrap_or(MILLION)
    }
}

/// The parts between commas. An empty text has none.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(move |_| !text.trim().is_empty())
}

pub(super) fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("{value} is not text in quotes"))
}

pub(super) fn at(member: &str) -> impl Fn(String) -> String {
    move |why| format!("{member}: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_written_as_it_is_read() {
        let read = |text: &str| {
            let mut section: Map<String, Value> = serde_json::from_str(text).unwrap();
            RegimeRule::take(&mut section).map(|rule| (rule, section))
        };
        let text = r#"{"regimes":"wide_structure, tight_smc","regime_sizes":"tight_smc: 0.5"}"#;
        let (rule, rest) = read(text).unwrap();
        assert!(rest.is_empty());
        let [data, tight, wide, calm] = Regime::ALL;
        assert_eq!([data, tight, wide, calm].map(|of| rule.enters(of)), [false, true, true, false]);
        assert_eq!([tight, wide].map(|of| rule.size_ppm(of)), [500_000, 1_000_000]);
        assert_eq!(rule.feature(), Some("regime@1h"));
        let written = Value::Object(rule.members()).to_string();
        assert_eq!(
            written,
            r#"{"regime_sizes":"tight_smc: 0.5","regimes":"tight_smc, wide_structure"}"#
        );
        assert_eq!(read(&written).unwrap().0, rule);
        let none = RegimeRule::default();
        assert_eq!(read(&Value::Object(none.members()).to_string()).unwrap().0, none);
        assert_eq!(
            (none.feature(), none.enters(data), none.size_ppm(data)),
            (None, true, 1_000_000)
        );
        let zero = RegimeRule::sizes("no_data:0,tight_smc : 1").unwrap();
        assert_eq!(zero.into_iter().collect::<Vec<_>>(), [(data, 0), (tight, 1_000_000)]);
    }

    #[test]
    fn a_wrong_rule_is_refused_with_what_is_meant() {
        let names = "no_data, tight_smc, wide_structure, consolidation";
        for (text, why) in [
            ("wide", format!("\"wide\" is not one of {names}; did you mean \"wide_structure\"?")),
            (
                "tight-smc",
                format!("\"tight-smc\" is not one of {names}; did you mean \"tight_smc\"?"),
            ),
            ("bull", format!("\"bull\" is not one of {names}")),
            ("tight_smc,", format!("\"\" is not one of {names}")),
            ("tight_smc, tight_smc", "tight_smc is there twice".to_owned()),
        ] {
            assert_eq!(RegimeRule::list(text), Err(why), "{text}");
        }
        for (text, why) in [
            ("tight_smc", "\"tight_smc\" is not a regime with a part of the size, like"),
            ("tight_smc: 50%", "tight_smc: \"50%\" is not from \"0\" to \"1\""),
            ("tight_smc: 1.5", "tight_smc: \"1.5\" is not from \"0\" to \"1\""),
            ("consolidate: 1", "\"consolidate\" is not one of"),
            ("no_data: 1, no_data: 0", "no_data is there twice"),
        ] {
            let wrong = RegimeRule::sizes(text).unwrap_err();
            assert!(wrong.starts_with(why), "{text}: {wrong}");
        }
        let mut section = Map::from_iter([("regimes".to_owned(), Value::from(1))]);
        let why = RegimeRule::take(&mut section).unwrap_err();
        assert_eq!(why, "regimes: 1 is not text in quotes");
    }
}
