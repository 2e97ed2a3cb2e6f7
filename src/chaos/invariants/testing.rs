//! Facts and books for the tests of the invariants.

use everwarm_domain::fact::kinds::rank;
use everwarm_domain::fact::{Body, Decision, LOTS_FROM, Ledger, Order, Venue};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{
    Liquidity, OrderIntent, OrderRequest, OrderStatus, OrderType, Proof, RequestKind, SendAttempt,
    Side, Validity, VenueFill,
};
use everwarm_kernel::fact::{Fact, Key, Rank};
use everwarm_sim::server::requests::{Asked, Entry};
use serde_json::{Value, json};

fn fact(n: u64, rank: Rank, body: Body) -> Fact<Body> {
    let key = Key { n, rank: rank.0, i: 0 };
    Fact { key, time: 0, version: 1, because: Vec::new(), body }
}

fn symbol() -> Symbol {
    Symbol::new("BTCUSDT").expect("a name")
}

fn id(name: &str) -> ClientOrderId {
    ClientOrderId(name.to_owned())
}

fn order_intent(name: &str) -> OrderIntent {
    OrderIntent {
        client_id: id(name),
        strategy: "s".to_owned(),
        symbol: symbol(),
        side: Side::Buy,
        order_type: OrderType::Market,
        quantity: Decimal::ONE,
        price: None,
        close_time: 0,
        valid_until: 0,
        terms: Box::default(),
    }
}

/// An approval.
pub(super) fn approved(n: u64, name: &str) -> Fact<Body> {
    let (intent, reserved, reason) = (order_intent(name), Decimal::ONE, String::new());
    let sizing = None;
    fact(n, rank::DECISION, Body::Decision(Decision::Approved { intent, reserved, reason, sizing }))
}

/// An intent.
pub(super) fn intent(n: u64, name: &str) -> Fact<Body> {
    fact(n, rank::ORDER_MANAGER, Body::Order(Order::Intent(order_intent(name))))
}

/// An announcement, of a request signed for the time 5.
pub(super) fn sent(n: u64, name: &str) -> Fact<Body> {
    let attempt = SendAttempt { client_id: id(name), attempt: 1, validity: Validity::within(5, 1) };
    fact(n, Rank::INPUT, Body::Venue(Venue::Sent { attempts: vec![attempt] }))
}

/// An order is withdrawn before it was sent.
pub(super) fn withdrawn(n: u64, name: &str) -> Fact<Body> {
    let (client_id, strategy, symbol) = (id(name), "s".to_owned(), symbol());
    let (side, reason) = (Side::Buy, String::new());
    let body = Decision::Withdrawn { client_id, strategy, symbol, side, reason };
    fact(n, rank::DECISION, Body::Decision(body))
}

/// An announcement of a cancel, signed for the time 5.
pub(super) fn requested(n: u64, name: &str) -> Fact<Body> {
    let (of, what, attempt) = (id(name), RequestKind::Cancel, 1);
    let request = OrderRequest {
        id: OrderRequest::id_of(&of, what, attempt),
        of,
        symbol: symbol(),
        what,
        attempt,
        timestamp: 5,
        deadline: 6,
        settled_at: Some(7),
        proof: Proof::default(),
    };
    fact(n, Rank::INPUT, Body::Venue(Venue::Requested(request)))
}

/// A request to place an order, as in the exchange's log.
pub(super) fn posted(name: &str, timestamp: i64) -> Entry {
    logged("POST order", name, timestamp)
}

/// A request about an order, as in the exchange's log.
pub(super) fn logged(what: &str, name: &str, timestamp: i64) -> Entry {
    Entry::Asked(Asked {
        n: 1,
        at: timestamp,
        what: what.to_owned(),
        symbol: "BTCUSDT".to_owned(),
        id: name.to_owned(),
        timestamp: Some(timestamp),
        window: None,
        since: None,
        fault: None,
        legs: Vec::new(),
    })
}

/// An order has changed.
pub(super) fn changed(n: u64, name: &str, status: OrderStatus) -> Fact<Body> {
    let body = Order::Changed {
        client_id: id(name),
        symbol: symbol(),
        venue_order_id: None,
        status,
        executed: Decimal::ZERO,
        executed_quote: Decimal::ZERO,
        reason: String::new(),
    };
    fact(n, rank::ORDER_MANAGER, Body::Order(body))
}

/// A fill.
pub(super) fn filled(n: u64, name: &str, side: Side, trade: u64, quantity: i64) -> Fact<Body> {
    let fill = VenueFill {
        trade_id: trade.into(),
        price: Decimal::ONE,
        quantity: Decimal::from(quantity),
        fee: Decimal::ZERO,
        fee_asset: "USDT".to_owned(),
        time: 0,
        liquidity: Some(Liquidity::Taker),
    };
    let (client_id, strategy, symbol) = (id(name), "s".to_owned(), symbol());
    let body = Order::Filled { client_id, strategy, symbol, side, k: 1, fill };
    fact(n, rank::ORDER_MANAGER, Body::Order(body))
}

/// A position as the ledger appends it.
pub(super) fn position(n: u64, quantity: i64) -> Fact<Body> {
    let body = Ledger::Position {
        symbol: symbol(),
        quantity: Decimal::from(quantity),
        cost: Decimal::ZERO,
        realized_pnl: Decimal::ZERO,
        cash: Decimal::ZERO,
    };
    fact(n, rank::LEDGER, Body::Ledger(body))
}

/// A lot as the ledger appends it.
pub(super) fn lot(n: u64, strategy: &str, quantity: i64) -> Fact<Body> {
    let body = Ledger::Lot {
        strategy: strategy.to_owned(),
        symbol: symbol(),
        quantity: Decimal::from(quantity),
        cost: Decimal::ZERO,
        opened: None,
        realized_pnl: Decimal::ZERO,
    };
    Fact { version: LOTS_FROM, ..fact(n, rank::LEDGER, Body::Ledger(body)) }
}

/// The exchange's books with these orders: id, and executed quantity.
pub(super) fn ledger(orders: &[(&str, &str)]) -> Value {
    let order =
        |(id, executed): &(&str, &str)| json!({"client_order_id": id, "executed": executed});
    json!({ "orders": orders.iter().map(order).collect::<Vec<_>>() })
}
