//! A kind of strategy without its types: what the rest of the house knows of it.

use super::setting::{self, Setting, Wrong};
use super::why_not::{AskedKind, WhyNot};
use super::{Strategy, StrategyStage};
use crate::stages::Make;
use everwarm_domain::time::Timeframe;
use serde_json::{Map, Value};

/// One line of the registry.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// Its settings.
    pub settings: &'static [Setting],
    /// Its defaults, as a JSON object.
    pub defaults: fn() -> String,
    /// A section as it is compared and kept: JSON, checked, with all defaults.
    pub read: fn(&str) -> Result<String, Wrong>,
    /// A stage of that id at that rank, with no memory.
    pub make: Make,
    /// The features it needs under a section that was read; none where that cannot be.
    pub features: fn(&str) -> Vec<String>,
    /// At the ends of which bars it is asked under a section that was read.
    pub timeframe: fn(&str) -> Option<Timeframe>,
    /// Somebody who is asked why nothing is wished, under a section that was read.
    pub why_not: fn(&str) -> Option<Box<dyn WhyNot>>,
}

impl Kind {
    pub(super) const fn of<S: Strategy>() -> Kind {
        Kind {
            name: S::KIND,
            settings: S::SETTINGS,
            defaults: || text::<S>(&S::Section::default()),
            read: read::<S>,
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

/// The members by name, as every text of a section has them.
fn text<S: Strategy>(section: &S::Section) -> String {
    serde_json::to_value(section).expect("settings are plain").to_string()
}

fn typed<S: Strategy>(section: &str) -> Option<S::Section> {
    serde_json::from_str(section).ok()
}

/// A section in its types, checked.
pub(super) fn section<S: Strategy>(text: &str) -> Result<S::Section, Wrong> {
    let wrong = |text: String| Wrong { names: &[], text };
    let members: Map<String, Value> =
        serde_json::from_str(text).map_err(|e| wrong(e.to_string()))?;
    setting::check(S::SETTINGS, &members).map_err(wrong)?;
    // What a section does not say has the default of its kind.
    let mut all: Map<String, Value> =
        serde_json::from_str(&self::text::<S>(&S::Section::default())).unwrap_or_default();
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
            assert_eq!((kind.read)("{}").unwrap(), (kind.defaults)(), "{}", kind.name);
            assert!(!(kind.features)(&(kind.defaults)()).is_empty(), "{}", kind.name);
            for reserved in ["kind", "enabled"] {
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
