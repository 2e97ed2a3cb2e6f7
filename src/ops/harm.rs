//! What may be done to actors on purpose: disturb one, or try a branch that is kept down.

use super::exit::Failure;
use everwarm_runtime::supervise::Harm as Blow;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// A way to disturb an actor.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// Kill it: it ends at its next await, and all below it.
    #[default]
    Kill,
    /// Make it panic at its next message.
    Panic,
    /// Ask it to stop, all below it before; it comes back. The root does not: the process ends.
    Stop,
    /// Make it hold its thread at its next message.
    Stall,
    /// End the process at its next message, without a word.
    Abort,
}

/// Which actor is disturbed, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HarmView {
    /// Its place in the tree, or the last part of it where nobody else has the same.
    pub path: String,
    /// How.
    #[serde(default)]
    pub how: How,
    /// How long it holds its thread, seconds.
    #[serde(default = "stall")]
    pub seconds: u32,
}

impl HarmView {
    /// What is done to it.
    #[must_use]
    pub fn blow(&self) -> Blow {
        match self.how {
            How::Kill => Blow::Kill,
            How::Panic => Blow::Panic,
            How::Stop => Blow::Stop,
            How::Stall => Blow::Stall(Duration::from_secs(self.seconds.into())),
            How::Abort => Blow::Abort,
        }
    }

    /// Whether it ends the root: nobody is above it who could start it again, so the process ends.
    #[must_use]
    pub fn ends_root(&self) -> bool {
        let ends = match self.how {
            How::Kill | How::Panic | How::Stop => true,
            How::Stall | How::Abort => false,
        };
        ends && self.path == "root"
    }
}

/// Seconds for which an actor holds its thread, unless said.
pub const STALL: u32 = 5;

const fn stall() -> u32 {
    STALL
}

/// Which branch is tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BranchView {
    /// Its place in the tree, or the last part of it where nobody else has the same.
    pub path: String,
}

/// Disturbs an actor; says which it was.
pub type Harm = dyn Fn(&HarmView) -> Result<HarmView, Failure> + Send + Sync;
/// Tries a branch at once that is kept down or waits to be started again; says which it was.
pub type Retry = dyn Fn(&BranchView) -> Result<BranchView, Failure> + Send + Sync;
