//! What is reserved is what is open: whenever the decision speaks, the orders it holds something
//! for are the intents that are not final, and for each it holds what was approved less what was
//! paid since. What was paid is the sum of its fills, of which the decision knows nothing; what the
//! venue has executed and told no fill of yet counts as it told it.

use everwarm_domain::fact::{Body, Decision, Order};
use everwarm_domain::id::ClientOrderId;
use everwarm_domain::money::Decimal;
use everwarm_kernel::fact::Fact;
use everwarm_kernel::stage::Stage as _;
use everwarm_trading::decide::Decide;
use std::collections::BTreeMap;

/// By how much one fill may differ from what the venue told of its order: it rounds to this.
const ROUNDED: Decimal = Decimal::from_parts(1, 0, 0, false, 8);

/// What was paid for an order: quantity, quote, number of fills.
#[derive(Clone, Copy, Debug, Default)]
struct Paid {
    quantity: Decimal,
    quote: Decimal,
    fills: u32,
}

/// The decision's own holds, and the intents that are open.
#[derive(Debug, Default)]
pub struct Reservations {
    decide: Decide,
    /// What was approved for each order, quote units.
    approved: BTreeMap<ClientOrderId, Decimal>,
    /// The intents that are not final.
    open: BTreeMap<ClientOrderId, Paid>,
    /// What the venue told of each of them.
    told: BTreeMap<ClientOrderId, Paid>,
    /// Input at which it spoke last.
    at: u64,
    broken: Vec<String>,
}

impl Reservations {
    /// Takes one fact, in the order of the journal.
    pub fn see(&mut self, fact: &Fact<Body>) {
        if let Body::Decision(Decision::Approved { intent, reserved, .. }) = &fact.body {
            // What it said before has become intents, and it has heard what became of them.
            if fact.key.n != self.at {
                self.compare();
                self.at = fact.key.n;
            }
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
                self.told.remove(client_id);
            } else {
                let paid = Paid { quantity: *executed, quote: *executed_quote, fills: 0 };
                self.told.insert(client_id.clone(), paid);
            }
        }
    }

    fn compare(&mut self) {
        let at = self.at;
        let held: BTreeMap<&ClientOrderId, Decimal> = self.decide.held().collect();
        if !held.keys().copied().eq(self.open.keys()) {
            let (held, open) = (held.keys(), self.open.keys());
            self.broken
                .push(format!("after {at} something is held for {held:?}, open are {open:?}"));
            return;
        }
        for (id, paid) in &self.open {
            let told = self.told.get(id).copied().unwrap_or_default();
            let paid = if paid.quantity >= told.quantity { *paid } else { told };
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

    /// What did not hold.
    #[must_use]
    pub fn end(mut self) -> Vec<String> {
        self.compare();
        self.broken
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{approved, changed, filled, intent};
    use super::*;
    use everwarm_domain::order::{OrderStatus, Side};

    fn after(facts: &[Fact<Body>]) -> Vec<String> {
        let mut reservations = Reservations::default();
        for fact in facts {
            reservations.see(fact);
        }
        reservations.end()
    }

    #[test]
    fn a_reservation_without_an_open_intent_is_found() {
        let bought = [approved(1, "a"), intent(1, "a"), changed(2, "a", OrderStatus::Filled)];
        assert_eq!(after(&bought), [""; 0]);
        assert_eq!(after(&bought[..2]), [""; 0], "open on both sides");
        assert_eq!(after(&bought[..1]).len(), 1, "an approval without its intent");
        assert_eq!(after(&bought[1..2]).len(), 1, "an intent that nobody approved");
        let later = [approved(1, "a"), approved(3, "b"), intent(1, "a"), intent(3, "b")];
        assert!(after(&later)[0].starts_with("after 1 "), "{:?}", after(&later));
    }

    #[test]
    fn an_amount_that_is_never_given_back_is_found() {
        // One is approved and paid whole, in a fill the venue told no order state with: the
        // decision, which knows states alone, still holds it.
        let open = [approved(1, "a"), intent(1, "a"), changed(2, "a", OrderStatus::Open)];
        assert_eq!(after(&open), [""; 0]);
        let paid = [&open[..], &[filled(2, "a", Side::Buy, 7, 1)]].concat();
        assert_eq!(after(&paid), ["after 1 1 is held for a, approved are 1, paid are 1"]);
        let over = [&paid[..], &[changed(3, "a", OrderStatus::Filled)]].concat();
        assert_eq!(after(&over), [""; 0]);
    }
}
