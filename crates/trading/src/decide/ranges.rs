//! The newest average true ranges, for strategies whose stop is a multiple of one. The plan of
//! features, which also says where the regimes are.

use super::regimes::Regimes;
use super::{Decide, Refusal, no};
use crate::indicators::{Feature, columns, number, planned};
use crate::strategy;
use everwarm_domain::fact::{Analysis, Retained, Signal};
use everwarm_domain::features::FeatureTable;
use everwarm_domain::id::{Symbol, SymbolMap};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{ExitPrices, OrderIntent};
use everwarm_domain::settings::Settings;
use everwarm_domain::settings::exits::AtrStop;
use everwarm_domain::settings::regimes::FEATURE as REGIME;
use everwarm_domain::signal::Intent;
use everwarm_domain::time::Timeframe;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The ranges that the configured strategies need.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Ranges {
    /// Number and features of the plan in force.
    plan: u64,
    features: Vec<String>,
    /// The stop of each strategy, and the name of its range.
    stops: BTreeMap<String, (AtrStop, String)>,
    /// The newest values of each range, quote units.
    newest: BTreeMap<String, SymbolMap<f64>>,
}

impl Ranges {
    /// Takes a configuration.
    pub(super) fn configured(&mut self, settings: &Settings, text: &str, retained: &[Retained]) {
        self.stops = strategy::stops_by_range(settings);
        if let Some(features) = planned(text, retained) {
            self.plan = number(&features);
            self.features = features.iter().map(Feature::to_string).collect();
        }
        let stops = &self.stops;
        self.newest.retain(|range, _| stops.values().any(|(_, needed)| needed == range));
    }

    /// Takes plans and values. Regimes are among the values.
    pub(super) fn analysed(&mut self, analysis: &Analysis, regimes: &mut Regimes) {
        if let Analysis::FeaturePlan { plan, features } = analysis {
            self.plan = *plan;
            features.clone_into(&mut self.features);
        }
        if let Analysis::FeatureValues { plan, timeframe, table } = analysis
            && *plan == self.plan
        {
            self.values(*timeframe, table);
            let column = || columns(&self.features, *timeframe).position(|name| name == REGIME);
            if let Some(column) = regimes.is_needed().then(column).flatten() {
                regimes.values(column, table);
            }
        }
    }

    /// The column of a feature in a table of this plan; none: the plan is another one, or lacks it.
    pub(super) fn place(&self, plan: u64, timeframe: Timeframe, feature: &str) -> Option<usize> {
        let mut columns = columns(&self.features, timeframe);
        columns.position(|column| column == feature).filter(|_| plan == self.plan)
    }

    fn values(&mut self, timeframe: Timeframe, table: &FeatureTable) {
        for (_, range) in self.stops.values() {
            let place = columns(&self.features, timeframe).position(|column| column == range);
            let Some(place) = place else { continue };
            let newest = self.newest.entry(range.clone()).or_default();
            for row in table.rows() {
                let value = row.values.get(place).filter(|value| value.is_finite());
                if let Some(value) = value {
                    newest.insert(row.head.symbol, *value);
                } else {
                    newest.remove(row.head.symbol);
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

    /// The stop of a lot of a strategy that is bought at `price`, and its arithmetic. `None`: the
    /// stop does not follow from a range. An error is the reason why there is no value.
    fn stop(
        &self,
        strategy: &str,
        symbol: Symbol,
        price: Decimal,
    ) -> Option<Result<(Decimal, String), String>> {
        let (stop, name) = self.stops.get(strategy)?;
        let range = self.newest.get(name).and_then(|newest| newest.get(symbol));
        let range = range.and_then(|range| Decimal::try_from(*range).ok());
        let Some(range) = range else {
            return Some(Err(format!("its stop of {stop} needs {name}, which has no value yet")));
        };
        let range = range.normalize();
        let distance = range.saturating_mul(Decimal::new(stop.hundredths.into(), 2));
        let at = price.saturating_sub(distance).normalize();
        Some(Ok((at, format!("stop {at}: {stop} below, at a range of {range}"))))
    }
}

impl Decide {
    /// The prices at which the lot of an entry at `price` is sold, if its signal or a range gives
    /// any, and how the range gives its stop.
    pub(super) fn exits_of(
        &self,
        signal: &Signal,
        price: Decimal,
    ) -> Result<(ExitPrices, Option<String>), Refusal> {
        let exits = signal.exits();
        // A lot keeps the prices of its first entry.
        if exits.stop.is_some() || signal.intent == Intent::Add {
            return Ok((exits, None));
        }
        match self.ranges.stop(&signal.strategy, signal.symbol, price) {
            None => Ok((exits, None)),
            Some(Ok((stop, words))) => Ok((ExitPrices { stop: Some(stop), ..exits }, Some(words))),
            Some(Err(text)) => no("no-stop", text),
        }
    }

    /// The same for an entry that was approved.
    pub(super) fn exits_of_approved(&self, intent: &OrderIntent) -> ExitPrices {
        let Some(signal) = self.signal_before(intent) else {
            return self.exits_again(intent);
        };
        let price = intent.price.unwrap_or_else(|| signal.price.decimal());
        self.exits_of(signal, price).map(|(exits, _)| exits).unwrap_or_default()
    }
}
