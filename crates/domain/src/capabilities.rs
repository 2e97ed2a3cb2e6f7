//! Which orders a venue takes. At each start the adapter reports this if it differs from the
//! journal. Stages read it from the journal and never from the adapter.

use crate::order::OrderType;
use serde::{Deserialize, Serialize};

/// The orders that a venue takes. A field that an earlier version did not store counts as
/// unsupported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// Kinds of orders, in the order of [`OrderType`].
    pub orders: Vec<OrderType>,
}

impl Capabilities {
    /// The capabilities of a venue that takes market and limit orders.
    #[must_use]
    pub fn market_and_limit() -> Capabilities {
        Capabilities { orders: vec![OrderType::Market, OrderType::Limit] }
    }

    /// Whether the venue takes orders of this kind.
    #[must_use]
    pub fn takes(&self, kind: OrderType) -> bool {
        self.orders.contains(&kind)
    }
}
