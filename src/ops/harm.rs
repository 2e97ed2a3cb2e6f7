//! What may be done to actors on purpose: disturb one, or try a branch that is kept down.

use super::exit::Failure;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A way to disturb an actor.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// Kill it: it ends at its next await.
    #[default]
    Kill,
    /// Make it panic at its next message.
    Panic,
    /// Ask it to stop; it comes back.
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
    /// Its place in the tree, or the last part of it where that is enough.
    pub path: String,
    /// How.
    #[serde(default)]
    pub how: How,
    /// How long it holds its thread, seconds.
    #[serde(default = "stall")]
    pub seconds: u32,
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
    /// Its place in the tree, or the last part of it where that is enough.
    pub path: String,
}

/// Disturbs an actor; says which it was.
pub type Harm = dyn Fn(&HarmView) -> Result<HarmView, Failure> + Send + Sync;
/// Tries a branch at once that is kept down or waits to be started again; says which it was.
pub type Retry = dyn Fn(&BranchView) -> Result<BranchView, Failure> + Send + Sync;
