//! The books: fills to positions, cash and equity, and the account against them.
//!
//! Positions are long only. A position is the sum of its lots: what each strategy holds of a
//! symbol, at average cost; `position.rs` tells which lot gives. What was adopted belongs to the
//! house. So does what is left of a lot that is too small to sell when its exit ends: it moves at
//! the next close, for only closes come at the same place of the journal in every run.
//!
//! The lot that is sold realises the profit, whoever sells it. The house makes what its lot
//! makes, and what the sale of external holdings brings.
//!
//! A fee in the quote asset leaves cash and profit, one in the base asset leaves the lot that was
//! bought or sold, one in another asset is counted there. The first account
//! ever seen is the baseline: its quote balance is our cash, all else in it is foreign. Later every
//! asset is expected to be ours plus foreign: a surplus is foreign too and never traded, a shortage
//! is a conflict. What is sold beyond a position came out of foreign holdings.
//!
//! A conflict ends by the word of an operator. Where the venue's counts, what is missing is taken
//! out of foreign holdings first, then out of lots, then out of cash: an adjustment, neither profit
//! nor loss. Of the lots of all symbols with that base asset the youngest goes first. Where ours
//! counts, the venue may lack as much of that asset, and not more.
//!
//! What an operator adopts moves from external holdings to our cash, or to a position at its last
//! price: an adjustment, too. What `everwarm panic` sold is booked as the exit of what it sold, the
//! oldest lot first.
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
//! 5. A position is the sum of its lots; no lot is empty or negative, and none is there twice.
//! 6. The realised profit of a position is the sum over its strategies.
//!
//! Over 500 lines: one stage with its state; its arithmetic lies in its folder.

mod booking;
mod position;
mod say;

use super::decide::BEFORE_LOTS as BEFORE_LOTS_OF_DECISION;
use super::instruments::Instruments;
use super::risk::sizing;
use everwarm_domain::bounds::AMOUNT_MAX;
use everwarm_domain::fact::kinds::{kind, rank};
use everwarm_domain::fact::{
    Accept, Body, Conflict, Decision, Dispute, LOTS_FROM, Ledger as Said, Market, Operator, Order,
    Part, Venue,
};
use everwarm_domain::id::{Symbol, SymbolMap};
use everwarm_domain::money::{self, Decimal, Price};
use everwarm_domain::order::{Balance, Side};
use everwarm_domain::settings::Settings;
use everwarm_kernel::fact::{Fact, Key, Mask, Rank};
use everwarm_kernel::stage::{OnPoison, Out, Stage};
use everwarm_kernel::state;
use position::Position;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const FORMAT: u8 = 3;
/// The form of the last version without lots: the later members are not in it.
const FORMAT_BEFORE_LOTS: u8 = 2;
/// The last version without lots, whose saved states are converted. Lots lie at their end.
const BEFORE_LOTS: u16 = 2;
/// Decimal places of our part of a fee that is shared with external holdings.
const FEE_PLACES: u32 = 8;
/// Decimal places of a cost: those of a price times those of a quantity. Sums of costs stay exact,
/// so the order in which fills are reported makes no difference.
const COST_PLACES: u32 = 16;
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
    /// What touched the position of a symbol at the present input, and what it was before.
    #[serde(skip)]
    before: Vec<(Symbol, Vec<Key>, Position)>,
    /// Lots whose exit is over, by symbol and strategy; and whether a close has passed since.
    #[serde(default)]
    left: BTreeMap<(Symbol, String), bool>,
    /// The input of the fact just folded, and of the last close.
    #[serde(skip)]
    at: u64,
    #[serde(skip)]
    closed: u64,
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

    fn resolved(&mut self, key: Key, conflict: &Conflict, accept: Accept) {
        self.conflicts.retain(|c| c.id() != conflict.id());
        if conflict.dispute != Dispute::Balance {
            return;
        }
        let asset = conflict.about.as_str();
        let Some(missing) = self.missing.remove(asset) else { return };
        match accept {
            Accept::Venue => {
                self.aside.remove(asset);
                self.adjust(key, asset, missing);
            }
            Accept::Ours => drop(self.aside.insert(asset.to_owned(), missing)),
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
}

impl Stage for Ledger {
    type Body = Body;

    fn version(&self) -> u16 {
        LOTS_FROM
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
            kind::OWED,
            kind::FILLED,
            kind::COMPARED,
        ])
    }

    fn produces(&self) -> Mask {
        Mask::of(&[kind::POSITION, kind::EQUITY, kind::RECONCILED, kind::ADJUSTED, kind::LOT])
    }

    fn evolve(&mut self, fact: &Fact<Body>) {
        self.booked.clear();
        if self.at != fact.key.n {
            self.before.clear();
            self.at = fact.key.n;
        }
        match &fact.body {
            Body::Market(Market::Close { bars, .. }) => {
                self.closed = fact.key.n;
                self.left.retain(|_, passed| !std::mem::replace(passed, true));
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
                self.panicked(fact.key, *symbol, fill);
            }
            Body::Order(Order::Filled { strategy, symbol, side, fill, .. }) => {
                self.filled((fact.key, fact.time), strategy, *symbol, *side, fill);
            }
            Body::Operator(Operator::Resolved { conflict, accept, .. }) => {
                self.resolved(fact.key, conflict, *accept);
            }
            Body::Operator(Operator::Adopted { asset, quantity, position, .. }) => {
                self.adopted((fact.key, fact.time), asset, *quantity, *position);
            }
            Body::Ledger(Said::Reconciled { life, conflicts, .. }) => {
                self.life = *life;
                self.conflicts.clone_from(conflicts);
            }
            Body::Ledger(Said::Position { symbol, .. }) if fact.version < LOTS_FROM => {
                self.positions.entry(*symbol).all_to_first();
            }
            Body::Decision(Decision::Owed { strategy, symbol, ended, .. })
                if fact.version > BEFORE_LOTS_OF_DECISION =>
            {
                let name = (*symbol, strategy.clone());
                if ended.is_some() {
                    self.left.insert(name, false);
                } else {
                    self.left.remove(&name);
                }
            }
            // All but what goes to the house was closed by what was folded before.
            Body::Ledger(Said::Lot { strategy, symbol, quantity, .. }) if quantity.is_zero() => {
                self.positions.entry(*symbol).leave_to_house(strategy);
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
            Body::Order(Order::Filled { symbol, .. }) => {
                self.say_position(fact.key, *symbol, out);
            }
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

    fn conclude(&self, out: &mut Out<Body>) {
        self.say_lots(out);
        if self.closed == self.at {
            let symbols: BTreeSet<Symbol> = self.left.keys().map(|(symbol, _)| *symbol).collect();
            for symbol in symbols {
                self.say_dust(symbol, out);
            }
        }
    }

    fn save(&self) -> Vec<u8> {
        state::save(FORMAT, self)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        *self = state::load(FORMAT, bytes)?;
        Ok(())
    }

    fn converts(&self) -> &'static [u16] {
        &[BEFORE_LOTS]
    }

    fn convert(&mut self, _: u16, bytes: &[u8]) -> Result<(), String> {
        *self = state::load(FORMAT_BEFORE_LOTS, bytes)?;
        self.positions.iter_mut().for_each(|(_, position)| position.all_to_first());
        Ok(())
    }

    fn check(&self) {
        for (symbol, position) in self.positions.iter() {
            position.check();
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
#[path = "ledger/lots_tests.rs"]
mod lots_tests;
#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
