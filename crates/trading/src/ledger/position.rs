//! One position of the books.

use super::shrink;
use everwarm_domain::money::{self, Decimal};
use serde::{Deserialize, Serialize};

/// What is held of a symbol, at average cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Position {
    pub(super) quantity: Decimal,
    pub(super) cost: Decimal,
    pub(super) realized: Decimal,
}

impl Position {
    /// Takes `quantity` out at average cost, out of the profit where it is `sold`; returns what
    /// there was not. Base units that went as a fee leave their cost with the others.
    pub(super) fn give(&mut self, quantity: Decimal, sold: bool) -> Decimal {
        let taken = quantity.min(self.quantity);
        let all = taken == self.quantity;
        if sold || all {
            let share = if all { self.cost } else { money::share(self.cost, taken, self.quantity) };
            shrink(&mut self.cost, share);
            shrink(&mut self.realized, share);
        }
        shrink(&mut self.quantity, taken);
        quantity.saturating_sub(taken)
    }
}

impl Position {
    /// Takes up to `quantity` out with its share of the cost, which is neither profit nor loss;
    /// returns what was taken and what it had cost.
    pub(super) fn write_off(&mut self, quantity: Decimal) -> (Decimal, Decimal) {
        let taken = quantity.min(self.quantity);
        let all = taken == self.quantity;
        let cost = if all { self.cost } else { money::share(self.cost, taken, self.quantity) };
        shrink(&mut self.quantity, taken);
        shrink(&mut self.cost, cost);
        (taken, cost)
    }
}
