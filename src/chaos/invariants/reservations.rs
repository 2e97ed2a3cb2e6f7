//! Reservations match open orders whenever the decision appends an approval. The reserved orders
//! are the intents that are not final. Each reservation is the approved amount less what was paid
//! since. Paid is the sum of the fills, which the decision does not read. If the venue reported a
//! larger executed quantity than the fills, that report counts.

use everwarm_domain::fact::kinds::rank;
use everwarm_domain::fact::{Body, Decision, Order};
use everwarm_domain::id::ClientOrderId;
use everwarm_domain::money::Decimal;
use everwarm_kernel::fact::Fact;
use everwarm_kernel::stage::Stage as _;
use everwarm_runtime::store::Store;
use everwarm_trading::decide::Decide;
use std::collections::{BTreeMap, BTreeSet};

/// Rounding of the venue: one fill may differ from its order state by this much.
const ROUNDED: Decimal = Decimal::from_parts(1, 0, 0, false, 8);

/// The last input that the order manager has passed, in a store.
///
/// # Errors
/// The store cannot be read.
pub fn managed(store: &Store) -> Result<u64, String> {
    let found = store.recover().map_err(|e| e.to_string())?;
    let manager = found.progress().find(|(of, _)| *of == rank::ORDER_MANAGER.0);
    Ok(manager.map_or(0, |(_, passed)| passed))
}

/// What was paid for an order: quantity, quote, number of fills.
#[derive(Clone, Copy, Debug, Default)]
struct Paid {
    quantity: Decimal,
    quote: Decimal,
    fills: u32,
}

/// The reservations of the decision, and the open intents.
#[derive(Debug, Default)]
pub struct Reservations {
    decide: Decide,
    /// What was approved for each order, quote units.
    approved: BTreeMap<ClientOrderId, Decimal>,
    /// The intents that are not final.
    open: BTreeMap<ClientOrderId, Paid>,
    /// Executed quantity and quote of each open intent, as the venue reported it.
    reported: BTreeMap<ClientOrderId, Paid>,
    /// Input of the last approval, and the orders approved there.
    at: u64,
    last: BTreeSet<ClientOrderId>,
    broken: Vec<String>,
}

impl Reservations {
    /// Takes one fact, in the order of the journal.
    pub fn see(&mut self, fact: &Fact<Body>) {
        if let Body::Decision(Decision::Approved { intent, reserved, .. }) = &fact.body {
            // By now its earlier approvals are intents, and it has read their reports.
            if fact.key.n != self.at {
                self.compare(&BTreeSet::new());
                self.at = fact.key.n;
                self.last.clear();
            }
            self.last.insert(intent.client_id.clone());
            self.approved.insert(intent.client_id.clone(), *reserved);
            self.decide.evolve(fact);
        } else if let Body::Order(order) = &fact.body {
            self.order(order);
            self.decide.evolve(fact);
        }
    }

    fn order(&mut self, order: &Order) {
        if let Order::Intent(intent) = order {
            self.open.insert(intent.client_id.clone(), Paid::default());
        } else if let Order::Filled { client_id, fill, .. } = order {
            if let Some(paid) = self.open.get_mut(client_id) {
                paid.quantity += fill.quantity;
                paid.quote += fill.quantity * fill.price;
                paid.fills += 1;
            }
        } else if let Order::Changed { client_id, status, executed, executed_quote, .. } = order {
            if status.is_final() {
                self.open.remove(client_id);
                self.reported.remove(client_id);
            } else {
                let paid = Paid { quantity: *executed, quote: *executed_quote, fills: 0 };
                self.reported.insert(client_id.clone(), paid);
            }
        }
    }

    fn compare(&mut self, without: &BTreeSet<ClientOrderId>) {
        let at = self.at;
        let held = self.decide.held().filter(|(id, _)| !without.contains(*id));
        let held: BTreeMap<&ClientOrderId, Decimal> = held.collect();
        if !held.keys().copied().eq(self.open.keys()) {
            let (held, open) = (held.keys(), self.open.keys());
            self.broken
                .push(format!("after {at} something is held for {held:?}, open are {open:?}"));
            return;
        }
        for (id, paid) in &self.open {
            let reported = self.reported.get(id).copied().unwrap_or_default();
            let paid = if paid.quantity >= reported.quantity { *paid } else { reported };
            let approved = self.approved.get(id).copied().unwrap_or_default();
            let (open, held) = ((approved - paid.quote).max(Decimal::ZERO), held[id]);
            if (open - held).abs() > ROUNDED * Decimal::from(paid.fills) {
                let quote = paid.quote;
                self.broken.push(format!(
                    "after {at} {held} is held for {id}, approved are {approved}, paid are {quote}"
                ));
            }
        }
    }

    /// The differences found, one sentence each. `managed` is the last input that the order manager
    /// has passed. A process may end before it passes the input of the last approvals: then these
    /// have no intents.
    #[must_use]
    pub fn end(mut self, managed: u64) -> Vec<String> {
        let last = std::mem::take(&mut self.last);
        let without = if managed < self.at { last } else { BTreeSet::new() };
        self.compare(&without);
        self.broken
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{approved, changed, filled, intent};
    use super::*;
    use everwarm_domain::order::{OrderStatus, Side};

    fn after(facts: &[Fact<Body>]) -> Vec<String> {
        until(u64::MAX, facts)
    }

    /// The differences if the order manager has passed only this input.
    fn until(managed: u64, facts: &[Fact<Body>]) -> Vec<String> {
        let mut reservations = Reservations::default();
        for fact in facts {
            reservations.see(fact);
        }
        reservations.end(managed)
    }

    #[test]
    fn a_reservation_without_an_open_intent_is_found() {
        let bought = [approved(1, "a"), intent(1, "a"), changed(2, "a", OrderStatus::Filled)];
        assert_eq!(after(&bought), [""; 0]);
        assert_eq!(after(&bought[..2]), [""; 0], "open on both sides");
        assert_eq!(after(&bought[..1]).len(), 1, "an approval without its intent");
        assert_eq!(until(0, &bought[..1]), [""; 0], "its process ended before the intent");
        assert_eq!(until(1, &bought[..1]).len(), 1, "the order manager has passed it");
        let earlier = [approved(1, "a"), approved(2, "b")];
        assert!(until(1, &earlier)[0].starts_with("after 1 "), "{:?}", until(1, &earlier));
        assert_eq!(after(&bought[1..2]).len(), 1, "an intent that nobody approved");
        let later = [approved(1, "a"), approved(3, "b"), intent(1, "a"), intent(3, "b")];
        assert!(after(&later)[0].starts_with("after 1 "), "{:?}", after(&later));
    }

    #[test]
    fn an_amount_that_is_never_given_back_is_found() {
        // One order is approved and paid in full by a fill without an order state. The decision
        // reads only order states, so it still reserves the amount.
        let open = [approved(1, "a"), intent(1, "a"), changed(2, "a", OrderStatus::Open)];
        assert_eq!(after(&open), [""; 0]);
        let paid = [&open[..], &[filled(2, "a", Side::Buy, 7, 1)]].concat();
        assert_eq!(after(&paid), ["after 1 1 is held for a, approved are 1, paid are 1"]);
        let over = [&paid[..], &[changed(3, "a", OrderStatus::Filled)]].concat();
        assert_eq!(after(&over), [""; 0]);
    }
}
