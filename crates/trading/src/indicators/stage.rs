//! Runs the indicator stage, which computes the features of the enabled strategies.
//!
//! The plan lists the computed features. It is a function of the configuration in force and of the
//! former settings that it carries. The stage appends it as `FeaturePlan`. It appends one
//! `FeatureValues` for each width and close, wider widths first. History warms the state without
//! facts. A feature that stays in the plan continues. A new one waits for the history of each
//! symbol that has one, in the range loaded for the plan. Only waiting features take that range.
//!
//! Invariants, asserted by `check`:
//! 1. There is one series a width, in ascending order, each with a feature.
//! 2. The symbols of a series ascend.
//! 3. Only features of the plan wait, with a bounded number of stored bars.

use super::feature::{Feature, number, planned};
use super::old;
use super::series::{Saved, Series};
use crate::calendar::Calendar;
use everwarm_domain::fact::kinds::{kind, rank};
use everwarm_domain::fact::{Analysis, Body, Market, Operator};
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::sessions::Sessions;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_kernel::fact::{Fact, Mask, Rank};
use everwarm_kernel::stage::{OnPoison, Out, Stage};
use everwarm_kernel::state;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

const FORMAT: u8 = 6;

/// The indicator stage.
#[derive(Debug, Default)]
pub struct Indicators {
    /// Number of the plan; 0: no plan yet.
    plan: u64,
    /// Whether the plan has been appended.
    plan_appended: bool,
    /// Features of the plan, sorted by text.
    features: Vec<Feature>,
    series: Vec<Series>,
    /// Symbols with loaded history.
    past: BTreeSet<Symbol>,
    /// Time of the last close, and of the last close when the plan was made.
    closed: (UtcMs, UtcMs),
    /// Number of the present input.
    input: u64,
    /// Trading sessions of the symbols.
    calendar: Calendar,
}

/// The saved form of the state.
#[derive(Serialize, Deserialize)]
pub(super) struct State {
    pub(super) plan: u64,
    #[serde(rename = "told")]
    pub(super) plan_appended: bool,
    pub(super) features: Vec<String>,
    pub(super) series: Vec<Saved>,
    pub(super) past: BTreeSet<Symbol>,
    pub(super) closed: (UtcMs, UtcMs),
    #[serde(default)]
    pub(super) calendar: Calendar,
}

impl Indicators {
    pub(super) fn configure(&mut self, features: Vec<Feature>) {
        let number = number(&features);
        if self.plan == number {
            return;
        }
        let first = self.plan == 0;
        (self.plan, self.plan_appended) = (number, false);
        self.closed.1 = self.closed.0;
        for timeframe in Timeframe::ALL {
            let wanted = features.iter().any(|feature| feature.timeframe == timeframe);
            let at = self.series.iter().position(|series| series.timeframe >= timeframe);
            let at = at.unwrap_or(self.series.len());
            let there = self.series.get(at).is_some_and(|series| series.timeframe == timeframe);
            if wanted && !there {
                self.series.insert(at, Series::new(timeframe));
            }
        }
        for series in &mut self.series {
            series.plan(&features, self.past.iter().filter(|_| !first));
        }
        self.series.retain(|series| !series.is_empty());
        self.features = features;
    }

    /// Marks symbols as having history.
    pub(super) fn have_past(&mut self, symbols: impl Iterator<Item = Symbol>) {
        self.past.extend(symbols);
    }

    /// Sets the time of the last close, if there was one.
    pub(super) fn has_closed(&mut self, time: UtcMs) {
        self.closed.0 = self.closed.0.max(time);
    }

    /// Applies history of a symbol: plan 0 is for all features, another plan for its waiting ones.
    fn loaded(&mut self, (symbol, timeframe, bars): (Symbol, Timeframe, &[Bar]), plan: u64) {
        if plan == 0 {
            self.past.insert(symbol);
            let (of, sessions) = ((symbol, timeframe, bars), self.calendar.of(symbol));
            self.series.iter_mut().for_each(|series| series.warm(of, sessions));
        } else if plan == self.plan {
            let (of, closed) = ((symbol, timeframe, bars), self.closed.1);
            let sessions = self.calendar.of(symbol);
            // Wide bars come before the minutes and are for their width alone.
            let is_for =
                |series: &&mut Series| timeframe == Timeframe::M1 || series.timeframe == timeframe;
            let series = self.series.iter_mut().filter(is_for);
            series.for_each(|series| series.end_wait(of, closed, sessions));
        }
    }

    /// Restores a saved state.
    fn resume(&mut self, state: State) -> Result<(), String> {
        let State { plan, plan_appended, features, series, past, closed, calendar } = state;
        let features: Result<Vec<Feature>, String> =
            features.iter().map(|text| text.parse()).collect();
        let series: Result<Vec<Series>, String> = series.into_iter().map(Series::load).collect();
        let (features, series) = (features?, series?);
        *self =
            Indicators { plan, plan_appended, features, series, past, closed, input: 0, calendar };
        Ok(())
    }

    pub(super) fn of(&mut self, timeframe: Timeframe) -> Option<&mut Series> {
        self.series.iter_mut().find(|series| series.timeframe == timeframe)
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
        6
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
            kind::INSTRUMENTS,
            kind::SESSIONS,
            kind::CORPORATE_ACTION,
        ])
    }

    fn produces(&self) -> Mask {
        Mask::of(&[kind::FEATURE_PLAN, kind::FEATURE_VALUES])
    }

    fn evolve(&mut self, fact: &Fact<Body>) {
        if self.input != fact.key.n {
            self.input = fact.key.n;
            self.series.iter_mut().for_each(|series| series.output = None);
        }
        if let Body::Market(market) = &fact.body {
            self.calendar.fold(market);
        }
        match &fact.body {
            Body::Market(Market::Close { time, bars, .. }) => {
                self.closed.0 = *time;
                if let Some(series) = self.of(Timeframe::M1) {
                    series.update(fact.key, bars.iter());
                }
            }
            Body::Market(Market::LateBar { bar, .. }) => {
                // Its close has been decided already, so the state changes without a row.
                if let Some(series) = self.of(Timeframe::M1) {
                    series.warm((bar.symbol, Timeframe::M1, &[*bar]), &Sessions::ALWAYS);
                }
            }
            Body::Market(Market::HistoryBars { symbol, timeframe, bars, plan }) => {
                self.loaded((*symbol, *timeframe, bars), *plan);
            }
            // The range is empty.
            Body::Market(Market::HistoryLoaded { symbol, timeframe, plan, .. }) => {
                self.loaded((*symbol, *timeframe, &[]), *plan);
            }
            Body::Market(Market::Universe { unlisted, .. }) => {
                self.past.retain(|symbol| !unlisted.contains(symbol));
                self.series.iter_mut().for_each(|series| series.remove(unlisted));
            }
            // Its features begin again: the bars before have other shares.
            Body::Market(Market::CorporateAction(action)) if action.split().is_some() => {
                self.series.iter_mut().for_each(|series| series.remove(&[action.symbol]));
            }
            Body::Analysis(Analysis::Rolled { timeframe, bars }) => {
                if let Some(series) = self.of(*timeframe) {
                    series.update(fact.key, bars.iter().map(|rolled| &rolled.bar));
                }
            }
            Body::Analysis(Analysis::FeaturePlan { .. }) => self.plan_appended = true,
            Body::Operator(Operator::ConfigApplied { text, retained, .. }) => {
                if let Some(features) = planned(text, retained) {
                    self.configure(features);
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

    fn decide(&self, _: &Fact<Body>, _: &mut Out<Body>) {}

    fn conclude(&self, out: &mut Out<Body>) {
        let plan = self.plan;
        if plan > 0 && !self.plan_appended {
            let features = self.features.iter().map(Feature::to_string).collect();
            out.append(Body::Analysis(Analysis::FeaturePlan { plan, features }));
        }
        for series in self.series.iter().rev() {
            if let Some((because, table)) = &series.output {
                let (timeframe, table) = (series.timeframe, table.clone());
                let values = Analysis::FeatureValues { plan, timeframe, table };
                out.append_because([*because], Body::Analysis(values));
            }
        }
    }

    fn save(&self) -> Vec<u8> {
        let features = self.features.iter().map(Feature::to_string).collect();
        let series = self.series.iter().map(Series::save).collect();
        let (plan, plan_appended, past, closed) =
            (self.plan, self.plan_appended, self.past.clone(), self.closed);
        let calendar = self.calendar.clone();
        state::save(
            FORMAT,
            &State { plan, plan_appended, features, series, past, closed, calendar },
        )
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.resume(state::load(FORMAT, bytes)?)
    }

    fn converts(&self) -> &'static [u16] {
        &[2, 3, 4, 5]
    }

    fn convert(&mut self, version: u16, bytes: &[u8]) -> Result<(), String> {
        match version {
            3 => return self.resume(old::convert_3(bytes)?),
            4 | 5 => return self.resume(old::convert_45(version, bytes)?),
            _ => {}
        }
        *self = old::convert(bytes)?;
        Ok(())
    }

    fn check(&self) {
        let ascending = self.series.windows(2).all(|w| w[0].timeframe < w[1].timeframe);
        assert!(ascending && !self.series.iter().any(Series::is_empty), "1: {:?}", self.series);
        self.series.iter().for_each(Series::check);
    }
}

#[cfg(test)]
#[path = "stage_tests.rs"]
mod tests;
