//! Instruments and the venue's rules for orders in them.

use super::id::Symbol;
use super::money::Decimal;
use serde::{Deserialize, Serialize};

/// A thing traded at one venue, with its steps and minimums. A step or bound of zero is switched
/// off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instrument {
    /// The venue's name for it.
    pub symbol: Symbol,
    /// Asset bought and sold.
    pub base: String,
    /// Asset it is paid in.
    pub quote: String,
    /// Whether orders are accepted now.
    pub trading: bool,
    /// Smallest price step, in quote units.
    pub tick_size: Decimal,
    /// Smallest quantity step of limit orders, in base units.
    pub lot_size: Decimal,
    /// Smallest quantity.
    pub min_quantity: Decimal,
    /// Largest quantity of a limit order.
    pub max_quantity: Decimal,
    /// Quantity step of market orders; zero: `lot_size` alone.
    pub market_lot_size: Decimal,
    /// Largest quantity of a market order; zero: `max_quantity` alone.
    pub market_max_quantity: Decimal,
    /// Smallest price x quantity, in quote units.
    pub min_notional: Decimal,
    /// Whether `min_notional` also holds for market orders.
    pub min_notional_for_market: bool,
}
