//! Books changes: executions, accepted conflicts and adopted assets.

use super::position::{From, Position, Sold};
use super::{Adjustment, FEE_PLACES, Ledger, grow, shrink};
use everwarm_domain::fact::{Order, Part};
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{HOUSE, MANUAL, PANIC, Side, VenueFill, is_adopted};
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::Key;
use std::collections::BTreeMap;

impl Ledger {
    /// Records the position of a symbol before the fact with this key changes it.
    pub(super) fn touch(&mut self, key: Key, symbol: Symbol) {
        if let Some((_, keys, _)) = self.before.iter_mut().find(|(of, _, _)| *of == symbol) {
            keys.push(key);
            return;
        }
        let position = self.positions.get(symbol).cloned().unwrap_or_default();
        self.before.push((symbol, vec![key], position));
    }

    /// Books the execution that a fact about an order reports, if it is one.
    pub(super) fn ordered(&mut self, at: (Key, UtcMs), order: &Order) {
        let Order::Filled { client_id, strategy, symbol, side, fill, .. } = order else { return };
        if *side == Side::Sell && client_id.is_panic() {
            self.panicked(at.0, *symbol, fill);
        } else if is_adopted(client_id, strategy) {
            self.traded_by_others(at, *symbol, *side, fill);
        } else {
            self.apply_fill(at, strategy, *symbol, *side, fill);
        }
    }

    /// Books an execution for `strategy`, reported by the fact with this key and event time.
    fn apply_fill(
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
    fn panicked(&mut self, key: Key, symbol: Symbol, fill: &VenueFill) {
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

    /// Books a trade of an external order that is adopted. A purchase becomes part of the lot of
    /// `manual`. A sale comes out of that lot only: its rest stays a difference to the account, and
    /// so do its proceeds and its share of the fee. Without cash in the quote asset of the symbol,
    /// nothing is booked.
    fn traded_by_others(&mut self, at: (Key, UtcMs), symbol: Symbol, side: Side, fill: &VenueFill) {
        let Some(rule) = self.instruments.get(symbol) else { return };
        let (base, quote) = (rule.base.clone(), rule.quote.clone());
        if self.quote.as_ref() != Some(&quote) {
            return;
        }
        match side {
            Side::Buy => {
                self.apply_fill(at, MANUAL, symbol, side, fill);
                // The last account may already have shown the purchase.
                if self.lacks(&quote) {
                    let fee = if fill.fee_asset == base { fill.fee } else { Decimal::ZERO };
                    self.explained(&base, fill.quantity.saturating_sub(fee));
                    let fee = if fill.fee_asset == quote { fill.fee } else { Decimal::ZERO };
                    let paid = fill.price.saturating_mul(fill.quantity).saturating_add(fee);
                    self.found(&quote, paid);
                }
            }
            Side::Sell => {
                self.touch(at.0, symbol);
                let (sold, brought) = self.sold_by_others(symbol, (&base, &quote), fill);
                if self.lacks(&base) {
                    self.explained(&quote, brought);
                    self.found(&base, sold);
                }
            }
        }
    }

    /// Books what a sale of an external order took from the lot of `manual`. Returns the base units
    /// and what they brought in cash.
    fn sold_by_others(
        &mut self,
        symbol: Symbol,
        (base, quote): (&str, &str),
        fill: &VenueFill,
    ) -> (Decimal, Decimal) {
        let position = self.positions.entry(symbol);
        let beyond = position.sell(fill.quantity, From::Only(MANUAL)).beyond;
        let sold = fill.quantity.saturating_sub(beyond);
        if sold.is_zero() {
            return (Decimal::ZERO, Decimal::ZERO);
        }
        // The share is rounded, so both parts are exact and add up to the fee.
        let fee = match sold.checked_div(fill.quantity) {
            Some(part) if !beyond.is_zero() => fill.fee.saturating_mul(part).round_dp(FEE_PLACES),
            Some(_) | None => fill.fee,
        };
        let in_cash = if fill.fee_asset == quote { fee } else { Decimal::ZERO };
        let brought = fill.price.saturating_mul(sold).saturating_sub(in_cash);
        position.gain(MANUAL, brought);
        let in_base = if fill.fee_asset == base { fee } else { Decimal::ZERO };
        let unpaid = position.pay(in_base, From::Only(MANUAL));
        if position.quantity.is_zero() {
            self.held.remove(&symbol);
        }
        grow(&mut self.cash, brought);
        if fill.fee_asset != quote && fill.fee_asset != base && !fee.is_zero() {
            shrink(self.fees.entry(fill.fee_asset.clone()).or_default(), fee);
        }
        (sold.saturating_add(in_base).saturating_sub(unpaid), brought)
    }

    /// Whether the last account lacked some of an asset.
    fn lacks(&self, asset: &str) -> bool {
        self.missing.contains_key(asset) || self.aside.contains_key(asset)
    }

    /// Takes back what the last account showed as a surplus and a trade explains.
    fn explained(&mut self, asset: &str, amount: Decimal) {
        let recorded = self.foreign.get(asset).copied().unwrap_or_default();
        self.surplus(asset, -amount.min(recorded).max(Decimal::ZERO));
    }

    /// Takes back what the last account lacked and a trade explains.
    fn found(&mut self, asset: &str, amount: Decimal) {
        if let Some(missing) = self.missing.remove(asset).filter(|missing| *missing > amount) {
            self.missing.insert(asset.to_owned(), missing.saturating_sub(amount));
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
