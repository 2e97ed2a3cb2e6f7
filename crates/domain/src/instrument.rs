//! Instruments and the venue's rules for orders in them.

use super::id::{Symbol, VenueId};
use super::money::{Decimal, floor_to_step};
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
    /// Where it is traded.
    #[serde(default)]
    pub venue: VenueId,
}

impl Instrument {
    /// A quantity rounded down to what a market order can name. A multiple of both steps: venues
    /// make one a multiple of the other, so the larger one holds.
    #[must_use]
    pub fn floor(&self, quantity: Decimal) -> Decimal {
        floor_to_step(quantity, self.step())
    }

    /// Quantity step of market orders.
    #[must_use]
    pub fn step(&self) -> Decimal {
        self.lot_size.max(self.market_lot_size)
    }

    /// Whether a holding can be sold as far as its quantity goes; what cannot is dust, and counts
    /// as none.
    #[must_use]
    pub fn sells(&self, quantity: Decimal) -> bool {
        // What is a step more than the least needs no division: most holdings are.
        if quantity > Decimal::ZERO && quantity >= self.min_quantity.saturating_add(self.step()) {
            return true;
        }
        let floored = self.floor(quantity);
        floored > Decimal::ZERO && floored >= self.min_quantity
    }
}
