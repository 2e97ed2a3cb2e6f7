//! Which stages take part, and from which input to which.
//!
//! A rank joins and leaves by an input. It is given the inputs after the one by which it joined,
//! and none from the one on by which it left: nobody is ever asked about a past he was not there
//! for. Joining, gates, progress and the first saved state change in one act, in memory and in the
//! file. A rank belongs to an id for ever; who joins again begins anew.

use crate::fact::Rank;
use serde::{Deserialize, Serialize};

/// A stage takes part from the next input on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// Its place.
    pub rank: Rank,
    /// Its name.
    pub id: String,
    /// What it is made as: the application's word.
    pub kind: String,
    /// The version that begins.
    pub version: u16,
    /// What it is made with: the application's words.
    pub settings: String,
}

/// What an input changes about who takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A stage joins.
    Joined(Joined),
    /// The stage of a rank leaves.
    Left(Rank),
}

/// A stage of the roster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Who.
    pub who: Joined,
    /// The input by which it joined; 0: it was there before the first.
    pub joined: u64,
    /// The input by which it left.
    pub left: Option<u64>,
    /// The last input it has passed.
    #[serde(skip)]
    pub passed: u64,
}

impl Member {
    /// Whether it has left and passed its last input: nobody waits for it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.left.is_some_and(|left| self.passed + 1 >= left)
    }
}
