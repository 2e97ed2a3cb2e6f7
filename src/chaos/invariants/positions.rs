//! A position is the sum of its fills, each applied once, and the fills add up to what the venue
//! executed.
//!
//! A position is also the sum of its lots, and no lot is below zero.
//!
//! A sale beyond a position is not ours, so no position is below zero. An operator may accept a
//! smaller quantity from the venue: that adjustment counts.

use super::orders;
use everwarm_domain::fact::kinds::rank;
use everwarm_domain::fact::{Body, Ledger, Market, Order, Part};
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{Side, VenueFill};
use everwarm_domain::venue_ids::VenueTradeId;
use everwarm_kernel::fact::Fact;
use everwarm_trading::lots::Lots;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Sums so far.
#[derive(Debug, Default)]
pub struct Positions {
    bases: BTreeMap<Symbol, String>,
    held: BTreeMap<Symbol, Decimal>,
    filled: BTreeMap<String, Decimal>,
    applied: BTreeSet<(Symbol, VenueTradeId)>,
    /// The quantity after an input with fills, and the position that the ledger appended.
    after: BTreeMap<(Symbol, u64), Decimal>,
    appended: BTreeMap<(Symbol, u64), Decimal>,
    lots: Lots,
    /// The newest position of each symbol.
    sums: BTreeMap<Symbol, Decimal>,
    /// The input of the last fact.
    last: u64,
    broken: Vec<String>,
}

impl Positions {
    /// Takes one fact, in the order of the journal.
    pub fn see(&mut self, fact: &Fact<Body>) {
        let n = fact.key.n;
        if fact.key.rank == rank::LEDGER.0 {
            if n != self.last {
                self.add_up();
                self.last = n;
            }
            self.lots.fold(fact);
        }
        if let Body::Ledger(Ledger::Lot { strategy, symbol, quantity, .. }) = &fact.body
            && *quantity < Decimal::ZERO
        {
            self.broken.push(format!("{strategy} holds {quantity} of {symbol} at {n}"));
        }
        if let Body::Market(Market::Instruments { rules }) = &fact.body {
            self.bases.extend(rules.iter().map(|rule| (rule.symbol, rule.base.clone())));
        } else if let Body::Order(Order::Filled { client_id, symbol, side, fill, .. }) = &fact.body
        {
            *self.filled.entry(client_id.0.clone()).or_default() += fill.quantity;
            if !self.applied.insert((*symbol, fill.trade_id.clone())) {
                self.broken.push(format!("trade {} of {symbol} was applied twice", fill.trade_id));
            }
            self.fill(*symbol, *side, fill);
            self.after.insert((*symbol, n), self.held(*symbol));
        } else if let Body::Ledger(Ledger::Adjusted {
            part: Part::Position(symbol), amount, ..
        }) = &fact.body
        {
            *self.held.entry(*symbol).or_default() += *amount;
        } else if let Body::Ledger(Ledger::Position { symbol, quantity, .. }) = &fact.body {
            self.appended.insert((*symbol, n), *quantity);
            self.sums.insert(*symbol, *quantity);
        }
    }

    /// Compares lots with positions after all facts of the ledger about the last input.
    fn add_up(&mut self) {
        for (symbol, held) in &self.sums {
            let lots = self.lots.sum(*symbol);
            if lots != *held {
                let at = self.last;
                self.broken.push(format!("lots of {symbol} up to {at} are {lots}, held is {held}"));
            }
        }
        // Each difference is reported once.
        self.sums.retain(|symbol, held| self.lots.sum(*symbol) == *held);
    }

    fn held(&self, symbol: Symbol) -> Decimal {
        self.held.get(&symbol).copied().unwrap_or_default()
    }

    fn fill(&mut self, symbol: Symbol, side: Side, fill: &VenueFill) {
        let in_base = self.bases.get(&symbol).is_some_and(|base| *base == fill.fee_asset);
        let fee = if in_base { fill.fee } else { Decimal::ZERO };
        let held = self.held.entry(symbol).or_default();
        match side {
            Side::Buy => *held += fill.quantity,
            Side::Sell => *held -= fill.quantity,
        }
        *held = (*held).max(Decimal::ZERO);
        *held = (*held - fee).max(Decimal::ZERO);
    }

    /// Positions that break the invariant, in the journal or against the exchange's books.
    #[must_use]
    pub fn end(&self, ledger: &Value) -> Vec<String> {
        let mut broken = self.broken.clone();
        for (symbol, held) in &self.sums {
            let lots = self.lots.sum(*symbol);
            if lots != *held {
                broken.push(format!("lots of {symbol} are {lots}, held is {held}"));
            }
        }
        for ((symbol, n), held) in &self.after {
            let appended = self.appended.get(&(*symbol, *n));
            if appended != Some(held) {
                broken
                    .push(format!("fills of {symbol} up to {n} are {held}, held is {appended:?}"));
            }
        }
        let mut known = BTreeSet::new();
        for order in orders(ledger) {
            let ours = self.filled.get(&order.id).copied().unwrap_or_default();
            if order.executed != Some(ours) {
                let executed = order.executed;
                broken.push(format!(
                    "of {} the venue executed {executed:?}, applied are {ours}",
                    order.id
                ));
            }
            known.insert(order.id);
        }
        let unknown = self.filled.keys().filter(|id| !known.contains(*id));
        broken.extend(unknown.map(|id| format!("{id} was filled, the venue does not know it")));
        broken
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{filled, ledger, lot, position};
    use super::*;

    #[test]
    fn a_position_that_is_not_its_fills_is_found() {
        let mut positions = Positions::default();
        positions.see(&filled(1, "a", Side::Buy, 7, 3));
        positions.see(&position(1, 3));
        positions.see(&filled(2, "b", Side::Sell, 8, 2));
        positions.see(&position(2, 1));
        let books = ledger(&[("a", "3"), ("b", "2")]);
        assert_eq!(positions.end(&books), [""; 0]);
        let other = ledger(&[("a", "3"), ("b", "1.5")]);
        assert!(positions.end(&other)[0].contains("of b the venue executed"), "{other}");
        let less = ledger(&[("a", "3")]);
        assert_eq!(positions.end(&less), ["b was filled, the venue does not know it"]);
        positions.see(&filled(3, "c", Side::Buy, 9, 1));
        positions.see(&position(3, 5));
        let books = ledger(&[("a", "3"), ("b", "2"), ("c", "1")]);
        assert!(positions.end(&books)[0].contains("up to 3 are 2"), "{:?}", positions.end(&books));
    }

    #[test]
    fn lots_that_are_not_the_position_are_found() {
        let mut positions = Positions::default();
        positions.see(&filled(1, "a", Side::Buy, 7, 3));
        positions.see(&position(1, 3));
        positions.see(&lot(2, "b", 1));
        let books = ledger(&[("a", "3")]);
        assert_eq!(positions.end(&books), ["lots of BTCUSDT are 4, held is 3"]);
    }

    #[test]
    fn a_trade_that_counts_twice_is_found() {
        let mut positions = Positions::default();
        for n in [1, 2] {
            positions.see(&filled(n, "a", Side::Buy, 7, 3));
            positions.see(&position(n, i64::try_from(n).unwrap() * 3));
        }
        let broken = positions.end(&ledger(&[("a", "6")]));
        assert_eq!(broken, ["trade 7 of BTCUSDT was applied twice"]);
    }
}
