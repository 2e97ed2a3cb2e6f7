//! Positions that cannot be closed now, for `doctor` and for the metric.

use super::fold::HealthFold;
use crate::views::SymbolView;
use everwarm_domain::fact::{BreakerLevel, Standing};
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::UtcMs;
use std::collections::BTreeMap;

/// A position that cannot be closed now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposed {
    /// Its symbol.
    pub symbol: Symbol,
    /// Its quantity, base units.
    pub quantity: Decimal,
    /// Event time since which it is held and cannot be closed; none: unknown.
    pub since: Option<UtcMs>,
    /// The cause.
    pub why: Cause,
}

/// Why a position cannot be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its symbol is not listed.
    Unlisted,
    /// The venue delisted it.
    Gone,
    /// The venue takes no orders in it.
    Halted,
    /// It has no new bars.
    Late,
    /// The breaker is at halted, so no order is sent.
    Breaker,
}

impl Cause {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Cause::Unlisted => "it is not listed, so no strategy looks for an exit",
            Cause::Gone => "the venue delisted it",
            Cause::Halted => "the venue accepts no orders in it now",
            Cause::Late => "it has no new bars, so no strategy can signal an exit",
            Cause::Breaker => "the breaker is at halted, so no order is sent",
        }
    }
}

/// Holdings that are large enough to sell and cannot be closed now, by name. `symbols` are the
/// listed symbols, `breaker` its level and since when. `now` is venue time, because no close shows
/// the delay if no symbol has new bars. A disabled strategy does not matter: it closes what it
/// opened.
#[must_use]
pub fn exposed(
    facts: &HealthFold,
    held: &BTreeMap<Symbol, Decimal>,
    symbols: &[SymbolView],
    breaker: (BreakerLevel, Option<UtcMs>),
    now: UtcMs,
) -> Vec<Exposed> {
    let as_exposed = |(symbol, quantity): (&Symbol, &Decimal)| {
        let row = symbols.iter().find(|row| row.symbol == *symbol);
        let (why, began) = in_the_way(facts, row, breaker, now)?;
        // It is exposed since both are true.
        let since = facts.held.get(symbol).copied().max(began);
        Some(Exposed { symbol: *symbol, quantity: *quantity, since, why })
    };
    held.iter().filter_map(as_exposed).collect()
}

/// The cause, and since when; none: unknown.
fn in_the_way(
    facts: &HealthFold,
    row: Option<&SymbolView>,
    (level, since): (BreakerLevel, Option<UtcMs>),
    now: UtcMs,
) -> Option<(Cause, Option<UtcMs>)> {
    let Some(row) = row else { return Some((Cause::Unlisted, None)) };
    match row.state {
        Standing::Gone => Some((Cause::Gone, row.since)),
        Standing::Halted => Some((Cause::Halted, row.since)),
        Standing::Trading | Standing::Leaving if facts.is_stale(row, now) => {
            Some((Cause::Late, row.newest_bar.map(|newest| newest + facts.stale)))
        }
        Standing::Trading | Standing::Leaving => {
            (level == BreakerLevel::Halted).then_some((Cause::Breaker, since))
        }
    }
}
