//! What a venue does for an order. Its adapter says it at each start, where it differs from what
//! the journal has; stages ask the journal and never the adapter.

use crate::order::OrderType;
use serde::{Deserialize, Serialize};

/// What orders a venue takes. A member that an earlier version did not store counts as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// Kinds of orders, in the order of [`OrderType`].
    pub orders: Vec<OrderType>,
}

impl Capabilities {
    /// Market and limit orders.
    #[must_use]
    pub fn market_and_limit() -> Capabilities {
        Capabilities { orders: vec![OrderType::Market, OrderType::Limit] }
    }

    /// Whether orders of this kind are taken.
    #[must_use]
    pub fn takes(&self, kind: OrderType) -> bool {
        self.orders.contains(&kind)
    }
}
