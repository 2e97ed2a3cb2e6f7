//! The configuration as the program uses it: every value in its type, every rule between values
//! checked.

use super::layers::{ConfigError, ConfigErrors, Given, Layer};
use crate::domain::id::Symbol;
use crate::domain::money::Decimal;
use crate::domain::settings::{Risk, Settings, SmaCross, Strategies, Trading};
use figment::Figment;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Fastest scaled pace, times life.
const PACE_MAX: u32 = 100_000;
const WORKERS_MAX: usize = 64;
const SYMBOLS_MAX: u32 = 1000;
const INSTALLATION_MAX: usize = 16;

/// How fast the simulated exchange's time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// The next step is taken once everyone has finished the last.
    Lockstep,
    /// This many times faster than life; 1 is real.
    Times(u32),
}

impl FromStr for Pace {
    type Err = String;
    fn from_str(text: &str) -> Result<Pace, String> {
        match text {
            "lockstep" => return Ok(Pace::Lockstep),
            "real" => return Ok(Pace::Times(1)),
            _ => {}
        }
        let times = text.strip_suffix('x').and_then(|digits| digits.parse().ok());
        times
            .filter(|times| (1..=PACE_MAX).contains(times))
            .map(Pace::Times)
            .ok_or_else(|| format!("{text:?} is not a pace: lockstep, real, or 1x to {PACE_MAX}x"))
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pace::Lockstep => f.write_str("lockstep"),
            Pace::Times(1) => f.write_str("real"),
            Pace::Times(times) => write!(f, "{times}x"),
        }
    }
}

/// Which symbols are traded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Symbols {
    /// 8 of a made market, all of a recording.
    Auto,
    /// This many, by name.
    First(u32),
    /// These, by name.
    Named(Vec<Symbol>),
}

impl FromStr for Symbols {
    type Err = String;
    fn from_str(text: &str) -> Result<Symbols, String> {
        if text == "auto" {
            return Ok(Symbols::Auto);
        }
        if let Ok(count) = text.parse() {
            return Some(count)
                .filter(|count| (1..=SYMBOLS_MAX).contains(count))
                .map(Symbols::First)
                .ok_or_else(|| format!("{count} symbols: 1 to {SYMBOLS_MAX} are possible"));
        }
        let mut names =
            text.split(',').map(|name| Symbol::new(name.trim())).collect::<Result<Vec<_>, _>>()?;
        names.sort();
        names.dedup();
        Ok(Symbols::Named(names))
    }
}

impl fmt::Display for Symbols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Symbols::Auto => f.write_str("auto"),
            Symbols::First(count) => write!(f, "{count}"),
            Symbols::Named(names) => {
                let names: Vec<&str> = names.iter().map(Symbol::as_str).collect();
                f.write_str(&names.join(","))
            }
        }
    }
}

/// Where orders go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VenueKind {
    /// The simulated exchange.
    Sim,
}

impl FromStr for VenueKind {
    type Err = String;
    fn from_str(text: &str) -> Result<VenueKind, String> {
        match text {
            "sim" => Ok(VenueKind::Sim),
            _ => Err(format!("{text:?} is not a venue: sim")),
        }
    }
}

/// What the simulated exchange trades, and how fast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketSource {
    /// Folder of a recording; none: a made market.
    pub recording: Option<PathBuf>,
    /// Description of the recording, where it is not beside it.
    pub recording_config: Option<PathBuf>,
    /// Seed of a made market.
    pub seed: u64,
    /// Which symbols.
    pub symbols: Symbols,
    /// How fast.
    pub pace: Pace,
    /// Whether to stop when a recording has ended.
    pub until_end: bool,
}

impl MarketSource {
    /// The flags that say the same to another process of ours.
    #[must_use]
    pub fn flags(&self) -> Vec<OsString> {
        let mut flags: Vec<OsString> = Vec::new();
        let mut say = |flag: &str, value: &OsStr| flags.extend([flag.into(), value.to_owned()]);
        if let Some(folder) = &self.recording {
            say("--recording", folder.as_os_str());
        }
        if let Some(file) = &self.recording_config {
            say("--recording-config", file.as_os_str());
        }
        say("--seed", OsStr::new(&self.seed.to_string()));
        say("--symbols", OsStr::new(&self.symbols.to_string()));
        say("--pace", OsStr::new(&self.pace.to_string()));
        if self.until_end {
            flags.push("--until-end".into());
        }
        flags
    }
}

/// The checked configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Folder of everything that is kept.
    pub data_dir: PathBuf,
    /// Part of every client order id.
    pub installation: String,
    /// Threads for sockets, supervision and the API.
    pub workers: usize,
    /// Address of the API, on loopback; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Filter of the log.
    pub log: String,
    /// Where orders go.
    pub venue: VenueKind,
    /// What the simulated exchange trades.
    pub market: MarketSource,
    /// What the stages are told.
    pub settings: Settings,
    /// Where values other than defaults came from: (key, place), by key.
    pub origins: Vec<(String, String)>,
}

/// Merges defaults, the file if there is one, environment variables and flags, and checks the
/// whole.
///
/// # Errors
/// Everything that is wrong, each with its place.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    flags: &[Given],
) -> Result<Config, ConfigErrors> {
    let mut errors = ConfigErrors::default();
    let defaults = Layer::defaults();
    let mut layers = Vec::new();
    if let Some(path) = file {
        layers.push(Layer::file(path, &mut errors));
    }
    layers.push(Layer::given(&Layer::variables(environment), &defaults, &mut errors));
    layers.push(Layer::given(flags, &defaults, &mut errors));
    let mut places = BTreeMap::new();
    let mut figment = Figment::from(&defaults);
    for layer in &mut layers {
        layer.reject_unknown(&defaults, &mut errors);
        places.extend(layer.0.iter().map(|(key, entry)| (key.clone(), entry.place.clone())));
        figment = figment.merge(&*layer);
    }
    let mut values = Values { figment, places, errors };
    let config = values.config();
    if values.errors.0.is_empty() { Ok(config) } else { Err(values.errors) }
}

/// The merged values, and what turned out to be wrong with them so far.
struct Values {
    figment: Figment,
    places: BTreeMap<String, String>,
    errors: ConfigErrors,
}

impl Values {
    fn config(&mut self) -> Config {
        let settings = Settings {
            trading: self.trading(),
            risk: self.risk(),
            strategy: Strategies { sma_cross: self.sma_cross() },
        };
        let loopback = |address: &SocketAddr| address.ip().is_loopback();
        Config {
            data_dir: self.path("daemon.data_dir").unwrap_or_else(|| {
                self.wrong("daemon.data_dir", "must not be empty");
                PathBuf::new()
            }),
            installation: self.installation(),
            workers: self.within("daemon.workers", 1..=WORKERS_MAX),
            listen: self.parsed("daemon.listen").filter(loopback).unwrap_or_else(|| {
                self.wrong("daemon.listen", "must be an address and port on loopback");
                SocketAddr::from(([127, 0, 0, 1], 0))
            }),
            log: self.log(),
            venue: self.parsed("venue.kind").unwrap_or(VenueKind::Sim),
            market: self.market(),
            settings,
            origins: self.places.clone().into_iter().collect(),
        }
    }

    fn market(&mut self) -> MarketSource {
        let market = MarketSource {
            recording: self.path("market.recording"),
            recording_config: self.path("market.recording_config"),
            seed: self.get("market.seed"),
            symbols: self.symbols(),
            pace: self.parsed("market.pace").unwrap_or(Pace::Lockstep),
            until_end: self.get("market.until_end"),
        };
        if market.recording.is_none() {
            if market.recording_config.is_some() {
                self.wrong("market.recording_config", "describes no recording: none is given");
            }
            if market.until_end {
                self.wrong("market.until_end", "a made market has no end: give a recording");
            }
        }
        market
    }

    fn symbols(&mut self) -> Symbols {
        const KEY: &str = "market.symbols";
        let text = match self.figment.find_value(KEY) {
            Ok(figment::value::Value::Array(..)) => self.get::<Vec<String>>(KEY).join(","),
            Ok(figment::value::Value::Num(..)) => self.get::<i64>(KEY).to_string(),
            Ok(_) | Err(_) => self.get(KEY),
        };
        text.parse().unwrap_or_else(|e: String| {
            self.wrong(KEY, &e);
            Symbols::Auto
        })
    }

    fn installation(&mut self) -> String {
        let name: String = self.get("daemon.installation");
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=INSTALLATION_MAX).contains(&name.len()) || !name.bytes().all(plain) {
            self.wrong("daemon.installation", "must be 1 to 16 of a-z, 0-9, -");
        }
        name
    }

    fn log(&mut self) -> String {
        let filter: String = self.get("daemon.log");
        if let Err(e) = filter.parse::<tracing_subscriber::EnvFilter>() {
            self.wrong("daemon.log", &format!("{filter:?} is not a log filter: {e}"));
        }
        filter
    }

    fn trading(&mut self) -> Trading {
        let trading = Trading {
            quote_asset: self.get("trading.quote_asset"),
            notional: self.decimal("trading.notional"),
            max_positions: self.within("trading.max_positions", 1..=100_000),
            valid_for_s: self.within("trading.valid_for_s", 1..=86_400),
            recv_window_ms: self.within("trading.recv_window_ms", 1..=60_000),
        };
        if trading.notional.is_zero() {
            self.wrong("trading.notional", "must be greater than 0");
        }
        trading
    }

    fn risk(&mut self) -> Risk {
        Risk {
            max_consecutive_failures: self.get("risk.max_consecutive_failures"),
            max_trades_per_day: self.get("risk.max_trades_per_day"),
            max_loss_per_day: self.decimal("risk.max_loss_per_day"),
        }
    }

    fn sma_cross(&mut self) -> SmaCross {
        let sma = SmaCross {
            enabled: self.get("strategy.sma_cross.enabled"),
            timeframe: self.parsed("strategy.sma_cross.timeframe").unwrap_or_default(),
            fast: self.within("strategy.sma_cross.fast", 1..=1000),
            slow: self.within("strategy.sma_cross.slow", 1..=1000),
        };
        if sma.fast >= sma.slow {
            let text =
                format!("{} bars are not fewer than the slow average's {}", sma.fast, sma.slow);
            self.wrong("strategy.sma_cross.fast", &text);
        }
        sma
    }

    /// A value in its type; the type's default, and an error, where it is another.
    fn get<T: DeserializeOwned + Default>(&mut self, key: &str) -> T {
        self.figment.extract_inner(key).unwrap_or_else(|e| {
            let reason = e.kind.to_string();
            self.wrong(key, reason.split(" for key").next().unwrap_or(&reason));
            T::default()
        })
    }

    /// A text parsed; `None`, and an error, where it does not parse.
    fn parsed<T: FromStr>(&mut self, key: &str) -> Option<T>
    where
        T::Err: fmt::Display,
    {
        let text: String = self.get(key);
        text.parse().map_err(|e: T::Err| self.wrong(key, &e.to_string())).ok()
    }

    fn path(&mut self, key: &str) -> Option<PathBuf> {
        let text: String = self.get(key);
        (!text.is_empty()).then(|| PathBuf::from(text))
    }

    fn decimal(&mut self, key: &str) -> Decimal {
        let value: Decimal = self.get(key);
        if value.is_sign_negative() && !value.is_zero() {
            self.wrong(key, &format!("{value} is negative"));
        }
        value
    }

    fn within<T>(&mut self, key: &str, range: std::ops::RangeInclusive<T>) -> T
    where
        T: DeserializeOwned + Default + PartialOrd + fmt::Display,
    {
        let before = self.errors.0.len();
        let value: T = self.get(key);
        if self.errors.0.len() == before && !range.contains(&value) {
            let text = format!("{value} is not within {} to {}", range.start(), range.end());
            self.wrong(key, &text);
        }
        value
    }

    fn wrong(&mut self, key: &str, text: &str) {
        let place = self.places.get(key).map_or("default", String::as_str).to_owned();
        let repeated = self.errors.0.iter().any(|e| e.place == place && e.text.starts_with(key));
        if !repeated {
            self.errors.0.push(ConfigError { place, text: format!("{key}: {text}") });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flag(key: &str, text: &str) -> Given {
        Given { key: key.into(), text: text.into(), place: format!("--{key}") }
    }

    fn with(flags: &[Given]) -> Result<Config, ConfigErrors> {
        load(None, [], flags)
    }

    #[test]
    fn the_embedded_file_says_the_defaults() {
        let config = with(&[]).unwrap();
        let expected = Config {
            data_dir: "everwarm-data".into(),
            installation: "demo".into(),
            workers: 2,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            log: "warn".into(),
            venue: VenueKind::Sim,
            market: MarketSource {
                recording: None,
                recording_config: None,
                seed: 1,
                symbols: Symbols::Auto,
                pace: Pace::Times(240),
                until_end: false,
            },
            settings: Settings::default(),
            origins: vec![],
        };
        assert_eq!(config, expected);
    }

    #[test]
    fn every_setting_of_the_stages_is_in_the_embedded_file() {
        fn leaves(above: &str, value: &serde_json::Value, out: &mut Vec<String>) {
            match value.as_object() {
                Some(object) => object
                    .iter()
                    .for_each(|(key, inner)| leaves(&format!("{above}{key}."), inner, out)),
                None => out.push(above.trim_end_matches('.').to_owned()),
            }
        }
        let mut keys = Vec::new();
        leaves("", &serde_json::to_value(Settings::default()).unwrap(), &mut keys);
        let known = Layer::defaults();
        assert!(keys.len() > 10 && keys.iter().all(|key| known.0.contains_key(key)), "{keys:?}");
    }

    #[test]
    fn later_sources_win_and_origins_are_told() {
        let folder = std::env::temp_dir().join(format!("everwarm-config-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("mine.toml");
        let text = "[market]\nseed = 3\npace = \"60x\"\nsymbols = [\"LTCUSD\", \"BTCUSD\"]\n\
                    [trading]\nnotional = 250.5\n";
        std::fs::write(&file, text).unwrap();
        let environment = [
            ("EVERWARM_MARKET__SEED".to_owned(), "4".to_owned()),
            ("EVERWARM_DAEMON__INSTALLATION".to_owned(), "12".to_owned()),
            ("EVERWARM_RISK__MAX_LOSS_PER_DAY".to_owned(), "0.1".to_owned()),
        ];
        let config = load(Some(&file), environment, &[flag("market.pace", "lockstep")]).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(config.market.seed, 4);
        assert_eq!(config.market.pace, Pace::Lockstep);
        assert_eq!(config.market.symbols.to_string(), "BTCUSD,LTCUSD");
        assert_eq!(config.installation, "12");
        assert_eq!(config.settings.trading.notional.to_string(), "250.5");
        assert_eq!(config.settings.risk.max_loss_per_day.to_string(), "0.1");
        let origin = |key: &str| &config.origins.iter().find(|(k, _)| k == key).unwrap().1;
        assert_eq!(origin("market.pace"), "--market.pace");
        assert_eq!(origin("market.seed"), "EVERWARM_MARKET__SEED");
        assert!(origin("trading.notional").ends_with("mine.toml:6:1"));
    }

    #[test]
    fn everything_wrong_is_reported() {
        let flags = [
            flag("market.sead", "1"),
            flag("market.pace", "fast"),
            flag("daemon.workers", "many"),
            flag("daemon.listen", "0.0.0.0:80"),
            flag("daemon.installation", "Mine"),
            flag("trading.notional", "-1"),
            flag("trading.recv_window_ms", "60001"),
            flag("strategy.sma_cross.fast", "30"),
            flag("market.until_end", "true"),
            flag("market.symbols", "BTC/USD"),
            flag("venue.kind", "nyse"),
        ];
        let errors = with(&flags).unwrap_err();
        assert_eq!(errors.0.len(), flags.len(), "{errors}");
        let text = errors.to_string();
        for expected in [
            "--market.sead: unknown key \"market.sead\"; did you mean \"market.seed\"?",
            "--market.pace: market.pace: \"fast\" is not a pace",
            "--daemon.workers: daemon.workers: \"many\" is not a whole number",
            "--trading.recv_window_ms: trading.recv_window_ms: 60001 is not within 1 to 60000",
            "30 bars are not fewer than the slow average's 30",
        ] {
            assert!(text.contains(expected), "{expected}\nis missing in\n{text}");
        }
    }

    #[test]
    fn a_value_of_another_kind_is_an_error_with_its_place() {
        let mut errors = ConfigErrors::default();
        let layer = Layer::parse("a.toml", "[risk]\nmax_trades_per_day = \"x\"", &mut errors);
        let figment = Figment::from(Layer::defaults()).merge(&layer);
        let places = layer.0.iter().map(|(k, e)| (k.clone(), e.place.clone())).collect();
        let mut values = Values { figment, places, errors };
        values.config();
        let text = values.errors.to_string();
        assert!(text.starts_with("a.toml:2:1: risk.max_trades_per_day: "), "{text}");
    }
}
