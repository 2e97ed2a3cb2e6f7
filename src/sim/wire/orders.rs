//! Orders and trades: requests out of parameters, answers as JSON.

use super::error::ApiError;
use super::number;
use super::params::Params;
use crate::domain::id::Symbol;
use crate::domain::money::Decimal;
use crate::domain::order::{OrderType, Side};
use crate::domain::time::{DAY, UtcMs};
use crate::sim::exchange::{
    Amount, Cancel, Exchange, NewOrder, Order, OrderKind, Target, TimeInForce, Trade,
};
use serde_json::{Value, json};

/// How much the answer to a new order tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseType {
    /// The ids.
    Ack,
    /// The state.
    Result,
    /// The state and the fills.
    Full,
}

/// The word for a side.
#[must_use]
pub fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

/// The word for an order's type.
#[must_use]
pub fn order_type(order: &Order) -> &'static str {
    match order.order_type() {
        OrderType::Market => "MARKET",
        OrderType::Limit => "LIMIT",
    }
}

fn traded(exchange: &Exchange, symbol: Option<Symbol>) -> Result<Symbol, ApiError> {
    let symbol = symbol.ok_or_else(|| ApiError::mandatory("symbol"))?;
    match exchange.instrument(symbol) {
        Some(_) => Ok(symbol),
        None => Err(ApiError::new(-1121, "Invalid symbol.")),
    }
}

/// The symbol of a request that must name one.
///
/// # Errors
/// -1102 where it does not, -1100 and -1121 where it names none of ours.
pub fn symbol(exchange: &Exchange, params: &Params) -> Result<Symbol, ApiError> {
    params.required("symbol")?;
    traded(exchange, params.symbol("symbol")?)
}

/// The symbol of a request that may name one.
///
/// # Errors
/// As [`symbol`].
pub fn optional_symbol(exchange: &Exchange, params: &Params) -> Result<Option<Symbol>, ApiError> {
    match params.symbol("symbol")? {
        None => Ok(None),
        some => traded(exchange, some).map(Some),
    }
}

/// Reads a request for a new order.
///
/// # Errors
/// What the protocol says about the first parameter that is wrong.
pub fn new_order(
    exchange: &Exchange,
    params: &Params,
    at: UtcMs,
    deadline: UtcMs,
) -> Result<(NewOrder, ResponseType), ApiError> {
    let symbol = symbol(exchange, params)?;
    let side = match params.required("side")? {
        "BUY" => Side::Buy,
        "SELL" => Side::Sell,
        _ => return Err(ApiError::new(-1117, "Invalid side.")),
    };
    let kind = match params.required("type")? {
        "LIMIT" => limit(params)?,
        "MARKET" => market(params)?,
        other => return Err(unsupported(other)),
    };
    let client_id = params.client_id("newClientOrderId")?;
    let answer = match params.text("newOrderRespType")? {
        None | Some("FULL") => ResponseType::Full,
        Some("ACK") => ResponseType::Ack,
        Some("RESULT") => ResponseType::Result,
        Some(_) => {
            let msg = "Data sent for parameter 'newOrderRespType' is not valid.";
            return Err(ApiError::new(-1130, msg));
        }
    };
    params.finish()?;
    Ok((NewOrder { symbol, side, kind, client_id, at, deadline }, answer))
}

fn limit(params: &Params) -> Result<OrderKind, ApiError> {
    let tif = match params.required("timeInForce")? {
        "GTC" => TimeInForce::Gtc,
        "IOC" => TimeInForce::Ioc,
        "FOK" => TimeInForce::Fok,
        _ => return Err(ApiError::new(-1115, "Invalid timeInForce.")),
    };
    let quantity = params.required_decimal("quantity")?;
    let price = params.required_decimal("price")?;
    not_required(params, &["quoteOrderQty", "stopPrice"])?;
    Ok(OrderKind::Limit { quantity, price, tif })
}

fn market(params: &Params) -> Result<OrderKind, ApiError> {
    not_required(params, &["timeInForce", "price", "stopPrice"])?;
    match (params.decimal("quantity")?, params.decimal("quoteOrderQty")?) {
        (Some(quantity), None) => Ok(OrderKind::Market(Amount::Base(quantity))),
        (None, Some(amount)) => Ok(OrderKind::Market(Amount::Quote(amount))),
        (None, None) => {
            let msg = "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!";
            Err(ApiError::new(-1102, msg))
        }
        (Some(_), Some(_)) => {
            Err(ApiError::new(-1128, "Combination of optional parameters invalid."))
        }
    }
}

fn not_required(params: &Params, names: &[&str]) -> Result<(), ApiError> {
    for name in names {
        if params.text(name)?.is_some() {
            let msg = format!("Parameter '{name}' sent when not required.");
            return Err(ApiError::new(-1106, msg));
        }
    }
    Ok(())
}

fn unsupported(word: &str) -> ApiError {
    let name = match word {
        "STOP_LOSS" => "Stop loss",
        "STOP_LOSS_LIMIT" => "Stop loss limit",
        "TAKE_PROFIT" => "Take profit",
        "TAKE_PROFIT_LIMIT" => "Take profit limit",
        _ => return ApiError::new(-1116, "Invalid orderType."),
    };
    ApiError::new(-2010, format!("{name} orders are not supported for this symbol."))
}

/// Reads which order is meant.
///
/// # Errors
/// -1102 where neither id was sent; what is wrong with the first parameter that is.
pub fn target(exchange: &Exchange, params: &Params) -> Result<Target, ApiError> {
    let symbol = symbol(exchange, params)?;
    let order = params.integer("orderId")?.map(i64::unsigned_abs);
    let client_id = params.client_id("origClientOrderId")?;
    if order.is_none() && client_id.is_none() {
        let msg = "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!";
        return Err(ApiError::new(-1102, msg));
    }
    Ok(Target { symbol, order, client_id })
}

/// Reads a request to cancel.
///
/// # Errors
/// What the protocol says about the first parameter that is wrong.
pub fn cancel(
    exchange: &Exchange,
    params: &Params,
    at: UtcMs,
    deadline: UtcMs,
) -> Result<Cancel, ApiError> {
    let target = target(exchange, params)?;
    let cancel_id = params.client_id("newClientOrderId")?;
    params.finish()?;
    Ok(Cancel { target, cancel_id, at, deadline })
}

fn state(order: &Order) -> Value {
    json!({
        "symbol": order.symbol.as_str(), "orderId": order.id, "orderListId": -1,
        "clientOrderId": order.client_id,
        "price": number(order.limit().unwrap_or_default()),
        "origQty": number(order.quantity), "executedQty": number(order.executed),
        "origQuoteOrderQty": number(order.quote_quantity()),
        "cummulativeQuoteQty": number(order.executed_quote),
        "status": order.status.wire(), "timeInForce": order.tif().wire(),
        "type": order_type(order), "side": side(order.side),
        "selfTradePreventionMode": "NONE",
    })
}

fn with(mut value: Value, more: Value) -> Value {
    if let (Value::Object(all), Value::Object(more)) = (&mut value, more) {
        all.extend(more);
    }
    value
}

/// The answer to a new order.
#[must_use]
pub fn placed(exchange: &Exchange, order: &Order, answer: ResponseType) -> Value {
    if answer == ResponseType::Ack {
        return json!({
            "symbol": order.symbol.as_str(), "orderId": order.id, "orderListId": -1,
            "clientOrderId": order.client_id, "transactTime": order.time,
        });
    }
    let times = json!({"transactTime": order.updated, "workingTime": order.time});
    let result = with(state(order), times);
    if answer == ResponseType::Result {
        return result;
    }
    let fills: Vec<Value> = exchange
        .trades_of(order)
        .map(|t| {
            json!({"price": number(t.price), "qty": number(t.quantity),
                "commission": number(t.fee), "commissionAsset": t.fee_asset, "tradeId": t.id})
        })
        .collect();
    with(result, json!({"fills": fills}))
}

/// The answer to a query.
#[must_use]
pub fn queried(order: &Order) -> Value {
    let zero = number(Decimal::ZERO);
    let more = json!({
        "stopPrice": zero, "icebergQty": zero, "time": order.time, "updateTime": order.updated,
        "isWorking": true, "workingTime": order.time,
    });
    with(state(order), more)
}

/// The answer to a cancel that worked.
#[must_use]
pub fn cancelled(order: &Order, cancel_id: &str) -> Value {
    let more = json!({
        "origClientOrderId": order.client_id, "clientOrderId": cancel_id,
        "transactTime": order.updated,
    });
    with(state(order), more)
}

/// Which trades are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TradeQuery {
    order: Option<u64>,
    from_id: Option<u64>,
    start: Option<UtcMs>,
    end: Option<UtcMs>,
    limit: usize,
}

/// Rows of a page where the client names no number, and at most.
pub const PAGE: (usize, usize) = (500, 1_000);

/// Rows the client wants of a page.
///
/// # Errors
/// -1130 for zero; more than the largest page is the largest page.
pub fn page(params: &Params) -> Result<usize, ApiError> {
    let Some(limit) = params.integer("limit")? else { return Ok(PAGE.0) };
    if limit == 0 {
        return Err(ApiError::new(-1130, "Data sent for parameter 'limit' is not valid."));
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
        let (start, end) = (params.integer("startTime")?, params.integer("endTime")?);
        let limit = page(params)?;
        params.finish()?;
        let timed = start.is_some() || end.is_some();
        if timed && (order.is_some() || from_id.is_some()) {
            return Err(ApiError::new(-1128, "Combination of optional parameters invalid."));
        }
        if let (Some(start), Some(end)) = (start, end)
            && end.saturating_sub(start) > DAY
        {
            let msg = "More than 24 hours between startTime and endTime.";
            return Err(ApiError::new(-1127, msg));
        }
        Ok(TradeQuery { order, from_id, start, end, limit })
    }

    /// The trades of `symbol` asked for, ascending.
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
        Value::Array(rows.map(|t| trade(symbol, t)).collect())
    }
}

fn trade(symbol: Symbol, t: &Trade) -> Value {
    json!({
        "symbol": symbol.as_str(), "id": t.id, "orderId": t.order, "orderListId": -1,
        "price": number(t.price), "qty": number(t.quantity),
        "quoteQty": number(t.price * t.quantity), "commission": number(t.fee),
        "commissionAsset": t.fee_asset, "time": t.time, "isBuyer": t.buyer, "isMaker": t.maker,
        "isBestMatch": true,
    })
}
