//! The begin and the end of a walk: nothing of it stays at the venue, as far as that is possible.

use super::check::{Check, Outcome, Stop, differs};
use super::orders::amount;
use super::walk::Walk;
use crate::binance::map;
use crate::binance::sign::Query;
use everwarm_domain::id::ClientOrderId;
use everwarm_domain::money::{Decimal, floor_to_step};
use everwarm_domain::order::Side;
use everwarm_venue::transport::Method;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Rounds of cancelling before open orders are reported.
const ROUNDS: u32 = 3;
/// Wall time between two rounds.
const WAIT: Duration = Duration::from_millis(250);
/// Past orders that are looked at.
const PAST: u32 = 500;

/// The id of an order of a walk: this one or another.
fn own_id(order: &Value) -> Option<&str> {
    let id = order.get("clientOrderId").and_then(Value::as_str)?;
    id.starts_with(ClientOrderId::CONFORMANCE_PREFIX).then_some(id)
}

/// The number of the walk in the id of an order.
fn walk_of(id: &str) -> &str {
    let rest = id.strip_prefix(ClientOrderId::CONFORMANCE_PREFIX).unwrap_or(id);
    rest.split('-').next().unwrap_or_default()
}

/// Open orders of walks: symbol and id. None of other clients.
async fn open(walk: &mut Walk, query: &Query) -> Result<Vec<(String, String)>, Stop> {
    let answer = walk.signed(Method::Get, "/api/v3/openOrders", query.clone()).await?;
    let body = answer.good()?;
    let rows = body.as_array().cloned().unwrap_or_default();
    let row = |order: &Value| {
        let symbol = order.get("symbol").and_then(Value::as_str)?;
        Some((symbol.to_owned(), own_id(order)?.to_owned()))
    };
    Ok(rows.iter().filter_map(row).collect())
}

/// Cancels the open orders of walks. Returns how many there were, and which are left.
async fn cancelled(walk: &mut Walk, query: &Query) -> Result<(usize, Vec<(String, String)>), Stop> {
    let mut left = open(walk, query).await?;
    let found = left.len();
    for _ in 0..ROUNDS {
        if left.is_empty() {
            break;
        }
        for (symbol, id) in left {
            let query = Query::new().with("symbol", symbol).with("origClientOrderId", id);
            // The orders of a list end together. Whether one is left shows below.
            drop(walk.signed(Method::Delete, "/api/v3/order", query).await?);
        }
        left = open(walk, query).await?;
        if !left.is_empty() {
            walk.wire.pause(WAIT).await;
        }
    }
    Ok((found, left))
}

/// A number of open orders as text.
fn counted(orders: usize) -> String {
    if orders == 1 { "1 open order".to_owned() } else { format!("{orders} open orders") }
}

/// Names orders.
fn names(orders: &[(String, String)]) -> String {
    let names: Vec<String> =
        orders.iter().map(|(symbol, id)| format!("{id} of {symbol}")).collect();
    names.join(", ")
}

/// Cancels what a killed walk left, and says what it may have left.
pub(super) async fn begin(walk: &mut Walk) -> Outcome {
    let (found, left) = cancelled(walk, &Query::new()).await?;
    if !left.is_empty() {
        return Err(differs("the open orders of earlier walks", "none", names(&left)));
    }
    let query = Query::new().with("symbol", walk.symbol).with("limit", PAST);
    let body = walk.signed(Method::Get, "/api/v3/allOrders", query).await?.good()?;
    let price = walk.last().await?;
    let mut held: BTreeMap<String, Decimal> = BTreeMap::new();
    for order in body.as_array().into_iter().flatten() {
        let Some(id) = own_id(order).filter(|id| walk_of(id) != walk.head.walk) else { continue };
        let executed = amount(order, "executedQty");
        let bought = order.get("side").and_then(Value::as_str) == Some("BUY");
        let net = held.entry(walk_of(id).to_owned()).or_default();
        *net += if bought { executed } else { -executed };
    }
    let least = walk.rules()?.min_notional;
    let base = walk.rules()?.base;
    let mut sentences = Vec::new();
    for (of, net) in held.iter().filter(|(_, net)| **net * price >= least) {
        let net = net.normalize();
        sentences.push(format!("An earlier run ({of}) did not end: it may hold {net} {base}."));
    }
    let held = sentences.len();
    walk.left.extend(sentences);
    Ok(match (found, held) {
        (0, 0) => "nothing is left of earlier runs".to_owned(),
        (_, _) => format!("{} of earlier runs cancelled", counted(found)),
    })
}

/// Cancels the open orders of this walk.
pub(super) async fn cancel(walk: &mut Walk) -> Outcome {
    let query = Query::new().with("symbol", walk.symbol);
    let (found, left) = cancelled(walk, &query).await?;
    if left.is_empty() {
        return Ok(format!("{} cancelled, none is left", counted(found)));
    }
    let left = names(&left);
    walk.left.push(format!("These orders are still open: {left}."));
    Err(differs("the open orders of this run", "none", left))
}

/// What this walk has bought and not sold, from the trades of its orders.
async fn net(walk: &mut Walk, base: &str) -> Result<Decimal, Stop> {
    let mut seen = BTreeSet::new();
    let mut net = Decimal::ZERO;
    for sent in walk.orders.clone() {
        if !seen.insert(sent.id.clone()) {
            continue;
        }
        let answer = walk.query(&sent.id).await?;
        if answer.code() == -2013 {
            continue;
        }
        let order = answer.good()?;
        if amount(&order, "executedQty").is_zero() {
            continue;
        }
        let id = order.get("orderId").and_then(Value::as_i64).unwrap_or_default();
        let query = Query::new().with("symbol", walk.symbol).with("orderId", id);
        let trades = walk.signed(Method::Get, "/api/v3/myTrades", query).await?.good()?;
        for trade in trades.as_array().into_iter().flatten() {
            let quantity = amount(trade, "qty");
            net += match sent.side {
                Side::Buy => quantity,
                Side::Sell => -quantity,
            };
            if trade.get("commissionAsset").and_then(Value::as_str) == Some(base) {
                net -= amount(trade, "commission");
            }
        }
    }
    Ok(net)
}

/// Sells what this walk has bought.
pub(super) async fn sell(walk: &mut Walk) -> Outcome {
    if walk.orders.is_empty() {
        return Ok("no order was sent".to_owned());
    }
    let rules = walk.rules()?;
    let base = rules.base.clone();
    let held = net(walk, &base).await?;
    let step = rules.lot_size.max(rules.market_lot_size);
    let quantity = floor_to_step(held.max(Decimal::ZERO), step);
    let price = walk.last().await?;
    if quantity < rules.min_quantity || quantity * price < rules.min_notional {
        let held = held.normalize();
        walk.left.push(format!("The account keeps {held} {base}: the filters allow no such sale."));
        return Ok(format!("{held} {base} cannot be sold"));
    }
    let id = walk.id();
    let query = |query: Query| {
        let query = query.with("type", "MARKET").with("quantity", map::plain(quantity));
        query.with("newOrderRespType", "FULL")
    };
    let body = walk.place(&id, Side::Sell, query).await?.good();
    let kept = |why: &str| format!("The account keeps {} {base}: {why}.", held.normalize());
    let body = match body {
        Ok(body) => body,
        Err(why) => {
            walk.left.push(kept("the sale was refused"));
            return Err(why);
        }
    };
    let mut check = Check::new();
    check.text("the response", &body, "status", "FILLED");
    check.amount("the response", &body, "executedQty", quantity);
    let came = format!("{} {base} sold", quantity.normalize());
    check.end(came)
}

/// Notes that the end failed, and what to do.
pub(super) fn unfinished(walk: &mut Walk) {
    if !walk.orders.is_empty() {
        let sentence = "The end of the run failed. Run it again: it cancels what is open.";
        walk.left.push(sentence.to_owned());
    }
}
