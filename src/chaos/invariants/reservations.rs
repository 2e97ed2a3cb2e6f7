//! What is reserved is what is open: whenever the decision speaks, the orders it holds something
//! for are the intents that are not final.

use crate::domain::fact::{Body, Decision, Order};
use crate::domain::id::ClientOrderId;
use crate::trading::decide::Decide;
use everwarm_runtime::fact::Fact;
use everwarm_runtime::stage::Stage as _;
use std::collections::BTreeSet;

/// The decision's own holds, and the intents that are open.
#[derive(Debug, Default)]
pub struct Reservations {
    decide: Decide,
    open: BTreeSet<ClientOrderId>,
    /// Input at which it spoke last.
    at: u64,
    broken: Vec<String>,
}

impl Reservations {
    /// Takes one fact, in the order of the journal.
    pub fn see(&mut self, fact: &Fact<Body>) {
        if let Body::Decision(Decision::Approved { .. }) = &fact.body {
            // What it said before has become intents, and it has heard what became of them.
            if fact.key.n != self.at {
                self.compare();
                self.at = fact.key.n;
            }
            self.decide.evolve(fact);
        } else if let Body::Order(Order::Changed { client_id, status, .. }) = &fact.body {
            if status.is_final() {
                self.open.remove(client_id);
            }
            self.decide.evolve(fact);
        } else if let Body::Order(Order::Intent(intent)) = &fact.body {
            self.open.insert(intent.client_id.clone());
        }
    }

    fn compare(&mut self) {
        let held: BTreeSet<&ClientOrderId> = self.decide.held().collect();
        let open: BTreeSet<&ClientOrderId> = self.open.iter().collect();
        if held != open {
            let at = self.at;
            self.broken
                .push(format!("after {at} something is held for {held:?}, open are {open:?}"));
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
    use super::super::testing::{approved, changed, intent};
    use super::*;
    use crate::domain::order::OrderStatus;

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
}
