//! The stage around any strategy: settings in, rows in, signals out.
//!
//! The last signal of a symbol is what its own `Signals` facts say. So, whatever a strategy wishes:
//! 1. no buy follows a buy of the same symbol without a sell between;
//! 2. no sell comes without a buy before it.

use super::{Need, Strategy};
use crate::domain::fact::kinds::kind;
use crate::domain::fact::{Analysis, Body, FeatureRow, Operator, Signal};
use crate::domain::id::SymbolMap;
use crate::domain::order::Side;
use everwarm_runtime::fact::{Fact, Mask, Rank};
use everwarm_runtime::stage::{OnPoison, Out, Stage};
use everwarm_runtime::state;
use serde::{Deserialize, Serialize};

const FORMAT: u8 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Line<M> {
    last: Option<Side>,
    memory: M,
}

impl<M: Default> Default for Line<M> {
    fn default() -> Self {
        Line { last: None, memory: M::default() }
    }
}

/// A strategy as a stage.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct StrategyStage<S: Strategy> {
    /// None while it is off.
    section: Option<S::Section>,
    lines: SymbolMap<Line<S::Memory>>,
    /// What the row fact just folded led to; empty between inputs.
    #[serde(skip)]
    signals: Vec<Signal>,
}

impl<S: Strategy> Default for StrategyStage<S> {
    fn default() -> Self {
        StrategyStage { section: None, lines: SymbolMap::default(), signals: Vec::new() }
    }
}

impl<S: Strategy> StrategyStage<S> {
    fn need(&self) -> Option<Need> {
        self.section.as_ref().map(S::need)
    }

    fn rows(&mut self, rows: &[FeatureRow]) {
        let Some(section) = &self.section else { return };
        let mut near = 0;
        for row in rows {
            let line = self.lines.near(&mut near, row.symbol, Line::default);
            let Some(wish) = S::update(section, &mut line.memory, line.last, row) else { continue };
            let passes = match wish.side {
                Side::Buy => line.last != Some(Side::Buy),
                Side::Sell => line.last == Some(Side::Buy),
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

    fn configure(&mut self, section: Option<S::Section>) {
        if self.section == section {
            return;
        }
        self.section = section;
        // Rows under other settings are another series; what was bought stays bought.
        let lasts: Vec<_> = self.lines.iter().map(|(symbol, line)| (symbol, line.last)).collect();
        for (symbol, last) in lasts {
            self.lines.insert(symbol, Line { last, memory: S::Memory::default() });
        }
    }
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
        Mask::of(&[kind::FEATURES, kind::CONFIG_APPLIED])
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
                self.rows(rows);
            }
            Body::Analysis(Analysis::Signals { rows }) if fact.key.rank == S::RANK.0 => {
                for signal in rows {
                    self.lines.entry(signal.symbol).last = Some(signal.side);
                }
            }
            Body::Operator(Operator::ConfigApplied { text, .. }) => {
                self.configure(S::section(&crate::trading::settings::applied(text)));
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
