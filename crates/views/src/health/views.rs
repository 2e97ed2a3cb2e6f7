//! The public shapes of the response of `doctor`.

use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Severity of a finding.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Broken: something stopped that must run, or positions are not managed.
    #[default]
    Broken,
    /// Warning: a person should check it.
    Warning,
}

/// A problem, and what to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FindingView {
    /// The check that found it.
    pub check: String,
    /// Its severity.
    pub severity: Severity,
    /// The problem.
    pub text: String,
    /// Start of the problem, UTC milliseconds: venue time if facts show it, else wall time; none:
    /// unknown.
    pub since: Option<UtcMs>,
    /// Its duration, seconds of the same time.
    pub for_s: Option<u64>,
    /// What to do.
    pub todo: String,
    /// The command for it, if there is one.
    pub command: Option<String>,
}

/// The problems of a daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthView {
    /// Whether a daemon responded; if not, its files were read.
    pub running: bool,
    /// Whether there is no problem.
    pub healthy: bool,
    /// The checks that were made.
    pub checks: Vec<String>,
    /// The problems, the most severe first.
    pub findings: Vec<FindingView>,
}

/// Delivery to one receiver of messages or heartbeats.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryView {
    /// `webhook`, `telegram` or `heartbeat`.
    pub receiver: String,
    /// Number of deliveries since the process began.
    pub taken: u64,
    /// Wall time since which deliveries fail, UTC milliseconds; none: they succeed.
    pub failing_since: Option<UtcMs>,
    /// Its last response.
    pub why: Option<String>,
    /// Messages that it rejected for good; none: none.
    #[serde(default)]
    pub apart: Option<ApartView>,
}

/// Messages that a receiver rejected for good. They are kept and sent once more at the next start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApartView {
    /// Number of kept messages.
    pub messages: u64,
    /// Number of older ones that were dropped for lack of room.
    pub lost: u64,
    /// Id of the newest one.
    pub last: String,
    /// The receiver's response to it.
    pub why: String,
    /// Wall time at which it was kept apart, UTC milliseconds.
    pub time: UtcMs,
}

/// A source beside the venue whose last poll failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailingSourceView {
    /// The source, as its configuration names it.
    pub source: String,
    /// Wall time of the first failed poll, UTC milliseconds.
    pub since: UtcMs,
    /// Why the last poll failed.
    pub why: String,
    /// Wall time of the next poll, UTC milliseconds.
    pub next: UtcMs,
}

/// The decisions of a day, repeated by the daemon and compared with its journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepeatedDayView {
    /// Start of the day, UTC milliseconds.
    pub day: UtcMs,
    /// Wall time at which it was done, UTC milliseconds.
    pub ended: UtcMs,
    /// Number of inputs of that day.
    pub inputs: u64,
    /// Number of facts that differ from the journal.
    pub differing: u64,
    /// Why the day could not be repeated; none: it was.
    pub error: Option<String>,
    /// Why old bars stayed in the history afterwards; none: none did.
    pub held: Option<String>,
}

/// A check of some of the stored bars, made after a start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SampledHistoryView {
    /// Number of fetched ranges that were checked.
    pub ranges: u64,
    /// The wrong ones, each with its place and reason.
    pub wrong: Vec<String>,
    /// Wall time at which it ended, UTC milliseconds.
    pub ended: UtcMs,
}

impl DeliveryView {
    /// A receiver without deliveries.
    #[must_use]
    pub fn of(receiver: &str) -> DeliveryView {
        DeliveryView { receiver: receiver.to_owned(), ..DeliveryView::default() }
    }
}
