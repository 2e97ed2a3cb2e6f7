//! A lot has at most one order that is not final, and one stop order beside it. An order withdrawn
//! before it was sent never leaves, and only sent orders are cancelled.

use everwarm_domain::fact::{Body, Decision, Order, Venue};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::order::{Protection, SendAttempt};
use everwarm_kernel::fact::Fact;
use std::collections::{BTreeMap, BTreeSet};

/// Symbol and strategy of an order, and whether it is a stop order.
type Lot = (Symbol, String, &'static str);

/// Orders that are not final, sent or withdrawn so far.
#[derive(Debug, Default)]
pub struct Living {
    orders: BTreeMap<ClientOrderId, Lot>,
    sent: BTreeSet<ClientOrderId>,
    /// Orders with the number of the first attempt that must not be sent.
    withdrawn: BTreeMap<ClientOrderId, u32>,
    attempts: BTreeMap<ClientOrderId, u32>,
    broken: Vec<String>,
}

impl Living {
    /// Takes one fact, in the order of the journal.
    pub fn see(&mut self, fact: &Fact<Body>) {
        if let Body::Order(Order::Intent(intent)) = &fact.body {
            // A lot has one order of each kind: another order, a stop and a target.
            let kind = match intent.protection() {
                None => "",
                Some(Protection::Stop(_)) => "stop",
                Some(Protection::Target(_)) => "target",
            };
            let lot = (intent.symbol, intent.strategy.clone(), kind);
            let others = self.orders.iter().filter(|(_, of)| **of == lot);
            let id = &intent.client_id;
            let twice = others.map(|(other, _)| format!("{other} lives beside {id}, of one lot"));
            self.broken.extend(twice);
            self.orders.insert(id.clone(), lot);
        } else if let Body::Order(Order::Changed { client_id, status, .. }) = &fact.body {
            if status.is_final() {
                self.orders.remove(client_id);
            }
        } else if let Body::Venue(Venue::Sent { attempts }) = &fact.body {
            for attempt in attempts {
                self.leaves(attempt);
            }
        } else if let Body::Venue(Venue::Requested(request)) = &fact.body {
            if !self.sent.contains(&request.of) {
                self.broken.push(format!("{} is cancelled and was not sent", request.of));
            }
        } else if let Body::Decision(Decision::Withdrawn { client_id, .. }) = &fact.body {
            let next = self.attempts.get(client_id).copied().unwrap_or_default() + 1;
            self.withdrawn.insert(client_id.clone(), next);
        }
    }

    fn leaves(&mut self, sent: &SendAttempt) {
        let SendAttempt { client_id, attempt, .. } = sent;
        if self.withdrawn.get(client_id).is_some_and(|first| first <= attempt) {
            self.broken.push(format!("{client_id} was withdrawn and is sent, attempt {attempt}"));
        }
        self.sent.insert(client_id.clone());
        self.attempts.insert(client_id.clone(), *attempt);
    }

    /// The violations found, one sentence each.
    #[must_use]
    pub fn end(self) -> Vec<String> {
        self.broken
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{changed, intent, requested, sent, withdrawn};
    use super::*;
    use everwarm_domain::money::Decimal;
    use everwarm_domain::order::{OrderStatus, Side};

    fn after(facts: &[Fact<Body>]) -> Vec<String> {
        let mut living = Living::default();
        for fact in facts {
            living.see(fact);
        }
        living.end()
    }

    #[test]
    fn a_second_order_of_a_lot_is_found() {
        let one = [intent(1, "a"), changed(2, "a", OrderStatus::Cancelled), intent(3, "b")];
        assert_eq!(after(&one), [""; 0]);
        assert_eq!(after(&[intent(1, "a"), intent(3, "b")]), ["a lives beside b, of one lot"]);
    }

    #[test]
    fn one_stop_order_may_live_beside_another_order() {
        let stop = |n, id| {
            let mut fact = intent(n, id);
            if let Body::Order(Order::Intent(intent)) = &mut fact.body {
                intent.side = Side::Sell;
                intent.terms.stop = Some(Decimal::ONE);
            }
            fact
        };
        assert_eq!(after(&[intent(1, "a"), stop(2, "s")]), [""; 0]);
        let twice = after(&[intent(1, "a"), stop(2, "s"), stop(3, "t")]);
        assert_eq!(twice, ["s lives beside t, of one lot"]);
    }

    #[test]
    fn what_leaves_although_it_was_withdrawn_and_a_cancel_of_nothing_are_found() {
        assert_eq!(after(&[intent(1, "a"), sent(2, "a"), withdrawn(3, "a")]), [""; 0]);
        let late = after(&[intent(1, "a"), withdrawn(2, "a"), sent(3, "a")]);
        assert_eq!(late, ["a was withdrawn and is sent, attempt 1"]);
        assert_eq!(after(&[intent(1, "a"), sent(2, "a"), requested(3, "a")]), [""; 0]);
        let nothing = after(&[intent(1, "a"), requested(2, "a")]);
        assert_eq!(nothing, ["a is cancelled and was not sent"]);
    }
}
