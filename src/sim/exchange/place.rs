//! What becomes of a request for an order, or to cancel one: the complete outcome at once.

use super::draw::{Draw, Purpose};
use super::fact::{
    Accepted, Amount, Cancel, NewOrder, OrderKind, SimFact, Target, TimeInForce, Traded,
};
use super::filters::{self, Refusal};
use super::matching::{Fill, ladder};
use super::state::{Exchange, Order, Status};
use crate::domain::instrument::Instrument;
use crate::domain::money::{Decimal, floor_to_step};
use crate::domain::order::Side;
use crate::domain::time::UtcMs;

const LATE: (i32, &str) = (-1021, "Timestamp for this request is outside of the recvWindow.");
const EMPTY_BOOK: &str = "Order book liquidity is less than `LOT_SIZE` filter minimum quantity.";

fn refusal(code: i32, text: &str) -> Refusal {
    (code, text.to_owned())
}

/// What follows from a request for an order.
#[must_use]
pub fn place(exchange: &Exchange, order: &NewOrder) -> Vec<SimFact> {
    match admit(exchange, order) {
        Ok(said) => said,
        Err((code, msg)) => vec![SimFact::Rejected { code, msg }],
    }
}

fn admit(exchange: &Exchange, order: &NewOrder) -> Result<Vec<SimFact>, Refusal> {
    in_time(exchange, order.deadline)?;
    let rules =
        exchange.instrument(order.symbol).ok_or_else(|| refusal(-1121, "Invalid symbol."))?;
    if !rules.trading {
        return Err(refusal(-2010, "Market is closed."));
    }
    filters::check(exchange, rules, order)?;
    let id = exchange.orders().len() as u64 + 1;
    let client_id = order.client_id.clone().unwrap_or_else(|| made_up(exchange, order, id));
    let known = exchange.newest(order.symbol, &client_id);
    if known.is_some_and(|o| o.status.is_open()) {
        return Err(refusal(-2010, "Duplicate order sent."));
    }
    let levels = levels(exchange, rules, order, &client_id)?;
    let quantity = quantity(order, &levels);
    funds(exchange, rules, order, &levels)?;
    let accepted = Accepted {
        order: id,
        client_id,
        symbol: order.symbol,
        side: order.side,
        kind: order.kind,
        quantity,
        execution: exchange.executions + 1,
        at: exchange.now(),
    };
    Ok(outcome(exchange, rules, accepted, &levels))
}

fn in_time(exchange: &Exchange, deadline: UtcMs) -> Result<(), Refusal> {
    if exchange.now() > deadline { Err(refusal(LATE.0, LATE.1)) } else { Ok(()) }
}

/// An id for a client that gave none.
fn made_up(exchange: &Exchange, order: &NewOrder, id: u64) -> String {
    let number = id.to_string();
    let draw = Draw { seed: exchange.seed, symbol: order.symbol, minute: 0, client_id: &number };
    format!("sim{:016x}", draw.number(Purpose::Name))
}

/// What the order can have at once: prices, worst last, with the quantity at each.
fn levels(
    exchange: &Exchange,
    rules: &Instrument,
    order: &NewOrder,
    client_id: &str,
) -> Result<Vec<(Decimal, Decimal)>, Refusal> {
    let Some(tape) = exchange.tape(order.symbol) else {
        return match order.kind {
            OrderKind::Limit { .. } => Ok(Vec::new()),
            OrderKind::Market(_) => Err(refusal(-2010, EMPTY_BOOK)),
        };
    };
    let minute = exchange.last_close();
    let draw = Draw { seed: exchange.seed, symbol: order.symbol, minute, client_id };
    let all = |quantity| ladder(tape, rules, order.side, quantity, &draw);
    match order.kind {
        OrderKind::Market(Amount::Base(quantity)) => Ok(all(quantity)),
        OrderKind::Market(Amount::Quote(amount)) => {
            let about = floor_to_step(amount / tape.last, rules.lot_size);
            let levels = spend(rules, order.side, amount, all(about));
            let quantity = levels.iter().map(|l| l.1).sum();
            filters::check_quantity(exchange, rules, order.side, quantity)?;
            Ok(levels)
        }
        OrderKind::Limit { quantity, price, tif } => {
            let mut levels = all(quantity);
            levels.retain(|(at, _)| match order.side {
                Side::Buy => *at <= price,
                Side::Sell => *at >= price,
            });
            let part = levels.iter().map(|l| l.1).sum::<Decimal>() < quantity;
            if part && tif == TimeInForce::Fok {
                levels.clear();
            }
            Ok(levels)
        }
    }
}

/// Cuts a ladder to what an amount in quote units pays for, or brings in.
fn spend(
    rules: &Instrument,
    side: Side,
    amount: Decimal,
    levels: Vec<(Decimal, Decimal)>,
) -> Vec<(Decimal, Decimal)> {
    let mut left = amount;
    let count = levels.len();
    let mut kept = Vec::new();
    for (i, (price, wanted)) in levels.into_iter().enumerate() {
        let affordable = floor_to_step(left / price, rules.lot_size);
        let last_of_sale = side == Side::Sell && i + 1 == count;
        let quantity = if last_of_sale { affordable } else { wanted.min(affordable) };
        if quantity > Decimal::ZERO {
            left -= price * quantity;
            kept.push((price, quantity));
        }
    }
    kept
}

fn quantity(order: &NewOrder, levels: &[(Decimal, Decimal)]) -> Decimal {
    match order.kind {
        OrderKind::Market(Amount::Base(quantity)) | OrderKind::Limit { quantity, .. } => {
            quantity.normalize()
        }
        OrderKind::Market(Amount::Quote(_)) => {
            levels.iter().map(|l| l.1).sum::<Decimal>().normalize()
        }
    }
}

/// Whether the account can pay: a limit order its whole limit, a market order what it will cost.
fn funds(
    exchange: &Exchange,
    rules: &Instrument,
    order: &NewOrder,
    levels: &[(Decimal, Decimal)],
) -> Result<(), Refusal> {
    let (asset, needed) = match (order.side, order.kind) {
        (Side::Buy, OrderKind::Limit { quantity, price, .. }) => (&rules.quote, price * quantity),
        (Side::Buy, OrderKind::Market(_)) => {
            (&rules.quote, levels.iter().map(|(p, q)| p * q).sum())
        }
        (Side::Sell, OrderKind::Market(Amount::Quote(_))) => {
            (&rules.base, levels.iter().map(|l| l.1).sum())
        }
        (
            Side::Sell,
            OrderKind::Limit { quantity, .. } | OrderKind::Market(Amount::Base(quantity)),
        ) => (&rules.base, quantity),
    };
    if exchange.purse(asset).free < needed {
        return Err(refusal(-2010, "Account has insufficient balance for requested action."));
    }
    Ok(())
}

fn outcome(
    exchange: &Exchange,
    rules: &Instrument,
    accepted: Accepted,
    levels: &[(Decimal, Decimal)],
) -> Vec<SimFact> {
    let order = Order {
        id: accepted.order,
        client_id: accepted.client_id.clone(),
        symbol: accepted.symbol,
        side: accepted.side,
        kind: accepted.kind,
        quantity: accepted.quantity,
        status: Status::New,
        executed: Decimal::ZERO,
        executed_quote: Decimal::ZERO,
        time: accepted.at,
        updated: accepted.at,
        minute: exchange.last_close(),
        trades: Vec::new(),
    };
    let (mut execution, at) = (accepted.execution, accepted.at);
    let mut said = vec![SimFact::Accepted(accepted)];
    let mut filled = (Decimal::ZERO, Decimal::ZERO);
    let mut trade = exchange.trades(order.symbol).len() as u64;
    for (price, quantity) in levels {
        (trade, execution) = (trade + 1, execution + 1);
        let fill = Fill { price: *price, quantity: *quantity, maker: false, at };
        let traded: Traded = fill.fact(rules, &order, filled, trade, execution);
        filled = (traded.executed, traded.executed_quote);
        said.push(SimFact::Traded(traded));
    }
    let keeps = matches!(order.kind, OrderKind::Limit { tif: TimeInForce::Gtc, .. });
    if filled.0 < order.quantity && !keeps {
        said.push(SimFact::Expired { order: order.id, execution: execution + 1, at });
    }
    said
}

/// What follows from a request to cancel.
#[must_use]
pub fn cancel(exchange: &Exchange, cancel: &Cancel) -> Vec<SimFact> {
    match cancelled(exchange, cancel) {
        Ok(fact) => vec![fact],
        Err((code, msg)) => vec![SimFact::Rejected { code, msg }],
    }
}

fn cancelled(exchange: &Exchange, cancel: &Cancel) -> Result<SimFact, Refusal> {
    in_time(exchange, cancel.deadline)?;
    let order = cancellable(exchange, &cancel.target)?;
    let execution = exchange.executions + 1;
    let made_up = || {
        let number = execution.to_string();
        let minute = 0;
        let draw = Draw { seed: exchange.seed, symbol: order.symbol, minute, client_id: &number };
        format!("cxl{:016x}", draw.number(Purpose::Name))
    };
    let cancel_id = cancel.cancel_id.clone().unwrap_or_else(made_up);
    Ok(SimFact::Cancelled { order: order.id, cancel_id, execution, at: exchange.now() })
}

fn cancellable<'a>(exchange: &'a Exchange, target: &Target) -> Result<&'a Order, Refusal> {
    let unknown = || refusal(-2011, "Unknown order sent.");
    let order = exchange.find(target).map_err(|(code, text)| match code {
        -2039 => refusal(code, text),
        _ => unknown(),
    })?;
    if order.status.is_open() { Ok(order) } else { Err(unknown()) }
}
