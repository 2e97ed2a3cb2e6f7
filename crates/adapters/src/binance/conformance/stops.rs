//! Steps with orders that wait for a price, and with lists of orders.

use super::walk::{Walk, side_word};
use crate::binance::map;
use crate::binance::sign::Query;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Side;
use everwarm_venue::conformance::check::{Check, Outcome, Stop, not_tried};
use everwarm_venue::transport::Method;
use serde_json::Value;

/// Prices of orders that must not trigger, in thousandths of the last price.
const FAR_BELOW: i64 = 700;
const BELOW: i64 = 710;
const ABOVE: i64 = 1_300;
/// A trailing distance of a tenth, in hundredths of a per cent.
const TRAIL: u32 = 1_000;
/// Reports of an order that rests.
const RESTS: &[&str] = &["NEW NEW"];
/// The report of a cancel.
const CANCELED: &[&str] = &["CANCELED CANCELED"];
/// The report of an order that waits for another one.
const WAITS: &[&str] = &["NEW PENDING_NEW"];

/// The price parameters of a stop order.
type Prices = Vec<(&'static str, Decimal)>;

/// Places a sale that waits, queries it, and cancels it.
async fn waits(walk: &mut Walk, kind: &'static str, prices: Prices) -> Outcome {
    if !has_type(walk, kind) {
        return Err(not_tried(format!("{} has no orders of type {kind}", walk.base.symbol)));
    }
    let lowest = prices.iter().map(|(_, price)| *price).min().unwrap_or(Decimal::ONE);
    let quantity = walk.smallest(lowest)?;
    let (id, mark) = (walk.base.id(), walk.base.mark());
    let limit = prices.iter().any(|(name, _)| *name == "price");
    let with = |query: Query| {
        let query = query.with("type", kind).with_some("timeInForce", limit.then_some("GTC"));
        let query = query.with("quantity", map::plain(quantity));
        prices.iter().fold(query, |query, (name, price)| query.with(name, map::plain(*price)))
    };
    let body = walk.place(&id, Side::Sell, with).await?.good()?;
    let mut check = Check::new();
    check.text("the response", &body, "clientOrderId", &id);
    // The usual response of such an order has its ids only.
    check.integer("the response", &body, "orderId");
    check.integer("the response", &body, "transactTime");
    walk.reports(mark, &[(id.clone(), RESTS)], true, &mut check).await?;
    let body = walk.query(&id).await?.good()?;
    check.text("the query", &body, "type", kind);
    check.text("the query", &body, "status", "NEW");
    for (name, price) in &prices {
        check.amount("the query", &body, name, *price);
    }
    let what = "\"isWorking\" of the query";
    check.same(what, "false", body.get("isWorking").unwrap_or(&Value::Null));
    ended(walk, &id, &mut check).await?;
    check.end(format!("{} at {} waits", quantity.normalize(), lowest.normalize()))
}

/// Cancels an order and waits for the report.
async fn ended(walk: &mut Walk, id: &str, check: &mut Check) -> Result<(), Stop> {
    let mark = walk.base.mark();
    let body = walk.cancel(id).await?.good()?;
    check.text("the response to the cancel", &body, "status", "CANCELED");
    walk.reports(mark, &[(id.to_owned(), CANCELED)], true, check).await
}

/// Whether the symbol takes orders of a type.
fn has_type(walk: &Walk, kind: &str) -> bool {
    let kinds = walk.info.get("orderTypes").and_then(Value::as_array);
    kinds.is_some_and(|kinds| kinds.iter().any(|known| known.as_str() == Some(kind)))
}

pub(super) async fn stop_loss(walk: &mut Walk) -> Outcome {
    let at = walk.level(BELOW).await?;
    waits(walk, "STOP_LOSS", vec![("stopPrice", at)]).await
}

pub(super) async fn stop_loss_limit(walk: &mut Walk) -> Outcome {
    let (price, at) = (walk.level(FAR_BELOW).await?, walk.level(BELOW).await?);
    waits(walk, "STOP_LOSS_LIMIT", vec![("price", price), ("stopPrice", at)]).await
}

pub(super) async fn take_profit(walk: &mut Walk) -> Outcome {
    let at = walk.level(ABOVE).await?;
    waits(walk, "TAKE_PROFIT", vec![("stopPrice", at)]).await
}

pub(super) async fn take_profit_limit(walk: &mut Walk) -> Outcome {
    let at = walk.level(ABOVE).await?;
    waits(walk, "TAKE_PROFIT_LIMIT", vec![("price", at), ("stopPrice", at)]).await
}

pub(super) async fn trailing(walk: &mut Walk) -> Outcome {
    if !has_type(walk, "STOP_LOSS") {
        return Err(not_tried(format!("{} has no orders of type STOP_LOSS", walk.base.symbol)));
    }
    let allowed = walk.allows("allowTrailingStop");
    let price = walk.level(BELOW).await?;
    let quantity = walk.smallest(price)?;
    let id = walk.base.id();
    let with = |query: Query| {
        let query = query.with("type", "STOP_LOSS").with("quantity", map::plain(quantity));
        query.with("trailingDelta", TRAIL)
    };
    let answer = walk.place(&id, Side::Sell, with).await?;
    if !allowed {
        let words = "Trailing stop orders are not supported for this symbol.";
        return answer.refused(-2010, words);
    }
    let body = answer.good()?;
    let mut check = Check::new();
    check.text("the response", &body, "clientOrderId", &id);
    let body = walk.query(&id).await?.good()?;
    let delta = body.get("trailingDelta").unwrap_or(&Value::Null);
    check.same("\"trailingDelta\" of the query", TRAIL, delta);
    ended(walk, &id, &mut check).await?;
    check.end("the order trails")
}

pub(super) async fn would_trigger(walk: &mut Walk) -> Outcome {
    if !has_type(walk, "STOP_LOSS") {
        return Err(not_tried(format!("{} has no orders of type STOP_LOSS", walk.base.symbol)));
    }
    let (id, at) = (walk.base.id(), walk.level(ABOVE).await?);
    let quantity = walk.smallest(at)?;
    let with = |query: Query| {
        let query = query.with("type", "STOP_LOSS").with("quantity", map::plain(quantity));
        query.with("stopPrice", map::plain(at))
    };
    let answer = walk.place(&id, Side::Sell, with).await?;
    answer.refused(-2010, "Order would trigger immediately.")
}

/// A list to place.
struct List {
    path: &'static str,
    contingency: &'static str,
    query: Query,
    /// The ids and sides of its orders, with the reports that follow.
    legs: Vec<(String, Side, &'static [&'static str])>,
}

/// Places a list, checks its response and events, and cancels one order, which ends all.
async fn listed(walk: &mut Walk, list: List) -> Outcome {
    let List { path, contingency, query, legs } = list;
    let (id, mark) = (walk.base.id(), walk.base.mark());
    for (leg, side, _) in &legs {
        walk.base.expect_order(leg, *side);
    }
    let query = query.with("listClientOrderId", &id).with("newOrderRespType", "RESULT");
    let body = walk.signed(Method::Post, path, query).await?.good()?;
    let (mut check, of) = (Check::new(), "the response");
    for (field, expected) in [
        ("listClientOrderId", id.as_str()),
        ("contingencyType", contingency),
        ("listStatusType", "EXEC_STARTED"),
        ("listOrderStatus", "EXECUTING"),
    ] {
        check.text(of, &body, field, expected);
    }
    let number = check.integer(of, &body, "orderListId").unwrap_or(-1);
    let reports = check.list(of, &body, "orderReports");
    check.same("the number of orders of the list", legs.len(), reports.len());
    for (leg, _, expected) in &legs {
        let is_it = |r: &&Value| r.get("clientOrderId").and_then(Value::as_str) == Some(leg);
        let Some(report) = reports.iter().find(is_it) else {
            check.differs(format!("the report of order {leg}"), "in the response", "missing");
            continue;
        };
        check.same("\"orderListId\" of an order", number, number_of(report));
        let status = if *expected == WAITS { "PENDING_NEW" } else { "NEW" };
        check.text("an order of the list", report, "status", status);
    }
    let expected: Vec<_> = legs.iter().map(|(leg, _, r)| (leg.clone(), *r)).collect();
    walk.list_event(mark, (&id, "EXEC_STARTED"), &mut check).await?;
    walk.reports(mark, &expected, true, &mut check).await?;
    let mark = walk.base.mark();
    let Some((first, _, _)) = legs.first() else { return check.end("") };
    walk.cancel(first).await?.good()?;
    let expected: Vec<_> = legs.iter().map(|(leg, ..)| (leg.clone(), CANCELED)).collect();
    walk.list_event(mark, (&id, "ALL_DONE"), &mut check).await?;
    walk.reports(mark, &expected, true, &mut check).await?;
    check.end(format!("{} orders; the cancel of one ended all", legs.len()))
}

fn number_of(report: &Value) -> i64 {
    report.get("orderListId").and_then(Value::as_i64).unwrap_or(-1)
}

/// Adds a pair of sales, one above and one below the market. `names` begin their parameters.
fn pair(
    query: Query,
    [above, below]: [&str; 2],
    (take, stop): (Decimal, Decimal),
    [first, second]: [&str; 2],
) -> Query {
    query
        .with(&format!("{above}Type"), "LIMIT_MAKER")
        .with(&format!("{above}ClientOrderId"), first)
        .with(&format!("{above}Price"), map::plain(take))
        .with(&format!("{below}Type"), "STOP_LOSS")
        .with(&format!("{below}ClientOrderId"), second)
        .with(&format!("{below}StopPrice"), map::plain(stop))
}

pub(super) async fn oco(walk: &mut Walk) -> Outcome {
    if !walk.allows("ocoAllowed") || !has_type(walk, "STOP_LOSS") {
        return Err(not_tried(format!("{} has no OCO lists with STOP_LOSS", walk.base.symbol)));
    }
    let prices = (walk.level(ABOVE).await?, walk.level(BELOW).await?);
    let quantity = walk.smallest(prices.1)?;
    let (above, below) = (walk.base.id(), walk.base.id());
    let query = Query::new().with("symbol", walk.base.symbol).with("side", "SELL");
    let query = query.with("quantity", map::plain(quantity));
    let query = pair(query, ["above", "below"], prices, [&above, &below]);
    let legs = vec![(above, Side::Sell, RESTS), (below, Side::Sell, RESTS)];
    let (path, contingency) = ("/api/v3/orderList/oco", "OCO");
    listed(walk, List { path, contingency, query, legs }).await
}

/// The working order of a list: a purchase far below the market.
async fn working(walk: &mut Walk, id: &str) -> Result<(Query, Decimal), Stop> {
    let price = walk.level(FAR_BELOW).await?;
    let quantity = walk.smallest(price)?;
    let query = Query::new()
        .with("symbol", walk.base.symbol)
        .with("workingType", "LIMIT")
        .with("workingSide", side_word(Side::Buy))
        .with("workingClientOrderId", id)
        .with("workingPrice", map::plain(price))
        .with("workingQuantity", map::plain(quantity))
        .with("workingTimeInForce", "GTC")
        .with("pendingSide", side_word(Side::Sell));
    Ok((query, quantity))
}

pub(super) async fn oto(walk: &mut Walk) -> Outcome {
    if !walk.allows("otoAllowed") {
        return Err(not_tried(format!("{} has no OTO lists", walk.base.symbol)));
    }
    let (first, second) = (walk.base.id(), walk.base.id());
    let (query, quantity) = working(walk, &first).await?;
    let price = walk.level(ABOVE).await?;
    let query = query
        .with("pendingType", "LIMIT")
        .with("pendingClientOrderId", &second)
        .with("pendingPrice", map::plain(price))
        .with("pendingQuantity", map::plain(quantity))
        .with("pendingTimeInForce", "GTC");
    let legs = vec![(first, Side::Buy, RESTS), (second, Side::Sell, WAITS)];
    let (path, contingency) = ("/api/v3/orderList/oto", "OTO");
    listed(walk, List { path, contingency, query, legs }).await
}

pub(super) async fn otoco(walk: &mut Walk) -> Outcome {
    if !walk.allows("otoAllowed") || !has_type(walk, "STOP_LOSS") {
        return Err(not_tried(format!("{} has no OTOCO lists with STOP_LOSS", walk.base.symbol)));
    }
    let (first, above, below) = (walk.base.id(), walk.base.id(), walk.base.id());
    let (query, quantity) = working(walk, &first).await?;
    let prices = (walk.level(ABOVE).await?, walk.level(BELOW).await?);
    let query = query.with("pendingQuantity", map::plain(quantity));
    let query = pair(query, ["pendingAbove", "pendingBelow"], prices, [&above, &below]);
    let sale = |id| (id, Side::Sell, WAITS);
    let legs = vec![(first, Side::Buy, RESTS), sale(above), sale(below)];
    let (path, contingency) = ("/api/v3/orderList/otoco", "OTO");
    listed(walk, List { path, contingency, query, legs }).await
}
