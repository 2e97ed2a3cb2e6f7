//! The indicator stage: the averages the enabled strategies need, on the widths they need them.
//!
//! One `Features` a width and close, one row a symbol. Past bars from the history warm the state
//! and say nothing; 1m bars also warm wider widths, by the roll-up's own rules. Other lengths in a
//! new configuration start the width anew; where a strategy holds something that it entered by the
//! lengths before, these go on for that symbol, told apart as `Kept`, until it has left.
//!
//! Invariants, asserted by `check`:
//! 1. There is one series a width, ascending.
//! 2. What is kept is kept for somebody.

use super::plain;
use crate::rollup::{Roller, WIDTHS};
use crate::strategy::{self, Need};
use everwarm_analysis::{Atr, Ema, Indicator, Sma};
use everwarm_domain::fact::kinds::{kind, rank};
use everwarm_domain::fact::{Analysis, Body, FeatureRow, Market, Operator, Signal};
use everwarm_domain::id::{Symbol, SymbolMap};
use everwarm_domain::market::Bar;
use everwarm_domain::order::Side;
use everwarm_domain::settings::Settings;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_kernel::fact::{Fact, Mask, Rank};
use everwarm_kernel::stage::{OnPoison, Out, Stage};
use everwarm_kernel::state;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const FORMAT: u8 = 2;
/// Length of the average true range, in bars.
const ATR_LENGTH: u32 = 14;

/// The indicators of one symbol on one width.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
        let plain = plain(bar);
        Some(FeatureRow {
            symbol: bar.symbol,
            time: bar.open_time.saturating_add(width.ms()),
            close: bar.close,
            sma_fast: self.fast.update(&plain),
            sma_slow: self.slow.update(&plain),
            ema: self.ema.update(&plain),
            atr: self.atr.update(&plain),
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
    fn new(need: Need) -> Series {
        Series { need, lines: SymbolMap::default(), rows: Vec::new() }
    }

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
                let end = last.open_time.saturating_add(Timeframe::M1.ms());
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
    /// What each strategy is given, by its rank; none where it is off.
    current: BTreeMap<u16, Need>,
    /// By which lengths each strategy, by its rank, has entered what it has not left.
    entered: BTreeMap<(u16, Symbol), Need>,
    /// Series of such lengths that are not configured any more, of those symbols.
    kept: Vec<Series>,
}

impl Indicators {
    fn configure(&mut self, settings: &Settings) {
        let mut before = std::mem::take(&mut self.series);
        for need in strategy::needs(settings) {
            let known = before.iter().position(|series| series.need == need);
            let fresh = || {
                let kept = self.kept.iter().find(|series| series.need == need);
                let lines = kept.map_or_else(SymbolMap::default, |kept| kept.lines.clone());
                Series { lines, ..Series::new(need) }
            };
            let series = known.map_or_else(fresh, |at| before.swap_remove(at));
            self.series.push(series);
        }
        self.current = strategy::needs_by_rank(settings);
        let kept = std::mem::take(&mut self.kept);
        let held: Vec<(Symbol, Need)> = self.held().collect();
        for (symbol, need) in held {
            let own = |series: &&Series| series.need == need && series.lines.get(symbol).is_some();
            let all = kept.iter().chain(&before).chain(&self.series);
            let line = all.filter(own).find_map(|series| series.lines.get(symbol)).cloned();
            if let Some(line) = line {
                self.keep(need).lines.insert(symbol, line);
            }
        }
    }

    /// What was entered by lengths that whoever entered it is not given any more.
    fn held(&self) -> impl Iterator<Item = (Symbol, Need)> {
        let other = |(rank, _): &(u16, Symbol), need| self.current.get(rank) != Some(need);
        let held = self.entered.iter().filter(move |(of, need)| other(of, need));
        held.map(|((_, symbol), need)| (*symbol, *need))
    }

    fn keep(&mut self, need: Need) -> &mut Series {
        let at = self.kept.iter().position(|series| series.need == need);
        let at = at.unwrap_or_else(|| {
            self.kept.push(Series::new(need));
            self.kept.len() - 1
        });
        &mut self.kept[at]
    }

    /// A strategy entered or left.
    fn signalled(&mut self, rank: u16, rows: &[Signal]) {
        for signal in rows {
            let of = (rank, signal.symbol);
            match (signal.side, self.current.get(&rank)) {
                (Side::Buy, Some(need)) => drop(self.entered.insert(of, *need)),
                (Side::Buy, None) | (Side::Sell, _) => drop(self.entered.remove(&of)),
            }
        }
        self.forget();
    }

    /// Forgets what is kept for nobody.
    fn forget(&mut self) {
        if self.kept.is_empty() {
            return;
        }
        let held: BTreeSet<(Need, Symbol)> = self.held().map(|(s, need)| (need, s)).collect();
        for series in &mut self.kept {
            let symbols = series.lines.iter().map(|(symbol, _)| symbol);
            let gone: Vec<Symbol> =
                symbols.filter(|s| !held.contains(&(series.need, *s))).collect();
            series.lines.remove_all(&gone);
        }
        self.kept.retain(|series| series.lines.iter().next().is_some());
    }

    fn update<T>(&mut self, timeframe: Timeframe, rows: &[T], bar: fn(&T) -> &Bar) {
        if let Some(series) = self.of(timeframe) {
            series.update(rows.iter().map(bar));
        }
        for series in self.kept.iter_mut().filter(|series| series.need.timeframe == timeframe) {
            let of = rows.iter().map(bar);
            let own = of.filter(|bar| series.lines.get(bar.symbol).is_some());
            let own: Vec<&Bar> = own.collect();
            series.update(own.into_iter());
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

    fn version(&self) -> u16 {
        2
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
            kind::UNIVERSE,
            kind::CONFIG_APPLIED,
            kind::ROLLED,
            kind::SIGNALS,
        ])
    }

    fn produces(&self) -> Mask {
        Mask::of(&[kind::FEATURES, kind::KEPT])
    }

    fn evolve(&mut self, fact: &Fact<Body>) {
        self.series.iter_mut().chain(&mut self.kept).for_each(|series| series.rows.clear());
        match &fact.body {
            Body::Market(Market::Close { bars, .. }) => self.update(Timeframe::M1, bars, |bar| bar),
            Body::Market(Market::LateBar { bar, .. }) => {
                // Its close has been decided; the state moves on, no row comes of it.
                let kept = |series: &Series| series.lines.get(bar.symbol).is_some();
                if let Some(series) = self.of(Timeframe::M1) {
                    series.warm(bar.symbol, Timeframe::M1, std::slice::from_ref(bar));
                }
                let m1 = |series: &&mut Series| series.need.timeframe == Timeframe::M1;
                for series in self.kept.iter_mut().filter(m1).filter(|series| kept(series)) {
                    series.warm(bar.symbol, Timeframe::M1, std::slice::from_ref(bar));
                }
            }
            Body::Market(Market::HistoryBars { symbol, timeframe, bars }) => {
                self.series.iter_mut().for_each(|s| s.warm(*symbol, *timeframe, bars));
            }
            Body::Market(Market::Universe { unlisted, .. }) => {
                self.series.iter_mut().for_each(|series| series.lines.remove_all(unlisted));
                self.entered.retain(|(_, symbol), _| !unlisted.contains(symbol));
                self.forget();
            }
            Body::Analysis(Analysis::Rolled { timeframe, bars }) => {
                self.update(*timeframe, bars, |rolled| &rolled.bar);
            }
            Body::Analysis(Analysis::Signals { rows }) => self.signalled(fact.key.rank, rows),
            Body::Operator(Operator::ConfigApplied { text, .. }) => {
                if let Some(settings) = crate::settings::applied(text) {
                    self.configure(&settings);
                }
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
        for Series { need, rows, .. } in self.kept.iter().filter(|s| !s.rows.is_empty()) {
            let (Need { timeframe, fast, slow }, rows) = (*need, rows.clone());
            out.say(Body::Analysis(Analysis::Kept { timeframe, fast, slow, rows }));
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
        assert!(ascending, "1: {:?}", self.series);
        let held: BTreeSet<(Need, Symbol)> = self.held().map(|(s, need)| (need, s)).collect();
        for series in &self.kept {
            let kept = |(symbol, _): (Symbol, &Line)| held.contains(&(series.need, symbol));
            assert!(series.lines.iter().all(kept), "2: {:?} {held:?}", series.need);
        }
    }
}
