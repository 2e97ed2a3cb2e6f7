//! Counts the way from signals to profit: a fold over the facts of a period.
//!
//! Signals, exits and orders belong to the close at which they were decided. What becomes of an
//! order later counts for it, so each step is a part of the step before. Closed trades come from
//! the history.
//!
//! Memory does not grow with the journal: only open orders, the newest ended ones and owed exits
//! are kept.

#[cfg(test)]
mod tests;

use super::exit::Failure;
use super::journal_reader::JournalFacts;
use super::stored_texts::shown;
use super::summary::{Period, first_row};
use super::views::{ClosedTradesView, FunnelView, StepsView, StrategyFunnelView};
use everwarm_domain::fact::kinds::rank;
use everwarm_domain::fact::{Analysis, Body, Decision, Market, Operator, Order, Venue};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{MANUAL, OrderIntent, OrderStatus, Side};
use everwarm_domain::signal::Intent;
use everwarm_domain::time::{DAY, MINUTE, UtcMs};
use everwarm_history::History;
use everwarm_history::book_changes::Share;
use everwarm_kernel::fact::Fact;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;

/// Decimals of a ratio.
const RATIO: u32 = 6;
/// Number of ended orders that are kept, because a fill may be reported after the end.
const ENDED: usize = 10_000;
/// Number of different reasons that are counted by themselves.
const REASONS: usize = 20;
/// The name of all other reasons.
const OTHER: &str = "other";
/// Facts of different inputs may be out of time order, but by less than this.
const SLACK: UtcMs = 60 * MINUTE;

/// Counts the steps from signals to profit in a period; without one, in the whole journal.
///
/// # Errors
/// The history or the journal could not be read.
pub fn funnel(
    history: &History,
    journal: &dyn JournalFacts,
    period: Option<Period>,
) -> Result<FunnelView, Failure> {
    let mut fold = FunnelFold { period, ..FunnelFold::default() };
    let from = match period {
        Some(period) => first_row(journal, period.from.saturating_sub(SLACK))?,
        None => 1,
    };
    journal.each(from, &mut |_, fact| {
        fold.fold(fact);
        if fold.is_over(fact) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    let shares = history.shares(&history.booked()?)?;
    fold.trades(&shares);
    Ok(fold.finish())
}

/// The kind of an order: which line it counts in.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Entry,
    Exit,
    Protective,
}

impl Way {
    fn of(intent: &OrderIntent) -> Way {
        if intent.terms.parent.is_some() || intent.terms.reduce_only {
            return Way::Protective;
        }
        match intent.side {
            Side::Buy => Way::Entry,
            Side::Sell => Way::Exit,
        }
    }

    /// Whether a signal enters or exits.
    const fn of_signal(intent: Intent) -> Way {
        match intent {
            Intent::Open | Intent::Add => Way::Entry,
            Intent::Reduce | Intent::Close => Way::Exit,
        }
    }
}

/// An order of the period.
#[derive(Debug)]
struct Tracked {
    strategy: String,
    way: Way,
    status: OrderStatus,
    sent: bool,
    withdrawn: bool,
    fills: u64,
    reason: String,
}

/// Counts of the steps so far.
#[derive(Debug, Default)]
pub struct FunnelFold {
    period: Option<Period>,
    closes: u64,
    /// The newest close.
    closed: UtcMs,
    strategies: BTreeMap<String, StrategyFunnelView>,
    orders: BTreeMap<ClientOrderId, Tracked>,
    /// Ended orders, the oldest first.
    ended: VecDeque<ClientOrderId>,
    /// Exits that are owed, and why they wait.
    owed: BTreeMap<(String, Symbol, UtcMs), Option<String>>,
    /// Number of the first close after the period.
    end: Option<u64>,
}

impl FunnelFold {
    /// Takes one fact in, in the order of the journal.
    pub fn fold(&mut self, fact: &Fact<Body>) {
        match &fact.body {
            Body::Market(Market::Close { time, .. }) => {
                self.closes += u64::from(self.counts(*time));
                self.closed = *time;
                if self.period.is_some_and(|period| *time > period.to) {
                    self.end.get_or_insert(fact.key.n);
                }
            }
            Body::Analysis(Analysis::Signals { rows }) => {
                for signal in rows {
                    if self.counts(signal.close_time) {
                        self.steps(&signal.strategy, Way::of_signal(signal.intent)).signals += 1;
                    }
                }
            }
            // The decision takes it as a signal of the newest close.
            Body::Operator(Operator::Manual { request, .. }) if self.counts(self.closed) => {
                let way = Way::of_signal(request.side().into());
                self.steps(MANUAL, way).signals += 1;
            }
            Body::Decision(decision) => self.decided(decision),
            Body::Order(order) => self.ordered(order),
            Body::Venue(Venue::Sent { attempts }) => {
                for attempt in attempts {
                    if let Some(order) = self.orders.get_mut(&attempt.client_id) {
                        order.sent = true;
                    }
                }
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Ledger(_) => {}
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn decided(&mut self, decision: &Decision) {
        match decision {
            Decision::Declined { signal, code, .. } if self.counts(signal.close_time) => {
                let steps = self.steps(&signal.strategy, Way::of_signal(signal.intent));
                *steps.declined.entry(code.clone()).or_default() += 1;
            }
            Decision::Approved { intent, .. } if self.counts(intent.close_time) => {
                self.steps(&intent.strategy, Way::of(intent)).approved += 1;
            }
            Decision::Withdrawn { client_id, .. } => {
                if let Some(order) = self.orders.get_mut(client_id) {
                    order.withdrawn = true;
                }
            }
            Decision::Owed { strategy, symbol, since, refusal, ended, rule, .. }
                if self.counts(*since) =>
            {
                let name = (strategy.clone(), *symbol, *since);
                let of = &mut self.strategies.entry(strategy.clone()).or_default().owed;
                match self.owed.entry(name) {
                    Entry::Vacant(new) => {
                        of.opened += 1;
                        of.by_rules += u64::from(rule.is_some());
                        if ended.is_none() {
                            new.insert(refusal.clone());
                        } else {
                            of.ended += 1;
                        }
                    }
                    Entry::Occupied(known) if ended.is_some() => {
                        known.remove();
                        of.ended += 1;
                    }
                    Entry::Occupied(mut known) => known.get_mut().clone_from(refusal),
                }
            }
            _ => {}
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn ordered(&mut self, order: &Order) {
        match order {
            Order::Intent(intent) if self.counts(intent.close_time) => {
                let order = Tracked {
                    strategy: intent.strategy.clone(),
                    way: Way::of(intent),
                    status: OrderStatus::Intent,
                    sent: false,
                    withdrawn: false,
                    fills: 0,
                    reason: String::new(),
                };
                self.orders.insert(intent.client_id.clone(), order);
            }
            Order::Changed { client_id, status, reason, .. } => {
                let Some(order) = self.orders.get_mut(client_id) else { return };
                if status.is_final() && !order.status.is_final() {
                    self.ended.push_back(client_id.clone());
                }
                order.status = *status;
                order.reason.clone_from(reason);
                self.settle_oldest();
            }
            Order::Filled { client_id, .. } => {
                if let Some(order) = self.orders.get_mut(client_id) {
                    order.fills += 1;
                }
            }
            _ => {}
        }
    }

    /// Counts the closed trades of the period.
    pub fn trades(&mut self, shares: &[Share]) {
        let mut held: BTreeMap<(Symbol, &str), (Decimal, Decimal)> = BTreeMap::new();
        for Share { time, symbol, strategy, added } in shares {
            let (quantity, made) = held.entry((*symbol, strategy)).or_default();
            *quantity = quantity.saturating_add(added.quantity);
            *made = made.saturating_add(added.realized);
            if !quantity.is_zero() {
                continue;
            }
            let profit = std::mem::take(made);
            // Without a lot, the profit is that of external holdings: no trade.
            let is_trade = !added.quantity.is_zero();
            if is_trade && self.period.is_none_or(|period| period.has(*time)) {
                let of = self.strategies.entry(strategy.clone()).or_default();
                let trades: &mut ClosedTradesView = &mut of.trades;
                trades.closed += 1;
                trades.won += u64::from(profit > Decimal::ZERO);
                trades.lost += u64::from(profit <= Decimal::ZERO);
                trades.realized = trades.realized.saturating_add(profit);
            }
        }
    }

    /// The counts, after the last fact.
    #[must_use]
    pub fn finish(mut self) -> FunnelView {
        for (_, order) in std::mem::take(&mut self.orders) {
            self.settle(&order);
        }
        for ((strategy, ..), why) in std::mem::take(&mut self.owed) {
            let of = &mut self.strategies.entry(strategy).or_default().owed;
            of.owed += 1;
            if let Some(why) = why {
                count(&mut of.waiting, &shown(&why));
            }
        }
        let mut view = FunnelView {
            from: self.period.map(|period| period.from),
            to: self.period.map(|period| period.to),
            closes: self.closes,
            ..FunnelView::default()
        };
        for (strategy, mut of) in self.strategies {
            of.strategy = strategy;
            of.trades.realized = of.trades.realized.normalize();
            for steps in [&mut of.entries, &mut of.exits, &mut of.protective] {
                rates(steps);
                view.orders += steps.orders;
                view.failed += steps.failed;
            }
            view.strategies.push(of);
        }
        view.failure_rate = ratio(view.failed, view.orders);
        view
    }

    /// Whether nothing more of the period can follow. An order may end up to a day later.
    fn is_over(&self, fact: &Fact<Body>) -> bool {
        let Some(period) = self.period else { return false };
        let passed = fact.key.rank == rank::LEDGER.0 && self.end.is_some_and(|n| fact.key.n >= n);
        let is_done = || self.orders.values().all(|order| order.status.is_final());
        passed && (fact.time > period.to.saturating_add(DAY) || is_done())
    }

    /// Whether what was decided at a close belongs to the period.
    fn counts(&self, close: UtcMs) -> bool {
        self.period.is_none_or(|period| period.closes(close))
    }

    fn steps(&mut self, strategy: &str, way: Way) -> &mut StepsView {
        let of = self.strategies.entry(strategy.to_owned()).or_default();
        match way {
            Way::Entry => &mut of.entries,
            Way::Exit => &mut of.exits,
            Way::Protective => &mut of.protective,
        }
    }

    /// Counts the oldest ended orders, if there are too many.
    fn settle_oldest(&mut self) {
        while self.ended.len() > ENDED
            && let Some(id) = self.ended.pop_front()
        {
            // One that was sent in the moment of its end is open again, and ends again.
            if self.orders.get(&id).is_some_and(|order| order.status.is_final())
                && let Some(order) = self.orders.remove(&id)
            {
                self.settle(&order);
            }
        }
    }

    /// Counts an order.
    fn settle(&mut self, order: &Tracked) {
        let steps = self.steps(&order.strategy, order.way);
        steps.orders += 1;
        steps.fills += order.fills;
        steps.sent += u64::from(order.sent);
        steps.filled += u64::from(order.fills > 0);
        steps.withdrawn += u64::from(order.withdrawn && !order.sent);
        let ended = match order.status {
            OrderStatus::Filled => "filled",
            OrderStatus::Cancelled => "cancelled",
            OrderStatus::Rejected => "rejected",
            OrderStatus::Expired => "expired",
            OrderStatus::Intent
            | OrderStatus::Sent
            | OrderStatus::Unknown
            | OrderStatus::Open
            | OrderStatus::PartlyFilled => {
                steps.open += 1;
                return;
            }
        };
        *steps.ended.entry(ended.to_owned()).or_default() += 1;
        let unsent = order.status == OrderStatus::Expired && !order.sent;
        if order.status == OrderStatus::Rejected || unsent {
            steps.failed += 1;
            count(&mut steps.failures, &shown(&order.reason));
        }
    }
}

/// Counts a reason. Beyond the first ones, all count together.
fn count(reasons: &mut BTreeMap<String, u64>, why: &str) {
    let known = reasons.contains_key(why) || reasons.len() < REASONS;
    *reasons.entry(if known { why } else { OTHER }.to_owned()).or_default() += 1;
}

fn rates(steps: &mut StepsView) {
    steps.failure_rate = ratio(steps.failed, steps.orders);
    steps.approved_rate = ratio(steps.approved, steps.signals);
    steps.sent_rate = ratio(steps.sent, steps.orders);
    steps.filled_rate = ratio(steps.filled, steps.sent);
}

fn ratio(part: u64, whole: u64) -> Option<Decimal> {
    let ratio = Decimal::from(part).checked_div(whole.into());
    ratio.map(|ratio| ratio.round_dp(RATIO).normalize())
}
