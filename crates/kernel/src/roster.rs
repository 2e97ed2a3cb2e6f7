//! The roster: which stages take part, and at which inputs.
//!
//! A stage joins by an input and leaves by an input. It receives the inputs after the one by which
//! it joined, and before the one by which it left. So no stage decides on inputs from before it
//! joined. Joining changes gates, progress and the first saved state in one act, in memory and in
//! the file. A rank belongs to one id for ever. A stage that joins again starts with a new state.

use crate::fact::Rank;
use serde::{Deserialize, Serialize};

/// The join of a stage: it takes part from the next input on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// Rank of the stage.
    pub rank: Rank,
    /// Name of the stage.
    pub id: String,
    /// Kind that the stage is an instance of. The application defines its meaning.
    pub kind: String,
    /// Version of the stage when it joins.
    pub version: u16,
    /// Settings of the stage. The application defines their form.
    pub settings: String,
}

/// A change of the roster that an input makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A stage joins.
    Joined(Joined),
    /// The stage of a rank leaves.
    Left(Rank),
}

/// A stage of the roster: taking part, or left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Rank, name, kind, version and settings.
    pub who: Joined,
    /// The input by which it joined; 0 if it took part before the first input.
    pub joined: u64,
    /// The input by which it left.
    pub left: Option<u64>,
    /// The last input it has passed.
    #[serde(skip)]
    pub passed: u64,
}

impl Member {
    /// Whether it has left and passed its last input. Other stages no longer wait for it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.left.is_some_and(|left| self.passed + 1 >= left)
    }
}
