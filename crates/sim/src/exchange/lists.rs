//! Decides requests for lists of orders.

use super::fact::{Accepted, SimFact};
use super::filters::{self, Refusal};
use super::order::OrderList;
use super::place::{at_once, funds, in_time, needed, open_market, refusal, unused};
use super::request::{Leg, ListKind, NewList, OrderKind};
use super::state::Exchange;
use super::turn::{Levels, Turn};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::Decimal;

const PRICES: &str = "The relationship of the prices for the orders is not correct.";

/// The facts that follow from a request for a list.
#[must_use]
pub fn place(exchange: &Exchange, list: &NewList) -> Vec<SimFact> {
    let mut turn = Turn::of(exchange, &[list.symbol]);
    match admit(exchange, &mut turn, list) {
        Ok(()) => turn.end(),
        Err(refused) => turn.refuse(refused),
    }
}

fn admit(exchange: &Exchange, turn: &mut Turn<'_>, list: &NewList) -> Result<(), Refusal> {
    in_time(turn, list.deadline)?;
    let rules = open_market(turn, list.symbol)?;
    let legs = list.shape.legs();
    combination(list, &legs)?;
    for leg in &legs {
        filters::check(turn, rules, leg.side, &leg.kind)?;
    }
    let kinds: Vec<_> = legs.iter().map(|leg| &leg.kind).collect();
    filters::check_number(turn, rules, &kinds)?;
    filters::check_lists(turn, rules)?;
    prices(turn, rules, list)?;
    let ids: Vec<u64> = (1..).map(|i| turn.live.orders + i).take(legs.len()).collect();
    let (number, names) = names(exchange, turn, list, &legs, &ids)?;
    let levels = money(turn, rules, list, &legs, &names)?;
    let at = turn.live.now;
    turn.list(OrderList {
        id: number.0,
        client_id: number.1,
        symbol: list.symbol,
        kind: list.shape.kind(),
        orders: ids.clone(),
        time: at,
        done: None,
    });
    let pending = |i: usize| i > 0 && list.shape.kind() != ListKind::Oco;
    for (i, ((leg, id), client_id)) in legs.iter().zip(&ids).zip(names).enumerate() {
        turn.accept(Accepted {
            order: *id,
            client_id,
            symbol: list.symbol,
            side: leg.side,
            kind: leg.kind,
            quantity: leg.kind.quantity().unwrap_or_default().normalize(),
            execution: turn.execution(),
            at,
            list: Some(number.0),
            pending: pending(i),
            terms: list.terms,
        });
    }
    let minute = turn.live.last_close;
    let waits = list.terms.is_some_and(|terms| terms.waits);
    let late = waits || turn.rules.costs.paper.late(at, minute);
    if let (Some(levels), Some(working), false) = (levels, ids.first(), late) {
        turn.take(*working, levels, minute, at);
    }
    Ok(())
}

/// Checks that a working order can rest and that every order has a base quantity. With terms, it
/// can be a market order.
fn combination(list: &NewList, legs: &[&Leg]) -> Result<(), Refusal> {
    let works = |kind: &OrderKind| match kind {
        OrderKind::Limit { .. } | OrderKind::LimitMaker { .. } => true,
        OrderKind::Market(_) => list.terms.is_some(),
        OrderKind::Stop(_) => false,
    };
    let working = legs.first().filter(|_| list.shape.kind() != ListKind::Oco);
    let with_quantity = legs.iter().all(|leg| leg.kind.quantity().is_some());
    if with_quantity && working.is_none_or(|leg| works(&leg.kind)) {
        return Ok(());
    }
    Err(refusal(-1014, "Unsupported order combination."))
}

/// The stop price of an order of a pair, or else its limit price.
fn level(leg: &Leg) -> Decimal {
    let price = leg.kind.stop().map(|stop| stop.at).or(leg.kind.limit());
    price.unwrap_or_default()
}

/// Checks that the price above is higher than the price below. The last price must lie between the
/// prices of an OCO pair.
fn prices(turn: &Turn<'_>, rules: &Instrument, list: &NewList) -> Result<(), Refusal> {
    let Some((above, below)) = list.shape.pair() else { return Ok(()) };
    let tape = turn.tape(list.symbol).filter(|_| list.shape.kind() == ListKind::Oco);
    let now = tape.map(|tape| tape.last);
    let around = now.is_none_or(|last| level(above) > last && last > level(below));
    if level(above) <= level(below) || !around {
        return Err(refusal(-2010, PRICES));
    }
    if now.is_some() {
        turn.immediate(rules, above.side, &above.kind)?;
        turn.immediate(rules, below.side, &below.kind)?;
    }
    Ok(())
}

/// The id and the client id of the list, and the client ids of its orders.
fn names(
    exchange: &Exchange,
    turn: &Turn<'_>,
    list: &NewList,
    legs: &[&Leg],
    ids: &[u64],
) -> Result<((u64, String), Vec<String>), Refusal> {
    let number = turn.live.listed + 1;
    let name = list.client_id.clone();
    let name = name.unwrap_or_else(|| turn.made_up("lst", list.symbol, number));
    if exchange.open_lists().any(|open| open.client_id == name) {
        return Err(refusal(-2010, "Duplicate order sent."));
    }
    let mut names: Vec<String> = Vec::new();
    for (leg, id) in legs.iter().zip(ids) {
        let name = leg.client_id.clone();
        let name = name.unwrap_or_else(|| turn.made_up("sim", list.symbol, *id));
        unused(turn, list.symbol, &name)?;
        if names.contains(&name) {
            return Err(refusal(-2010, "Duplicate order sent."));
        }
        names.push(name);
    }
    Ok(((number, name), names))
}

/// Checks that the account can pay the orders that work immediately. Returns the immediate fills of
/// a working order.
fn money(
    turn: &Turn<'_>,
    rules: &Instrument,
    list: &NewList,
    legs: &[&Leg],
    names: &[String],
) -> Result<Option<Levels>, Refusal> {
    let none = Levels::new();
    if list.shape.kind() == ListKind::Oco {
        for leg in legs {
            funds(turn, rules, leg.side, needed(leg.side, &leg.kind, &none))?;
        }
        return Ok(None);
    }
    let (Some(working), Some(name)) = (legs.first(), names.first()) else { return Ok(None) };
    turn.immediate(rules, working.side, &working.kind)?;
    let levels = at_once(turn, rules, working.side, &working.kind, name)?;
    funds(turn, rules, working.side, needed(working.side, &working.kind, &levels))?;
    Ok(Some(levels))
}
