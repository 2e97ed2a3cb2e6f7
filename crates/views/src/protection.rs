//! Lots without a working stop order at the venue, and for how long: a pure fold over facts.
//!
//! A lot counts from the fact that opened it if its rules have a stop and the venue can hold one
//! for it: its symbol takes stop orders, not all of them are open, and the lot is large enough to
//! sell. While a stop order is replaced, or cancelled for an exit, its lot counts again.

use everwarm_domain::fact::{Analysis, Body, Ledger, Market, Operator, Order};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{HOUSE, OrderStatus, Side};
use everwarm_domain::settings::{ExitRules, Settings};
use everwarm_domain::time::UtcMs;
use everwarm_history::records::quotient;
use everwarm_kernel::fact::Fact;
use everwarm_trading::universe::Universe;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Bucket bounds of the time without a working stop order, nanoseconds: 10 ms to 10 min.
pub const BOUNDS: &[i64] = &[
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    3_000_000_000,
    10_000_000_000,
    60_000_000_000,
    600_000_000_000,
];
/// Time after which a lot without a working stop order is counted as unprotected, milliseconds.
const LATE: i64 = 3_000;

/// A lot, by symbol and strategy.
type Name = (Symbol, String);

/// What is known of a lot.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Lot {
    /// Base units.
    quantity: Decimal,
    /// Average, quote units.
    price: Decimal,
    /// Whether its rules have a stop from its opening on.
    has_stop: bool,
    /// Event time since which it has no working stop order, and the input.
    since: Option<(UtcMs, u64)>,
}

/// The lots without a working stop order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Protection {
    /// Whether the configured strategies have a stop, by id.
    stops: BTreeMap<String, bool>,
    lots: BTreeMap<Name, Lot>,
    /// Stop orders that are not final, with their lot.
    orders: BTreeMap<ClientOrderId, Name>,
    /// Lots whose stop order is open.
    protected: BTreeSet<Name>,
    /// Ended times without one, by [`BOUNDS`], and their sum, nanoseconds.
    waits: (Vec<u64>, i64),
    /// Lots whose last signal to buy gave a stop.
    by_signal: BTreeSet<Name>,
}

impl Protection {
    /// Takes one fact in; `universe` has taken it in already.
    pub fn fold(&mut self, fact: &Fact<Body>, universe: &Universe) {
        match &fact.body {
            Body::Operator(Operator::ConfigApplied { text, .. }) => self.configured(text),
            Body::Market(Market::Capabilities { .. }) => {
                for name in self.lots.keys().cloned().collect::<Vec<_>>() {
                    self.judge(&name, fact, universe);
                }
            }
            Body::Ledger(Ledger::Lot { strategy, symbol, quantity, cost, .. })
                if strategy != HOUSE =>
            {
                let name = (*symbol, strategy.clone());
                self.changed(&name, *quantity, *cost);
                self.judge(&name, fact, universe);
                self.lots.retain(|_, lot| !lot.quantity.is_zero());
            }
            Body::Order(Order::Intent(intent)) if intent.terms.stop.is_some() => {
                let name = (intent.symbol, intent.strategy.clone());
                self.orders.insert(intent.client_id.clone(), name);
            }
            Body::Analysis(Analysis::Signals { rows }) => {
                for signal in rows.iter().filter(|signal| signal.side() == Side::Buy) {
                    let name = (signal.symbol, signal.strategy.clone());
                    if signal.terms.stop.is_some() {
                        self.by_signal.insert(name);
                    } else if !self.by_signal.is_empty() {
                        self.by_signal.remove(&name);
                    }
                }
            }
            Body::Order(Order::Changed { client_id, status, .. }) => {
                let Some(name) = self.orders.get(client_id).cloned() else { return };
                if status.is_final() {
                    self.orders.remove(client_id);
                }
                if [OrderStatus::Open, OrderStatus::PartlyFilled].contains(status) {
                    self.protected.insert(name.clone());
                } else {
                    self.protected.remove(&name);
                }
                self.judge(&name, fact, universe);
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
    }

    fn configured(&mut self, text: &str) {
        let Ok(settings) = Settings::from_text(text) else { return };
        let has = |rules: &ExitRules| {
            rules.has_stop() || (rules.trail_ppm.is_some() && rules.trail_from_ppm.is_none())
        };
        let strategies = settings.strategy.0.iter();
        let stops = strategies.map(|(id, one)| (id.clone(), one.exits.as_ref().is_some_and(has)));
        self.stops = stops.collect();
    }

    fn changed(&mut self, name: &Name, quantity: Decimal, cost: Decimal) {
        // Lots that were bought by hand have the default rules, which have a stop.
        let by_rules = self.stops.get(&name.1).copied().unwrap_or(true);
        let has_stop = by_rules || self.by_signal.contains(name);
        let price = quotient(cost, quantity).unwrap_or_default();
        let fresh = Lot { quantity, price, has_stop, since: None };
        let lot = self.lots.entry(name.clone()).or_insert(fresh);
        (lot.quantity, lot.price) = (quantity, price);
    }

    fn judge(&mut self, name: &Name, fact: &Fact<Body>, universe: &Universe) {
        let first = (name.0, String::new());
        let others = self.protected.range(first..).take_while(|(symbol, _)| *symbol == name.0);
        let open = others.count();
        let Some(lot) = self.lots.get_mut(name) else { return };
        let most = universe.stop_orders_for(name.0, lot.quantity, lot.price);
        let waits = lot.has_stop && !self.protected.contains(name) && open < most;
        if waits {
            lot.since.get_or_insert((fact.time, fact.key.n));
        } else if let Some((since, n)) = lot.since.take()
            // A stop order that was filled leaves its lot open until the ledger has the fill.
            && n != fact.key.n
        {
            let nanoseconds = fact.time.saturating_sub(since).max(0).saturating_mul(1_000_000);
            let (counts, sum) = &mut self.waits;
            counts.resize(BOUNDS.len() + 1, 0);
            counts[BOUNDS.partition_point(|bound| *bound < nanoseconds)] += 1;
            *sum = sum.saturating_add(nanoseconds);
        }
    }

    /// Ended times without a working stop order, by [`BOUNDS`], and their sum, nanoseconds. Without
    /// any, the counts are empty.
    #[must_use]
    pub fn waits(&self) -> (Vec<u64>, i64) {
        self.waits.clone()
    }

    /// Number of lots that have had no working stop order for at least 3 s, at event time `now`.
    #[must_use]
    pub fn without_order(&self, now: UtcMs) -> u64 {
        let late = |lot: &&Lot| lot.since.is_some_and(|(since, _)| now - since >= LATE);
        self.lots.values().filter(late).count() as u64
    }

    /// Number of lots whose rules have no stop from their opening on.
    #[must_use]
    pub fn without_stop(&self) -> u64 {
        self.lots.values().filter(|lot| !lot.has_stop).count() as u64
    }
}

#[cfg(test)]
#[path = "protection_tests.rs"]
mod tests;
