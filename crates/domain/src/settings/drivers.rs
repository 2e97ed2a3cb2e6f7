//! The drivers and the bias that the entries of a strategy need, and the level of the account by
//! drivers.

use super::regimes::{at, text};
use crate::fact::BreakerLevel;
use crate::id::Symbol;
use crate::nearest::nearest;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Names of the members, as in a section of the configuration.
pub const MEMBERS: [&str; 2] = ["drivers", "daily_bias"];
/// The feature whose values are drivers.
pub const FEATURE: &str = "driver@1h";
/// Bars from which [`FEATURE`] has a value.
pub const BARS: u32 = 200;
/// The average that a close must be above for a long bias. It needs as many bars as its length.
pub const AVERAGE: &str = "ema(200)@1d";
/// The words of the bias: any one, or a long one only.
pub const BIASES: [&str; 2] = ["any", "long"];
/// Most symbols of one rule.
const SYMBOLS_MAX: usize = 20;

/// The phase of the uptrend of a symbol, from its hourly bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Driver {
    /// No phase was found yet.
    None,
    /// A downtrend.
    Failing,
    /// A downtrend has stopped.
    Basing,
    /// An uptrend begins, or pauses.
    Turning,
    /// An uptrend.
    Up,
    /// An uptrend far above its averages.
    Extended,
}

impl Driver {
    /// All drivers, in the order of the values of [`FEATURE`].
    pub const ALL: [Driver; 6] = [
        Driver::None,
        Driver::Failing,
        Driver::Basing,
        Driver::Turning,
        Driver::Up,
        Driver::Extended,
    ];

    /// The name in texts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Driver::None => "none",
            Driver::Failing => "failing",
            Driver::Basing => "basing",
            Driver::Turning => "turning",
            Driver::Up => "up",
            Driver::Extended => "extended",
        }
    }

    /// The driver of a value of [`FEATURE`]; none: the value is undefined.
    #[must_use]
    pub fn of(value: f64) -> Option<Driver> {
        let near = |number: u8| (value - f64::from(number)).abs() < 0.5;
        (0..).zip(Driver::ALL).find(|(number, _)| near(*number)).map(|(_, driver)| driver)
    }

    /// The driver of this name.
    ///
    /// # Errors
    /// There is none. The text has all names, and the one that was probably meant.
    pub fn named(name: &str) -> Result<Driver, String> {
        let known = Driver::ALL.into_iter().find(|driver| driver.name() == name);
        known.ok_or_else(|| {
            let names = Driver::ALL.map(Driver::name);
            let meant = nearest(name, names.into_iter());
            let meant = meant.map_or(String::new(), |meant| format!("; did you mean {meant:?}?"));
            format!("{name:?} is not one of {}{meant}", names.join(", "))
        })
    }
}

/// What the entries of a strategy need besides its signal. Exits need none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverRule {
    /// The drivers in which it enters, by symbol: all of them must have one. Empty: none counts.
    pub only: BTreeMap<Symbol, BTreeSet<Driver>>,
    /// Whether the symbol of the entry needs a long bias.
    pub long: bool,
}

impl DriverRule {
    /// Reads drivers by symbol, like `BTCUSDT: up, extended; ETHUSDT: up`. Empty: none counts.
    ///
    /// # Errors
    /// The reason as text.
    pub fn list(text: &str) -> Result<BTreeMap<Symbol, BTreeSet<Driver>>, String> {
        let mut all = BTreeMap::new();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (symbol, names) = part.split_once(':').ok_or_else(|| {
                format!("{part:?} is not a symbol with drivers, like \"BTCUSDT: up, extended\"")
            })?;
            let symbol = Symbol::named(symbol.trim())?;
            let mut drivers = BTreeSet::new();
            for name in names.split(',').map(str::trim) {
                let driver = Driver::named(name).map_err(|why| format!("{symbol}: {why}"))?;
                if !drivers.insert(driver) {
                    return Err(format!("{symbol}: {name} is there twice"));
                }
            }
            if all.insert(symbol, drivers).is_some() {
                return Err(format!("{symbol} is there twice"));
            }
        }
        if all.len() > SYMBOLS_MAX {
            let count = all.len();
            return Err(format!("it has {count} symbols, at most {SYMBOLS_MAX} are possible"));
        }
        Ok(all)
    }

    /// Takes the members of a section. Missing ones change nothing.
    ///
    /// # Errors
    /// The member, and what is wrong with it.
    pub fn take(section: &mut Map<String, Value>) -> Result<DriverRule, String> {
        let mut rule = DriverRule::default();
        let [drivers, bias] = MEMBERS;
        if let Some(value) = section.remove(drivers) {
            rule.only = text(&value).and_then(DriverRule::list).map_err(at(drivers))?;
        }
        if let Some(value) = section.remove(bias) {
            let word = text(&value).map_err(at(bias))?;
            if !BIASES.contains(&word) {
                return Err(format!("{bias}: {word:?} is not one of {}", BIASES.join(", ")));
            }
            rule.long = word == BIASES[1];
        }
        Ok(rule)
    }

    /// The members of a section.
    #[must_use]
    pub fn members(&self) -> Map<String, Value> {
        let of = |symbol: &Symbol| format!("{symbol}: {}", self.names(*symbol));
        let all: Vec<String> = self.only.keys().map(of).collect();
        let [drivers, bias] = MEMBERS.map(str::to_owned);
        let word = BIASES[usize::from(self.long)];
        [(drivers, Value::from(all.join("; "))), (bias, Value::from(word))].into_iter().collect()
    }

    /// The names of the drivers of a symbol in which it enters.
    #[must_use]
    pub fn names(&self, symbol: Symbol) -> String {
        let drivers = self.only.get(&symbol).into_iter().flatten();
        drivers.map(|driver| driver.name()).collect::<Vec<_>>().join(", ")
    }

    /// The features that it needs.
    pub fn features(&self) -> impl Iterator<Item = &'static str> {
        let driver = (!self.only.is_empty()).then_some(FEATURE);
        driver.into_iter().chain(self.long.then_some(AVERAGE))
    }
}

/// The level of the account by the drivers of symbols.
///
/// Saved states of stages hold none of it. The breaker saves the levels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DriverLevels(pub BTreeMap<Symbol, BTreeMap<Driver, BreakerLevel>>);

/// The names of the levels that a driver can have.
const LEVELS: [(BreakerLevel, &str); 2] =
    [(BreakerLevel::Reduced, "reduced"), (BreakerLevel::ExitsOnly, "exits-only")];

impl DriverLevels {
    /// Reads levels like `BTCUSDT: failing = reduced, basing = reduced`. Several symbols have a
    /// semicolon between them. Empty: none.
    ///
    /// # Errors
    /// The reason as text.
    pub fn read(text: &str) -> Result<DriverLevels, String> {
        let form = |part: &str| {
            format!("{part:?} is not a symbol with levels, like \"BTCUSDT: failing = reduced\"")
        };
        let mut all = BTreeMap::new();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (symbol, rest) = part.split_once(':').ok_or_else(|| form(part))?;
            let symbol = Symbol::named(symbol.trim())?;
            let mut levels = BTreeMap::new();
            for row in rest.split(',') {
                let (name, level) = row.split_once('=').ok_or_else(|| form(part))?;
                let (name, level) = (name.trim(), level.trim());
                let driver = Driver::named(name).map_err(|why| format!("{symbol}: {why}"))?;
                let known = LEVELS.iter().find(|(_, of)| *of == level);
                let (level, _) = known.ok_or_else(|| {
                    let names = LEVELS.map(|(_, name)| name).join(", ");
                    format!("{symbol}: {level:?} is not one of {names}")
                })?;
                if levels.insert(driver, *level).is_some() {
                    return Err(format!("{symbol}: {name} is there twice"));
                }
            }
            if all.insert(symbol, levels).is_some() {
                return Err(format!("{symbol} is there twice"));
            }
        }
        if all.len() > SYMBOLS_MAX {
            let count = all.len();
            return Err(format!("it has {count} symbols, at most {SYMBOLS_MAX} are possible"));
        }
        Ok(DriverLevels(all))
    }

    /// The feature that it needs; none: it changes nothing.
    #[must_use]
    pub fn feature(&self) -> Option<&'static str> {
        (!self.0.is_empty()).then_some(FEATURE)
    }
}

impl fmt::Display for DriverLevels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |(driver, level): (&Driver, &BreakerLevel)| {
            let name = LEVELS.iter().find(|(of, _)| of == level).map_or("", |(_, name)| name);
            format!("{} = {name}", driver.name())
        };
        let of = |(symbol, levels): (&Symbol, &BTreeMap<Driver, BreakerLevel>)| {
            format!("{symbol}: {}", levels.iter().map(row).collect::<Vec<_>>().join(", "))
        };
        f.write_str(&self.0.iter().map(of).collect::<Vec<_>>().join("; "))
    }
}

impl Serialize for DriverLevels {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() { to.collect_str(self) } else { to.serialize_unit() }
    }
}

impl<'de> Deserialize<'de> for DriverLevels {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if from.is_human_readable() {
            let text = String::deserialize(from)?;
            return DriverLevels::read(&text).map_err(D::Error::custom);
        }
        <()>::deserialize(from).map(|()| DriverLevels::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(DriverRule, Map<String, Value>), String> {
        let mut section: Map<String, Value> = serde_json::from_str(text).unwrap();
        DriverRule::take(&mut section).map(|rule| (rule, section))
    }

    #[test]
    fn a_rule_is_written_as_it_is_read() {
        let text = r#"{"drivers":" ETHUSDT:up; BTCUSDT: extended,up ;","daily_bias":"long"}"#;
        let (rule, rest) = read(text).unwrap();
        assert!(rest.is_empty());
        let [btc, eth] = ["BTCUSDT", "ETHUSDT"].map(|name| Symbol::named(name).unwrap());
        assert_eq!([btc, eth].map(|of| rule.names(of)), ["up, extended", "up"]);
        assert_eq!(rule.features().collect::<Vec<_>>(), [FEATURE, AVERAGE]);
        let written = Value::Object(rule.members()).to_string();
        let drivers = "BTCUSDT: up, extended; ETHUSDT: up";
        assert_eq!(written, format!(r#"{{"daily_bias":"long","drivers":"{drivers}"}}"#));
        assert_eq!(read(&written).unwrap().0, rule);
        let none = DriverRule::default();
        assert_eq!(read(&Value::Object(none.members()).to_string()).unwrap().0, none);
        assert_eq!(none.features().count(), 0);
    }

    #[test]
    fn a_value_has_a_name_and_an_undefined_one_has_none() {
        for (number, driver) in (0_u8..).zip(Driver::ALL) {
            assert_eq!(Driver::of(f64::from(number)), Some(driver));
            assert_eq!(Driver::named(driver.name()), Ok(driver));
        }
        assert_eq!([f64::NAN, 6.0, -1.0].map(Driver::of), [None; 3]);
    }

    #[test]
    fn a_wrong_rule_is_refused_with_what_is_meant() {
        let names = "none, failing, basing, turning, up, extended";
        let form = "is not a symbol with drivers, like \"BTCUSDT: up, extended\"";
        for (text, why) in [
            ("up", format!("\"up\" {form}")),
            ("BTCUSDT: extend", {
                let meant = "did you mean \"extended\"?";
                format!("BTCUSDT: \"extend\" is not one of {names}; {meant}")
            }),
            ("BTCUSDT: bull", format!("BTCUSDT: \"bull\" is not one of {names}")),
            ("BTCUSDT: up,", format!("BTCUSDT: \"\" is not one of {names}")),
            ("BTCUSDT: up, up", "BTCUSDT: up is there twice".to_owned()),
            ("BTCUSDT: up; BTCUSDT: basing", "BTCUSDT is there twice".to_owned()),
        ] {
            assert_eq!(DriverRule::list(text), Err(why), "{text}");
        }
        assert!(DriverRule::list("BTC USDT: up").is_err());
        let many: Vec<String> = (0..21).map(|n| format!("A{n}: up")).collect();
        let why = DriverRule::list(&many.join(";")).unwrap_err();
        assert_eq!(why, "it has 21 symbols, at most 20 are possible");
        let why = |text: &str| read(text).unwrap_err();
        assert_eq!(why(r#"{"drivers":1}"#), "drivers: 1 is not text in quotes");
        let bias = "daily_bias: \"short\" is not one of any, long";
        assert_eq!(why(r#"{"daily_bias":"short"}"#), bias);
    }

    #[test]
    fn levels_are_written_as_they_are_read_and_wrong_ones_refused() {
        let text = " ETHUSDT: failing=exits-only ; BTCUSDT: basing = reduced,failing = exits-only;";
        let levels = DriverLevels::read(text).unwrap();
        let written =
            "BTCUSDT: failing = exits-only, basing = reduced; ETHUSDT: failing = exits-only";
        assert_eq!(levels.to_string(), written);
        assert_eq!(levels.feature(), Some(FEATURE));
        let json = serde_json::to_string(&levels).unwrap();
        assert_eq!(serde_json::from_str::<DriverLevels>(&json).unwrap(), levels);
        assert_eq!(DriverLevels::read(""), Ok(DriverLevels::default()));
        assert_eq!(DriverLevels::default().feature(), None);
        let form = "is not a symbol with levels, like \"BTCUSDT: failing = reduced\"";
        for (text, why) in [
            ("failing", format!("\"failing\" {form}")),
            ("BTCUSDT: failing", format!("\"BTCUSDT: failing\" {form}")),
            ("A: failing = halted", "A: \"halted\" is not one of reduced, exits-only".to_owned()),
            ("A: fail = reduced", {
                let names = "none, failing, basing, turning, up, extended";
                format!("A: \"fail\" is not one of {names}; did you mean \"failing\"?")
            }),
            ("A: up = reduced, up = exits-only", "A: up is there twice".to_owned()),
            ("A: up = reduced; A: basing = reduced", "A is there twice".to_owned()),
        ] {
            assert_eq!(DriverLevels::read(text), Err(why), "{text}");
        }
    }
}
