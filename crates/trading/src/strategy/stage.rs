//! The stage around any strategy: settings in, rows in, signals out.
//!
//! What a strategy holds, which of its entries are on their way and which exits are owed it learns
//! from the ledger, the orders and the decision, as of the input before. So:
//! 1. no buy follows a buy of the same symbol without a sell between, and none comes while the
//!    symbol is held and no exit of it is owed;
//! 2. no sell comes but for what was bought, is held or is being bought; none while one is owed;
//! 3. none but sells come while an operator has it off, or the configuration;
//! 4. what was entered under one section of the settings is left under the same one, whatever is
//!    configured meanwhile.

use super::{Need, Strategy};
use crate::instruments::Instruments;
use crate::risk::sizing;
use everwarm_domain::fact::kinds::kind;
use everwarm_domain::fact::{
    Analysis, Body, Decision, FeatureRow, LOTS_FROM, Ledger, Market, Operator, Order, Signal,
};
use everwarm_domain::id::{ClientOrderId, SymbolMap};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{FIRST_STRATEGY, Side};
use everwarm_domain::switch::Switch;
use everwarm_kernel::fact::{Fact, Mask, Rank};
use everwarm_kernel::stage::{OnPoison, Out, Stage};
use everwarm_kernel::state;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

const FORMAT: u8 = 3;

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
    /// What the row fact just folded led to; empty between inputs.
    #[serde(skip)]
    signals: Vec<Signal>,
}

impl<S: Strategy> Default for StrategyStage<S> {
    fn default() -> Self {
        StrategyStage {
            section: None,
            off: false,
            lines: SymbolMap::default(),
            standings: SymbolMap::default(),
            instruments: Instruments::default(),
            signals: Vec::new(),
        }
    }
}

impl<S: Strategy> StrategyStage<S> {
    fn need(&self) -> Option<Need> {
        self.section.as_ref().map(S::need)
    }

    /// Rows that are computed as `need` says. A symbol is given those of the section it was entered
    /// by, and no others.
    fn rows(&mut self, need: Need, rows: &[FeatureRow]) {
        let mut near = 0;
        for row in rows {
            let line = self.lines.near(&mut near, row.symbol, Line::default);
            let section = line.kept.as_ref().or(self.section.as_ref());
            let Some(section) = section.filter(|section| S::need(section) == need) else {
                continue;
            };
            let standing = self.standings.get(row.symbol);
            let holds = standing.is_some_and(|standing| {
                let rule = self.instruments.get(row.symbol);
                !standing.entries.is_empty() || sells(rule, standing.held, row.close.decimal())
            });
            let owed = standing.is_some_and(|standing| standing.owed);
            let long = !owed && (holds || line.last == Some(Side::Buy));
            let Some(wish) = S::update(section, &mut line.memory, long, row) else { continue };
            let passes = match wish.side {
                Side::Buy => !long && !self.off && line.kept.is_none(),
                Side::Sell => long,
            };
            if passes {
                self.signals.push(Signal {
                    strategy: S::NAME.to_owned(),
                    symbol: row.symbol,
                    side: wish.side,
                    confidence_ppm: wish.confidence_ppm.min(1_000_000),
                    price: row.close,
                    close_time: row.time,
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
            Body::Analysis(Analysis::Features { timeframe, rows })
                if self.need().is_some_and(|need| need.timeframe == *timeframe) =>
            {
                self.need().into_iter().for_each(|need| self.rows(need, rows));
            }
            Body::Analysis(Analysis::Kept { timeframe, fast, slow, rows }) => {
                let need = Need { timeframe: *timeframe, fast: *fast, slow: *slow };
                // Where that is configured again, the others are the same rows.
                if self.need() != Some(need) {
                    self.rows(need, rows);
                }
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
}
