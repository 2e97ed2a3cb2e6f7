//! `recording.toml`: settings that the files of a recording do not contain.
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
//! max_quantity = "9000000"        # default: 9,000,000; more where that is worth next to nothing
//! min_notional = "5"              # default: 5 (0.0001 BTC, 0.001 ETH, …)
//! max_position = "2"              # base units held and on order; default: no limit
//! max_stop_orders = 0             # most open stop orders, 0 to 5; default: 5
//!
//! [[splits]]                      # with `--protocol alpaca` only
//! symbol = "AAPL"
//! ex_date = "2014-06-09"          # the first day with the new shares, in New York
//! new_rate = 7                    # new shares ...
//! old_rate = 1                    # ... for old ones, each 1 to 1,000,000
//! ```
//!
//! Numbers are strings, or TOML numbers. Unknown keys, and symbols without a file, are errors.

use crate::exchange::filters::MAX_NUM_ALGO_ORDERS;
use everwarm_domain::money::{Decimal, PRICE_SCALE_MAX, parse_decimal};
use serde::{Deserialize, Deserializer, de};
use std::collections::BTreeMap;
use std::fmt;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Config {
    pub account: Account,
    pub symbols: BTreeMap<String, SymbolConfig>,
    pub splits: Vec<SplitConfig>,
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
    pub tick: Option<Amount<{ PRICE_SCALE_MAX }>>,
    pub lot: Option<Amount>,
    pub min_quantity: Option<Amount>,
    pub max_quantity: Option<Amount>,
    pub min_notional: Option<Amount>,
    pub max_position: Option<Amount>,
    pub max_stop_orders: Option<StopOrders>,
}

/// `[[splits]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SplitConfig {
    pub symbol: String,
    pub ex_date: String,
    pub new_rate: u32,
    pub old_rate: u32,
}

/// A number of stop orders of one symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub(super) struct StopOrders(pub u32);

impl TryFrom<u32> for StopOrders {
    type Error = String;

    fn try_from(number: u32) -> Result<StopOrders, String> {
        let most = MAX_NUM_ALGO_ORDERS;
        let fits = usize::try_from(number).is_ok_and(|number| number <= most);
        fits.then_some(StopOrders(number)).ok_or_else(|| format!("max_stop_orders is 0 to {most}"))
    }
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

/// A number that is not negative and has at most `DECIMALS` decimals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amount<const DECIMALS: u8 = { VOLUME_SCALE }>(pub Decimal);

/// Decimals of a volume and of other amounts of an asset.
pub(super) const VOLUME_SCALE: u8 = 8;
/// Largest accepted amount. Every product with a price still fits a decimal.
const AMOUNT_MAX: i64 = 1_000_000_000_000_000;

impl<const DECIMALS: u8> Amount<DECIMALS> {
    fn parse(text: &str) -> Result<Self, String> {
        Amount::of(parse_decimal(text)?).map_err(|why| format!("{text} {why}"))
    }

    /// Checks an amount.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn of(value: Decimal) -> Result<Self, String> {
        let value = value.normalize();
        if value.is_sign_negative() && !value.is_zero() {
            return Err("is negative".to_owned());
        }
        if value.scale() > DECIMALS.into() {
            return Err(format!("has more than {DECIMALS} decimals"));
        }
        if value > Decimal::from(AMOUNT_MAX) {
            return Err(format!("is larger than {AMOUNT_MAX}"));
        }
        Ok(Amount(value))
    }
}

impl<'de, const DECIMALS: u8> Deserialize<'de> for Amount<DECIMALS> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Number<const DECIMALS: u8>;
        impl<const DECIMALS: u8> de::Visitor<'_> for Number<DECIMALS> {
            type Value = Amount<DECIMALS>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or a number in a string")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Amount::parse(text).map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
                Amount::parse(&value.to_string()).map_err(E::custom)
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
                // The shortest text that gives this float is the number in the file.
                Amount::parse(&value.to_string()).map_err(E::custom)
            }
        }
        from.deserialize_any(Number::<DECIMALS>)
    }
}

impl Config {
    /// Parses and checks the text.
    ///
    /// # Errors
    /// The line number from 1, if known, and the problem with the key's name.
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
        let (tick, lot) = (self.tick.map(|tick| tick.0), self.lot.map(|lot| lot.0));
        for (key, step) in [("tick", tick), ("lot", lot)] {
            if step.is_some_and(|step| step.is_zero()) {
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
