//! Refusals in the form of the protocol, and the refusals of the exchange in its words.

use crate::exchange::{Exchange, SimFact};
use crate::wire::error::ApiError;
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Side;
use serde_json::{Value, json};

/// Code of a request that is not authorized.
pub const UNAUTHORIZED: i32 = 40_110_000;
/// Code of a body that is not readable.
pub const UNREADABLE: i32 = 40_010_000;
/// Code of a client id that was used before.
pub const NOT_UNIQUE: i32 = 40_010_001;
/// Code of a refusal by the account: money, shares or the state of the market.
pub const FORBIDDEN: i32 = 40_310_000;
/// Code of an object that does not exist.
pub const NOT_FOUND: i32 = 40_410_000;
/// Code of a wrong parameter, or of an order that cannot be changed.
pub const UNPROCESSABLE: i32 = 42_210_000;
/// Code of too many requests.
pub const TOO_MANY: i32 = 42_910_000;
/// Code of a failure of the server.
pub const BROKEN: i32 = 50_010_000;

fn refusal(status: u16, code: i32, msg: impl Into<String>) -> ApiError {
    ApiError { status, ..ApiError::new(code, msg) }
}

/// The keys are missing or wrong. The data host has another text and status.
#[must_use]
pub fn unauthorized(data: bool) -> ApiError {
    if data {
        return refusal(403, UNAUTHORIZED, "forbidden.");
    }
    refusal(401, UNAUTHORIZED, "request is not authorized")
}

/// A body that is not a JSON object.
#[must_use]
pub fn unreadable() -> ApiError {
    refusal(400, UNREADABLE, "request body format is invalid")
}

/// A body that is too long.
#[must_use]
pub fn too_long() -> ApiError {
    refusal(413, UNREADABLE, "request body is too large")
}

/// A client id that was used before, in whatever way that order ended.
#[must_use]
pub fn not_unique() -> ApiError {
    refusal(422, NOT_UNIQUE, "client_order_id must be unique")
}

/// A refusal by the account: money, shares or the state of the market.
#[must_use]
pub fn forbidden(msg: impl Into<String>) -> ApiError {
    refusal(403, FORBIDDEN, msg)
}

/// An object that does not exist.
#[must_use]
pub fn not_found(msg: impl Into<String>) -> ApiError {
    refusal(404, NOT_FOUND, msg)
}

/// A wrong parameter.
#[must_use]
pub fn invalid(msg: impl Into<String>) -> ApiError {
    refusal(422, UNPROCESSABLE, msg)
}

/// A wrong parameter of a request for market data.
#[must_use]
pub fn bad_data_request(msg: impl Into<String>) -> ApiError {
    refusal(400, UNREADABLE, msg)
}

/// Too many requests.
#[must_use]
pub fn too_many() -> ApiError {
    refusal(429, TOO_MANY, "rate limit exceeded")
}

/// An order that needs more than the account has.
#[must_use]
pub fn lacking(exchange: &Exchange, symbol: Symbol, side: Side, quantity: Decimal) -> ApiError {
    if side == Side::Buy {
        return forbidden("insufficient buying power");
    }
    let base = exchange.instrument(symbol).map(|rules| exchange.purse(&rules.base).free);
    let (wanted, free) = (super::number(quantity), super::number(base.unwrap_or_default()));
    forbidden(format!(
        "insufficient qty available for order (requested: {wanted}, available: {free})"
    ))
}

/// The refusal of the exchange about an order of this symbol, side and quantity.
#[must_use]
pub fn refused(
    exchange: &Exchange,
    (symbol, side, quantity): (Symbol, Side, Decimal),
    fact: Option<&SimFact>,
) -> ApiError {
    let Some(SimFact::Rejected { code, msg }) = fact else { return ApiError::internal() };
    match (code, msg.as_str()) {
        (-2010, "Account has insufficient balance for requested action.") => {
            lacking(exchange, symbol, side, quantity)
        }
        (-2010, "Duplicate order sent.") => not_unique(),
        (-2010, "Market is closed.") => forbidden(format!("trading of {symbol} is halted")),
        (-2010, "Order would trigger immediately.") => invalid(match side {
            Side::Buy => "stop price must be greater than current price",
            Side::Sell => "stop price must be less than current price",
        }),
        (-2010, "The relationship of the prices for the orders is not correct.") => invalid(
            "the current price must lie between take_profit.limit_price and stop_loss.stop_price",
        ),
        (-2010, other) => forbidden(other),
        (-1121, _) => no_asset(symbol.as_str()),
        (-1013, filter) => filtered(filter, symbol),
        (code, other) => translated(&ApiError::new(*code, other)),
    }
}

fn filtered(filter: &str, symbol: Symbol) -> ApiError {
    match filter.rsplit(' ').next().unwrap_or(filter) {
        "PRICE_FILTER" => invalid("the price is not a multiple of the price step"),
        "PERCENT_PRICE_BY_SIDE" => invalid("the price is too far away from the current price"),
        "LOT_SIZE" | "MARKET_LOT_SIZE" => invalid("qty is out of range"),
        "NOTIONAL" => forbidden("cost basis must be >= minimal amount of order"),
        "MAX_POSITION" => forbidden(format!("the position of {symbol} would be too large")),
        "MAX_NUM_ORDERS" | "MAX_NUM_ALGO_ORDERS" | "MAX_NUM_ORDER_LISTS" => {
            forbidden(format!("too many open orders of {symbol}"))
        }
        _ => invalid(filter),
    }
}

/// A symbol that is not traded.
#[must_use]
pub fn no_asset(symbol: &str) -> ApiError {
    let shown: String = symbol.chars().filter(|c| !c.is_control()).take(32).collect();
    invalid(format!("asset \"{shown}\" not found"))
}

/// A refusal in the words of this protocol. Those of the exchange itself have negative codes.
#[must_use]
pub fn translated(error: &ApiError) -> ApiError {
    match error.code {
        0.. => error.clone(),
        -1003 | -1015 | -1034 => too_many(),
        -1008 => refusal(503, 50_310_000, "service unavailable"),
        -2013 => not_found("order not found"),
        -1007 => refusal(504, 50_410_000, "gateway timeout"),
        -1006 => refusal(503, 50_310_000, "service unavailable"),
        ..=-1100 => invalid(error.msg.clone()),
        _ => refusal(500, BROKEN, "internal server error occurred"),
    }
}

/// The JSON body of a refusal. Responses about market data have only a message.
#[must_use]
pub fn body(error: &ApiError, data: bool) -> Value {
    if data {
        return json!({"message": error.msg});
    }
    json!({"code": error.code, "message": error.msg})
}
