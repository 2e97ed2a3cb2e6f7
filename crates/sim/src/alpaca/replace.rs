//! Replaces an order: a new order with its own id takes the place of an open one.

use super::body::Body;
use super::calendar::Trading;
use super::error::{invalid, not_unique, refused};
use super::new_order::{self, in_order, trail_stop};
use super::{orders, place};
use crate::exchange::{
    Amount, Cancel, Distance, Exchange, Lifetime, NewOrder, Order, OrderKind, Replace, SimFact,
    Stop, Target, Terms, TimeInForce, Trail,
};
use crate::server::request_queue::Desk;
use crate::wire::error::ApiError;
use crate::wire::sign::When;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::UtcMs;
use serde_json::Value;

/// Replaces an order. The response shows the new one as it was accepted. Members that the request
/// does not have stay as they are.
///
/// # Errors
/// There is no such order, it has ended, a member is wrong, nothing changes, or the exchange
/// refuses the new order. Then the other one stays.
pub async fn replace(desk: &Desk, id: &str, body: &str) -> Result<Value, ApiError> {
    let trading = desk.read(|_, market, when| Ok(Trading::at(market.sessions(), when.now)))?;
    let make = |exchange: &Exchange, when: When| {
        let old = orders::find(exchange, id)?;
        let order = successor(exchange, old, &Body::read(body)?, (when.now, trading))?;
        let wanted = (order.symbol, order.side, order.kind.quantity().unwrap_or_default());
        let target = Target { symbol: old.symbol, order: Some(old.id), client_id: None };
        let (at, deadline) = (when.now, UtcMs::MAX);
        let cancel = Cancel { target, cancel_id: None, at, deadline, only_begun: None };
        Ok((SimFact::Replace(Replace { cancel, order, regardless: false }), wanted))
    };
    let answer = |exchange: &Exchange, facts: &[SimFact], wanted| {
        shown(exchange, facts).ok_or_else(|| refused(exchange, wanted, facts.first()))
    };
    desk.request(make, answer).await
}

/// The new order as it was accepted.
fn shown(exchange: &Exchange, facts: &[SimFact]) -> Option<Value> {
    let Some(SimFact::Replaced(replaced)) = facts.first() else { return None };
    let order = exchange.order(replaced.by.order)?;
    let mut shown = orders::nested(exchange, order, |order| orders::accepted(exchange, order));
    if !replaced.by.pending {
        shown["status"] = "accepted".into();
    }
    Some(shown)
}

/// The order that takes the place of `old`.
fn successor(
    exchange: &Exchange,
    old: &Order,
    body: &Body,
    (at, trading): (UtcMs, Trading),
) -> Result<NewOrder, ApiError> {
    let terms = old.terms.unwrap_or(Terms::lasting(Lifetime::Gtc, UtcMs::MAX));
    replaceable(exchange, old, terms)?;
    let rules = exchange.instrument(old.symbol).ok_or_else(ApiError::internal)?;
    let client_id = body.client_id()?;
    if client_id.as_ref().is_some_and(|id| exchange.named(id).is_some()) {
        return Err(not_unique());
    }
    let quantity = quantity(old, body, rules)?;
    let (kind, trail) = kind(old, body, quantity, rules)?;
    let lifetime = lifetime(body, terms.lifetime)?;
    if (kind, trail, lifetime) == (usual(old.kind), old.trail(), terms.lifetime) {
        return Err(invalid("order parameters are not changed"));
    }
    if !quantity.fract().is_zero() {
        new_order::fractional(lifetime, "simple")?;
    }
    let (from, until) = if lifetime == terms.lifetime {
        (terms.from, terms.until)
    } else {
        place::span(lifetime, at, trading)?
    };
    let (replaces, replaced_by) = (Some(old.id), None);
    let terms = Terms { lifetime, until, from, trail, replaces, replaced_by, ..terms };
    let waits = kind.can_lag() && (!trading.open || from > at);
    let at_once = waits.then_some(0);
    let (symbol, side, deadline, terms) = (old.symbol, old.side, UtcMs::MAX, Some(terms));
    Ok(NewOrder { symbol, side, kind, client_id, at, deadline, at_once, terms })
}

/// Checks that an order can be replaced.
fn replaceable(exchange: &Exchange, old: &Order, terms: Terms) -> Result<(), ApiError> {
    if terms.replaced_by.is_some() {
        return Err(invalid("order already replaced"));
    }
    let triggered = old.kind.stop().is_some() && old.working.is_some();
    if !old.status.is_open() || triggered {
        let status = orders::status(exchange, old);
        return Err(invalid(format!("cannot replace order in {status} status")));
    }
    if terms.notional.is_some() {
        return Err(invalid("notional orders cannot be replaced"));
    }
    Ok(())
}

/// The number of shares of the new order, those that the other one filled among them.
fn quantity(old: &Order, body: &Body, rules: &Instrument) -> Result<Decimal, ApiError> {
    let Some(quantity) = body.number("qty")? else { return Ok(old.quantity) };
    if quantity <= old.executed {
        return Err(invalid("qty must be > filled_qty"));
    }
    if old.list.is_some() && quantity != old.quantity {
        return Err(invalid("qty of bracket, oco and oto orders cannot be replaced"));
    }
    new_order::shares(quantity, rules)
}

/// A replaced limit order may take.
fn usual(kind: OrderKind) -> OrderKind {
    match kind {
        OrderKind::LimitMaker { quantity, price } => {
            OrderKind::Limit { quantity, price, tif: TimeInForce::Gtc }
        }
        OrderKind::Market(_) | OrderKind::Limit { .. } | OrderKind::Stop(_) => kind,
    }
}

/// How the new order is priced, and how its stop follows the market.
fn kind(
    old: &Order,
    body: &Body,
    quantity: Decimal,
    rules: &Instrument,
) -> Result<(OrderKind, Option<Trail>), ApiError> {
    let (limit, stop, trail) =
        (body.price("limit_price")?, body.price("stop_price")?, body.number("trail")?);
    let superfluous = |name: &str| Err(invalid(format!("the order has no {name}")));
    if limit.is_some() && old.limit().is_none() {
        return superfluous("limit_price");
    }
    if stop.is_some() && (old.kind.stop().is_none() || old.trail().is_some()) {
        return superfluous("stop_price");
    }
    if trail.is_some() && old.trail().is_none() {
        return superfluous("trail");
    }
    let trail = old.trail().map(|old| Trail { distance: distance(old, trail), ..old });
    let kind = match usual(old.kind) {
        OrderKind::Market(_) => OrderKind::Market(Amount::Base(quantity)),
        OrderKind::Limit { price, tif, .. } => {
            OrderKind::Limit { quantity, price: limit.unwrap_or(price), tif }
        }
        OrderKind::LimitMaker { price, .. } => {
            OrderKind::LimitMaker { quantity, price: limit.unwrap_or(price) }
        }
        OrderKind::Stop(before) => {
            let at = match trail {
                Some(trail) => trail_stop(trail, old.side, rules)?,
                None => stop.unwrap_or(before.at),
            };
            let limit = before.limit.map(|(price, tif)| (limit.unwrap_or(price), tif));
            if let Some((price, _)) = limit {
                in_order(old.side, price, at)?;
            }
            OrderKind::Stop(Stop { quantity, at, limit, ..before })
        }
    };
    Ok((kind, trail))
}

/// The distance of a trail with a new number in the same unit.
fn distance(old: Trail, number: Option<Decimal>) -> Distance {
    match (old.distance, number) {
        (Distance::Price(_), Some(price)) => Distance::Price(price),
        (Distance::Percent(_), Some(share)) => Distance::Percent(share),
        (same, None) => same,
    }
}

/// The time in force of the new order.
fn lifetime(body: &Body, old: Lifetime) -> Result<Lifetime, ApiError> {
    let Some(name) = body.text("time_in_force")? else { return Ok(old) };
    let new = new_order::lifetime(name)?;
    if new == old || matches!(new, Lifetime::Day | Lifetime::Gtc) {
        return Ok(new);
    }
    Err(invalid("time_in_force can be replaced by day and gtc only"))
}
