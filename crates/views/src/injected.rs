//! Operations on actors for tests and repairs: inject a fault, or retry a stopped branch.

use everwarm_runtime::supervise::InjectedFault;
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
    /// Kill it and everything below it: it ends at its next await.
    #[default]
    Kill,
    /// Make it panic at its next message.
    Panic,
    /// Stop it after everything below it. Its supervisor starts it again. For the root, the process
    /// ends.
    Stop,
    /// Make it hold its thread at its next message.
    Stall,
    /// End the process at its next message, without any cleanup.
    Abort,
}

/// Which actor is disturbed, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = HarmView)]
pub struct FaultView {
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

impl FaultView {
    /// Checks the duration.
    ///
    /// # Errors
    /// The duration is outside [`SECONDS`]; the text names the range.
    pub fn check(&self) -> Result<(), String> {
        if SECONDS.contains(&self.seconds) {
            return Ok(());
        }
        Err(format!("seconds is from {} to {}", SECONDS.start(), SECONDS.end()))
    }

    /// The fault to inject.
    #[must_use]
    pub fn fault(&self) -> InjectedFault {
        match self.how {
            How::Kill => InjectedFault::Kill,
            How::Panic => InjectedFault::Panic,
            How::Stop => InjectedFault::Stop,
            How::Stall => InjectedFault::Stall(Duration::from_secs(self.seconds.into())),
            How::Abort => InjectedFault::Abort,
        }
    }

    /// Whether it ends the root. No supervisor can restart the root, so the process ends.
    #[must_use]
    pub fn ends_root(&self) -> bool {
        let ends = match self.how {
            How::Kill | How::Panic | How::Stop => true,
            How::Stall | How::Abort => false,
        };
        ends && self.path == "root"
    }
}

/// Default time for which an actor blocks its thread, seconds.
pub const STALL: u32 = 5;

/// Allowed times for which an actor blocks its thread, seconds.
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
        let of = |seconds| FaultView { path: "feed".to_owned(), how: How::Stall, seconds }.check();
        assert!(of(1).is_ok() && of(3_600).is_ok());
        for seconds in [0, 3_601, u32::MAX] {
            assert_eq!(of(seconds), Err("seconds is from 1 to 3600".to_owned()));
        }
    }
}
