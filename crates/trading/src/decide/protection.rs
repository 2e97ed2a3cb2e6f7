//! Protects each lot by orders at the venue, while the venue takes such orders: by a stop order, or
//! by a stop and a target order as a pair, of which the fill of one ends the other.
//!
//! They are placed after the first fill of the entry. They are replaced when the lot, its stop or
//! its target changes: cancelled first, placed anew after their end. An exit has them cancelled
//! too, and sells after their end. If the exit cannot leave, they stay or return.
//!
//! A rejected pair is followed by a stop order alone: the target of that lot is judged at closes. A
//! rejected stop order is placed again, then lower. After three rejections, the lot is sold. A stop
//! order that ended without our doing is placed again after 1, 2, 4 … 60 closes. Whatever rests at
//! the venue, the exit rules of the lot are judged at each close.

use super::exits::taken_back;
use super::lot_guards::Guard;
use super::sales::Sales;
use super::{Approved, Decide, Hold, Part, client_id};
use crate::risk::sizing;
use everwarm_domain::fact::{Body, BreakerLevel};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::{self, Decimal, floor_to_step};
use everwarm_domain::order::{OrderIntent, OrderType, Protection, Side, Terms};
use everwarm_domain::settings::exits::ExitRule;
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::Key;
use everwarm_kernel::stage::Out;

/// Numbers of the orders within the decisions of their lot. Exits have 0.
const STOP: u32 = 1;
const TARGET: u32 = 2;
/// The same for a pair of them.
const LIST: u32 = 3;
/// Rejections in a row after which the lot is sold.
const REJECTIONS: u32 = 3;
/// How much lower the last stop order before that is, percent of the stop.
const LOWER_PERCENT: i64 = 1;
/// How far a stop or a target must move before its order is replaced, millionths of the price. For
/// a price that an operator gave, any difference is enough.
const MOVED_PPM: i64 = 2_000;

/// What is done about the orders that protect a lot.
enum Step {
    /// They are placed: a stop order, or a pair.
    Place(Vec<Approved>),
    /// They are cancelled, and why.
    Cancel(&'static str),
    /// The lot is sold instead, and why.
    Sell(String),
    /// Nothing.
    Nothing,
}

/// Whether open orders protect a lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protected {
    /// None does.
    No,
    /// They are being cancelled.
    Ending,
    /// They do.
    Yes,
}

impl<'a> Sales<'a> {
    /// The open orders that protect a lot.
    pub(super) fn protecting(
        &self,
        symbol: Symbol,
        strategy: &str,
    ) -> impl Iterator<Item = &(&'a ClientOrderId, &'a Hold)> {
        self.of(symbol).iter().filter(move |(_, hold)| hold.protects(symbol, strategy))
    }

    /// Whether open orders protect a lot.
    pub(super) fn protected(&self, symbol: Symbol, strategy: &str) -> Protected {
        let mut protecting = self.protecting(symbol, strategy).peekable();
        if protecting.peek().is_none() {
            return Protected::No;
        }
        // Both orders of a pair are cancelled together.
        let ending = protecting.any(|(_, hold)| hold.withdrawn);
        if ending { Protected::Ending } else { Protected::Yes }
    }

    /// Whether the lot of an order has an open stop order.
    pub(super) fn has_stop(&self, hold: &Hold) -> bool {
        self.protecting(hold.symbol, &hold.strategy).any(|(_, hold)| hold.stop().is_some())
    }
}

impl Decide {
    /// Notes at each hold what its lot's stop or target is: a saved state has that once.
    pub(super) fn protect_holds(&mut self) {
        let stops = self.guards.stops().map(|(id, stop)| (id, Protection::Stop(stop)));
        let targets = self.targets.iter().map(|(id, target)| (id, Protection::Target(*target)));
        for (id, protection) in stops.chain(targets) {
            if let Some(hold) = self.holds.get_mut(id) {
                hold.protection = Some(protection);
            }
        }
    }

    /// Places and cancels the orders that protect lots, as far as something has changed.
    pub(super) fn conclude_protection<'a>(&'a self, sales: &mut Sales<'a>, out: &mut Out<Body>) {
        for (symbol, strategy, key) in self.guards.changed() {
            match self.step(symbol, strategy, sales) {
                Step::Place(approved) => {
                    if let Some(rule) = self.instruments.get(symbol)
                        && let Some(stop) = approved.first()
                    {
                        let selling = sales.selling.entry(rule.base.as_str()).or_default();
                        *selling = selling.saturating_add(stop.intent.quantity);
                    }
                    for approved in approved {
                        out.append_because([key], approved.into_body());
                    }
                }
                Step::Cancel(why) => {
                    for (id, hold) in sales.protecting(symbol, strategy) {
                        out.append_because([key], taken_back(id, hold, why.to_owned()));
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
            Step::Place(_) | Step::Cancel(_) | Step::Nothing => None,
        };
        self.guards.changed().filter_map(sold).collect()
    }

    /// Whether such an order is to be placed or cancelled that was not decided yet.
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
        let open: Vec<&Hold> = sales.protecting(symbol, strategy).map(|(_, hold)| *hold).collect();
        let ending = sales.protected(symbol, strategy) == Protected::Ending;
        match guard {
            _ if ending || sales.freed.contains(&(symbol, strategy)) => Step::Nothing,
            None if open.is_empty() => Step::Nothing,
            None => Step::Cancel("its lot is gone"),
            // What works at the venue stays until the shares are known.
            Some(_) if !open.is_empty() && self.split_allows(symbol).is_err() => {
                let waits = open.iter().any(|hold| !hold.left);
                if waits { Step::Cancel("its symbol may have been split") } else { Step::Nothing }
            }
            Some(guard) if open.is_empty() => self.place(symbol, strategy, guard, sales),
            Some(guard) => self.replace(symbol, &open, guard, lot),
        }
    }

    /// Replaces open orders if the lot, its stop or its target has changed.
    fn replace(&self, symbol: Symbol, open: &[&Hold], guard: &Guard, lot: Decimal) -> Step {
        let Some(rule) = self.instruments.get(symbol).filter(|rule| rule.trading) else {
            return Step::Nothing;
        };
        let Some(stop) = self.stop_of(guard, symbol) else { return Step::Nothing };
        if self.level == BreakerLevel::Halted {
            return Step::Nothing;
        }
        let present = open.iter().find_map(|hold| Some((hold.stop()?, *hold)));
        let Some((present, hold)) = present else {
            // A fill of the target ends the stop. Its report may come until the next close.
            return if guard.orders.wait > 0 {
                Step::Nothing
            } else {
                Step::Cancel("its stop order has ended")
            };
        };
        // What the target sold is missing in the lot, too. The end of the stop follows.
        let executed = money::total(open.iter().map(|hold| hold.executed));
        let rest = hold.quantity.saturating_sub(executed);
        let moves = |now: Decimal, before: Decimal, exact: bool| {
            let least = if exact { Decimal::ZERO } else { Decimal::new(MOVED_PPM, 6) };
            now.saturating_sub(before).abs() > before.saturating_mul(least)
        };
        let exact = guard.by_hand(&hold.strategy);
        let target = open.iter().find_map(|hold| hold.target());
        let other_target = match (self.target_of(guard, symbol, &hold.strategy), target) {
            (Some(now), Some(before)) => {
                moves(now, before, exact.target.is_some()).then_some("its target has moved")
            }
            // The venue takes pairs meanwhile, or the price has fallen below the target again. If
            // the target order ended, a fill of the stop may have ended it.
            (Some(now), None) => {
                let fits = guard.orders.wait == 0 && self.is_below(symbol, now);
                fits.then_some("a target order can rest beside it")
            }
            (None, None | Some(_)) => None,
        };
        match sizing::market(rule, lot, stop) {
            Ok(quantity) if sizing::market(rule, rest, stop).ok() != Some(quantity) => {
                Step::Cancel("the quantity of its lot has changed")
            }
            Ok(_) if moves(stop, present, exact.stop.is_some()) => {
                Step::Cancel("its stop has moved")
            }
            Ok(_) => other_target.map_or(Step::Nothing, Step::Cancel),
            Err(_) => Step::Nothing,
        }
    }

    /// The target of a lot whose venue takes pairs, on the ticks of its symbol. None after a
    /// rejection, or if an order at the target is too small for the symbol.
    fn target_of(&self, guard: &Guard, symbol: Symbol, strategy: &str) -> Option<Decimal> {
        let rule = self.instruments.get(symbol)?;
        let refused = self.unpaired.contains(&(symbol, strategy.to_owned()));
        let takes = self.pairs.contains(&rule.venue) && guard.orders.rejected == 0 && !refused;
        let target = guard.levels(Some(rule)).target.filter(|_| takes)?;
        let quantity = floor_to_step(self.lots.get(symbol, strategy), rule.lot_size);
        (quantity.saturating_mul(target) >= rule.min_notional).then_some(target)
    }

    /// Whether the last close was below a price.
    fn is_below(&self, symbol: Symbol, price: Decimal) -> bool {
        self.newest.get(symbol).is_some_and(|newest| newest.close.decimal() < price)
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
        let open = sales.of(symbol).iter().filter(|(_, hold)| hold.stop().is_some()).count();
        if open >= self.guards.most(rule) {
            return Step::Nothing;
        }
        if self.leaves(symbol, strategy, sales) {
            return Step::Nothing;
        }
        let Some(price) = self.newest.get(symbol).map(|newest| newest.close.decimal()) else {
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
        if price <= stop {
            let price = price.normalize();
            return Step::Sell(format!("stop {stop} reached: the last close was {price}"));
        }
        let (decided, revision) = self.guards.next_order(symbol, strategy);
        let id = |leg| {
            let part = Part { leg, revision };
            client_id::of(&self.identity, strategy, symbol, Side::Sell, decided, part)
        };
        let entry = guard.entry().round_dp(8).normalize();
        let order = |leg, (order_type, price), (stop, list), what: &str| {
            let terms = Terms { stop, list, leg, revision, reduce_only: true, ..Terms::default() };
            let intent = OrderIntent {
                client_id: id(leg),
                strategy: strategy.to_owned(),
                symbol,
                side: Side::Sell,
                order_type,
                quantity,
                price,
                close_time: self.closed,
                valid_until: UtcMs::MAX,
                terms: Box::new(terms),
            };
            let reason = format!("{what} the lot bought at {entry}");
            Approved { intent, reserved: Decimal::ZERO, reason, sizing: None }
        };
        let target = self.target_of(guard, symbol, strategy);
        let target = target.filter(|target| *target > price);
        let list = target.map(|_| id(LIST));
        let terms = (Some(stop), list.clone());
        let stop = order(STOP, (OrderType::Market, None), terms, "protects");
        let target = target.map(|target| {
            let priced = (OrderType::Limit, Some(target));
            order(TARGET, priced, (None, list), "takes the profit of")
        });
        Step::Place(std::iter::once(stop).chain(target).collect())
    }
}

#[cfg(test)]
#[path = "protection_tests.rs"]
pub(super) mod tests;
