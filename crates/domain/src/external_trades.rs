//! Executions of external orders, which may be adopted.

use super::id::{ClientOrderId, Symbol, VenueId};
use super::order::{MANUAL, Side, VenueFill};
use super::venue_ids::VenueOrderId;
use serde::{Deserialize, Serialize};

/// One execution of an external order: one that another program or a person placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalTrade {
    /// The id that its client gave the order. It may be used again for another order.
    pub client_id: ClientOrderId,
    /// The venue's id of the order.
    pub venue_order_id: VenueOrderId,
    /// The symbol.
    pub symbol: Symbol,
    /// Direction.
    pub side: Side,
    /// The execution.
    pub fill: VenueFill,
}

/// Executions of external orders of one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalTrades {
    /// The executions, by symbol, then venue time, then trade id.
    pub trades: Vec<ExternalTrade>,
    /// The venue of the account.
    pub venue: VenueId,
}

/// Whether a fill of an order for a strategy is one of an external order that was adopted. The
/// strategy `manual` owns what such orders trade.
#[must_use]
pub fn is_adopted(client_id: &ClientOrderId, strategy: &str) -> bool {
    strategy == MANUAL && client_id.is_external()
}
