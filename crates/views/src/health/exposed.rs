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
    /// In which symbol.
    pub symbol: Symbol,
    /// How much, base units.
    pub quantity: Decimal,
    /// Event time since which it is held and something stands in the way, where that is known.
    pub since: Option<UtcMs>,
    /// The cause.
    pub why: Cause,
}

/// Why a position cannot be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its symbol is not listed.
    Unlisted,
    /// The venue does not have it any more.
    Gone,
    /// The venue takes no orders in it.
    Halted,
    /// It has no new bars.
    Late,
    /// The breaker lets nothing be sent.
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

/// Of what is held and could be sold by its size, that which cannot be left now, by name.
/// `symbols` is what is listed, `breaker` its level and since when it is there; `now` is venue
/// time: where no symbol has new bars, there is no newer close to be late against. A strategy that
/// is off is not in the way: it leaves what it entered.
#[must_use]
pub fn exposed(
    facts: &HealthFold,
    held: &BTreeMap<Symbol, Decimal>,
    symbols: &[SymbolView],
    breaker: (BreakerLevel, Option<UtcMs>),
    now: UtcMs,
) -> Vec<Exposed> {
    let told = |(symbol, quantity): (&Symbol, &Decimal)| {
        let row = symbols.iter().find(|row| row.symbol == *symbol);
        let (why, began) = in_the_way(facts, row, breaker, now)?;
        // It is exposed from when both are so.
        let since = facts.held.get(symbol).copied().max(began);
        Some(Exposed { symbol: *symbol, quantity: *quantity, since, why })
    };
    held.iter().filter_map(told).collect()
}

/// What is in the way, and since when, where that is known.
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
