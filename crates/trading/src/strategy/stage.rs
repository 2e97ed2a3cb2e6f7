//! The stage around any strategy: settings in, values in, signals out.
//!
//! What a strategy holds, which of its entries are on their way and which exits are owed it learns
//! from the ledger, the orders and the decision, as of the input before. So:
//! 1. no buy follows a buy of the same symbol without a sell between, and none comes while the
//!    symbol is held and no exit of it is owed;
//! 2. no sell comes but for what was bought, is held or is being bought; none while one is owed;
//! 3. none but sells come while an operator has it off, or the configuration;
//! 4. what was entered under one section of the settings is left under the same one, whatever is
//!    configured meanwhile.

use super::{Strategy, View};
use crate::indicators::{columns, old_columns};
use crate::instruments::Instruments;
use crate::risk::sizing;
use everwarm_domain::fact::kinds::kind;
use everwarm_domain::fact::{
    Analysis, Body, Decision, LOTS_FROM, Ledger, Market, Operator, Order, Signal,
};
use everwarm_domain::features::FeatureTable;
use everwarm_domain::id::{ClientOrderId, SymbolMap};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{FIRST_STRATEGY, Side};
use everwarm_domain::switch::Switch;
use everwarm_domain::time::Timeframe;
use everwarm_kernel::fact::{Fact, Mask, Rank};
use everwarm_kernel::stage::{OnPoison, Out, Stage};
use everwarm_kernel::state;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

const FORMAT: u8 = 4;
/// The form of version 4, which did not know of plans.
const FORMAT_4: u8 = 3;

#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
struct Line<S: Strategy> {
    last: Option<Side>,
    memory: S::Memory,
    /// The section by which it was entered, where another one is configured since.
    kept: Option<S::Section>,
}

impl<S: Strategy> Default for Line<S> {
    fn default() -> Self {
        Line { last: None, memory: S::Memory::default(), kept: None }
    }
}

/// What a strategy has of a symbol, as of the input before.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Standing {
    /// Base units of its lot.
    held: Decimal,
    /// Its orders to buy that are not final.
    entries: BTreeSet<ClientOrderId>,
    /// Whether its exit is owed.
    owed: bool,
}

impl Standing {
    fn is_empty(&self) -> bool {
        self.held.is_zero() && self.entries.is_empty() && !self.owed
    }
}

/// A strategy as a stage.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct StrategyStage<S: Strategy> {
    /// None while it is off.
    section: Option<S::Section>,
    /// Whether an operator has it enter nothing. It goes on looking, so it is warm when it may.
    off: bool,
    lines: SymbolMap<Line<S>>,
    standings: SymbolMap<Standing>,
    instruments: Instruments,
    /// Number and features of the plan in force, from the last `FeaturePlan`.
    plan: u64,
    features: Vec<String>,
    /// Where the values of the section in force are; none where that is to be looked up.
    #[serde(skip)]
    places: Option<Vec<usize>>,
    /// What the values just folded led to; empty between inputs.
    #[serde(skip)]
    signals: Vec<Signal>,
}

/// The state of version 4.
#[derive(Deserialize)]
#[serde(bound = "")]
struct Version4<S: Strategy> {
    section: Option<S::Section>,
    off: bool,
    lines: SymbolMap<Line<S>>,
    standings: SymbolMap<Standing>,
    instruments: Instruments,
}

impl<S: Strategy> Default for StrategyStage<S> {
    fn default() -> Self {
        StrategyStage {
            section: None,
            off: false,
            lines: SymbolMap::default(),
            standings: SymbolMap::default(),
            instruments: Instruments::default(),
            plan: 0,
            features: Vec::new(),
            places: None,
            signals: Vec::new(),
        }
    }
}

impl<S: Strategy> StrategyStage<S> {
    /// Where the values of a section are among columns; none where one is not.
    fn places(section: &S::Section, columns: &[&str]) -> Option<Vec<usize>> {
        let place = |feature: &String| columns.iter().position(|column| column == feature);
        S::features(section).iter().map(place).collect()
    }

    /// Values by a plan. A symbol is given those of the section it was entered by, and no others.
    fn values(&mut self, plan: u64, timeframe: Timeframe, table: &FeatureTable) {
        let names: Vec<&str> = columns(&self.features, timeframe).collect();
        let current = self.section.as_ref().filter(|section| S::timeframe(section) == timeframe);
        let places = match (current, self.places.take()) {
            (None, _) => None,
            // Of an earlier version: what was configured came first.
            (Some(section), _) if plan == 0 => Some((0..S::features(section).len()).collect()),
            (Some(_), Some(places)) => Some(places),
            (Some(section), None) => Self::places(section, &names),
        };
        let names: Vec<String> = match plan {
            0 => Vec::new(),
            _ => names.into_iter().map(str::to_owned).collect(),
        };
        self.rows(timeframe, table, places.as_deref(), &names);
        self.places = places.filter(|_| plan > 0);
    }

    fn rows(
        &mut self,
        timeframe: Timeframe,
        table: &FeatureTable,
        places: Option<&[usize]>,
        names: &[String],
    ) {
        let (mut near, mut values) = (0, Vec::new());
        for row in table.rows() {
            let symbol = row.head.symbol;
            let line = self.lines.near(&mut near, symbol, Line::default);
            let former;
            let (section, places) = if let Some(kept) = &line.kept {
                if S::timeframe(kept) != timeframe {
                    continue;
                }
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                former = Self::places(kept, &names);
                (Some(kept), former.as_deref())
            } else {
                (self.section.as_ref(), places)
            };
            let (Some(section), Some(places)) = (section, places) else { continue };
            values.clear();
            values.extend(places.iter().filter_map(|place| row.values.get(*place).copied()));
            let view = View { head: row.head, values: &values };
            let standing = self.standings.get(symbol);
            let holds = standing.is_some_and(|standing| {
                let rule = self.instruments.get(symbol);
                !standing.entries.is_empty() || sells(rule, standing.held, row.head.close.decimal())
            });
            let owed = standing.is_some_and(|standing| standing.owed);
            let long = !owed && (holds || line.last == Some(Side::Buy));
            let Some(wish) = S::update(section, &mut line.memory, long, &view) else { continue };
            let passes = match wish.side {
                Side::Buy => !long && !self.off && line.kept.is_none(),
                Side::Sell => long,
            };
            if passes {
                self.signals.push(Signal {
                    strategy: S::NAME.to_owned(),
                    symbol,
                    side: wish.side,
                    confidence_ppm: wish.confidence_ppm.min(1_000_000),
                    price: row.head.close,
                    close_time: row.head.time,
                    reason: wish.reason,
                });
            }
        }
    }

    fn signalled(&mut self, signal: &Signal) {
        let line = self.lines.entry(signal.symbol);
        line.last = Some(signal.side);
        if signal.side == Side::Sell && line.kept.take().is_some() {
            // Rows under other settings are another series.
            line.memory = S::Memory::default();
        }
    }

    fn configure(&mut self, section: Option<S::Section>) {
        if self.section == section {
            return;
        }
        self.places = None;
        let before = std::mem::replace(&mut self.section, section);
        for (_, line) in self.lines.iter_mut() {
            let by = line.kept.take().or_else(|| before.clone());
            if by == self.section {
                continue;
            }
            if line.last == Some(Side::Buy) {
                line.kept = by;
            } else {
                line.memory = S::Memory::default();
            }
        }
    }
}

impl<S: Strategy> StrategyStage<S> {
    /// A plan is in force. What was entered under a section whose features are not computed any
    /// more is left under the one in force.
    fn planned(&mut self, plan: u64, features: &[String]) {
        (self.plan, self.places) = (plan, None);
        features.clone_into(&mut self.features);
        for (_, line) in self.lines.iter_mut() {
            let lacks = |kept: &S::Section| {
                S::features(kept).iter().any(|feature| !features.contains(feature))
            };
            if line.kept.as_ref().is_some_and(lacks) {
                line.kept = None;
                line.memory = S::Memory::default();
            }
        }
    }

    /// Takes in what became of orders, of the books and of exits.
    fn stands(&mut self, fact: &Fact<Body>) {
        let symbol = match &fact.body {
            Body::Order(Order::Intent(intent)) => {
                if (intent.side, intent.strategy.as_str()) == (Side::Buy, S::NAME) {
                    let standing = self.standings.entry(intent.symbol);
                    standing.entries.insert(intent.client_id.clone());
                }
                return;
            }
            Body::Order(Order::Changed { client_id, symbol, status, .. }) if status.is_final() => {
                if let Some(standing) = self.standings.get_mut(*symbol) {
                    standing.entries.remove(client_id);
                }
                *symbol
            }
            Body::Ledger(Ledger::Lot { strategy, symbol, quantity, .. }) if strategy == S::NAME => {
                self.standings.entry(*symbol).held = *quantity;
                *symbol
            }
            // Before there were lots all that was held was the one strategy's.
            Body::Ledger(Ledger::Position { symbol, quantity, .. })
                if fact.version < LOTS_FROM && S::NAME == FIRST_STRATEGY =>
            {
                self.standings.entry(*symbol).held = *quantity;
                *symbol
            }
            Body::Decision(Decision::Owed { strategy, symbol, ended, .. })
                if strategy == S::NAME =>
            {
                self.standings.entry(*symbol).owed = ended.is_none();
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
        if self.standings.get(symbol).is_some_and(Standing::is_empty) {
            self.standings.remove(symbol);
        }
    }
}

/// Whether something of what is held could be sold.
fn sells(rule: Option<&Instrument>, held: Decimal, price: Decimal) -> bool {
    !held.is_zero() && rule.is_none_or(|rule| sizing::market(rule, held, price).is_ok())
}

impl<S: Strategy> Stage for StrategyStage<S> {
    type Body = Body;

    fn rank(&self) -> Rank {
        S::RANK
    }

    fn name(&self) -> &'static str {
        S::NAME
    }

    fn version(&self) -> u16 {
        S::VERSION
    }

    fn on_poison(&self) -> OnPoison {
        OnPoison::Skip
    }

    fn interest(&self) -> Mask {
        Mask::of(&[
            kind::FEATURE_PLAN,
            kind::FEATURE_VALUES,
            kind::FEATURES,
            kind::KEPT,
            kind::CONFIG_APPLIED,
            kind::SWITCHED,
            kind::UNIVERSE,
            kind::INSTRUMENTS,
            kind::OWED,
            kind::INTENT,
            kind::CHANGED,
            kind::POSITION,
            kind::LOT,
        ])
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
                if *plan == 0 || *plan == self.plan =>
            {
                self.values(*plan, *timeframe, table);
            }
            Body::Analysis(Analysis::Kept { timeframe, fast, slow, rows }) => {
                let names = old_columns(*timeframe, *fast, *slow);
                self.rows(*timeframe, rows, None, &names);
            }
            Body::Analysis(Analysis::Signals { rows }) if fact.key.rank == S::RANK.0 => {
                for signal in rows {
                    self.signalled(signal);
                }
            }
            Body::Operator(Operator::ConfigApplied { text, .. }) => {
                if let Some(settings) = crate::settings::applied(text) {
                    self.configure(S::section(&settings));
                }
            }
            Body::Operator(Operator::Switched {
                switch: Switch::Strategy { name, on }, ..
            }) if name == S::NAME => self.off = !on,
            Body::Market(Market::Universe { unlisted, .. }) => self.lines.remove_all(unlisted),
            Body::Market(Market::Instruments { rules }) => self.instruments.learn(rules),
            Body::Order(_) | Body::Ledger(_) | Body::Decision(_) => self.stands(fact),
            Body::Market(_) | Body::Venue(_) | Body::Operator(_) | Body::Analysis(_) => {}
        }
    }

    fn decide(&self, fact: &Fact<Body>, out: &mut Out<Body>) {
        if !self.signals.is_empty() {
            let rows = self.signals.clone();
            out.say_because([fact.key], Body::Analysis(Analysis::Signals { rows }));
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
        S::CONVERTS
    }

    fn convert(&mut self, _: u16, bytes: &[u8]) -> Result<(), String> {
        let Version4 { section, off, lines, standings, instruments } =
            state::load(FORMAT_4, bytes)?;
        let fresh = StrategyStage::default();
        *self = StrategyStage { section, off, lines, standings, instruments, ..fresh };
        Ok(())
    }
}
