//! No request is sent before the sync that covers its announcement. When a request is sent, the
//! flushed part of the disk has the row of its announcement. Requests in the exchange's log before
//! a life ended are announced in the flushed journal of that life.
//!
//! The check reads the disk; it does not rely on what the journal reports as durable.

use crate::chaos::operator_steps::BY_OTHERS;
use crate::chaos::requests::{cancels, placed};
use everwarm_domain::fact::{Body, Venue};
use everwarm_domain::id::ClientOrderId;
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::Fact;
use everwarm_sim::server::requests::Entry;
use std::collections::BTreeSet;

/// Announcements on disk so far: ids with the timestamps of their signatures.
#[derive(Debug, Default)]
pub struct Announced {
    sent: BTreeSet<(String, UtcMs)>,
    /// Cancels, by the ids of their orders.
    cancelled: BTreeSet<(String, UtcMs)>,
}

impl Announced {
    /// Takes one fact that is on disk.
    pub fn see(&mut self, fact: &Fact<Body>) {
        if let Body::Venue(Venue::Sent { attempts }) = &fact.body {
            let pairs =
                attempts.iter().map(|sent| (sent.client_id.0.clone(), sent.validity.timestamp));
            self.sent.extend(pairs);
        } else if let Body::Venue(Venue::Requested(request)) = &fact.body {
            self.cancelled.insert((request.of.0.clone(), request.timestamp));
        }
    }

    /// What is wrong with a request for an order where the venue has no timestamps: then any
    /// announcement of the order counts.
    fn never(&self, id: &str) -> Option<String> {
        let from = (id.to_owned(), UtcMs::MIN);
        let next = self.sent.range(from..).next();
        let announced = next.is_some_and(|(of, _)| of == id);
        let past = id.starts_with(ClientOrderId::PANIC_PREFIX);
        let text = || format!("{id} was asked for, its announcement is not on disk");
        (!past && !announced).then(text)
    }

    /// The requests that were sent before their announcement was on disk.
    #[must_use]
    pub fn check(&self, asked: &[Entry]) -> Vec<String> {
        let mut broken = Vec::new();
        for entry in asked {
            let Entry::Asked(asked) = entry else { continue };
            let Some(timestamp) = asked.timestamp else {
                broken.extend(placed(asked).into_iter().filter_map(|(_, id)| self.never(&id)));
                continue;
            };
            let mut missing = |announced: &BTreeSet<(String, UtcMs)>, id: &str| {
                // `everwarm panic` and other programs trade without the daemon and announce
                // nothing.
                let past = id.starts_with(ClientOrderId::PANIC_PREFIX) || id.starts_with(BY_OTHERS);
                if !past && !announced.contains(&(id.to_owned(), timestamp)) {
                    broken.push(format!(
                        "{id} of {} was asked for at {}, its announcement is not on disk",
                        asked.symbol, asked.at
                    ));
                }
            };
            for (_, id) in placed(asked) {
                missing(&self.sent, &id);
            }
            if cancels(asked) {
                missing(&self.cancelled, &asked.id);
            }
        }
        broken
    }
}

/// What is wrong with a request that is sent now and is announced in row `row`. `flushed` is the
/// last flushed row, or why it cannot be read.
#[must_use]
pub fn too_early(row: u64, flushed: Result<u64, String>) -> Option<String> {
    match flushed {
        Ok(flushed) if flushed >= row => None,
        Ok(flushed) => Some(format!(
            "an order leaves, and its announcement is not on disk: it is row {row}, what was \
             flushed ends at row {flushed}"
        )),
        Err(why) => Some(format!("an order leaves, and its announcement is not on disk: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{logged, posted, requested, sent};
    use super::*;
    use everwarm_sim::server::requests::Asked;

    #[test]
    fn a_request_that_came_before_its_announcement_was_on_disk_is_found() {
        let mut announced = Announced::default();
        assert_eq!(announced.check(&[posted("a", 5)]).len(), 1);
        announced.see(&sent(1, "a"));
        assert_eq!(announced.check(&[posted("a", 5)]), [""; 0]);
        assert_eq!(announced.check(&[posted("a", 6)]).len(), 1, "another attempt");
        assert_eq!(announced.check(&[posted("b", 5)]).len(), 1, "another order");
        assert_eq!(announced.check(&[posted("ew-panic-18c1-0", 5)]), [""; 0], "a person's");
        let cancel = [logged("DELETE order", "a", 5)];
        assert_eq!(announced.check(&cancel).len(), 1, "the order was announced, its cancel not");
        let without = |name: &str| {
            let Entry::Asked(asked) = posted(name, 5) else { unreachable!() };
            [Entry::Asked(Asked { timestamp: None, ..asked })]
        };
        assert_eq!(announced.check(&without("a")), [""; 0]);
        for other in ["b", "aa", "9"] {
            assert_eq!(announced.check(&without(other)).len(), 1, "{other} was not announced");
        }
        announced.see(&requested(2, "a"));
        assert_eq!(announced.check(&cancel), [""; 0]);
    }

    #[test]
    fn what_leaves_is_held_against_what_was_flushed() {
        assert_eq!(too_early(7, Ok(7)), None);
        assert_eq!(too_early(7, Ok(9)), None);
        let broken = too_early(7, Ok(6)).unwrap();
        assert!(broken.ends_with("it is row 7, what was flushed ends at row 6"), "{broken}");
        assert!(too_early(7, Err("it is torn".to_owned())).unwrap().ends_with("it is torn"));
    }
}
