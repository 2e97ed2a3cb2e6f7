//! Steps with single orders: at market and at a limit, their events, queries and cancels.

use super::walk::{Walk, side_word};
use crate::binance::map;
use crate::binance::sign::Query;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::{Decimal, parse_decimal};
use everwarm_domain::order::Side;
use everwarm_venue::conformance::check::{Check, Outcome, Stop, differs, not_tried};
use everwarm_venue::transport::Method;
use serde_json::Value;

/// Prices of orders that must rest, in thousandths of the last price.
const LOW: i64 = 700;
const LOWER: i64 = 690;
/// Prices beyond the market.
const ABOVE: i64 = 1_100;
/// The orders that the quote amount pays, as many of the smallest.
const PROVISION: i64 = 5;
/// Reports of an order that fills immediately.
const FILLED: &[&str] = &["NEW NEW", "TRADE FILLED"];
/// Reports of an order that rests.
const RESTS: &[&str] = &["NEW NEW"];
/// The report of a cancel.
const CANCELED: &[&str] = &["CANCELED CANCELED"];

/// A market order of a base quantity.
fn market(quantity: Decimal) -> impl FnOnce(Query) -> Query {
    move |query| {
        let query = query.with("type", "MARKET").with("quantity", map::plain(quantity));
        query.with("newOrderRespType", "FULL")
    }
}

/// A limit order.
fn limit(quantity: Decimal, price: Decimal, tif: &'static str) -> impl FnOnce(Query) -> Query {
    move |query| {
        let query = query.with("type", "LIMIT").with("timeInForce", tif);
        let query = query.with("quantity", map::plain(quantity)).with("price", map::plain(price));
        query.with("newOrderRespType", "FULL")
    }
}

/// The state of an order in a response: its id, side, status and amounts.
fn state(
    check: &mut Check,
    body: &Value,
    (id, side, status): (&str, Side, &str),
    quantity: Option<Decimal>,
) -> i64 {
    let of = "the response";
    check.text(of, body, "clientOrderId", id);
    check.text(of, body, "side", side_word(side));
    check.text(of, body, "status", status);
    match quantity {
        Some(quantity) => check.amount(of, body, "origQty", quantity),
        None => {
            check.decimal(of, body, "origQty");
        }
    }
    for field in ["price", "executedQty", "cummulativeQuoteQty"] {
        check.decimal(of, body, field);
    }
    check.integer(of, body, "orderId").unwrap_or_default()
}

/// Checks the response to an order that fills immediately, with its fills.
fn filled(
    check: &mut Check,
    body: &Value,
    (id, side): (&str, Side),
    quantity: Option<Decimal>,
) -> i64 {
    let order = state(check, body, (id, side, "FILLED"), quantity);
    let executed = check.decimal("the response", body, "executedQty").unwrap_or_default();
    let (mut sum, mut value) = (Decimal::ZERO, Decimal::ZERO);
    for fill in check.list("the response", body, "fills") {
        let [price, amount, _] = ["price", "qty", "commission"]
            .map(|field| check.decimal("a fill", fill, field).unwrap_or_default());
        check.integer("a fill", fill, "tradeId");
        let asset = fill.get("commissionAsset").and_then(Value::as_str);
        check.holds(asset.is_some(), "\"commissionAsset\" of a fill", "a text", "missing");
        sum += amount;
        value += amount * price;
    }
    check.same("the sum of the fills", executed.normalize(), sum.normalize());
    check.amount("the response", body, "cummulativeQuoteQty", value);
    order
}

pub(super) async fn test_order(walk: &mut Walk) -> Outcome {
    let price = walk.last().await?;
    let quantity = walk.smallest(price)?;
    let query = Query::new().with("symbol", walk.base.symbol).with("side", "BUY");
    let query = query.with("type", "MARKET").with("quantity", map::plain(quantity));
    let body = walk.signed(Method::Post, "/api/v3/order/test", query).await?.good()?;
    let mut check = Check::new();
    check.same("the body of POST /api/v3/order/test", "{}", &body);
    check.end("{}")
}

pub(super) async fn market_buy(walk: &mut Walk) -> Outcome {
    let price = walk.last().await?;
    let quantity = walk.smallest(price)?;
    let (id, mark) = (walk.base.id(), walk.base.mark());
    let body = walk.place(&id, Side::Buy, market(quantity)).await?.good()?;
    let mut check = Check::new();
    let order = filled(&mut check, &body, (&id, Side::Buy), Some(quantity));
    walk.filled = Some((id.clone(), order));
    walk.reports(mark, &[(id, FILLED)], true, &mut check).await?;
    check.end(format!("{} bought, 2 reports and the balances", quantity.normalize()))
}

pub(super) async fn quote_buy(walk: &mut Walk) -> Outcome {
    let price = walk.last().await?;
    let value = walk.smallest(price)? * price * Decimal::from(PROVISION);
    let value = value.trunc_with_scale(2);
    let (id, mark) = (walk.base.id(), walk.base.mark());
    let query = |query: Query| {
        let query = query.with("type", "MARKET").with("quoteOrderQty", map::plain(value));
        query.with("newOrderRespType", "FULL")
    };
    let body = walk.place(&id, Side::Buy, query).await?.good()?;
    let mut check = Check::new();
    filled(&mut check, &body, (&id, Side::Buy), None);
    let paid = check.decimal("the response", &body, "cummulativeQuoteQty").unwrap_or_default();
    let what = "\"cummulativeQuoteQty\" of the response";
    check.holds(paid <= value, what, format!("{value} or less"), paid);
    walk.reports(mark, &[(id, FILLED)], true, &mut check).await?;
    check.end(format!("{} of {} paid", paid.normalize(), value.normalize()))
}

pub(super) async fn market_sale(walk: &mut Walk) -> Outcome {
    let price = walk.last().await?;
    let quantity = walk.smallest(price)?;
    let (id, mark) = (walk.base.id(), walk.base.mark());
    let body = walk.place(&id, Side::Sell, market(quantity)).await?.good()?;
    let mut check = Check::new();
    filled(&mut check, &body, (&id, Side::Sell), Some(quantity));
    walk.reports(mark, &[(id, FILLED)], true, &mut check).await?;
    check.end(format!("{} sold, 2 reports and the balances", quantity.normalize()))
}

/// The first filled order.
fn bought(walk: &Walk) -> Result<(String, i64), Stop> {
    walk.filled.clone().ok_or_else(|| not_tried("no market order was filled"))
}

pub(super) async fn trades(walk: &mut Walk) -> Outcome {
    let (id, order) = bought(walk)?;
    let query = Query::new().with("symbol", walk.base.symbol).with("orderId", order);
    let body = walk.signed(Method::Get, "/api/v3/myTrades", query).await?.good()?;
    let (mut check, of) = (Check::new(), "a row of GET /api/v3/myTrades");
    let rows = body.as_array().cloned().unwrap_or_default();
    let mut listed = Vec::new();
    for row in &rows {
        check.same("\"orderId\" of a trade", order, check_id(row, "orderId"));
        listed.push(check_id(row, "id"));
        for field in ["price", "qty", "quoteQty", "commission"] {
            check.decimal(of, row, field);
        }
        check.integer(of, row, "time");
        check.same("\"isBuyer\" of a trade", "true", row.get("isBuyer").unwrap_or(&Value::Null));
    }
    let of_order = |event: &&Value| event.get("c").and_then(Value::as_str) == Some(&id);
    let trades = walk.base.events.iter().filter(of_order).map(|event| check_id(event, "t"));
    let mut reported: Vec<i64> = trades.filter(|trade| *trade >= 0).collect();
    reported.dedup();
    if reported.is_empty() {
        return Err(not_tried("no report of a trade came"));
    }
    check.same("the trades of the order", format!("{reported:?}"), format!("{listed:?}"));
    check.end(format!("{} trades, as in the events", rows.len()))
}

fn check_id(value: &Value, field: &str) -> i64 {
    value.get(field).and_then(Value::as_i64).unwrap_or(-1)
}

pub(super) async fn query_filled(walk: &mut Walk) -> Outcome {
    let (id, order) = bought(walk)?;
    let body = walk.query(&id).await?.good()?;
    let mut check = Check::new();
    let found = state(&mut check, &body, (&id, Side::Buy, "FILLED"), None);
    check.same("the order with our id", order, found);
    check.integer("the response", &body, "time");
    check.integer("the response", &body, "updateTime");
    let query = Query::new().with("symbol", walk.base.symbol).with("orderId", order);
    let body = walk.signed(Method::Get, "/api/v3/order", query).await?.good()?;
    check.text("the order with the venue's id", &body, "clientOrderId", &id);
    check.end(format!("order {order} is FILLED"))
}

pub(super) async fn cancel_filled(walk: &mut Walk) -> Outcome {
    let (id, _) = bought(walk)?;
    walk.cancel(&id).await?.refused(-2011, "Unknown order sent.")
}

pub(super) async fn rest(walk: &mut Walk) -> Outcome {
    let price = walk.level(LOW).await?;
    let quantity = walk.smallest(price)?;
    let (id, mark) = (walk.base.id(), walk.base.mark());
    let body = walk.place(&id, Side::Buy, limit(quantity, price, "GTC")).await?.good()?;
    let mut check = Check::new();
    state(&mut check, &body, (&id, Side::Buy, "NEW"), Some(quantity));
    check.amount("the response", &body, "price", price);
    check.amount("the response", &body, "executedQty", Decimal::ZERO);
    walk.resting = Some(id.clone());
    walk.reports(mark, &[(id, RESTS)], true, &mut check).await?;
    check.end(format!("{} at {} is NEW", quantity.normalize(), price.normalize()))
}

/// The limit order that rests.
fn resting(walk: &Walk) -> Result<String, Stop> {
    walk.resting.clone().ok_or_else(|| not_tried("no limit order rests"))
}

pub(super) async fn open_orders(walk: &mut Walk) -> Outcome {
    let id = resting(walk)?;
    let query = Query::new().with("symbol", walk.base.symbol);
    let body = walk.signed(Method::Get, "/api/v3/openOrders", query).await?.good()?;
    let rows = body.as_array().cloned().unwrap_or_default();
    let is_it = |row: &&Value| row.get("clientOrderId").and_then(Value::as_str) == Some(&id);
    let Some(row) = rows.iter().find(is_it) else {
        let what = format!("order {id} in GET /api/v3/openOrders");
        return Err(differs(what, "present", "missing"));
    };
    let mut check = Check::new();
    state(&mut check, row, (&id, Side::Buy, "NEW"), None);
    check.same("\"isWorking\" of the order", "true", row.get("isWorking").unwrap_or(&Value::Null));
    check.end(format!("{} open, ours among them", rows.len()))
}

pub(super) async fn duplicate(walk: &mut Walk) -> Outcome {
    let id = resting(walk)?;
    let price = walk.level(LOW).await?;
    let quantity = walk.smallest(price)?;
    let answer = walk.place(&id, Side::Buy, limit(quantity, price, "GTC")).await?;
    answer.refused(-2010, "Duplicate order sent.")
}

pub(super) async fn replace(walk: &mut Walk) -> Outcome {
    let old = resting(walk)?;
    let price = walk.level(LOWER).await?;
    let quantity = walk.smallest(price)?;
    let (id, mark) = (walk.base.id(), walk.base.mark());
    let head = Query::new().with("symbol", walk.base.symbol).with("side", "BUY");
    let query = limit(quantity, price, "GTC")(head)
        .with("newClientOrderId", &id)
        .with("cancelReplaceMode", "STOP_ON_FAILURE")
        .with("cancelOrigClientOrderId", &old);
    walk.base.expect_order(&id, Side::Buy);
    let path = "/api/v3/order/cancelReplace";
    let body = walk.signed(Method::Post, path, query).await?.good()?;
    let mut check = Check::new();
    for field in ["cancelResult", "newOrderResult"] {
        check.text("the response", &body, field, "SUCCESS");
    }
    let cancelled = body.get("cancelResponse").unwrap_or(&Value::Null);
    check.text("cancelResponse", cancelled, "origClientOrderId", &old);
    check.text("cancelResponse", cancelled, "status", "CANCELED");
    let placed = body.get("newOrderResponse").unwrap_or(&Value::Null);
    check.text("newOrderResponse", placed, "clientOrderId", &id);
    check.text("newOrderResponse", placed, "status", "NEW");
    walk.resting = None;
    walk.replaced = Some(id.clone());
    walk.reports(mark, &[(old, CANCELED), (id, RESTS)], true, &mut check).await?;
    check.end("the old order is CANCELED, the new one is NEW")
}

pub(super) async fn cancel(walk: &mut Walk) -> Outcome {
    let known = walk.replaced.clone().or_else(|| walk.resting.clone());
    let id = known.ok_or_else(|| not_tried("no limit order rests"))?;
    let mark = walk.base.mark();
    let body = walk.cancel(&id).await?.good()?;
    let mut check = Check::new();
    check.text("the response", &body, "origClientOrderId", &id);
    check.text("the response", &body, "status", "CANCELED");
    let own = body.get("clientOrderId").and_then(Value::as_str).is_some_and(|own| own != id);
    let what = "\"clientOrderId\" of the response";
    check.holds(own, what, "the id of the cancel, not of the order", &id);
    walk.reports(mark, &[(id.clone(), CANCELED)], true, &mut check).await?;
    walk.replaced = Some(id);
    check.end("CANCELED, with the id of the order in \"C\" of its report")
}

pub(super) async fn cancel_again(walk: &mut Walk) -> Outcome {
    let known = walk.replaced.clone();
    let id = known.ok_or_else(|| not_tried("no order was cancelled"))?;
    walk.cancel(&id).await?.refused(-2011, "Unknown order sent.")
}

pub(super) async fn query_cancelled(walk: &mut Walk) -> Outcome {
    let known = walk.replaced.clone();
    let id = known.ok_or_else(|| not_tried("no order was cancelled"))?;
    let body = walk.query(&id).await?.good()?;
    let mut check = Check::new();
    let order = state(&mut check, &body, (&id, Side::Buy, "CANCELED"), None);
    check.end(format!("order {order} is CANCELED"))
}

pub(super) async fn expires(walk: &mut Walk) -> Outcome {
    let price = walk.level(LOW).await?;
    let quantity = walk.smallest(price)?;
    let mut check = Check::new();
    for tif in ["IOC", "FOK"] {
        let (id, mark) = (walk.base.id(), walk.base.mark());
        let body = walk.place(&id, Side::Buy, limit(quantity, price, tif)).await?.good()?;
        state(&mut check, &body, (&id, Side::Buy, "EXPIRED"), Some(quantity));
        check.amount("the response", &body, "executedQty", Decimal::ZERO);
        let reports: &[&str] = &["NEW NEW", "EXPIRED EXPIRED"];
        walk.reports(mark, &[(id, reports)], false, &mut check).await?;
    }
    check.end("both are EXPIRED without a fill")
}

pub(super) async fn maker_would_match(walk: &mut Walk) -> Outcome {
    let price = walk.level(ABOVE).await?;
    let quantity = walk.smallest(price)?;
    let id = walk.base.id();
    let query = |query: Query| {
        let query = query.with("type", "LIMIT_MAKER").with("quantity", map::plain(quantity));
        query.with("price", map::plain(price))
    };
    let answer = walk.place(&id, Side::Buy, query).await?;
    answer.refused(-2010, "Order would immediately match and take.")
}

/// A refused order: a limit order whose quantity and price are changed.
async fn refused(
    walk: &mut Walk,
    wrong: impl FnOnce(Decimal, Decimal, &Instrument) -> (String, String),
    (code, words): (i64, &str),
) -> Outcome {
    let price = walk.level(LOW).await?;
    let (quantity, rules) = (walk.smallest(price)?, walk.rules()?);
    let (quantity, price) = wrong(quantity, price, &rules);
    let id = walk.base.id();
    let query = |query: Query| {
        let query = query.with("type", "LIMIT").with("timeInForce", "GTC");
        query.with("quantity", quantity).with("price", price)
    };
    walk.place(&id, Side::Buy, query).await?.refused(code, words)
}

pub(super) async fn too_little(walk: &mut Walk) -> Outcome {
    let (price, rules) = (walk.level(LOW).await?, walk.rules()?);
    let least = rules.lot_size.max(rules.min_quantity);
    let below = least - rules.lot_size;
    let (quantity, words) = if least * price < rules.min_notional {
        (least, "NOTIONAL")
    } else if below > Decimal::ZERO {
        (below, "LOT_SIZE")
    } else {
        return Err(not_tried("the filters allow the smallest step"));
    };
    refused(walk, |_, price, _| (map::plain(quantity), map::plain(price)), (-1013, words)).await
}

pub(super) async fn off_tick(walk: &mut Walk) -> Outcome {
    let off = |quantity, price: Decimal, rules: &Instrument| {
        let off = price + rules.tick_size / Decimal::TWO;
        (map::plain(quantity), map::plain(off))
    };
    refused(walk, off, (-1013, "PRICE_FILTER")).await
}

pub(super) async fn off_step(walk: &mut Walk) -> Outcome {
    let off = |quantity: Decimal, price, rules: &Instrument| {
        let off = quantity + rules.lot_size / Decimal::TWO;
        (map::plain(off), map::plain(price))
    };
    refused(walk, off, (-1013, "LOT_SIZE")).await
}

pub(super) async fn unknown_query(walk: &mut Walk) -> Outcome {
    let id = walk.base.id();
    walk.query(&id).await?.refused(-2013, "Order does not exist.")
}

pub(super) async fn unknown_cancel(walk: &mut Walk) -> Outcome {
    let id = walk.base.id();
    walk.cancel(&id).await?.refused(-2011, "Unknown order sent.")
}

pub(super) async fn bad_id(walk: &mut Walk) -> Outcome {
    let price = walk.level(LOW).await?;
    let quantity = walk.smallest(price)?;
    let answer = walk.place("ewc.dot", Side::Buy, limit(quantity, price, "GTC")).await?;
    answer.refused(-1100, "Illegal characters")
}

pub(super) async fn no_price(walk: &mut Walk) -> Outcome {
    let price = walk.level(LOW).await?;
    let (id, quantity) = (walk.base.id(), walk.smallest(price)?);
    let query = |query: Query| {
        let query = query.with("type", "LIMIT").with("timeInForce", "GTC");
        query.with("quantity", map::plain(quantity))
    };
    walk.place(&id, Side::Buy, query).await?.refused(-1102, "'price'")
}

/// A field with a decimal, or zero.
pub(super) fn amount(value: &Value, field: &str) -> Decimal {
    let text = value.get(field).and_then(Value::as_str);
    text.and_then(|text| parse_decimal(text).ok()).unwrap_or_default()
}
