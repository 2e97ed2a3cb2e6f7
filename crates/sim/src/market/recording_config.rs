//! `recording.toml`: what the files of a recording do not say themselves.
//!
//! ```toml
//! [account]
//! balances = { USD = "100000" }   # default: 100,000 of each quote asset (10 BTC, 100 ETH, …)
//!
//! [symbols.BTC-PERP]              # every key may be left out
//! base = "BTC"                    # default: by the name
//! quote = "USD"                   # default: longest known suffix of the name, else USD
//! volume = "quote"                # default "base"; "quote": divided by the close, down to the lot
//! tick = "1"                      # default: the most decimals of a price in the file
//! lot = "0.0001"                  # default: the most decimals of a volume; else 0.00001
//! min_quantity = "0.0001"         # default: the lot
//! max_quantity = "9000000"        # default: 9,000,000
//! min_notional = "5"              # default: 5 (0.0001 BTC, 0.001 ETH, …)
//! max_position = "2"              # base units held and on order; default: no limit
//! ```
//!
//! Numbers are strings, or TOML numbers. Unknown keys, and symbols without a file, are errors.

use everwarm_domain::money::{Decimal, PRICE_SCALE, parse_decimal};
use serde::{Deserialize, Deserializer, de};
use std::collections::BTreeMap;
use std::fmt;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Config {
    pub account: Account,
    pub symbols: BTreeMap<String, SymbolConfig>,
}

/// `[account]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Account {
    pub balances: BTreeMap<String, Amount>,
}

/// `[symbols.NAME]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SymbolConfig {
    pub base: Option<String>,
    pub quote: Option<String>,
    pub volume: VolumeUnit,
    pub tick: Option<Amount>,
    pub lot: Option<Amount>,
    pub min_quantity: Option<Amount>,
    pub max_quantity: Option<Amount>,
    pub min_notional: Option<Amount>,
    pub max_position: Option<Amount>,
}

/// What the volume column counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum VolumeUnit {
    /// Units of the base asset.
    #[default]
    Base,
    /// Units of the quote asset.
    Quote,
}

/// A number that is not negative and has at most 8 decimals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amount(pub Decimal);

/// Largest amount taken: keeps every product with a price within a decimal.
const AMOUNT_MAX: i64 = 1_000_000_000_000_000;

impl Amount {
    fn parse(text: &str) -> Result<Amount, String> {
        let value = parse_decimal(text)?.normalize();
        if value.is_sign_negative() && !value.is_zero() {
            return Err(format!("{text} is negative"));
        }
        if value.scale() > PRICE_SCALE {
            return Err(format!("{text} has more than {PRICE_SCALE} decimals"));
        }
        if value > Decimal::from(AMOUNT_MAX) {
            return Err(format!("{text} is larger than {AMOUNT_MAX}"));
        }
        Ok(Amount(value))
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Number;
        impl de::Visitor<'_> for Number {
            type Value = Amount;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or a number in a string")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
                Amount::parse(text).map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Amount, E> {
                Amount::parse(&value.to_string()).map_err(E::custom)
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Amount, E> {
                // The shortest text that means this float is what the file's author wrote.
                Amount::parse(&value.to_string()).map_err(E::custom)
            }
        }
        from.deserialize_any(Number)
    }
}

impl Config {
    /// Parses and checks the text.
    ///
    /// # Errors
    /// The line from 1 where it is known, and what is wrong, with the key's name.
    pub(super) fn parse(text: &str) -> Result<Config, (Option<u64>, String)> {
        let config: Config = toml::from_str(text).map_err(|e| {
            let line = e.span().and_then(|s| text.get(..s.start)).map(line_after);
            (line, e.message().to_owned())
        })?;
        for (name, symbol) in &config.symbols {
            symbol.check(name).map_err(|reason| (None, reason))?;
        }
        if let Some(asset) = config.account.balances.keys().find(|a| !is_asset(a)) {
            return Err((None, format!("account.balances: {asset:?} is not an asset")));
        }
        Ok(config)
    }
}

fn line_after(text: &str) -> u64 {
    1 + text.bytes().filter(|b| *b == b'\n').count() as u64
}

fn is_asset(name: &str) -> bool {
    (1..=20).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric())
}

impl SymbolConfig {
    fn check(&self, name: &str) -> Result<(), String> {
        for (key, step) in [("tick", self.tick), ("lot", self.lot)] {
            if step.is_some_and(|s| s.0.is_zero()) {
                return Err(format!("symbols.{name}.{key} must be above zero"));
            }
        }
        for (key, asset) in [("base", &self.base), ("quote", &self.quote)] {
            if let Some(asset) = asset
                && !is_asset(asset)
            {
                return Err(format!("symbols.{name}.{key}: {asset:?} is not an asset"));
            }
        }
        Ok(())
    }
}
