//! The public shape of `calibrate`.

use everwarm_domain::money::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Own fills at a venue compared with those that paper trading on live prices assumes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CalibrationView {
    /// Number of orders with fills.
    pub orders: u64,
    /// By type of order.
    pub types: Vec<CalibratedView>,
    /// Configuration keys that would make paper fills as dear as the venue's.
    pub proposed: Vec<ProposedKeyView>,
}

/// The orders of one type. Distances are in basis points of the price at which paper trading
/// begins: the last close, the stop or the limit. They are positive if the fill is worse. At most 2
/// decimals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CalibratedView {
    /// `market`, `stop` or `limit`.
    pub order_type: String,
    /// Number of orders.
    pub orders: u32,
    /// Mean distance of the venue's fills.
    pub live_bp: Decimal,
    /// Mean distance that paper trading assumes for the same orders.
    pub paper_bp: Decimal,
    /// Mean difference; positive: the venue is dearer than paper.
    pub difference_bp: Decimal,
    /// Lower end of the 95 % interval of the difference; none: one order.
    pub low_bp: Option<Decimal>,
    /// Upper end of it.
    pub high_bp: Option<Decimal>,
}

/// A proposed value of a configuration key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProposedKeyView {
    /// The key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Why.
    pub because: String,
}
