//! The book as the versions before orders were cancelled saved it.

use super::book::OrderBook;
use super::order::Order;
use super::past::Past;
use super::reconcile::Panicked;
use everwarm_domain::fact::Conflict;
use everwarm_domain::id::ClientOrderId;
use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Format number of the order manager's state then.
pub(super) const FORMAT_BEFORE: u8 = 2;

/// See the module.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct BookBefore {
    life: u64,
    epoch: u64,
    time: UtcMs,
    orders: BTreeMap<ClientOrderId, Order>,
    past: Past,
    ended: BTreeSet<ClientOrderId>,
    conflicts: Vec<Conflict>,
    #[serde(default)]
    aside: BTreeSet<String>,
    #[serde(default)]
    panicked: Panicked,
}

impl From<BookBefore> for OrderBook {
    fn from(before: BookBefore) -> OrderBook {
        let BookBefore { life, epoch, time, orders, past, ended, .. } = before;
        let BookBefore { conflicts, aside, panicked, .. } = before;
        let fresh = OrderBook::default();
        OrderBook { life, epoch, time, orders, past, ended, conflicts, aside, panicked, ..fresh }
    }
}

impl From<OrderBook> for BookBefore {
    fn from(book: OrderBook) -> BookBefore {
        let OrderBook {
            life, epoch, time, orders, past, ended, conflicts, aside, panicked, ..
        } = book;
        BookBefore { life, epoch, time, orders, past, ended, conflicts, aside, panicked }
    }
}
