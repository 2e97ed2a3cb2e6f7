//! Responses about orders and lists.

use super::number;
use super::orders::{ResponseType, order_type, side};
use crate::exchange::{Exchange, Order, OrderList, SimFact, Status};
use everwarm_domain::money::Decimal;
use serde_json::{Value, json};

fn with(mut value: Value, more: Value) -> Value {
    if let (Value::Object(all), Value::Object(more)) = (&mut value, more) {
        all.extend(more);
    }
    value
}

fn list_id(order: &Order) -> Value {
    order.list.map_or_else(|| json!(-1), Value::from)
}

fn state(order: &Order) -> Value {
    json!({
        "symbol": order.symbol.as_str(), "orderId": order.id, "orderListId": list_id(order),
        "clientOrderId": order.client_id,
        "price": number(order.limit().unwrap_or_default()),
        "origQty": number(order.quantity), "executedQty": number(order.executed),
        "origQuoteOrderQty": number(order.quote_quantity()),
        "cummulativeQuoteQty": number(order.executed_quote),
        "status": order.status.wire(), "timeInForce": order.tif().wire(),
        "type": order_type(order), "side": side(order.side),
        "selfTradePreventionMode": "NONE",
    })
}

/// The state of an order, with its stop price if it has one.
fn report(order: &Order) -> Value {
    let stop = order.kind.stop().map(|stop| json!({"stopPrice": number(stop.at)}));
    with(state(order), stop.unwrap_or(Value::Null))
}

/// The response to a new order.
#[must_use]
pub fn placed(exchange: &Exchange, order: &Order, answer: ResponseType) -> Value {
    if answer == ResponseType::Ack {
        return json!({
            "symbol": order.symbol.as_str(), "orderId": order.id, "orderListId": list_id(order),
            "clientOrderId": order.client_id, "transactTime": order.time,
        });
    }
    let times = json!({"transactTime": order.updated, "workingTime": order.working.unwrap_or(-1)});
    let result = with(report(order), times);
    if answer == ResponseType::Result {
        return result;
    }
    let fills: Vec<Value> = exchange
        .trades_of(order)
        .map(|t| {
            json!({"price": number(t.price), "qty": number(t.quantity),
                "commission": number(t.fee), "commissionAsset": t.fee_asset, "tradeId": t.id})
        })
        .collect();
    with(result, json!({"fills": fills}))
}

/// The response to a query of an order.
#[must_use]
pub fn queried(order: &Order) -> Value {
    let stop = order.kind.stop().map_or(Decimal::ZERO, |stop| stop.at);
    let more = json!({
        "stopPrice": number(stop), "icebergQty": number(Decimal::ZERO), "time": order.time,
        "updateTime": order.updated, "isWorking": order.working.is_some(),
        "workingTime": order.working.unwrap_or(-1),
    });
    with(state(order), more)
}

/// The response to a successful cancel.
#[must_use]
pub fn cancelled(order: &Order, cancel_id: &str) -> Value {
    let more = json!({
        "origClientOrderId": order.client_id, "clientOrderId": cancel_id,
        "transactTime": order.updated,
    });
    with(report(order), more)
}

/// A list without its orders' states.
#[must_use]
pub fn listed(exchange: &Exchange, list: &OrderList) -> Value {
    let (kind, status) =
        if list.done.is_some() { ("ALL_DONE", "ALL_DONE") } else { ("EXEC_STARTED", "EXECUTING") };
    header(exchange, list, kind, status)
}

fn header(exchange: &Exchange, list: &OrderList, kind: &str, status: &str) -> Value {
    let orders: Vec<Value> = list
        .orders
        .iter()
        .filter_map(|id| exchange.order(*id))
        .map(
            |o| json!({"symbol": o.symbol.as_str(), "orderId": o.id, "clientOrderId": o.client_id}),
        )
        .collect();
    json!({
        "orderListId": list.id, "contingencyType": list.kind.wire(), "listStatusType": kind,
        "listOrderStatus": status, "listClientOrderId": list.client_id,
        "transactionTime": list.done.unwrap_or(list.time), "symbol": list.symbol.as_str(),
        "orders": orders,
    })
}

/// The response to a new list. Pending orders appear as they were placed, even if the working order
/// filled immediately.
#[must_use]
pub fn list_placed(exchange: &Exchange, list: &OrderList, answer: ResponseType) -> Value {
    let head = header(exchange, list, "EXEC_STARTED", "EXECUTING");
    let head = with(head, json!({"transactionTime": list.time}));
    if answer == ResponseType::Ack {
        return head;
    }
    let orders = list.orders.iter().filter_map(|id| exchange.order(*id));
    let reports: Vec<Value> = orders
        .map(|order| {
            if !list.pending().contains(&order.id) {
                return placed(exchange, order, answer);
            }
            let order = Order {
                status: Status::PendingNew,
                executed: Decimal::ZERO,
                executed_quote: Decimal::ZERO,
                updated: order.time,
                trades: Vec::new(),
                working: None,
                ..order.clone()
            };
            placed(exchange, &order, answer)
        })
        .collect();
    with(head, json!({"orderReports": reports}))
}

/// The cancelled orders: id and response, with the id of the cancel.
fn cancels(exchange: &Exchange, facts: &[SimFact]) -> Vec<(u64, Value)> {
    let mut found = Vec::new();
    for fact in facts {
        if let SimFact::Cancelled { order, cancel_id, .. } = fact
            && let Some(order) = exchange.order(*order)
        {
            found.push((order.id, cancelled(order, cancel_id)));
        }
    }
    found
}

/// The response to the cancel of a list.
#[must_use]
pub fn list_cancelled(exchange: &Exchange, list: &OrderList, facts: &[SimFact]) -> Value {
    let of_list = cancels(exchange, facts).into_iter().filter(|(id, _)| list.orders.contains(id));
    let reports: Vec<Value> = of_list.map(|(_, report)| report).collect();
    with(header(exchange, list, "ALL_DONE", "ALL_DONE"), json!({"orderReports": reports}))
}

/// The response to the cancel of all orders: single orders, and lists with their orders.
#[must_use]
pub fn all_cancelled(exchange: &Exchange, facts: &[SimFact]) -> Value {
    let mut rows: Vec<Value> = Vec::new();
    let mut reported: Vec<u64> = Vec::new();
    for (id, report) in cancels(exchange, facts) {
        let list = exchange.order(id).and_then(|o| o.list).and_then(|list| exchange.list(list));
        match list {
            None => rows.push(report),
            Some(list) if reported.contains(&list.id) => {}
            Some(list) => {
                reported.push(list.id);
                rows.push(list_cancelled(exchange, list, facts));
            }
        }
    }
    Value::Array(rows)
}
