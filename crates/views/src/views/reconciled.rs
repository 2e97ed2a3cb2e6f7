//! The public shapes of orders that a comparison of the account shows.

use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::OrderStatus;
use everwarm_domain::time::UtcMs;
use everwarm_words::shapes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An order on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenView {
    /// Its id; the venue's id if the order is not ours.
    #[schema(value_type = shapes::ClientOrderId)]
    pub client_order_id: ClientOrderId,
    /// Its symbol.
    #[schema(value_type = shapes::Symbol)]
    pub symbol: Symbol,
    /// Its status in the books at the comparison; none: the books did not know it.
    #[schema(value_type = Option<shapes::OrderStatus>)]
    pub ours: Option<OrderStatus>,
    /// Whether it was open at the venue at the comparison.
    pub open: bool,
    /// Whether it belongs to others: never touched.
    pub foreign: bool,
}

/// A sale of an external order that sold more than the lot of `manual`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExternalSaleView {
    /// The asset that it sold.
    pub asset: String,
    /// Its symbol.
    #[schema(value_type = shapes::Symbol)]
    pub symbol: Symbol,
    /// The id that its client gave the order.
    #[schema(value_type = shapes::ClientOrderId)]
    pub client_order_id: ClientOrderId,
    /// The venue's id of the order.
    pub venue_order_id: String,
    /// The sold quantity, base units.
    pub quantity: Decimal,
    /// The part of it that no lot of `manual` explains.
    pub beyond: Decimal,
    /// Venue time of the sale, UTC milliseconds.
    pub time: UtcMs,
}
