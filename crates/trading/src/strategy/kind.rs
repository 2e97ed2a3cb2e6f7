//! Describes a kind of strategy without its types, for the rest of the program.

use super::setting::{self, Added, Setting, Wrong};
use super::why_not::{AskedKind, WhyNot};
use super::{Strategy, StrategyStage};
use crate::stages::Make;
use everwarm_domain::settings::ExitRules;
use everwarm_domain::time::Timeframe;
use serde_json::{Map, Value};

/// One kind: an entry of [`KINDS`](super::KINDS), or one that a program adds.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Name of the kind.
    pub name: &'static str,
    /// Settings of the kind.
    pub settings: &'static [Setting],
    /// The settings that later versions added.
    pub added: &'static [Added],
    /// Gives the section of a new configuration that sets nothing, as a JSON object.
    pub defaults: fn() -> String,
    /// Checks a section. Returns it as JSON with all members, the form for comparing and storing.
    /// Missing members have their defaults, but those of `added` their value before they existed.
    pub read: fn(&str) -> Result<String, Wrong>,
    /// Gives the default exit rules of its lots.
    pub exits: fn() -> ExitRules,
    /// Whether a position ends with its lot; otherwise with a signal to sell.
    pub ends_with_lot: bool,
    /// Whether it takes signals of external programs.
    pub external: bool,
    /// Makes a stage with an id and rank and an empty state.
    pub make: Make,
    /// Gives the features of a read section; empty if the section is unreadable.
    pub features: fn(&str) -> Vec<String>,
    /// Gives the width of the bars at whose ends the strategy runs, for a read section.
    pub timeframe: fn(&str) -> Option<Timeframe>,
    /// Makes the object that explains missing signals, for a read section.
    pub why_not: fn(&str) -> Option<Box<dyn WhyNot>>,
}

impl Kind {
    /// The kind that a type implements.
    #[must_use]
    pub const fn of<S: Strategy>() -> Kind {
        Kind {
            name: S::KIND,
            settings: S::SETTINGS,
            added: S::ADDED,
            defaults: || text::<S>(&S::Section::default()),
            read: read::<S>,
            exits: S::exits,
            ends_with_lot: S::ENDS_WITH_LOT,
            external: S::EXTERNAL,
            make: |id, rank| Box::new(StrategyStage::<S>::new(id, rank)),
            features: |section| typed::<S>(section).map_or_else(Vec::new, |s| S::features(&s)),
            timeframe: |section| typed::<S>(section).map(|section| S::timeframe(&section)),
            why_not: |section| {
                let why_not: Box<dyn WhyNot> = Box::new(AskedKind::<S>::new(typed::<S>(section)?));
                Some(why_not)
            },
        }
    }
}

/// The section as JSON text, with its members sorted by name.
fn text<S: Strategy>(section: &S::Section) -> String {
    serde_json::to_value(section).expect("settings are plain").to_string()
}

fn typed<S: Strategy>(section: &str) -> Option<S::Section> {
    serde_json::from_str(section).ok()
}

/// Parses and checks a section.
pub(super) fn section<S: Strategy>(text: &str) -> Result<S::Section, Wrong> {
    let wrong = |text: String| Wrong { names: &[], text };
    let members: Map<String, Value> =
        serde_json::from_str(text).map_err(|e| wrong(e.to_string()))?;
    setting::check(S::SETTINGS, &members).map_err(wrong)?;
    // Missing members get the defaults of the kind. A text without an added one is older: serde
    // gives it the former value.
    let mut all: Map<String, Value> =
        serde_json::from_str(&self::text::<S>(&S::Section::default())).unwrap_or_default();
    all.retain(|name, _| S::ADDED.iter().all(|added| added.name != name));
    all.extend(members);
    let section = serde_json::from_value(Value::Object(all)).map_err(|e| wrong(e.to_string()))?;
    S::check(&section)?;
    Ok(section)
}

fn read<S: Strategy>(text: &str) -> Result<String, Wrong> {
    section::<S>(text).map(|section| self::text::<S>(&section))
}

#[cfg(test)]
mod tests {
    use super::super::KINDS;
    use super::*;

    #[test]
    fn the_settings_of_a_kind_are_the_members_of_its_section() {
        for kind in KINDS {
            let defaults: Map<String, Value> = serde_json::from_str(&(kind.defaults)()).unwrap();
            let mut named: Vec<&str> = kind.settings.iter().map(|setting| setting.name).collect();
            named.sort_unstable();
            assert_eq!(defaults.keys().collect::<Vec<_>>(), named, "{}", kind.name);
            let all: Map<String, Value> =
                serde_json::from_str(&(kind.read)("{}").unwrap()).unwrap();
            for (name, value) in &all {
                let added = kind.added.iter().any(|added| added.name == name);
                assert!(added || *value == defaults[name], "{} {name}", kind.name);
            }
            assert_eq!(all.len(), defaults.len(), "{}", kind.name);
            assert_eq!((kind.read)(&(kind.defaults)()).unwrap(), (kind.defaults)());
            assert!(!(kind.features)(&(kind.defaults)()).is_empty(), "{}", kind.name);
            let shared = super::super::of_every().map(|setting| setting.name);
            for reserved in ["kind", "enabled"].into_iter().chain(shared) {
                assert!(!named.contains(&reserved), "{} has a setting {reserved}", kind.name);
            }
        }
    }

    #[test]
    fn a_section_beyond_its_limits_is_refused_by_the_name_of_its_member() {
        let kind = &KINDS[0];
        let why = |text: &str| (kind.read)(text).unwrap_err().text;
        assert_eq!(why(r#"{"fast":0}"#), "fast 0 is not possible");
        assert_eq!(why(r#"{"timeframe":"7m"}"#), "timeframe \"7m\" is not possible");
        assert_eq!(why(r#"{"fats":3}"#), "there is no setting fats");
        assert!(why("[]").contains("invalid type"));
    }
}
