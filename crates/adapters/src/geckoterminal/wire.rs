//! The responses of GeckoTerminal, and what they mean.

use crate::bar_rows::{RowDecimal, exact, number};
use everwarm_domain::bounds;
use everwarm_domain::clean::clean;
use everwarm_domain::money::{Decimal, PRICE_SCALE_MAX, parse_decimal};
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use everwarm_domain::token::address;
use everwarm_venue::port::Bars;
use everwarm_venue::source::BarRange;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Most characters of a number that are read.
const NUMBER_MAX: usize = 64;
/// Decimals that a number keeps of a longer one.
const KEPT: usize = 27;
/// How far its clock may be ahead of ours, milliseconds.
const AHEAD: UtcMs = 2 * MINUTE;
/// The first possible time, seconds: 2015, before the first pool.
const FIRST_S: i64 = 1_420_070_400;
/// A number of seconds from here on is one of milliseconds: it would be after the year 5000.
const MILLISECONDS: i64 = 100_000_000_000;
/// Most rows of one response with bars.
pub const ROWS_MAX: usize = 1_000;

/// The response to `GET /networks/{network}/pools/multi/{addresses}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Pools {
    /// The pools that it has, in any order.
    pub data: Vec<Pool>,
}

/// A pool.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Pool {
    /// Its state.
    pub attributes: Attributes,
    /// Its tokens.
    pub relationships: Relationships,
}

/// The state of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Attributes {
    /// Its address.
    pub address: String,
    /// The price of its first token, US dollars.
    #[serde(deserialize_with = "text_or_number")]
    pub base_token_price_usd: RowDecimal,
    /// The price of its second token, US dollars.
    #[serde(deserialize_with = "text_or_number")]
    pub quote_token_price_usd: RowDecimal,
}

/// The tokens of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Relationships {
    /// Its first token.
    pub base_token: Related,
    /// Its second token.
    pub quote_token: Related,
}

/// A reference to a token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Related {
    /// The token.
    pub data: Reference,
}

/// The id of a token: network and address, with `_` between them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Reference {
    /// The id.
    pub id: String,
}

/// The response to `GET /networks/{network}/pools/{address}/ohlcv/{timeframe}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Ohlcv {
    /// Its only member that is read.
    pub data: OhlcvData,
}

/// The bars of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct OhlcvData {
    /// The network and the address of the pool; none: the response does not say it.
    #[serde(default)]
    pub id: Option<String>,
    /// The rows.
    pub attributes: OhlcvAttributes,
}

/// The bars of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct OhlcvAttributes {
    /// The rows, newest first.
    pub ohlcv_list: Vec<OhlcvRow>,
}

/// A bar: its start in seconds, its prices, and its volume in US dollars.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct OhlcvRow(
    i64,
    #[serde(deserialize_with = "number")] RowDecimal,
    #[serde(deserialize_with = "number")] RowDecimal,
    #[serde(deserialize_with = "number")] RowDecimal,
    #[serde(deserialize_with = "number")] RowDecimal,
    #[serde(deserialize_with = "number")] RowDecimal,
);

/// A token whose price in a pool is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The address of its contract, in its one form.
    pub contract: String,
    /// The address of the pool, in its one form.
    pub pool: String,
}

/// The prices of the wanted tokens, in their order. A token without a price has the reason.
///
/// # Errors
/// The response names a pool that was not requested, or one twice.
pub fn prices(
    network: &str,
    pools: &Pools,
    wanted: &[Wanted],
) -> Result<Vec<Result<Decimal, String>>, String> {
    let mut known: BTreeMap<String, &Pool> = BTreeMap::new();
    for pool in &pools.data {
        let at = address(&pool.attributes.address);
        if !wanted.iter().any(|wanted| wanted.pool == at) {
            return Err(format!("pool {}: nobody requested it", clean(&at)));
        }
        if known.insert(at.clone(), pool).is_some() {
            return Err(format!("pool {at} is there twice"));
        }
    }
    let found = |wanted: &Wanted| {
        let pool = known.get(&wanted.pool);
        let none = || format!("there is no pool {} on {network}", wanted.pool);
        pool.ok_or_else(none).and_then(|pool| price(network, pool, &wanted.contract))
    };
    Ok(wanted.iter().map(found).collect())
}

/// The price of a contract in a pool.
fn price(network: &str, pool: &Pool, contract: &str) -> Result<Decimal, String> {
    let Pool { attributes, relationships: Relationships { base_token, quote_token } } = pool;
    let of = |token: &Related| {
        let id = token.data.id.strip_prefix(network).and_then(|id| id.strip_prefix('_'));
        id.map(address)
    };
    let (base, quote) = (of(base_token), of(quote_token));
    let (name, value) = if base.as_deref() == Some(contract) {
        ("base_token_price_usd", &attributes.base_token_price_usd)
    } else if quote.as_deref() == Some(contract) {
        ("quote_token_price_usd", &attributes.quote_token_price_usd)
    } else {
        let [base, quote] = [base_token, quote_token].map(|token| clean(&token.data.id));
        let pool = clean(&attributes.address);
        return Err(format!("pool {pool} trades {base} and {quote}, and not {contract}"));
    };
    let value = value.0.clone().map_err(|why| format!("{name}: {why}"))?;
    let rounded = value.round_dp(PRICE_SCALE_MAX.into()).normalize();
    bounds::price(name, rounded)
}

/// Reads a decimal that a message has as text or as a JSON number. `null` is no price. Digits that
/// no decimal can represent are dropped at the end.
///
/// # Errors
/// The value is neither.
pub fn text_or_number<'de, D: Deserializer<'de>>(from: D) -> Result<RowDecimal, D::Error> {
    let raw = <&RawValue>::deserialize(from)?.get();
    if raw == "null" {
        return Ok(RowDecimal(Err("it has no price".to_owned())));
    }
    let text = raw.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(raw);
    if text.len() == raw.len() && !raw.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        let start: String = raw.chars().take(8).collect();
        return Err(D::Error::custom(format!("{start:?} is neither text nor a number")));
    }
    Ok(RowDecimal(decimal(text)))
}

/// The decimal of a text. It may have an exponent, and more decimals than are kept.
fn decimal(text: &str) -> Result<Decimal, String> {
    if text.len() > NUMBER_MAX {
        return Err(format!("a number of {} characters", text.len()));
    }
    if text.contains(['e', 'E']) {
        return exact(text);
    }
    let kept = text.split_once('.').map_or(text, |(whole, _)| {
        let most = KEPT.saturating_sub(whole.len()) + whole.len() + 1;
        text.get(..most).unwrap_or(text)
    });
    let value = parse_decimal(kept)?;
    // What is dropped must be digits, too.
    let is_plain = text[kept.len()..].bytes().all(|byte| byte.is_ascii_digit());
    if is_plain { Ok(value) } else { Err(format!("{text:?} is not a decimal number")) }
}

/// The bars of a response that was received at `now`, UTC milliseconds: those of the range,
/// ascending. Volumes are in US dollars. `pool` is the address in its one form.
///
/// # Errors
/// The response is of another pool, a time is not possible, or the rows are not newest first.
pub fn bars(
    range: &BarRange,
    (network, pool): (&str, &str),
    response: &Ohlcv,
    now: UtcMs,
) -> Result<Bars, String> {
    let OhlcvData { id, attributes: OhlcvAttributes { ohlcv_list: rows } } = &response.data;
    // Some responses have an id of a request, and no address.
    let named = id.as_deref().and_then(|id| id.strip_prefix(network)?.strip_prefix('_'));
    let is_hex = address(&pool.to_ascii_uppercase()) == pool;
    let is_pool =
        |name: &str| name.ends_with(pool) || is_hex && name.to_ascii_lowercase().ends_with(pool);
    if let Some(other) = named.filter(|name| !is_pool(name)) {
        return Err(format!("the response is of pool {}, not of {pool}", clean(other)));
    }
    if rows.len() > ROWS_MAX {
        return Err(format!("the response has {} bars, above {ROWS_MAX}", rows.len()));
    }
    let mut bars = Bars::default();
    let mut after: Option<UtcMs> = None;
    for OhlcvRow(seconds, open, high, low, close, volume) in rows {
        let time = time(*seconds, range.timeframe, now)?;
        if after.replace(time).is_some_and(|after| after <= time) {
            return Err(format!("bar {seconds} is out of order: rows must be newest first"));
        }
        if !range.times.contains(&time) {
            continue;
        }
        let prices = [open, high, low, close].map(rounded);
        let [open, high, low, close] = &prices;
        let volume = &rounded(volume);
        match crate::bar_rows::bar(range.symbol, time, [open, high, low, close], volume) {
            Ok(bar) => bars.held.push(bar),
            Err(unheld) => bars.unheld.push(unheld),
        }
    }
    bars.held.reverse();
    bars.unheld.reverse();
    Ok(bars)
}

/// The number with as many decimals as a price can have.
fn rounded(value: &RowDecimal) -> RowDecimal {
    RowDecimal(value.0.clone().map(|value| value.round_dp(PRICE_SCALE_MAX.into()).normalize()))
}

fn time(seconds: i64, timeframe: Timeframe, now: UtcMs) -> Result<UtcMs, String> {
    if seconds >= MILLISECONDS {
        return Err(format!("time {seconds}: milliseconds, and it must be seconds"));
    }
    if seconds < FIRST_S {
        return Err(format!("time {seconds}: it must be seconds, from 2015 on"));
    }
    let time = seconds * 1_000;
    if time > now.saturating_add(AHEAD) {
        let ahead = (time - now) / 1_000;
        return Err(format!("time {seconds}: {ahead} s in the future"));
    }
    if timeframe.open_of(time) != time {
        return Err(format!("time {seconds}: no bar of {timeframe} opens then"));
    }
    Ok(time)
}
