//! Runs the strategies again over the values of a journal, to explain afterwards what they decided.
//!
//! A strategy decides by the lots, orders and owed exits of the inputs before. So the facts are
//! taken in the order of their keys, which is not always that of the journal.

use super::features::Plans;
use super::scan_days::DayCounts;
use everwarm_domain::fact::{Analysis, Body, Decision, Ledger, Market, Operator, Order};
use everwarm_domain::features::FeatureTable;
use everwarm_domain::id::{ClientOrderId, Symbol, SymbolMap};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Side;
use everwarm_domain::settings::Settings;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_kernel::fact::{Fact, Key};
use everwarm_trading::strategy::{self, LotView, Verdict, View, WhyNot};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Maximum number of facts that wait for their order: a stage may append facts about later inputs
/// before another stage processes this one.
const WAITING: usize = 4_096;

/// A fact that the strategies see again.
enum Shown {
    Settings(Box<Settings>),
    Unlisted(Vec<Symbol>),
    /// Values, and the feature of each column.
    Values(Timeframe, Vec<String>, FeatureTable),
    /// The sides of signals.
    Signalled(Vec<(String, Symbol, Side)>),
    /// The base units of a lot.
    Held(String, Symbol, Decimal),
    /// An order of an entry.
    Entry(String, Symbol, ClientOrderId),
    /// The end of an order.
    Ended(Symbol, ClientOrderId),
    /// Whether an exit is owed.
    Leaves(String, Symbol, bool),
}

/// A strategy that runs again.
struct Asked {
    /// Name of its kind.
    kind: &'static str,
    section: String,
    why_not: Box<dyn WhyNot>,
    timeframe: Timeframe,
    /// The features that it needs.
    features: Vec<String>,
    /// Whether its position ends with its lot.
    ends_with_lot: bool,
    lines: SymbolMap<Line>,
}

/// One symbol of a strategy.
#[derive(Default)]
struct Line {
    /// The newest values of the features; `NaN` if not defined yet.
    values: Vec<f64>,
    /// The input of the newest bar of its own width.
    input: Option<u64>,
}

/// What a strategy holds of a symbol.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Standing {
    /// Whether its last signal was a buy.
    long: bool,
    /// Base units of its lot, its entries that are not final, and whether its exit is owed.
    held: Decimal,
    entries: BTreeSet<ClientOrderId>,
    leaves: bool,
}

impl Standing {
    fn lot(&self) -> LotView {
        LotView { held: self.held, enters: !self.entries.is_empty(), leaves: self.leaves }
    }

    /// Whether the strategy is long, as [`Strategy::update`](strategy::Strategy::update) has it.
    fn is_long(&self, ends_with_lot: bool) -> bool {
        let bought = self.long && !ends_with_lot;
        !self.leaves && (bought || !self.held.is_zero() || !self.entries.is_empty())
    }

    fn is_empty(&self) -> bool {
        !self.long && !self.leaves && self.held.is_zero() && self.entries.is_empty()
    }
}

/// Everything that the evaluations of later facts follow from, at a fact behind which none waits.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Remembered {
    strategies: Vec<RememberedStrategy>,
    standings: BTreeMap<String, BTreeMap<Symbol, Standing>>,
    plans: Plans,
}

/// The same of one strategy.
#[derive(Debug, Serialize, Deserialize)]
struct RememberedStrategy {
    id: String,
    kind: String,
    section: String,
    /// What the kind remembers, as it saves it.
    memory: Vec<u8>,
    /// The newest values of the features.
    values: Vec<(Symbol, Vec<f64>)>,
}

/// All strategies, and the facts that wait for their order.
pub(crate) struct Evaluations {
    /// The only symbol that is evaluated; none: all.
    only: Option<Symbol>,
    asked: BTreeMap<String, Asked>,
    standings: BTreeMap<String, BTreeMap<Symbol, Standing>>,
    /// End of the newest bar with values, by width.
    newest: BTreeMap<Timeframe, UtcMs>,
    /// Facts that the strategies have not seen yet, by key.
    waiting: BTreeMap<Key, Shown>,
    /// The features of each plan.
    pub(crate) plans: Plans,
    /// Counts of the evaluations, if they are counted.
    pub(crate) counts: Option<DayCounts>,
}

impl Evaluations {
    /// Before the first fact, with the evaluations of all symbols counted.
    pub(crate) fn counting(counts: DayCounts) -> Evaluations {
        Evaluations { counts: Some(counts), ..Evaluations::new(None) }
    }

    /// Before the first fact. Without a symbol, all are evaluated.
    pub(crate) fn new(only: Option<Symbol>) -> Evaluations {
        Evaluations {
            only,
            counts: None,
            asked: BTreeMap::new(),
            standings: BTreeMap::new(),
            newest: BTreeMap::new(),
            waiting: BTreeMap::new(),
            plans: Plans::default(),
        }
    }

    /// What the evaluations of later facts follow from. None if facts wait, or if values of a bar
    /// that ends at `before` or later were seen.
    pub(crate) fn remembered(&self, before: UtcMs) -> Option<Remembered> {
        if !self.waiting.is_empty() || self.newest.values().any(|end| *end >= before) {
            return None;
        }
        let strategies = self.asked.iter().map(|(id, asked)| asked.remembered(id)).collect();
        let (standings, plans) = (self.standings.clone(), self.plans.clone());
        Some(Remembered { strategies, standings, plans })
    }

    /// Continues from what was remembered, before the first fact. False, and nothing changes, if
    /// this program has other kinds or versions of them.
    pub(crate) fn resume(&mut self, from: Remembered) -> bool {
        let Remembered { strategies, standings, plans } = from;
        let resumed: Option<BTreeMap<String, Asked>> =
            strategies.into_iter().map(Asked::resumed).collect();
        let Some(asked) = resumed else { return false };
        (self.asked, self.standings, self.plans) = (asked, standings, plans);
        true
    }

    /// Takes one fact in, in the order of the journal.
    pub(crate) fn fold(&mut self, fact: &Fact<Body>) {
        self.plans.fold(fact);
        let shown = match &fact.body {
            Body::Operator(Operator::ConfigApplied { text, .. }) => {
                let settings = Settings::from_text(text).unwrap_or_default();
                Some(Shown::Settings(Box::new(settings)))
            }
            Body::Market(Market::Universe { unlisted, .. }) => {
                Some(Shown::Unlisted(unlisted.clone()))
            }
            Body::Analysis(analysis) => self.analysis(analysis),
            Body::Decision(Decision::Owed { symbol, strategy, ended, .. }) if self.has(*symbol) => {
                Some(Shown::Leaves(strategy.clone(), *symbol, ended.is_none()))
            }
            Body::Order(order) => self.order(order),
            Body::Ledger(Ledger::Lot { symbol, strategy, quantity, .. }) if self.has(*symbol) => {
                Some(Shown::Held(strategy.clone(), *symbol, *quantity))
            }
            // The last rank has processed this input, so all facts before it are known.
            Body::Ledger(Ledger::Equity { .. }) => {
                while self.waiting.first_key_value().is_some_and(|(key, _)| key.n <= fact.key.n) {
                    self.take_first();
                }
                None
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Decision(_)
            | Body::Ledger(_) => None,
        };
        if let Some(shown) = shown {
            self.waiting.insert(fact.key, shown);
            if self.waiting.len() > WAITING {
                self.take_first();
            }
        }
    }

    fn has(&self, symbol: Symbol) -> bool {
        self.only.is_none_or(|only| only == symbol)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "strategies use no other analysis")]
    fn analysis(&self, analysis: &Analysis) -> Option<Shown> {
        match analysis {
            Analysis::FeatureValues { plan, timeframe, table } => {
                let table = match self.only {
                    None => table.clone(),
                    Some(only) => {
                        let row = table.row(only)?;
                        FeatureTable::of(table.columns(), vec![row.head], row.values.to_vec())
                    }
                };
                Some(Shown::Values(*timeframe, self.plans.columns(*plan, *timeframe), table))
            }
            Analysis::Signals { rows } => {
                let ours = rows.iter().filter(|row| self.has(row.symbol));
                let sides = ours.map(|row| (row.strategy.clone(), row.symbol, row.side()));
                Some(Shown::Signalled(sides.collect()))
            }
            _ => None,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn order(&self, order: &Order) -> Option<Shown> {
        match order {
            Order::Intent(intent) if self.has(intent.symbol) && intent.side == Side::Buy => {
                let (strategy, id) = (intent.strategy.clone(), intent.client_id.clone());
                Some(Shown::Entry(strategy, intent.symbol, id))
            }
            Order::Changed { client_id, symbol, status, .. }
                if self.has(*symbol) && status.is_final() =>
            {
                Some(Shown::Ended(*symbol, client_id.clone()))
            }
            _ => None,
        }
    }

    /// Shows the first waiting fact to the strategies.
    fn take_first(&mut self) {
        let Some((key, shown)) = self.waiting.pop_first() else { return };
        match shown {
            Shown::Settings(settings) => self.configured(&settings),
            Shown::Unlisted(symbols) => self.unlisted(&symbols),
            Shown::Values(timeframe, names, table) => self.values(key.n, timeframe, &names, &table),
            Shown::Signalled(sides) => {
                for (strategy, symbol, side) in sides {
                    self.stands(&strategy, symbol, |of| of.long = side == Side::Buy);
                }
            }
            Shown::Held(strategy, symbol, held) => {
                self.stands(&strategy, symbol, |of| of.held = held);
            }
            Shown::Entry(strategy, symbol, id) => self.stands(&strategy, symbol, |of| {
                of.entries.insert(id);
            }),
            Shown::Ended(symbol, id) => {
                for of in self.standings.values_mut().filter_map(|all| all.get_mut(&symbol)) {
                    of.entries.remove(&id);
                }
            }
            Shown::Leaves(strategy, symbol, leaves) => {
                self.stands(&strategy, symbol, |of| of.leaves = leaves);
            }
        }
    }

    /// Changes what a strategy holds of a symbol.
    fn stands(&mut self, strategy: &str, symbol: Symbol, change: impl FnOnce(&mut Standing)) {
        if !self.standings.contains_key(strategy) {
            self.standings.insert(strategy.to_owned(), BTreeMap::new());
        }
        let Some(all) = self.standings.get_mut(strategy) else { return };
        let standing = all.entry(symbol).or_default();
        change(standing);
        if standing.is_empty() {
            all.remove(&symbol);
        }
    }

    /// Applies a configuration. A strategy with the same settings keeps its memory.
    fn configured(&mut self, settings: &Settings) {
        let mut before = std::mem::take(&mut self.asked);
        for (id, one) in settings.strategy.0.iter().filter(|(_, one)| one.enabled) {
            let Some(kind) = strategy::kind(&one.kind) else { continue };
            let Ok(section) = (kind.read)(&one.section) else { continue };
            let former = before.remove(id).filter(|former| former.section == section);
            let asked = former.or_else(|| Asked::of(kind, section));
            self.asked.extend(asked.map(|asked| (id.clone(), asked)));
        }
    }

    fn unlisted(&mut self, symbols: &[Symbol]) {
        for asked in self.asked.values_mut() {
            asked.lines.remove_all(symbols);
            for symbol in symbols {
                asked.why_not.forget(*symbol);
            }
        }
        for all in self.standings.values_mut() {
            for symbol in symbols {
                if let Some(standing) = all.get_mut(symbol) {
                    standing.long = false;
                }
            }
        }
    }

    /// Shows the values of a bar width to the strategies that need them.
    fn values(&mut self, n: u64, timeframe: Timeframe, names: &[String], table: &FeatureTable) {
        let newest = table.rows().map(|row| row.head.time).max();
        if let Some(newest) = newest {
            let known = self.newest.entry(timeframe).or_insert(newest);
            *known = newest.max(*known);
        }
        for (id, asked) in &mut self.asked {
            let own = asked.timeframe == timeframe;
            let place = |feature| names.iter().position(|name| name == feature);
            let places: Vec<Option<usize>> = asked.features.iter().map(place).collect();
            if !own && places.iter().all(Option::is_none) {
                continue;
            }
            let (standings, mut near) = (self.standings.get(id), 0);
            for row in table.rows() {
                let line = asked.lines.near(&mut near, row.head.symbol, Line::default);
                line.values.resize(places.len(), f64::NAN);
                for (value, place) in line.values.iter_mut().zip(&places) {
                    let now = place.and_then(|place| row.values.get(place));
                    *value = now.copied().unwrap_or(*value);
                }
                if own {
                    let standing = standings.and_then(|all| all.get(&row.head.symbol));
                    let long = standing.is_some_and(|of| of.is_long(asked.ends_with_lot));
                    let lot = standing.map(Standing::lot).unwrap_or_default();
                    let view = View { head: row.head, values: &line.values, lot };
                    asked.why_not.see(long, &view);
                    line.input = Some(n);
                    let counts = self.counts.as_mut().filter(|of| of.has(row.head.time));
                    if let Some(counts) = counts
                        && let Some(verdict) = asked.why_not.verdict(row.head.symbol)
                    {
                        counts.add(id, &verdict);
                    }
                }
            }
        }
    }

    /// Each strategy that runs, with the width of its bars.
    pub(crate) fn strategies(&self) -> impl Iterator<Item = (&str, Timeframe)> {
        self.asked.iter().map(|(id, asked)| (id.as_str(), asked.timeframe))
    }

    /// Why a strategy that saw values of the symbol at this input gave no signal.
    pub(crate) fn why(&self, strategy: &str, symbol: Symbol, input: u64) -> Option<String> {
        let asked = self.asked.get(strategy)?;
        asked.lines.get(symbol).filter(|line| line.input == Some(input))?;
        asked.why_not.why(symbol)
    }

    /// What the newest values of the symbol gave; none: the strategy saw none.
    pub(crate) fn verdict(&self, strategy: &str, symbol: Symbol) -> Option<Verdict> {
        self.asked.get(strategy)?.why_not.verdict(symbol)
    }

    /// End of the newest bar of a width that has values of some symbol.
    pub(crate) fn newest(&self, timeframe: Timeframe) -> Option<UtcMs> {
        self.newest.get(&timeframe).copied()
    }
}

impl Asked {
    fn of(kind: &strategy::Kind, section: String) -> Option<Asked> {
        let (why_not, timeframe) = ((kind.why_not)(&section)?, (kind.timeframe)(&section)?);
        let (features, ends_with_lot) = ((kind.features)(&section), kind.ends_with_lot);
        let (kind, lines) = (kind.name, SymbolMap::default());
        Some(Asked { kind, section, why_not, timeframe, features, ends_with_lot, lines })
    }

    fn remembered(&self, id: &str) -> RememberedStrategy {
        let values = self.lines.iter().map(|(symbol, line)| (symbol, line.values.clone()));
        RememberedStrategy {
            id: id.to_owned(),
            kind: self.kind.to_owned(),
            section: self.section.clone(),
            memory: self.why_not.save(),
            values: values.collect(),
        }
    }

    /// The strategy as it was, with its id; none if this program cannot continue it.
    fn resumed(from: RememberedStrategy) -> Option<(String, Asked)> {
        let RememberedStrategy { id, kind, section, memory, values } = from;
        let mut asked = Asked::of(strategy::kind(&kind)?, section)?;
        asked.why_not.load(&memory).ok()?;
        for (symbol, values) in values {
            asked.lines.insert(symbol, Line { values, input: None });
        }
        Some((id, asked))
    }
}
