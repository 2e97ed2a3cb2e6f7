//! Which facts the journal keeps for ever.
//!
//! Facts about orders and money, and commands of operators, stay for ever. Bars, and what is
//! computed from bars, stay for a time. Those that led to an order stay as long as the order, so
//! that it can be explained.

use crate::fact::kinds::kept_for_a_time;
use crate::fact::{Body, Decision, Order};
use everwarm_kernel::fact::{Body as _, Fact, Key, Mask};
use std::collections::BTreeSet;

/// Judges the facts of a part of the journal, from the last to the first.
#[derive(Clone, Debug)]
pub struct Retention {
    for_a_time: Mask,
    /// Facts that led to an order and were not met yet.
    causes: BTreeSet<Key>,
}

impl Default for Retention {
    fn default() -> Self {
        Retention { for_a_time: kept_for_a_time(), causes: BTreeSet::new() }
    }
}

impl Retention {
    /// Whether the fact stays.
    pub fn stays(&mut self, fact: &Fact<Body>) -> bool {
        let led = self.causes.remove(&fact.key);
        let stays = led || !self.for_a_time.has(fact.body.kind());
        if led || leads(&fact.body) {
            self.causes.extend(&fact.because);
            // The close that a strategy decided on.
            if fact.key.rank > 0 {
                self.causes.insert(Key { n: fact.key.n, rank: 0, i: 0 });
            }
        }
        stays
    }
}

/// Whether the causes of a fact stay: it is about an order. A signal without an order is not.
fn leads(body: &Body) -> bool {
    matches!(
        body,
        Body::Order(Order::Intent(_))
            | Body::Decision(
                Decision::Approved { .. } | Decision::Owed { .. } | Decision::Withdrawn { .. }
            )
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::{Analysis, Market, Operator};
    use crate::id::{ClientOrderId, Symbol};
    use crate::money::Decimal;
    use crate::order::{OrderIntent, OrderType, Side};
    use crate::time::Timeframe;

    fn key(n: u64, rank: u16, i: u16) -> Key {
        Key { n, rank, i }
    }

    fn fact(key: Key, because: &[Key], body: Body) -> Fact<Body> {
        Fact { key, time: 0, version: 1, because: because.to_vec(), body }
    }

    fn rolled() -> Body {
        Body::Analysis(Analysis::Rolled { timeframe: Timeframe::H1, bars: Vec::new() })
    }

    fn close() -> Body {
        Body::Market(Market::Close {
            time: 0,
            bars: Vec::new(),
            missing: Vec::new(),
            odd: Vec::new(),
        })
    }

    #[test]
    fn what_led_to_an_order_stays_with_it() {
        let signals = || Body::Analysis(Analysis::Signals { rows: Vec::new() });
        let intent = OrderIntent {
            client_id: ClientOrderId("ew-a".into()),
            strategy: "sma_cross".into(),
            symbol: Symbol::new("BTCUSDT").unwrap(),
            side: Side::Buy,
            order_type: OrderType::Market,
            quantity: Decimal::ONE,
            price: None,
            close_time: 0,
            valid_until: 0,
            terms: Box::default(),
        };
        let order = Body::Decision(Decision::Approved {
            intent,
            reserved: Decimal::ONE,
            reason: "crossed above".into(),
            sizing: None,
        });
        let facts = [
            fact(key(1, 0, 0), &[], close()),
            fact(key(1, 200, 0), &[], rolled()),
            fact(key(1, 400, 0), &[key(1, 200, 0)], signals()),
            fact(key(2, 0, 0), &[], close()),
            fact(key(2, 200, 0), &[], rolled()),
            fact(key(2, 400, 0), &[key(2, 200, 0)], signals()),
            fact(key(2, 600, 0), &[key(2, 400, 0)], order),
            fact(key(3, 0, 0), &[], Body::Operator(Operator::Clock { time: 0 })),
        ];
        let mut retention = Retention::default();
        let mut stay: Vec<Key> =
            facts.iter().rev().filter(|f| retention.stays(f)).map(|f| f.key).collect();
        stay.reverse();
        let kept = [key(1, 400, 0), key(2, 0, 0), key(2, 200, 0), key(2, 400, 0), key(2, 600, 0)];
        assert_eq!(stay, kept);
        assert!(retention.causes.is_empty(), "{:?}", retention.causes);
    }
}
