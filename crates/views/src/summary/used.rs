//! What was used of the limits of a day: the breaker itself counts it, from the facts it saw, in
//! the order in which it saw them.

use super::period::Period;
use everwarm_domain::fact::{Body, Ledger, Market, Order, Venue};
use everwarm_domain::id::ClientOrderId;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::{DAY, UtcMs, day_of};
use everwarm_history::book_changes::Booked;
use everwarm_history::records::OrderView;
use everwarm_kernel::fact::{Fact, Key};
use everwarm_kernel::stage::Stage as _;
use everwarm_trading::risk::Breaker;
use std::collections::{BTreeMap, BTreeSet};

/// The most that was used on a UTC day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Orders in a row that left and came to nothing.
    pub failures: u32,
    /// Entries that were filled, wholly or partly.
    pub entries: u32,
    /// Loss locked in, not below zero.
    pub loss: Decimal,
}

/// What limits count of a part of the journal.
#[derive(Debug, Default)]
pub struct Counting {
    /// Number of the first input in it; what is said about earlier ones is not whole.
    first: Option<u64>,
    /// Stages say their facts later than inputs come: here they are in the order of their keys.
    facts: BTreeMap<Key, Fact<Body>>,
    /// The day of the newest close.
    day: Option<i64>,
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
            // Of closes only the turn of a day counts, and they are the most and the largest.
            Body::Market(Market::Close { time, .. }) if self.day < Some(day_of(*time)) => {
                self.day = Some(day_of(*time));
                Body::Market(Market::close(*time, Vec::new(), Vec::new()))
            }
            Body::Venue(Venue::Sent { .. })
            | Body::Order(Order::Changed { .. } | Order::Filled { .. })
            | Body::Ledger(Ledger::Position { .. }) => fact.body.clone(),
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

    /// The close of the oldest order that changed and is older than an instant: it may have left
    /// before what was taken in.
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

    /// The most that was used on the days a period touches, after what the books were and what had
    /// been sent before.
    pub fn used(self, period: Period, booked: &[Booked], sent: &[Fact<Body>]) -> Used {
        let (mut breaker, mut used) = (Breaker::default(), Used::default());
        let Some(first) = self.first else { return used };
        for fact in sent {
            breaker.evolve(fact);
        }
        for change in booked.iter().take_while(|change| change.input < first) {
            breaker.evolve(&position(change));
        }
        for fact in self.facts.values() {
            breaker.evolve(fact);
            let (counts, _) = breaker.counted();
            let from = counts.day.saturating_mul(DAY);
            if from < period.to && period.from < from.saturating_add(DAY) {
                used.failures = used.failures.max(counts.failures);
                used.entries = used.entries.max(counts.entries);
                used.loss = used.loss.max(-counts.realized);
            }
        }
        used
    }
}

/// A change of the books as the ledger said it, as far as it is kept.
fn position(change: &Booked) -> Fact<Body> {
    let after = &change.after;
    let body = Body::Ledger(Ledger::Position {
        symbol: after.symbol,
        quantity: after.quantity,
        cost: after.cost,
        realized_pnl: after.realized_pnl,
        cash: Decimal::ZERO,
    });
    let key = Key { n: change.input, rank: 0, i: 0 };
    Fact { key, time: after.time, version: 0, because: Vec::new(), body }
}
