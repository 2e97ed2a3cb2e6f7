//! Runs any strategy as a stage: it reads settings and values, and appends signals.
//!
//! The stage learns lots, open entries and owed exits from the ledger, orders and decision of the
//! previous input. It keeps these rules:
//! 1. After a buy of a symbol, no other one opens a lot before a sell. None does while the symbol
//!    is held, unless its exit is owed. A buy adds only to a lot without an open entry.
//! 2. A sell comes only for a symbol that was bought, is held or is being bought. None comes while
//!    an exit is owed.
//! 3. Only sells come while an operator or the configuration has the strategy off.
//! 4. A position is closed under the settings section it was opened with, whatever is configured
//!    meanwhile. Nothing is added to it then.
//!
//! With [`Strategy::ENDS_WITH_LOT`], a position begins with its order and ends with its lot. Else
//! its signals begin and end it.

use super::kind::section;
use super::{LotView, Strategy, View};
use crate::indicators::{Feature, columns, number, old_columns, planned};
use crate::instruments::Instruments;
use crate::risk::sizing;
use crate::risk::sizing::TOO_SMALL;
use everwarm_domain::fact::kinds::{kind, rank};
use everwarm_domain::fact::{
    Analysis, Body, Decision, LOTS_FROM, Ledger, Market, Operator, Order, Signal,
};
use everwarm_domain::features::FeatureTable;
use everwarm_domain::id::{ClientOrderId, SymbolMap};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{FIRST_STRATEGY, Side};
use everwarm_domain::signal::Intent;
use everwarm_domain::switch::Switch;
use everwarm_domain::time::Timeframe;
use everwarm_kernel::fact::{Fact, Mask, Rank};
use everwarm_kernel::stage::{OnPoison, Out, Stage};
use everwarm_kernel::state;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

mod external;
mod old;

const FORMAT: u8 = 4;

#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
struct Line<S: Strategy> {
    last: Option<Side>,
    memory: S::Memory,
    /// The section that the position was opened with, if another one is configured since.
    kept: Option<S::Section>,
    /// The newest values of wider bars, each at the index of its feature; empty if there are none.
    wide: Vec<f64>,
}

impl<S: Strategy> Default for Line<S> {
    fn default() -> Self {
        Line { last: None, memory: S::Memory::default(), kept: None, wide: Vec::new() }
    }
}

impl<S: Strategy> Line<S> {
    /// Applies a side of a position: a buy begins it, a sell ends it.
    fn sided(&mut self, side: Side) {
        self.last = Some(side);
        if side == Side::Sell && self.kept.take().is_some() {
            // Rows of other settings are another series.
            self.forget();
        }
    }

    /// Drops the memory and wide values, which belong to another series.
    fn forget(&mut self) {
        (self.memory, self.wide) = (S::Memory::default(), Vec::new());
    }
}

/// Lot, entries and exit of a strategy in one symbol, as of the previous input.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Standing {
    /// Base units of its lot.
    held: Decimal,
    /// Its buy orders that are not final.
    entries: BTreeSet<ClientOrderId>,
    /// Whether its exit is owed.
    owed: bool,
    /// Whether the rest is too small to sell. Its exit ended, or a sale was declined.
    #[serde(default)]
    over: bool,
}

impl Standing {
    /// Whether a sellable quantity is held or being bought. A stage that joined later has no rules:
    /// then an earlier decline or ended exit decides.
    fn holds(&self, rule: Option<&Instrument>, price: Decimal) -> bool {
        let sells = || match rule {
            Some(rule) => sizing::market(rule, self.held, price).is_ok(),
            None => !self.over,
        };
        !self.entries.is_empty() || (!self.held.is_zero() && sells())
    }

    fn view(&self) -> LotView {
        LotView { held: self.held, enters: !self.entries.is_empty(), leaves: self.owed }
    }

    fn has(&mut self, quantity: Decimal) {
        self.over &= quantity <= self.held;
        self.held = quantity;
    }

    fn is_empty(&self) -> bool {
        self.held.is_zero() && self.entries.is_empty() && !self.owed
    }
}

/// Column of each value of a section at one width; `None` for values of other widths.
type Places = Vec<Option<usize>>;

/// The stage of one strategy instance.
#[derive(Debug)]
pub struct StrategyStage<S: Strategy> {
    id: &'static str,
    rank: Rank,
    state: State<S>,
    /// Columns of the section in force, by width; filled on first use.
    places: Vec<(Timeframe, Places)>,
    /// Signals from the last folded values; empty between inputs.
    signals: Vec<Signal>,
}

/// The saved state.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
struct State<S: Strategy> {
    /// The section in force; `None` while the configuration has the strategy off.
    section: Option<S::Section>,
    /// Whether an operator has stopped its entries. It still processes values, so it stays warm.
    off: bool,
    lines: SymbolMap<Line<S>>,
    standings: SymbolMap<Standing>,
    instruments: Instruments,
    /// Number and features of the plan in force, from the last `FeaturePlan`.
    plan: u64,
    features: Vec<String>,
}

impl<S: Strategy> Default for State<S> {
    fn default() -> Self {
        State {
            section: None,
            off: false,
            lines: SymbolMap::default(),
            standings: SymbolMap::default(),
            instruments: Instruments::default(),
            plan: 0,
            features: Vec::new(),
        }
    }
}

impl<S: Strategy> StrategyStage<S> {
    /// Makes the instance with this id and rank and an empty state.
    #[must_use]
    pub fn new(id: &'static str, rank: Rank) -> StrategyStage<S> {
        let (state, places, signals) = (State::default(), Vec::new(), Vec::new());
        StrategyStage { id, rank, state, places, signals }
    }

    /// Column of each value of a section.
    fn places(section: &S::Section, columns: &[&str]) -> Places {
        let place = |feature: &String| columns.iter().position(|column| column == feature);
        S::features(section).iter().map(place).collect()
    }

    /// Applies the values of a plan. A symbol receives the values of the section it was opened
    /// with.
    fn values(&mut self, plan: u64, timeframe: Timeframe, table: &FeatureTable) {
        let names: Vec<&str> = columns(&self.state.features, timeframe).collect();
        let known = self.places.iter().position(|(width, _)| *width == timeframe);
        let places = match (&self.state.section, known) {
            (None, _) => None,
            // Values of an earlier version have the configured columns first.
            (Some(section), _) if plan == 0 => (S::timeframe(section) == timeframe)
                .then(|| (0..S::features(section).len()).map(Some).collect()),
            (Some(_), Some(at)) => Some(self.places.swap_remove(at).1),
            (Some(section), None) => Some(Self::places(section, &names)),
        };
        let names: Vec<String> = match plan {
            0 => Vec::new(),
            _ => names.into_iter().map(str::to_owned).collect(),
        };
        self.rows(timeframe, table, places.as_deref(), &names);
        if let Some(places) = places.filter(|_| plan > 0) {
            self.places.push((timeframe, places));
        }
    }

    fn rows(
        &mut self,
        timeframe: Timeframe,
        table: &FeatureTable,
        places: Option<&[Option<usize>]>,
        names: &[String],
    ) {
        let State { section: current, lines, standings, instruments, off, .. } = &mut self.state;
        let (mut near, mut values) = (0, Vec::new());
        let (mut near_standing, mut near_rule) = (0, 0);
        for row in table.rows() {
            let symbol = row.head.symbol;
            let line = lines.near(&mut near, symbol, Line::default);
            let standing = standings.find_near(&mut near_standing, symbol);
            let lot = standing.map(Standing::view).unwrap_or_default();
            let mut holds = || {
                standing.is_some_and(|standing| {
                    let rule = instruments.near(&mut near_rule, symbol);
                    standing.holds(rule, row.head.close.decimal())
                })
            };
            if S::ENDS_WITH_LOT && line.last == Some(Side::Buy) && !lot.leaves && !holds() {
                line.sided(Side::Sell);
            }
            let former;
            let (section, places) = if let Some(kept) = &line.kept {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                former = Self::places(kept, &names);
                (Some(kept), Some(former.as_slice()))
            } else {
                (current.as_ref(), places)
            };
            let (Some(section), Some(places)) = (section, places) else { continue };
            let value = |place: &Option<usize>| {
                place.and_then(|place| row.values.get(place).copied()).unwrap_or(f64::NAN)
            };
            if S::timeframe(section) != timeframe {
                if places.iter().any(Option::is_some) {
                    line.wide.resize(places.len(), f64::NAN);
                    for (wide, place) in line.wide.iter_mut().zip(places) {
                        if place.is_some() {
                            *wide = value(place);
                        }
                    }
                }
                continue;
            }
            values.clear();
            values.extend(places.iter().map(value));
            for (value, (wide, place)) in values.iter_mut().zip(line.wide.iter().zip(places)) {
                if place.is_none() {
                    *value = *wide;
                }
            }
            let view = View { head: row.head, values: &values, lot };
            let long = !lot.leaves && (line.last == Some(Side::Buy) || holds());
            let Some(signal) = S::update(section, &mut line.memory, long, &view) else { continue };
            let enters = !*off && line.kept.is_none();
            let passes = match signal.intent {
                Intent::Open => !long && enters,
                Intent::Add => long && enters && !lot.enters && !lot.held.is_zero(),
                Intent::Reduce | Intent::Close => long,
            };
            if passes {
                self.signals.push(signal.of(self.id, row.head));
            }
        }
    }

    fn configure(&mut self, section: Option<S::Section>) {
        let state = &mut self.state;
        if state.section == section {
            return;
        }
        self.places.clear();
        let before = std::mem::replace(&mut state.section, section);
        for (_, line) in state.lines.iter_mut() {
            let by = line.kept.take().or_else(|| before.clone());
            if by == state.section {
                continue;
            }
            if line.last == Some(Side::Buy) {
                line.kept = by;
            } else {
                line.forget();
            }
        }
    }
}

impl<S: Strategy> StrategyStage<S> {
    /// Applies a plan. A position whose section has features that are no longer computed uses the
    /// section in force.
    fn planned(&mut self, plan: u64, features: &[String]) {
        self.places.clear();
        self.state.plan = plan;
        features.clone_into(&mut self.state.features);
        for (_, line) in self.state.lines.iter_mut() {
            let lacks = |kept: &S::Section| {
                S::features(kept).iter().any(|feature| !features.contains(feature))
            };
            if line.kept.as_ref().is_some_and(lacks) {
                line.kept = None;
                line.forget();
            }
        }
    }

    /// Applies the results of orders, lots and exits.
    fn stands(&mut self, fact: &Fact<Body>) {
        let standings = &mut self.state.standings;
        let symbol = match &fact.body {
            Body::Order(Order::Intent(intent)) => {
                if (intent.side, intent.strategy.as_str()) == (Side::Buy, self.id) {
                    let standing = standings.entry(intent.symbol);
                    standing.entries.insert(intent.client_id.clone());
                    if S::ENDS_WITH_LOT {
                        self.state.lines.entry(intent.symbol).sided(Side::Buy);
                    }
                }
                return;
            }
            Body::Order(Order::Changed { client_id, symbol, status, .. }) if status.is_final() => {
                if let Some(standing) = standings.get_mut(*symbol) {
                    standing.entries.remove(client_id);
                }
                *symbol
            }
            Body::Ledger(Ledger::Lot { strategy, symbol, quantity, .. }) if strategy == self.id => {
                standings.entry(*symbol).has(*quantity);
                *symbol
            }
            // Before lots existed, the first strategy held the whole position.
            Body::Ledger(Ledger::Position { symbol, quantity, .. })
                if fact.version < LOTS_FROM && self.id == FIRST_STRATEGY =>
            {
                standings.entry(*symbol).has(*quantity);
                *symbol
            }
            Body::Decision(Decision::Declined { signal, code, .. })
                if signal.strategy == self.id && code == TOO_SMALL =>
            {
                if let Some(standing) = standings.get_mut(signal.symbol) {
                    standing.over |= signal.side() == Side::Sell;
                }
                signal.symbol
            }
            Body::Decision(Decision::Owed { strategy, symbol, ended, .. })
                if strategy == self.id =>
            {
                let standing = standings.entry(*symbol);
                (standing.owed, standing.over) = (ended.is_none(), ended.is_some());
                *symbol
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => return,
        };
        if standings.get(symbol).is_some_and(Standing::is_empty) {
            standings.remove(symbol);
        }
    }
}

impl<S: Strategy> Stage for StrategyStage<S> {
    type Body = Body;

    fn rank(&self) -> Rank {
        self.rank
    }

    fn name(&self) -> &'static str {
        self.id
    }

    fn instance_of(&self) -> Option<&'static str> {
        // The first strategy is older than configured instances.
        (self.rank != rank::STRATEGY).then_some(S::KIND)
    }

    fn version(&self) -> u16 {
        S::VERSION
    }

    fn on_poison(&self) -> OnPoison {
        OnPoison::Skip
    }

    fn interest(&self) -> Mask {
        let external = if S::EXTERNAL { Mask::of(&[kind::SIGNALLED]) } else { Mask::NONE };
        external.and(Mask::of(&[
            kind::FEATURE_PLAN,
            kind::FEATURE_VALUES,
            kind::FEATURES,
            kind::KEPT,
            kind::CONFIG_APPLIED,
            kind::SWITCHED,
            kind::UNIVERSE,
            kind::INSTRUMENTS,
            kind::CORPORATE_ACTION,
            kind::OWED,
            kind::DECLINED,
            kind::INTENT,
            kind::CHANGED,
            kind::POSITION,
            kind::LOT,
        ]))
    }

    fn produces(&self) -> Mask {
        Mask::of(&[kind::SIGNALS])
    }

    fn evolve(&mut self, fact: &Fact<Body>) {
        self.signals.clear();
        match &fact.body {
            Body::Analysis(Analysis::FeaturePlan { plan, features }) => {
                self.planned(*plan, features);
            }
            Body::Analysis(Analysis::FeatureValues { plan, timeframe, table })
                if *plan == 0 || *plan == self.state.plan =>
            {
                self.values(*plan, *timeframe, table);
            }
            Body::Analysis(Analysis::Kept { timeframe, fast, slow, rows }) => {
                let names = old_columns(*timeframe, *fast, *slow);
                self.rows(*timeframe, rows, None, &names);
            }
            Body::Analysis(Analysis::Signals { rows }) if fact.key.rank == self.rank.0 => {
                for signal in rows {
                    if !S::ENDS_WITH_LOT || signal.side() == Side::Sell {
                        self.state.lines.entry(signal.symbol).sided(signal.side());
                    }
                }
            }
            Body::Operator(Operator::ConfigApplied { text, retained, .. }) => {
                if let Some(features) = planned(text, retained) {
                    // `FeaturePlan` is appended only when the plan changes, but a stage that joins
                    // needs it now.
                    self.places.clear();
                    self.state.plan = number(&features);
                    self.state.features = features.iter().map(Feature::to_string).collect();
                }
                if let Some(settings) = crate::settings::applied(text) {
                    let own = settings.strategy.0.get(self.id);
                    let own = own.filter(|one| one.enabled && one.kind == S::KIND);
                    self.configure(own.and_then(|one| section::<S>(&one.section).ok()));
                }
            }
            Body::Operator(Operator::Switched {
                switch: Switch::Strategy { name, on }, ..
            }) if name == self.id => self.state.off = !on,
            Body::Operator(Operator::Signalled(given)) if given.strategy == self.id => {
                self.external(given);
            }
            Body::Market(Market::Universe { unlisted, .. }) => {
                self.state.lines.remove_all(unlisted);
            }
            Body::Market(Market::Instruments { rules }) => self.state.instruments.learn(rules),
            Body::Market(Market::CorporateAction(action)) if action.split().is_some() => {
                self.state.lines.get_mut(action.symbol).into_iter().for_each(Line::forget);
            }
            Body::Order(_) | Body::Ledger(_) | Body::Decision(_) => self.stands(fact),
            Body::Market(_) | Body::Venue(_) | Body::Operator(_) | Body::Analysis(_) => {}
        }
    }

    fn decide(&self, fact: &Fact<Body>, out: &mut Out<Body>) {
        if !self.signals.is_empty() {
            let rows = self.signals.clone();
            out.append_because([fact.key], Body::Analysis(Analysis::Signals { rows }));
        }
    }

    fn save(&self) -> Vec<u8> {
        state::save(FORMAT, &self.state)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.state = state::load(FORMAT, bytes)?;
        self.places.clear();
        Ok(())
    }

    fn converts(&self) -> &'static [u16] {
        S::CONVERTS
    }

    fn convert(&mut self, version: u16, bytes: &[u8]) -> Result<(), String> {
        self.state = old::convert(version, bytes)?;
        self.places.clear();
        Ok(())
    }
}

#[cfg(test)]
#[path = "stage_tests.rs"]
mod tests;
