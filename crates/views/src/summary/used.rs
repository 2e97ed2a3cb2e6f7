//! The usage of daily limits. The breaker itself counts it, from the facts it saw, in the order in
//! which it saw them.

use super::period::Period;
use everwarm_domain::fact::{Body, Ledger, Market, Order, Venue};
use everwarm_domain::id::ClientOrderId;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::{DAY, UtcMs, day_of};
use everwarm_history::records::{EquityView, OrderView};
use everwarm_kernel::fact::{Fact, Key};
use everwarm_kernel::stage::Stage as _;
use everwarm_trading::risk::Breaker;
use std::collections::{BTreeMap, BTreeSet};

/// The largest usage on a UTC day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Orders in a row that were sent and ended without a fill.
    pub failures: u32,
    /// Entries that were filled, wholly or partly.
    pub entries: u32,
    /// Largest loss of equity since the day began, quote units, not below 0.
    pub loss: Decimal,
}

/// The facts of a part of the journal that limits count.
#[derive(Debug, Default)]
pub struct Counting {
    /// Number of its first input. Facts about earlier inputs are incomplete, so they are skipped.
    first: Option<u64>,
    /// In the order of their keys; in the journal, facts of stages may follow later inputs.
    facts: BTreeMap<Key, Fact<Body>>,
    /// The day of the newest close.
    day: Option<i64>,
    /// The newest equity: its day, and the fact if it is not taken in.
    equity: Option<(i64, Option<Fact<Body>>)>,
    /// The lowest equity of that day without adjustments.
    least: Decimal,
}

impl Counting {
    /// Takes one fact in, in the order of the journal.
    pub fn take(&mut self, fact: &Fact<Body>) {
        if fact.key.rank == 0 {
            self.first.get_or_insert(fact.key.n);
        }
        if self.first.is_none_or(|first| fact.key.n < first) {
            return;
        }
        let body = match &fact.body {
            // Only the first close of a day matters; closes are the most frequent and largest
            // facts.
            Body::Market(Market::Close { time, .. }) if self.day < Some(day_of(*time)) => {
                self.day = Some(day_of(*time));
                Body::Market(Market::close(*time, Vec::new(), Vec::new()))
            }
            // Of the equities of a day only the first, the last and new lows matter.
            Body::Ledger(Ledger::Equity { time, equity, adjusted, .. }) => {
                let (day, own) = (day_of(*time), equity.saturating_sub(*adjusted));
                let last = self.equity.replace((day, None));
                let is_new_day = last.as_ref().is_none_or(|(last, _)| *last != day);
                if is_new_day && let Some(fact) = last.and_then(|(_, fact)| fact) {
                    self.facts.insert(fact.key, fact);
                }
                if !is_new_day && own >= self.least {
                    self.equity = Some((day, Some(fact.clone())));
                    return;
                }
                self.least = own;
                fact.body.clone()
            }
            Body::Venue(Venue::Sent { .. })
            | Body::Order(Order::Changed { .. } | Order::Filled { .. }) => fact.body.clone(),
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => return,
        };
        self.facts.insert(fact.key, Fact { body, because: Vec::new(), ..*fact });
    }

    /// The close of the oldest order that changed here and is older than `than`. It may have been
    /// sent before the first fact here.
    pub fn older(&self, orders: &[OrderView], than: UtcMs) -> Option<UtcMs> {
        let changed = |fact: &Fact<Body>| {
            if let Body::Order(Order::Changed { client_id, .. }) = &fact.body {
                return Some(client_id.clone());
            }
            None
        };
        let changed: BTreeSet<ClientOrderId> = self.facts.values().filter_map(changed).collect();
        let old = orders.iter().filter(|order| order.time < than);
        old.filter(|order| changed.contains(&order.client_order_id)).map(|o| o.time).min()
    }

    /// The largest usage on the days that a period touches. `points` has the equity by close,
    /// `sent` the orders sent earlier.
    pub fn used(self, period: Period, points: &[EquityView], sent: &[Fact<Body>]) -> Used {
        let (mut breaker, mut used) = (Breaker::default(), Used::default());
        for fact in sent {
            breaker.evolve(fact);
        }
        let time = |fact: &Fact<Body>| match &fact.body {
            Body::Ledger(Ledger::Equity { time, .. }) => Some(*time),
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => None,
        };
        let first = self.facts.values().find_map(time).unwrap_or(UtcMs::MAX);
        let before = points.iter().take_while(|point| point.time < first).last();
        if let Some(point) = before {
            breaker.evolve(&equity(point));
        }
        for fact in self.facts.values() {
            breaker.evolve(fact);
            let (counts, _) = breaker.counted();
            let from = counts.day.saturating_mul(DAY);
            if from < period.to && period.from < from.saturating_add(DAY) {
                used.failures = used.failures.max(counts.failures);
                used.entries = used.entries.max(counts.entries);
                used.loss = used.loss.max(counts.loss);
            }
        }
        used
    }
}

/// The ledger's fact about a recorded equity.
fn equity(point: &EquityView) -> Fact<Body> {
    let EquityView { time, equity, adjusted, .. } = *point;
    let body = Body::Ledger(Ledger::Equity { time, equity, cash: Decimal::ZERO, adjusted });
    Fact { key: Key { n: 0, rank: 0, i: 0 }, time, version: 0, because: Vec::new(), body }
}
