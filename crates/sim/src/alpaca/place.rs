//! Changes the books: places and cancels orders.

use super::calendar::Trading;
use super::error::{forbidden, invalid, not_unique, refused};
use super::new_order::{self, Form, Wanted};
use super::orders;
use super::roles::{Role, role};
use crate::exchange::{
    Amount, Cancel, CancelMany, Exchange, Lifetime, ListKind, Many, NewList, NewOrder, Order,
    OrderKind, SimFact, Target, Terms,
};
use crate::server::request_queue::Desk;
use crate::wire::error::ApiError;
use crate::wire::sign::When;
use everwarm_domain::id::Symbol;
use everwarm_domain::time::{MINUTE, UtcMs};
use serde_json::{Value, json};

/// How long before the close of a session an order for its last trade is refused, milliseconds.
const BEFORE_CLOSE: UtcMs = 10 * MINUTE;

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
    let is_parent = |order: &&Order| role(exchange, order) != Role::Leg;
    let order = accepted.into_iter().find(is_parent)?;
    let mut shown = orders::nested(exchange, order, |order| orders::accepted(exchange, order));
    shown["status"] = "accepted".into();
    Some(shown)
}

/// From when to when an order with this time in force works.
///
/// # Errors
/// It is not accepted now.
pub fn span(lifetime: Lifetime, now: UtcMs, trading: Trading) -> Result<(UtcMs, UtcMs), ApiError> {
    let only = |when: &str| {
        let name = orders::lifetime_name(lifetime);
        forbidden(format!("{name} orders are accepted {when} only"))
    };
    let no_sessions =
        || invalid("time_in_force must be day, gtc, ioc or fok: this market has no sessions");
    match lifetime {
        Lifetime::Day => Ok((0, trading.close)),
        Lifetime::Gtc => Ok((0, UtcMs::MAX)),
        Lifetime::Ioc | Lifetime::Fok if trading.open => Ok((0, UtcMs::MAX)),
        Lifetime::Ioc | Lifetime::Fok => Err(only("in market hours")),
        Lifetime::Opg => {
            let open = trading.next_open.ok_or_else(no_sessions)?;
            if trading.open {
                return Err(only("outside of market hours"));
            }
            Ok((open, open + MINUTE))
        }
        Lifetime::Cls => {
            let close = Some(trading.close).filter(|close| *close < UtcMs::MAX);
            let close = close.ok_or_else(no_sessions)?;
            if trading.open && close - now < BEFORE_CLOSE {
                return Err(only("until 10 minutes before the close"));
            }
            Ok((close - 1, close))
        }
    }
}

fn input(
    desk: &Desk,
    exchange: &Exchange,
    wanted: Wanted,
    (at, trading): (UtcMs, Trading),
) -> Result<SimFact, ApiError> {
    let Wanted { symbol, side, client_id, lifetime, form, quantity, trail, notional } = wanted;
    let (from, until) = span(lifetime, at, trading)?;
    let terms = Terms { from, trail, notional, ..Terms::lasting(lifetime, until) };
    let deadline = UtcMs::MAX;
    match form {
        Form::List(shape) => {
            let (client_id, shape) = (None, *shape);
            let waits = !trading.open && shape.kind() != ListKind::Oco;
            let terms = Some(Terms { waits, ..terms });
            Ok(SimFact::PlaceList(NewList { symbol, client_id, shape, at, deadline, terms }))
        }
        Form::Single(kind) => {
            // What an amount gives is known only in the market, so outside of it the last price
            // counts.
            let estimated = kind.quantity().is_none() && !trading.open;
            let kind = if estimated { OrderKind::Market(Amount::Base(quantity)) } else { kind };
            let (at_once, terms) = (None, Some(terms));
            let waits = kind.can_lag() && (!trading.open || from > at);
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
            let status = orders::status(exchange, order);
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
        let order = orders::json(exchange, exchange.order(*order)?, None);
        Some(json!({"id": order["id"], "status": 200, "body": order}))
    };
    facts.iter().filter_map(row).collect()
}
