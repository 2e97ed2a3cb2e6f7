//! The configured strategies: instances of kinds, by id.

use super::confidence;
use super::drivers::DriverRule;
use super::entries::EntryRule;
use super::exits::ExitRules;
use super::regimes::RegimeRule;
use super::sizes::{self, Size};
use super::warm_up::{self, WarmUp};
use crate::time::Timeframe;
use serde::de::{Deserializer, Error as _};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Field of a section that names the kind.
const KIND: &str = "kind";
/// Field of a section that allows entries.
const ENABLED: &str = "enabled";

/// One strategy: an instance of a kind, with its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The kind.
    pub kind: String,
    /// Whether it may open lots. It closes its lots by its rules in any case.
    pub enabled: bool,
    /// The settings of its kind: a JSON object that only the kind reads.
    pub section: String,
    /// The rules by which its lots are sold without a signal; none in texts of versions without
    /// such rules.
    pub exits: Option<ExitRules>,
    /// How large its entries are.
    pub size: Size,
    /// How its entries are ordered.
    pub entry: EntryRule,
    /// Least confidence of a signal that opens or adds to a lot, millionths, at most one million.
    pub min_confidence_ppm: u32,
    /// The regimes in which it enters, and its sizes there.
    pub regimes: RegimeRule,
    /// The drivers and the bias that its entries need.
    pub drivers: DriverRule,
    /// The bars that its features need before it enters.
    pub warm_up: WarmUp,
}

/// Instances by id.
///
/// In JSON a section is an object of `kind`, `enabled`, the exit rules, the size, the entry rule
/// and the settings of the kind. Without `kind` its id is the kind, as in the texts of older
/// configurations. Saved states hold no instances. Settings of the only strategy in older states
/// are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strategies(pub BTreeMap<String, Instance>);

impl Strategies {
    /// Sets one field of a section. A missing instance is created: enabled, with its id as the
    /// kind.
    pub fn set(&mut self, id: &str, member: &str, value: impl Into<Value>) {
        let one = self.entry(id);
        let mut own: Map<String, Value> = serde_json::from_str(&one.section).unwrap_or_default();
        own.insert(member.to_owned(), value.into());
        one.section = Value::Object(own).to_string();
    }

    /// Sets the exit rules of a section. A missing instance is created: enabled, with its id as the
    /// kind.
    pub fn set_exits(&mut self, id: &str, exits: ExitRules) {
        self.entry(id).exits = Some(exits);
    }

    /// Sets the size of the entries of a section. A missing instance is created: enabled, with its
    /// id as the kind.
    pub fn set_size(&mut self, id: &str, size: Size) {
        self.entry(id).size = size;
    }

    /// Sets how entries of a section are ordered. A missing instance is created: enabled, with its
    /// id as the kind.
    pub fn set_entry(&mut self, id: &str, rule: EntryRule) {
        self.entry(id).entry = rule;
    }

    fn entry(&mut self, id: &str) -> &mut Instance {
        let (kind, enabled, section) = (id.to_owned(), true, "{}".to_owned());
        let (exits, size) = (Some(ExitRules::default()), Size::default());
        let (entry, min_confidence_ppm, regimes) = Default::default();
        let (drivers, warm_up) = Default::default();
        let fresh = Instance {
            kind,
            enabled,
            section,
            exits,
            size,
            entry,
            min_confidence_ppm,
            regimes,
            drivers,
            warm_up,
        };
        self.0.entry(id.to_owned()).or_insert(fresh)
    }

    /// Allows or forbids entries of an instance.
    pub fn enable(&mut self, id: &str, on: bool) {
        if let Some(one) = self.0.get_mut(id) {
            one.enabled = on;
        }
    }
}

/// The place of the only strategy in saved states. It is written with empty values.
#[derive(Serialize, Deserialize)]
struct InState {
    sma_cross: (bool, Timeframe, u32, u32),
}

impl Serialize for Strategies {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if !to.is_human_readable() {
            return InState { sma_cross: (false, Timeframe::M1, 0, 0) }.serialize(to);
        }
        let section = |(id, one): (&String, &Instance)| {
            let mut all = Map::new();
            all.insert(KIND.to_owned(), Value::from(one.kind.as_str()));
            all.insert(ENABLED.to_owned(), Value::from(one.enabled));
            all.extend(one.exits.iter().flat_map(ExitRules::members));
            // Texts of earlier versions name neither size nor entry rule.
            if one.size != Size::Fixed {
                all.insert(sizes::MEMBER.to_owned(), Value::from(one.size.to_string()));
            }
            if one.entry != EntryRule::default() {
                all.extend(one.entry.members());
            }
            if one.min_confidence_ppm > 0 {
                let least = confidence::text(one.min_confidence_ppm);
                all.insert(confidence::MEMBER.to_owned(), Value::from(least));
            }
            if one.regimes != RegimeRule::default() {
                all.extend(one.regimes.members());
            }
            if one.drivers != DriverRule::default() {
                all.extend(one.drivers.members());
            }
            if one.warm_up != WarmUp::default() {
                all.insert(warm_up::MEMBER.to_owned(), Value::from(one.warm_up.name()));
            }
            if let Ok(Value::Object(own)) = serde_json::from_str(&one.section) {
                all.extend(own);
            }
            (id.clone(), Value::Object(all))
        };
        self.0.iter().map(section).collect::<Map<String, Value>>().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Strategies {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Strategies, D::Error> {
        if !from.is_human_readable() {
            return InState::deserialize(from).map(|_| Strategies::default());
        }
        let sections = BTreeMap::<String, Map<String, Value>>::deserialize(from)?;
        let read = |(id, mut own): (String, Map<String, Value>)| {
            let kind = match own.remove(KIND) {
                None => id.clone(),
                Some(Value::String(kind)) => kind,
                Some(other) => return Err(format!("{id}: {other} is no kind of a strategy")),
            };
            let enabled = match own.remove(ENABLED) {
                None => true,
                Some(Value::Bool(on)) => on,
                Some(other) => return Err(format!("{id}: enabled is {other}")),
            };
            let exits = ExitRules::take(&mut own).map_err(|why| format!("{id}: {why}"))?;
            let size = Size::take(&mut own).map_err(|why| format!("{id}: {why}"))?;
            let entry = EntryRule::take(&mut own).map_err(|why| format!("{id}: {why}"))?;
            let min_confidence_ppm =
                confidence::take(&mut own).map_err(|why| format!("{id}: {why}"))?;
            let regimes = RegimeRule::take(&mut own).map_err(|why| format!("{id}: {why}"))?;
            let drivers = DriverRule::take(&mut own).map_err(|why| format!("{id}: {why}"))?;
            let warm_up = WarmUp::take(&mut own).map_err(|why| format!("{id}: {why}"))?;
            let section = Value::Object(own).to_string();
            let one = Instance {
                kind,
                enabled,
                section,
                exits,
                size,
                entry,
                min_confidence_ppm,
                regimes,
                drivers,
                warm_up,
            };
            Ok((id, one))
        };
        let all: Result<BTreeMap<String, Instance>, String> =
            sections.into_iter().map(read).collect();
        all.map(Strategies).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_an_object_of_its_kind_and_the_kinds_settings() {
        let text = r#"{"b":{"enabled":false,"kind":"k","x":[1]},"k":{"fast":3}}"#;
        let all: Strategies = serde_json::from_str(text).unwrap();
        let of = |kind: &str, enabled, section: &str| Instance {
            kind: kind.to_owned(),
            enabled,
            section: section.to_owned(),
            exits: None,
            size: Size::Fixed,
            entry: EntryRule::default(),
            min_confidence_ppm: 0,
            regimes: RegimeRule::default(),
            drivers: DriverRule::default(),
            warm_up: WarmUp::First,
        };
        assert_eq!(all.0["b"], of("k", false, r#"{"x":[1]}"#));
        assert_eq!(all.0["k"], of("k", true, r#"{"fast":3}"#), "older texts name no kind");
        let again = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Strategies>(&again).unwrap(), all);
        let text = r#"{"k":{"entry":"limit 1%","size":"fixed"}}"#;
        let all: Strategies = serde_json::from_str(text).unwrap();
        let entry = EntryRule { below_ppm: Some(10_000), ..EntryRule::default() };
        assert_eq!(all.0["k"], Instance { entry, ..of("k", true, "{}") });
        let again = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Strategies>(&again).unwrap(), all);
        let text = r#"{"k":{"size":"risk 1%"}}"#;
        let all: Strategies = serde_json::from_str(text).unwrap();
        assert_eq!(all.0["k"], Instance { size: Size::Risk(10_000), ..of("k", true, "{}") });
        let again = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Strategies>(&again).unwrap(), all);
        let text = r#"{"k":{"min_confidence":"0.4"}}"#;
        let all: Strategies = serde_json::from_str(text).unwrap();
        assert_eq!(all.0["k"], Instance { min_confidence_ppm: 400_000, ..of("k", true, "{}") });
        let again = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Strategies>(&again).unwrap(), all);
        let text = r#"{"k":{"regimes":"tight_smc","regime_sizes":"tight_smc: 0.5"}}"#;
        let all: Strategies = serde_json::from_str(text).unwrap();
        let regimes = RegimeRule {
            only: RegimeRule::list("tight_smc").unwrap(),
            sizes_ppm: RegimeRule::sizes("tight_smc: 0.5").unwrap(),
        };
        assert_eq!(all.0["k"], Instance { regimes, ..of("k", true, "{}") });
        let again = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Strategies>(&again).unwrap(), all);
        let text = r#"{"k":{"warmup":"settled"}}"#;
        let all: Strategies = serde_json::from_str(text).unwrap();
        assert_eq!(all.0["k"], Instance { warm_up: WarmUp::Settled, ..of("k", true, "{}") });
        let again = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Strategies>(&again).unwrap(), all);
        let text = r#"{"k":{"drivers":"BTCUSDT: up","daily_bias":"long"}}"#;
        let all: Strategies = serde_json::from_str(text).unwrap();
        let drivers = DriverRule { only: DriverRule::list("BTCUSDT: up").unwrap(), long: true };
        assert_eq!(all.0["k"], Instance { drivers, ..of("k", true, "{}") });
        let again = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Strategies>(&again).unwrap(), all);
        for wrong in [
            r#"{"a":1}"#,
            r#"{"a":{"drivers":"up"}}"#,
            r#"{"a":{"warmup":"soon"}}"#,
            r#"{"a":{"regimes":"bull"}}"#,
            r#"{"a":{"min_confidence":"2"}}"#,
            r#"{"a":{"kind":2}}"#,
            r#"{"a":{"enabled":"yes"}}"#,
            r#"{"a":{"size":"all"}}"#,
            r#"{"a":{"entry":"soon"}}"#,
        ] {
            assert!(serde_json::from_str::<Strategies>(wrong).is_err(), "{wrong}");
        }
    }
}
