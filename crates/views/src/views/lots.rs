//! The public shape of a lot.

use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::UtcMs;
use everwarm_words::shapes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The lot of one strategy in a symbol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LotView {
    /// The symbol.
    #[schema(value_type = shapes::Symbol)]
    pub symbol: Symbol,
    /// The strategy, or `house` for a lot without a strategy.
    pub strategy: String,
    /// Quantity, base units.
    pub quantity: Decimal,
    /// Average cost; none if it is unknown. At most 12 decimals.
    pub average_price: Option<Decimal>,
    /// Event time of its opening, UTC milliseconds; none for lots of versions before lots.
    pub opened: Option<UtcMs>,
    /// Stop price of its open stop order at the venue, quote units; none if it has none.
    #[serde(default)]
    pub stop: Option<Decimal>,
    /// Price of its open target order at the venue, quote units; none if it has none.
    #[serde(default)]
    pub target: Option<Decimal>,
}
