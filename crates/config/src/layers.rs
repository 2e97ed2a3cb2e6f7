//! The sources of the configuration, each a flat list of keys: defaults, file, drop-ins,
//! environment, flags. The defaults are the embedded `config/default.toml`.

use super::error::{ConfigError, ConfigErrors, Place};
use super::keys::{self, KEYS};
use super::strategies;
use everwarm_domain::nearest::nearest;
use figment::value::{Dict, Map, Tag, Value};
use figment::{Metadata, Profile, Provider};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// The defaults, with a comment for each key.
pub const DEFAULTS: &str = include_str!("../../../config/default.toml");
/// Prefix of our environment variables.
pub const PREFIX: &str = "EVERWARM_";
/// Set when a process executes itself again, so that it does so only once. The value is its start,
/// in nanoseconds of the monotonic clock.
pub const BEGAN: &str = "EVERWARM_BEGAN_NS";
/// Variables with our prefix that are no keys: fault plans, and settings of tests and benchmarks.
const NOT_OURS: [&str; 13] = [
    BEGAN,
    "EVERWARM_BENCH_SINCE_NS",
    "EVERWARM_BLESS",
    "EVERWARM_FEED",
    "EVERWARM_PLAN",
    "EVERWARM_PROTOCOL",
    "EVERWARM_SEED",
    "EVERWARM_SHARED",
    "EVERWARM_SEALING",
    "EVERWARM_STEP",
    "EVERWARM_STRIKES",
    "EVERWARM_STRUCK",
    "EVERWARM_SWEEP",
];

/// Rules whose default is 0 with the simulated exchange. They would end most of a demonstration.
const OFF_IN_SIMULATION: &[&str] = &[
    "risk.losses_in_a_row",
    "risk.symbol_trades",
    "risk.stop_cooldown_minutes",
    "risk.strategy_reduce_at_stops",
    "risk.strategy_exits_only_at_stops",
    "risk.unknown_order_s",
    "risk.venue_silent_s",
    "risk.no_close_s",
    "risk.clock_off_ms",
    "risk.disk_behind_s",
    "risk.restarts_per_hour",
];

/// Assumptions about fills on live prices. Otherwise there are none, so that results stay the same.
pub const ON_LIVE_PRICES: &[(&str, &str)] = &[
    ("market.fills.range_spread_percent", "20"),
    ("market.fills.impact", "1"),
    ("market.fills.volume_percent", "10"),
    ("market.fills.queue_percent", "100"),
    ("market.fills.latency_ms", "500"),
];

/// One value of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The value.
    pub value: Value,
    /// The place of its key.
    pub place: Place,
    /// The place of the value itself.
    pub value_place: Place,
}

/// A key given as text by a flag or a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Levels joined by dots.
    pub key: String,
    /// The value as written.
    pub text: String,
    /// The flag or variable.
    pub place: String,
}

/// The entries of one source, by key.
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

    /// Turns the defaults into those for the simulated exchange.
    pub fn simulated(&mut self) {
        for key in OFF_IN_SIMULATION {
            if let Some(entry) = self.0.get_mut(*key) {
                entry.value = Value::from(0);
            }
        }
    }

    /// Turns the defaults into those for live prices.
    pub fn priced(&mut self) {
        for (key, text) in ON_LIVE_PRICES {
            let value = keys::find(key).and_then(|key| key.kind.read(text).ok());
            if let Some((entry, value)) = self.0.get_mut(*key).zip(value) {
                entry.value = value;
            }
        }
    }

    /// Reads a file.
    pub fn file(path: &Path, errors: &mut ConfigErrors) -> Layer {
        let name = path.display().to_string();
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) => {
                errors.push(Place::whole(name), None, format!("cannot be read: {e}"));
                return Layer::default();
            }
        };
        match std::str::from_utf8(&bytes) {
            Ok(text) => Layer::parse(&name, text, errors),
            Err(e) => {
                let good = std::str::from_utf8(&bytes[..e.valid_up_to()]).unwrap_or_default();
                let place = Place::within(&name, good, good.len());
                errors.push(place, None, "this is not UTF-8");
                Layer::default()
            }
        }
    }

    /// Parses the text of a file called `name`.
    pub fn parse(name: &str, text: &str, errors: &mut ConfigErrors) -> Layer {
        let (table, wrong) = DeTable::parse_recoverable(text);
        let mut torn = BTreeSet::new();
        let mut found = ConfigErrors::default();
        for error in &wrong {
            let place = Place::within(name, text, error.span().map_or(0, |span| span.start));
            torn.insert(place.line);
            found.push(place, None, error.message());
        }
        let mut parsed = Parsed { name, text, layer: Layer::default(), errors: Vec::new() };
        parsed.flatten("", table.get_ref());
        // Errors on a line with broken syntax are dropped: its values are not those that were
        // meant.
        let whole = |place: &Place| !torn.contains(&place.line);
        found.0.extend(parsed.errors.into_iter().filter(|error| whole(&error.place)));
        found.sort(&[name.to_owned()]);
        errors.0.extend(found.0);
        parsed.layer.0.retain(|_, entry| whole(&entry.place));
        parsed.layer
    }

    /// The entries of flags or variables.
    pub fn given(given: &[Given], errors: &mut ConfigErrors) -> Layer {
        let mut layer = Layer::default();
        for Given { key, text, place } in given {
            let place = Place::whole(place.clone());
            let Some(known) = keys::find(key) else {
                errors.0.push(unknown(key, place));
                continue;
            };
            if text.contains(char::REPLACEMENT_CHARACTER) {
                errors.push(place, Some(key), "this is not UTF-8");
                continue;
            }
            match known.kind.read(text) {
                Ok(value) => {
                    let value_place = place.clone();
                    layer.0.insert(key.clone(), Entry { value, place, value_place });
                }
                Err(e) => errors.push(place, Some(key), e),
            }
        }
        layer
    }
}

/// The drop-ins of a file, in the order of precedence: all `*.toml` in the folder with the file's
/// name and `.d`.
pub fn drop_ins(file: &Path, errors: &mut ConfigErrors) -> Vec<PathBuf> {
    let folder = drop_in_folder(file);
    let mut cannot = |e: &std::io::Error| {
        let place = Place::whole(folder.display().to_string());
        errors.push(place, None, format!("cannot be read: {e}"));
    };
    let mut found = Vec::new();
    match std::fs::read_dir(&folder) {
        Ok(entries) => {
            for entry in entries {
                match entry {
                    Ok(entry) => found.push(entry.path()),
                    Err(e) => cannot(&e),
                }
            }
        }
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        Err(e) => cannot(&e),
    }
    let hidden = |path: &Path| path.file_name().is_some_and(|n| n.as_encoded_bytes()[0] == b'.');
    found.retain(|path| path.extension().is_some_and(|e| e == "toml") && !hidden(path));
    found.sort();
    found
}

fn drop_in_folder(file: &Path) -> PathBuf {
    let mut name = OsString::from(file.as_os_str());
    name.push(".d");
    name.into()
}

/// The variables of an environment that set keys, with their texts.
#[must_use]
pub fn variables(environment: &[(String, String)]) -> Vec<Given> {
    let ours = |(name, text): &(String, String)| {
        let rest = name.strip_prefix(PREFIX)?;
        let key = rest.to_ascii_lowercase().replace("__", ".");
        let ours = !NOT_OURS.contains(&name.as_str());
        ours.then(|| Given { key, text: text.clone(), place: name.clone() })
    };
    let mut found: Vec<Given> = environment.iter().filter_map(ours).collect();
    found.sort_by(|a, b| a.place.cmp(&b.place));
    found
}

/// The name of the variable that sets a key.
#[must_use]
pub fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.to_ascii_uppercase().replace('.', "__"))
}

fn unknown(key: &str, place: Place) -> ConfigError {
    let of_strategies: Vec<String> = strategies::near(key).collect();
    let variable = place.source.starts_with(PREFIX);
    let sections = keys::sections().into_iter().filter(|_| !variable);
    let known = sections.chain(KEYS.iter().map(|k| k.name));
    let nearest = nearest(key, known.chain(of_strategies.iter().map(String::as_str)));
    let first = KEYS.iter().find(|k| k.name.strip_prefix(key).is_some_and(|k| k.starts_with('.')));
    let text = match nearest {
        _ if variable && let Some(first) = first => {
            format!("{key:?} is a section; name a key of it, like {}", variable_of(first.name))
        }
        Some(other) if variable => {
            format!("unknown key {key:?}; did you mean {}?", variable_of(other))
        }
        Some(other) => format!("unknown key {key:?}; did you mean {other:?}?"),
        None => format!("unknown key {key:?}; `everwarm config example` shows every key"),
    };
    ConfigError { place, key: None, text, nearest: nearest.map(str::to_owned) }
}

/// A file while it is parsed.
struct Parsed<'a> {
    name: &'a str,
    text: &'a str,
    layer: Layer,
    errors: Vec<ConfigError>,
}

impl Parsed<'_> {
    fn flatten(&mut self, above: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let place = Place::within(self.name, self.text, key.span().start);
            let dot = if above.is_empty() { "" } else { "." };
            let key = format!("{above}{dot}{}", key.get_ref());
            let wrong = |place: Place, text: String| ConfigError {
                place,
                key: Some(key.clone()),
                text,
                nearest: None,
            };
            let known = keys::find(&key).is_some();
            let DeValue::Table(inner) = value.get_ref() else {
                if keys::is_section(&key) {
                    let text = format!("is a section: write its keys below [{key}]");
                    self.errors.push(wrong(place, text));
                } else if known {
                    let value_place = Place::within(self.name, self.text, value.span().start);
                    match to_value(value.get_ref()) {
                        Ok(value) => {
                            self.layer.0.insert(key, Entry { value, place, value_place });
                        }
                        Err(e) => self.errors.push(wrong(value_place, e)),
                    }
                } else {
                    self.errors.push(unknown(&key, place));
                }
                continue;
            };
            if strategies::section(&key) && inner.is_empty() {
                // An empty section is an instance, too.
                let id = key.rsplit('.').next().unwrap_or_default();
                let (value, value_place) = (Value::from(id), place.clone());
                let entry = Entry { value, place, value_place };
                self.layer.0.insert(format!("{key}.kind"), entry);
            } else if keys::is_section(&key) {
                self.flatten(&key, inner);
            } else if known {
                self.errors.push(wrong(place, "is a value, not a section".to_owned()));
            } else {
                self.errors.push(unknown(&key, place));
            }
        }
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

/// Converts a value of a file. Decimal numbers keep their text, so none is rounded.
fn to_value(value: &DeValue<'_>) -> Result<Value, String> {
    let number = |text: &str| text.replace('_', "");
    match value {
        DeValue::String(text) => Ok(Value::from(text.as_ref())),
        DeValue::Boolean(flag) => Ok(Value::from(*flag)),
        DeValue::Integer(digits) => i64::from_str_radix(&number(digits.as_str()), digits.radix())
            .map(Value::from)
            .map_err(|_| "the number is too large".to_owned()),
        DeValue::Float(digits) => Ok(Value::from(number(digits.as_str()))),
        DeValue::Array(items) => items
            .iter()
            .map(|i| to_value(i.get_ref()))
            .collect::<Result<Vec<_>, _>>()
            .map(Value::from),
        DeValue::Datetime(time) => Ok(Value::from(time.to_string())),
        DeValue::Table(_) => Err("a table is not expected here".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors_of(text: &str) -> Vec<String> {
        let mut errors = ConfigErrors::default();
        Layer::parse("a.toml", text, &mut errors);
        errors.0.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn keys_and_values_have_places() {
        let mut errors = ConfigErrors::default();
        let layer = Layer::parse("a.toml", "[market]\n  seed = 0x1_0\n", &mut errors);
        let entry = &layer.0["market.seed"];
        assert_eq!(entry.place.to_string(), "a.toml:2:3");
        assert_eq!(entry.value_place.to_string(), "a.toml:2:10");
        assert_eq!((&entry.value, errors.0.len()), (&Value::from(16_i64), 0));
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let errors = errors_of(
            "seed = 1\ncolour = 2\n[trading]\nnotinal = 1\n[tradign]\n[market.pace]\nx = 1\n\
             [strategy]\nsma_cross = 1\n",
        );
        assert_eq!(
            errors,
            [
                "a.toml:1:1: unknown key \"seed\"; did you mean \"market.seed\"?",
                "a.toml:2:1: unknown key \"colour\"; `everwarm config example` shows every key",
                "a.toml:4:1: unknown key \"trading.notinal\"; did you mean \"trading.notional\"?",
                "a.toml:5:2: unknown key \"tradign\"; did you mean \"trading\"?",
                "a.toml:6:9: market.pace: is a value, not a section",
                "a.toml:9:1: strategy.sma_cross: is a section: write its keys below \
             [strategy.sma_cross]",
            ]
        );
    }

    #[test]
    fn a_torn_file_is_reported_line_by_line() {
        let errors = errors_of("[market]\nseed = \n[risk\nmax_trades_per_day = = 3\n[colour]\n");
        for place in ["a.toml:2:", "a.toml:3:", "a.toml:4:", "a.toml:5:2: unknown key \"colour\""] {
            assert!(errors.iter().any(|line| line.starts_with(place)), "{place}: {errors:?}");
        }
    }

    #[test]
    fn what_is_torn_or_unknown_never_shows_its_value() {
        for text in [
            "[daemon]\ntoken = \"hunter2",
            "[daemon]\ntoken = hunter2",
            "[daemon]\ntoken = \"env:X\" hunter2",
            "[daemon]\ntokn = \"hunter2\"",
            "[daemon]\ntoken = { hunter2 = 1 }",
            "token hunter2",
        ] {
            let errors = errors_of(text);
            assert!(
                !errors.is_empty() && !errors.concat().contains("hunter2"),
                "{text}: {errors:?}"
            );
        }
    }

    #[test]
    fn variables_are_keys() {
        let pairs = [
            ("EVERWARM_MARKET__SEED", "7"),
            ("EVERWARM_SHARED", "/tmp"),
            ("HOME", "/root"),
            ("EVERWARM_STRATEGY__SMA_CROSS__FAST", "5"),
            ("EVERWARM_MARKET_SEED", "5"),
            ("EVERWARM_DAEMON__LOG", "\u{fffd}"),
        ];
        let given = variables(&pairs.map(|(a, b)| (a.to_owned(), b.to_owned())));
        let mut errors = ConfigErrors::default();
        let layer = Layer::given(&given, &mut errors);
        assert_eq!(layer.0.keys().collect::<Vec<_>>(), ["market.seed", "strategy.sma_cross.fast"]);
        assert_eq!(
            errors.to_string(),
            "EVERWARM_DAEMON__LOG: daemon.log: this is not UTF-8\n\
             EVERWARM_MARKET_SEED: unknown key \"market_seed\"; did you mean EVERWARM_MARKET__SEED?"
        );
    }
}
