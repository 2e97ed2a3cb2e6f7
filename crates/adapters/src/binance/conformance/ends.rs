//! The begin and the end of a walk: nothing of it stays at the venue, as far as that is possible.

use super::orders::amount;
use super::walk::Walk;
use crate::binance::map;
use crate::binance::sign::Query;
use everwarm_domain::money::{Decimal, floor_to_step};
use everwarm_domain::order::Side;
use everwarm_venue::conformance::check::{Check, Outcome, Stop};
use everwarm_venue::conformance::ends::{Open, cancel_earlier, is_own, say_earlier, signed};
use everwarm_venue::conformance::walk::{Base, Walker};
use everwarm_venue::transport::Method;
use serde_json::Value;
use std::collections::BTreeSet;

/// Past orders that are looked at.
const PAST: u32 = 500;

impl Walker for Walk {
    fn base(&mut self) -> &mut Base {
        &mut self.base
    }

    async fn open_orders(&mut self, everywhere: bool) -> Result<Vec<Open>, Stop> {
        let symbol = (!everywhere).then_some(self.base.symbol);
        let query = Query::new().with_some("symbol", symbol);
        let body = self.signed(Method::Get, "/api/v3/openOrders", query).await?.good()?;
        let row = |order: &Value| {
            let symbol = order.get("symbol").and_then(Value::as_str)?.to_owned();
            let id = order.get("clientOrderId").and_then(Value::as_str)?.to_owned();
            let venue_id = order.get("orderId").and_then(Value::as_i64)?.to_string();
            is_own(&id).then_some(Open { symbol, id, venue_id })
        };
        Ok(body.as_array().into_iter().flatten().filter_map(row).collect())
    }

    async fn cancel_open(&mut self, order: &Open) -> Result<(), Stop> {
        let query = Query::new().with("symbol", &order.symbol);
        let query = query.with("origClientOrderId", &order.id);
        // The orders of a list end together, so one of them may have ended.
        self.signed(Method::Delete, "/api/v3/order", query).await.map(drop)
    }
}

/// Cancels what a killed walk left, and says what it may have left.
pub(super) async fn begin(walk: &mut Walk) -> Outcome {
    let found = cancel_earlier(walk).await?;
    let query = Query::new().with("symbol", walk.base.symbol).with("limit", PAST);
    let body = walk.signed(Method::Get, "/api/v3/allOrders", query).await?.good()?;
    let price = walk.last().await?;
    let rules = walk.rules()?;
    let least = rules.min_notional.checked_div(price).unwrap_or_default();
    let order = |order: &Value| {
        let id = order.get("clientOrderId").and_then(Value::as_str)?.to_owned();
        let bought = order.get("side").and_then(Value::as_str) == Some("BUY");
        let side = if bought { Side::Buy } else { Side::Sell };
        Some((id, side, amount(order, "executedQty")))
    };
    let orders = body.as_array().into_iter().flatten().filter_map(order);
    Ok(say_earlier(&mut walk.base, found, orders, (least, &rules.base)))
}

/// What this walk has bought and not sold, from the trades of its orders.
async fn net(walk: &mut Walk, base: &str) -> Result<Decimal, Stop> {
    let mut seen = BTreeSet::new();
    let mut net = Decimal::ZERO;
    for sent in walk.base.orders.clone() {
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
        let query = Query::new().with("symbol", walk.base.symbol).with("orderId", id);
        let trades = walk.signed(Method::Get, "/api/v3/myTrades", query).await?.good()?;
        for trade in trades.as_array().into_iter().flatten() {
            net += signed(sent.side, amount(trade, "qty"));
            if trade.get("commissionAsset").and_then(Value::as_str) == Some(base) {
                net -= amount(trade, "commission");
            }
        }
    }
    Ok(net)
}

/// Sells what this walk has bought.
pub(super) async fn sell(walk: &mut Walk) -> Outcome {
    if walk.base.orders.is_empty() {
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
        walk.base
            .left
            .push(format!("The account keeps {held} {base}: the filters allow no such sale."));
        return Ok(format!("{held} {base} cannot be sold"));
    }
    let id = walk.base.id();
    let query = |query: Query| {
        let query = query.with("type", "MARKET").with("quantity", map::plain(quantity));
        query.with("newOrderRespType", "FULL")
    };
    let body = walk.place(&id, Side::Sell, query).await?.good();
    let kept = |why: &str| format!("The account keeps {} {base}: {why}.", held.normalize());
    let body = match body {
        Ok(body) => body,
        Err(why) => {
            walk.base.left.push(kept("the sale was refused"));
            return Err(why);
        }
    };
    let mut check = Check::new();
    check.text("the response", &body, "status", "FILLED");
    check.amount("the response", &body, "executedQty", quantity);
    let came = format!("{} {base} sold", quantity.normalize());
    check.end(came)
}
