//! Nothing is stuck: in a feed that goes on something new is said every now and then.

use std::time::{Duration, Instant};

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
}
