//! Converts books of earlier versions: before cancels existed, and while venue ids were numbers.
//!
//! Finished orders are packed as MessagePack. It reads numbers as text and fills in members added
//! at the end of an attempt. So old ones can be read directly, and they are packed again.

use super::cancels::Cancels;
use super::finished_orders::FinishedOrders;
use super::open_order_check::Panicked;
use super::order::Order;
use super::order_states::{Attempt, OrderStates};
use super::saved::Known;
use everwarm_domain::fact::Conflict;
use everwarm_domain::id::ClientOrderId;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{Liquidity, OrderIntent, OrderStatus, Proof, VenueFill};
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::Key;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// State format of the order manager before cancels existed.
pub(super) const FORMAT_BEFORE: u8 = 2;
/// State format of the order manager while venue ids were numbers.
pub(super) const FORMAT_OF_NUMBERS: u8 = 3;

/// The book before cancels existed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct BookBefore {
    life: u64,
    epoch: u64,
    time: UtcMs,
    orders: BTreeMap<ClientOrderId, OrderOfNumbers>,
    past: FinishedOrders,
    ended: BTreeSet<ClientOrderId>,
    conflicts: Vec<Conflict>,
    #[serde(default)]
    aside: BTreeSet<String>,
    #[serde(default)]
    panicked: PanickedOfNumbers,
}

/// The book while venue ids were numbers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct BookOfNumbers {
    life: u64,
    epoch: u64,
    time: UtcMs,
    orders: BTreeMap<ClientOrderId, OrderOfNumbers>,
    past: FinishedOrders,
    ended: BTreeSet<ClientOrderId>,
    conflicts: Vec<Conflict>,
    #[serde(default)]
    aside: BTreeSet<String>,
    #[serde(default)]
    panicked: PanickedOfNumbers,
    cancels: Cancels,
}

/// An order of those versions.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct OrderOfNumbers {
    #[serde(with = "super::saved::intent")]
    intent: OrderIntent,
    key: Key,
    status: OrderStatus,
    granted: u32,
    attempt: Option<AttemptBefore>,
    executed: Decimal,
    executed_quote: Decimal,
    applied: u32,
    venue_order_id: Option<u64>,
    #[serde(rename = "told_id")]
    reported_id: Option<u64>,
    #[serde(rename = "told")]
    reported_status: Option<OrderStatus>,
    #[serde(rename = "told_executed")]
    reported_executed: Decimal,
    #[serde(rename = "told_at")]
    reported_at: UtcMs,
    fills: BTreeMap<u64, KnownOfNumbers>,
    absent: Option<UtcMs>,
    unanswered: bool,
    orphaned: bool,
    asked: Option<UtcMs>,
}

/// An attempt of those versions: every one had a settle time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct AttemptBefore {
    number: u32,
    timestamp: UtcMs,
    settled: UtcMs,
}

/// A fill of those versions.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct KnownOfNumbers {
    fill: FillOfNumbers,
    applied: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct FillOfNumbers {
    trade_id: u64,
    price: Decimal,
    quantity: Decimal,
    fee: Decimal,
    fee_asset: String,
    time: UtcMs,
    #[serde(default)]
    liquidity: Option<Liquidity>,
}

/// Booked trades of `everwarm panic` in those versions.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
struct PanickedOfNumbers(BTreeMap<ClientOrderId, BTreeSet<u64>>);

impl From<BookBefore> for OrderStates {
    fn from(before: BookBefore) -> OrderStates {
        let BookBefore { life, epoch, time, orders, past, ended, .. } = before;
        let BookBefore { conflicts, aside, panicked, .. } = before;
        let cancels = Cancels::default();
        let of_numbers = BookOfNumbers {
            life,
            epoch,
            time,
            orders,
            past,
            ended,
            conflicts,
            aside,
            panicked,
            cancels,
        };
        of_numbers.into()
    }
}

impl From<BookOfNumbers> for OrderStates {
    fn from(before: BookOfNumbers) -> OrderStates {
        let BookOfNumbers { life, epoch, time, orders, past, ended, .. } = before;
        let BookOfNumbers { conflicts, aside, panicked, cancels, .. } = before;
        let orders = orders.into_iter().map(|(id, order)| (id, order.into())).collect();
        let texts = |ids: BTreeSet<u64>| ids.into_iter().map(Into::into).collect();
        let panicked = panicked.0.into_iter().map(|(id, trades)| (id, texts(trades))).collect();
        OrderStates {
            life,
            epoch,
            time,
            orders,
            past: past.packed_anew(),
            ended,
            conflicts,
            fresh: false,
            aside,
            panicked: Panicked(panicked),
            cancels,
        }
    }
}

impl From<OrderOfNumbers> for Order {
    fn from(before: OrderOfNumbers) -> Order {
        Order {
            intent: before.intent,
            key: before.key,
            status: before.status,
            granted: before.granted,
            attempt: before.attempt.map(Attempt::from),
            executed: before.executed,
            executed_quote: before.executed_quote,
            applied: before.applied,
            venue_order_id: before.venue_order_id.map(Into::into),
            reported_id: before.reported_id.map(Into::into),
            reported_status: before.reported_status,
            reported_executed: before.reported_executed,
            reported_at: before.reported_at,
            fills: before.fills.into_iter().map(|(id, fill)| (id.into(), fill.into())).collect(),
            absent: before.absent,
            unanswered: before.unanswered,
            orphaned: before.orphaned,
            asked: before.asked,
        }
    }
}

impl From<AttemptBefore> for Attempt {
    fn from(AttemptBefore { number, timestamp, settled }: AttemptBefore) -> Attempt {
        let (settled, proof) = (Some(settled), Proof::ByAbsenceAndTrades);
        Attempt { number, timestamp, settled, proof, earlier: false, refused: false }
    }
}

impl From<KnownOfNumbers> for Known {
    fn from(KnownOfNumbers { fill, applied }: KnownOfNumbers) -> Known {
        let FillOfNumbers { trade_id, price, quantity, fee, fee_asset, time, liquidity } = fill;
        let trade_id = trade_id.into();
        let fill = VenueFill { trade_id, price, quantity, fee, fee_asset, time, liquidity };
        Known { fill, applied }
    }
}

/// An order as those versions packed it, to test that it can be read.
#[cfg(test)]
pub(super) fn packed(order: &Order) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut to = rmp_serde::Serializer::new(&mut bytes).with_human_readable();
    OrderOfNumbers::from(order.clone()).serialize(&mut to).expect("an order is plain values");
    bytes
}

/// Builds the old forms of a book, to test the conversion. Ids must be numbers, as they were then.
mod back {
    use super::{
        Attempt, AttemptBefore, BTreeSet, BookBefore, BookOfNumbers, FillOfNumbers, Known,
        KnownOfNumbers, Order, OrderOfNumbers, OrderStates, PanickedOfNumbers, VenueFill,
    };
    use everwarm_domain::venue_ids::{VenueOrderId, VenueTradeId};

    fn order_id(id: &VenueOrderId) -> u64 {
        id.as_str().parse().expect("ids were numbers")
    }

    fn trade_id(id: &VenueTradeId) -> u64 {
        id.as_str().parse().expect("ids were numbers")
    }

    impl From<OrderStates> for BookBefore {
        fn from(book: OrderStates) -> BookBefore {
            let of_numbers = BookOfNumbers::from(book);
            let BookOfNumbers { life, epoch, time, orders, past, ended, .. } = of_numbers;
            let BookOfNumbers { conflicts, aside, panicked, .. } = of_numbers;
            BookBefore { life, epoch, time, orders, past, ended, conflicts, aside, panicked }
        }
    }

    impl From<OrderStates> for BookOfNumbers {
        fn from(book: OrderStates) -> BookOfNumbers {
            let OrderStates { life, epoch, time, orders, past, ended, .. } = book;
            let OrderStates { conflicts, aside, panicked, cancels, .. } = book;
            let orders = orders.into_iter().map(|(id, order)| (id, order.into())).collect();
            let numbers = |ids: BTreeSet<VenueTradeId>| ids.iter().map(trade_id).collect();
            let panicked = panicked.0.into_iter().map(|(id, ids)| (id, numbers(ids))).collect();
            BookOfNumbers {
                life,
                epoch,
                time,
                orders,
                past,
                ended,
                conflicts,
                aside,
                panicked: PanickedOfNumbers(panicked),
                cancels,
            }
        }
    }

    impl From<Order> for OrderOfNumbers {
        fn from(order: Order) -> OrderOfNumbers {
            let attempt = |attempt: Attempt| {
                let Attempt { number, timestamp, settled, .. } = attempt;
                let settled = settled.expect("attempts settled");
                AttemptBefore { number, timestamp, settled }
            };
            let fills = order.fills.into_iter().map(|(id, fill)| (trade_id(&id), fill.into()));
            OrderOfNumbers {
                intent: order.intent,
                key: order.key,
                status: order.status,
                granted: order.granted,
                attempt: order.attempt.map(attempt),
                executed: order.executed,
                executed_quote: order.executed_quote,
                applied: order.applied,
                venue_order_id: order.venue_order_id.as_ref().map(order_id),
                reported_id: order.reported_id.as_ref().map(order_id),
                reported_status: order.reported_status,
                reported_executed: order.reported_executed,
                reported_at: order.reported_at,
                fills: fills.collect(),
                absent: order.absent,
                unanswered: order.unanswered,
                orphaned: order.orphaned,
                asked: order.asked,
            }
        }
    }

    impl From<Known> for KnownOfNumbers {
        fn from(Known { fill, applied }: Known) -> KnownOfNumbers {
            let VenueFill { trade_id: id, price, quantity, fee, fee_asset, time, liquidity } = fill;
            let trade_id = trade_id(&id);
            let fill = FillOfNumbers { trade_id, price, quantity, fee, fee_asset, time, liquidity };
            KnownOfNumbers { fill, applied }
        }
    }
}
