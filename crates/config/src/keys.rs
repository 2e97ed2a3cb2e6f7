//! The table of all keys and their kinds. Values are read, checked and described by it. Defaults
//! and comments come from `config/default.toml`.
//!
//! Over 500 lines: one table, and the kinds that check its values.

use super::backfill::timeframes;
use super::layers::DEFAULTS;
use super::schedule::Schedule;
use super::secret::SecretRef;
use super::strategies;
use super::values::{Pace, Symbols, Window, time_of_day};
use super::venue::KINDS;
use crate::log_filter;
use everwarm_adapters::ENVIRONMENTS;
use everwarm_domain::bar_retention::{BarTable, Profile};
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::nearest::nearest;
use everwarm_domain::settings::{
    DriverLevels, DriverRule, EntryRule, RegimeRule, Size, confidence, exits, sizes,
};
use everwarm_trading::indicators::Feature;
use everwarm_views::news::Topic;
use everwarm_views::regimes::AltWeights;
use figment::value::Value;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// The unit of a number. The key's name shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A count, without a unit.
    Count,
    /// Seconds: the key ends with `_s`.
    Seconds,
    /// Milliseconds: the key ends with `_ms`.
    Milliseconds,
}

/// The format of a text.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// The format as a regular expression; empty: any text.
    pub pattern: &'static str,
    /// Returns the error of a text.
    check: fn(&str) -> Result<(), String>,
}

/// The kind of a key's value.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// True or false.
    Flag,
    /// A whole number from `least` to `most`.
    Whole {
        /// The minimum.
        least: i64,
        /// The maximum.
        most: i64,
        /// Its unit.
        unit: Unit,
    },
    /// A decimal number that is not negative, as a number or as text.
    Amount {
        /// Whether 0 is allowed.
        zero: bool,
    },
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A text.
    Text(Form),
    /// A word, a number, or a list of names.
    Symbols,
    /// A reference to a secret, never the secret itself.
    Secret,
    /// Any number of strategies: sections by id, each with the settings of its kind.
    Strategies,
}

/// The name of a feature.
pub const FEATURE: Kind =
    text(r"^[a-z0-9]+(\([0-9]+(,[0-9]+)*\))?(\.[a-z]+)?@[0-9]+[mhd]$", feature);

/// A share below 100 percent, or `none`.
pub const BELOW: Kind = text(SHARE, |text| exits::below_all(text).map(drop));
/// A stop: a share below 100 percent, a multiple of the average true range, or `none`.
pub const STOP: Kind =
    text(r"^(none|[0-9]+(\.[0-9]{1,4})?%|[0-9]+(\.[0-9]{1,2})? +atr(\([0-9]+\))?)$", |text| {
        exits::stop(text).map(drop)
    });
/// A share above a price, or `none`.
pub const ABOVE: Kind = text(SHARE, |text| exits::above(text).map(drop));
const SHARE: &str = r"^(none|[0-9]+(\.[0-9]{1,4})?%)$";
/// A profit table: rows of minutes and a share.
pub const PROFIT_TABLE: Kind = text(
    r"^( *[0-9]+ *: *-?[0-9]+(\.[0-9]{1,4})?% *(, *[0-9]+ *: *-?[0-9]+(\.[0-9]{1,4})?% *)*)?$",
    |text| exits::table(text).map(drop),
);

/// The size of an entry.
pub const SIZE: Kind =
    text(r"^(fixed|(equity|risk) [0-9]+(\.[0-9]{1,4})?%)$", |text| Size::read(text).map(drop));
/// How long bars stay, by width.
const BAR_DAYS: Kind = text(
    r"^( *[0-9]+[mhd] *: *[0-9]+ *(/ *[0-9]+ *)?(, *[0-9]+[mhd] *: *[0-9]+ *(/ *[0-9]+ *)?)*)?$",
    |text| text.parse::<BarTable>().map(drop),
);
/// A time of day, or `off`.
const TIME_OF_DAY: Kind =
    text("^(off|([01][0-9]|2[0-3]):[0-5][0-9])$", |text| time_of_day(text).map(drop));
/// A part of the day, or nothing.
const WINDOW: Kind =
    text("^(([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9])?$", |text| {
        Window::read(text).map(drop)
    });
/// How an entry is ordered.
pub const ENTRY: Kind =
    text(r"^(market|limit [0-9]+(\.[0-9]{1,4})?%)$", |text| EntryRule::read(text).map(drop));
/// A part of one.
pub const PART: Kind =
    text(r"^(0(\.[0-9]{1,6})?|1(\.0{1,6})?)$", |text| confidence::read(text).map(drop));
/// Names of regimes.
pub const REGIMES: Kind =
    text(r"^( *[a-z_]+ *(, *[a-z_]+ *)*)?$", |text| RegimeRule::list(text).map(drop));
/// Parts of the size by regime.
pub const REGIME_SIZES: Kind = text(
    r"^( *[a-z_]+ *: *[01](\.[0-9]{1,6})? *(, *[a-z_]+ *: *[01](\.[0-9]{1,6})? *)*)?$",
    |text| RegimeRule::sizes(text).map(drop),
);
/// The members of the composite `ALT`, with their weights.
const ALT: Kind = text(r"^ *[A-Z0-9.-]+ *: *[0-9.]+ *(, *[A-Z0-9.-]+ *: *[0-9.]+ *)*$", |text| {
    AltWeights::read(text).map(drop)
});
/// Drivers by symbol.
pub const DRIVERS: Kind = text(r"^( *[A-Z0-9.-]+ *: *[a-z]+ *(, *[a-z]+ *)*;?)* *$", |text| {
    DriverRule::list(text).map(drop)
});
/// Levels of the account by the drivers of symbols.
const DRIVER_LEVELS: Kind =
    text(r"^( *[A-Z0-9.-]+ *: *[a-z]+ *= *[a-z-]+ *(, *[a-z]+ *= *[a-z-]+ *)*;?)* *$", |text| {
        DriverLevels::read(text).map(drop)
    });
/// Groups of symbols, each with its cap.
const GROUPS: Kind =
    text(r"^([ a-z0-9_-]+:[A-Z0-9., -]+=[0-9. ]+;? *)*$", |text| sizes::groups(text).map(drop));

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name: levels joined by dots.
    pub name: &'static str,
    /// The kind of its value.
    pub kind: Kind,
}

const COUNT_MAX: i64 = u32::MAX as i64;

const fn count(least: i64, most: i64) -> Kind {
    Kind::Whole { least, most, unit: Unit::Count }
}

const fn text(pattern: &'static str, check: fn(&str) -> Result<(), String>) -> Kind {
    Kind::Text(Form { pattern, check })
}

macro_rules! keys {
    ($($name:literal: $kind:expr;)*) => {
        /// Every key, in the order of `config/default.toml`.
        pub const KEYS: &[Key] = &[$(Key { name: $name, kind: $kind }),*];
    };
}

keys! {
    "daemon.data_dir": text("^.+$", filled);
    "daemon.installation": text("^[a-z0-9-]{1,16}$", installation);
    "daemon.workers": count(1, 64);
    "daemon.hang_limit_s": Kind::Whole { least: 1, most: 3600, unit: Unit::Seconds };
    "daemon.listen": text("^.+:[0-9]+$", loopback);
    "daemon.token": Kind::Secret;
    "daemon.log": text("^.+$", filter_of_log);
    "daemon.log_format": Kind::OneOf(&["auto", "text", "json"]);
    "daemon.reload_on_change": Kind::Flag;
    "daemon.self_replay": TIME_OF_DAY;
    "daemon.stop_s": Kind::Whole { least: 1, most: 600, unit: Unit::Seconds };
    "storage.analysis_days": count(0, 36_500);
    "storage.profile": Kind::OneOf(Profile::NAMES);
    "storage.bars": BAR_DAYS;
    "storage.archive": Kind::Flag;
    "storage.archive_dir": text("", any);
    "storage.scan_history": Kind::Flag;
    "storage.price_per_gb_month": Kind::Amount { zero: true };
    "storage.window": WINDOW;
    "storage.limit_mb": count(0, COUNT_MAX);
    "storage.min_free_mb": count(0, COUNT_MAX);
    "history.schedule": text("^([A-Za-z0-9:/_+-]+( [A-Za-z0-9:/_+-]+)*)?$", schedule);
    "history.days": count(1, 3_650);
    "history.timeframes": text("^(1m|5m|15m|1h|4h|1d)(, ?(1m|5m|15m|1h|4h|1d))*$", widths);
    "venue.kind": Kind::OneOf(KINDS);
    "venue.environment": Kind::OneOf(ENVIRONMENTS);
    "venue.rest": text("", any);
    "venue.streams": text("", any);
    "venue.ws_api": text("", any);
    "venue.data": text("", any);
    "venue.key": Kind::Secret;
    "venue.secret": Kind::Secret;
    "venue.private_key": Kind::Secret;
    "venue.streams_per_connection": count(1, 1024);
    "venue.compare_account_s": Kind::Whole { least: 0, most: 86_400, unit: Unit::Seconds };
    "market.recording": text("", any);
    "market.recording_config": text("", any);
    "market.prices": text("", any);
    "market.prices_address": text("", any);
    "market.seed": count(0, i64::MAX);
    "market.symbols": Kind::Symbols;
    "market.pace": text("^(lockstep|real|[1-9][0-9]*x)$", pace);
    "market.until_end": Kind::Flag;
    "market.fee": BELOW;
    "market.spread": BELOW;
    "market.slippage": Kind::Amount { zero: true };
    "market.max_jump_percent": count(0, 100);
    "market.alt": ALT;
    "market.fills.range_spread_percent": count(0, 100);
    "market.fills.impact": Kind::Amount { zero: true };
    "market.fills.volume_percent": count(0, 100);
    "market.fills.queue_percent": count(0, 1000);
    "market.fills.latency_ms": Kind::Whole { least: 0, most: 60_000, unit: Unit::Milliseconds };
    "market.universe.quote": text("", any);
    "market.universe.top": count(0, 1000);
    "market.universe.min_volume": Kind::Amount { zero: true };
    "market.universe.max_spread_percent": Kind::Amount { zero: true };
    "market.universe.min_volatility_percent": Kind::Amount { zero: true };
    "market.universe.max_volatility_percent": Kind::Amount { zero: true };
    "market.universe.min_age_d": count(0, 36_500);
    "market.universe.exclude": text("^([A-Za-z0-9._-]+(, ?[A-Za-z0-9._-]+)*)?$", names);
    "market.universe.refresh_s": Kind::Whole { least: 60, most: 86_400, unit: Unit::Seconds };
    "source.coingecko.enabled": Kind::Flag;
    "source.coingecko.address": text("", any);
    "source.coingecko.key": Kind::Secret;
    "source.coingecko.every_s": Kind::Whole { least: 60, most: 3600, unit: Unit::Seconds };
    "source.geckoterminal.enabled": Kind::Flag;
    "source.geckoterminal.address": text("", any);
    "source.geckoterminal.every_s": Kind::Whole { least: 30, most: 3600, unit: Unit::Seconds };
    "trading.mode": Kind::OneOf(&["paper", "live"]);
    "trading.quote_asset": text("", any);
    "trading.notional": Kind::Amount { zero: false };
    "trading.max_positions": count(1, 100_000);
    "trading.valid_for_s": Kind::Whole { least: 1, most: 86_400, unit: Unit::Seconds };
    "trading.recv_window_ms": Kind::Whole { least: 1, most: 60_000, unit: Unit::Milliseconds };
    "trading.stale_s": Kind::Whole { least: 60, most: 86_400, unit: Unit::Seconds };
    "risk.max_consecutive_failures": count(0, COUNT_MAX);
    "risk.max_trades_per_day": count(0, COUNT_MAX);
    "risk.max_loss_per_day": Kind::Amount { zero: true };
    "risk.reduce_at_drawdown_percent": count(0, 100);
    "risk.exits_only_at_drawdown_percent": count(0, 100);
    "risk.halt_at_drawdown_percent": count(0, 100);
    "risk.peak_days": count(1, 366);
    "risk.losses_in_a_row": count(0, 1000);
    "risk.losses_bar_minutes": count(1, 1440);
    "risk.symbol_trades": count(0, 1000);
    "risk.symbol_trades_bar_minutes": count(1, 1440);
    "risk.stop_cooldown_minutes": count(0, 1440);
    "risk.strategy_reduce_at_stops": count(0, 1000);
    "risk.strategy_reduce_at_stop_percent": count(0, 100);
    "risk.strategy_exits_only_at_stops": count(0, 1000);
    "risk.strategy_exits_only_at_stop_percent": count(0, 100);
    "risk.day_zone": text("^[A-Za-z0-9/_+-]+$", zone);
    "risk.unknown_order_s": Kind::Whole { least: 0, most: 86_400, unit: Unit::Seconds };
    "risk.venue_silent_s": Kind::Whole { least: 0, most: 86_400, unit: Unit::Seconds };
    "risk.no_close_s": Kind::Whole { least: 0, most: 86_400, unit: Unit::Seconds };
    "risk.clock_off_ms": Kind::Whole { least: 0, most: 60_000, unit: Unit::Milliseconds };
    "risk.disk_behind_s": Kind::Whole { least: 0, most: 3600, unit: Unit::Seconds };
    "risk.restarts_per_hour": count(0, 100_000);
    "risk.external_orders": Kind::OneOf(&["ignore", "halt", "adopt"]);
    "risk.driver_levels": DRIVER_LEVELS;
    "risk.alarm_drawdown_percent": count(0, 100);
    "risk.max_exposure": Kind::Amount { zero: true };
    "risk.max_symbol_exposure": Kind::Amount { zero: true };
    "risk.max_strategy_exposure": Kind::Amount { zero: true };
    "risk.max_venue_exposure": Kind::Amount { zero: true };
    "risk.groups": GROUPS;
    "risk.fee": BELOW;
    "risk.slippage": BELOW;
    "strategy": Kind::Strategies;
    "supervision.restarts": count(1, 1000);
    "supervision.within_s": Kind::Whole { least: 1, most: 3600, unit: Unit::Seconds };
    "api.listen": text("^(.+:[0-9]+)?$", address);
    "api.tls_cert": text("", any);
    "api.tls_key": Kind::Secret;
    "messages.webhook": Kind::Secret;
    "messages.webhook_token": Kind::Secret;
    "messages.telegram_token": Kind::Secret;
    "messages.telegram_chat": text("", any);
    "messages.telegram_api": text("", super::receiver::check);
    "messages.telegram_commands": Kind::Flag;
    "messages.leave_out": text("^([a-z]+(, ?[a-z]+)*)?$", topics);
    "messages.every_s": Kind::Whole { least: 1, most: 3600, unit: Unit::Seconds };
    "messages.heartbeat": Kind::Secret;
    "messages.heartbeat_s": Kind::Whole { least: 1, most: 86_400, unit: Unit::Seconds };
    "chaos.enabled": Kind::Flag;
    "chaos.on_live": Kind::Flag;
}

/// The key of that name. A setting of a strategy gives the key of all strategies.
#[must_use]
pub fn find(name: &str) -> Option<&'static Key> {
    let strategies = strategies::setting(name).is_some();
    let name = if strategies { strategies::KEY } else { name };
    KEYS.iter().find(|key| key.name == name && (key.name != strategies::KEY || strategies))
}

/// All names of sections.
#[must_use]
pub fn sections() -> BTreeSet<&'static str> {
    let above = |key: &'static Key| key.name.match_indices('.').map(|(at, _)| &key.name[..at]);
    KEYS.iter().flat_map(above).collect()
}

/// Whether `name` is a section.
#[must_use]
pub fn is_section(name: &str) -> bool {
    sections().contains(name) || name == strategies::KEY || strategies::section(name)
}

impl Kind {
    /// A value given as text, by a flag or a variable.
    ///
    /// # Errors
    /// The text does not fit the kind.
    pub fn read(&self, text: &str) -> Result<Value, String> {
        match self {
            Kind::Flag => match text {
                "true" | "1" => Ok(Value::from(true)),
                "false" | "0" => Ok(Value::from(false)),
                _ => Err(format!("{text:?} is not true or false")),
            },
            Kind::Whole { .. } => text
                .parse::<i64>()
                .map(Value::from)
                .map_err(|_| format!("{text:?} is not a whole number")),
            Kind::Amount { .. }
            | Kind::OneOf(_)
            | Kind::Text(_)
            | Kind::Symbols
            | Kind::Secret
            | Kind::Strategies => Ok(Value::from(text)),
        }
    }

    /// Checks a value.
    ///
    /// # Errors
    /// The reason as text. It shows the value unless that may be a secret.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        match self {
            Kind::Flag => value
                .to_bool()
                .map(drop)
                .ok_or_else(|| format!("{} is not true or false", shown(value))),
            Kind::Whole { least, most, .. } => match value.to_i128() {
                Some(number) if (i128::from(*least)..=i128::from(*most)).contains(&number) => {
                    Ok(())
                }
                Some(number) => Err(format!("{number} is not in the range {least} to {most}")),
                None => Err(format!("{} is not a whole number", shown(value))),
            },
            Kind::Amount { zero } => amount(value, *zero),
            Kind::OneOf(words) => match value.as_str() {
                Some(word) if words.contains(&word) => Ok(()),
                Some(word) => Err(format!("{word:?} is not one of {}{}", words.join(", "), {
                    let meant = nearest(word, words.iter().copied());
                    meant.map_or(String::new(), |meant| format!("; did you mean {meant:?}?"))
                })),
                None => Err(format!("{} is not one of {}", shown(value), words.join(", "))),
            },
            Kind::Text(form) => match value.as_str() {
                Some(text) => (form.check)(text),
                None => Err(format!("{} is not text in quotes", shown(value))),
            },
            Kind::Symbols => symbols(value).map(drop),
            Kind::Secret => match value.as_str() {
                Some(text) => text.parse::<SecretRef>().map(drop),
                None => Err(super::secret::BY_REFERENCE.to_owned()),
            },
            // Each setting is checked by its own kind.
            Kind::Strategies => Ok(()),
        }
    }
}

/// A value as text for people.
#[must_use]
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(_, text) => format!("{text:?}"),
        Value::Bool(_, flag) => flag.to_string(),
        Value::Num(_, number) => {
            number.to_i128().map_or_else(|| "a fraction".to_owned(), |number| number.to_string())
        }
        Value::Array(_, items) => {
            format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", "))
        }
        Value::Char(..) | Value::Empty(..) | Value::Dict(..) => "a section".to_owned(),
    }
}

/// The symbols that a value names.
///
/// # Errors
/// The value is no list of symbols.
pub fn symbols(value: &Value) -> Result<Symbols, String> {
    let text = if let Value::Array(_, items) = value {
        let names: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
        names.ok_or_else(|| format!("{} is not a list of names", shown(value)))?.join(",")
    } else {
        value.as_str().map_or_else(|| shown(value), str::to_owned)
    };
    text.parse()
}

/// The decimal number of a value.
///
/// # Errors
/// The value is no number.
pub fn decimal(value: &Value) -> Result<Decimal, String> {
    let text = value.as_str().map_or_else(|| shown(value), str::to_owned);
    let number = text.parse::<Decimal>().or_else(|_| Decimal::from_scientific(&text));
    number.map_err(|_| format!("{} is not a decimal number", shown(value)))
}

fn amount(value: &Value, zero: bool) -> Result<(), String> {
    let number = decimal(value)?;
    if number.is_sign_negative() && !number.is_zero() {
        return Err(format!("{number} is negative"));
    }
    if number.is_zero() && !zero {
        return Err("must be greater than 0".to_owned());
    }
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where others refuse")]
fn any(_: &str) -> Result<(), String> {
    Ok(())
}

fn zone(name: &str) -> Result<(), String> {
    if name == "venue" {
        return Ok(());
    }
    TimeZone::get(name).map(drop).map_err(|_| {
        format!(
            "{name:?} is not \"venue\" and not a zone of the IANA database, like \"Europe/Berlin\""
        )
    })
}

fn filled(text: &str) -> Result<(), String> {
    if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(()) }
}

fn installation(name: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if (1..=16).contains(&name.len()) && name.bytes().all(plain) {
        return Ok(());
    }
    Err(format!("{name:?} is not 1 to 16 of a-z, 0-9, -"))
}

fn names(text: &str) -> Result<(), String> {
    listed(text).map(drop)
}

/// The symbols in a text, sorted by name.
///
/// # Errors
/// A part of it is no symbol.
pub fn listed(text: &str) -> Result<Vec<Symbol>, String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let mut all = names.map(Symbol::new).collect::<Result<Vec<_>, _>>()?;
    all.sort();
    all.dedup();
    Ok(all)
}

fn widths(text: &str) -> Result<(), String> {
    timeframes(text).map(drop)
}

fn schedule(text: &str) -> Result<(), String> {
    Schedule::read(text).map(drop)
}

fn feature(text: &str) -> Result<(), String> {
    Feature::check(text)
}

fn topics(text: &str) -> Result<(), String> {
    Topic::listed(text).map(drop)
}

fn loopback(text: &str) -> Result<(), String> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(()),
        Ok(_) => Err(format!(
            "{text:?} is not a loopback address like 127.0.0.1:7777; for other machines set \
             api.listen, with TLS"
        )),
        Err(_) => Err(format!("{text:?} is not an address with port, like 127.0.0.1:7777")),
    }
}

fn address(text: &str) -> Result<(), String> {
    if text.is_empty() || text.parse::<SocketAddr>().is_ok() {
        return Ok(());
    }
    Err(format!("{text:?} is not an address with port, like 0.0.0.0:7778"))
}

fn filter_of_log(filter: &str) -> Result<(), String> {
    log_filter::parse(filter).map(drop)
}

fn pace(text: &str) -> Result<(), String> {
    text.parse::<Pace>().map(drop)
}

/// The comment of each key in the embedded defaults, as one line.
#[must_use]
pub fn comments() -> BTreeMap<String, String> {
    let (mut section, mut comment) = (String::new(), Vec::new());
    let mut found = BTreeMap::new();
    for line in DEFAULTS.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix('#') {
            comment.push(words.trim());
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            name.trim_end_matches(']').clone_into(&mut section);
        } else if let Some((key, _)) = line.split_once(" = ") {
            found.insert(format!("{section}.{key}"), comment.join(" "));
        }
        comment.clear();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::layers::Layer;
    use super::*;
    use everwarm_domain::order::FIRST_STRATEGY;
    use everwarm_trading::strategy::{EXITS, Form, KINDS, of_every};

    #[test]
    fn the_embedded_file_has_every_key_in_order_with_a_comment_and_a_good_value() {
        let comments = comments();
        let defaults = Layer::defaults();
        let plain = || KEYS.iter().filter(|key| !matches!(key.kind, Kind::Strategies));
        let mut sorted: Vec<&str> = plain().map(|key| key.name).collect();
        sorted.sort_unstable();
        let (of_strategies, others): (Vec<&str>, Vec<&str>) =
            defaults.0.keys().map(String::as_str).partition(|key| key.starts_with("strategy."));
        assert_eq!(others, sorted);
        // The example shows the first strategy. Other kinds need no section there.
        for kind in KINDS.iter().filter(|kind| kind.name == FIRST_STRATEGY) {
            let values: serde_json::Value = serde_json::from_str(&(kind.defaults)()).unwrap();
            for setting in kind.settings {
                let key = format!("strategy.{}.{}", kind.name, setting.name);
                assert_eq!(comments[&key], setting.about, "{key}");
                let example = serde_json::to_value(&defaults.0[&key].value).unwrap();
                assert_eq!(example, values[setting.name], "{key}");
            }
            for rule in EXITS {
                let key = format!("strategy.{}.{}", kind.name, rule.name);
                // The first comment also introduces all of them.
                assert!(comments[&key].ends_with(rule.about), "{key}: {}", comments[&key]);
            }
            let own = format!("strategy.{}.", kind.name);
            let count = of_strategies.iter().filter(|key| key.starts_with(&own)).count();
            let shared = of_every().count() + ["kind", "enabled"].len();
            assert_eq!(count, kind.settings.len() + shared, "{}", kind.name);
        }
        let mut at = 0;
        for key in plain() {
            let comment = comments.get(key.name).map_or("", String::as_str);
            assert!(comment.len() > 10 && comment.ends_with(['.', '?']), "{}: {comment}", key.name);
            let entry = &defaults.0[key.name];
            key.kind.check(&entry.value).unwrap_or_else(|e| panic!("{}: {e}", key.name));
            let line = entry.place.line.unwrap();
            assert!(line > at, "{} comes earlier in the table than in the file", key.name);
            at = line;
        }
    }

    #[test]
    fn units_are_in_names() {
        for key in KEYS {
            let says = ["_s", "_ms"].into_iter().find(|end| key.name.ends_with(end));
            let has = match key.kind {
                Kind::Whole { unit: Unit::Seconds, .. } => Some("_s"),
                Kind::Whole { unit: Unit::Milliseconds, .. } => Some("_ms"),
                Kind::Whole { .. }
                | Kind::Flag
                | Kind::Amount { .. }
                | Kind::OneOf(_)
                | Kind::Text(_)
                | Kind::Symbols
                | Kind::Secret
                | Kind::Strategies => None,
            };
            assert_eq!(says, has, "{}", key.name);
        }
    }

    #[test]
    fn wrong_values_are_refused_with_what_is_expected() {
        let wrong = |name: &str, value: Value| find(name).unwrap().kind.check(&value).unwrap_err();
        let text = |name: &str, value: &str| wrong(name, Value::from(value));
        assert_eq!(text("daemon.workers", "x"), "\"x\" is not a whole number");
        assert_eq!(wrong("daemon.workers", Value::from(65)), "65 is not in the range 1 to 64");
        assert_eq!(wrong("market.until_end", Value::from(1)), "1 is not true or false");
        let width = strategies::form(Form::Timeframe).check(&Value::from("15")).unwrap_err();
        assert_eq!(width, "\"15\" is not one of 1m, 5m, 15m, 1h, 4h, 1d; did you mean \"15m\"?");
        assert_eq!(text("trading.notional", "nan"), "\"nan\" is not a decimal number");
        assert_eq!(wrong("trading.notional", Value::from(0)), "must be greater than 0");
        assert_eq!(wrong("daemon.log", Value::from(true)), "true is not text in quotes");
        for value in [Value::from("hunter2"), Value::from(42)] {
            let error = wrong("daemon.token", value);
            assert!(
                error.contains("env:NAME") && !error.contains("hunter2") && !error.contains("42")
            );
        }
    }
}
