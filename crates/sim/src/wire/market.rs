//! The symbols of a request, last prices, and trades of the market.
//!
//! The ids of the market's trades count up over all minutes since 1970. The account's trades have
//! ids of their own.

use super::error::ApiError;
use super::number;
use super::orders;
use super::params::{Params, TIME_MAX};
use super::queries::page;
use crate::exchange::Exchange;
use crate::exchange::local::last_bars;
use crate::market::{Market, Print};
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::time::{MINUTE, UtcMs};
use serde_json::{Value, json};

/// The last minute that a request may name, counted from 1970.
const LAST: i64 = TIME_MAX / MINUTE;

/// The trades of a bar that are released up to `through`, in order; none if nothing was traded.
#[must_use]
pub fn prints(market: &dyn Market, bar: &Bar, through: UtcMs) -> Vec<Print> {
    let mut all = if bar.volume.is_zero() { Vec::new() } else { market.prints(bar) };
    all.retain(|print| print.time <= through);
    all
}

/// The symbols that a request selects.
#[derive(Debug)]
pub struct Selected<'a> {
    /// The selected symbols.
    pub symbols: Vec<&'a Instrument>,
    /// Whether `symbol` named one of them, so that the response is not a list.
    pub single: bool,
}

/// The status of a symbol in the protocol.
#[must_use]
pub fn status(rules: &Instrument) -> &'static str {
    if rules.trading { "TRADING" } else { "BREAK" }
}

/// Reads `symbolStatus`.
///
/// # Errors
/// -1122 for another word than a status of the venue.
pub fn wanted_status(params: &Params) -> Result<Option<&str>, ApiError> {
    match params.text("symbolStatus")? {
        None => Ok(None),
        Some(word @ ("TRADING" | "HALT" | "BREAK")) => Ok(Some(word)),
        Some(_) => Err(ApiError::new(-1122, "Invalid symbolStatus.")),
    }
}

/// Checks that a symbol has the wanted status.
///
/// # Errors
/// -1220.
pub fn matches_status(rules: &Instrument, wanted: Option<&str>) -> Result<(), ApiError> {
    if wanted.is_none_or(|wanted| wanted == status(rules)) {
        return Ok(());
    }
    let msg = "The symbol's status does not match the requested symbolStatus.";
    Err(ApiError::new(-1220, msg))
}

/// Reads `symbol` or `symbols`; neither means all. With `symbolStatus`, symbols of another status
/// are left out.
///
/// # Errors
/// The protocol's error for unknown symbols or conflicting parameters, -1220 if the only symbol has
/// another status.
pub fn selected<'a>(exchange: &'a Exchange, params: &Params) -> Result<Selected<'a>, ApiError> {
    let one = orders::optional_symbol(exchange, params)?;
    let many = params.text("symbols")?;
    let invalid = || ApiError::new(-1121, "Invalid symbol.");
    let symbols = match (one, many) {
        (Some(_), Some(_)) => {
            return Err(ApiError::new(-1128, "Combination of optional parameters invalid."));
        }
        (None, None) => {
            let all = exchange.instruments().iter();
            all.filter(|rules| exchange.lists_symbol(rules.symbol)).collect()
        }
        (Some(symbol), None) => vec![listed(exchange, symbol).ok_or_else(invalid)?],
        (None, Some(list)) => {
            let bad = |_| ApiError::invalid("symbols");
            let names: Vec<String> = serde_json::from_str(list).map_err(bad)?;
            let twice = (1..names.len()).any(|i| names[..i].contains(&names[i]));
            if twice {
                let msg = "Symbol is present multiple times in the list.";
                return Err(ApiError::new(-1151, msg));
            }
            let find = |name: &String| {
                let symbol = Symbol::new(name).ok();
                symbol.and_then(|symbol| listed(exchange, symbol)).ok_or_else(invalid)
            };
            names.iter().map(find).collect::<Result<_, _>>()?
        }
    };
    let (single, wanted) = (one.is_some(), wanted_status(params)?);
    let mut symbols: Vec<&Instrument> = symbols;
    if single {
        symbols.iter().try_for_each(|rules| matches_status(rules, wanted))?;
    }
    symbols.retain(|rules| wanted.is_none_or(|wanted| wanted == status(rules)));
    Ok(Selected { symbols, single })
}

fn listed(exchange: &Exchange, symbol: Symbol) -> Option<&Instrument> {
    exchange.instrument(symbol).filter(|_| exchange.lists_symbol(symbol))
}

impl Selected<'_> {
    /// One row, or the list of all rows that exist.
    ///
    /// # Errors
    /// -1112 if a single symbol has no row, because nothing was ever traded.
    pub fn rows(
        &self,
        mut row: impl FnMut(&Instrument) -> Option<Value>,
    ) -> Result<Value, ApiError> {
        let mut rows: Vec<Value> = self.symbols.iter().filter_map(|rules| row(rules)).collect();
        if !self.single {
            return Ok(Value::Array(rows));
        }
        rows.pop().ok_or_else(nothing)
    }
}

/// The error for a symbol that was never traded.
#[must_use]
pub fn nothing() -> ApiError {
    ApiError::new(-1112, "No orders on book for symbol.")
}

/// The row with the last price.
#[must_use]
pub fn price(exchange: &Exchange, rules: &Instrument) -> Option<Value> {
    let tape = exchange.tape(rules.symbol)?;
    Some(json!({"symbol": rules.symbol.as_str(), "price": number(tape.last)}))
}

/// A query for trades of the market.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrintQuery {
    from_id: Option<i64>,
    start: Option<UtcMs>,
    end: Option<UtcMs>,
    limit: usize,
}

impl PrintQuery {
    /// Reads a request for trades. `id` allows `fromId`; `times` allows `startTime` and `endTime`.
    ///
    /// # Errors
    /// The protocol's error for the first wrong parameter.
    pub fn read(params: &Params, id: bool, times: bool) -> Result<PrintQuery, ApiError> {
        let mut query = PrintQuery { limit: page(params)?, ..PrintQuery::default() };
        if id {
            query.from_id = params.integer("fromId")?;
        }
        if times {
            (query.start, query.end) = (params.time("startTime")?, params.time("endTime")?);
        }
        params.finish()?;
        Ok(query)
    }

    /// The trades of `symbol` that match the query, ascending.
    #[must_use]
    pub fn prints(
        &self,
        exchange: &Exchange,
        market: &mut dyn Market,
        symbol: Symbol,
        now: UtcMs,
    ) -> Vec<Print> {
        let through = exchange.market();
        let each = market.trades_per_minute();
        let bars = self.limit.div_ceil(usize::try_from(each).unwrap_or(1)) + 2;
        let from = self.from_id.map(|id| (id / each).min(LAST) * MINUTE).or(self.start);
        let bars = if let Some(from) = from {
            market.bars(symbol, from - MINUTE, through, bars)
        } else {
            let to = self.end.unwrap_or(UtcMs::MAX).min(now.max(through));
            last_bars(market, symbol, to, bars)
        };
        let wanted = |print: &Print| {
            self.from_id.is_none_or(|id| print.id >= id)
                && self.start.is_none_or(|start| print.time >= start)
                && self.end.is_none_or(|end| print.time <= end)
        };
        let all = bars.iter().flat_map(|bar| prints(market, bar, through));
        let mut found: Vec<Print> = all.filter(wanted).collect();
        if from.is_some() {
            found.truncate(self.limit);
        } else {
            found.drain(..found.len().saturating_sub(self.limit));
        }
        found
    }
}

/// A trade as a row.
#[must_use]
pub fn trade_row(print: &Print) -> Value {
    let price = print.price.decimal();
    json!({
        "id": print.id, "price": number(price), "qty": number(print.quantity),
        "quoteQty": number(price * print.quantity), "time": print.time,
        "isBuyerMaker": print.buyer_maker, "isBestMatch": true,
    })
}

/// An aggregate of one trade as a row.
#[must_use]
pub fn aggregate_row(print: &Print) -> Value {
    json!({
        "a": print.id, "p": number(print.price.decimal()), "q": number(print.quantity),
        "f": print.id, "l": print.id, "T": print.time, "m": print.buyer_maker, "M": true,
    })
}
