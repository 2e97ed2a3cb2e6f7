//! The sources of the configuration, each a flat list of keys: defaults, file, environment, flags.
//! Keys and kinds of values are those of the defaults, which are the embedded
//! `config/default.toml`.

use figment::value::{Dict, Map, Tag, Value};
use figment::{Metadata, Profile, Provider};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// The defaults, with a comment a key.
pub const DEFAULTS: &str = include_str!("../../../config/default.toml");
/// What the environment variables of ours begin with.
pub const PREFIX: &str = "EVERWARM_";
/// Variables with our prefix that are not configuration: where tests find their material.
const NOT_OURS: [&str; 4] =
    ["EVERWARM_SHARED", "EVERWARM_STRIKES", "EVERWARM_STRUCK", "EVERWARM_PLAN"];

/// One thing wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where: file with line and column, variable, or flag.
    pub place: String,
    /// What, with the key.
    pub text: String,
}

/// Everything wrong with the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            let end = if i + 1 < self.0.len() { "\n" } else { "" };
            write!(f, "{}: {}{end}", error.place, error.text)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// One value of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The value.
    pub value: Value,
    /// Where it stands.
    pub place: String,
}

/// A key given as text: by a flag or a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Levels joined by dots.
    pub key: String,
    /// The value as it was written.
    pub text: String,
    /// The flag or variable.
    pub place: String,
}

/// What one source says, by key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layer(pub BTreeMap<String, Entry>);

impl Layer {
    /// The embedded defaults.
    #[must_use]
    pub fn defaults() -> Layer {
        let mut errors = ConfigErrors::default();
        let layer = Layer::parse("default", DEFAULTS, &mut errors);
        assert!(errors.0.is_empty(), "a test parses the embedded defaults: {errors}");
        layer
    }

    /// A file. Keys are not yet compared with the known ones.
    pub fn file(path: &Path, errors: &mut ConfigErrors) -> Layer {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Layer::parse(&name, &text, errors),
            Err(e) => {
                errors.0.push(ConfigError { place: name, text: format!("cannot be read: {e}") });
                Layer::default()
            }
        }
    }

    /// The text of a file called `name`.
    pub fn parse(name: &str, text: &str, errors: &mut ConfigErrors) -> Layer {
        let mut layer = Layer::default();
        match DeTable::parse(text) {
            Ok(table) => layer.flatten(name, text, "", table.get_ref(), errors),
            Err(e) => {
                let place = place_in(name, text, e.span().map_or(0, |s| s.start));
                errors.0.push(ConfigError { place, text: e.message().to_owned() });
            }
        }
        layer
    }

    fn flatten(
        &mut self,
        name: &str,
        text: &str,
        above: &str,
        table: &DeTable<'_>,
        errors: &mut ConfigErrors,
    ) {
        for (key, value) in table {
            let place = place_in(name, text, key.span().start);
            let dot = if above.is_empty() { "" } else { "." };
            let key = format!("{above}{dot}{}", key.get_ref());
            match value.get_ref() {
                DeValue::Table(inner) => self.flatten(name, text, &key, inner, errors),
                DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_)
                | DeValue::Array(_) => match to_value(value.get_ref()) {
                    Ok(value) => {
                        self.0.insert(key, Entry { value, place });
                    }
                    Err(e) => {
                        errors.0.push(ConfigError { place, text: format!("{key}: {e}") });
                    }
                },
            }
        }
    }

    /// Our variables of an environment, as keys with their texts.
    pub fn variables(environment: impl IntoIterator<Item = (String, String)>) -> Vec<Given> {
        let ours = |(name, text): (String, String)| {
            let rest = name.strip_prefix(PREFIX)?;
            let key = rest.to_ascii_lowercase().replace("__", ".");
            (!NOT_OURS.contains(&name.as_str())).then_some(Given { key, text, place: name })
        };
        let mut found: Vec<Given> = environment.into_iter().filter_map(ours).collect();
        found.sort_by(|a, b| a.place.cmp(&b.place));
        found
    }

    /// Texts read as the kinds of values that `defaults` has for their keys.
    pub fn given(given: &[Given], defaults: &Layer, errors: &mut ConfigErrors) -> Layer {
        let mut layer = Layer::default();
        for Given { key, text, place } in given {
            let like = defaults.0.get(key).map(|entry| &entry.value);
            match read_like(text, like) {
                Ok(value) => {
                    layer.0.insert(key.clone(), Entry { value, place: place.clone() });
                }
                Err(e) => {
                    let (place, text) = (place.clone(), format!("{key}: {e}"));
                    errors.0.push(ConfigError { place, text });
                }
            }
        }
        layer
    }

    /// Takes out keys that `defaults` does not have, each an error that names the nearest one.
    pub fn reject_unknown(&mut self, defaults: &Layer, errors: &mut ConfigErrors) {
        self.0.retain(|key, entry| {
            let known = defaults.0.contains_key(key);
            if !known {
                let text = unknown(key, defaults.0.keys());
                errors.0.push(ConfigError { place: entry.place.clone(), text });
            }
            known
        });
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named("configuration")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut root = Dict::new();
        for (key, entry) in &self.0 {
            let mut levels: Vec<&str> = key.split('.').collect();
            let leaf = levels.pop().expect("split gives at least one part");
            let mut dict = &mut root;
            for level in levels {
                let empty = Value::Dict(Tag::Default, Dict::new());
                let Value::Dict(_, inner) = dict.entry(level.to_owned()).or_insert(empty) else {
                    return Err(figment::Error::from(format!("{key} is in no section")));
                };
                dict = inner;
            }
            dict.insert(leaf.to_owned(), entry.value.clone());
        }
        Ok(Map::from([(Profile::Default, root)]))
    }
}

fn to_value(value: &DeValue<'_>) -> Result<Value, String> {
    let number = |text: &str| text.replace('_', "");
    match value {
        DeValue::String(text) => Ok(Value::from(text.as_ref())),
        DeValue::Boolean(flag) => Ok(Value::from(*flag)),
        DeValue::Integer(digits) => i64::from_str_radix(&number(digits.as_str()), digits.radix())
            .map(Value::from)
            .map_err(|e| format!("{digits}: {e}")),
        DeValue::Float(digits) => match number(digits.as_str()).parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Value::from(value)),
            Ok(_) | Err(_) => Err(format!("{digits} is not a number to configure with")),
        },
        DeValue::Array(items) => items
            .iter()
            .map(|i| to_value(i.get_ref()))
            .collect::<Result<Vec<_>, _>>()
            .map(Value::from),
        DeValue::Datetime(time) => Ok(Value::from(time.to_string())),
        DeValue::Table(_) => Err("a table is not expected here".to_owned()),
    }
}

fn read_like(text: &str, like: Option<&Value>) -> Result<Value, String> {
    match like {
        Some(Value::Bool(..)) => match text {
            "true" | "1" => Ok(Value::from(true)),
            "false" | "0" => Ok(Value::from(false)),
            _ => Err(format!("{text:?} is neither true nor false")),
        },
        Some(Value::Num(..)) => text
            .parse::<i64>()
            .map(Value::from)
            .map_err(|_| format!("{text:?} is not a whole number")),
        _ => Ok(Value::from(text)),
    }
}

fn place_in(name: &str, text: &str, offset: usize) -> String {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    let line = before.split(|b| *b == b'\n').count();
    format!("{name}:{line}:{}", before.len() - line_start + 1)
}

fn unknown<'a>(key: &str, known: impl Iterator<Item = &'a String>) -> String {
    let last = |key: &str| key.rsplit('.').next().map(str::to_owned);
    let distance = |other: &String| {
        let whole = distance(key, other);
        if last(key) == last(other) { whole.min(1) } else { whole }
    };
    let nearest = known.map(|other| (distance(other), other)).min();
    match nearest {
        Some((far, other)) if far <= key.len() / 3 + 1 => {
            format!("unknown key {key:?}; did you mean {other:?}?")
        }
        Some(_) | None => {
            format!("unknown key {key:?}; the known ones are in config/default.toml")
        }
    }
}

/// Letters to insert, remove or replace to make one of the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let cost = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], cost);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_lines_and_columns() {
        let mut errors = ConfigErrors::default();
        let layer = Layer::parse("a.toml", "[market]\n  seed = 0x1_0\n", &mut errors);
        assert_eq!(layer.0["market.seed"].place, "a.toml:2:3");
        assert_eq!(layer.0["market.seed"].value, Value::from(16_i64));
        Layer::parse("a.toml", "[market\n", &mut errors);
        assert_eq!(errors.0.len(), 1);
        assert!(errors.0[0].place.starts_with("a.toml:1:"), "{errors}");
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let defaults = Layer::defaults();
        let nearest = |key: &str| unknown(key, defaults.0.keys());
        assert!(nearest("trading.notinal").ends_with("did you mean \"trading.notional\"?"));
        assert!(nearest("seed").ends_with("did you mean \"market.seed\"?"));
        assert!(nearest("colour").ends_with("config/default.toml"));
    }

    #[test]
    fn variables_are_keys() {
        let pairs = [
            ("EVERWARM_MARKET__SEED", "7"),
            ("EVERWARM_SHARED", "/tmp"),
            ("HOME", "/root"),
            ("EVERWARM_STRATEGY__SMA_CROSS__FAST", "5"),
        ];
        let pairs = pairs.map(|(a, b)| (a.to_owned(), b.to_owned()));
        let keys: Vec<_> = Layer::variables(pairs).into_iter().map(|g| g.key).collect();
        assert_eq!(keys, ["market.seed", "strategy.sma_cross.fast"]);
    }

    #[test]
    fn distances() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
