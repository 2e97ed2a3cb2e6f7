//! The drivers of symbols and their bias, for strategies whose entries need them.
//!
//! The driver of a symbol is the newest value of the feature `driver@1h`. Its bias is long if it
//! closed its newest day above `ema(200)@1d`. Without a value, no such entry is approved. So both
//! are the same after any crash, and the same in a backtest.

use super::ranges::Ranges;
use super::{Decide, Refusal, no};
use crate::drivers::{NewestDrivers, PresentDriver};
use crate::strategy::show;
use everwarm_domain::fact::Analysis;
use everwarm_domain::features::FeatureTable;
use everwarm_domain::id::{Symbol, SymbolMap};
use everwarm_domain::money::Price;
use everwarm_domain::nearest::nearest;
use everwarm_domain::settings::drivers::{AVERAGE, BARS, FEATURE};
use everwarm_domain::settings::{DriverRule, Strategies};
use everwarm_domain::time::{UtcMs, date_of, day_of};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The drivers and biases that the configured strategies need.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Drivers {
    /// The rule of each enabled strategy that has one.
    rules: BTreeMap<String, DriverRule>,
    /// The newest driver of each symbol that a rule names.
    newest: NewestDrivers,
    /// The newest daily close of each symbol. Empty if no strategy needs a bias.
    daily: SymbolMap<Day>,
}

/// A daily close beside its average.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Day {
    /// End of the day.
    time: UtcMs,
    close: Price,
    /// Quote units.
    average: f64,
}

impl Drivers {
    /// Takes the strategies of a configuration.
    pub(super) fn configured(&mut self, strategies: &Strategies) {
        let needs = strategies.0.iter().filter(|(_, one)| {
            let needed = one.drivers != DriverRule::default();
            one.enabled && needed
        });
        self.rules = needs.map(|(id, one)| (id.clone(), one.drivers.clone())).collect();
        let rules = &self.rules;
        self.newest.keep(|symbol| is_named(rules, symbol));
        if !self.needs_bias() {
            self.daily = SymbolMap::default();
        }
    }

    /// Whether biases are needed.
    fn needs_bias(&self) -> bool {
        self.rules.values().any(|rule| rule.long)
    }

    /// Takes the values at a close. `ranges` knows the plan of features.
    pub(super) fn values(&mut self, ranges: &Ranges, analysis: &Analysis) {
        let Analysis::FeatureValues { plan, timeframe, table } = analysis else { return };
        if self.rules.is_empty() {
            return;
        }
        if let Some(column) = ranges.place(*plan, *timeframe, FEATURE) {
            let rules = &self.rules;
            self.newest.take(column, table, |symbol| is_named(rules, symbol));
        }
        let average = self.needs_bias().then(|| ranges.place(*plan, *timeframe, AVERAGE));
        if let Some(column) = average.flatten() {
            self.at_day(column, table);
        }
    }

    /// Takes the averages at the end of a day, which are in this column.
    fn at_day(&mut self, column: usize, table: &FeatureTable) {
        for row in table.rows() {
            let (symbol, time, close) = (row.head.symbol, row.head.time, row.head.close);
            match row.values.get(column).copied().filter(|average| average.is_finite()) {
                Some(average) => self.daily.insert(symbol, Day { time, close, average }),
                None => _ = self.daily.remove(symbol),
            }
        }
    }

    /// Forgets symbols.
    pub(super) fn unlisted(&mut self, symbols: &[Symbol]) {
        self.newest.unlisted(symbols);
        self.daily.remove_all(symbols);
    }
}

/// Whether a rule names a symbol.
fn is_named(rules: &BTreeMap<String, DriverRule>, symbol: Symbol) -> bool {
    rules.values().any(|rule| rule.only.contains_key(&symbol))
}

impl Decide {
    /// Whether the present drivers and the bias of a symbol allow an entry of a strategy.
    pub(super) fn drivers_allow(&self, symbol: Symbol, strategy: &str) -> Result<(), Refusal> {
        let Some(rule) = self.drivers.rules.get(strategy) else { return Ok(()) };
        for (of, drivers) in &rule.only {
            let present = self.drivers.newest.get(*of);
            if present.is_some_and(|present| drivers.contains(&present.driver)) {
                continue;
            }
            let names = rule.names(*of);
            let is = present.map_or_else(|| self.no_driver(*of), PresentDriver::words);
            let why = format!("the driver of {of} is {is}; {strategy} enters in {names}");
            return no("driver", why);
        }
        if rule.long {
            let Some(Day { time, close, average }) = self.drivers.daily.get(symbol).copied() else {
                let why = format!(
                    "the bias of {symbol} is unknown: {AVERAGE} has no value yet, it needs {BARS} \
                     daily bars"
                );
                return no("bias", why);
            };
            // A comparison as that of `regimes`, which shows the bias of all symbols.
            let last = close.to_f64();
            if last <= average {
                let ((last, average), day) = (show(last, average), date_of(day_of(time - 1)));
                let why = format!(
                    "the bias of {symbol} is none: it closed {day} at {last}, and {AVERAGE} is \
                     {average}; {strategy} enters above it"
                );
                return no("bias", why);
            }
        }
        Ok(())
    }

    /// Why the driver of a symbol is unknown.
    fn no_driver(&self, symbol: Symbol) -> String {
        if let Some(listed) = self.listed.as_ref().filter(|listed| listed.get(symbol).is_none()) {
            let names: Vec<Symbol> = listed.iter().map(|(name, _)| name).collect();
            let meant = nearest(symbol.as_str(), names.iter().map(Symbol::as_str));
            let meant = meant.map_or(String::new(), |meant| format!(", did you mean {meant}?"));
            return format!("unknown: it is not among the traded symbols{meant}");
        }
        format!("unknown: {FEATURE} has no value yet, it needs {BARS} hourly bars")
    }
}
