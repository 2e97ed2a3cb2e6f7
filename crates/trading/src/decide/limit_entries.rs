//! Ends limit orders of entries, and replaces those that ended without any fill.
//!
//! A limit order works for the minutes of its strategy, judged at closes. Then it is cancelled. If
//! nothing of it was filled, another one follows at the new close, as often as the strategy allows.
//! Each passes every check of an entry. What was filled is a lot, and no order follows.
//!
//! It is cancelled earlier, and not replaced, if its strategy may not enter any more: a breaker
//! level, a regime, a driver, a bias, a symbol that leaves, an odd bar, the end of the session, or
//! a strategy that is turned off. An exit of its lot cancels it, too: see [`super::exits`].

use super::exits::taken_back;
use super::sales::Sales;
use super::{Decide, Hold, Refusal, no};
use everwarm_domain::fact::{Body, Signal};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::manual::Request;
use everwarm_domain::money::{Decimal, Price, floor_to_step};
use everwarm_domain::order::{ExitPrices, MANUAL, OrderIntent, OrderStatus, Side};
use everwarm_domain::settings::{EntryRule, Strategies};
use everwarm_domain::signal::{Direction, Intent, SignalTerms};
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_kernel::fact::{Fact, Key};
use everwarm_kernel::stage::Out;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The limit orders of entries, and the rules for them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct LimitEntries {
    /// The rules of strategies that enter by limit orders.
    rules: BTreeMap<String, EntryRule>,
    /// The orders that are not final.
    working: BTreeMap<ClientOrderId, Working>,
    /// The entries to order again, by symbol and strategy.
    again: BTreeMap<(Symbol, String), Again>,
}

/// A limit order that is not final.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Working {
    symbol: Symbol,
    strategy: String,
    /// The close it was decided at, and how long it works from there, minutes; 0: until it is
    /// cancelled.
    since: UtcMs,
    minutes: u32,
    /// Whether its strategy was turned off meanwhile.
    off: bool,
    /// Whether it was cancelled because its minutes are over.
    over: bool,
    /// What follows if it ends without any fill.
    then: Again,
}

/// An entry to order again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Again {
    /// The fact with the signal, its confidence and its reason.
    key: Key,
    confidence_ppm: u32,
    reason: String,
    /// Orders that may still follow.
    left: u32,
    /// The prices of its signal at which its lot is sold.
    exits: ExitPrices,
}

impl Working {
    /// Whether its minutes are over at a close.
    fn is_over(&self, closed: UtcMs) -> bool {
        let ends = self.since.saturating_add(i64::from(self.minutes) * MINUTE);
        self.minutes > 0 && closed >= ends
    }
}

impl LimitEntries {
    /// Takes the rules of a configuration.
    pub(super) fn configured(&mut self, strategies: &Strategies) {
        let rules = strategies.0.iter().map(|(id, one)| (id.clone(), one.entry));
        self.rules = rules.filter(|(_, rule)| rule.below_ppm.is_some()).collect();
        for working in self.working.values_mut().filter(|working| working.strategy != MANUAL) {
            working.off |= !strategies.0.get(&working.strategy).is_some_and(|one| one.enabled);
        }
    }

    /// Notes that a strategy may not enter any more.
    pub(super) fn turned_off(&mut self, strategy: &str) {
        for working in self.working.values_mut() {
            working.off |= working.strategy == strategy;
        }
    }

    /// Applies a signal: an earlier one of its strategy is not followed any more.
    pub(super) fn signalled(&mut self, signal: &Signal) {
        self.again.remove(&(signal.symbol, signal.strategy.clone()));
    }

    /// Applies the decision about a lot.
    pub(super) fn decided(&mut self, symbol: Symbol, strategy: &str) {
        if !self.again.is_empty() {
            self.again.remove(&(symbol, strategy.to_owned()));
        }
    }

    /// Applies the approval of an order. `of`: the signal with its fact. `by_hand`: how long an
    /// order by hand works, minutes. One that `adds` to a lot is not followed by another one.
    pub(super) fn approved(
        &mut self,
        intent: &OrderIntent,
        (key, confidence_ppm): (Key, u32),
        (reason, by_hand, exits): (&str, u32, ExitPrices),
        adds: bool,
    ) {
        let OrderIntent { client_id, symbol, strategy, side, price, close_time, .. } = intent;
        if *side != Side::Buy || price.is_none() {
            return;
        }
        let rule = self.rules.get(strategy);
        let before = self.again.remove(&(*symbol, strategy.clone()));
        let left = match (&before, rule) {
            // Its strategy signals it again.
            _ if adds => 0,
            (Some(before), _) => before.left.saturating_sub(1),
            (None, Some(rule)) => rule.orders.saturating_sub(1),
            (None, None) => 0,
        };
        let first = Again { key, confidence_ppm, reason: reason.to_owned(), left, exits };
        let working = Working {
            symbol: *symbol,
            strategy: strategy.clone(),
            since: *close_time,
            minutes: rule.map_or(by_hand, |rule| rule.minutes),
            off: false,
            over: false,
            then: before.map_or(first, |before| Again { left, ..before }),
        };
        self.working.insert(client_id.clone(), working);
    }

    /// Applies the cancel of an order at a close. `leaves`: an exit of its lot is owed.
    pub(super) fn withdrawn(&mut self, id: &ClientOrderId, closed: UtcMs, leaves: bool) {
        if let Some(working) = self.working.get_mut(id) {
            working.over = working.is_over(closed) && !working.off && !leaves;
        }
    }

    /// Applies the end of an order.
    pub(super) fn ended(&mut self, id: &ClientOrderId, status: OrderStatus, executed: Decimal) {
        let Some(Working { symbol, strategy, over, then, .. }) = self.working.remove(id) else {
            return;
        };
        let unfilled = status == OrderStatus::Cancelled && executed.is_zero();
        if over && unfilled && then.left > 0 {
            self.again.insert((symbol, strategy), then);
        }
    }

    /// Forgets the entries of a symbol to order again.
    pub(super) fn forget(&mut self, symbol: Symbol) {
        self.again.retain(|(of, _), _| *of != symbol);
    }

    /// Whether an entry is to be ordered again.
    pub(super) fn follows(&self) -> bool {
        !self.again.is_empty()
    }

    /// Whether nothing works or follows.
    pub(super) fn is_idle(&self) -> bool {
        self.working.is_empty() && self.again.is_empty()
    }
}

impl Decide {
    /// The limit of an entry; none: a market order.
    pub(super) fn limit_of(
        &self,
        signal: &Signal,
        rule: &Instrument,
    ) -> Result<Option<Decimal>, Refusal> {
        let (limit, of) = if signal.strategy == MANUAL {
            (self.limit_by_hand().map(|limit| floor_to_step(limit, rule.tick_size)), "limit")
        } else {
            let own = self.limit_entries.rules.get(&signal.strategy);
            let price = signal.price.decimal();
            (own.and_then(|own| own.limit(price, rule.tick_size)), "close less the distance")
        };
        match limit {
            Some(limit) if limit <= Decimal::ZERO => {
                let tick = rule.tick_size.normalize();
                no("limit", format!("the {of} is below one tick of {}: {tick}", signal.symbol))
            }
            limit => Ok(limit.map(|limit| limit.normalize())),
        }
    }

    /// The signals of entries to order again, at the newest close.
    pub(super) fn signals_again(&self) -> Vec<(Key, Signal)> {
        let signal = |((symbol, strategy), again): (&(Symbol, String), &Again)| {
            let ExitPrices { stop, target } = again.exits;
            let price = self.newest.get(*symbol).map_or(Price::e8(0), |newest| newest.close);
            let signal = Signal {
                strategy: strategy.clone(),
                symbol: *symbol,
                intent: Intent::Open,
                direction: Direction::Long,
                confidence_ppm: again.confidence_ppm,
                price,
                close_time: self.closed,
                reason: again.reason.clone(),
                terms: Box::new(SignalTerms { stop, target, ..SignalTerms::default() }),
            };
            (again.key, signal)
        };
        self.limit_entries.again.iter().map(signal).collect()
    }

    /// Cancels the limit orders that end.
    pub(super) fn conclude_limit_entries(&self, sales: &Sales<'_>, out: &mut Out<Body>) {
        for (id, working) in &self.limit_entries.working {
            let hold = self.holds.get(id).filter(|hold| !hold.withdrawn);
            let Some(hold) = hold.filter(|_| !sales.withdrawn.contains(id)) else { continue };
            if let Some(why) = self.why_ends(working) {
                out.append_because([working.then.key], taken_back(id, hold, why));
            }
        }
    }

    /// Whether a limit order ends that was not cancelled yet.
    pub(super) fn limit_entry_ends(&self) -> bool {
        self.limit_entries.working.iter().any(|(id, working)| {
            let open = |hold: &Hold| !hold.withdrawn;
            self.holds.get(id).is_some_and(open) && self.why_ends(working).is_some()
        })
    }

    fn why_ends(&self, working: &Working) -> Option<String> {
        let Working { symbol, strategy, since, minutes, off, .. } = working;
        if *off {
            return Some(format!("{strategy} is turned off"));
        }
        let allowed = self
            .level_allows(*symbol, strategy)
            .and_then(|()| self.regime_allows(*symbol, strategy))
            .and_then(|()| self.drivers_allow(*symbol, strategy))
            .and_then(|()| self.values_allow(*symbol, strategy))
            .and_then(|()| self.listing_allows(*symbol))
            .and_then(|()| self.bars_allow(*symbol))
            .and_then(|()| self.response_allows(*symbol));
        if let Err(Refusal { text, .. }) = allowed {
            return Some(text);
        }
        // An operator decides how long an order works. One of this close is meant for the opening.
        if strategy != MANUAL && *since < self.closed && !self.is_open(*symbol, self.closed) {
            return Some(format!("the session of {symbol} ends with this close"));
        }
        working.is_over(self.closed).then(|| format!("it has worked for its {minutes} min"))
    }

    /// Applies the approval of a limit order of an entry.
    pub(super) fn limit_entry_approved(
        &mut self,
        fact: &Fact<Body>,
        intent: &OrderIntent,
        (reason, exits): (&str, ExitPrices),
    ) {
        if intent.price.is_none() {
            return;
        }
        let confidence = self.signal_before(intent).map_or(0, |signal| signal.confidence_ppm);
        let minutes = match self.manual.request() {
            Some(Request::Order { minutes, .. }) if intent.strategy == MANUAL => *minutes,
            Some(_) | None => 0,
        };
        let key = fact.because.first().copied().unwrap_or_default();
        let adds = self.adds(intent.symbol, &intent.strategy);
        self.limit_entries.approved(intent, (key, confidence), (reason, minutes, exits), adds);
    }

    /// The signal of this close that an order follows.
    pub(super) fn signal_before(&self, intent: &OrderIntent) -> Option<&Signal> {
        let lot = (intent.symbol, &intent.strategy);
        let of = self.waiting.iter().find(|(_, of)| (of.symbol, &of.strategy) == lot);
        of.map(|(_, signal)| signal)
    }

    /// The prices at which the lot of an entry that is ordered again is sold.
    pub(super) fn exits_again(&self, intent: &OrderIntent) -> ExitPrices {
        let name = (intent.symbol, intent.strategy.clone());
        self.limit_entries.again.get(&name).map(|again| again.exits).unwrap_or_default()
    }

    /// The limit of the present request; none: a market order.
    fn limit_by_hand(&self) -> Option<Decimal> {
        match self.manual.request()? {
            Request::Order { limit, .. } => *limit,
            Request::Close { .. } | Request::Cancel { .. } | Request::Guard { .. } => None,
        }
    }
}

#[cfg(test)]
#[path = "limit_entries_tests.rs"]
mod tests;
