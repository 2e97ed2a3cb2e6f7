//! The messages, and what they mean.

use crate::bar_rows::{RowDecimal, Rows, number};
use crate::keyed::ticker;
use everwarm_domain::bounds;
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::SymbolRules;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_venue::source::BarRange;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// What stocks are paid in.
pub(super) const QUOTE: &str = "USD";
/// The class of a stock.
pub(super) const STOCK: &str = "us_equity";
/// Decimals of a quantity of a stock that is also traded in fractions. The source has nine, but a
/// recording has at most eight.
const FRACTION: u32 = 8;
/// Smallest value of an order with a fraction, USD.
const MIN_NOTIONAL: i64 = 1;
/// Longest text of a time.
const TIME_MAX: usize = 40;

/// The response to `GET /v2/stocks/bars`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Page {
    /// The bars of each symbol.
    #[serde(deserialize_with = "present")]
    pub bars: Option<BTreeMap<String, Vec<Row>>>,
    /// Names the next page.
    #[serde(deserialize_with = "present")]
    pub next_page_token: Option<String>,
    /// What the prices are in; none: US dollars.
    pub currency: Option<String>,
}

/// A bar.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Row {
    /// Opening time, RFC 3339.
    pub t: String,
    /// Open.
    #[serde(deserialize_with = "number")]
    pub o: RowDecimal,
    /// High.
    #[serde(deserialize_with = "number")]
    pub h: RowDecimal,
    /// Low.
    #[serde(deserialize_with = "number")]
    pub l: RowDecimal,
    /// Close.
    #[serde(deserialize_with = "number")]
    pub c: RowDecimal,
    /// Volume in shares.
    #[serde(deserialize_with = "number")]
    pub v: RowDecimal,
}

/// The response to `GET /v2/stocks/{symbol}/trades/latest`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct LatestTrade {
    trade: LatestPrice,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct LatestPrice {
    #[serde(deserialize_with = "number")]
    p: RowDecimal,
}

impl LatestTrade {
    /// The price, USD.
    ///
    /// # Errors
    /// It is implausible.
    pub fn price(self) -> Result<Decimal, String> {
        bounds::price("price", self.trade.p.0?.normalize())
    }
}

/// The response to `GET /v2/assets/{symbol}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Asset {
    /// The symbol.
    pub symbol: String,
    /// What it is: `us_equity`, or something else.
    pub class: String,
    /// Whether it is also traded in fractions.
    #[serde(default)]
    pub fractionable: bool,
    /// Whether orders are accepted.
    #[serde(default)]
    pub tradable: bool,
    /// `active`, or something else.
    #[serde(default)]
    pub status: String,
}

/// A field that may be null, but not absent.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(from)
}

/// The reason for a rejection of a symbol.
pub(super) fn no_stock(symbol: Symbol) -> String {
    format!("{symbol} is not the symbol of a stock")
}

/// The query for bars of a feed, without the size of a page.
///
/// # Errors
/// It has no such symbol or width.
pub fn query(range: &BarRange, feed: &str) -> Result<String, String> {
    let BarRange { symbol, timeframe, times } = range;
    let name = ticker(symbol).ok_or_else(|| no_stock(*symbol))?;
    let width = match timeframe {
        Timeframe::M1 => "1Min",
        Timeframe::M5 => "5Min",
        Timeframe::M15 => "15Min",
        Timeframe::H1 => "1Hour",
        Timeframe::H4 | Timeframe::D1 => return Err(format!("it has no bars of {timeframe}")),
    };
    let text = |time: UtcMs| {
        let time = Timestamp::from_millisecond(time);
        time.map(|time| time.to_string()).map_err(|_| "a time out of range".to_owned())
    };
    let (from, to) = (text(*times.start())?, text(*times.end())?);
    // Raw prices are those of the day: a later split does not change them.
    let rest = format!("adjustment=raw&feed={feed}&sort=asc");
    Ok(format!("symbols={name}&timeframe={width}&start={from}&end={to}&{rest}"))
}

/// Adds the bars of a page. Returns what names the next page.
///
/// # Errors
/// A bar of another symbol or currency, or one that cannot follow the bars before it.
pub fn add(rows: &mut Rows<'_>, range: &BarRange, page: Page) -> Result<Option<String>, String> {
    let symbol = range.symbol;
    if let Some(currency) = page.currency.filter(|currency| currency != QUOTE) {
        return Err(format!("the prices are in {:?}, not in {QUOTE}", short(&currency)));
    }
    for (name, bars) in page.bars.unwrap_or_default() {
        if name != symbol.as_str() {
            return Err(format!("the bars are of {:?}, not of {symbol}", short(&name)));
        }
        for row in bars {
            let time = time(&row.t).map_err(|why| format!("{symbol}: {why}"))?;
            rows.add(time, [&row.o, &row.h, &row.l, &row.c], &row.v)?;
        }
    }
    Ok(page.next_page_token)
}

/// The time of an event, in UTC milliseconds. Its nanoseconds are cut off.
///
/// # Errors
/// The text is no time.
pub(super) fn instant(text: &str) -> Result<UtcMs, String> {
    let parsed = Some(text).filter(|text| text.len() <= TIME_MAX).and_then(|t| t.parse().ok());
    let time = parsed.map(|time: Timestamp| time.as_millisecond());
    let time =
        time.ok_or_else(|| format!("{:?} is no time like 2026-01-05T14:30:00.123Z", short(text)))?;
    bounds::time("time", time)
}

/// A time in UTC milliseconds.
fn time(text: &str) -> Result<UtcMs, String> {
    let parsed = Some(text).filter(|text| text.len() <= TIME_MAX).and_then(|t| t.parse().ok());
    let whole = parsed.filter(|time: &Timestamp| time.as_nanosecond() % 1_000_000 == 0);
    let time = whole.map(Timestamp::as_millisecond);
    time.ok_or_else(|| format!("{:?} is no time like 2026-01-05T14:30:00Z", short(text)))
}

pub(super) fn short(text: &str) -> String {
    text.chars().take(TIME_MAX).collect()
}

/// The rules of a symbol; none: it is no stock.
///
/// # Errors
/// The asset has another symbol.
pub fn rules(symbol: Symbol, asset: &Asset) -> Result<Option<SymbolRules>, String> {
    if asset.symbol != symbol.as_str() {
        return Err(format!("the asset is {:?}, not {symbol}", short(&asset.symbol)));
    }
    let usual = usual_rules(symbol);
    let lot_size = Decimal::new(1, FRACTION);
    let min_notional = Decimal::from(MIN_NOTIONAL);
    let rules = if asset.fractionable {
        SymbolRules { lot_size, min_quantity: lot_size, min_notional, ..usual }
    } else {
        usual
    };
    Ok(Some(rules).filter(|_| asset.class == STOCK))
}

/// The rules of a stock of which nothing is known. It has no step of prices: orders have two
/// decimals from one dollar and four below, but bars have trades between these steps.
#[must_use]
pub fn usual_rules(symbol: Symbol) -> SymbolRules {
    SymbolRules {
        symbol,
        base: symbol.to_string(),
        quote: QUOTE.to_owned(),
        tick_size: Decimal::ZERO,
        lot_size: Decimal::ONE,
        min_quantity: Decimal::ONE,
        max_quantity: Decimal::ZERO,
        min_notional: Decimal::ZERO,
    }
}
