//! No request left before the sync that covers its cause: whatever of our orders the exchange was
//! asked for before a life ended, its announcement is what that life has left on the disk.

use crate::chaos::requests::places;
use crate::domain::fact::{Body, Venue};
use crate::domain::time::UtcMs;
use crate::sim::server::requests::Entry;
use everwarm_runtime::fact::Fact;
use std::collections::BTreeSet;

/// What was announced on disk so far: ids with the timestamps they were signed for.
#[derive(Debug, Default)]
pub struct Announced {
    sent: BTreeSet<(String, UtcMs)>,
}

impl Announced {
    /// Takes one fact that is on disk.
    pub fn see(&mut self, fact: &Fact<Body>) {
        if let Body::Venue(Venue::Sent { attempts }) = &fact.body {
            let pairs = attempts.iter().map(|sent| (sent.client_id.0.clone(), sent.timestamp));
            self.sent.extend(pairs);
        }
    }

    /// The requests that left before their announcement was on disk.
    #[must_use]
    pub fn check(&self, asked: &[Entry]) -> Vec<String> {
        let mut broken = Vec::new();
        for entry in asked {
            let Entry::Asked(asked) = entry else { continue };
            let Some(timestamp) = asked.timestamp else { continue };
            if places(asked) && !self.sent.contains(&(asked.id.clone(), timestamp)) {
                broken.push(format!(
                    "{} of {} was asked for at {}, its announcement is not on disk",
                    asked.id, asked.symbol, asked.at
                ));
            }
        }
        broken
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{posted, sent};
    use super::*;

    #[test]
    fn a_request_that_came_before_its_announcement_was_on_disk_is_found() {
        let mut announced = Announced::default();
        assert_eq!(announced.check(&[posted("a", 5)]).len(), 1);
        announced.see(&sent(1, "a"));
        assert_eq!(announced.check(&[posted("a", 5)]), [""; 0]);
        assert_eq!(announced.check(&[posted("a", 6)]).len(), 1, "another attempt");
        assert_eq!(announced.check(&[posted("b", 5)]).len(), 1, "another order");
    }
}
