//! All kinds of strategies: the built-in ones, and those that a program adds once at its start.

use super::{KINDS, Kind, of_every};
use crate::indicators::Feature;
use everwarm_domain::order::RESERVED;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// The kinds that the program has added. They are part of the program like the built-in ones: they
/// are set before the first configuration is read, and never change.
static OWN: OnceLock<Vec<Kind>> = OnceLock::new();

/// The most characters of a name.
const NAME_MAX: usize = 32;
/// Members of a section that belong to every strategy, besides those of [`of_every`].
const OF_SECTION: [&str; 2] = ["kind", "enabled"];

/// All kinds of this program: the built-in ones, then the added ones.
pub fn kinds() -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().chain(OWN.get().into_iter().flatten())
}

/// The kind with this name.
#[must_use]
pub fn kind(name: &str) -> Option<&'static Kind> {
    kinds().find(|kind| kind.name == name)
}

/// Whether a text may be the id of a strategy, or the name of a kind: 1 to 32 of a-z, 0-9 and _.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(plain)
}

/// Adds the kinds of a program to the built-in ones. Call it once, at the start.
///
/// # Errors
/// A kind cannot be added, or kinds were added before. Then no kind is added.
pub fn add(own: &[Kind]) -> Result<(), String> {
    for (at, kind) in own.iter().enumerate() {
        addable(kind, KINDS.iter().chain(&own[..at]))
            .map_err(|why| format!("the strategy kind {:?} cannot be added: {why}", kind.name))?;
    }
    OWN.set(own.to_vec()).map_err(|_| {
        "the strategy kinds were added before: give all of them to one call of main_with".to_owned()
    })
}

/// Checks a kind that is added to `others`.
fn addable<'a>(kind: &Kind, mut others: impl Iterator<Item = &'a Kind>) -> Result<(), String> {
    let name = kind.name;
    if !is_name(name) {
        return Err(format!("KIND is not 1 to {NAME_MAX} of a-z, 0-9, _: choose another name"));
    }
    if RESERVED.contains(&name) {
        return Err("the name is reserved: choose another KIND".to_owned());
    }
    if others.any(|other| other.name == name) {
        return Err("another kind has this name: choose another KIND".to_owned());
    }
    settings(kind)?;
    let defaults = (kind.defaults)();
    let section = (kind.read)(&defaults).map_err(|wrong| {
        format!("it refuses its default settings: {}: change Default or check", wrong.text)
    })?;
    (kind.read)("{}").map_err(|wrong| {
        let text = "it refuses sections of versions before ADDED";
        format!("{text}: {}: add #[serde(default)] to its members", wrong.text)
    })?;
    let features = (kind.features)(&section);
    for feature in &features {
        Feature::check(feature).map_err(|why| format!("features: {why}"))?;
    }
    let width = (kind.timeframe)(&section).map(|width| width.to_string()).unwrap_or_default();
    if features.iter().any(|feature| feature.ends_with(&format!("@{width}"))) {
        return Ok(());
    }
    let text =
        format!("features names none at {width}, so update never runs: add \"close@{width}\"");
    Err(text)
}

/// Checks that the settings of a kind are the members of its section.
fn settings(kind: &Kind) -> Result<(), String> {
    let defaults: Result<Map<String, Value>, _> = serde_json::from_str(&(kind.defaults)());
    let Ok(defaults) = defaults else {
        return Err("Section has no named members: make it a struct with braces".to_owned());
    };
    let mut named = BTreeSet::new();
    for setting in kind.settings {
        let name = setting.name;
        if !is_name(name) {
            return Err(format!("the setting {name:?} is not 1 to {NAME_MAX} of a-z, 0-9, _"));
        }
        let shared = of_every().any(|other| other.name == name);
        if shared || OF_SECTION.contains(&name) {
            return Err(format!("every strategy has a setting {name}: rename the one in SETTINGS"));
        }
        if !named.insert(name) {
            return Err(format!("SETTINGS has {name} twice"));
        }
        if !defaults.contains_key(name) {
            return Err(format!("Section has no member {name}, which SETTINGS has"));
        }
    }
    if let Some(name) = defaults.keys().find(|name| !named.contains(name.as_str())) {
        return Err(format!("SETTINGS has no {name}, which is a member of Section"));
    }
    match kind.added.iter().find(|added| !named.contains(added.name)) {
        Some(added) => Err(format!("SETTINGS has no {}, which ADDED has", added.name)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::{Added, Form, Setting, TIMEFRAME, Wrong};

    const STOP: Setting = Setting { name: "stop", form: Form::Flag, about: "" };
    const MORE: Setting = Setting { name: "more", form: Form::Flag, about: "" };

    /// Why a kind that differs from the first built-in one is refused.
    fn why(change: impl Fn(&mut Kind)) -> String {
        let mut kind = Kind { name: "mine", ..KINDS[0] };
        change(&mut kind);
        addable(&kind, KINDS.iter()).err().unwrap_or_default()
    }

    #[test]
    fn a_kind_that_cannot_work_is_refused_with_the_reason() {
        assert_eq!(why(|_| {}), "");
        for name in ["", "My-Strategy", "much_too_long_for_the_name_of_a_kind"] {
            assert!(why(|kind| kind.name = name).starts_with("KIND is not 1 to 32"), "{name}");
        }
        assert!(why(|kind| kind.name = "manual").starts_with("the name is reserved"));
        assert!(why(|kind| kind.name = "swing").starts_with("another kind has this name"));
        let twice = [Kind { name: "mine", ..KINDS[0] }; 2];
        assert!(add(&twice).unwrap_err().contains("\"mine\" cannot be added: another kind has"));
        assert!(why(|kind| kind.defaults = || "null".to_owned()).contains("no named members"));
        assert!(why(|kind| kind.settings = &[TIMEFRAME]).starts_with("SETTINGS has no confidence"));
        assert!(why(|kind| kind.settings = &[STOP]).starts_with("every strategy has a setting"));
        assert!(why(|kind| kind.settings = &[MORE]).starts_with("Section has no member more"));
        assert!(why(|kind| kind.settings = &[TIMEFRAME; 2]).ends_with("timeframe twice"));
        let added = |kind: &mut Kind| kind.added = &[Added { name: "more", version: 7 }];
        assert_eq!(why(added), "SETTINGS has no more, which ADDED has");
        let older = |kind: &mut Kind| {
            kind.read = |text: &str| match text {
                "{}" => Err(Wrong { names: &[], text: "missing field".to_owned() }),
                _ => (KINDS[0].read)(text),
            }
        };
        assert!(why(older).ends_with("missing field: add #[serde(default)] to its members"));
        let wide = |kind: &mut Kind| kind.features = |_| vec!["sma(2)@1h".to_owned()];
        assert_eq!(why(wide), "features names none at 1m, so update never runs: add \"close@1m\"");
        let wrong = |kind: &mut Kind| kind.features = |_| vec!["smaa(2)@1m".to_owned()];
        assert!(why(wrong).contains("did you mean `sma`?"));
        let refused = r#"{"enabled":true,"fast":30,"slow":10,"timeframe":"1m"}"#;
        assert!(kind("sma_cross").is_some_and(|kind| (kind.read)(refused).is_err()));
    }
}
