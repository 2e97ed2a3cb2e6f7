//! The classes of orders that depend on each other: OCO, OTO and brackets.

use super::body::Body;
use super::error::invalid;
use super::new_order::{Base, in_order, single};
use crate::exchange::{Leg, Lifetime, OrderKind, Shape, Stop, TimeInForce, Trigger};
use crate::wire::error::ApiError;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Side;

/// The least distance of a leg's price from that of its entry, in dollars.
const CENT: Decimal = Decimal::from_parts(1, 0, 0, false, 2);

/// A limit order above the market and a stop order below it, which sell a position.
///
/// # Errors
/// A member that is wrong or missing.
pub fn pair(base: &Base<'_>, client_id: Option<String>) -> Result<Shape, ApiError> {
    let Base { body, side, quantity, .. } = *base;
    if body.word("type")? != "limit" {
        return Err(invalid("oco orders must be limit orders"));
    }
    if side == Side::Buy {
        return Err(invalid("oco orders must sell a position in this simulation"));
    }
    lasting("oco", base.lifetime)?;
    let target = body.object("take_profit")?;
    let price = match target {
        Some(target) => target.price("limit_price")?,
        None => body.price("limit_price")?,
    };
    let price = price.ok_or_else(|| invalid("oco orders require take_profit.limit_price"))?;
    let loss = body.object("stop_loss")?;
    let loss = loss.ok_or_else(|| invalid("oco orders require stop_loss.stop_price"))?;
    let at = loss.price("stop_price")?;
    let at = at.ok_or_else(|| invalid("oco orders require stop_loss.stop_price"))?;
    let limit = loss.price("limit_price")?.map(|price| (price, TimeInForce::Gtc));
    if at >= price {
        return Err(invalid("stop_loss.stop_price must be below take_profit.limit_price"));
    }
    let stop = Stop { quantity, at, trigger: Trigger::StopLoss, limit };
    let leg = |kind, client_id| Leg { side, kind, client_id };
    Ok(Shape::Oco {
        above: leg(OrderKind::LimitMaker { quantity, price }, client_id),
        below: leg(OrderKind::Stop(stop), None),
    })
}

/// A purchase, and the two orders of which one sells its shares.
///
/// # Errors
/// A member that is wrong or missing.
pub fn bracket(base: &Base<'_>, client_id: Option<String>) -> Result<Shape, ApiError> {
    let working = entry(base, "bracket", client_id)?;
    let price = entry_price(base, &working);
    let above = target(base, price)?;
    let above = above.ok_or_else(|| invalid("bracket orders require take_profit.limit_price"))?;
    let below = stop(base, price)?;
    let below = below.ok_or_else(|| invalid("bracket orders require stop_loss.stop_price"))?;
    Ok(Shape::Otoco { working, above, below })
}

/// A purchase, and the order that sells its shares.
///
/// # Errors
/// A member that is wrong or missing.
pub fn oto(base: &Base<'_>, client_id: Option<String>) -> Result<Shape, ApiError> {
    let working = entry(base, "oto", client_id)?;
    let price = entry_price(base, &working);
    let legs = (target(base, price)?, stop(base, price)?);
    let ((Some(pending), None) | (None, Some(pending))) = legs else {
        return Err(invalid("oto orders require either take_profit or stop_loss"));
    };
    Ok(Shape::Oto { working, pending })
}

fn lasting(class: &str, lifetime: Lifetime) -> Result<(), ApiError> {
    if matches!(lifetime, Lifetime::Day | Lifetime::Gtc) {
        return Ok(());
    }
    Err(invalid(format!("{class} orders must have the time_in_force day or gtc")))
}

/// The purchase.
fn entry(base: &Base<'_>, class: &str, client_id: Option<String>) -> Result<Leg, ApiError> {
    if !matches!(base.body.word("type")?, "market" | "limit") {
        return Err(invalid(format!("{class} orders must be market or limit orders")));
    }
    if base.side == Side::Sell {
        return Err(invalid(format!("{class} orders must be entry orders")));
    }
    lasting(class, base.lifetime)?;
    let (kind, _) = single(base, None)?;
    Ok(Leg { side: base.side, kind, client_id })
}

/// The price with which those of the legs are compared: the limit, or the last price.
fn entry_price(base: &Base<'_>, working: &Leg) -> Option<Decimal> {
    working.kind.limit().or(base.last)
}

fn sale(kind: OrderKind) -> Leg {
    Leg { side: Side::Sell, kind, client_id: None }
}

fn member(body: &Body, object: &str, name: &str) -> Result<Decimal, ApiError> {
    body.price(name)?.ok_or_else(|| invalid(format!("{object}.{name} is required")))
}

/// The order that takes the profit.
fn target(base: &Base<'_>, entry: Option<Decimal>) -> Result<Option<Leg>, ApiError> {
    let Some(target) = base.body.object("take_profit")? else { return Ok(None) };
    let price = member(&target, "take_profit", "limit_price")?;
    if entry.is_some_and(|entry| price < entry + CENT) {
        return Err(invalid("take_profit.limit_price must be >= base_price + 0.01"));
    }
    let (quantity, tif) = (base.quantity, TimeInForce::Gtc);
    Ok(Some(sale(OrderKind::Limit { quantity, price, tif })))
}

/// The order that limits the loss.
fn stop(base: &Base<'_>, entry: Option<Decimal>) -> Result<Option<Leg>, ApiError> {
    let Some(loss) = base.body.object("stop_loss")? else { return Ok(None) };
    let at = member(&loss, "stop_loss", "stop_price")?;
    if entry.is_some_and(|entry| at > entry - CENT) {
        return Err(invalid("stop_loss.stop_price must be <= base_price - 0.01"));
    }
    let limit = loss.price("limit_price")?;
    if let Some(price) = limit {
        in_order(Side::Sell, price, at)?;
    }
    let limit = limit.map(|price| (price, TimeInForce::Gtc));
    let (quantity, trigger) = (base.quantity, Trigger::StopLoss);
    Ok(Some(sale(OrderKind::Stop(Stop { quantity, at, trigger, limit }))))
}
