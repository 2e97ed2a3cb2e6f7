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
/// `symbols` is what is listed, `now` is venue time: where no symbol has new bars, there is no
/// newer close to be late against. A strategy that is off is not in the way: it leaves what it
/// entered.
#[must_use]
pub fn exposed(
    facts: &HealthFold,
    held: &BTreeMap<Symbol, Decimal>,
    symbols: &[SymbolView],
    (level, now): (BreakerLevel, UtcMs),
) -> Vec<Exposed> {
    let told = |(symbol, quantity): (&Symbol, &Decimal)| {
        let row = symbols.iter().find(|row| row.symbol == *symbol);
        let why = in_the_way(facts, row, (level, now))?;
        let since = facts.held.get(symbol).copied().unwrap_or(facts.now);
        Some(Exposed { symbol: *symbol, quantity: *quantity, since, why })
    };
    held.iter().filter_map(told).collect()
}

fn in_the_way(
    facts: &HealthFold,
    row: Option<&SymbolView>,
    (level, now): (BreakerLevel, UtcMs),
) -> Option<&'static str> {
    let late = row.is_some_and(|row| facts.is_stale(row, now));
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
