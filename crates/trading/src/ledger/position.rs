//! One position of the books: the sum of its lots.
//!
//! A lot is what one strategy holds of a symbol, at average cost. What a strategy buys grows its
//! lot, what it sells comes out of its lot, then out of the house's, then out of the others. What
//! nobody decided for one lot comes out of all, the oldest first.

use super::{COST_PLACES, FEE_PLACES, shrink};
use everwarm_domain::money::{self, Decimal};
use everwarm_domain::order::{FIRST_STRATEGY, HOUSE};
use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What one strategy holds of a symbol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Lot {
    pub(super) strategy: String,
    pub(super) quantity: Decimal,
    pub(super) cost: Decimal,
    /// Event time; none where it was opened before lots were kept.
    pub(super) opened: Option<UtcMs>,
}

/// What is held of a symbol.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Position {
    pub(super) quantity: Decimal,
    pub(super) cost: Decimal,
    /// Realised profit: the sum over the strategies.
    pub(super) realized: Decimal,
    /// The oldest first; none of nothing.
    #[serde(default)]
    pub(super) lots: Vec<Lot>,
    /// Realised profit by strategy; no entry where it is zero.
    #[serde(default)]
    pub(super) made: BTreeMap<String, Decimal>,
}

/// Whose lots a sale came out of.
#[derive(Clone, Debug, Default)]
pub(super) struct Sold {
    /// Base units out of each.
    pub(super) parts: Vec<(String, Decimal)>,
    /// What no lot had.
    pub(super) beyond: Decimal,
}

impl Sold {
    /// The fee by part, as much of it as was sold. The shares are rounded; the first part has what
    /// is left, so that together they are the fee.
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

/// Out of which lots something is taken first.
#[derive(Clone, Copy, Debug)]
pub(super) enum From<'a> {
    /// The lot of a strategy, the house's, then the others, the oldest first.
    Lot(&'a str),
    /// All, the oldest first.
    Oldest,
}

/// How an amount is taken out.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Taken {
    /// Its cost leaves the profit.
    Sold,
    /// Its cost stays with what is left.
    Fee,
}

impl Position {
    /// Adds to the lot of `strategy`, which opens at `time` where there was none.
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

    /// Takes `quantity` out at average cost, out of the profit of whose lots it leaves.
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

    /// Takes out base units that went as a fee, which leave their cost with the others; returns
    /// what there was not.
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

    /// Takes up to `quantity` out of one lot; returns what was taken.
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

    /// The lot that was opened last; none where nothing is held.
    pub(super) fn youngest(&self) -> Option<&Lot> {
        self.lots.last()
    }

    /// Takes up to `quantity` out of the youngest lot with its share of the cost, which is neither
    /// profit nor loss; returns what was taken and what it had cost.
    pub(super) fn write_off(&mut self, quantity: Decimal) -> (Decimal, Decimal) {
        let Some(lot) = self.lots.last_mut() else { return (Decimal::ZERO, Decimal::ZERO) };
        let taken = quantity.min(lot.quantity);
        let cost = lot.share(taken);
        shrink(&mut lot.quantity, taken);
        shrink(&mut lot.cost, cost);
        self.sum();
        (taken, cost)
    }

    /// One lot becomes part of the house's; nothing where there is none. The house's keeps its age.
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

    /// All of it, with its profit, is the lot of the one strategy there was before lots were kept.
    /// Numbers lose their trailing zeros, so that a state that was saved then and one that is read
    /// from facts are the same to the byte.
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

    /// In which order lots are taken out of.
    fn order(&self, from: From<'_>) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.lots.len()).collect();
        if let From::Lot(strategy) = from {
            // Stable: the others stay by age.
            order.sort_by_key(|at| match self.lots[*at].strategy.as_str() {
                name if name == strategy => 0,
                HOUSE => 1,
                _ => 2,
            });
        }
        order
    }

    /// Drops empty lots and adds the others up.
    fn sum(&mut self) {
        self.lots.retain(|lot| !lot.quantity.is_zero());
        self.quantity = money::total(self.lots.iter().map(|lot| lot.quantity));
        self.cost = money::total(self.lots.iter().map(|lot| lot.cost));
    }

    /// Asserts that it is the sum of its lots.
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
    /// What a part of it has cost.
    fn share(&self, taken: Decimal) -> Decimal {
        if taken == self.quantity {
            self.cost
        } else {
            money::share(self.cost, taken, self.quantity).round_dp(COST_PLACES)
        }
    }
}
