//! Every order at the venue was decided and announced before it was sent, and no id is there twice.

use super::orders;
use crate::chaos::operator_steps::BY_OTHERS;
use everwarm_domain::fact::{Body, Order, Venue};
use everwarm_domain::id::ClientOrderId;
use everwarm_kernel::fact::Fact;
use serde_json::Value;
use std::collections::BTreeSet;

/// Intents and announcements so far.
#[derive(Debug, Default)]
pub struct Intended {
    intents: BTreeSet<String>,
    sent: BTreeSet<String>,
}

impl Intended {
    /// Takes one fact, in the order of the journal.
    pub fn see(&mut self, fact: &Fact<Body>) {
        if let Body::Order(Order::Intent(intent)) = &fact.body {
            self.intents.insert(intent.client_id.0.clone());
        } else if let Body::Venue(Venue::Sent { attempts }) = &fact.body {
            self.sent.extend(attempts.iter().map(|attempt| attempt.client_id.0.clone()));
        }
    }

    /// The orders in the exchange's books that were not announced, and the ids they have twice.
    #[must_use]
    pub fn end(&self, ledger: &Value) -> Vec<String> {
        let unknown = orders(ledger).filter(|order| {
            let id = order.id.as_str();
            // Nobody announces orders of an emergency sale or of other programs; the invariant of
            // positions checks that they are booked.
            let past = id.starts_with(ClientOrderId::PANIC_PREFIX) || id.starts_with(BY_OTHERS);
            !past && (!self.intents.contains(id) || !self.sent.contains(id))
        });
        let unknown =
            unknown.map(|o| format!("the venue has an order {} that was not announced", o.id));
        let mut seen = BTreeSet::new();
        let twice = orders(ledger).filter(|order| !seen.insert(order.id.clone()));
        let twice = twice.map(|order| format!("the venue has two orders {}", order.id));
        unknown.chain(twice.collect::<Vec<_>>()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{intent, ledger, sent};
    use super::*;

    #[test]
    fn an_order_nobody_decided_or_announced_is_found() {
        let mut intended = Intended::default();
        intended.see(&intent(1, "a"));
        intended.see(&sent(2, "a"));
        assert_eq!(intended.end(&ledger(&[("a", "1")])), [""; 0]);
        let broken = intended.end(&ledger(&[("a", "1"), ("b", "1")]));
        assert_eq!(broken, ["the venue has an order b that was not announced"]);
        let panic = ledger(&[("a", "1"), ("ew-panic-18c1-0", "1")]);
        assert_eq!(intended.end(&panic), [""; 0], "a person sells past the daemon");
        let twice = ledger(&[("a", "1"), ("ew-panic-18c1-0", "1"), ("ew-panic-18c1-0", "1")]);
        assert_eq!(intended.end(&twice), ["the venue has two orders ew-panic-18c1-0"]);
        intended.see(&intent(3, "c"));
        let broken = intended.end(&ledger(&[("c", "1")]));
        assert_eq!(broken, ["the venue has an order c that was not announced"]);
    }
}
