//! The newest drivers of symbols: the values of the feature `driver@1h`.

use everwarm_domain::features::FeatureTable;
use everwarm_domain::id::{Symbol, SymbolMap};
use everwarm_domain::settings::Driver;
use everwarm_domain::time::{UtcMs, clock, date_of, day_of};
use serde::{Deserialize, Serialize};

/// The newest driver of each needed symbol.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct NewestDrivers(SymbolMap<PresentDriver>);

/// The driver of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PresentDriver {
    pub(crate) driver: Driver,
    /// The first close with it.
    since: UtcMs,
    /// Whether the close before had another one. Otherwise the driver may be older.
    changed: bool,
}

impl NewestDrivers {
    /// The driver of a symbol; none: it is unknown.
    pub(crate) fn get(&self, symbol: Symbol) -> Option<&PresentDriver> {
        self.0.get(symbol)
    }

    /// Takes the values at a close, which are in this column.
    pub(crate) fn take(
        &mut self,
        column: usize,
        table: &FeatureTable,
        is_needed: impl Fn(Symbol) -> bool,
    ) {
        for row in table.rows().filter(|row| is_needed(row.head.symbol)) {
            let value = row.values.get(column).copied().unwrap_or(f64::NAN);
            let (symbol, since) = (row.head.symbol, row.head.time);
            let Some(driver) = Driver::of(value) else {
                self.0.remove(symbol);
                continue;
            };
            let before = self.0.get(symbol);
            if before.is_none_or(|before| before.driver != driver) {
                let changed = before.is_some();
                self.0.insert(symbol, PresentDriver { driver, since, changed });
            }
        }
    }

    /// Forgets symbols, sorted by name.
    pub(crate) fn unlisted(&mut self, symbols: &[Symbol]) {
        self.0.remove_all(symbols);
    }

    /// Forgets the symbols that are not needed any more.
    pub(crate) fn keep(&mut self, is_needed: impl Fn(Symbol) -> bool) {
        let all = self.0.iter().map(|(symbol, _)| symbol);
        let unneeded: Vec<Symbol> = all.filter(|symbol| !is_needed(*symbol)).collect();
        self.0.remove_all(&unneeded);
    }
}

impl PresentDriver {
    /// The driver, and since when: `up since 2026-01-05 07:00 UTC`.
    pub(crate) fn words(&self) -> String {
        let PresentDriver { driver, since, changed } = *self;
        let or_earlier = if changed { "" } else { " or earlier" };
        let since = format!("{} {}", date_of(day_of(since)), clock(since));
        format!("{} since {since}{or_earlier}", driver.name())
    }
}
