//! Queries for past orders, lists and trades, and their rows.

use super::answers::{listed, queried};
use super::error::ApiError;
use super::number;
use super::params::Params;
use crate::exchange::{Exchange, Order, OrderList, Trade};
use everwarm_domain::id::Symbol;
use everwarm_domain::time::{DAY, UtcMs};
use serde_json::{Value, json};

/// A query for trades of the account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TradeQuery {
    order: Option<u64>,
    from_id: Option<u64>,
    start: Option<UtcMs>,
    end: Option<UtcMs>,
    limit: usize,
}

/// Rows of a page: default and maximum.
pub const PAGE: (usize, usize) = (500, 1_000);

/// The number of rows that a request wants.
///
/// # Errors
/// -1130 for zero. A larger number is reduced to the maximum.
pub fn page(params: &Params) -> Result<usize, ApiError> {
    let Some(limit) = params.integer("limit")? else { return Ok(PAGE.0) };
    if limit == 0 {
        return Err(ApiError::invalid("limit"));
    }
    Ok(usize::try_from(limit).unwrap_or(PAGE.1).min(PAGE.1))
}

impl TradeQuery {
    /// Whether the request names one order, which costs less.
    #[must_use]
    pub fn is_of_order(&self) -> bool {
        self.order.is_some()
    }

    /// Reads a request for trades.
    ///
    /// # Errors
    /// -1128 for combinations that are not allowed, -1127 for more than a day between the times.
    pub fn read(params: &Params) -> Result<TradeQuery, ApiError> {
        let id = |name| params.integer(name).map(|v| v.map(i64::unsigned_abs));
        let (order, from_id) = (id("orderId")?, id("fromId")?);
        let (start, end) = (params.time("startTime")?, params.time("endTime")?);
        let limit = page(params)?;
        params.finish()?;
        let timed = start.is_some() || end.is_some();
        if timed && (order.is_some() || from_id.is_some()) {
            return Err(ApiError::new(-1128, "Combination of optional parameters invalid."));
        }
        within_a_day(start, end)?;
        Ok(TradeQuery { order, from_id, start, end, limit })
    }

    /// The trades of `symbol` that match the query, ascending.
    #[must_use]
    pub fn rows(&self, exchange: &Exchange, symbol: Symbol) -> Value {
        let wanted = |t: &&Trade| {
            self.order.is_none_or(|order| t.order == order)
                && self.from_id.is_none_or(|id| t.id >= id)
                && self.start.is_none_or(|start| t.time >= start)
                && self.end.is_none_or(|end| t.time <= end)
        };
        let found: Vec<&Trade> = exchange.trades(symbol).iter().filter(wanted).collect();
        let oldest_first = self.from_id.is_some() || self.start.is_some() || self.order.is_some();
        let skip = if oldest_first { 0 } else { found.len().saturating_sub(self.limit) };
        let rows = found.into_iter().skip(skip).take(self.limit);
        Value::Array(rows.map(|t| trade(exchange, symbol, t)).collect())
    }
}

fn trade(exchange: &Exchange, symbol: Symbol, t: &Trade) -> Value {
    let list = exchange.order(t.order).and_then(|order| order.list);
    json!({
        "symbol": symbol.as_str(), "id": t.id, "orderId": t.order,
        "orderListId": list.map_or_else(|| json!(-1), Value::from),
        "price": number(t.price), "qty": number(t.quantity),
        "quoteQty": number(t.price * t.quantity), "commission": number(t.fee),
        "commissionAsset": t.fee_asset, "time": t.time, "isBuyer": t.buyer, "isMaker": t.maker,
        "isBestMatch": true,
    })
}

fn within_a_day(start: Option<UtcMs>, end: Option<UtcMs>) -> Result<(), ApiError> {
    match (start, end) {
        (Some(start), Some(end)) if end.saturating_sub(start) > DAY => {
            let msg = "More than 24 hours between startTime and endTime.";
            Err(ApiError::new(-1127, msg))
        }
        _ => Ok(()),
    }
}

/// A query for orders or lists: from an id, or between two times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past {
    from: Option<u64>,
    start: Option<UtcMs>,
    end: Option<UtcMs>,
    limit: usize,
}

impl Past {
    /// Reads the request; `from` is the name of its first id.
    ///
    /// # Errors
    /// -1127 for more than a day between the times, -1128 for a query of lists by id and time.
    pub fn read(params: &Params, from: &str) -> Result<Past, ApiError> {
        let id = params.integer(from)?.map(i64::unsigned_abs);
        let (start, end) = (params.time("startTime")?, params.time("endTime")?);
        let limit = page(params)?;
        params.finish()?;
        within_a_day(start, end)?;
        if from == "fromId" && id.is_some() && (start.is_some() || end.is_some()) {
            return Err(ApiError::new(-1128, "Combination of optional parameters invalid."));
        }
        Ok(Past { from: id, start, end, limit })
    }

    fn has(&self, id: u64, time: UtcMs) -> bool {
        self.from.is_none_or(|from| id >= from)
            && self.start.is_none_or(|start| time >= start)
            && self.end.is_none_or(|end| time <= end)
    }

    fn cut<T>(&self, found: &[T], row: impl Fn(&T) -> Value) -> Value {
        let oldest_first = self.from.is_some() || self.start.is_some();
        let skip = if oldest_first { 0 } else { found.len().saturating_sub(self.limit) };
        found.iter().skip(skip).take(self.limit).map(row).collect()
    }

    /// The orders of `symbol` that match the query, ascending.
    #[must_use]
    pub fn orders(&self, exchange: &Exchange, symbol: Symbol) -> Value {
        let wanted = |o: &&Order| o.symbol == symbol && self.has(o.id, o.time);
        let found: Vec<&Order> = exchange.orders().filter(wanted).collect();
        self.cut(&found, |order| queried(order))
    }

    /// The lists that match the query, ascending.
    #[must_use]
    pub fn lists(&self, exchange: &Exchange) -> Value {
        let wanted = |list: &&OrderList| self.has(list.id, list.time);
        let found: Vec<&OrderList> = exchange.lists().filter(wanted).collect();
        self.cut(&found, |list| listed(exchange, list))
    }
}
