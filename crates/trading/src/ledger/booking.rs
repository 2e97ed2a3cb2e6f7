//! Books changes: executions, accepted conflicts and adopted assets.

use super::position::{From, Position, Sold};
use super::{Adjustment, FEE_PLACES, Ledger, grow, shrink};
use everwarm_domain::fact::Part;
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{HOUSE, PANIC, Side, VenueFill};
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::Key;
use std::collections::BTreeMap;

impl Ledger {
    /// Records the position of a symbol before the fact with this key changes it.
    fn touch(&mut self, key: Key, symbol: Symbol) {
        if let Some((_, keys, _)) = self.before.iter_mut().find(|(of, _, _)| *of == symbol) {
            keys.push(key);
            return;
        }
        let position = self.positions.get(symbol).cloned().unwrap_or_default();
        self.before.push((symbol, vec![key], position));
    }

    /// Books an execution for `strategy`, reported by the fact with this key and event time.
    pub(super) fn apply_fill(
        &mut self,
        (key, time): (Key, UtcMs),
        strategy: &str,
        symbol: Symbol,
        side: Side,
        fill: &VenueFill,
    ) {
        self.touch(key, symbol);
        let strategy = if strategy == PANIC { HOUSE } else { strategy };
        let base = self.instruments.get(symbol).map(|rule| rule.base.as_str());
        let position = self.positions.entry(symbol);
        let amount = fill.price.saturating_mul(fill.quantity);
        let mut sold = Sold::default();
        match side {
            Side::Buy => {
                position.add(strategy, fill.quantity, amount, time);
                sold.parts.push((strategy.to_owned(), fill.quantity));
                shrink(&mut self.cash, amount);
            }
            Side::Sell => {
                sold = position.sell(fill.quantity, From::Lot(strategy));
                // External holdings belong to no strategy.
                if !sold.beyond.is_zero() || sold.parts.is_empty() {
                    sold.parts.push((HOUSE.to_owned(), sold.beyond));
                }
                for (whose, quantity) in &sold.parts {
                    position.gain(whose, fill.price.saturating_mul(*quantity));
                }
                grow(&mut self.cash, amount);
            }
        }
        let mut beyond = sold.beyond;
        if self.quote.as_deref() == Some(fill.fee_asset.as_str()) {
            shrink(&mut self.cash, fill.fee);
            for (whose, fee) in sold.shares(fill.fee) {
                position.gain(&whose, -fee);
            }
        } else if base == Some(fill.fee_asset.as_str()) {
            grow(&mut beyond, position.pay(fill.fee, From::Lot(strategy)));
        } else if !fill.fee.is_zero() {
            shrink(self.fees.entry(fill.fee_asset.clone()).or_default(), fill.fee);
        }
        if position.quantity.is_zero() {
            self.held.remove(&symbol);
        } else {
            self.held.insert(symbol);
        }
        if let Some(base) = base
            && !beyond.is_zero()
        {
            let base = base.to_owned();
            self.surplus(&base, -beyond);
        }
    }

    /// Books a sale by `everwarm panic`, which sells all of a symbol. The quantity beyond the
    /// position was external, and so are its proceeds. The sale names no lot, so the oldest goes
    /// first.
    pub(super) fn panicked(&mut self, key: Key, symbol: Symbol, fill: &VenueFill) {
        self.touch(key, symbol);
        let rule = self.instruments.get(symbol);
        let base = rule.map(|rule| rule.base.clone()).unwrap_or_default();
        let quote = self.quote.clone().unwrap_or_default();
        let position = self.positions.entry(symbol);
        let mut sold = position.sell(fill.quantity, From::Oldest);
        let mut beyond = sold.beyond;
        let ours = fill.quantity - beyond;
        let in_quote = fill.fee_asset == quote;
        let fee = if in_quote { fill.fee } else { Decimal::ZERO };
        // The share is rounded, so both parts are exact and add up to the fee.
        let share = if beyond.is_zero() || fill.quantity.is_zero() {
            fee
        } else {
            (fee * (ours / fill.quantity)).round_dp(FEE_PLACES)
        };
        let brought = fill.price * ours - share;
        let external = fill.price * beyond - (fee - share);
        if sold.parts.is_empty() {
            sold.parts.push((HOUSE.to_owned(), Decimal::ZERO));
        }
        for ((whose, quantity), (_, fee)) in sold.parts.iter().zip(sold.shares(share)) {
            position.gain(whose, fill.price * *quantity - fee);
        }
        self.cash += brought;
        if fill.fee_asset == base {
            beyond += position.pay(fill.fee, From::Oldest);
        } else if !in_quote && !fill.fee.is_zero() {
            *self.fees.entry(fill.fee_asset.clone()).or_default() -= fill.fee;
        }
        if position.quantity.is_zero() {
            self.held.remove(&symbol);
        }
        self.surplus(&base, -beyond);
        // The last account may already have shown the proceeds as a surplus in the quote asset.
        if self.missing.contains_key(&base) || self.aside.contains_key(&base) {
            let recorded = self.foreign.get(&quote).copied().unwrap_or_default();
            self.surplus(&quote, -brought.min(recorded).max(Decimal::ZERO));
            if let Some(missing) = self.missing.remove(&base).filter(|m| *m > fill.quantity) {
                self.missing.insert(base, missing - fill.quantity);
            }
        } else {
            self.surplus(&quote, external);
        }
    }

    /// Books a shortage: out of external holdings, then out of positions, then out of cash. The
    /// youngest lot of all symbols goes first. Any rest was never held.
    pub(super) fn adjust(&mut self, key: Key, asset: &str, missing: Decimal) {
        let mut left = missing;
        let book = |booked: &mut Vec<Adjustment>, part, amount: Decimal, value: Decimal| {
            booked.push(Adjustment { asset: asset.to_owned(), part, amount, value });
        };
        let foreign = self.foreign.get(asset).copied().unwrap_or_default();
        let taken = foreign.min(left).max(Decimal::ZERO);
        if !taken.is_zero() {
            shrink(&mut left, taken);
            self.surplus(asset, -taken);
            book(&mut self.booked, Part::Foreign, -taken, Decimal::ZERO);
        }
        for (symbol, (taken, cost)) in self.write_off(key, asset, &mut left) {
            let mark = self.marks.get(symbol).map(|mark| mark.decimal());
            let value = mark.map_or(cost, |mark| mark.saturating_mul(taken));
            shrink(&mut self.adjusted, value);
            book(&mut self.booked, Part::Position(symbol), -taken, -value);
        }
        if left.is_zero() {
            return;
        }
        if self.quote.as_deref() == Some(asset) {
            shrink(&mut self.cash, left);
            shrink(&mut self.adjusted, left);
            book(&mut self.booked, Part::Cash, -left, -left);
        } else {
            self.surplus(asset, -left);
            book(&mut self.booked, Part::Foreign, -left, Decimal::ZERO);
        }
    }

    /// Removes up to `left` of a base asset from its lots, youngest first, across symbols. Returns
    /// the removed quantity and its cost by symbol. Of lots with equal age, the first symbol by
    /// name goes first. So lots of unknown age go symbol by symbol.
    fn write_off(
        &mut self,
        key: Key,
        asset: &str,
        left: &mut Decimal,
    ) -> BTreeMap<Symbol, (Decimal, Decimal)> {
        let is_base = |symbol: &Symbol| {
            self.instruments.get(*symbol).is_some_and(|rule| rule.base.as_str() == asset)
        };
        let symbols: Vec<Symbol> = self.held.iter().copied().filter(is_base).collect();
        let mut all = BTreeMap::new();
        while !left.is_zero() {
            let lot = |symbol| self.positions.get(symbol).and_then(Position::youngest);
            let lots = symbols.iter().filter_map(|symbol| Some((*symbol, lot(*symbol)?)));
            // `max_by_key` takes the last of equals, so the order is reversed. A lot from before
            // lots existed has no age and counts as the oldest.
            let youngest = lots.rev().max_by_key(|(_, lot)| lot.opened);
            let Some((symbol, _)) = youngest else { break };
            self.touch(key, symbol);
            let position = self.positions.entry(symbol);
            let (taken, cost) = position.write_off(*left);
            if position.quantity.is_zero() {
                self.held.remove(&symbol);
            }
            shrink(left, taken);
            let (amount, costs): &mut (Decimal, Decimal) = all.entry(symbol).or_default();
            grow(amount, taken);
            grow(costs, cost);
        }
        all
    }

    /// Moves at most `quantity` of external holdings into our books: into cash, or into the house's
    /// lot of a symbol. The given price is both value and cost, so it is neither profit nor loss.
    pub(super) fn adopted(
        &mut self,
        (key, time): (Key, UtcMs),
        asset: &str,
        quantity: Decimal,
        into: Option<(Symbol, Decimal)>,
    ) {
        let external = self.foreign.get(asset).copied().unwrap_or_default();
        let amount = quantity.min(external).max(Decimal::ZERO);
        let is_base = |symbol| self.instruments.get(symbol).is_some_and(|rule| rule.base == asset);
        let (part, value) = match into {
            _ if amount.is_zero() => return,
            None if self.quote.as_deref() == Some(asset) => {
                self.cash += amount;
                (Part::Cash, amount)
            }
            Some((symbol, price)) if is_base(symbol) => {
                self.touch(key, symbol);
                let cost = price * amount;
                self.positions.entry(symbol).add(HOUSE, amount, cost, time);
                self.held.insert(symbol);
                (Part::Position(symbol), price * amount)
            }
            None | Some(_) => return,
        };
        self.surplus(asset, -amount);
        self.adjusted += value;
        let asset = asset.to_owned();
        let given = (Part::Foreign, -amount, Decimal::ZERO);
        for (part, amount, value) in [given, (part, amount, value)] {
            self.booked.push(Adjustment { asset: asset.clone(), part, amount, value });
        }
    }
}
