//! Orders as the protocol shows them, and the queries for them.

use super::error::not_found;
use super::query::{Direction, Query};
use super::roles::{self, Role, role};
use super::{ids, number, times};
use crate::exchange::{Distance, Exchange, Lifetime, Order, OrderKind, Status, TimeInForce};
use crate::wire::error::ApiError;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Side;
use everwarm_domain::time::UtcMs;
use serde_json::{Value, json};

/// Most rows of a query for orders.
const ROWS_MAX: usize = 500;
/// Rows of a query without a limit.
const ROWS: usize = 50;
/// Decimals of an average price.
const DECIMALS: u32 = 9;

/// The status of an order. What ends without a cancel is expired at the end of its day, and
/// otherwise cancelled.
#[must_use]
pub fn status(exchange: &Exchange, order: &Order) -> &'static str {
    match order.status {
        _ if replaced_by(order).is_some() => "replaced",
        Status::New if !roles::is_held(exchange, order) => "new",
        Status::New | Status::PendingNew => "held",
        Status::PartiallyFilled => "partially_filled",
        Status::Filled => "filled",
        Status::Expired if has_expired(order) => "expired",
        Status::Canceled | Status::Expired => "canceled",
    }
}

/// The venue's id of the order that took the place of this one.
fn replaced_by(order: &Order) -> Option<u64> {
    order.terms?.replaced_by
}

/// Whether an ended order ended at the end of its day.
#[must_use]
pub fn has_expired(order: &Order) -> bool {
    order.status == Status::Expired && order.expiry().is_some_and(|until| until <= order.updated)
}

/// The direction, as the protocol names it.
#[must_use]
pub const fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

fn kind(order: &Order) -> &'static str {
    match &order.kind {
        OrderKind::Stop(_) if order.trail().is_some() => "trailing_stop",
        OrderKind::Market(_) => "market",
        OrderKind::Limit { .. } | OrderKind::LimitMaker { .. } => "limit",
        OrderKind::Stop(stop) if stop.limit.is_some() => "stop_limit",
        OrderKind::Stop(_) => "stop",
    }
}

fn lifetime(order: &Order) -> &'static str {
    let usual = match order.tif() {
        TimeInForce::Gtc => Lifetime::Gtc,
        TimeInForce::Ioc => Lifetime::Ioc,
        TimeInForce::Fok => Lifetime::Fok,
    };
    lifetime_name(order.terms.map_or(usual, |terms| terms.lifetime))
}

/// The time in force, as the protocol names it.
#[must_use]
pub const fn lifetime_name(lifetime: Lifetime) -> &'static str {
    match lifetime {
        Lifetime::Day => "day",
        Lifetime::Gtc => "gtc",
        Lifetime::Ioc => "ioc",
        Lifetime::Fok => "fok",
        Lifetime::Opg => "opg",
        Lifetime::Cls => "cls",
    }
}

/// An order as it was when it was accepted.
#[must_use]
pub fn accepted(exchange: &Exchange, order: &Order) -> Order {
    let held = roles::began_held(exchange, order);
    let waits = held || order.kind.stop().is_some();
    Order {
        status: if held { Status::PendingNew } else { Status::New },
        executed: Decimal::ZERO,
        executed_quote: Decimal::ZERO,
        updated: order.time,
        trades: Vec::new(),
        working: (!waits).then_some(order.time),
        ..order.clone()
    }
}

/// An order when it entered the market, or began to wait for its stop.
#[must_use]
pub fn activated(order: &Order, at: UtcMs) -> Order {
    let waits = order.kind.stop().is_some();
    Order {
        status: Status::New,
        executed: Decimal::ZERO,
        executed_quote: Decimal::ZERO,
        updated: at,
        working: (!waits).then_some(at),
        ..order.clone()
    }
}

/// An order. A parent with `legs` contains its legs.
#[must_use]
pub fn json(exchange: &Exchange, order: &Order, legs: Option<&[Value]>) -> Value {
    let at = |wanted: bool| wanted.then(|| times::utc(order.updated));
    let price = |price: Option<Decimal>| price.map(number);
    let average = order.executed_quote.checked_div(order.executed);
    let average = average.map(|average| number(average.round_dp(DECIMALS)));
    let status = status(exchange, order);
    let (id, time) = (ids::order(order.id), times::utc(order.time));
    let (kind, class) = (kind(order), roles::class(exchange, order));
    let terms = order.terms;
    let notional = terms.and_then(|terms| terms.notional);
    let (trail_price, trail_percent) = match order.trail().map(|trail| trail.distance) {
        None => (None, None),
        Some(Distance::Price(price)) => (Some(number(price)), None),
        Some(Distance::Percent(share)) => (None, Some(number(share))),
    };
    let (replaces, replaced_by) = (terms.and_then(|terms| terms.replaces), replaced_by(order));
    json!({
        "id": id, "client_order_id": order.client_id,
        "created_at": time, "submitted_at": time, "updated_at": times::utc(order.updated),
        "filled_at": at(status == "filled"), "expired_at": at(status == "expired"),
        "canceled_at": at(status == "canceled"), "failed_at": null,
        "replaced_at": at(status == "replaced"),
        "replaced_by": replaced_by.map(ids::order), "replaces": replaces.map(ids::order),
        "asset_id": ids::asset(order.symbol), "symbol": order.symbol.as_str(),
        "asset_class": "us_equity", "notional": price(notional),
        "qty": notional.is_none().then(|| number(order.quantity)),
        "filled_qty": number(order.executed), "filled_avg_price": average,
        "order_class": class, "order_type": kind, "type": kind, "side": side(order.side),
        "time_in_force": lifetime(order), "limit_price": price(order.limit()),
        "stop_price": price(order.kind.stop().map(|stop| stop.at)), "status": status,
        "extended_hours": false, "legs": legs, "trail_percent": trail_percent,
        "trail_price": trail_price, "hwm": price(order.trail().map(|trail| trail.best)),
        "position_intent": match order.side {
            Side::Buy => "buy_to_open",
            Side::Sell => "sell_to_close",
        },
    })
}

/// An order with its legs inside.
#[must_use]
pub fn nested(exchange: &Exchange, order: &Order, show: impl Fn(&Order) -> Order) -> Value {
    let leg = |leg: &Order| json(exchange, &show(leg), None);
    let legs: Vec<Value> = roles::legs(exchange, order).into_iter().map(leg).collect();
    json(exchange, &show(order), Some(&legs[..]).filter(|legs| !legs.is_empty()))
}

/// The order that a request names by the venue's id.
///
/// # Errors
/// There is none.
pub fn find<'a>(exchange: &'a Exchange, id: &str) -> Result<&'a Order, ApiError> {
    let order = ids::order_number(id).and_then(|number| exchange.order(number));
    order.ok_or_else(|| not_found("order not found"))
}

/// The response about one order.
///
/// # Errors
/// There is none, or a wrong parameter.
pub fn by_id(exchange: &Exchange, id: &str, query: Query<'_>) -> Result<Value, ApiError> {
    let order = find(exchange, id)?;
    Ok(one(exchange, order, query.flag("nested")?))
}

fn one(exchange: &Exchange, order: &Order, with_legs: bool) -> Value {
    if with_legs { nested(exchange, order, Order::clone) } else { json(exchange, order, None) }
}

/// The response about the order with a client's id.
///
/// # Errors
/// There is none, or the id is missing.
pub fn by_client(exchange: &Exchange, query: Query<'_>) -> Result<Value, ApiError> {
    let id = query.text("client_order_id");
    let id = id.ok_or_else(|| query.wrong("client_order_id is required"))?;
    let order = exchange.named(id).ok_or_else(|| not_found("order not found"))?;
    Ok(one(exchange, order, query.flag("nested")?))
}

/// Which orders a query wants, by state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Open,
    Closed,
    All,
}

/// The response about orders of a state and a time.
///
/// # Errors
/// A wrong parameter.
pub fn list(exchange: &Exchange, query: Query<'_>) -> Result<Value, ApiError> {
    let wanted = match query.text("status") {
        None | Some("open") => Wanted::Open,
        Some("closed") => Wanted::Closed,
        Some("all") => Wanted::All,
        Some(_) => return Err(query.wrong("status must be open, closed or all")),
    };
    let limit = query.count("limit", ROWS, ROWS_MAX)?;
    let (after, until) = (query.time("after")?, query.time("until")?);
    let symbols = query.symbols("symbols")?;
    let with_legs = query.flag("nested")?;
    let direction = query.direction("direction", Direction::Descending)?;
    let sides = query.text("side");
    let has_state = |order: &Order| match wanted {
        Wanted::Open => order.status.is_open(),
        Wanted::Closed => !order.status.is_open(),
        Wanted::All => true,
    };
    let is_wanted = |order: &&Order| {
        let state = has_state(order);
        // A leg is a row of its own where its parent is none.
        let inside = with_legs
            && role(exchange, order) == Role::Leg
            && roles::parent(exchange, order).is_some_and(has_state);
        let time: UtcMs = order.time;
        state
            && !inside
            && after.is_none_or(|after| time > after)
            && until.is_none_or(|until| time <= until)
            && symbols.as_ref().is_none_or(|symbols| symbols.contains(&order.symbol))
            && sides.is_none_or(|wanted| wanted == side(order.side))
    };
    let row = |order: &Order| one(exchange, order, with_legs);
    if wanted == Wanted::Open {
        let mut open: Vec<&Order> = exchange.open_orders().filter(is_wanted).collect();
        if direction == Direction::Descending {
            open.reverse();
        }
        return Ok(open.into_iter().take(limit).map(row).collect());
    }
    Ok(match direction {
        Direction::Ascending => exchange.orders().filter(is_wanted).take(limit).map(row).collect(),
        Direction::Descending => {
            exchange.newest_orders().filter(is_wanted).take(limit).map(row).collect()
        }
    })
}
