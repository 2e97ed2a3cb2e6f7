//! What changes the books: executions, what an operator accepts, what he adopts.

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
    /// Notes the position of a symbol as it is before the fact of this key changes them.
    fn touch(&mut self, key: Key, symbol: Symbol) {
        if let Some((_, keys, _)) = self.before.iter_mut().find(|(of, _, _)| *of == symbol) {
            keys.push(key);
            return;
        }
        let position = self.positions.get(symbol).cloned().unwrap_or_default();
        self.before.push((symbol, vec![key], position));
    }

    /// Books an execution of an order of `strategy`, told by a fact of this key and event time.
    pub(super) fn filled(
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
                // What was external is nobody's.
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

    /// Books what `everwarm panic` sold. It sells all there is, whoever bought it, so what it sold
    /// beyond a position was external, and so is what that brought. Nobody said which lot it sells.
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
        // Rounded, so that both parts are exact; together they are what the venue took.
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
        // An account that lacked what was sold had what that brought, as a surplus.
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

    /// Takes what is missing out of what is not ours, then out of positions, the youngest lot of
    /// all symbols first, then out of cash; what is left then was never there.
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

    /// Takes up to `left` of a base asset out of its lots, the youngest first, whatever symbol they
    /// are of; returns what left each symbol, and what that had cost. Of lots of one age that of
    /// the first symbol goes first: so one symbol goes after the other where ages are not known.
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
            // Of equals the last is taken, so they are looked at backwards. What was opened before
            // lots were kept has no age and is older than all else.
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

    /// Takes at most `quantity` of what is external into our books: into cash, or into the house's
    /// lot of a symbol,
    /// at a price that is its worth and its cost, so that it is neither profit nor loss.
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
