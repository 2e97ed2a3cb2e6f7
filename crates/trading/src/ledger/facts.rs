//! Builds the facts that the ledger appends.

use super::position::{Lot, Position};
use super::{Adjustment, Ledger, sizing};
use everwarm_domain::fact::{Body, Conflict, Ledger as LedgerFact, Order, Part};
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::HOUSE;
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::{Fact, Key, Rank};
use everwarm_kernel::stage::Out;
use std::collections::BTreeSet;

impl Ledger {
    pub(super) fn append_equity(&self, time: UtcMs, out: &mut Out<Body>) {
        if let Some((equity, cash)) = self.equity() {
            let adjusted = self.adjusted.normalize();
            out.append(Body::Ledger(LedgerFact::Equity { time, equity, cash, adjusted }));
        }
    }

    pub(super) fn append_position(&self, key: Key, symbol: Symbol, out: &mut Out<Body>) {
        let none = Position::default();
        let position = self.positions.get(symbol).unwrap_or(&none);
        out.append_because(
            [key],
            Body::Ledger(LedgerFact::Position {
                symbol,
                quantity: position.quantity.normalize(),
                cost: position.cost.normalize(),
                realized_pnl: position.realized.normalize(),
                cash: self.cash.normalize(),
            }),
        );
    }

    pub(super) fn append_reconciled(&self, fact: &Fact<Body>, life: u64, out: &mut Out<Body>) {
        let Body::Order(Order::Compared { conflicts, .. }) = &fact.body else { return };
        // Orders are compared with each account, and whenever a report contradicts the records. In
        // the second case their conflicts are added to those of the last account.
        let mut all = match &self.picture {
            Some(picture) if picture.n == fact.key.n => picture.conflicts.clone(),
            Some(_) | None => self.conflicts.clone(),
        };
        for conflict in conflicts {
            if !all.contains(conflict) {
                all.push(conflict.clone());
            }
        }
        self.append_conflicts(fact.key, life, all, out);
    }

    fn append_conflicts(&self, key: Key, life: u64, conflicts: Vec<Conflict>, out: &mut Out<Body>) {
        let foreign =
            self.foreign.iter().map(|(asset, amount)| (asset.clone(), amount.normalize()));
        let (cash, foreign) = (self.cash.normalize(), foreign.collect());
        let venue = self.instruments.venue();
        let reconciled = LedgerFact::Reconciled { life, conflicts, cash, foreign, venue };
        out.append_because([key], Body::Ledger(reconciled));
    }

    /// Appends the adjustments after an operator ended a conflict, and the remaining conflicts.
    pub(super) fn append_resolved(&self, key: Key, out: &mut Out<Body>) {
        for Adjustment { asset, part, amount, value } in &self.booked {
            let (asset, part) = (asset.clone(), *part);
            let (amount, value) = (amount.normalize(), value.normalize());
            out.append(Body::Ledger(LedgerFact::Adjusted { asset, part, amount, value }));
            if let Part::Position(symbol) = part {
                self.append_position(key, symbol, out);
            }
        }
        if self.life > 0 {
            self.append_conflicts(key, self.life, self.conflicts.clone(), out);
        }
    }

    /// Appends the lots that changed at this input, closed ones first. They come last, so the facts
    /// that versions without lots appended keep their places.
    pub(super) fn append_lots(&self, out: &mut Out<Body>) {
        for (symbol, keys, before) in &self.before {
            if let Some(position) = self.positions.get(*symbol) {
                // The last cause comes first: a version that replays recorded facts applies the lot
                // after it.
                let keys: Vec<Key> = keys.iter().rev().copied().collect();
                append_changes(&keys, *symbol, before, position, out);
            }
        }
    }

    /// Moves lots of a symbol to the house whose exit has ended and that are too small to sell.
    pub(super) fn append_dust(&self, symbol: Symbol, out: &mut Out<Body>) {
        let Some(position) = self.positions.get(symbol) else { return };
        let (rule, mark) = (self.instruments.get(symbol), self.marks.get(symbol));
        let (Some(rule), Some(mark)) = (rule, mark) else { return };
        let mut after = position.clone();
        for lot in &position.lots {
            let is_over = self.left.contains_key(&(symbol, lot.strategy.clone()));
            let small = sizing::market(rule, lot.quantity, mark.decimal()).is_err();
            if is_over && lot.strategy != HOUSE && small {
                after.leave_to_house(&lot.strategy);
            }
        }
        let close = Key { n: self.closed, rank: Rank::INPUT.0, i: 0 };
        append_changes(&[close], symbol, position, &after, out);
    }
}

/// Appends each lot of a symbol whose quantity, cost or realised profit changed.
fn append_changes(
    because: &[Key],
    symbol: Symbol,
    before: &Position,
    after: &Position,
    out: &mut Out<Body>,
) {
    let made = |of: &Position, name: &str| of.made.get(name).copied().unwrap_or_default();
    let lives = |name: &str| after.lots.iter().any(|lot| lot.strategy == name);
    let gone = before.lots.iter().map(|lot| &lot.strategy).filter(|name| !lives(name));
    // A profit without a lot: from a sale of external holdings.
    let had = |name: &str| before.lots.iter().any(|lot| lot.strategy == name);
    let bare = after
        .made
        .keys()
        .chain(before.made.keys())
        .filter(|name| !lives(name) && !had(name) && made(before, name) != made(after, name));
    let bare: BTreeSet<&String> = bare.collect();
    let closed = gone.chain(bare).map(|name| Lot {
        strategy: name.clone(),
        quantity: Decimal::ZERO,
        cost: Decimal::ZERO,
        opened: None,
    });
    let changed = after.lots.iter().filter(|lot| {
        let name = &lot.strategy;
        !before.lots.contains(lot) || made(before, name) != made(after, name)
    });
    for Lot { strategy, quantity, cost, opened } in closed.chain(changed.cloned()) {
        let realized_pnl = made(after, &strategy).normalize();
        let (quantity, cost) = (quantity.normalize(), cost.normalize());
        let lot = LedgerFact::Lot { strategy, symbol, quantity, cost, opened, realized_pnl };
        out.append_because(because, Body::Ledger(lot));
    }
}
