//! One order for each intent: nothing is decided twice, and the venue has no order twice.

use super::orders;
use everwarm_domain::fact::{Body, Order};
use everwarm_kernel::fact::Fact;
use serde_json::Value;
use std::collections::BTreeSet;

/// Intents so far.
#[derive(Debug, Default)]
pub struct Once {
    intents: BTreeSet<String>,
    broken: Vec<String>,
}

impl Once {
    /// Takes one fact, in the order of the journal.
    pub fn see(&mut self, fact: &Fact<Body>) {
        if let Body::Order(Order::Intent(intent)) = &fact.body
            && !self.intents.insert(intent.client_id.0.clone())
        {
            self.broken.push(format!("{} was decided twice", intent.client_id));
        }
    }

    /// Intents decided twice, and orders that the exchange's books have twice.
    #[must_use]
    pub fn end(&self, ledger: &Value) -> Vec<String> {
        let mut known = BTreeSet::new();
        let twice = orders(ledger).filter(|order| !known.insert(order.id.clone()));
        let twice = twice.map(|order| format!("the venue has two orders {}", order.id));
        self.broken.iter().cloned().chain(twice).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{intent, ledger};
    use super::*;

    #[test]
    fn a_second_intent_and_a_second_order_are_found() {
        let mut once = Once::default();
        once.see(&intent(1, "a"));
        assert_eq!(once.end(&ledger(&[("a", "1")])), [""; 0]);
        assert_eq!(once.end(&ledger(&[("a", "1"), ("a", "1")])), ["the venue has two orders a"]);
        once.see(&intent(2, "a"));
        assert_eq!(once.end(&ledger(&[("a", "1")])), ["a was decided twice"]);
    }
}
