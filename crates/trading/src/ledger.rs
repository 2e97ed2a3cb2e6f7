//! Keeps the books: computes positions, cash and equity from fills, and compares the account.
//!
//! Positions are long only. A position is the sum of its lots. A lot is what one strategy holds of
//! a symbol, at average cost. `position.rs` defines from which lot a sale is taken. Adopted
//! holdings belong to the house. So does the rest of a lot that is too small to sell when its exit
//! ends. It moves at the next close, since only closes have the same place in the journal of every
//! run.
//!
//! The strategy of the sold lot realises the profit, whichever strategy sells it. The house
//! realises the profit of its own lot and the proceeds of sold external holdings.
//!
//! A fee in the quote asset reduces cash and profit. A fee in the base asset reduces the traded
//! lot. A fee in another asset is counted there. The first account is the baseline: its quote
//! balance is our cash, and everything else is external. Later, each asset should be ours plus
//! external. A surplus is external and never traded; a shortage is a conflict. A sale beyond the
//! position came out of external holdings.
//!
//! An operator ends a conflict. If the venue is right, the shortage is taken from external holdings
//! first, then from lots, then from cash. This is an adjustment, neither profit nor loss. The
//! youngest lot of all symbols with that base asset goes first. If the books are right, the venue
//! may lack that amount of the asset from then on, and no more.
//!
//! Adopted assets move from external holdings to our cash, or to a position at its last price. This
//! is an adjustment, too. A sale by `everwarm panic` is booked as an exit, from the oldest lot
//! first. What an external order buys belongs to `manual`, if such orders are adopted. What it
//! sells comes out of the lot of `manual`; the rest of a larger sale stays a shortage.
//!
//! A split of a symbol changes the quantity of its lots and no value.
//!
//! The venue may take fees that no fill reports. If the cash lacks exactly the sum of the last
//! ones, they are booked: cash and equity fall. They are a loss of no lot. Each is booked once.
//!
//! An implausible balance changes nothing: the last known balance stays. If the asset is ours, it
//! is a conflict until the balance can be read.
//!
//! All numbers are decimals, never floats. Amounts are exact; average costs have 28 digits. Sums
//! cannot overflow within the limits of [`everwarm_domain::bounds`]. Beyond them they saturate at
//! the largest decimal.
//!
//! Invariants, asserted by `check`:
//! 1. No position is negative, and an empty one has no cost.
//! 2. No external holding of zero is recorded.
//! 3. Before the baseline, no external holdings are recorded.
//! 4. Every missing or tolerated amount is above zero.
//! 5. A position is the sum of its lots. No lot is empty or negative. A strategy has at most one.
//! 6. The realised profit of a position is the sum over its strategies.
//!
//! Over 500 lines: one stage with its state; its arithmetic lies in its folder.

mod booking;
mod charges;
mod facts;
mod position;
mod splits;

use super::decide::BEFORE_LOTS as BEFORE_LOTS_OF_DECISION;
use super::instruments::Instruments;
use super::risk::sizing;
use charges::{Charged, Charges};
use everwarm_domain::bounds::AMOUNT_MAX;
use everwarm_domain::fact::kinds::{kind, rank};
use everwarm_domain::fact::{
    Accept, Body, Conflict, Decision, Dispute, LOTS_FROM, Ledger as LedgerFact, Market, Operator,
    Order, Part, Venue,
};
use everwarm_domain::id::{Symbol, SymbolMap};
use everwarm_domain::money::{self, Decimal, Price};
use everwarm_domain::order::Balance;
use everwarm_domain::settings::Settings;
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::{Fact, Key, Mask, Rank};
use everwarm_kernel::stage::{OnPoison, Out, Stage};
use everwarm_kernel::state;
use position::Position;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const FORMAT: u8 = 4;
/// The last version without a memory of booked charges: its version, its format, its type.
const BEFORE_CHARGES: (u16, u8, u64) = (LOTS_FROM, 3, 0x612e_a94f_ed9e_e457);
/// The version that remembers them.
const VERSION: u16 = LOTS_FROM + 1;
/// Format of the last version without lots, which lacks the later members.
const FORMAT_BEFORE_LOTS: u8 = 2;
/// The last version without lots. Its saved states are converted.
const BEFORE_LOTS: u16 = 2;
/// Decimal places of our share of a fee that external holdings pay in part.
const FEE_PLACES: u32 = 8;
/// Decimal places of a cost: those of a price plus those of a quantity. Sums of costs stay exact,
/// so the order of the fills makes no difference.
const COST_PLACES: u32 = 16;
/// Text in place of an implausible balance of the venue.
const UNREAD: &str = "a balance that cannot be believed";

/// The conflicts of the last account, until its orders have been compared too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Picture {
    n: u64,
    conflicts: Vec<Conflict>,
}

/// The ledger stage.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ledger {
    settings: Settings,
    instruments: Instruments,
    /// The asset of the cash, fixed by the baseline; `None` before it.
    quote: Option<String>,
    cash: Decimal,
    positions: SymbolMap<Position>,
    /// Symbols with a position above zero.
    held: BTreeSet<Symbol>,
    /// Last closing price by symbol.
    marks: SymbolMap<Price>,
    /// Fees paid in assets that are neither base nor quote, negative.
    fees: BTreeMap<String, Decimal>,
    foreign: BTreeMap<String, Decimal>,
    /// Conflicts of the last account that are not reported yet.
    picture: Option<Picture>,
    /// Conflicts of the last reconciliation, and the run that it belongs to.
    conflicts: Vec<Conflict>,
    life: u64,
    /// Amounts that the last account lacked, by asset.
    missing: BTreeMap<String, Decimal>,
    /// Amounts that the venue may lack because an operator confirmed the books, by asset.
    aside: BTreeMap<String, Decimal>,
    /// Sum of all adjustments of the equity, in quote units.
    adjusted: Decimal,
    /// Adjustments made by the last folded fact.
    #[serde(skip)]
    booked: Vec<Adjustment>,
    /// Positions before the present input, with the facts of this input that changed them.
    #[serde(skip)]
    before: Vec<(Symbol, Vec<Key>, Position)>,
    /// Lots whose exit has ended, by symbol and strategy. True once a close has passed since.
    #[serde(default)]
    left: BTreeMap<(Symbol, String), bool>,
    /// Input number of the last folded fact, and of the last close.
    #[serde(skip)]
    at: u64,
    #[serde(skip)]
    closed: u64,
    /// The charges that were booked or were taken before the books began.
    #[serde(default)]
    charged: Charged,
}

/// An adjustment: the asset, the part of the books, the amount, and its value in quote units.
#[derive(Clone, Debug)]
struct Adjustment {
    asset: String,
    part: Part,
    amount: Decimal,
    value: Decimal,
}

/// Adds to an amount; saturates at the largest decimal.
fn grow(amount: &mut Decimal, by: Decimal) {
    *amount = amount.saturating_add(by);
}

/// Subtracts from an amount; saturates at the smallest decimal.
fn shrink(amount: &mut Decimal, by: Decimal) {
    *amount = amount.saturating_sub(by);
}

/// The plausible balances of the venue by asset, and the assets with implausible ones.
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

/// One asset of the account, compared with the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Name of the asset.
    pub asset: String,
    /// Amount that is ours according to the books.
    pub ours: Decimal,
    /// External amount: not ours, never traded.
    pub foreign: Decimal,
    /// Amount that the venue may lack because an operator confirmed the books.
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

    /// Base units and cash that are ours according to the books, by asset.
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

    /// The books by asset, for every known asset.
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

    fn account(
        &mut self,
        (n, time): (u64, UtcMs),
        balances: &[Balance],
        unread: &[String],
        charges: Charges<'_>,
    ) {
        let (theirs, unread) = believed(balances, unread);
        self.charged.listed(time, charges);
        let conflicts = if self.quote.is_none() {
            let conflicts = self.baseline(theirs, &unread, balances.len());
            if self.quote.is_some() {
                self.charged.began(charges);
            }
            conflicts
        } else {
            self.compare(&theirs, &unread, charges)
        };
        self.picture = Some(Picture { n, conflicts });
    }

    /// Takes the first account as the baseline.
    fn baseline(
        &mut self,
        mut theirs: BTreeMap<&str, Decimal>,
        unread: &BTreeSet<&str>,
        count: usize,
    ) -> Vec<Conflict> {
        let setup = |about: &str, ours: String, theirs: String| {
            vec![Conflict { about: about.to_owned(), ours, theirs, dispute: Dispute::Setup }]
        };
        // With neither instrument rules nor a setting, the cash asset is unknown: all stays
        // external.
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

    /// The conflicts of a later account: what it lacks. A surplus becomes external.
    fn compare(
        &mut self,
        theirs: &BTreeMap<&str, Decimal>,
        unread: &BTreeSet<&str>,
        charges: Charges<'_>,
    ) -> Vec<Conflict> {
        self.pay(theirs, unread, charges);
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
                // The last known amounts stay. If the asset is ours, the conflict stops buys until
                // it is read.
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
            // A tolerated shortage that has ended is no longer tolerated.
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

    /// The asset of the cash; `None` before the first account.
    #[must_use]
    pub fn cash_asset(&self) -> Option<&str> {
        self.quote.as_deref()
    }

    /// Whether the position of a symbol is above zero.
    #[must_use]
    pub fn holds(&self, symbol: Symbol) -> bool {
        self.held.contains(&symbol)
    }

    /// Whether the venue lacks some of an asset.
    #[must_use]
    pub fn is_missing(&self, asset: &str) -> bool {
        self.missing.contains_key(asset)
    }

    fn equity(&self) -> Option<(Decimal, Decimal)> {
        self.quote.as_ref()?;
        // Both lists are sorted by name, so one pass finds every mark.
        let mut marks = self.marks.iter().peekable();
        let value = |(symbol, position): (Symbol, &Position)| {
            while marks.next_if(|(of, _)| *of < symbol).is_some() {}
            // A position without a close yet is valued at cost.
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
        VERSION
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
            kind::CORPORATE_ACTION,
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
            Body::Market(Market::CorporateAction(action)) => self.split(fact.key, action),
            Body::Operator(Operator::ConfigApplied { text, .. }) => {
                if let Some(settings) = super::settings::applied(text) {
                    self.settings = settings;
                }
            }
            Body::Venue(Venue::Account { time, balances, unread, charges, charge_ids, .. }) => {
                let charges = Charges { rows: charges, ids: charge_ids };
                self.account((fact.key.n, *time), balances, unread, charges);
            }
            Body::Order(order) => self.ordered((fact.key, fact.time), order),
            Body::Operator(Operator::Resolved { conflict, accept, .. }) => {
                self.resolved(fact.key, conflict, *accept);
            }
            Body::Operator(Operator::Adopted { asset, quantity, position, .. }) => {
                self.adopted((fact.key, fact.time), asset, *quantity, *position);
            }
            Body::Ledger(LedgerFact::Reconciled { life, conflicts, .. }) => {
                self.life = *life;
                self.conflicts.clone_from(conflicts);
            }
            Body::Ledger(LedgerFact::Position { symbol, .. }) if fact.version < LOTS_FROM => {
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
            // Only dust moves to the house here: fills have closed the other lots already.
            Body::Ledger(LedgerFact::Lot { strategy, symbol, quantity, .. })
                if quantity.is_zero() =>
            {
                self.positions.entry(*symbol).leave_to_house(strategy);
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Ledger(_) => {}
        }
    }

    fn decide(&self, fact: &Fact<Body>, out: &mut Out<Body>) {
        match &fact.body {
            Body::Market(Market::Close { time, .. }) => self.append_equity(*time, out),
            Body::Market(Market::CorporateAction(action)) => {
                self.append_split(fact.key, action, out);
            }
            Body::Order(Order::Filled { symbol, .. }) => {
                self.append_position(fact.key, *symbol, out);
            }
            Body::Order(Order::Compared { life, .. }) => self.append_reconciled(fact, *life, out),
            Body::Operator(Operator::Resolved { .. } | Operator::Adopted { .. }) => {
                self.append_resolved(fact.key, out);
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
        self.append_lots(out);
        if self.closed == self.at {
            let symbols: BTreeSet<Symbol> = self.left.keys().map(|(symbol, _)| *symbol).collect();
            for symbol in symbols {
                self.append_dust(symbol, out);
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
        &[BEFORE_LOTS, BEFORE_CHARGES.0]
    }

    fn convert(&mut self, version: u16, bytes: &[u8]) -> Result<(), String> {
        if version == BEFORE_CHARGES.0 {
            *self = state::grown(BEFORE_CHARGES.1, BEFORE_CHARGES.2, bytes)?;
            return Ok(());
        }
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
#[path = "ledger/external_tests.rs"]
mod external_tests;
#[cfg(test)]
#[path = "ledger/lots_tests.rs"]
mod lots_tests;
#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
