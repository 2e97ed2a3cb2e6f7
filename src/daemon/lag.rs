//! How late the thread of the supervisors answers. It is asked twice a second from another thread;
//! one that hangs is told by for how long nobody has been answered.

use everwarm_runtime::clock;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// See the module.
#[derive(Debug, Default)]
pub struct Lag(Mutex<Asked>);

#[derive(Debug, Default)]
struct Asked {
    /// The oldest question without an answer.
    since: Option<Instant>,
    /// How long the last answer took.
    last: Duration,
}

impl Lag {
    /// A question is on its way.
    pub fn ask(&self) {
        self.asked().since.get_or_insert_with(clock::now);
    }

    /// All questions so far are answered: it answers in order.
    pub fn answered(&self) {
        let mut asked = self.asked();
        if let Some(since) = asked.since.take() {
            asked.last = since.elapsed();
        }
    }

    /// How long the last answer took, or the one that is waited for takes, whichever is longer.
    #[must_use]
    pub fn now(&self) -> Duration {
        let asked = self.asked();
        asked.since.map_or(Duration::ZERO, |since| since.elapsed()).max(asked.last)
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_answer_is_told_before_the_answer_comes() {
        let lag = Lag::default();
        assert_eq!(lag.now(), Duration::ZERO);
        lag.ask();
        std::thread::park_timeout(Duration::from_millis(5));
        lag.ask();
        while lag.now() < Duration::from_millis(20) {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        lag.answered();
        let took = lag.now();
        assert!(took >= Duration::from_millis(20), "{took:?}");
        lag.answered();
        assert_eq!(lag.now(), took, "an answer nobody waited for says nothing");
        lag.ask();
        lag.answered();
        assert!(lag.now() < took, "the next answer is what counts");
    }
}
