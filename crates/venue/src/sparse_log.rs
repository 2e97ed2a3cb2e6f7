//! Limits a frequent log line to one a second, with the number of lines left out.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Wall time between two lines.
const EVERY: Duration = Duration::from_secs(1);

/// The limit of one log line; see the module.
#[derive(Debug)]
pub struct Sparsely(Mutex<(Option<Instant>, u64)>);

impl Sparsely {
    /// A limit without a line so far.
    #[must_use]
    pub const fn new() -> Sparsely {
        Sparsely(Mutex::new((None, 0)))
    }

    /// Whether the line is due now. If so, it returns how many were left out before.
    pub fn due(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, left_out) = &mut *state;
        if last.is_some_and(|last| last.elapsed() < EVERY) {
            *left_out += 1;
            return None;
        }
        *last = Some(Instant::now());
        Some(std::mem::take(left_out))
    }
}

impl Default for Sparsely {
    fn default() -> Sparsely {
        Sparsely::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_at_once_is_logged_once() {
        let sparsely = Sparsely::new();
        assert_eq!([sparsely.due(), sparsely.due(), sparsely.due()], [Some(0), None, None]);
        *sparsely.0.lock().unwrap() = (None, 2);
        assert_eq!(sparsely.due(), Some(2));
    }
}
