//! The books: fills to positions, cash and equity, and the account against them.
//!
//! Positions are long only, at average cost. A fee in the quote asset leaves cash and profit, one
//! in the base asset leaves the position, one in another asset is counted there. The first account
//! ever seen is the baseline: its quote balance is our cash, all else in it is foreign. Later every
//! asset is expected to be ours plus foreign: a surplus is foreign too and never traded, a shortage
//! is a conflict. What is sold beyond a position came out of foreign holdings.
//!
//! A conflict ends by the word of an operator. Where the venue's counts, what is missing is taken
//! out of foreign holdings first, then out of positions and cash: an adjustment, neither profit nor
//! loss. Where ours counts, the venue may lack as much of that asset, and not more.
//!
//! What an operator adopts moves from external holdings to our cash, or to a position at its last
//! price: an adjustment, too. What `everwarm panic` sold is booked as the exit of what it sold.
//!
//! A balance that cannot be believed changes nothing: what was known of that asset stays. Where it
//! is of ours, it is a conflict until it can be read.
//!
//! Only decimals here, never floats. Amounts are exact; average costs have 28 digits. No sum
//! overflows: within the limits of [`everwarm_domain::bounds`] all fit, and beyond them they stay
//! at the largest decimal.
//!
//! Invariants, asserted by `check`:
//! 1. No position is negative, and one of nothing has no cost.
//! 2. Nothing foreign is recorded as zero.
//! 3. Before the baseline nothing is foreign.
//! 4. What is missing, or may be, is more than nothing.

mod position;

use super::instruments::Instruments;
use everwarm_domain::bounds::AMOUNT_MAX;
use everwarm_domain::fact::kinds::{kind, rank};
use everwarm_domain::fact::{
    Accept, Body, Conflict, Dispute, Ledger as Said, Market, Operator, Order, Part, Venue,
};
use everwarm_domain::id::{Symbol, SymbolMap};
use everwarm_domain::money::{self, Decimal, Price};
use everwarm_domain::order::{Balance, Side, VenueFill};
use everwarm_domain::settings::Settings;
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::{Fact, Key, Mask, Rank};
use everwarm_kernel::stage::{OnPoison, Out, Stage};
use everwarm_kernel::state;
use position::Position;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const FORMAT: u8 = 2;
/// Decimal places of our part of a fee that is shared with external holdings.
const FEE_PLACES: u32 = 8;
/// What the venue says of a balance that cannot be believed.
const UNREAD: &str = "a balance that cannot be believed";

/// The last picture of the account, until it has been compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Picture {
    n: u64,
    conflicts: Vec<Conflict>,
}

/// The stage.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ledger {
    settings: Settings,
    instruments: Instruments,
    /// The asset cash is counted in, fixed by the baseline; none before it.
    quote: Option<String>,
    cash: Decimal,
    positions: SymbolMap<Position>,
    /// Symbols with a position of more than nothing.
    held: BTreeSet<Symbol>,
    /// Last close by symbol.
    marks: SymbolMap<Price>,
    /// Fees paid in assets that are neither base nor quote, negative.
    fees: BTreeMap<String, Decimal>,
    foreign: BTreeMap<String, Decimal>,
    /// Of the last account.
    picture: Option<Picture>,
    /// Conflicts of the last reconciliation, and the process life it holds for.
    conflicts: Vec<Conflict>,
    life: u64,
    /// What the last account lacked, by asset.
    missing: BTreeMap<String, Decimal>,
    /// What the venue may lack because an operator said that our word counts, by asset.
    aside: BTreeMap<String, Decimal>,
    /// What adjustments changed of the equity, quote units.
    adjusted: Decimal,
    /// Adjustments made by the fact just folded.
    #[serde(skip)]
    booked: Vec<Adjustment>,
}

/// What an adjustment changed: the asset, what of it, the amount, and its value in quote units.
#[derive(Clone, Debug)]
struct Adjustment {
    asset: String,
    part: Part,
    amount: Decimal,
    value: Decimal,
}

/// Adds to an amount, which stays at the largest decimal where the sum does not fit.
fn grow(amount: &mut Decimal, by: Decimal) {
    *amount = amount.saturating_add(by);
}

/// Takes from an amount, which stays at the smallest decimal where the difference does not fit.
fn shrink(amount: &mut Decimal, by: Decimal) {
    *amount = amount.saturating_sub(by);
}

/// What the venue has by asset, and the assets of which that cannot be believed.
fn believed<'a>(
    balances: &'a [Balance],
    unread: &'a [String],
) -> (BTreeMap<&'a str, Decimal>, BTreeSet<&'a str>) {
    let mut unread: BTreeSet<&str> = unread.iter().map(String::as_str).collect();
    let mut theirs: BTreeMap<&str, Decimal> = BTreeMap::new();
    for balance in balances {
        if balance.free.abs().max(balance.locked.abs()) > Decimal::from(AMOUNT_MAX) {
            unread.insert(&balance.asset);
        } else {
            let all = theirs.entry(&balance.asset).or_default();
            grow(all, balance.free.saturating_add(balance.locked));
        }
    }
    theirs.retain(|asset, _| !unread.contains(asset));
    (theirs, unread)
}

/// One asset of the account beside the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its name.
    pub asset: String,
    /// What the books say is ours.
    pub ours: Decimal,
    /// What else was seen of it: not ours, never traded.
    pub foreign: Decimal,
    /// What the venue may lack because an operator said so.
    pub aside: Decimal,
}

impl Ledger {
    fn filled(&mut self, symbol: Symbol, side: Side, fill: &VenueFill) {
        let base = self.instruments.get(symbol).map(|rule| rule.base.as_str());
        let position = self.positions.entry(symbol);
        let amount = fill.price.saturating_mul(fill.quantity);
        let mut beyond = Decimal::ZERO;
        match side {
            Side::Buy => {
                grow(&mut position.quantity, fill.quantity);
                grow(&mut position.cost, amount);
                shrink(&mut self.cash, amount);
            }
            Side::Sell => {
                beyond = position.give(fill.quantity, true);
                grow(&mut position.realized, amount);
                grow(&mut self.cash, amount);
            }
        }
        if self.quote.as_deref() == Some(fill.fee_asset.as_str()) {
            shrink(&mut self.cash, fill.fee);
            shrink(&mut position.realized, fill.fee);
        } else if base == Some(fill.fee_asset.as_str()) {
            grow(&mut beyond, position.give(fill.fee, false));
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
    /// beyond a position was external, and so is what that brought.
    fn panicked(&mut self, symbol: Symbol, fill: &VenueFill) {
        let rule = self.instruments.get(symbol);
        let base = rule.map(|rule| rule.base.clone()).unwrap_or_default();
        let quote = self.quote.clone().unwrap_or_default();
        let position = self.positions.entry(symbol);
        let mut beyond = position.give(fill.quantity, true);
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
        position.realized += brought;
        self.cash += brought;
        if fill.fee_asset == base {
            beyond += position.give(fill.fee, false);
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

    fn surplus(&mut self, asset: &str, amount: Decimal) {
        if amount.is_zero() {
            return;
        }
        let foreign = self.foreign.entry(asset.to_owned()).or_default();
        grow(foreign, amount);
        if foreign.is_zero() {
            self.foreign.remove(asset);
        }
    }

    /// Base units and cash that the books say are ours, by asset.
    fn ours(&self) -> BTreeMap<&str, Decimal> {
        let mut ours: BTreeMap<&str, Decimal> = BTreeMap::new();
        for symbol in &self.held {
            let Some(rule) = self.instruments.get(*symbol) else { continue };
            let held = self.positions.get(*symbol).map_or(Decimal::ZERO, |p| p.quantity);
            grow(ours.entry(&rule.base).or_default(), held);
        }
        for (asset, fees) in &self.fees {
            grow(ours.entry(asset).or_default(), *fees);
        }
        if let Some(quote) = &self.quote {
            grow(ours.entry(quote).or_default(), self.cash);
        }
        ours
    }

    /// The books by asset, of every asset they know.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        let ours = self.ours();
        let foreign = self.foreign.keys().chain(self.aside.keys()).map(String::as_str);
        let assets: BTreeSet<&str> = ours.keys().copied().chain(foreign).collect();
        let amount = |of: &BTreeMap<String, Decimal>, asset: &str| {
            of.get(asset).copied().unwrap_or_default().normalize()
        };
        let line = |asset: &str| Line {
            asset: asset.to_owned(),
            ours: ours.get(asset).copied().unwrap_or_default().normalize(),
            foreign: amount(&self.foreign, asset),
            aside: amount(&self.aside, asset),
        };
        assets.into_iter().map(line).collect()
    }

    fn account(&mut self, n: u64, balances: &[Balance], unread: &[String]) {
        let (theirs, unread) = believed(balances, unread);
        let conflicts = if self.quote.is_none() {
            self.baseline(theirs, &unread, balances.len())
        } else {
            self.compare(&theirs, &unread)
        };
        self.picture = Some(Picture { n, conflicts });
    }

    /// Takes the first account there is as what there was before.
    fn baseline(
        &mut self,
        mut theirs: BTreeMap<&str, Decimal>,
        unread: &BTreeSet<&str>,
        count: usize,
    ) -> Vec<Conflict> {
        let setup = |about: &str, ours: String, theirs: String| {
            vec![Conflict { about: about.to_owned(), ours, theirs, dispute: Dispute::Setup }]
        };
        // Without rules and setting there is no asset to count in: everything is foreign to it.
        let Some(quote) = self.instruments.quote_asset(&self.settings) else {
            let what = "the asset cash is counted in is neither set nor known from instruments";
            return setup("cash", what.to_owned(), format!("{count} balances"));
        };
        if unread.contains(quote) {
            return setup(quote, format!("no balance of {quote} is known yet"), UNREAD.to_owned());
        }
        let quote = quote.to_owned();
        self.cash = theirs.remove(quote.as_str()).unwrap_or_default();
        self.quote = Some(quote);
        let foreign = theirs.into_iter().filter(|(_, amount)| !amount.is_zero());
        self.foreign = foreign.map(|(asset, amount)| (asset.to_owned(), amount)).collect();
        Vec::new()
    }

    /// What a later account lacks; what it has beyond the books is foreign.
    fn compare(
        &mut self,
        theirs: &BTreeMap<&str, Decimal>,
        unread: &BTreeSet<&str>,
    ) -> Vec<Conflict> {
        let ours = self.ours();
        let assets: BTreeSet<&str> = theirs.keys().chain(ours.keys()).copied().collect();
        let foreign = self.foreign.keys().map(String::as_str);
        let assets: BTreeSet<&str> = assets.into_iter().chain(foreign).collect();
        let (mut conflicts, mut surplus) = (Vec::new(), Vec::new());
        let (mut missing, mut aside) = (BTreeMap::new(), BTreeMap::new());
        for asset in assets {
            let amount = |of: &BTreeMap<&str, Decimal>| of.get(asset).copied().unwrap_or_default();
            let (ours, theirs) = (amount(&ours), amount(theirs));
            let foreign = self.foreign.get(asset).copied().unwrap_or_default();
            if unread.contains(asset) {
                // What was known of it stays; of our own, nothing is bought until it is read.
                let of = |known: &BTreeMap<String, Decimal>| known.get(asset).copied();
                missing.extend(of(&self.missing).map(|amount| (asset.to_owned(), amount)));
                aside.extend(of(&self.aside).map(|amount| (asset.to_owned(), amount)));
                if !ours.is_zero() || missing.contains_key(asset) {
                    conflicts.push(Conflict {
                        about: asset.to_owned(),
                        ours: format!("{} {asset}", ours.normalize()),
                        theirs: UNREAD.to_owned(),
                        dispute: Dispute::Setup,
                    });
                }
                continue;
            }
            let over = theirs.saturating_sub(ours.saturating_add(foreign));
            // What may be missing and is there again may not be missing any more.
            let may = self.aside.get(asset).copied().unwrap_or_default();
            let still = may.min(-over).max(Decimal::ZERO);
            if !still.is_zero() {
                aside.insert(asset.to_owned(), still);
            }
            if over > Decimal::ZERO {
                surplus.push((asset.to_owned(), over));
            } else if -over > may {
                missing.insert(asset.to_owned(), -over);
                let (sum, ours, foreign) = (
                    ours.saturating_add(foreign).normalize(),
                    ours.normalize(),
                    foreign.normalize(),
                );
                conflicts.push(Conflict {
                    about: asset.to_owned(),
                    ours: format!("{sum} {asset}: {ours} ours and {foreign} foreign"),
                    theirs: format!("{} {asset}", theirs.normalize()),
                    dispute: Dispute::Balance,
                });
            }
        }
        for (asset, over) in surplus {
            self.surplus(&asset, over);
        }
        (self.missing, self.aside) = (missing, aside);
        conflicts
    }

    fn resolved(&mut self, conflict: &Conflict, accept: Accept) {
        self.conflicts.retain(|c| c.id() != conflict.id());
        if conflict.dispute != Dispute::Balance {
            return;
        }
        let asset = conflict.about.as_str();
        let Some(missing) = self.missing.remove(asset) else { return };
        match accept {
            Accept::Venue => {
                self.aside.remove(asset);
                self.adjust(asset, missing);
            }
            Accept::Ours => drop(self.aside.insert(asset.to_owned(), missing)),
        }
    }

    /// Takes what is missing out of what is not ours, then out of positions by symbol, then out of
    /// cash; what is left then was never there.
    fn adjust(&mut self, asset: &str, missing: Decimal) {
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
        let is_base = |symbol: &Symbol| {
            self.instruments.get(*symbol).is_some_and(|rule| rule.base.as_str() == asset)
        };
        let held: Vec<Symbol> = self.held.iter().copied().filter(is_base).collect();
        for symbol in held {
            let mark = self.marks.get(symbol).map(|mark| mark.decimal());
            let position = self.positions.entry(symbol);
            let (taken, cost) = position.write_off(left);
            if position.quantity.is_zero() {
                self.held.remove(&symbol);
            }
            if !taken.is_zero() {
                shrink(&mut left, taken);
                let value = mark.map_or(cost, |mark| mark.saturating_mul(taken));
                shrink(&mut self.adjusted, value);
                book(&mut self.booked, Part::Position(symbol), -taken, -value);
            }
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

    /// The asset cash is counted in; none before the first account.
    #[must_use]
    pub fn cash_asset(&self) -> Option<&str> {
        self.quote.as_deref()
    }

    /// Whether something of a symbol is held.
    #[must_use]
    pub fn holds(&self, symbol: Symbol) -> bool {
        self.held.contains(&symbol)
    }

    /// Whether something of an asset is missing at the venue.
    #[must_use]
    pub fn is_missing(&self, asset: &str) -> bool {
        self.missing.contains_key(asset)
    }

    /// Takes at most `quantity` of what is external into our books: into cash, or into a position,
    /// at a price that is its worth and its cost, so that it is neither profit nor loss.
    fn adopted(&mut self, asset: &str, quantity: Decimal, into: Option<(Symbol, Decimal)>) {
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
                let position = self.positions.entry(symbol);
                position.quantity += amount;
                position.cost += price * amount;
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

    fn equity(&self) -> Option<(Decimal, Decimal)> {
        self.quote.as_ref()?;
        // Both lists are by name, so each mark is found beside the last one.
        let mut marks = self.marks.iter().peekable();
        let value = |(symbol, position): (Symbol, &Position)| {
            while marks.next_if(|(of, _)| *of < symbol).is_some() {}
            // What has not closed yet is worth what it cost.
            match marks.peek() {
                Some((of, mark)) if *of == symbol => {
                    mark.decimal().saturating_mul(position.quantity)
                }
                Some(_) | None => position.cost,
            }
        };
        let positions = self.positions.iter().filter(|(_, position)| !position.quantity.is_zero());
        let held = money::total(positions.map(value));
        Some((self.cash.saturating_add(held).normalize(), self.cash.normalize()))
    }

    fn say_equity(&self, time: UtcMs, out: &mut Out<Body>) {
        if let Some((equity, cash)) = self.equity() {
            let adjusted = self.adjusted.normalize();
            out.say(Body::Ledger(Said::Equity { time, equity, cash, adjusted }));
        }
    }

    fn say_position(&self, key: Key, symbol: Symbol, out: &mut Out<Body>) {
        let position = self.positions.get(symbol).copied().unwrap_or_default();
        out.say_because(
            [key],
            Body::Ledger(Said::Position {
                symbol,
                quantity: position.quantity.normalize(),
                cost: position.cost.normalize(),
                realized_pnl: position.realized.normalize(),
                cash: self.cash.normalize(),
            }),
        );
    }

    fn say_reconciled(&self, fact: &Fact<Body>, life: u64, out: &mut Out<Body>) {
        let Body::Order(Order::Compared { conflicts, .. }) = &fact.body else { return };
        // Orders are compared with each account, and whenever one contradicts; the latter adds to
        // what the last account came to.
        let mut all = match &self.picture {
            Some(picture) if picture.n == fact.key.n => picture.conflicts.clone(),
            Some(_) | None => self.conflicts.clone(),
        };
        for conflict in conflicts {
            if !all.contains(conflict) {
                all.push(conflict.clone());
            }
        }
        self.say_all(fact.key, life, all, out);
    }

    fn say_all(&self, key: Key, life: u64, conflicts: Vec<Conflict>, out: &mut Out<Body>) {
        let foreign =
            self.foreign.iter().map(|(asset, amount)| (asset.clone(), amount.normalize()));
        let (cash, foreign) = (self.cash.normalize(), foreign.collect());
        let said = Said::Reconciled { life, conflicts, cash, foreign };
        out.say_because([key], Body::Ledger(said));
    }

    /// What an operator's word changed, and what is left of the conflicts.
    fn say_resolved(&self, key: Key, out: &mut Out<Body>) {
        for Adjustment { asset, part, amount, value } in &self.booked {
            let (asset, part) = (asset.clone(), *part);
            let (amount, value) = (amount.normalize(), value.normalize());
            out.say(Body::Ledger(Said::Adjusted { asset, part, amount, value }));
            if let Part::Position(symbol) = part {
                self.say_position(key, symbol, out);
            }
        }
        if self.life > 0 {
            self.say_all(key, self.life, self.conflicts.clone(), out);
        }
    }
}

impl Stage for Ledger {
    type Body = Body;

    fn version(&self) -> u16 {
        2
    }

    fn rank(&self) -> Rank {
        rank::LEDGER
    }

    fn name(&self) -> &'static str {
        "ledger"
    }

    fn on_poison(&self) -> OnPoison {
        OnPoison::Stop
    }

    fn interest(&self) -> Mask {
        Mask::of(&[
            kind::CLOSE,
            kind::INSTRUMENTS,
            kind::ACCOUNT,
            kind::CONFIG_APPLIED,
            kind::RESOLVED,
            kind::ADOPTED,
            kind::FILLED,
            kind::COMPARED,
        ])
    }

    fn produces(&self) -> Mask {
        Mask::of(&[kind::POSITION, kind::EQUITY, kind::RECONCILED, kind::ADJUSTED])
    }

    fn evolve(&mut self, fact: &Fact<Body>) {
        self.booked.clear();
        match &fact.body {
            Body::Market(Market::Close { bars, .. }) => {
                let mut near = 0;
                for bar in bars {
                    *self.marks.near(&mut near, bar.symbol, || bar.close) = bar.close;
                }
            }
            Body::Market(Market::Instruments { rules }) => self.instruments.learn(rules),
            Body::Operator(Operator::ConfigApplied { text, .. }) => {
                if let Some(settings) = super::settings::applied(text) {
                    self.settings = settings;
                }
            }
            Body::Venue(Venue::Account { balances, unread, .. }) => {
                self.account(fact.key.n, balances, unread);
            }
            Body::Order(Order::Filled { client_id, symbol, side: Side::Sell, fill, .. })
                if client_id.is_panic() =>
            {
                self.panicked(*symbol, fill);
            }
            Body::Order(Order::Filled { symbol, side, fill, .. }) => {
                self.filled(*symbol, *side, fill);
            }
            Body::Operator(Operator::Resolved { conflict, accept, .. }) => {
                self.resolved(conflict, *accept);
            }
            Body::Operator(Operator::Adopted { asset, quantity, position, .. }) => {
                self.adopted(asset, *quantity, *position);
            }
            Body::Ledger(Said::Reconciled { life, conflicts, .. }) => {
                self.life = *life;
                self.conflicts.clone_from(conflicts);
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
    }

    fn decide(&self, fact: &Fact<Body>, out: &mut Out<Body>) {
        match &fact.body {
            Body::Market(Market::Close { time, .. }) => self.say_equity(*time, out),
            Body::Order(Order::Filled { symbol, .. }) => self.say_position(fact.key, *symbol, out),
            Body::Order(Order::Compared { life, .. }) => self.say_reconciled(fact, *life, out),
            Body::Operator(Operator::Resolved { .. } | Operator::Adopted { .. }) => {
                self.say_resolved(fact.key, out);
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
    }

    fn save(&self) -> Vec<u8> {
        state::save(FORMAT, self)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        *self = state::load(FORMAT, bytes)?;
        Ok(())
    }

    fn check(&self) {
        for (symbol, position) in self.positions.iter() {
            let Position { quantity, cost, .. } = *position;
            assert!(quantity >= Decimal::ZERO, "1: {symbol} {position:?}");
            assert!(!quantity.is_zero() || cost.is_zero(), "1: {symbol} {position:?}");
            assert_eq!(self.held.contains(&symbol), !quantity.is_zero(), "1: {symbol}");
        }
        assert!(self.foreign.values().all(|amount| !amount.is_zero()), "2: {:?}", self.foreign);
        assert!(self.quote.is_some() || self.foreign.is_empty(), "3: {:?}", self.foreign);
        let amounts = self.missing.values().chain(self.aside.values());
        assert!(amounts.into_iter().all(|a| *a > Decimal::ZERO), "4: {:?}", self.missing);
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
