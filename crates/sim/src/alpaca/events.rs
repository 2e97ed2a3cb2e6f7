//! The messages about orders of the account.

use super::{ids, number, orders, times};
use crate::exchange::fact::{Accepted, Replaced, Traded};
use crate::exchange::{Exchange, Order, SimFact, Status};
use crate::server::protocol::UserEvent;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Side;
use everwarm_domain::time::UtcMs;
use serde_json::json;

/// The name by which faults find the messages.
const NAME: &str = "executionReport";

/// The messages that follow from the facts of one input, in order. `exchange` is the books after
/// them. An order whose request is refused has no message.
#[must_use]
pub fn events(exchange: &Exchange, facts: &[SimFact]) -> Vec<UserEvent> {
    let mut messages = Vec::new();
    for (i, fact) in facts.iter().enumerate() {
        for change in ended(exchange, fact).into_iter().chain(change(exchange, fact)) {
            let later = &facts[i + 1..];
            let position = change.fill.map(|fill| position_after(exchange, fill, later));
            messages.push(message(exchange, &change, position));
        }
    }
    messages
}

/// A change of an order, and the order after it.
struct Change<'a> {
    event: &'static str,
    order: Order,
    execution: u64,
    at: UtcMs,
    fill: Option<&'a Traded>,
}

/// The end of the order whose place another one took. Its message comes before that of the other.
fn ended(exchange: &Exchange, fact: &SimFact) -> Option<Change<'static>> {
    let SimFact::Replaced(Replaced { order, execution, by }) = fact else { return None };
    let order = exchange.order(*order)?.clone();
    let execution = *execution;
    Some(Change { event: "replaced", order, execution, at: by.at, fill: None })
}

/// The message about an order that entered the books. What waits for its entry has none.
fn entered(exchange: &Exchange, accepted: &Accepted) -> Option<Change<'static>> {
    let Accepted { order, execution, at, pending, .. } = accepted;
    let order = exchange.order(*order).filter(|_| !pending)?;
    let order = orders::accepted(exchange, order);
    Some(Change { event: "new", order, execution: *execution, at: *at, fill: None })
}

fn change<'a>(exchange: &Exchange, fact: &'a SimFact) -> Option<Change<'a>> {
    let order = |id: &u64| exchange.order(*id);
    Some(match fact {
        SimFact::Accepted(accepted) => return entered(exchange, accepted),
        SimFact::Replaced(replaced) => return entered(exchange, &replaced.by),
        SimFact::Activated { order: id, execution, at } => {
            let order = orders::activated(order(id)?, *at);
            Change { event: "new", order, execution: *execution, at: *at, fill: None }
        }
        SimFact::Traded(traded) => {
            let order = order(&traded.order)?;
            let whole = traded.executed >= order.quantity;
            let order = Order {
                status: if whole { Status::Filled } else { Status::PartiallyFilled },
                executed: traded.executed,
                executed_quote: traded.executed_quote,
                updated: traded.at,
                ..order.clone()
            };
            let event = if whole { "fill" } else { "partial_fill" };
            let (execution, at) = (traded.execution, traded.at);
            Change { event, order, execution, at, fill: Some(traded) }
        }
        SimFact::Cancelled { order: id, execution, at, .. }
        | SimFact::Expired { order: id, execution, at } => {
            let order = order(id)?.clone();
            let event = if orders::has_expired(&order) { "expired" } else { "canceled" };
            Change { event, order, execution: *execution, at: *at, fill: None }
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
        | SimFact::Upgraded { .. }
        | SimFact::Rejected { .. }
        | SimFact::Listed(_)
        | SimFact::Triggered { .. }
        | SimFact::Trailed { .. }
        | SimFact::Queued { .. } => return None,
    })
}

/// The shares held after a fill: those of the books, without the fills of `later`.
fn position_after(exchange: &Exchange, fill: &Traded, later: &[SimFact]) -> Decimal {
    let base = exchange.instrument(fill.symbol).map(|rules| exchange.purse(&rules.base));
    let held = base.map(|purse| purse.free + purse.locked).unwrap_or_default();
    let signed = |fact: &SimFact| {
        let SimFact::Traded(traded) = fact else { return None };
        let order = exchange.order(traded.order).filter(|_| traded.symbol == fill.symbol)?;
        Some(match order.side {
            Side::Buy => traded.quantity,
            Side::Sell => -traded.quantity,
        })
    };
    held - later.iter().filter_map(signed).sum::<Decimal>()
}

fn message(exchange: &Exchange, change: &Change<'_>, position: Option<Decimal>) -> UserEvent {
    let Change { event, order, execution, at, fill } = change;
    let mut data = json!({
        "event": event, "execution_id": ids::execution(*execution), "timestamp": times::utc(*at),
        "order": orders::json(exchange, order, None),
    });
    if let Some(fill) = fill {
        data["price"] = number(fill.price).into();
        data["qty"] = number(fill.quantity).into();
        data["position_qty"] = number(position.unwrap_or_default()).into();
    }
    UserEvent {
        name: NAME.to_owned(),
        text: json!({"stream": "trade_updates", "data": data}).to_string(),
        order: Some((order.symbol.as_str().to_owned(), order.id)),
    }
}
