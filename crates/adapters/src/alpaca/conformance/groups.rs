//! Steps with orders that follow the market, depend on each other, or take the place of others.
//! None of them fills.

use super::orders::{LOW, cancelled};
use super::walk::{Host, Placed, Terms, Walk};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Side;
use everwarm_venue::conformance::check::{Check, Outcome, Stop};
use serde_json::{Value, json};
use std::time::Duration;

/// The price of an order in the place of another one, and the prices of legs, in thousandths of the
/// last price.
const LOWER: i64 = 690;
const PROFIT: i64 = 1_300;
const LOSS: i64 = 600;
/// How far a stop stays away from the market, per cent.
const TRAIL: i64 = 30;
/// Queries until the venue shows what it did, and the wait between two.
const TRIES: u32 = 20;
const WAIT: Duration = Duration::from_millis(250);
/// The responses that have an order.
const PLACED: &str = "the response to POST /v2/orders";
const REPLACED: &str = "the response to PATCH /v2/orders";

fn venue_id(order: &Value) -> String {
    order.get("id").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn price(price: Decimal) -> Value {
    price.normalize().to_string().into()
}

pub(super) async fn trailing(walk: &mut Walk) -> Outcome {
    walk.clock().await?;
    let (kind, lifetime) = ("trailing_stop", "gtc");
    let terms = Terms { side: Side::Buy, kind, lifetime, limit: None, stop: None };
    let (id, mark) = (walk.base.id(), walk.base.mark());
    let trail = Decimal::from(TRAIL);
    let answer = walk.place_as(&id, &terms, &[("trail_percent", price(trail))]).await?;
    let (mut check, body) = (Check::new(), answer.good()?);
    check.text(PLACED, &body, "client_order_id", &id);
    check.text(PLACED, &body, "type", kind);
    check.amount(PLACED, &body, "trail_percent", trail);
    walk.reports(mark, (&id, &["new"]), &mut check).await?;
    let now = walk.query(&id).await?.good()?;
    // The best price begins with the first trade that the order sees.
    if walk.is_open {
        for name in ["hwm", "stop_price"] {
            check.decimal("the query", &now, name);
        }
    }
    let placed = Placed { id, venue_id: venue_id(&body) };
    cancelled(walk, &placed, &mut check).await?;
    check.end(format!("1 at {TRAIL} % from the market waits, then it is canceled"))
}

pub(super) async fn replace(walk: &mut Walk) -> Outcome {
    // The venue refuses to replace an order that waits for the next session.
    walk.needs_open().await?;
    let (before, after) = (walk.level(LOW).await?, walk.level(LOWER).await?);
    let (id, mark) = (walk.base.id(), walk.base.mark());
    let mut check = Check::new();
    let old = walk.place(&id, &Terms::limit(before), &mut check).await?;
    walk.reports(mark, (&id, &["new"]), &mut check).await?;
    let (next, mark) = (walk.base.id(), walk.base.mark());
    let body = walk.replace(&old, (&next, after)).await?.good()?;
    check.text(REPLACED, &body, "client_order_id", &next);
    check.text(REPLACED, &body, "replaces", &old.venue_id);
    check.amount(REPLACED, &body, "limit_price", after);
    let new = Placed { id: next, venue_id: venue_id(&body) };
    let another = new.venue_id != old.venue_id;
    check.holds(another, format!("\"id\" of {REPLACED}"), "another one", &new.venue_id);
    walk.reports(mark, (&id, &["replaced"]), &mut check).await?;
    walk.reports(mark, (&new.id, &["new"]), &mut check).await?;
    let former = walk.query_until(&id, "replaced").await?;
    check.text("the replaced order", &former, "status", "replaced");
    check.text("the replaced order", &former, "replaced_by", &new.venue_id);
    cancelled(walk, &new, &mut check).await?;
    check.end("it goes on under another id, then it is canceled")
}

/// The legs of an order.
async fn legs(walk: &mut Walk, order: &Placed) -> Result<Vec<Value>, Stop> {
    let path = format!("/v2/orders/{}", order.venue_id);
    let body = walk.get(Host::Trading, &path, &[("nested", "true")]).await?.good()?;
    Ok(body.get("legs").and_then(Value::as_array).cloned().unwrap_or_default())
}

/// Places a purchase with orders that wait for it, and cancels it.
async fn group(walk: &mut Walk, class: &str, with_profit: bool) -> Outcome {
    walk.clock().await?;
    let terms = Terms::limit(walk.level(LOW).await?);
    let (profit, loss) = (walk.level(PROFIT).await?, walk.level(LOSS).await?);
    let mut more = vec![("order_class", Value::from(class))];
    more.push(("stop_loss", json!({"stop_price": price(loss)})));
    if with_profit {
        more.push(("take_profit", json!({"limit_price": price(profit)})));
    }
    let expected = more.len() - 1;
    let (id, mark) = (walk.base.id(), walk.base.mark());
    let (mut check, body) = (Check::new(), walk.place_as(&id, &terms, &more).await?.good()?);
    check.text(PLACED, &body, "client_order_id", &id);
    check.text(PLACED, &body, "order_class", class);
    let placed = Placed { id, venue_id: venue_id(&body) };
    walk.reports(mark, (&placed.id, &["new"]), &mut check).await?;
    let held = legs(walk, &placed).await?;
    check.same("the number of legs", expected, held.len());
    for leg in &held {
        check.text("a leg", leg, "status", "held");
        check.text("a leg", leg, "side", "sell");
    }
    cancelled(walk, &placed, &mut check).await?;
    let mut left = legs(walk, &placed).await?;
    let is_over = |leg: &Value| leg.get("status").and_then(Value::as_str) == Some("canceled");
    for _ in 1..TRIES {
        if left.iter().all(is_over) {
            break;
        }
        walk.base.wire.pause(WAIT).await;
        left = legs(walk, &placed).await?;
    }
    for leg in &left {
        check.text("a leg of the canceled entry", leg, "status", "canceled");
    }
    check.end(format!("{expected} held with the entry, then all are canceled"))
}

pub(super) async fn bracket(walk: &mut Walk) -> Outcome {
    group(walk, "bracket", true).await
}

pub(super) async fn oto(walk: &mut Walk) -> Outcome {
    group(walk, "oto", false).await
}
