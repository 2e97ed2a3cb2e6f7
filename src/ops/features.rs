//! What the indicator stage said lately of each symbol and width: its own values, for charts.

use everwarm_domain::fact::{Analysis, Body};
use everwarm_domain::id::Symbol;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_kernel::fact::Fact;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use utoipa::ToSchema;

/// Closes that are kept of a symbol and width: some hours of minutes, 12 MB with 300 symbols.
const KEPT: usize = 240;

/// What the indicator stage said of one bar. None where it is not warm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IndicatorsView {
    /// The fast simple average.
    pub sma_fast: Option<f64>,
    /// The slow simple average.
    pub sma_slow: Option<f64>,
    /// The exponential average.
    pub ema: Option<f64>,
}

/// The end of a bar, and what was said of it: both simple averages, and the exponential one.
type Said = (UtcMs, [f64; 3]);

/// The newest values, by what they are of.
#[derive(Debug, Default)]
pub struct FeatureLog(BTreeMap<(Symbol, Timeframe), VecDeque<Said>>);

impl FeatureLog {
    /// Takes one fact in, in the order of the journal.
    pub fn fact(&mut self, fact: &Fact<Body>) {
        let Body::Analysis(Analysis::Features { timeframe, rows }) = &fact.body else { return };
        for row in rows {
            let kept = self.0.entry((row.symbol, *timeframe)).or_default();
            if kept.len() == KEPT {
                kept.pop_front();
            }
            kept.push_back((row.time, [row.sma_fast, row.sma_slow, row.ema]));
        }
    }

    /// What was said of the bar of a symbol that ended at `time`.
    #[must_use]
    pub fn at(&self, symbol: Symbol, timeframe: Timeframe, time: UtcMs) -> Option<IndicatorsView> {
        let kept = self.0.get(&(symbol, timeframe))?;
        let at = kept.binary_search_by_key(&time, |(time, _)| *time).ok()?;
        let [sma_fast, sma_slow, ema] =
            kept[at].1.map(|value| Some(value).filter(|v| v.is_finite()));
        Some(IndicatorsView { sma_fast, sma_slow, ema })
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{T, journal};
    use super::*;

    #[test]
    fn the_values_of_the_stage_are_found_by_the_end_of_their_bar_and_bounded() {
        let mut log = FeatureLog::default();
        journal().0.iter().for_each(|fact| log.fact(fact));
        let btc = Symbol::new("BTCUSD").unwrap();
        let said = log.at(btc, Timeframe::M1, T).unwrap();
        assert_eq!(
            (said.sma_fast, said.sma_slow, said.ema),
            (Some(1249.5), Some(1249.25), Some(1249.0))
        );
        assert_eq!(log.at(btc, Timeframe::M1, T - 1), None);
        assert_eq!(log.at(btc, Timeframe::M5, T), None);
        let all = journal().0;
        let fact = all.iter().find(|f| matches!(f.body, Body::Analysis(Analysis::Features { .. })));
        for n in 1..=KEPT {
            let mut next = fact.unwrap().clone();
            if let Body::Analysis(Analysis::Features { rows, .. }) = &mut next.body {
                for row in rows {
                    row.time = T + i64::try_from(n).unwrap();
                    row.ema = f64::NAN;
                }
            }
            log.fact(&next);
        }
        assert_eq!(log.at(btc, Timeframe::M1, T), None, "too long ago");
        assert_eq!(log.at(btc, Timeframe::M1, T + 1).unwrap().ema, None, "not warm");
    }
}
