//! The events of the account about its orders, and the ledger for comparisons.

use super::number;
use super::orders::{kind_word, order_type, side};
use crate::exchange::fact::{Accepted, Traded};
use crate::exchange::{Exchange, Order, Replace, SimFact, Status};
use everwarm_domain::money::Decimal;
use everwarm_domain::time::UtcMs;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The events that follow from one input: a report for each execution in order, then the changed
/// balances, if any. `exchange` is the books after the input.
#[must_use]
pub fn events(exchange: &Exchange, input: &SimFact, facts: &[SimFact]) -> Vec<Value> {
    let mut events = Vec::new();
    let mut assets = BTreeSet::new();
    let mut at = exchange.now();
    if let SimFact::Funded { asset, amount, at } = input {
        let event =
            json!({"e": "balanceUpdate", "E": at, "a": asset, "d": number(*amount), "T": at});
        events.push(event);
        assets.insert(asset.clone());
    }
    for fact in facts {
        let Some(report) = Report::of(exchange, fact) else { continue };
        at = at.max(report.at);
        events.push(report.render(exchange.now()));
        if let Some(rules) = exchange.instrument(report.order.symbol) {
            assets.insert(rules.base.clone());
            assets.insert(rules.quote.clone());
        }
    }
    if let SimFact::Replace(replace) = input {
        events.extend(half_refused(exchange, replace, facts));
    }
    events.extend(list_events(exchange, facts));
    if !assets.is_empty() {
        let balances: Vec<Value> = assets
            .iter()
            .map(|a| {
                let purse = exchange.purse(a);
                json!({"a": a, "f": number(purse.free), "l": number(purse.locked)})
            })
            .collect();
        events.push(json!({"e": "outboundAccountPosition", "E": at, "u": at, "B": balances}));
    }
    events
}

/// The event of a replacement whose cancel succeeded and whose order was refused. No other refusal
/// is sent as an event. The order has no id; the venue's documentation has no example.
fn half_refused(exchange: &Exchange, replace: &Replace, facts: &[SimFact]) -> Option<Value> {
    let cancelled = facts.iter().any(|fact| matches!(fact, SimFact::Cancelled { .. }));
    let refused = facts
        .iter()
        .find_map(|fact| if let SimFact::Rejected { msg, .. } = fact { Some(msg) } else { None });
    let msg = refused.filter(|_| cancelled)?;
    let (order, now) = (&replace.order, exchange.now());
    let kind = &order.kind;
    let stop = kind.stop().map_or(Decimal::ZERO, |stop| stop.at);
    let zero = || number(Decimal::ZERO);
    let name = order.client_id.clone().unwrap_or_default();
    Some(json!({
        "e": "executionReport", "E": now, "s": order.symbol.as_str(), "c": name,
        "S": side(order.side), "o": kind_word(kind), "f": kind.tif().wire(),
        "q": number(kind.quantity().unwrap_or_default()),
        "p": number(kind.limit().unwrap_or_default()), "P": number(stop), "F": zero(), "g": -1,
        "C": "", "x": "REJECTED", "X": "REJECTED", "r": reject_reason(msg), "i": -1, "z": zero(),
        "Z": zero(), "T": now, "I": -1, "w": false, "M": false, "O": now,
        "Q": number(kind.quote_amount().unwrap_or_default()), "V": "NONE", "l": zero(),
        "L": zero(), "Y": zero(), "n": "0", "N": null, "t": -1, "m": false,
    }))
}

/// The protocol's name of a reject reason, or `NONE`.
fn reject_reason(msg: &str) -> &'static str {
    match msg {
        "Account has insufficient balance for requested action." => "INSUFFICIENT_BALANCES",
        "Order would trigger immediately." => "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY",
        "Order would immediately match and take." => "WOULD_MATCH_IMMEDIATELY",
        _ => "NONE",
    }
}

/// The events of lists: started, pending orders activated, or all orders done.
fn list_events(exchange: &Exchange, facts: &[SimFact]) -> Vec<Value> {
    let mut changes: Vec<(u64, &str)> = Vec::new();
    let list_of = |id: &u64| exchange.order(*id).and_then(|order| order.list);
    for fact in facts {
        let (list, what) = match fact {
            SimFact::Listed(list) => (Some(list.id), "EXEC_STARTED"),
            SimFact::Activated { order, .. } => (list_of(order), "UPDATED"),
            SimFact::Traded(Traded { order, .. })
            | SimFact::Cancelled { order, .. }
            | SimFact::Expired { order, .. } => (list_of(order), "ALL_DONE"),
            SimFact::Opened(_)
            | SimFact::Funded { .. }
            | SimFact::Standing { .. }
            | SimFact::Ruled { .. }
            | SimFact::Priced { .. }
            | SimFact::Split { .. }
            | SimFact::Place(_)
            | SimFact::Cancel(_)
            | SimFact::PlaceList(_)
            | SimFact::CancelMany(_)
            | SimFact::Replace(_)
            | SimFact::Advance(_)
            | SimFact::Ticked(_)
            | SimFact::Accepted(_)
            | SimFact::Triggered { .. }
            | SimFact::Queued { .. }
            | SimFact::Replaced(_)
            | SimFact::Trailed { .. }
            | SimFact::Upgraded { .. }
            | SimFact::Rejected { .. } => (None, ""),
        };
        let Some(id) = list else { continue };
        let open = exchange.list(id).is_some_and(|list| list.done.is_none());
        if what == "ALL_DONE" && open || changes.contains(&(id, what)) {
            continue;
        }
        changes.push((id, what));
    }
    changes.sort_by_key(|(id, what)| (*id, *what == "ALL_DONE"));
    changes.into_iter().filter_map(|(id, what)| list_event(exchange, id, what)).collect()
}

fn list_event(exchange: &Exchange, id: u64, what: &str) -> Option<Value> {
    let list = exchange.list(id)?;
    let orders: Vec<Value> = list
        .orders
        .iter()
        .filter_map(|id| exchange.order(*id))
        .map(|o| json!({"s": o.symbol.as_str(), "i": o.id, "c": o.client_id}))
        .collect();
    let over = what == "ALL_DONE";
    Some(json!({
        "e": "listStatus", "E": exchange.now(), "s": list.symbol.as_str(), "g": list.id,
        "c": list.kind.wire(), "l": what, "L": if over { what } else { "EXECUTING" },
        "r": "NONE", "C": list.client_id, "O": orders,
        "T": list.done.filter(|_| over).unwrap_or(list.time),
    }))
}

/// One execution event.
struct Report<'a> {
    order: &'a Order,
    what: &'static str,
    status: Status,
    executed: Decimal,
    executed_quote: Decimal,
    execution: u64,
    at: UtcMs,
    trade: Option<&'a Traded>,
    cancel_id: Option<&'a str>,
    /// Venue time at which it entered the market, as of this event.
    working: Option<UtcMs>,
}

impl<'a> Report<'a> {
    fn of(exchange: &'a Exchange, fact: &'a SimFact) -> Option<Report<'a>> {
        let base = |id: u64, what, status, execution, at| {
            let order = exchange.order(id)?;
            let (executed, executed_quote) = (order.executed, order.executed_quote);
            let (trade, cancel_id) = (None, None);
            Some(Report {
                order,
                what,
                status,
                executed,
                executed_quote,
                execution,
                at,
                trade,
                cancel_id,
                working: order.working,
            })
        };
        let new = |id: u64, status, execution, at, working: bool| {
            let report = base(id, "NEW", status, execution, at)?;
            let (executed, executed_quote) = (Decimal::ZERO, Decimal::ZERO);
            Some(Report { executed, executed_quote, working: working.then_some(at), ..report })
        };
        match fact {
            SimFact::Accepted(Accepted { order, kind, pending, execution, at, .. }) => {
                let status = if *pending { Status::PendingNew } else { Status::New };
                let working = !pending && kind.stop().is_none();
                new(*order, status, *execution, *at, working)
            }
            SimFact::Activated { order, execution, at } => {
                let working = exchange.order(*order)?.kind.stop().is_none();
                new(*order, Status::New, *execution, *at, working)
            }
            SimFact::Triggered { order, execution, at } => {
                new(*order, Status::New, *execution, *at, true)
            }
            SimFact::Traded(t) => {
                let report = base(t.order, "TRADE", Status::Filled, t.execution, t.at)?;
                let full = t.executed >= report.order.quantity;
                let status = if full { Status::Filled } else { Status::PartiallyFilled };
                let (executed, executed_quote) = (t.executed, t.executed_quote);
                Some(Report { status, executed, executed_quote, trade: Some(t), ..report })
            }
            SimFact::Cancelled { order, cancel_id, execution, at } => {
                let report = base(*order, "CANCELED", Status::Canceled, *execution, *at)?;
                Some(Report { cancel_id: Some(cancel_id), ..report })
            }
            SimFact::Expired { order, execution, at } => {
                base(*order, "EXPIRED", Status::Expired, *execution, *at)
            }
            SimFact::Opened(_)
            | SimFact::Funded { .. }
            | SimFact::Standing { .. }
            | SimFact::Ruled { .. }
            | SimFact::Priced { .. }
            | SimFact::Split { .. }
            | SimFact::Place(_)
            | SimFact::Cancel(_)
            | SimFact::PlaceList(_)
            | SimFact::CancelMany(_)
            | SimFact::Replace(_)
            | SimFact::Advance(_)
            | SimFact::Ticked(_)
            | SimFact::Listed(_)
            | SimFact::Queued { .. }
            | SimFact::Replaced(_)
            | SimFact::Trailed { .. }
            | SimFact::Upgraded { .. }
            | SimFact::Rejected { .. } => None,
        }
    }

    fn render(&self, now: UtcMs) -> Value {
        let order = self.order;
        let zero = || number(Decimal::ZERO);
        let (client, original) = match self.cancel_id {
            Some(cancel_id) => (cancel_id, order.client_id.as_str()),
            None => (order.client_id.as_str(), ""),
        };
        let on_book = self.status.is_open() && order.limit().is_some() && self.working.is_some();
        let stop = order.kind.stop().map_or(Decimal::ZERO, |stop| stop.at);
        let list = order.list.map_or_else(|| json!(-1), Value::from);
        let mut event = json!({
            "e": "executionReport", "E": now.max(self.at), "s": order.symbol.as_str(), "c": client,
            "S": side(order.side), "o": order_type(order), "f": order.tif().wire(),
            "q": number(order.quantity), "p": number(order.limit().unwrap_or_default()),
            "P": number(stop), "F": zero(), "g": list, "C": original, "x": self.what,
            "X": self.status.wire(), "r": "NONE", "i": order.id,
            "z": number(self.executed), "Z": number(self.executed_quote),
            "T": self.at, "I": self.execution, "w": on_book, "M": false, "O": order.time,
            "Q": number(order.quote_quantity()), "V": "NONE",
            "l": zero(), "L": zero(), "Y": zero(), "n": "0", "N": null, "t": -1, "m": false,
        });
        if let Some(t) = self.trade {
            event["l"] = number(t.quantity).into();
            event["L"] = number(t.price).into();
            event["Y"] = number(t.price * t.quantity).into();
            event["n"] = number(t.fee).into();
            event["N"] = t.fee_asset.clone().into();
            event["t"] = t.trade.into();
            event["m"] = t.maker.into();
        }
        if let Some(working) = self.working {
            event["W"] = working.into();
        }
        if self.status == Status::Expired && self.working.is_some() && !order.kind.rests() {
            event["eR"] = "INSUFFICIENT_LIQUIDITY".into();
        }
        event
    }
}

/// All orders with their trades, and all balances, in one canonical form: orders by id, decimals
/// without trailing zeros. `k` counts the trades of an order from 1.
#[must_use]
pub fn ledger(exchange: &Exchange) -> Value {
    let plain = |value: Decimal| value.normalize().to_string();
    let trades = |order: &Order| -> Vec<Value> {
        exchange
            .trades_of(order)
            .enumerate()
            .map(|(i, t)| {
                json!({"id": t.id, "k": i + 1, "price": plain(t.price),
                    "quantity": plain(t.quantity), "fee": plain(t.fee), "fee_asset": t.fee_asset,
                    "maker": t.maker, "time": t.time})
            })
            .collect()
    };
    let orders: Vec<Value> = exchange
        .orders()
        .map(|o| {
            json!({"client_order_id": o.client_id, "venue_order_id": o.id,
                "symbol": o.symbol.as_str(), "side": side(o.side), "type": order_type(o),
                "time_in_force": o.tif().wire(), "quantity": plain(o.quantity),
                "price": o.limit().map(plain), "status": o.status.wire(),
                "executed": plain(o.executed), "quote": plain(o.executed_quote),
                "minute": o.minute, "time": o.time, "trades": trades(o)})
        })
        .collect();
    let balances: Vec<Value> = exchange
        .balances()
        .iter()
        .map(|b| json!({"asset": b.asset, "free": plain(b.free), "locked": plain(b.locked)}))
        .collect();
    json!({"orders": orders, "balances": balances})
}
