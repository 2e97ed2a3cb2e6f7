//! The begin and the end of a walk: nothing of it stays at the venue, as far as that is possible.

use super::walk::{Terms, Walk, amount};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Side;
use everwarm_venue::conformance::check::{Check, Outcome, Stop};
use everwarm_venue::conformance::ends::{Open, cancel_earlier, is_own, say_earlier, signed};
use everwarm_venue::conformance::walk::{Base, Walker};
use serde_json::Value;
use std::collections::BTreeSet;

impl Walker for Walk {
    fn base(&mut self) -> &mut Base {
        &mut self.base
    }

    async fn open_orders(&mut self, everywhere: bool) -> Result<Vec<Open>, Stop> {
        let body = self.orders("open", everywhere).await?;
        let row = |order: &Value| {
            let text = |name: &str| order.get(name).and_then(Value::as_str).map(str::to_owned);
            let (id, venue_id) = (text("client_order_id")?, text("id")?);
            is_own(&id).then_some(Open { symbol: text("symbol")?, id, venue_id })
        };
        Ok(body.as_array().into_iter().flatten().filter_map(row).collect())
    }

    async fn cancel_open(&mut self, order: &Open) -> Result<(), Stop> {
        self.cancel(&order.venue_id).await.map(drop)
    }
}

/// Cancels what a killed walk left, and says what it may have left.
pub(super) async fn begin(walk: &mut Walk) -> Outcome {
    let found = cancel_earlier(walk).await?;
    let body = walk.orders("closed", false).await?;
    let order = |order: &Value| {
        let id = order.get("client_order_id").and_then(Value::as_str)?.to_owned();
        let bought = order.get("side").and_then(Value::as_str) == Some("buy");
        Some((id, if bought { Side::Buy } else { Side::Sell }, amount(order, "filled_qty")))
    };
    let orders = body.as_array().into_iter().flatten().filter_map(order);
    let symbol = walk.base.symbol;
    Ok(say_earlier(&mut walk.base, found, orders, (Decimal::ONE, symbol.as_str())))
}

/// What this walk has bought and not sold.
async fn net(walk: &mut Walk) -> Result<Decimal, Stop> {
    let mut net = Decimal::ZERO;
    let mut seen = BTreeSet::new();
    for sent in walk.base.orders.clone() {
        let answer = walk.query(&sent.id).await?;
        if seen.insert(sent.id) && answer.http.status != 404 {
            net += signed(sent.side, amount(&answer.good()?, "filled_qty"));
        }
    }
    Ok(net)
}

/// Sells what this walk has bought.
pub(super) async fn sell(walk: &mut Walk) -> Outcome {
    if walk.base.orders.is_empty() {
        return Ok("no order was sent".to_owned());
    }
    let (held, symbol) = (net(walk).await?.normalize(), walk.base.symbol);
    if held <= Decimal::ZERO {
        return Ok("no share is held".to_owned());
    }
    let kept = |why: &str| format!("The account keeps {held} {symbol}: {why}.");
    if !walk.clock().await?.is_open {
        walk.base.left.push(kept("the market is closed"));
        return Ok(format!("{held} {symbol} cannot be sold: market closed"));
    }
    let (id, quantity) = (walk.base.id(), held.to_string());
    let answer = walk.place_with(&id, &Terms::market(Side::Sell), &[("qty", &quantity)]).await?;
    if let Err(why) = answer.good() {
        walk.base.left.push(kept("the sale was refused"));
        return Err(why);
    }
    let body = walk.query_until(&id, "filled").await?;
    let mut check = Check::new();
    check.text("the sale", &body, "status", "filled");
    check.end(format!("{quantity} {symbol} sold"))
}
