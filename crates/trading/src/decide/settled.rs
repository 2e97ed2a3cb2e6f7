//! The bars of features, for strategies that enter on settled values only.
//!
//! The indicator stage counts the bars of each such feature: see [`crate::strategy`]. The newest
//! counts are kept here. So a decision is the same after any crash, and the same in a backtest.

use super::ranges::Ranges;
use super::{Decide, Refusal, no};
use crate::strategy::{Counted, counted_by_strategy};
use everwarm_domain::fact::Analysis;
use everwarm_domain::id::{Symbol, SymbolMap};
use everwarm_domain::settings::Settings;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The counts that the configured strategies need.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Settled {
    /// The features of each strategy that are not settled with their first value.
    rules: BTreeMap<String, Vec<Counted>>,
    /// The newest values of each count.
    newest: BTreeMap<String, SymbolMap<f64>>,
}

impl Settled {
    /// Takes a configuration.
    pub(super) fn configured(&mut self, settings: &Settings) {
        self.rules = counted_by_strategy(settings);
        let rules = &self.rules;
        let needed =
            |count: &String| rules.values().flatten().any(|counted| counted.count == *count);
        self.newest.retain(|count, _| needed(count));
    }

    /// Takes the values at a close. `ranges` knows the plan of features.
    pub(super) fn values(&mut self, ranges: &Ranges, analysis: &Analysis) {
        let Analysis::FeatureValues { plan, timeframe, table } = analysis else { return };
        let Settled { rules, newest } = self;
        for Counted { count, .. } in rules.values().flatten() {
            let Some(place) = ranges.place(*plan, *timeframe, count) else { continue };
            let of = newest.entry(count.clone()).or_default();
            for row in table.rows() {
                match row.values.get(place).filter(|value| value.is_finite()) {
                    Some(value) => of.insert(row.head.symbol, *value),
                    None => drop(of.remove(row.head.symbol)),
                }
            }
        }
    }

    /// Forgets symbols.
    pub(super) fn unlisted(&mut self, symbols: &[Symbol]) {
        for newest in self.newest.values_mut() {
            newest.remove_all(symbols);
        }
    }

    /// The feature that is settled last, with the bars that it has; none: all are settled.
    fn last(&self, symbol: Symbol, strategy: &str) -> Option<(&Counted, Option<f64>)> {
        let rules = self.rules.get(strategy)?;
        let counted = rules.iter().filter_map(|counted| {
            let count = self.newest.get(&counted.count).and_then(|of| of.get(symbol)).copied();
            let left = f64::from(counted.settled) - count.unwrap_or_default();
            let wait = left * f64::from(counted.minutes);
            (wait > 0.0).then_some((wait, (counted, count)))
        });
        counted.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, last)| last)
    }
}

impl Decide {
    /// Takes values of features.
    pub(super) fn analysed(&mut self, analysis: &Analysis) {
        self.ranges.analysed(analysis, &mut self.regimes);
        self.settled.values(&self.ranges, analysis);
        self.drivers.values(&self.ranges, analysis);
    }

    /// Whether the features of a strategy are settled for a symbol, if it enters on settled values
    /// only.
    pub(super) fn values_allow(&self, symbol: Symbol, strategy: &str) -> Result<(), Refusal> {
        let Some((Counted { feature, settled, .. }, count)) = self.settled.last(symbol, strategy)
        else {
            return Ok(());
        };
        let needs = format!("{strategy} enters on settled values");
        let text = match count {
            Some(count) => {
                format!("{feature} of {symbol} has {count} of {settled} bars; {needs}")
            }
            None => {
                format!("{feature} of {symbol} has no value yet and needs {settled} bars; {needs}")
            }
        };
        no("settling", text)
    }
}
