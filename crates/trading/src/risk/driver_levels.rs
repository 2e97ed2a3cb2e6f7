//! Levels of the account by the drivers of symbols, as the breaker sees them.
//!
//! A level lasts while the newest driver of its symbol is the one of its rule. An unknown driver
//! has no level.

use crate::drivers::NewestDrivers;
use crate::indicators::{Feature, columns, number, planned};
use everwarm_domain::fact::{Analysis, BreakerLevel, Retained};
use everwarm_domain::id::Symbol;
use everwarm_domain::settings::drivers::FEATURE;
use everwarm_domain::settings::{Driver, DriverLevels};
use everwarm_domain::time::Timeframe;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The rules, and the drivers that they need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct LevelsByDriver {
    levels: BTreeMap<Symbol, BTreeMap<Driver, BreakerLevel>>,
    /// Number of the plan of features in force, and the column of the drivers in it.
    plan: u64,
    column: Option<u64>,
    newest: NewestDrivers,
}

impl LevelsByDriver {
    /// Takes a configuration.
    pub(super) fn configured(&mut self, rules: &DriverLevels, text: &str, retained: &[Retained]) {
        self.levels.clone_from(&rules.0);
        let levels = &self.levels;
        self.newest.keep(|symbol| levels.contains_key(&symbol));
        if let Some(features) = planned(text, retained) {
            let names: Vec<String> = features.iter().map(Feature::to_string).collect();
            self.planned(number(&features), &names);
        }
    }

    fn planned(&mut self, plan: u64, features: &[String]) {
        self.plan = plan;
        let column = columns(features, Timeframe::H1).position(|name| name == FEATURE);
        self.column = column.map(|column| column as u64);
    }

    /// Takes plans and values.
    pub(super) fn analysed(&mut self, analysis: &Analysis) {
        if let Analysis::FeaturePlan { plan, features } = analysis {
            self.planned(*plan, features);
        }
        if let Analysis::FeatureValues { plan, timeframe: Timeframe::H1, table } = analysis
            && *plan == self.plan
            && let Some(column) = self.column.and_then(|column| usize::try_from(column).ok())
        {
            let levels = &self.levels;
            self.newest.take(column, table, |symbol| levels.contains_key(&symbol));
        }
    }

    /// Forgets symbols.
    pub(super) fn unlisted(&mut self, symbols: &[Symbol]) {
        self.newest.unlisted(symbols);
    }

    /// The levels that hold, with their reasons.
    pub(super) fn judge(&self) -> impl Iterator<Item = (BreakerLevel, String)> {
        self.levels.iter().filter_map(|(symbol, levels)| {
            let present = self.newest.get(*symbol)?;
            let level = levels.get(&present.driver)?;
            let words = present.words();
            Some((*level, format!("the driver of {symbol} is {words}, until it changes")))
        })
    }
}
