//! Lots, as they are shown.

use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::UtcMs;
use everwarm_words::shapes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What one strategy holds of a symbol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LotView {
    /// Of what.
    #[schema(value_type = shapes::Symbol)]
    pub symbol: Symbol,
    /// Whose: a strategy, or `house` for what belongs to none.
    pub strategy: String,
    /// Base units held.
    pub quantity: Decimal,
    /// Cost by quantity; none where that is not known. At most 12 decimals.
    pub average_price: Option<Decimal>,
    /// Event time at which it was opened, UTC milliseconds; none where that was before lots were
    /// kept.
    pub opened: Option<UtcMs>,
}
