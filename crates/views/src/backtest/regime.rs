//! The regime of each symbol in a backtest, from its hourly bars.

use crate::regimes::Scaled;
use everwarm_analysis::regime::{Regime, Regimes};
use everwarm_domain::id::{Symbol, SymbolMap};
use everwarm_domain::market::RolledBar;

/// The regimes of all symbols.
#[derive(Debug, Default)]
pub(super) struct SymbolRegimes(SymbolMap<Scaled<Regimes>>);

impl SymbolRegimes {
    /// Takes hourly bars in, by symbol.
    pub(super) fn take(&mut self, bars: &[RolledBar]) {
        let mut near = 0;
        for RolledBar { bar, .. } in bars {
            let new = || Scaled::new(bar.scale());
            self.0.near(&mut near, bar.symbol, new).take(bar);
        }
    }

    /// The name of the regime of a symbol.
    pub(super) fn of(&self, symbol: Symbol) -> &'static str {
        self.0.get(symbol).map_or(Regime::NoData(0), |series| series.value.regime()).name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::market::Bar;
    use everwarm_domain::money::Price;
    use everwarm_domain::time::Timeframe;

    /// An hourly bar of 2 quote units around a middle, with this many further decimals.
    fn hour(symbol: Symbol, n: i64, middle: i64, fine: bool) -> RolledBar {
        let price = |units: i64| {
            let end = if fine { "0000000001" } else { "0" };
            Price::exact(format!("{units}.{end}").parse().unwrap()).unwrap()
        };
        let bar = Bar {
            symbol,
            open_time: n * Timeframe::H1.ms(),
            open: price(middle),
            high: price(middle + 1),
            low: price(middle - 1),
            close: price(middle),
            volume: 1.into(),
        };
        RolledBar { bar, count: 60, complete: true }
    }

    #[test]
    fn each_symbol_has_its_regime_and_more_decimals_keep_it() {
        let [steady, rising] = ["AAA", "BBB"].map(|name| Symbol::named(name).unwrap());
        let mut regimes = SymbolRegimes::default();
        for n in 0..40 {
            let bars = [hour(steady, n, 100 + n % 2, n > 20), hour(rising, n, 100 + 3 * n, false)];
            regimes.take(&bars);
            assert_eq!(regimes.of(steady) == "no_data", n < 27, "hour {n}");
        }
        assert_eq!(regimes.of(steady), "consolidation");
        assert_eq!(regimes.of(rising), "wide_structure");
        assert_eq!(regimes.of(Symbol::named("CCC").unwrap()), "no_data");
    }
}
