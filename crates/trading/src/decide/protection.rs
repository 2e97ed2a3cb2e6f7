//! Protects each lot by a stop order at the venue, while the venue takes such orders.
//!
//! A stop order is placed after the first fill of the entry. It is replaced when the lot or the
//! stop changes: cancelled first, placed anew after its end. An exit has it cancelled too, and
//! sells after its end. If the exit cannot leave, the stop order stays or returns.
//!
//! A rejected stop order is placed again, then lower. After three rejections in a row, the lot is
//! sold. A stop order that ended without our doing is placed again after 1, 2, 4 … 60 closes.
//! Without a stop order, the exit rules of the lot are still judged at each close.

use super::exits::taken_back;
use super::lot_guards::Guard;
use super::sales::Sales;
use super::{Approved, Decide, Hold, Part, client_id};
use crate::risk::sizing;
use everwarm_domain::fact::{Body, BreakerLevel};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::{Decimal, floor_to_step};
use everwarm_domain::order::{OrderIntent, OrderType, Side, Terms};
use everwarm_domain::settings::exits::ExitRule;
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::Key;
use everwarm_kernel::stage::Out;

/// Number of a stop order within the decisions of its lot. Exits have 0.
const LEG: u32 = 1;
/// Rejections in a row after which the lot is sold.
const REJECTIONS: u32 = 3;
/// How much lower the last stop order before that is, percent of the stop.
const LOWER_PERCENT: i64 = 1;
/// How far a stop must move before its order is replaced, millionths of the price.
const MOVED_PPM: i64 = 2_000;

/// What is done about the stop order of a lot.
enum Step {
    /// It is placed.
    Place(Box<Approved>),
    /// It is cancelled, and why.
    Cancel(ClientOrderId, &'static str),
    /// The lot is sold instead, and why.
    Sell(String),
    /// Nothing.
    Nothing,
}

impl<'a> Sales<'a> {
    /// The open stop order of a lot.
    pub(super) fn stop(
        &self,
        symbol: Symbol,
        strategy: &str,
    ) -> Option<&(&'a ClientOrderId, &'a Hold)> {
        let of = |hold: &Hold| hold.stop.is_some() && hold.strategy == strategy;
        self.of(symbol).iter().find(|(_, hold)| of(hold))
    }
}

impl Decide {
    /// Places and cancels stop orders, as far as something has changed.
    pub(super) fn conclude_protection<'a>(&'a self, sales: &mut Sales<'a>, out: &mut Out<Body>) {
        for (symbol, strategy, key) in self.guards.changed() {
            match self.step(symbol, strategy, sales) {
                Step::Place(approved) => {
                    if let Some(rule) = self.instruments.get(symbol) {
                        let selling = sales.selling.entry(rule.base.as_str()).or_default();
                        *selling = selling.saturating_add(approved.intent.quantity);
                    }
                    out.append_because([key], approved.into_body());
                }
                Step::Cancel(id, why) => {
                    if let Some(hold) = self.holds.get(&id) {
                        out.append_because([key], taken_back(&id, hold, why.to_owned()));
                    }
                }
                Step::Sell(_) | Step::Nothing => {}
            }
        }
    }

    /// Lots that are sold because no stop order can protect them, and why.
    pub(super) fn stops_given_up(
        &self,
        sales: &Sales<'_>,
    ) -> Vec<(Symbol, &str, ExitRule, String, Key)> {
        let sold = |(symbol, strategy, key)| match self.step(symbol, strategy, sales) {
            Step::Sell(why) => Some((symbol, strategy, ExitRule::Stop, why, key)),
            Step::Place(_) | Step::Cancel(..) | Step::Nothing => None,
        };
        self.guards.changed().filter_map(sold).collect()
    }

    /// Whether a stop order is to be placed or cancelled that was not decided yet.
    pub(super) fn protection_is_due(&self) -> bool {
        self.guards.has_news() && {
            let sales = self.sales();
            let due =
                |symbol, strategy| !matches!(self.step(symbol, strategy, &sales), Step::Nothing);
            self.guards.changed().any(|(symbol, strategy, _)| due(symbol, strategy))
        }
    }

    fn step(&self, symbol: Symbol, strategy: &str, sales: &Sales<'_>) -> Step {
        let lot = self.lots.get(symbol, strategy);
        let guard = self.guards.get(symbol, strategy).filter(|_| !lot.is_zero());
        match (sales.stop(symbol, strategy), guard) {
            (Some((_, hold)), _) if hold.withdrawn => Step::Nothing,
            _ if sales.freed.contains(&(symbol, strategy)) => Step::Nothing,
            (Some((id, _)), None) => Step::Cancel((*id).clone(), "its lot is gone"),
            (Some((id, hold)), Some(guard)) => self.replace(id, hold, guard, lot),
            (None, None) => Step::Nothing,
            (None, Some(guard)) => self.place(symbol, strategy, guard, sales),
        }
    }

    /// Replaces an open stop order if the lot or the stop has changed.
    fn replace(&self, id: &ClientOrderId, hold: &Hold, guard: &Guard, lot: Decimal) -> Step {
        let Some(rule) = self.instruments.get(hold.symbol).filter(|rule| rule.trading) else {
            return Step::Nothing;
        };
        let (Some(stop), Some(present)) = (self.stop_of(guard, hold.symbol), hold.stop) else {
            return Step::Nothing;
        };
        if self.level == BreakerLevel::Halted {
            return Step::Nothing;
        }
        let rest = hold.quantity.saturating_sub(hold.executed);
        let moved = stop.saturating_sub(present).abs();
        match sizing::market(rule, lot, stop) {
            Ok(quantity) if quantity != rest => {
                Step::Cancel(id.clone(), "the quantity of its lot has changed")
            }
            Ok(_) if moved > present.saturating_mul(Decimal::new(MOVED_PPM, 6)) => {
                Step::Cancel(id.clone(), "its stop has moved")
            }
            Ok(_) | Err(_) => Step::Nothing,
        }
    }

    /// The stop of a lot on the ticks of its symbol, lower after a second rejection.
    fn stop_of(&self, guard: &Guard, symbol: Symbol) -> Option<Decimal> {
        let rule = self.instruments.get(symbol)?;
        let stop = guard.levels(Some(rule)).stop?;
        if guard.orders.rejected + 1 < REJECTIONS {
            return Some(stop);
        }
        let lower = stop.saturating_mul(Decimal::new(100 - LOWER_PERCENT, 2));
        Some(floor_to_step(lower, rule.tick_size).normalize())
    }

    fn place(&self, symbol: Symbol, strategy: &str, guard: &Guard, sales: &Sales<'_>) -> Step {
        let Some(stop) = self.stop_of(guard, symbol) else { return Step::Nothing };
        if guard.orders.wait > 0 || self.level == BreakerLevel::Halted {
            return Step::Nothing;
        }
        let Ok(rule) = self.instrument(symbol) else { return Step::Nothing };
        let open = sales.of(symbol).iter().filter(|(_, hold)| hold.stop.is_some()).count();
        if open >= self.guards.most(rule) {
            return Step::Nothing;
        }
        if self.leaves(symbol, strategy, sales) {
            return Step::Nothing;
        }
        let Some(last) = self.newest.get(symbol).map(|newest| newest.close.decimal()) else {
            return Step::Nothing;
        };
        let Ok(available) = self.free_for(&rule.base, (symbol, strategy), sales) else {
            return Step::Nothing;
        };
        let held = self.lots.get(symbol, strategy).min(available);
        let Ok(quantity) = sizing::market(rule, held, stop) else { return Step::Nothing };
        if guard.orders.rejected >= REJECTIONS {
            let (times, reason) = (guard.orders.rejected, &guard.orders.reason);
            return Step::Sell(format!("its stop order was rejected {times} times: {reason}"));
        }
        if last <= stop {
            let last = last.normalize();
            return Step::Sell(format!("stop {stop} reached: the last close was {last}"));
        }
        let (decided, revision) = self.guards.next_order(symbol, strategy);
        let part = Part { leg: LEG, revision };
        let client_id = client_id::of(&self.identity, strategy, symbol, Side::Sell, decided, part);
        let (stop, leg) = (Some(stop), LEG);
        let terms = Terms { stop, leg, revision, reduce_only: true, ..Terms::default() };
        let intent = OrderIntent {
            client_id,
            strategy: strategy.to_owned(),
            symbol,
            side: Side::Sell,
            order_type: OrderType::Market,
            quantity,
            price: None,
            close_time: self.closed,
            valid_until: UtcMs::MAX,
            terms: Box::new(terms),
        };
        let entry = guard.entry().round_dp(8).normalize();
        let reason = format!("protects the lot bought at {entry}");
        let (reserved, sizing) = (Decimal::ZERO, None);
        Step::Place(Box::new(Approved { intent, reserved, reason, sizing }))
    }
}

#[cfg(test)]
#[path = "protection_tests.rs"]
pub(super) mod tests;
