//! The regimes of symbols, for strategies that enter in some of them only or with other sizes.
//!
//! The regime of a symbol is the newest value of the feature `regime@1h`. Without a value, it is
//! *no data*. So it is the same after any crash, and the same in a backtest.

use super::{Decide, Refusal, no};
use crate::risk::sizing::Factor;
use everwarm_domain::features::FeatureTable;
use everwarm_domain::id::{Symbol, SymbolMap};
use everwarm_domain::money::Decimal;
use everwarm_domain::settings::regimes::FEATURE;
use everwarm_domain::settings::{Regime, RegimeRule, Strategies};
use everwarm_domain::time::{UtcMs, clock, date_of, day_of};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The regimes that the configured strategies need.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Regimes {
    /// The rule of each enabled strategy that has one.
    rules: BTreeMap<String, RegimeRule>,
    /// The newest regime of each symbol. Empty if no strategy needs it.
    newest: SymbolMap<Present>,
}

/// The regime of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Present {
    regime: Regime,
    /// The first close with it.
    since: UtcMs,
    /// Whether the close before had another one. Otherwise the regime may be older.
    changed: bool,
}

impl Regimes {
    /// Takes the strategies of a configuration.
    pub(super) fn configured(&mut self, strategies: &Strategies) {
        let needs = strategies.0.iter().filter(|(_, one)| {
            let needed = one.regimes.feature().is_some();
            one.enabled && needed
        });
        self.rules = needs.map(|(id, one)| (id.clone(), one.regimes.clone())).collect();
        if self.rules.is_empty() {
            self.newest = SymbolMap::default();
        }
    }

    /// Whether values are needed.
    pub(super) fn is_needed(&self) -> bool {
        !self.rules.is_empty()
    }

    /// Takes the values at a close, which are in this column.
    pub(super) fn values(&mut self, column: usize, table: &FeatureTable) {
        for row in table.rows() {
            let value = row.values.get(column).copied().unwrap_or(f64::NAN);
            let (symbol, since, regime) = (row.head.symbol, row.head.time, of(value));
            let before = self.newest.get(symbol);
            if before.is_none_or(|before| before.regime != regime) {
                let changed = before.is_some();
                self.newest.insert(symbol, Present { regime, since, changed });
            }
        }
    }

    /// Forgets symbols.
    pub(super) fn unlisted(&mut self, symbols: &[Symbol]) {
        self.newest.remove_all(symbols);
    }

    /// The regime of a symbol.
    fn regime(&self, symbol: Symbol) -> Regime {
        self.newest.get(symbol).map_or(Regime::NoData, |present| present.regime)
    }

    /// The regime of a symbol, and since when, in words.
    fn words(&self, symbol: Symbol) -> String {
        let Some(Present { regime, since, changed }) = self.newest.get(symbol) else {
            let none = Regime::NoData.name();
            return format!("the regime of {symbol} is {none}: {FEATURE} has no value yet");
        };
        let or_earlier = if *changed { "" } else { " or earlier" };
        let since = format!("{} {}", date_of(day_of(*since)), clock(*since));
        format!("the regime of {symbol} is {} since {since}{or_earlier}", regime.name())
    }
}

/// The regime of a value of the feature: 1, 2 or 3. Undefined values have no data.
fn of(value: f64) -> Regime {
    let near = |number: u8| (value - f64::from(number)).abs() < 0.5;
    let known = (0..).zip(Regime::ALL).find(|(number, _)| near(*number));
    known.map_or(Regime::NoData, |(_, regime)| regime)
}

/// The name of a factor.
const fn factor(regime: Regime) -> &'static str {
    match regime {
        Regime::NoData => "regime no_data",
        Regime::TightSmc => "regime tight_smc",
        Regime::WideStructure => "regime wide_structure",
        Regime::Consolidation => "regime consolidation",
    }
}

impl Decide {
    /// Whether a strategy enters in the present regime of a symbol.
    pub(super) fn regime_allows(&self, symbol: Symbol, strategy: &str) -> Result<(), Refusal> {
        let Some(rule) = self.regimes.rules.get(strategy) else { return Ok(()) };
        let regime = self.regimes.regime(symbol);
        let words = || self.regimes.words(symbol);
        if !rule.enters(regime) {
            return no("regime", format!("{}; {strategy} enters in {}", words(), rule.names()));
        }
        if rule.size_ppm(regime) == 0 {
            return no("regime", format!("{}; regime_sizes of {strategy} is 0 there", words()));
        }
        Ok(())
    }

    /// The factor of the size of an entry by the present regime of its symbol; none: the usual
    /// size.
    pub(super) fn regime_factor(&self, symbol: Symbol, strategy: &str) -> Option<Factor> {
        let rule = self.regimes.rules.get(strategy)?;
        let regime = self.regimes.regime(symbol);
        let value = Decimal::new(rule.size_ppm(regime).into(), 6);
        (value != Decimal::ONE).then(|| Factor { name: factor(regime), value })
    }
}
