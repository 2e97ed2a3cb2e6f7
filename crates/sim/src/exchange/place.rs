//! Decides requests to place, cancel and replace orders. Each decision is the complete outcome.

use super::fact::{Accepted, Replaced, SimFact};
use super::filters::{self, Refusal};
use super::order::{Order, OrderList, Status};
use super::request::{Amount, Cancel, CancelMany, Many, NewOrder, OrderKind, Replace, Target};
use super::state::Exchange;
use super::turn::{Levels, Turn, cut};
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::{Decimal, floor_to_step};
use everwarm_domain::order::Side;
use everwarm_domain::time::UtcMs;

const LATE: &str = "Timestamp for this request is outside of the recvWindow.";
const EMPTY_BOOK: &str = "Order book liquidity is less than `LOT_SIZE` filter minimum quantity.";
const POOR: &str = "Account has insufficient balance for requested action.";

pub(super) fn refusal(code: i32, text: &str) -> Refusal {
    (code, text.to_owned())
}

/// The facts that follow from a request for an order.
#[must_use]
pub fn place(exchange: &Exchange, order: &NewOrder) -> Vec<SimFact> {
    let mut turn = Turn::of(exchange, &[order.symbol]);
    match admit(&mut turn, order) {
        Ok(()) => turn.end(),
        Err(refused) => turn.refuse(refused),
    }
}

/// Checks an order as if it were placed.
///
/// # Errors
/// The refusal of rules and filters. Balances are not checked.
pub fn test(exchange: &Exchange, order: &NewOrder) -> Result<(), Refusal> {
    formal(&Turn::of(exchange, &[order.symbol]), order).map(|_| ())
}

/// The checks that need neither balances nor the order book.
fn formal<'a>(turn: &Turn<'a>, order: &NewOrder) -> Result<&'a Instrument, Refusal> {
    in_time(turn, order.deadline)?;
    let rules = open_market(turn, order.symbol)?;
    filters::check(turn, rules, order.side, &order.kind)?;
    filters::check_number(turn, rules, &[&order.kind])?;
    Ok(rules)
}

/// Adds the facts of an accepted order to the turn, or none.
fn admit(turn: &mut Turn<'_>, order: &NewOrder) -> Result<(), Refusal> {
    let rules = formal(turn, order)?;
    let id = turn.live.orders + 1;
    let client_id = order.client_id.clone();
    let client_id = client_id.unwrap_or_else(|| turn.made_up("sim", order.symbol, id));
    unused(turn, order.symbol, &client_id)?;
    turn.immediate(rules, order.side, &order.kind)?;
    let levels = at_once(turn, rules, order.side, &order.kind, &client_id)?;
    let filled = || levels.iter().map(|l| l.1).sum::<Decimal>();
    let quantity = order.kind.quantity().unwrap_or_else(filled).normalize();
    let needed = needed(order.side, &order.kind, &levels);
    funds(turn, rules, order.side, needed)?;
    let at = turn.live.now;
    turn.accept(Accepted {
        order: id,
        client_id,
        symbol: order.symbol,
        side: order.side,
        kind: order.kind,
        quantity,
        execution: turn.execution(),
        at,
        list: None,
        pending: false,
        terms: order.terms,
    });
    begin(turn, rules, id, order, levels);
    Ok(())
}

/// Executes what a new order gets immediately.
fn begin(turn: &mut Turn<'_>, rules: &Instrument, id: u64, order: &NewOrder, levels: Levels) {
    let (at, minute) = (turn.live.now, turn.live.last_close);
    match order.at_once {
        _ if order.kind.stop().is_some() || turn.rules.costs.paper.late(at, minute) => {}
        None => turn.take(id, levels, minute, at),
        Some(share) => {
            let part = turn.fitting(rules, minute, first_part(rules, levels, share));
            turn.begin_to_take(id, &part, at);
        }
    }
}

/// The part of the levels that fills immediately; `share` is in per cent.
fn first_part(rules: &Instrument, levels: Levels, share: u8) -> Levels {
    let all: Decimal = levels.iter().map(|level| level.1).sum();
    let most = floor_to_step(all * Decimal::new(share.into(), 2), rules.lot_size);
    cut(levels, most)
}

/// # Errors
/// -1021 where the deadline has passed.
pub(super) fn in_time(turn: &Turn<'_>, deadline: UtcMs) -> Result<(), Refusal> {
    if turn.live.now > deadline { Err(refusal(-1021, LATE)) } else { Ok(()) }
}

/// # Errors
/// -1121 and -2010 where the symbol is not traded.
pub(super) fn open_market<'a>(turn: &Turn<'a>, symbol: Symbol) -> Result<&'a Instrument, Refusal> {
    let rules = turn.rules.instrument(symbol).ok_or_else(|| refusal(-1121, "Invalid symbol."))?;
    if turn.rules.delisted.contains(&symbol) {
        return Err(refusal(-1121, "Invalid symbol."));
    }
    if rules.trading { Ok(rules) } else { Err(refusal(-2010, "Market is closed.")) }
}

/// Checks that no open order has this client id. Ids of closed orders may be used again.
///
/// # Errors
/// -2010 where an open order has it.
pub(super) fn unused(turn: &Turn<'_>, symbol: Symbol, client_id: &str) -> Result<(), Refusal> {
    let same = |order: &Order| order.symbol == symbol && order.client_id == client_id;
    if turn.live.open.values().any(same) {
        return Err(refusal(-2010, "Duplicate order sent."));
    }
    Ok(())
}

/// The immediate fills of an order. Empty if it must rest or waits for its stop.
///
/// # Errors
/// -2010 for a market order in a symbol that never traded, -1013 for a quote amount whose quantity
/// fails a filter.
pub(super) fn at_once(
    turn: &Turn<'_>,
    rules: &Instrument,
    side: Side,
    kind: &OrderKind,
    client_id: &str,
) -> Result<Levels, Refusal> {
    match kind {
        OrderKind::Stop(_) | OrderKind::LimitMaker { .. } => return Ok(Levels::new()),
        OrderKind::Market(_) if turn.tape(rules.symbol).is_none() => {
            return Err(refusal(-2010, EMPTY_BOOK));
        }
        OrderKind::Market(_) | OrderKind::Limit { .. } => {}
    }
    let levels = turn.levels(rules, side, kind, turn.live.last_close, client_id);
    if kind.quote_amount().is_some() {
        let quantity = levels.iter().map(|l| l.1).sum();
        filters::check_quantity(turn, rules, side, quantity)?;
    }
    Ok(levels)
}

/// The balance an order needs: its whole value at the limit, or the cost of its immediate fills.
pub(super) fn needed(side: Side, kind: &OrderKind, levels: &Levels) -> Decimal {
    match (side, kind) {
        (Side::Buy, OrderKind::Market(_)) => levels.iter().map(|(p, q)| p * q).sum(),
        (Side::Sell, OrderKind::Market(Amount::Quote(_))) => levels.iter().map(|l| l.1).sum(),
        (Side::Sell, OrderKind::Market(Amount::Base(quantity))) => *quantity,
        (_, OrderKind::Limit { .. } | OrderKind::LimitMaker { .. } | OrderKind::Stop(_)) => {
            kind.holds(side, kind.quantity().unwrap_or_default())
        }
    }
}

/// # Errors
/// -2010 where the account cannot pay.
pub(super) fn funds(
    turn: &Turn<'_>,
    rules: &Instrument,
    side: Side,
    needed: Decimal,
) -> Result<(), Refusal> {
    let asset = match side {
        Side::Buy => &rules.quote,
        Side::Sell => &rules.base,
    };
    if turn.live.purse(asset).free < needed { Err(refusal(-2010, POOR)) } else { Ok(()) }
}

/// The facts that follow from a request to cancel.
#[must_use]
pub fn cancel(exchange: &Exchange, cancel: &Cancel) -> Vec<SimFact> {
    let mut turn = Turn::of(exchange, &[cancel.target.symbol]);
    match cancelled(exchange, &mut turn, cancel) {
        Ok(()) => turn.end(),
        Err(refused) => turn.refuse(refused),
    }
}

fn unknown() -> Refusal {
    refusal(-2011, "Unknown order sent.")
}

fn cancelled(exchange: &Exchange, turn: &mut Turn<'_>, cancel: &Cancel) -> Result<(), Refusal> {
    in_time(turn, cancel.deadline)?;
    let order = cancellable(exchange, &cancel.target)?;
    if cancel.only_begun.is_some_and(|begun| begun == order.executed.is_zero()) {
        let text = "Order was not canceled due to cancel restrictions.";
        return Err(refusal(-2011, text));
    }
    let cancel_id = cancel_id(turn, order.symbol, cancel.cancel_id.as_ref());
    turn.cancel(order.id, &cancel_id);
    Ok(())
}

fn cancel_id(turn: &Turn<'_>, symbol: Symbol, given: Option<&String>) -> String {
    let made_up = || turn.made_up("cxl", symbol, turn.execution());
    given.cloned().unwrap_or_else(made_up)
}

fn cancellable<'a>(exchange: &'a Exchange, target: &Target) -> Result<&'a Order, Refusal> {
    let order = exchange.find(target).map_err(|(code, text)| match code {
        -2039 => refusal(code, text),
        _ => unknown(),
    })?;
    if order.status.is_open() { Ok(order) } else { Err(unknown()) }
}

/// The facts that follow from a request to cancel several orders.
#[must_use]
pub fn cancel_many(exchange: &Exchange, cancel: &CancelMany) -> Vec<SimFact> {
    let mut turn = Turn::of(exchange, &[cancel.symbol]);
    if let Err(refused) = in_time(&turn, cancel.deadline) {
        return turn.refuse(refused);
    }
    let lists = || turn.live.lists.values().filter(|list| list.symbol == cancel.symbol);
    let (ids, absent): (Vec<u64>, Refusal) = match &cancel.many {
        Many::Symbol => {
            let open = turn.live.open.values().filter(|o| o.symbol == cancel.symbol);
            (open.map(|o| o.id).collect(), unknown())
        }
        Many::List(id) => {
            let list = lists().find(|list| list.id == *id);
            (first_of(list), refusal(-2011, "Unknown order list sent."))
        }
        Many::ListNamed(name) => {
            let list = lists().find(|list| list.client_id == *name);
            (first_of(list), refusal(-2011, "Unknown order list sent."))
        }
    };
    if ids.is_empty() {
        return turn.refuse(absent);
    }
    let cancel_id = cancel_id(&turn, cancel.symbol, cancel.cancel_id.as_ref());
    for id in ids {
        // An earlier cancel may have ended it with its list.
        turn.cancel(id, &cancel_id);
    }
    turn.end()
}

fn first_of(list: Option<&OrderList>) -> Vec<u64> {
    list.map(|list| list.orders.clone()).unwrap_or_default()
}

/// The facts that follow from a request to cancel one order and place another. Rules and filters of
/// the new order are checked first.
#[must_use]
pub fn replace(exchange: &Exchange, replace: &Replace) -> Vec<SimFact> {
    if replace.order.terms.is_some_and(|terms| terms.replaces.is_some()) {
        let mut turn = Turn::of(exchange, &[replace.order.symbol]);
        return match in_place(exchange, &mut turn, replace) {
            Ok(()) => turn.end(),
            Err(refused) => turn.refuse(refused),
        };
    }
    let mut symbols = [replace.cancel.target.symbol, replace.order.symbol];
    symbols.sort_unstable();
    let mut turn = Turn::of(exchange, &symbols);
    if let Err(refused) = formal(&turn, &replace.order) {
        return turn.refuse(refused);
    }
    if let Err(refused) = cancelled(exchange, &mut turn, &replace.cancel) {
        if !replace.regardless {
            return turn.refuse(refused);
        }
        turn.note(refused);
    }
    match admit(&mut turn, &replace.order) {
        Ok(()) => turn.end(),
        Err(refused) => turn.refuse(refused),
    }
}

/// Puts the new order into the place of the other one, also in its list, or changes nothing.
fn in_place(exchange: &Exchange, turn: &mut Turn<'_>, replace: &Replace) -> Result<(), Refusal> {
    let Replace { cancel, order, .. } = replace;
    in_time(turn, order.deadline)?;
    let rules = open_market(turn, order.symbol)?;
    let old = cancellable(exchange, &cancel.target)?;
    let pending = old.status == Status::PendingNew;
    let quantity = order.kind.quantity();
    let quantity = quantity.ok_or_else(|| refusal(-1014, "Unsupported order combination."))?;
    filters::check(turn, rules, order.side, &order.kind)?;
    let (id, execution) = (turn.live.orders + 1, turn.execution());
    let client_id = order.client_id.clone();
    let client_id = client_id.unwrap_or_else(|| turn.made_up("sim", order.symbol, id));
    unused(turn, order.symbol, &client_id)?;
    let mut levels = Levels::new();
    if !pending {
        turn.immediate(rules, order.side, &order.kind)?;
        levels = at_once(turn, rules, order.side, &order.kind, &client_id)?;
    }
    let by = Accepted {
        order: id,
        client_id,
        symbol: order.symbol,
        side: order.side,
        kind: order.kind,
        quantity: quantity.normalize(),
        execution: execution + 1,
        at: turn.live.now,
        list: old.list,
        pending,
        terms: order.terms,
    };
    let replaced = Replaced { order: old.id, execution, by };
    // The new order may need what the other one locks.
    let mut after = turn.live.clone();
    after.apply(turn.rules, &SimFact::Replaced(replaced.clone()));
    let asset = match order.side {
        Side::Buy => &rules.quote,
        Side::Sell => &rules.base,
    };
    // A purchase at any price locks nothing.
    let unlocked = order.side == Side::Buy && order.kind.limit().is_none();
    let unlocked = unlocked && order.kind.stop().is_none();
    let cost = needed(order.side, &order.kind, &levels);
    let more = if unlocked { cost } else { Decimal::ZERO };
    if after.purse(asset).free < more {
        return Err(refusal(-2010, POOR));
    }
    turn.replace(replaced);
    if !pending {
        begin(turn, rules, id, order, levels);
    }
    Ok(())
}
