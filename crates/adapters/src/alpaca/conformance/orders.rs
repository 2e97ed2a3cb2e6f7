//! Steps with orders at a limit and at the market: their events, queries and cancels.

use super::account::position;
use super::walk::{Host, Placed, Terms, Walk, amount, time};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Side;
use everwarm_venue::conformance::check::{Check, Outcome, Stop, differs, field, not_tried};
use serde_json::Value;
use std::time::Duration;

/// The price of a purchase that must rest, in thousandths of the last price.
pub(super) const LOW: i64 = 700;
/// Queries until the records have a fill, and the wait between two.
const TRIES: u32 = 20;
const WAIT: Duration = Duration::from_millis(250);

/// The order, or that there is none.
fn known(order: Option<&Placed>, what: &str) -> Result<Placed, Stop> {
    order.cloned().ok_or_else(|| not_tried(format!("no order {what}")))
}

pub(super) async fn limit(walk: &mut Walk) -> Outcome {
    walk.clock().await?;
    let price = walk.level(LOW).await?;
    let (id, mark) = (walk.base.id(), walk.base.mark());
    let mut check = Check::new();
    let placed = walk.place(&id, &Terms::limit(price), &mut check).await?;
    walk.resting = Some(placed);
    walk.reports(mark, (&id, &["new"]), &mut check).await?;
    check.end(format!("1 at {} rests", price.normalize()))
}

/// Compares the ids of the order that was found.
fn same_order(body: &Value, Placed { id, venue_id }: &Placed) -> Outcome {
    let mut check = Check::new();
    check.text("the order", body, "client_order_id", id);
    check.text("the order", body, "id", venue_id);
    check.end(format!("it is {}", field(body, "status")))
}

pub(super) async fn query_client(walk: &mut Walk) -> Outcome {
    let order = known(walk.resting.as_ref(), "rests")?;
    same_order(&walk.query(&order.id).await?.good()?, &order)
}

pub(super) async fn query_id(walk: &mut Walk) -> Outcome {
    let order = known(walk.resting.as_ref(), "rests")?;
    let path = format!("/v2/orders/{}", order.venue_id);
    same_order(&walk.get(Host::Trading, &path, &[]).await?.good()?, &order)
}

pub(super) async fn open_orders(walk: &mut Walk) -> Outcome {
    let Placed { id, venue_id } = known(walk.resting.as_ref(), "rests")?;
    let body = walk.orders("open", false).await?;
    let is_it = |row: &&Value| row.get("client_order_id").and_then(Value::as_str) == Some(&id);
    let Some(row) = body.as_array().into_iter().flatten().find(is_it) else {
        return Err(differs(format!("order {id} in GET /v2/orders"), "present", "missing"));
    };
    let mut check = Check::new();
    check.text("the row of our order", row, "id", &venue_id);
    check.end("our order is among them")
}

/// Sends an order with the id of an earlier one.
async fn repeated(walk: &mut Walk, id: &str) -> Outcome {
    let price = walk.level(LOW).await?;
    let answer = walk.place_with(id, &Terms::limit(price), &[]).await?;
    answer.rejected(&[422], Some(40_010_001), "client_order_id must be unique")
}

pub(super) async fn duplicate(walk: &mut Walk) -> Outcome {
    let Placed { id, .. } = known(walk.resting.as_ref(), "rests")?;
    repeated(walk, &id).await
}

/// Cancels an order, waits for the event, and queries it.
pub(super) async fn cancelled(
    walk: &mut Walk,
    order: &Placed,
    check: &mut Check,
) -> Result<(), Stop> {
    let mark = walk.base.mark();
    if let Err(Stop::Differs(all)) = walk.cancel(&order.venue_id).await?.empty(204) {
        check.join(Stop::Differs(all));
    }
    walk.reports(mark, (&order.id, &["canceled"]), check).await?;
    let body = walk.query_until(&order.id, "canceled").await?;
    check.text("the cancelled order", &body, "status", "canceled");
    time(check, "the cancelled order", &body, "canceled_at");
    Ok(())
}

pub(super) async fn cancel(walk: &mut Walk) -> Outcome {
    let order = known(walk.resting.as_ref(), "rests")?;
    let mut check = Check::new();
    cancelled(walk, &order, &mut check).await?;
    (walk.resting, walk.cancelled) = (None, Some(order));
    check.end("HTTP 204, then canceled")
}

pub(super) async fn cancel_again(walk: &mut Walk) -> Outcome {
    let order = known(walk.cancelled.as_ref(), "was cancelled")?;
    walk.cancel(&order.venue_id).await?.rejected(&[422], None, "order")
}

pub(super) async fn duplicate_ended(walk: &mut Walk) -> Outcome {
    let order = known(walk.cancelled.as_ref(), "was cancelled")?;
    repeated(walk, &order.id).await
}

/// Trades one share at the market, and waits for its fill.
async fn traded(walk: &mut Walk, side: Side) -> Result<(Check, Placed, Value), Stop> {
    walk.needs_open().await?;
    let (id, mark) = (walk.base.id(), walk.base.mark());
    let mut check = Check::new();
    let placed = walk.place(&id, &Terms::market(side), &mut check).await?;
    walk.reports(mark, (&id, &["new", "fill"]), &mut check).await?;
    if let Some(fill) = walk.event(mark, &id, "fill") {
        check.amount("event \"fill\"", fill, "qty", Decimal::ONE);
        let order = fill.get("order").unwrap_or(&Value::Null);
        check.text("the order of event \"fill\"", order, "status", "filled");
    }
    let body = walk.query_until(&id, "filled").await?;
    check.text("the order", &body, "status", "filled");
    check.amount("the order", &body, "filled_qty", Decimal::ONE);
    check.decimal("the order", &body, "filled_avg_price");
    time(&mut check, "the order", &body, "filled_at");
    Ok((check, placed, body))
}

pub(super) async fn buy(walk: &mut Walk) -> Outcome {
    let (check, placed, order) = traded(walk, Side::Buy).await?;
    if !amount(&order, "filled_qty").is_zero() {
        (walk.filled, walk.holds) = (Some(placed), true);
    }
    check.end(format!("1 bought at {}", amount(&order, "filled_avg_price").normalize()))
}

/// The market order that was filled.
fn bought(walk: &Walk) -> Result<Placed, Stop> {
    known(walk.filled.as_ref(), "was filled")
}

pub(super) async fn fills(walk: &mut Walk) -> Outcome {
    let Placed { venue_id, .. } = bought(walk)?;
    let query = [("order_id", &venue_id[..]), ("direction", "asc"), ("page_size", "100")];
    let mut found = Vec::new();
    for _ in 0..TRIES {
        let answer = walk.get(Host::Trading, "/v2/account/activities/FILL", &query).await?;
        let body = answer.good()?;
        let of_it = |row: &&Value| row.get("order_id").and_then(Value::as_str) == Some(&venue_id);
        found = body.as_array().into_iter().flatten().filter(of_it).cloned().collect();
        if !found.is_empty() {
            break;
        }
        walk.base.wire.pause(WAIT).await;
    }
    let (mut check, of) = (Check::new(), "a row of GET /v2/account/activities/FILL");
    let sum: Decimal = found.iter().map(|row| amount(row, "qty")).sum();
    check.same("the sum of the fills of the order", Decimal::ONE, sum.normalize());
    for row in &found {
        for name in ["price", "qty", "cum_qty", "leaves_qty"] {
            check.decimal(of, row, name);
        }
        check.text(of, row, "symbol", walk.base.symbol.as_str());
        check.text(of, row, "side", "buy");
        time(&mut check, of, row, "transaction_time");
        let id = row.get("id").and_then(Value::as_str).unwrap_or_default();
        let begin = id.split("::").next().unwrap_or_default();
        let is_time = begin.len() == 17 && begin.bytes().all(|b| b.is_ascii_digit());
        check.holds(is_time, format!("\"id\" of {of}"), "a time of 17 digits, then ::", id);
    }
    check.end(format!("{} fills", found.len()))
}

pub(super) async fn held(walk: &mut Walk) -> Outcome {
    bought(walk)?;
    let path = format!("/v2/positions/{}", walk.name()?);
    let body = walk.get(Host::Trading, &path, &[]).await?.good()?;
    let mut check = Check::new();
    check.text("the position", &body, "symbol", walk.base.symbol.as_str());
    position(&mut check, &body);
    check.end("the account has the share")
}

pub(super) async fn cancel_filled(walk: &mut Walk) -> Outcome {
    let Placed { venue_id, .. } = bought(walk)?;
    walk.cancel(&venue_id).await?.rejected(&[422], None, "order")
}

pub(super) async fn expires(walk: &mut Walk) -> Outcome {
    walk.needs_open().await?;
    let price = walk.level(LOW).await?;
    let mut check = Check::new();
    for lifetime in ["ioc", "fok"] {
        let (id, mark) = (walk.base.id(), walk.base.mark());
        let terms = Terms { lifetime, ..Terms::limit(price) };
        walk.place(&id, &terms, &mut check).await?;
        walk.reports(mark, (&id, &["new", "canceled"]), &mut check).await?;
        let body = walk.query_until(&id, "canceled").await?;
        check.text("the order", &body, "status", "canceled");
        check.amount("the order", &body, "filled_qty", Decimal::ZERO);
    }
    check.end("both are canceled without a fill")
}

pub(super) async fn sale(walk: &mut Walk) -> Outcome {
    if !walk.holds {
        return Err(not_tried("this run holds no share: market closed, or the purchase failed"));
    }
    let (check, _, order) = traded(walk, Side::Sell).await?;
    walk.holds = false;
    check.end(format!("1 sold at {}", amount(&order, "filled_avg_price").normalize()))
}
