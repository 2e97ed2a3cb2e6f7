//! The messages, and what they mean.

use crate::bar_rows::{RowDecimal, Rows, number};
use crate::keyed::ticker;
use everwarm_domain::clean::clean;
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::SymbolRules;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_venue::source::BarRange;
use serde::Deserialize;

/// What stocks are paid in.
const QUOTE: &str = "USD";
/// Statuses of a response with all bars: of real time, and of a delayed plan.
const GOOD: [&str; 2] = ["OK", "DELAYED"];
/// The status of a response without bars, because the plan does not include them.
const NOT_IN_PLAN: &str = "NOT_AUTHORIZED";
/// Longest text of the source in an error, characters.
const SHOWN: usize = 60;

/// The response to `GET /v2/aggs/ticker/…`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Page {
    /// `OK`, `DELAYED`, `NOT_AUTHORIZED`, `ERROR`.
    pub status: String,
    /// The symbol.
    pub ticker: Option<String>,
    /// Whether later splits change the prices.
    pub adjusted: Option<bool>,
    /// Number of bars.
    #[serde(rename = "resultsCount")]
    pub results_count: Option<u64>,
    /// The bars; absent if there are none.
    pub results: Option<Vec<Row>>,
    /// Address of the next page.
    pub next_url: Option<String>,
    /// Why there are no bars.
    pub message: Option<String>,
    /// The error.
    pub error: Option<String>,
}

/// A bar.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Row {
    /// Opening time, UTC milliseconds.
    pub t: UtcMs,
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

/// The path of a series, up to its times.
///
/// # Errors
/// It has no such symbol or width.
pub fn series(range: &BarRange) -> Result<String, String> {
    let BarRange { symbol, timeframe, .. } = range;
    let name = ticker(symbol).ok_or_else(|| format!("{symbol} is not the symbol of a stock"))?;
    let width = match timeframe {
        Timeframe::M1 => "1/minute",
        Timeframe::M5 => "5/minute",
        Timeframe::M15 => "15/minute",
        Timeframe::H1 => "1/hour",
        Timeframe::H4 | Timeframe::D1 => return Err(format!("it has no bars of {timeframe}")),
    };
    Ok(format!("/v2/aggs/ticker/{name}/range/{width}/"))
}

/// Why the plan of the key does not include the bars; none: it does.
#[must_use]
pub fn not_in_plan(page: &Page) -> Option<String> {
    Some(status_text(page)).filter(|_| page.status == NOT_IN_PLAN)
}

/// The status of a response, with its text.
fn status_text(Page { status, message, error, .. }: &Page) -> String {
    let text = message.as_ref().or(error.as_ref()).map(|text| format!(": {}", clean(text)));
    format!("{}{}", short(status), text.unwrap_or_default())
}

/// Adds the bars of a page. Returns the address of the next page.
///
/// # Errors
/// The page has no status of success, has other prices or bars of another symbol, or one that
/// cannot follow the bars before it.
pub fn add(rows: &mut Rows<'_>, range: &BarRange, page: Page) -> Result<Option<String>, String> {
    let symbol = range.symbol;
    if !GOOD.contains(&page.status.as_str()) {
        return Err(format!("the status is {}", status_text(&page)));
    }
    let results = page.results.unwrap_or_default();
    if results.is_empty() {
        if page.results_count != Some(0) {
            return Err("it has no results, but its resultsCount is not 0".to_owned());
        }
    } else {
        let name = page.ticker.unwrap_or_default();
        if name != symbol.as_str() {
            return Err(format!("the bars are of {:?}, not of {symbol}", short(&name)));
        }
        if page.adjusted != Some(false) {
            return Err("the prices are adjusted for splits. Raw ones were requested".to_owned());
        }
    }
    for row in results {
        rows.add(row.t, [&row.o, &row.h, &row.l, &row.c], &row.v)?;
    }
    Ok(page.next_url)
}

/// The path and query of the next page. It is requested from the same address as the first one.
///
/// # Errors
/// It leads to another host, or to another series.
pub fn next_path(next: &str, known: &[String], series: &str) -> Result<String, String> {
    let path = known.iter().find_map(|address| {
        let rest = next.strip_prefix(address.as_str())?;
        rest.starts_with(series).then_some(rest)
    });
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.~?=&%+:,".contains(c);
    let path = path.filter(|path| path.chars().all(plain) && !path.contains(".."));
    path.map(str::to_owned).ok_or_else(|| {
        // Without its query, which may hold a key.
        let place = short(next.split('?').next().unwrap_or_default());
        let known = known.join(" or ");
        format!("next_url leads to {place:?}, not to this series at {known}. It is not followed")
    })
}

fn short(text: &str) -> String {
    clean(&text.chars().take(SHOWN).collect::<String>())
}

/// The rules of a stock: whole shares. It has no step of prices: orders have two decimals from one
/// dollar and four below, but bars have trades between these steps.
#[must_use]
pub fn rules(symbol: Symbol) -> SymbolRules {
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
