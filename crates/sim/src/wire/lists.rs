//! Reads requests for lists of orders from parameters.

use super::error::ApiError;
use super::orders::{Names, ResponseType, read_side, response_type, symbol, time_in_force};
use super::params::Params;
use crate::exchange::{
    CancelMany, Exchange, Leg, ListKind, Many, NewList, OrderKind, OrderList, Shape, Stop, Trigger,
};
use everwarm_domain::order::Side;
use everwarm_domain::time::UtcMs;

const ABOVE: Names = Names { prefix: "above", quantity: "quantity" };
const BELOW: Names = Names { prefix: "below", quantity: "quantity" };
const WORKING: Names = Names { prefix: "working", quantity: "workingQuantity" };
const PENDING: Names = Names { prefix: "pending", quantity: "pendingQuantity" };
const PENDING_ABOVE: Names = Names { prefix: "pendingAbove", quantity: "pendingQuantity" };
const PENDING_BELOW: Names = Names { prefix: "pendingBelow", quantity: "pendingQuantity" };

const LIMIT: Names = Names { prefix: "limit", quantity: "quantity" };
const STOP: Names = Names { prefix: "stop", quantity: "quantity" };

/// Reads a request for a list.
///
/// # Errors
/// The protocol's error for the first wrong parameter.
pub fn new_list(
    exchange: &Exchange,
    params: &Params,
    kind: ListKind,
    at: UtcMs,
    deadline: UtcMs,
) -> Result<(NewList, ResponseType), ApiError> {
    let symbol = symbol(exchange, params)?;
    let shape = match kind {
        ListKind::Oco => {
            let side = read_side(params, "side")?;
            let (above, below) = pair(params, side, ABOVE, BELOW)?;
            Shape::Oco { above, below }
        }
        ListKind::Oto => {
            let working = working(params)?;
            let side = read_side(params, "pendingSide")?;
            Shape::Oto { working, pending: leg(params, side, PENDING)? }
        }
        ListKind::Otoco => {
            let working = working(params)?;
            let side = read_side(params, "pendingSide")?;
            let (above, below) = pair(params, side, PENDING_ABOVE, PENDING_BELOW)?;
            Shape::Otoco { working, above, below }
        }
    };
    let client_id = params.client_id("listClientOrderId")?;
    let answer = response_type(params, ResponseType::Result)?;
    params.finish()?;
    Ok((NewList { symbol, client_id, shape, at, deadline, terms: None }, answer))
}

/// Reads an OCO in its old form: a limit order and a stop order, without their types and places.
///
/// # Errors
/// The protocol's error for the first wrong parameter.
pub fn old_oco(
    exchange: &Exchange,
    params: &Params,
    at: UtcMs,
    deadline: UtcMs,
) -> Result<(NewList, ResponseType), ApiError> {
    let symbol = symbol(exchange, params)?;
    let side = read_side(params, "side")?;
    let quantity = params.required_decimal("quantity")?;
    let price = params.required_decimal("price")?;
    if params.text("trailingDelta")?.is_some() {
        let msg = "Trailing stop orders are not supported for this symbol.";
        return Err(ApiError::new(-2010, msg));
    }
    let stop = params.required_decimal("stopPrice")?;
    let limit = match params.decimal("stopLimitPrice")? {
        Some(price) => Some((price, time_in_force(params, "stopLimitTimeInForce")?)),
        None if params.text("stopLimitTimeInForce")?.is_some() => {
            return Err(ApiError::mandatory("stopLimitPrice"));
        }
        None => None,
    };
    let leg = |names: Names, kind: OrderKind| -> Result<Leg, ApiError> {
        let client_id = names.client_id(params)?;
        names.extras(params)?;
        Ok(Leg { side, kind, client_id })
    };
    let target = leg(LIMIT, OrderKind::LimitMaker { quantity, price })?;
    let trigger = Trigger::StopLoss;
    let stop = leg(STOP, OrderKind::Stop(Stop { quantity, at: stop, trigger, limit }))?;
    let (above, below) = match side {
        Side::Buy => (stop, target),
        Side::Sell => (target, stop),
    };
    let client_id = params.client_id("listClientOrderId")?;
    let answer = response_type(params, ResponseType::Result)?;
    params.finish()?;
    let shape = Shape::Oco { above, below };
    Ok((NewList { symbol, client_id, shape, at, deadline, terms: None }, answer))
}

fn leg(params: &Params, side: Side, names: Names) -> Result<Leg, ApiError> {
    let word = params.required(&format!("{}Type", names.prefix))?;
    let kind = names.kind(params, word)?;
    let client_id = names.client_id(params)?;
    names.extras(params)?;
    Ok(Leg { side, kind, client_id })
}

fn working(params: &Params) -> Result<Leg, ApiError> {
    let side = read_side(params, "workingSide")?;
    leg(params, side, WORKING)
}

fn pair(params: &Params, side: Side, above: Names, below: Names) -> Result<(Leg, Leg), ApiError> {
    for names in [above, below] {
        let word = params.required(&format!("{}Type", names.prefix))?;
        if matches!(word, "LIMIT" | "MARKET") {
            return Err(ApiError::new(-1158, "Order type not supported in OCO."));
        }
    }
    let (above, below) = (leg(params, side, above)?, leg(params, side, below)?);
    if above.kind.stop().is_none() && below.kind.stop().is_none() {
        return Err(ApiError::new(-1168, "At least one OCO order must be contingent."));
    }
    for (leg, is_above) in [(&above, true), (&below, false)] {
        belongs(leg, is_above)?;
    }
    Ok((above, below))
}

/// Checks that an order is on the side of the market that its type requires.
fn belongs(leg: &Leg, is_above: bool) -> Result<(), ApiError> {
    let trigger = leg.kind.stop().map(|stop| stop.trigger);
    let (wanted, code, msg) = match (leg.side, trigger) {
        (Side::Buy, None) => (false, -1165, "A limit order in a buy OCO must be below."),
        (Side::Sell, None) => (true, -1166, "A limit order in a sell OCO must be above."),
        (Side::Buy, Some(Trigger::StopLoss)) => {
            (true, -1196, "A stop loss order in a buy OCO must be above.")
        }
        (Side::Sell, Some(Trigger::StopLoss)) => {
            (false, -1197, "A stop loss order in a sell OCO must be below.")
        }
        (Side::Buy, Some(Trigger::TakeProfit)) => {
            (false, -1198, "A take profit order in a buy OCO must be below.")
        }
        (Side::Sell, Some(Trigger::TakeProfit)) => {
            (true, -1199, "A take profit order in a sell OCO must be above.")
        }
    };
    if is_above == wanted { Ok(()) } else { Err(ApiError::new(code, msg)) }
}

/// Reads a request to cancel a list.
///
/// # Errors
/// The protocol's error for the first wrong parameter.
pub fn cancel_list(
    exchange: &Exchange,
    params: &Params,
    at: UtcMs,
    deadline: UtcMs,
) -> Result<CancelMany, ApiError> {
    let symbol = symbol(exchange, params)?;
    let id = params.integer("orderListId")?.map(i64::unsigned_abs);
    let name = params.client_id("listClientOrderId")?;
    let cancel_id = params.client_id("newClientOrderId")?;
    params.finish()?;
    let many = match (id, name) {
        (Some(id), _) => Many::List(id),
        (None, Some(name)) => Many::ListNamed(name),
        (None, None) => return Err(ApiError::neither("orderListId", "listClientOrderId")),
    };
    Ok(CancelMany { symbol, many, cancel_id, at, deadline })
}

/// Finds the list that a query names.
///
/// # Errors
/// -1102 if it names none, -2013 if there is no such list.
pub fn find<'a>(exchange: &'a Exchange, params: &Params) -> Result<&'a OrderList, ApiError> {
    let id = params.integer("orderListId")?.map(i64::unsigned_abs);
    let name = params.client_id("origClientOrderId")?;
    params.finish()?;
    let found = match (id, name) {
        (Some(id), _) => exchange.list(id),
        (None, Some(name)) => exchange.list_named(&name),
        (None, None) => return Err(ApiError::neither("orderListId", "origClientOrderId")),
    };
    found.ok_or_else(|| ApiError::new(-2013, "Order list does not exist."))
}
