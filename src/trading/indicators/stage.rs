//! The indicator stage: the averages the enabled strategies need, on the widths they need them.
//!
//! One `Features` a width and close, one row a symbol. Past bars from the history warm the state
//! and say nothing; 1m bars also warm wider widths, by the roll-up's own rules. Other lengths in a
//! new configuration start the width anew.
//!
//! Invariant, asserted by `check`: there is one series a width, ascending.

use super::{Atr, Ema, Indicator, Sma};
use crate::domain::fact::kinds::{kind, rank};
use crate::domain::fact::{Analysis, Body, FeatureRow, Market, Operator};
use crate::domain::id::{Symbol, SymbolMap};
use crate::domain::market::Bar;
use crate::domain::settings::Settings;
use crate::domain::time::{Timeframe, UtcMs};
use crate::trading::rollup::{Roller, WIDTHS};
use crate::trading::strategy::{self, Need};
use everwarm_runtime::fact::{Fact, Mask, Rank};
use everwarm_runtime::stage::{OnPoison, Out, Stage};
use everwarm_runtime::state;
use serde::{Deserialize, Serialize};

const FORMAT: u8 = 1;
/// Length of the average true range, in bars.
const ATR_LENGTH: u32 = 14;

/// The indicators of one symbol on one width.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    /// Opening time of the last bar.
    last: UtcMs,
    fast: Sma,
    slow: Sma,
    ema: Ema,
    atr: Atr,
}

impl Line {
    fn new(need: Need) -> Line {
        Line {
            last: UtcMs::MIN,
            fast: Sma::new(need.fast),
            slow: Sma::new(need.slow),
            ema: Ema::new(need.slow),
            atr: Atr::new(ATR_LENGTH),
        }
    }

    /// The row after `bar`; none where it is not newer than the last.
    fn update(&mut self, bar: &Bar, width: Timeframe) -> Option<FeatureRow> {
        if bar.open_time <= self.last {
            return None;
        }
        self.last = bar.open_time;
        Some(FeatureRow {
            symbol: bar.symbol,
            time: bar.open_time + width.ms(),
            close: bar.close,
            sma_fast: self.fast.update(bar),
            sma_slow: self.slow.update(bar),
            ema: self.ema.update(bar),
            atr: self.atr.update(bar),
        })
    }
}

/// All symbols on one width.
#[derive(Debug, Serialize, Deserialize)]
struct Series {
    need: Need,
    lines: SymbolMap<Line>,
    /// What the fact just folded gave; empty between inputs.
    #[serde(skip)]
    rows: Vec<FeatureRow>,
}

impl Series {
    fn update<'a>(&mut self, bars: impl Iterator<Item = &'a Bar>) {
        let Series { need, lines, rows } = self;
        let mut near = 0;
        for bar in bars {
            let line = lines.near(&mut near, bar.symbol, || Line::new(*need));
            rows.extend(line.update(bar, need.timeframe));
        }
    }

    /// Past bars: the state moves, no row comes of it.
    fn warm(&mut self, symbol: Symbol, timeframe: Timeframe, bars: &[Bar]) {
        let need = self.need;
        let mut nowhere = usize::MAX - 1;
        let line = self.lines.near(&mut nowhere, symbol, || Line::new(need));
        if timeframe == need.timeframe {
            for bar in bars {
                line.update(bar, timeframe);
            }
        } else if timeframe == Timeframe::M1
            && let Some(first) = bars.first()
        {
            let mut roller = Roller::default();
            for bar in bars {
                roller.add(bar, &mut |level, rolled| {
                    // What the window cut off is not a bucket.
                    if WIDTHS[level] == need.timeframe && rolled.bar.open_time >= first.open_time {
                        line.update(&rolled.bar, need.timeframe);
                    }
                });
            }
            // The last minute may finish a bucket that the roll-up no longer has open either.
            if let Some(last) = bars.last() {
                let end = last.open_time + Timeframe::M1.ms();
                roller.close(symbol, Timeframe::M5.open_of(end), &mut |level, rolled| {
                    if WIDTHS[level] == need.timeframe && rolled.bar.open_time >= first.open_time {
                        line.update(&rolled.bar, need.timeframe);
                    }
                });
            }
        }
    }
}

/// The stage.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Indicators {
    series: Vec<Series>,
}

impl Indicators {
    fn configure(&mut self, settings: &Settings) {
        let mut before = std::mem::take(&mut self.series);
        for need in strategy::needs(settings) {
            let kept = before.iter().position(|series| series.need == need);
            self.series.push(match kept {
                Some(i) => before.swap_remove(i),
                None => Series { need, lines: SymbolMap::default(), rows: Vec::new() },
            });
        }
    }

    fn of(&mut self, timeframe: Timeframe) -> Option<&mut Series> {
        self.series.iter_mut().find(|series| series.need.timeframe == timeframe)
    }
}

impl Stage for Indicators {
    type Body = Body;

    fn rank(&self) -> Rank {
        rank::INDICATOR
    }

    fn name(&self) -> &'static str {
        "indicator"
    }

    fn on_poison(&self) -> OnPoison {
        OnPoison::Skip
    }

    fn interest(&self) -> Mask {
        Mask::of(&[
            kind::CLOSE,
            kind::LATE_BAR,
            kind::HISTORY_LOADED,
            kind::HISTORY_BARS,
            kind::CONFIG_APPLIED,
            kind::ROLLED,
        ])
    }

    fn produces(&self) -> Mask {
        Mask::of(&[kind::FEATURES])
    }

    fn evolve(&mut self, fact: &Fact<Body>) {
        self.series.iter_mut().for_each(|series| series.rows.clear());
        match &fact.body {
            Body::Market(Market::Close { bars, .. }) => {
                if let Some(series) = self.of(Timeframe::M1) {
                    series.update(bars.iter());
                }
            }
            Body::Market(Market::LateBar { bar }) => {
                // Its close has been decided; the state moves on, no row comes of it.
                if let Some(series) = self.of(Timeframe::M1) {
                    series.warm(bar.symbol, Timeframe::M1, std::slice::from_ref(bar));
                }
            }
            Body::Market(Market::HistoryBars { symbol, timeframe, bars }) => {
                self.series.iter_mut().for_each(|s| s.warm(*symbol, *timeframe, bars));
            }
            Body::Analysis(Analysis::Rolled { timeframe, bars }) => {
                if let Some(series) = self.of(*timeframe) {
                    series.update(bars.iter().map(|rolled| &rolled.bar));
                }
            }
            Body::Operator(Operator::ConfigApplied { text, .. }) => {
                self.configure(&crate::trading::settings::applied(text));
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

    fn decide(&self, _: &Fact<Body>, out: &mut Out<Body>) {
        for Series { need, rows, .. } in &self.series {
            if !rows.is_empty() {
                let (timeframe, rows) = (need.timeframe, rows.clone());
                out.say(Body::Analysis(Analysis::Features { timeframe, rows }));
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

    fn check(&self) {
        let ascending = self.series.windows(2).all(|w| w[0].need.timeframe < w[1].need.timeframe);
        assert!(ascending, "one series a width: {:?}", self.series);
    }
}
