//! Keeps one position of the books: the sum of its lots.
//!
//! A lot is what one strategy holds of a symbol, at average cost. A buy of a strategy adds to its
//! lot. A sale comes out of its own lot, then out of the house's, then out of the others. An amount
//! without a strategy comes out of all lots, the oldest first.

use super::{COST_PLACES, FEE_PLACES, shrink};
use everwarm_domain::money::{self, Decimal, floor_to_step};
use everwarm_domain::order::{FIRST_STRATEGY, HOUSE};
use everwarm_domain::split::Ratio;
use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The lot of one strategy in a symbol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Lot {
    pub(super) strategy: String,
    pub(super) quantity: Decimal,
    pub(super) cost: Decimal,
    /// Event time of the opening; `None` if it was opened before lots existed.
    pub(super) opened: Option<UtcMs>,
}

/// The position in a symbol.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Position {
    pub(super) quantity: Decimal,
    pub(super) cost: Decimal,
    /// Realised profit: the sum over the strategies.
    pub(super) realized: Decimal,
    /// The lots, oldest first. None is empty.
    #[serde(default)]
    pub(super) lots: Vec<Lot>,
    /// Realised profit by strategy, without zeros.
    #[serde(default)]
    pub(super) made: BTreeMap<String, Decimal>,
}

/// The lots that a sale came out of.
#[derive(Clone, Debug, Default)]
pub(super) struct Sold {
    /// Strategy and base units of each lot.
    pub(super) parts: Vec<(String, Decimal)>,
    /// Base units beyond all lots.
    pub(super) beyond: Decimal,
}

impl Sold {
    /// The fee of each part, in proportion to its quantity. Shares are rounded. The first part gets
    /// the rest, so that the shares add up to the fee.
    pub(super) fn shares(&self, fee: Decimal) -> Vec<(String, Decimal)> {
        let all = money::total(self.parts.iter().map(|(_, quantity)| *quantity));
        let mut left = fee;
        let mut shares: Vec<(String, Decimal)> = Vec::new();
        for (at, (whose, quantity)) in self.parts.iter().enumerate().rev() {
            let share = if at == 0 || all.is_zero() {
                left
            } else {
                money::share(fee, *quantity, all).round_dp(FEE_PLACES)
            };
            shrink(&mut left, share);
            shares.push((whose.clone(), share));
        }
        shares.reverse();
        shares
    }
}

/// The order in which lots are reduced.
#[derive(Clone, Copy, Debug)]
pub(super) enum From<'a> {
    /// The lot of this strategy, then the house's, then the others, oldest first.
    Lot(&'a str),
    /// The lot of this strategy, and no other.
    Only(&'a str),
    /// All lots, oldest first.
    Oldest,
}

/// How a reduction treats the cost.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Taken {
    /// A sale: the cost of the sold part reduces the profit.
    Sold,
    /// A fee: the cost stays with the rest of the lot.
    Fee,
}

impl Position {
    /// Adds to the lot of `strategy`. A new lot opens at `time`.
    pub(super) fn add(&mut self, strategy: &str, quantity: Decimal, cost: Decimal, time: UtcMs) {
        if quantity.is_zero() {
            return;
        }
        match self.lots.iter_mut().find(|lot| lot.strategy == strategy) {
            Some(lot) => {
                lot.quantity = lot.quantity.saturating_add(quantity);
                lot.cost = lot.cost.saturating_add(cost);
            }
            None => self.lots.push(Lot {
                strategy: strategy.to_owned(),
                quantity,
                cost,
                opened: Some(time),
            }),
        }
        self.sum();
    }

    /// Removes `quantity` at average cost. The cost reduces the profit of the reduced lots'
    /// strategies.
    pub(super) fn sell(&mut self, quantity: Decimal, from: From<'_>) -> Sold {
        self.take(quantity, from, Taken::Sold)
    }

    /// Books a realised profit of a strategy; a loss is negative.
    pub(super) fn gain(&mut self, strategy: &str, amount: Decimal) {
        let made = self.made.entry(strategy.to_owned()).or_default();
        *made = made.saturating_add(amount);
        if made.is_zero() {
            self.made.remove(strategy);
        }
        self.realized = money::total(self.made.values().copied());
    }

    /// Removes base units paid as a fee; their cost stays with the rest. Returns the amount beyond
    /// all lots.
    pub(super) fn pay(&mut self, quantity: Decimal, from: From<'_>) -> Decimal {
        self.take(quantity, from, Taken::Fee).beyond
    }

    fn take(&mut self, quantity: Decimal, from: From<'_>, how: Taken) -> Sold {
        let (mut left, mut parts) = (quantity, Vec::new());
        for at in self.order(from) {
            let taken = self.take_of(at, left, how);
            if !taken.is_zero() {
                shrink(&mut left, taken);
                parts.push((self.lots[at].strategy.clone(), taken));
            }
        }
        self.sum();
        Sold { parts, beyond: left }
    }

    /// Removes up to `quantity` from one lot; returns the removed quantity.
    fn take_of(&mut self, at: usize, quantity: Decimal, how: Taken) -> Decimal {
        let lot = &mut self.lots[at];
        let taken = quantity.min(lot.quantity);
        let all = taken == lot.quantity;
        if taken.is_zero() {
            return taken;
        }
        if how == Taken::Sold || all {
            let cost = lot.share(taken);
            shrink(&mut lot.cost, cost);
            shrink(&mut lot.quantity, taken);
            let whose = lot.strategy.clone();
            self.gain(&whose, -cost);
        } else {
            shrink(&mut lot.quantity, taken);
        }
        taken
    }

    /// The lot that was opened last; `None` if nothing is held.
    pub(super) fn youngest(&self) -> Option<&Lot> {
        self.lots.last()
    }

    /// Removes up to `quantity` from the youngest lot, with its share of the cost: neither profit
    /// nor loss. Returns the removed quantity and its cost.
    pub(super) fn write_off(&mut self, quantity: Decimal) -> (Decimal, Decimal) {
        let Some(lot) = self.lots.last_mut() else { return (Decimal::ZERO, Decimal::ZERO) };
        let taken = quantity.min(lot.quantity);
        let cost = lot.share(taken);
        shrink(&mut lot.quantity, taken);
        shrink(&mut lot.cost, cost);
        self.sum();
        (taken, cost)
    }

    /// Replaces the shares by new ones. All together, and each lot, become a multiple of `step`. A
    /// step that is left goes to the oldest lots. Returns the rest, which leaves with its cost.
    pub(super) fn split(&mut self, ratio: Ratio, step: Decimal) -> Decimal {
        let all = ratio.quantity(self.quantity);
        let exact: Vec<Decimal> =
            self.lots.iter().map(|lot| ratio.quantity(lot.quantity)).collect();
        let mut left = floor_to_step(all, step);
        for (lot, exact) in self.lots.iter_mut().zip(&exact) {
            lot.quantity = floor_to_step(*exact, step).min(left);
            shrink(&mut left, lot.quantity);
        }
        for (lot, exact) in self.lots.iter_mut().zip(&exact) {
            let more = step.min(left);
            if lot.quantity < *exact && more > Decimal::ZERO {
                lot.quantity = lot.quantity.saturating_add(more);
                shrink(&mut left, more);
            }
            let lost = exact.saturating_sub(lot.quantity);
            if lot.quantity.is_zero() {
                lot.cost = Decimal::ZERO;
            } else if lost > Decimal::ZERO {
                let cost = money::share(lot.cost, lost, *exact).round_dp(COST_PLACES);
                shrink(&mut lot.cost, cost);
            }
        }
        self.sum();
        all.saturating_sub(self.quantity)
    }

    /// Moves the lot of a strategy into the house's lot, which keeps its age. Without such a lot,
    /// nothing changes.
    pub(super) fn leave_to_house(&mut self, strategy: &str) {
        let at = self.lots.iter().position(|lot| lot.strategy == strategy);
        let Some(lot) = at.map(|at| self.lots.remove(at)) else { return };
        if let Some(house) = self.lots.iter_mut().find(|lot| lot.strategy == HOUSE) {
            house.quantity = house.quantity.saturating_add(lot.quantity);
            house.cost = house.cost.saturating_add(lot.cost);
        } else {
            let at = at.unwrap_or_default();
            self.lots.insert(at, Lot { strategy: HOUSE.to_owned(), ..lot });
        }
        self.sum();
    }

    /// Assigns the whole position and its profit to the first strategy, for states from before
    /// lots. Numbers lose their trailing zeros. So a saved state and one computed from facts are
    /// equal byte for byte.
    pub(super) fn all_to_first(&mut self) {
        for number in [&mut self.quantity, &mut self.cost, &mut self.realized] {
            *number = number.round_dp(COST_PLACES).normalize();
        }
        let (quantity, cost) = (self.quantity, self.cost);
        self.made.clear();
        if !self.realized.is_zero() {
            self.made.insert(FIRST_STRATEGY.to_owned(), self.realized);
        }
        self.lots.clear();
        if !quantity.is_zero() {
            let strategy = FIRST_STRATEGY.to_owned();
            self.lots.push(Lot { strategy, quantity, cost, opened: None });
        }
    }

    /// Indices of the lots in the order of reduction.
    fn order(&self, from: From<'_>) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.lots.len()).collect();
        match from {
            // The sort is stable, so the others stay sorted by age.
            From::Lot(strategy) => order.sort_by_key(|at| match self.lots[*at].strategy.as_str() {
                name if name == strategy => 0,
                HOUSE => 1,
                _ => 2,
            }),
            From::Only(strategy) => order.retain(|at| self.lots[*at].strategy == strategy),
            From::Oldest => {}
        }
        order
    }

    /// Drops empty lots and sums up the others.
    fn sum(&mut self) {
        self.lots.retain(|lot| !lot.quantity.is_zero());
        self.quantity = money::total(self.lots.iter().map(|lot| lot.quantity));
        self.cost = money::total(self.lots.iter().map(|lot| lot.cost));
    }

    /// Asserts that the position is the sum of its lots.
    pub(super) fn check(&self) {
        let Position { quantity, cost, lots, .. } = self;
        assert_eq!(money::total(lots.iter().map(|lot| lot.quantity)), *quantity, "5: {self:?}");
        assert_eq!(money::total(lots.iter().map(|lot| lot.cost)), *cost, "5: {self:?}");
        let made = money::total(self.made.values().copied());
        assert_eq!(made, self.realized, "6: {self:?}");
        assert!(lots.iter().all(|lot| lot.quantity > Decimal::ZERO), "5: {self:?}");
        for (at, lot) in lots.iter().enumerate() {
            assert!(lots[..at].iter().all(|other| other.strategy != lot.strategy), "5: {self:?}");
        }
    }
}

impl Lot {
    /// The cost of a part of the lot.
    fn share(&self, taken: Decimal) -> Decimal {
        if taken == self.quantity {
            self.cost
        } else {
            money::share(self.cost, taken, self.quantity).round_dp(COST_PLACES)
        }
    }
}
