//! What may be done to actors on purpose: disturb one, or try a branch that is kept down.

use everwarm_runtime::supervise::InjectedFault as FaultKind;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
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
    #[schema(minimum = 1, maximum = 3600)]
    pub seconds: u32,
}

impl HarmView {
    /// Whether it may be asked for.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        if SECONDS.contains(&self.seconds) {
            return Ok(());
        }
        Err(format!("seconds is from {} to {}", SECONDS.start(), SECONDS.end()))
    }

    /// What is done to it.
    #[must_use]
    pub fn blow(&self) -> FaultKind {
        match self.how {
            How::Kill => FaultKind::Kill,
            How::Panic => FaultKind::Panic,
            How::Stop => FaultKind::Stop,
            How::Stall => FaultKind::Stall(Duration::from_secs(self.seconds.into())),
            How::Abort => FaultKind::Abort,
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

/// Seconds for which an actor may hold its thread.
pub const SECONDS: RangeInclusive<u32> = 1..=3_600;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_held_for_an_hour_at_most() {
        let of = |seconds| HarmView { path: "feed".to_owned(), how: How::Stall, seconds }.check();
        assert!(of(1).is_ok() && of(3_600).is_ok());
        for seconds in [0, 3_601, u32::MAX] {
            assert_eq!(of(seconds), Err("seconds is from 1 to 3600".to_owned()));
        }
    }
}
