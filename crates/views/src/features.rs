//! Feature values: which column is which feature, and the newest values of each symbol and bar
//! width, for charts.

use everwarm_domain::fact::{Analysis, Body, Operator};
use everwarm_domain::features::FeatureTable;
use everwarm_domain::id::Symbol;
use everwarm_domain::settings::Settings;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_kernel::fact::Fact;
use everwarm_trading::indicators::{columns, old_columns, old_lengths};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Values kept per symbol and bar width: 4 hours of minutes; 12 MB with 300 symbols.
const KEPT: usize = 240;
/// Number of plans kept; new values refer only to the last ones.
const PLANS: usize = 64;

/// The values of one bar by feature, like `sma(10)@1m`. A feature that is not warm is absent.
pub type IndicatorsView = BTreeMap<String, f64>;

/// The features of each plan, in the order of the columns of values.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Plans {
    features: BTreeMap<u64, Vec<String>>,
    /// The configured average lengths, for values of earlier versions, which had no plan.
    lengths: (u32, u32),
}

impl Plans {
    /// Takes one fact in, in the order of the journal.
    pub fn fold(&mut self, fact: &Fact<Body>) {
        if let Body::Analysis(Analysis::FeaturePlan { plan, features }) = &fact.body {
            self.features.insert(*plan, features.clone());
            if self.features.len() > PLANS {
                self.features.pop_first();
            }
        } else if let Body::Operator(Operator::ConfigApplied { text, .. }) = &fact.body
            && let Ok(settings) = Settings::from_text(text)
        {
            self.lengths = old_lengths(&settings).unwrap_or(self.lengths);
        }
    }

    /// The features of a plan on bars of one width, in the order of the columns.
    #[must_use]
    pub fn columns(&self, plan: u64, timeframe: Timeframe) -> Vec<String> {
        if plan == 0 {
            return old_columns(timeframe, self.lengths.0, self.lengths.1);
        }
        let features = self.features.get(&plan).map_or(&[][..], Vec::as_slice);
        columns(features, timeframe).map(str::to_owned).collect()
    }

    /// The values of one symbol, by feature; none if the fact has no values of it.
    #[must_use]
    pub fn values(&self, body: &Body, symbol: Symbol) -> Option<Vec<(String, f64)>> {
        let (names, table): (Vec<String>, &FeatureTable) = match body {
            Body::Analysis(Analysis::FeatureValues { plan, timeframe, table }) => {
                (self.columns(*plan, *timeframe), table)
            }
            Body::Analysis(Analysis::Kept { timeframe, fast, slow, rows }) => {
                (old_columns(*timeframe, *fast, *slow), rows)
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => return None,
        };
        let row = table.row(symbol)?;
        Some(names.into_iter().zip(row.values.iter().copied()).collect())
    }
}

/// The end of a bar, the plan, and the values by column; not finite: not warm.
type BarValues = (UtcMs, u64, Box<[f64]>);

/// The newest values, by symbol and bar width.
#[derive(Debug, Default)]
pub struct FeatureLog {
    plans: Plans,
    newest: BTreeMap<(Symbol, Timeframe), VecDeque<BarValues>>,
}

impl FeatureLog {
    /// Takes one fact in, in the order of the journal.
    pub fn fact(&mut self, fact: &Fact<Body>) {
        self.plans.fold(fact);
        let Body::Analysis(Analysis::FeatureValues { plan, timeframe, table }) = &fact.body else {
            return;
        };
        for row in table.rows() {
            let kept = self.newest.entry((row.head.symbol, *timeframe)).or_default();
            if kept.len() == KEPT {
                kept.pop_front();
            }
            kept.push_back((row.head.time, *plan, row.values.into()));
        }
    }

    /// The values of the bar of a symbol that ended at `time`; none if they are not kept.
    #[must_use]
    pub fn at(&self, symbol: Symbol, timeframe: Timeframe, time: UtcMs) -> Option<IndicatorsView> {
        let kept = self.newest.get(&(symbol, timeframe))?;
        let at = kept.binary_search_by_key(&time, |(time, ..)| *time).ok()?;
        let (_, plan, values) = &kept[at];
        let named = self.plans.columns(*plan, timeframe).into_iter().zip(values.iter().copied());
        Some(named.filter(|(_, value)| value.is_finite()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{T, journal};
    use super::*;

    #[test]
    fn the_values_of_the_stage_are_found_by_the_end_of_their_bar_and_bounded() {
        let mut log = FeatureLog::default();
        journal().0.iter().for_each(|fact| log.fact(fact));
        let btc = Symbol::new("BTCUSD").unwrap();
        let found = log.at(btc, Timeframe::M1, T).unwrap();
        let pairs: Vec<(&str, f64)> = found.iter().map(|(name, v)| (name.as_str(), *v)).collect();
        assert_eq!(pairs, [("sma(10)@1m", 1249.5), ("sma(30)@1m", 1249.25)]);
        assert_eq!(log.at(btc, Timeframe::M1, T - 1), None);
        assert_eq!(log.at(btc, Timeframe::M5, T), None);
        let all = journal().0;
        let values =
            |f: &&Fact<Body>| matches!(f.body, Body::Analysis(Analysis::FeatureValues { .. }));
        let fact = all.iter().find(values).unwrap();
        for n in 1..=KEPT {
            let mut next = fact.clone();
            if let Body::Analysis(Analysis::FeatureValues { table, .. }) = &mut next.body {
                let mut later = FeatureTable::new(table.columns());
                for row in table.rows() {
                    let mut head = row.head;
                    head.time = T + i64::try_from(n).unwrap();
                    later.push(head, [1.0, f64::NAN]);
                }
                *table = later;
            }
            log.fact(&next);
        }
        assert_eq!(log.at(btc, Timeframe::M1, T), None, "too long ago");
        let found = log.at(btc, Timeframe::M1, T + 1).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["sma(10)@1m"], "the other is not warm");
    }

    #[test]
    fn values_of_earlier_versions_are_named_by_the_configuration_of_their_time() {
        let plans = Plans { lengths: (5, 20), ..Plans::default() };
        let names = plans.columns(0, Timeframe::H1);
        assert_eq!(names, ["sma(5)@1h", "sma(20)@1h", "ema(20)@1h", "atr(14)@1h"]);
    }
}
