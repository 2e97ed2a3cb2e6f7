//! Finds our orders by the id that the venue gave them.

use super::order::Order;
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::venue_ids::VenueOrderId;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

type ByNumber = BTreeMap<(Symbol, VenueOrderId), ClientOrderId>;

/// Our ids, by symbol and the venue's order id. A trade of any other order is not ours.
#[derive(Clone, Debug, Default)]
pub struct VenueNumbers {
    living: ByNumber,
    finished: Arc<ByNumber>,
}

impl VenueNumbers {
    /// The numbers of these living orders, and those of the finished ones.
    pub(super) fn of<'a>(
        living: impl Iterator<Item = &'a Order>,
        finished: Arc<ByNumber>,
    ) -> VenueNumbers {
        VenueNumbers { living: living.filter_map(entry).collect(), finished }
    }

    /// Our id of the order with this number.
    #[must_use]
    pub fn get(&self, symbol: Symbol, number: &VenueOrderId) -> Option<&ClientOrderId> {
        let key = (symbol, number.clone());
        self.living.get(&key).or_else(|| self.finished.get(&key))
    }
}

impl FromIterator<(Symbol, VenueOrderId, ClientOrderId)> for VenueNumbers {
    fn from_iter<I: IntoIterator<Item = (Symbol, VenueOrderId, ClientOrderId)>>(ids: I) -> Self {
        let living = ids.into_iter().map(|(symbol, number, id)| ((symbol, number), id)).collect();
        VenueNumbers { living, finished: Arc::default() }
    }
}

fn entry(order: &Order) -> Option<((Symbol, VenueOrderId), ClientOrderId)> {
    let number = order.venue_order_id.clone()?;
    Some(((order.intent.symbol, number), order.intent.client_id.clone()))
}

/// The numbers of the finished orders. Unpacking them all takes milliseconds, and each batch of
/// orders needs them. So they are read at the first use, and new ones are added.
#[derive(Clone, Default)]
pub(super) struct FinishedNumbers(OnceLock<Arc<ByNumber>>);

impl FinishedNumbers {
    /// The numbers. `orders` unpacks the finished orders.
    pub(super) fn all<I: Iterator<Item = Order>>(&self, orders: impl Fn() -> I) -> Arc<ByNumber> {
        let read = || Arc::new(orders().filter_map(|order| entry(&order)).collect());
        Arc::clone(self.0.get_or_init(read))
    }

    /// Adds a finished order, if the others were read.
    pub(super) fn add(&mut self, order: &Order) {
        if let Some((numbers, (key, id))) = self.0.get_mut().zip(entry(order)) {
            Arc::make_mut(numbers).insert(key, id);
        }
    }
}

/// What it is derived from is compared.
impl PartialEq for FinishedNumbers {
    fn eq(&self, _: &FinishedNumbers) -> bool {
        true
    }
}

impl fmt::Debug for FinishedNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FinishedNumbers")
    }
}
