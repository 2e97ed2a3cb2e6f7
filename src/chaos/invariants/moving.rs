//! Nothing is stuck: in a feed that goes on something new is said every now and then, and what is
//! said leads to another close.

use crate::domain::time::UtcMs;
use std::time::{Duration, Instant};

/// Inputs from one close to the next, at most: a hundred times the most that a run under kills and
/// all faults was seen to take (39; undisturbed ones take 15).
pub const INPUTS: u64 = 4_000;

/// The inputs of one life since its last close.
#[derive(Debug)]
pub struct Closing {
    close: Option<UtcMs>,
    at: u64,
}

impl Closing {
    /// A life begins, at this input.
    #[must_use]
    pub fn new(head: u64) -> Closing {
        Closing { close: None, at: head }
    }

    /// The last close and the last input now; how many inputs led to no other close, where they are
    /// too many.
    pub fn in_vain(&mut self, close: Option<UtcMs>, head: u64) -> Option<u64> {
        if self.close != close {
            (self.close, self.at) = (close, head);
        }
        let since = head.saturating_sub(self.at);
        (since > INPUTS).then_some(since)
    }
}

/// What was seen last, and since when it is the same.
#[derive(Debug)]
pub struct Moving<T> {
    seen: Option<(T, Instant)>,
    within: Duration,
}

impl<T: PartialEq> Moving<T> {
    /// Something new is expected within so long.
    #[must_use]
    pub fn new(within: Duration) -> Moving<T> {
        Moving { seen: None, within }
    }

    /// How long it may stand still.
    #[must_use]
    pub fn within(&self) -> Duration {
        self.within
    }

    /// How far it is now; whether it moves.
    pub fn is(&mut self, so_far: T, now: Instant) -> bool {
        match &self.seen {
            Some((before, since)) if *before == so_far => {
                now.saturating_duration_since(*since) <= self.within
            }
            _ => {
                self.seen = Some((so_far, now));
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_runtime::clock;

    #[test]
    fn what_stands_still_for_too_long_is_found() {
        let at = |ms| clock::now() + Duration::from_millis(ms);
        let mut moving = Moving::new(Duration::from_secs(10));
        assert!(moving.is(1, at(0)) && moving.is(1, at(9_000)));
        assert!(moving.is(2, at(11_000)) && moving.is(2, at(20_000)));
        assert!(!moving.is(2, at(22_000)));
    }

    #[test]
    fn inputs_that_lead_to_no_close_are_found_though_each_of_them_is_new() {
        let mut closing = Closing::new(70);
        assert_eq!(closing.in_vain(None, 70 + INPUTS), None);
        assert_eq!(closing.in_vain(None, 71 + INPUTS), Some(INPUTS + 1), "before the first close");
        assert_eq!(closing.in_vain(Some(1), 9_000), None, "another close");
        assert_eq!(closing.in_vain(Some(1), 9_000 + INPUTS), None);
        assert_eq!(closing.in_vain(Some(2), 9_001 + INPUTS), None);
        assert_eq!(closing.in_vain(Some(2), 9_002 + 2 * INPUTS), Some(INPUTS + 1));
    }
}
