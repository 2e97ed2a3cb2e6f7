//! The place of an order among those that depend on each other.

use crate::exchange::{Exchange, ListKind, Order, OrderList, Status};

/// The place of an order in its list. A list has one parent; the others are its legs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It belongs to no list.
    Alone,
    /// The entry, or the limit order of a pair.
    Parent,
    /// An order that waits for the entry, or the stop order of a pair.
    Leg,
}

/// The list of an order.
#[must_use]
pub fn list<'a>(exchange: &'a Exchange, order: &Order) -> Option<&'a OrderList> {
    exchange.list(order.list?)
}

/// The order that took the place of this one in the end, or itself.
#[must_use]
pub fn current<'a>(exchange: &'a Exchange, order: &'a Order) -> &'a Order {
    let by = |order: &Order| exchange.order(order.terms?.replaced_by?);
    let mut current = order;
    // Ids of orders count up, so the chain ends.
    while let Some(next) = by(current) {
        current = next;
    }
    current
}

/// The place of an order in its list.
#[must_use]
pub fn role(exchange: &Exchange, order: &Order) -> Role {
    let Some(list) = list(exchange, order) else { return Role::Alone };
    let is_parent = match list.working() {
        Some(working) => working == current(exchange, order).id,
        None => order.kind.stop().is_none(),
    };
    if is_parent { Role::Parent } else { Role::Leg }
}

/// The class of an order, as the protocol names it.
#[must_use]
pub fn class(exchange: &Exchange, order: &Order) -> &'static str {
    match list(exchange, order).map(|list| list.kind) {
        None => "",
        Some(ListKind::Oco) => "oco",
        Some(ListKind::Oto) => "oto",
        Some(ListKind::Otoco) => "bracket",
    }
}

/// Whether an open order is held back: its entry is not filled, or the limit order of its pair is
/// in the market instead.
#[must_use]
pub fn is_held(exchange: &Exchange, order: &Order) -> bool {
    let of_pair = || list(exchange, order).is_some_and(|list| list.pair().contains(&order.id));
    order.status == Status::PendingNew || order.waits() && of_pair()
}

/// Whether an order waited for its entry when it was accepted.
#[must_use]
pub fn began_held(exchange: &Exchange, order: &Order) -> bool {
    let of_entry = list(exchange, order).is_some_and(|list| list.working().is_some());
    of_entry && role(exchange, order) == Role::Leg
}

/// The parent of a leg that is still in its list.
#[must_use]
pub fn parent<'a>(exchange: &'a Exchange, leg: &Order) -> Option<&'a Order> {
    let list = list(exchange, leg).filter(|list| list.orders.contains(&leg.id))?;
    let mut orders = list.orders.iter().filter_map(|id| exchange.order(*id));
    orders.find(|order| role(exchange, order) == Role::Parent)
}

/// The legs of a parent, the limit order first.
#[must_use]
pub fn legs<'a>(exchange: &'a Exchange, order: &Order) -> Vec<&'a Order> {
    let parent = role(exchange, order) == Role::Parent;
    let ids = list(exchange, order).map(|list| list.orders.as_slice()).unwrap_or_default();
    // An order that was replaced is no longer in its list.
    if !parent || !ids.contains(&order.id) {
        return Vec::new();
    }
    let others = ids.iter().filter(|id| **id != order.id);
    let mut legs: Vec<&Order> = others.filter_map(|id| exchange.order(*id)).collect();
    legs.sort_by_key(|leg| (leg.kind.stop().is_some(), leg.id));
    legs
}
