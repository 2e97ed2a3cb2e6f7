//! A state that changes only after two closes running.

use serde::{Deserialize, Serialize};

/// A state, and the candidate of the last close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settled<T> {
    pub(super) state: T,
    candidate: Option<T>,
}

impl<T: Copy + PartialEq> Settled<T> {
    pub(super) const fn new(state: T) -> Settled<T> {
        Settled { state, candidate: None }
    }

    /// Takes the candidate of a close, if there is one. It becomes the state if the close before
    /// had the same candidate.
    pub(super) fn take(&mut self, candidate: Option<T>) {
        if let Some(now) = candidate.filter(|_| candidate == self.candidate) {
            self.state = now;
        }
        self.candidate = candidate;
    }

    /// Takes a candidate that becomes the state at this close.
    pub(super) fn begin(&mut self, candidate: T) {
        *self = Settled { state: candidate, candidate: Some(candidate) };
    }
}
