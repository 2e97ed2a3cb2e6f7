//! The indicator stage: the features that the enabled strategies need.
//!
//! What is computed is the plan: a function of the configuration in force and of the former
//! settings it carries. `FeaturePlan` says it. One `FeatureValues` a width and close says the
//! values, wider widths first. Past bars from the history warm the state and say nothing. A feature
//! that is in the plan before and after a change goes on; a new one begins with the next bar.
//!
//! Invariants, asserted by `check`:
//! 1. There is one series a width, ascending, each with a feature.
//! 2. The symbols of a series are ascending.

use super::feature::{Feature, number, plan};
use super::old;
use super::series::{Saved, Series};
use crate::strategy;
use everwarm_domain::fact::kinds::{kind, rank};
use everwarm_domain::fact::{Analysis, Body, Market, Operator};
use everwarm_domain::time::Timeframe;
use everwarm_kernel::fact::{Fact, Mask, Rank};
use everwarm_kernel::stage::{OnPoison, Out, Stage};
use everwarm_kernel::state;
use serde::{Deserialize, Serialize};

const FORMAT: u8 = 3;

/// The stage.
#[derive(Debug, Default)]
pub struct Indicators {
    /// Number of the plan; 0: there is none yet.
    plan: u64,
    /// Whether it has been told.
    told: bool,
    /// In the order of their texts.
    features: Vec<Feature>,
    series: Vec<Series>,
    /// The input that is folded.
    input: u64,
}

/// The state as it is saved.
#[derive(Serialize, Deserialize)]
struct State {
    plan: u64,
    told: bool,
    features: Vec<String>,
    series: Vec<Saved>,
}

impl Indicators {
    pub(super) fn configure(&mut self, features: Vec<Feature>) {
        let number = number(&features);
        if self.plan == number {
            return;
        }
        (self.plan, self.told) = (number, false);
        for timeframe in Timeframe::ALL {
            let wanted = features.iter().any(|feature| feature.timeframe == timeframe);
            let at = self.series.iter().position(|series| series.timeframe >= timeframe);
            let at = at.unwrap_or(self.series.len());
            let there = self.series.get(at).is_some_and(|series| series.timeframe == timeframe);
            if wanted && !there {
                self.series.insert(at, Series::new(timeframe));
            }
        }
        self.series.iter_mut().for_each(|series| series.plan(&features));
        self.series.retain(|series| !series.is_empty());
        self.features = features;
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
        3
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
        ])
    }

    fn produces(&self) -> Mask {
        Mask::of(&[kind::FEATURE_PLAN, kind::FEATURE_VALUES])
    }

    fn evolve(&mut self, fact: &Fact<Body>) {
        if self.input != fact.key.n {
            self.input = fact.key.n;
            self.series.iter_mut().for_each(|series| series.said = None);
        }
        match &fact.body {
            Body::Market(Market::Close { bars, .. }) => {
                if let Some(series) = self.of(Timeframe::M1) {
                    series.update(fact.key, bars.iter());
                }
            }
            Body::Market(Market::LateBar { bar, .. }) => {
                // Its close has been decided; the state moves on, no row comes of it.
                if let Some(series) = self.of(Timeframe::M1) {
                    series.warm(bar.symbol, Timeframe::M1, std::slice::from_ref(bar));
                }
            }
            Body::Market(Market::HistoryBars { symbol, timeframe, bars }) => {
                self.series.iter_mut().for_each(|s| s.warm(*symbol, *timeframe, bars));
            }
            Body::Market(Market::Universe { unlisted, .. }) => {
                self.series.iter_mut().for_each(|series| series.remove(unlisted));
            }
            Body::Analysis(Analysis::Rolled { timeframe, bars }) => {
                if let Some(series) = self.of(*timeframe) {
                    series.update(fact.key, bars.iter().map(|rolled| &rolled.bar));
                }
            }
            Body::Analysis(Analysis::FeaturePlan { .. }) => self.told = true,
            Body::Operator(Operator::ConfigApplied { text, retained, .. }) => {
                if let Some(settings) = crate::settings::applied(text) {
                    self.configure(plan(strategy::features(&settings, retained)));
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
        if plan > 0 && !self.told {
            let features = self.features.iter().map(Feature::to_string).collect();
            out.say(Body::Analysis(Analysis::FeaturePlan { plan, features }));
        }
        for series in self.series.iter().rev() {
            if let Some((because, table)) = &series.said {
                let (timeframe, table) = (series.timeframe, table.clone());
                let values = Analysis::FeatureValues { plan, timeframe, table };
                out.say_because([*because], Body::Analysis(values));
            }
        }
    }

    fn save(&self) -> Vec<u8> {
        let features = self.features.iter().map(Feature::to_string).collect();
        let series = self.series.iter().map(Series::save).collect();
        let (plan, told) = (self.plan, self.told);
        state::save(FORMAT, &State { plan, told, features, series })
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        let State { plan, told, features, series } = state::load(FORMAT, bytes)?;
        let features: Result<Vec<Feature>, String> =
            features.iter().map(|text| text.parse()).collect();
        let series: Result<Vec<Series>, String> = series.into_iter().map(Series::load).collect();
        *self = Indicators { plan, told, features: features?, series: series?, input: 0 };
        Ok(())
    }

    fn converts(&self) -> &'static [u16] {
        &[2]
    }

    fn convert(&mut self, _: u16, bytes: &[u8]) -> Result<(), String> {
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
