//! Follows the lots that the ledger reports, for stages that need the owner of a position.
//!
//! Earlier ledger versions reported only positions. There was one strategy then, so its lot is the
//! whole position.

use everwarm_domain::fact::{Body, LOTS_FROM, Ledger};
use everwarm_domain::id::{Symbol, SymbolMap};
use everwarm_domain::money::{self, Decimal};
use everwarm_domain::order::FIRST_STRATEGY;
use everwarm_kernel::fact::Fact;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Base units held, by symbol and strategy, without zeros.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lots(SymbolMap<BTreeMap<String, Decimal>>);

impl Lots {
    /// Applies one fact. Returns the symbol if the fact changed its lots.
    pub fn fold(&mut self, fact: &Fact<Body>) -> Option<Symbol> {
        match &fact.body {
            Body::Ledger(Ledger::Lot { strategy, symbol, quantity, .. }) => {
                self.set(*symbol, strategy, *quantity);
                Some(*symbol)
            }
            Body::Ledger(Ledger::Position { symbol, quantity, .. }) if fact.version < LOTS_FROM => {
                self.0.remove(*symbol);
                self.set(*symbol, FIRST_STRATEGY, *quantity);
                Some(*symbol)
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => None,
        }
    }

    /// The lots for positions from before lots existed: all belong to the first strategy.
    #[must_use]
    pub fn of_positions(positions: &SymbolMap<Decimal>) -> Lots {
        let mut lots = Lots::default();
        for (symbol, quantity) in positions.iter() {
            lots.set(symbol, FIRST_STRATEGY, *quantity);
        }
        lots
    }

    fn set(&mut self, symbol: Symbol, strategy: &str, quantity: Decimal) {
        if !quantity.is_zero() {
            self.0.entry(symbol).insert(strategy.to_owned(), quantity);
        } else if let Some(lots) = self.0.get_mut(symbol) {
            lots.remove(strategy);
            if lots.is_empty() {
                self.0.remove(symbol);
            }
        }
    }

    /// Base units of one lot; zero if there is none.
    #[must_use]
    pub fn get(&self, symbol: Symbol, strategy: &str) -> Decimal {
        let lot = self.0.get(symbol).and_then(|lots| lots.get(strategy));
        lot.copied().unwrap_or_default()
    }

    /// All lots, by symbol, then strategy.
    pub fn iter(&self) -> impl Iterator<Item = (Symbol, &str, Decimal)> {
        self.0.iter().flat_map(|(symbol, lots)| {
            lots.iter().map(move |(strategy, quantity)| (symbol, strategy.as_str(), *quantity))
        })
    }

    /// Base units of all lots of a symbol together.
    #[must_use]
    pub fn sum(&self, symbol: Symbol) -> Decimal {
        let lots = self.0.get(symbol).into_iter().flatten();
        money::total(lots.map(|(_, quantity)| *quantity))
    }
}

#[cfg(test)]
#[path = "lots_tests.rs"]
mod tests;
