//! Changes the books: places and cancels orders.

use super::calendar::Trading;
use super::error::{forbidden, invalid, not_unique, refused};
use super::new_order::{self, Form, Wanted};
use super::orders;
use crate::exchange::{
    Cancel, CancelMany, Exchange, Lifetime, Many, NewList, NewOrder, Order, SimFact, Target, Terms,
};
use crate::server::request_queue::Desk;
use crate::wire::error::ApiError;
use crate::wire::sign::When;
use everwarm_domain::id::Symbol;
use everwarm_domain::time::UtcMs;
use serde_json::{Value, json};

/// Places an order. The response shows it as it was accepted; messages and queries show its fills.
///
/// # Errors
/// The request is wrong, its client id was used before, or the exchange refuses the order.
pub async fn place(desk: &Desk, body: &str) -> Result<Value, ApiError> {
    let make = |exchange: &Exchange, when: When, trading: Trading| {
        let wanted = new_order::read(exchange, body)?;
        // The books keep every order, so an id is used up for good.
        if wanted.client_id.as_ref().is_some_and(|id| exchange.named(id).is_some()) {
            return Err(not_unique());
        }
        let (symbol, side, quantity) = (wanted.symbol, wanted.side, wanted.quantity);
        let input = input(desk, exchange, wanted, (when.now, trading))?;
        Ok((input, (symbol, side, quantity)))
    };
    let trading = desk.read(|_, market, when| Ok(Trading::at(market.sessions(), when.now)))?;
    desk.request(
        |exchange, when| make(exchange, when, trading),
        |exchange, facts, wanted| {
            placed(exchange, facts).ok_or_else(|| refused(exchange, wanted, facts.first()))
        },
    )
    .await
}

/// The first order of the facts that is no leg, as it was accepted.
fn placed(exchange: &Exchange, facts: &[SimFact]) -> Option<Value> {
    let accepted = facts.iter().filter_map(|fact| {
        let SimFact::Accepted(accepted) = fact else { return None };
        exchange.order(accepted.order)
    });
    let is_parent = |order: &&Order| order.list.is_none() || order.kind.stop().is_none();
    let order = accepted.into_iter().find(is_parent)?;
    let mut shown = orders::nested(exchange, order, orders::accepted);
    shown["status"] = "accepted".into();
    Some(shown)
}

fn input(
    desk: &Desk,
    exchange: &Exchange,
    wanted: Wanted,
    (at, trading): (UtcMs, Trading),
) -> Result<SimFact, ApiError> {
    let Wanted { symbol, side, client_id, lifetime, form, .. } = wanted;
    let until = match lifetime {
        Lifetime::Day => trading.close,
        Lifetime::Gtc => UtcMs::MAX,
        Lifetime::Ioc | Lifetime::Fok if trading.open => UtcMs::MAX,
        Lifetime::Ioc => return Err(forbidden("ioc orders are accepted in market hours only")),
        Lifetime::Fok => return Err(forbidden("fok orders are accepted in market hours only")),
    };
    let (terms, deadline) = (Some(Terms { lifetime, until }), UtcMs::MAX);
    match form {
        Form::Pair(shape) => {
            let (client_id, shape) = (None, *shape);
            Ok(SimFact::PlaceList(NewList { symbol, client_id, shape, at, deadline, terms }))
        }
        Form::Single(kind) => {
            let (at_once, waits) = (None, kind.can_lag() && !trading.open);
            let mut order =
                NewOrder { symbol, side, kind, client_id, at, deadline, at_once, terms };
            // Outside of the sessions, it waits for the first trade of the next one.
            order.at_once = if waits { Some(0) } else { lag(desk, exchange, &order) };
            Ok(SimFact::Place(order))
        }
    }
}

/// The part of an order's fills that a fault lets through immediately, in per cent; none: all.
fn lag(desk: &Desk, exchange: &Exchange, order: &NewOrder) -> Option<u8> {
    if !order.kind.can_lag() {
        return None;
    }
    let id = order.client_id.as_deref().unwrap_or("");
    let hit = desk.faults.lag(order.symbol, id, exchange.last_close())?;
    desk.requests.spoilt(order.at, hit, id);
    Some(u8::try_from(hit.number).unwrap_or(0))
}

/// Cancels an order, and with it the other order of its pair.
///
/// # Errors
/// There is no such order, or it has ended.
pub async fn cancel(desk: &Desk, id: &str) -> Result<(), ApiError> {
    let make = |exchange: &Exchange, when: When| {
        let order = orders::find(exchange, id)?;
        if !order.status.is_open() {
            let status = orders::status(order);
            return Err(invalid(format!("order is already in \"{status}\" state")));
        }
        let target = Target { symbol: order.symbol, order: Some(order.id), client_id: None };
        let (at, deadline) = (when.now, UtcMs::MAX);
        let cancel = Cancel { target, cancel_id: None, at, deadline, only_begun: None };
        Ok((SimFact::Cancel(cancel), ()))
    };
    desk.request(make, |_, facts, ()| match facts.first() {
        Some(SimFact::Cancelled { .. }) => Ok(()),
        _ => Err(ApiError::internal()),
    })
    .await
}

/// Cancels all open orders. The response has a row for each.
///
/// # Errors
/// The exchange cannot take the requests.
pub async fn cancel_all(desk: &Desk) -> Result<Value, ApiError> {
    let mut rows = Vec::new();
    let symbols = desk.read(|exchange, _, _| {
        let mut symbols: Vec<Symbol> = exchange.open_orders().map(|order| order.symbol).collect();
        symbols.sort_unstable();
        symbols.dedup();
        Ok(symbols)
    })?;
    for symbol in symbols {
        let make = |_: &Exchange, when: When| {
            let (many, cancel_id) = (Many::Symbol, None);
            let (at, deadline) = (when.now, UtcMs::MAX);
            Ok((SimFact::CancelMany(CancelMany { symbol, many, cancel_id, at, deadline }), ()))
        };
        let cancelled = desk.request(make, |exchange, facts, ()| Ok(cancelled(exchange, facts)));
        rows.extend(cancelled.await?);
    }
    Ok(Value::Array(rows))
}

fn cancelled(exchange: &Exchange, facts: &[SimFact]) -> Vec<Value> {
    let row = |fact: &SimFact| {
        let SimFact::Cancelled { order, .. } = fact else { return None };
        let order = orders::json(exchange.order(*order)?, None);
        Some(json!({"id": order["id"], "status": 200, "body": order}))
    };
    facts.iter().filter_map(row).collect()
}
