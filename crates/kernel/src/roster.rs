//! The roster: which stages take part, and from which input to which.
//!
//! A stage joins and leaves by an input. It receives the inputs after the one by which it joined.
//! It receives none from the one on by which it left. So no stage decides about inputs from before
//! it joined. The join, gates, progress and the first saved state change in one act, in memory and
//! in the file. A rank belongs to one id for ever. A stage that joins again starts with an empty
//! state.

use crate::fact::Rank;
use serde::{Deserialize, Serialize};

/// A stage that takes part from the next input on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// Its rank.
    pub rank: Rank,
    /// Its name.
    pub id: String,
    /// The kind of stage to make. The application defines the kinds.
    pub kind: String,
    /// The version that starts.
    pub version: u16,
    /// The settings to make it with. The application defines them.
    pub settings: String,
}

/// A change of the roster by an input.
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
    /// The stage.
    pub stage: Joined,
    /// The input by which it joined; 0: before the first input.
    pub joined: u64,
    /// The input by which it left.
    pub left: Option<u64>,
    /// The last input it has passed.
    #[serde(skip)]
    pub passed: u64,
}

impl Member {
    /// Whether it has left and passed its last input. Nothing waits for it then.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.left.is_some_and(|left| self.passed + 1 >= left)
    }
}
