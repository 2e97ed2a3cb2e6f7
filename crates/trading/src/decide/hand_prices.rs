//! Decides the limits and stops that operators give the lot of `manual`.
//!
//! Such a price is no order. It replaces the target or the stop of the lot. At a venue that takes
//! the orders, [`super::protection`] replaces them. Elsewhere [`super::lot_guards`] judges the
//! prices at closes. So an exit never sells twice.

use super::lot_guards::Name;
use super::{Decide, Refusal, no, too_small};
use crate::risk::sizing;
use everwarm_domain::fact::{Body, BreakerLevel, Decision};
use everwarm_domain::id::Symbol;
use everwarm_domain::manual::Amount;
use everwarm_domain::money::{Decimal, floor_to_step};
use everwarm_domain::order::{ExitPrices, MANUAL};
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use everwarm_kernel::fact::Key;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The lots that got prices since the last close. A part of the next bar may be older than these.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Given(BTreeMap<Name, UtcMs>);

impl Given {
    /// The first minute whose whole bar counts for a lot; zero: any.
    pub(super) fn since(&self, lot: &Name) -> UtcMs {
        self.0.get(lot).copied().unwrap_or_default()
    }

    /// Forgets the lots of which every later bar counts as a whole.
    pub(super) fn closed(&mut self, close: UtcMs) {
        self.0.retain(|_, since| *since > close);
    }
}

/// The lowest tick that is not below a price. A limit must not sell below what was requested.
fn up_to_tick(price: Decimal, tick: Decimal) -> Decimal {
    let below = floor_to_step(price, tick);
    if below < price { below.saturating_add(tick).normalize() } else { below }
}

/// The fact that gives the lot of `manual` these prices.
pub(super) fn guarded(symbol: Symbol, exits: ExitPrices, reason: String) -> Body {
    let (strategy, ExitPrices { stop, target }) = (MANUAL.to_owned(), exits);
    Body::Decision(Decision::Guarded { strategy, symbol, stop, target, reason })
}

impl Decide {
    /// The requested prices on the ticks of the symbol: a limit on the one above, a stop on the one
    /// below.
    pub(super) fn prices_by_hand(
        &self,
        symbol: Symbol,
        wanted: ExitPrices,
        amount: Option<Amount>,
    ) -> Result<ExitPrices, Refusal> {
        let lot = self.lots.get(symbol, MANUAL);
        if lot.is_zero() {
            return no("nothing-to-sell", format!("{MANUAL} holds no {symbol}"));
        }
        if self.exits.get(symbol, MANUAL).is_some() {
            return no("owed", format!("the exit of {symbol} is owed already"));
        }
        if amount.is_some_and(|amount| self.part(symbol, amount).is_some()) {
            let text = "a part of a lot is sold at the market; a limit or stop sells the whole \
                        lot. Order without the amount, or without --limit and --stop";
            return no("part", text);
        }
        if self.level == BreakerLevel::Halted {
            let why = self.reasons.join("; ");
            return no("halted", format!("trading is halted: {why}"));
        }
        let rule = self.instrument(symbol)?;
        let Some(price) = self.newest.get(symbol).map(|newest| newest.close.decimal()) else {
            return no("no-price", format!("{symbol} has not closed yet"));
        };
        sizing::market(rule, lot, price).map_err(too_small)?;
        let tick = rule.tick_size;
        let stop = wanted.stop.map(|stop| (stop, floor_to_step(stop, tick)));
        let target = wanted.target.map(|limit| up_to_tick(limit, tick));
        let newest = price.normalize();
        match (stop, target) {
            (_, Some(limit)) if limit <= price => no(
                "price",
                format!(
                    "the limit {limit} is not above the newest close {newest}. To sell now, order \
                     without --limit"
                ),
            ),
            (Some((wanted, stop)), _) if stop <= Decimal::ZERO => no(
                "price",
                format!(
                    "the stop {} is below one tick of {symbol}: {}. Order with a higher --stop",
                    wanted.normalize(),
                    tick.normalize()
                ),
            ),
            (Some((_, stop)), _) if stop >= price => no(
                "price",
                format!(
                    "the stop {stop} is not below the newest close {newest}. To sell now, order \
                     without --stop"
                ),
            ),
            (stop, target) => {
                let stop = stop.map(|(_, stop)| stop);
                if let Some(stop) = stop {
                    // No venue would take the order.
                    sizing::market(rule, lot, stop).map_err(too_small)?;
                }
                Ok(ExitPrices { stop, target })
            }
        }
    }

    /// Applies prices that an operator gave a lot.
    pub(super) fn prices_given(&mut self, key: Key, decision: &Decision) {
        let Decision::Guarded { strategy, symbol, stop, target, .. } = decision else { return };
        if target.is_some() {
            // The venue may take the pair with this target.
            self.unpaired.remove(&(*symbol, strategy.clone()));
        }
        let exits = ExitPrices { stop: *stop, target: *target };
        let since = Timeframe::M1.open_of(self.time.saturating_add(MINUTE - 1));
        self.given.0.insert((*symbol, strategy.clone()), since);
        self.guards.given(*symbol, strategy, exits);
        self.guards.touch(*symbol, strategy, key);
    }
}

#[cfg(test)]
#[path = "hand_prices_tests.rs"]
mod tests;
