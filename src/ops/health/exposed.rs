//! What is held and cannot be left now: one answer for `doctor` and for the metric.

use super::fold::HealthFold;
use crate::domain::fact::{BreakerLevel, Standing};
use crate::domain::id::Symbol;
use crate::domain::money::Decimal;
use crate::domain::time::UtcMs;
use crate::ops::views::SymbolView;
use std::collections::BTreeMap;

/// A position that cannot be left now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposed {
    /// In which symbol.
    pub symbol: Symbol,
    /// How much, base units.
    pub quantity: Decimal,
    /// Event time since which something of it is held.
    pub since: UtcMs,
    /// What stands in the way.
    pub why: &'static str,
}

/// Of what is held and could be sold by its size, that which cannot be left now, by name.
/// `symbols` is what is listed. A strategy that is off is not in the way: it leaves what it
/// entered.
#[must_use]
pub fn exposed(
    facts: &HealthFold,
    held: &BTreeMap<Symbol, Decimal>,
    symbols: &[SymbolView],
    level: BreakerLevel,
) -> Vec<Exposed> {
    let told = |(symbol, quantity): (&Symbol, &Decimal)| {
        let row = symbols.iter().find(|row| row.symbol == *symbol);
        let why = in_the_way(facts, row, level)?;
        let since = facts.held.get(symbol).copied().unwrap_or(facts.now);
        Some(Exposed { symbol: *symbol, quantity: *quantity, since, why })
    };
    held.iter().filter_map(told).collect()
}

fn in_the_way(
    facts: &HealthFold,
    row: Option<&SymbolView>,
    level: BreakerLevel,
) -> Option<&'static str> {
    let bar = row.and_then(|row| row.newest_bar).zip(facts.close);
    let late = bar.is_some_and(|(bar, close)| facts.stale > 0 && close - bar > facts.stale);
    match row.map(|row| row.state) {
        None => Some("it is not listed, so no exit is looked for"),
        Some(Standing::Gone) => Some("the venue does not have it any more"),
        Some(Standing::Halted) => Some("the venue takes no orders in it now"),
        Some(Standing::Trading | Standing::Leaving) if late => {
            Some("it has no new bars, so its exit cannot be seen")
        }
        Some(Standing::Trading | Standing::Leaving) => (level == BreakerLevel::Halted)
            .then_some("nothing is sent while the breaker is at halted"),
    }
}
