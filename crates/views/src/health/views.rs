//! What `doctor` answers.

use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How bad something is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something that should go on does not, or money is not looked after.
    #[default]
    Broken,
    /// Somebody should look.
    Warning,
}

/// Something that is wrong, and what to do about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FindingView {
    /// Which check found it.
    pub check: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub text: String,
    /// Since when, UTC milliseconds: venue time of what facts tell, wall time of what the process
    /// does; none: that is not known.
    pub since: Option<UtcMs>,
    /// For how long, seconds of the same time.
    pub for_s: Option<u64>,
    /// What to do.
    pub todo: String,
    /// The command for it, where there is one.
    pub command: Option<String>,
}

/// What is wrong, if anything is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthView {
    /// Whether a daemon answered; where not, its files were read.
    pub running: bool,
    /// Whether nothing is wrong.
    pub healthy: bool,
    /// What was looked at.
    pub checks: Vec<String>,
    /// What is wrong, the worst first.
    pub findings: Vec<FindingView>,
}

/// How it goes with what is brought outside: messages, and the sign of life.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryView {
    /// `webhook`, `telegram` or `heartbeat`.
    pub receiver: String,
    /// What it took since the process began.
    pub taken: u64,
    /// Wall time since which it takes nothing, UTC milliseconds; none: it does.
    pub failing_since: Option<UtcMs>,
    /// What it said last to that.
    pub why: Option<String>,
    /// What it refused for good; none: nothing.
    #[serde(default)]
    pub apart: Option<ApartView>,
}

/// Messages that a receiver refused for good. They are kept and sent once more at the next start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApartView {
    /// How many are kept.
    pub messages: u64,
    /// How many older ones there was no room for.
    pub lost: u64,
    /// The id of the newest.
    pub last: String,
    /// What the receiver answered to it.
    pub why: String,
    /// When it was set apart, by the wall clock, UTC milliseconds.
    pub time: UtcMs,
}

impl DeliveryView {
    /// Of a receiver that nothing was brought to yet.
    #[must_use]
    pub fn of(receiver: &str) -> DeliveryView {
        DeliveryView { receiver: receiver.to_owned(), ..DeliveryView::default() }
    }
}
