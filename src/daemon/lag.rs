//! The delay with which the thread of the supervisors answers. Another thread pings it twice a
//! second. If it hangs, the delay is the age of the oldest ping without an answer.

use everwarm_runtime::clock;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The delay of the thread of the supervisors.
#[derive(Debug, Default)]
pub struct Lag(Mutex<Asked>);

#[derive(Debug, Default)]
struct Asked {
    /// When the oldest ping without an answer was sent.
    since: Option<Instant>,
    /// Delay of the last answer.
    last: Duration,
}

impl Lag {
    /// Notes that a ping is sent.
    pub fn ask(&self) {
        self.asked().since.get_or_insert_with(clock::now);
    }

    /// Notes an answer to all pings so far: the thread answers in order.
    pub fn answered(&self) {
        let mut asked = self.asked();
        if let Some(since) = asked.since.take() {
            asked.last = since.elapsed();
        }
    }

    /// Delay of the last answer, or age of a ping without an answer, whichever is longer.
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
