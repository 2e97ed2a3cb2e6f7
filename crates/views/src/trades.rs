//! Proves the arithmetic of trades: computes lots, profits and cash from the executions alone, and
//! compares them with every fact of the ledger.
//!
//! `trades/books.rs` keeps these books. It shares no code with the ledger, so an error of one does
//! not hide in the other. Besides executions it takes what operators and venues decided: the base
//! asset of a symbol, accepted shortages and adopted amounts. That the rest of a lot moves to
//! `house` is taken from the ledger; its amount is checked.
//!
//! Only the lots and the facts of a few inputs are in memory, whatever the length of the journal. A
//! fact of the ledger may follow later inputs in the journal. So facts wait until the ledger has
//! passed their input.

mod books;
#[cfg(test)]
mod tests;

use super::exit::Failure;
use super::journal_reader::JournalFacts;
use super::views::{ProblemView, VerifiedTradeView, VerifyTradesView};
use books::{Books, By, Lot};
use everwarm_domain::fact::kinds::rank;
use everwarm_domain::fact::{Body, LOTS_FROM, Ledger, Market, Operator, Order, Part, Venue};
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::settings::Settings;
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::{Body as _, Fact, Key};
use everwarm_words::text::instant;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::ControlFlow;

/// Maximum number of differences that are listed.
const PROBLEMS: usize = 100;
/// Maximum number of closed trades that are listed.
const TRADES: usize = 10_000;
/// Amounts of money that differ by less than this are equal: a billionth of a quote unit. Averages
/// have 28 digits, so rounding stays far below it.
const ROUNDING: Decimal = Decimal::from_parts(1, 0, 0, false, 9);

/// Decimals of an amount in a text: those of a price plus those of a quantity, as in the facts.
const SHOWN: u32 = 16;

/// Computes every trade of a journal from its executions, and compares it with the ledger's facts.
/// `limit`: number of newest closed trades that are listed.
///
/// # Errors
/// The journal could not be read.
pub fn verify_trades(
    journal: &dyn JournalFacts,
    limit: Option<usize>,
) -> Result<VerifyTradesView, Failure> {
    let mut fold = TradeFold::new(limit);
    journal.each(1, &mut |_, fact| {
        fold.fold(fact);
        ControlFlow::Continue(())
    })?;
    Ok(fold.finish())
}

/// The state of the books after an execution.
#[derive(Clone, Debug)]
struct After {
    position: Lot,
    cash: Option<Decimal>,
}

/// By how much a fact differs from the executions.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Off {
    quantity: Decimal,
    cost: Decimal,
    made: Decimal,
}

/// Trades computed from executions, compared fact by fact.
#[derive(Debug, Default)]
pub struct TradeFold {
    settings: Settings,
    /// The quote asset of the first symbol by name.
    quotes: BTreeMap<Symbol, String>,
    books: Books,
    /// Facts that wait for the ledger, by input.
    waiting: BTreeMap<u64, BTreeMap<Key, Fact<Body>>>,
    /// The last difference of each position and lot that differs, and of the cash.
    off: BTreeMap<(Symbol, Option<String>), Off>,
    cash_off: Decimal,
    /// Whether the present input is a split.
    splits: bool,
    view: VerifyTradesView,
    listed: VecDeque<VerifiedTradeView>,
    limit: usize,
}

impl TradeFold {
    /// An empty fold that lists at most `limit` closed trades.
    #[must_use]
    pub fn new(limit: Option<usize>) -> TradeFold {
        let limit = limit.unwrap_or(TRADES).min(TRADES);
        TradeFold { limit, ..TradeFold::default() }
    }

    /// An empty fold that lists every closed trade.
    #[must_use]
    pub fn all() -> TradeFold {
        TradeFold { limit: usize::MAX, ..TradeFold::default() }
    }

    /// Takes one fact in, in the order of the journal.
    pub fn fold(&mut self, fact: &Fact<Body>) {
        let counts = match &fact.body {
            Body::Market(Market::Instruments { .. } | Market::CorporateAction(_))
            | Body::Operator(Operator::ConfigApplied { .. } | Operator::Adopted { .. })
            | Body::Order(Order::Filled { .. })
            | Body::Ledger(_) => true,
            // Only the first account that names the cash matters.
            Body::Venue(Venue::Account { .. }) => self.books.quote.is_none(),
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_) => false,
        };
        if counts {
            let of = self.waiting.entry(fact.key.n).or_default();
            of.insert(fact.key, fact.clone());
        }
        if fact.key.rank == rank::LEDGER.0 {
            // The ledger has processed all earlier inputs.
            while let Some(first) = self.waiting.first_entry().filter(|e| *e.key() < fact.key.n) {
                let facts = first.remove();
                self.input(&facts);
            }
        }
    }

    /// The result, after the last fact.
    #[must_use]
    pub fn finish(mut self) -> VerifyTradesView {
        for facts in std::mem::take(&mut self.waiting).into_values() {
            let booked = facts.values().any(|fact| matches!(fact.body, Body::Ledger(_)));
            if booked {
                self.input(&facts);
            } else {
                let fills = facts.values().filter(|fact| is_fill(fact)).count() as u64;
                self.view.fills += fills;
                self.view.unbooked += fills;
            }
        }
        self.view.trades = self.listed.into();
        self.view
    }

    /// Books and compares all facts about one input.
    fn input(&mut self, facts: &BTreeMap<Key, Fact<Body>>) {
        let old = |fact: &Fact<Body>| is_old(fact) && matches!(fact.body, Body::Ledger(_));
        self.books.one_lot = facts.values().any(old);
        self.splits = facts.values().any(is_split);
        let touched = touched(facts);
        let before: BTreeMap<(Symbol, String), Lot> = (touched.iter())
            .flat_map(|symbol| {
                self.books
                    .of(*symbol)
                    .map(|(owner, lot)| ((*symbol, owner.to_owned()), lot.clone()))
            })
            .collect();
        let mut after: BTreeMap<Key, After> = BTreeMap::new();
        let mut price = None;
        for fact in facts.values() {
            self.take(fact, &mut price);
            if let Body::Order(Order::Filled { symbol, .. }) = &fact.body {
                let (position, cash) = (self.books.position(*symbol), self.books.cash);
                after.insert(fact.key, After { position, cash });
            }
        }
        self.dust(facts, &touched);
        let mut positions: BTreeSet<Key> = BTreeSet::new();
        let mut lots: BTreeSet<(Symbol, String)> = BTreeSet::new();
        for fact in facts.values() {
            match &fact.body {
                Body::Ledger(Ledger::Position { .. }) => {
                    let cause = fact.because.first().copied().unwrap_or_default();
                    positions.insert(cause);
                    self.position(fact, after.get(&cause));
                }
                Body::Ledger(Ledger::Lot { strategy, symbol, .. }) => {
                    lots.insert((*symbol, strategy.clone()));
                    self.lot(fact);
                }
                // Before the first account, the ledger knows no cash.
                Body::Ledger(Ledger::Equity { cash, .. } | Ledger::Reconciled { cash, .. })
                    if self.books.quote.is_some() =>
                {
                    self.view.facts += 1;
                    let ours = *self.books.cash.get_or_insert(*cash);
                    self.cash(fact, *cash, Some(ours));
                }
                Body::Ledger(_)
                | Body::Market(_)
                | Body::Venue(_)
                | Body::Operator(_)
                | Body::Analysis(_)
                | Body::Decision(_)
                | Body::Order(_) => {}
            }
        }
        for fact in facts.values().filter(|fact| is_fill(fact)) {
            if !positions.contains(&fact.key) {
                self.problem(fact, "the ledger has no position for this execution".to_owned());
            }
        }
        if !self.books.one_lot {
            self.missing(facts, &before, &lots);
        }
        for trade in self.books.take_closed() {
            self.view.closed += 1;
            self.listed.push_back(trade);
            if self.listed.len() > self.limit {
                self.listed.pop_front();
            }
        }
    }

    /// Books one fact. `price` is that of the adopted amount.
    fn take(&mut self, fact: &Fact<Body>, price: &mut Option<Decimal>) {
        match &fact.body {
            Body::Market(Market::Instruments { rules }) => {
                for rule in rules {
                    self.books.bases.insert(rule.symbol, rule.base.clone());
                    self.books.steps.insert(rule.symbol, rule.lot_size);
                    self.quotes.insert(rule.symbol, rule.quote.clone());
                }
            }
            Body::Operator(Operator::ConfigApplied { text, .. }) => {
                if let Ok(settings) = Settings::from_text(text) {
                    self.settings = settings;
                }
            }
            Body::Operator(Operator::Adopted { position, .. }) => {
                *price = position.map(|(_, price)| price);
            }
            Body::Venue(Venue::Account { unread, .. }) if self.books.quote.is_none() => {
                let set = Some(&self.settings.trading.quote_asset).filter(|set| !set.is_empty());
                let quote = set.or_else(|| self.quotes.values().next());
                self.books.quote = quote.filter(|quote| !unread.contains(quote)).cloned();
            }
            Body::Order(Order::Filled { client_id, strategy, symbol, side, fill, .. }) => {
                self.view.fills += 1;
                let by = By::of(client_id, strategy);
                // Of external orders, only trades against the cash are booked.
                if by != By::Others || self.quotes.get(symbol) == self.books.quote.as_ref() {
                    self.books.fill((strategy.as_str(), by), (*symbol, *side, fact.time), fill);
                }
            }
            Body::Market(Market::CorporateAction(action)) => {
                if let Some(ratio) = action.split() {
                    self.books.new_shares(action.symbol, ratio, fact.time);
                }
            }
            // The books have the rest of a split already.
            Body::Ledger(Ledger::Adjusted { .. }) if self.splits => {}
            Body::Ledger(Ledger::Adjusted { part, amount, .. }) => {
                self.books.adjust((*part, *amount), *price, fact.time);
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

    /// Moves the rests of closed lots to the house: lots that end without an execution.
    fn dust(&mut self, facts: &BTreeMap<Key, Fact<Body>>, touched: &BTreeSet<Symbol>) {
        for fact in facts.values() {
            if let Body::Ledger(Ledger::Lot { strategy, symbol, quantity, .. }) = &fact.body
                && quantity.is_zero()
                && !touched.contains(symbol)
            {
                self.books.dust(*symbol, strategy, fact.time);
            }
        }
    }

    /// Compares a position, and the cash after it.
    fn position(&mut self, fact: &Fact<Body>, after: Option<&After>) {
        let Body::Ledger(Ledger::Position { symbol, quantity, cost, realized_pnl, cash }) =
            &fact.body
        else {
            return;
        };
        self.view.facts += 1;
        let now = || After { position: self.books.position(*symbol), cash: self.books.cash };
        let After { position, cash: ours } = after.cloned().unwrap_or_else(now);
        let (quantity, cost, made) = (*quantity, *cost, *realized_pnl);
        let theirs = Lot { quantity, cost, made, ..Lot::default() };
        self.compare(fact, (*symbol, None), &theirs, &position);
        self.cash(fact, *cash, ours);
    }

    fn cash(&mut self, fact: &Fact<Body>, theirs: Decimal, ours: Option<Decimal>) {
        let off = theirs.saturating_sub(ours.unwrap_or(theirs));
        let is_new = self.cash_off != off;
        self.cash_off = off;
        if is_new && off.abs() > ROUNDING {
            self.problem(fact, differing("cash", theirs, ours.unwrap_or_default()));
        }
    }

    /// Reports a lot that differs, or a position if there is no owner. A difference that stays is
    /// reported once.
    fn compare(
        &mut self,
        fact: &Fact<Body>,
        (symbol, owner): (Symbol, Option<&str>),
        theirs: &Lot,
        ours: &Lot,
    ) {
        let name = (symbol, owner.map(str::to_owned));
        let Some(text) = differs(theirs, ours) else {
            self.off.remove(&name);
            return;
        };
        let off = Off {
            quantity: theirs.quantity.saturating_sub(ours.quantity),
            cost: theirs.cost.saturating_sub(ours.cost).round_dp(ROUNDING.scale()),
            made: theirs.made.saturating_sub(ours.realized()).round_dp(ROUNDING.scale()),
        };
        if self.off.insert(name, off) != Some(off) {
            let of = owner.map_or_else(String::new, |owner| format!(" of {owner}"));
            self.problem(fact, format!("{symbol}{of}: {text}"));
        }
    }

    /// Compares a lot.
    fn lot(&mut self, fact: &Fact<Body>) {
        let Body::Ledger(Ledger::Lot { strategy, symbol, quantity, cost, opened, realized_pnl }) =
            &fact.body
        else {
            return;
        };
        self.view.facts += 1;
        let ours = self.books.lot(*symbol, strategy);
        let theirs = Lot {
            quantity: *quantity,
            cost: *cost,
            opened: *opened,
            made: *realized_pnl,
            flows: Decimal::ZERO,
        };
        self.compare(fact, (*symbol, Some(strategy)), &theirs, &ours);
    }

    /// Reports lots that an input changed and the ledger does not have.
    fn missing(
        &mut self,
        facts: &BTreeMap<Key, Fact<Body>>,
        before: &BTreeMap<(Symbol, String), Lot>,
        lots: &BTreeSet<(Symbol, String)>,
    ) {
        let Some(cause) = facts.values().find(|fact| is_fill(fact)) else { return };
        for symbol in touched(facts) {
            let owners: Vec<(String, Lot)> =
                self.books.of(symbol).map(|(owner, lot)| (owner.to_owned(), lot.clone())).collect();
            for (owner, lot) in owners {
                let holder = (symbol, owner);
                let was = before.get(&holder).cloned().unwrap_or_default();
                if differs(&lot, &was).is_some() && !lots.contains(&holder) {
                    let (owner, held) = (&holder.1, lot.quantity.normalize());
                    let text = format!(
                        "{symbol} of {owner}: the ledger has no lot after this execution, its \
                         executions give {held}"
                    );
                    self.problem(cause, text);
                }
            }
        }
    }

    fn problem(&mut self, fact: &Fact<Body>, text: String) {
        self.view.differing += 1;
        if self.view.problems.len() < PROBLEMS {
            let (key, kind) = (fact.key.to_string(), Body::name(fact.body.kind()).to_owned());
            self.view.problems.push(ProblemView { key, kind, text });
        }
    }
}

/// Whether a version of the ledger without lots appended the fact.
fn is_old(fact: &Fact<Body>) -> bool {
    fact.version < LOTS_FROM
}

fn is_split(fact: &Fact<Body>) -> bool {
    matches!(&fact.body, Body::Market(Market::CorporateAction(action)) if action.split().is_some())
}

fn is_fill(fact: &Fact<Body>) -> bool {
    matches!(fact.body, Body::Order(Order::Filled { .. }))
}

/// The symbols whose lots executions and adjustments change.
fn touched(facts: &BTreeMap<Key, Fact<Body>>) -> BTreeSet<Symbol> {
    let symbol = |fact: &Fact<Body>| match &fact.body {
        Body::Order(Order::Filled { symbol, .. })
        | Body::Ledger(Ledger::Adjusted { part: Part::Position(symbol), .. }) => Some(*symbol),
        Body::Market(_)
        | Body::Venue(_)
        | Body::Operator(_)
        | Body::Analysis(_)
        | Body::Decision(_)
        | Body::Order(_)
        | Body::Ledger(_) => None,
    };
    facts.values().filter_map(symbol).collect()
}

/// The first difference between a fact and the executions, in words.
fn differs(theirs: &Lot, ours: &Lot) -> Option<String> {
    let Lot { quantity, cost, opened, made, .. } = theirs;
    if *quantity != ours.quantity {
        return Some(differing("quantity", *quantity, ours.quantity));
    }
    if *opened != ours.opened {
        let time = |at: Option<UtcMs>| at.map_or("no time".to_owned(), instant);
        let (theirs, ours) = (time(*opened), time(ours.opened));
        return Some(format!("opened at {theirs} in the fact, at {ours} by its executions"));
    }
    let realized = || money("realised profit", *made, ours.realized());
    money("cost", *cost, ours.cost).or_else(realized)
}

/// The difference of two amounts of money in words; none if they are equal.
fn money(what: &str, theirs: Decimal, ours: Decimal) -> Option<String> {
    let off = theirs.saturating_sub(ours).abs();
    (off > ROUNDING).then(|| differing(what, theirs, ours))
}

fn differing(what: &str, theirs: Decimal, ours: Decimal) -> String {
    let [theirs, ours] = [theirs, ours].map(|amount| amount.round_dp(SHOWN).normalize());
    format!("{what} {theirs} in the fact, {ours} by its executions")
}
