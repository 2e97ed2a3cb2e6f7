//! Events that a supervisor's policy receives, and actions and notices that it returns.

use super::exit::{Exit, StartError};
use super::rules::{Kind, SpecError};
use ractor::ActorCell;
use serde::Serialize;
use std::time::Duration;

/// A child's place in the order of start. A supervisor never reuses one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat(pub u64);

/// The purpose of a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// A start takes too long.
    StartLimit,
    /// A stop takes too long.
    StopDeadline,
    /// The delay before a restart is over.
    Retry,
    /// A branch that was stopped has been up long enough.
    Healthy,
}

/// An event for the policy.
#[derive(Clone, Debug)]
pub enum Event {
    /// The supervisor begins to start its children.
    Begin,
    /// The instance is up.
    Started(Seat, u64),
    /// The start found nothing to do, so there is no instance.
    Ignored(Seat, u64),
    /// The instance could not be started and has ended completely.
    StartFailed(Seat, u64, StartError),
    /// The instance was up and has ended completely.
    Exited(Seat, u64, Exit),
    /// A timer for this instance has fired.
    Timer(Seat, u64, Timer),
    /// The supervisor must stop. Children that are alive at the given time are killed.
    Stop(Option<Duration>),
}

/// An action that the policy requires.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Start an instance under this generation.
    Start(Seat, u64),
    /// Request the instance to stop, or abandon its start.
    Stop(Seat),
    /// Kill the instance.
    Kill(Seat),
    /// Report the timer after this time.
    Arm(Seat, u64, Timer, Duration),
    /// The requested end is done: the child has no instance.
    Ended(Seat),
    /// The child is removed from the list.
    Forget(Seat),
    /// Notify the observer.
    Announce(Seat, Announcement),
    /// The first start is complete.
    Up,
    /// No child is alive; the supervisor ends.
    End(Outcome),
}

/// A change of a child, for the observer.
#[derive(Clone, Debug, PartialEq)]
pub enum Announcement {
    /// It is up.
    Started {
        /// Number of earlier instances that were up, also under earlier supervisors at its place.
        restarts: u32,
    },
    /// It has nothing to do, so there is no instance.
    Ignored,
    /// It could not be started.
    StartFailed {
        /// Path of the child that failed, and the cause.
        error: StartError,
    },
    /// It ended.
    Exited {
        /// Reason of the end.
        exit: Exit,
        /// Time it was up.
        uptime: Duration,
        /// Number of earlier instances that were up.
        restarts: u32,
        /// Whether its supervisor had requested it.
        asked: bool,
    },
    /// It was requested to stop but failed, or was killed at its deadline.
    StopFailed {
        /// How it ended.
        exit: Exit,
    },
    /// Its start or a handler has blocked its thread for longer than the watchdog allows.
    Blocked {
        /// Time that the thread has been blocked.
        holds: Duration,
    },
    /// The start or handler that blocked its thread reached an await or its end.
    Unblocked {
        /// Time that the thread was blocked.
        held: Duration,
    },
    /// Its branch exceeded the restart budget, and its supervisor stopped it.
    BranchDown {
        /// Reason of its last end.
        why: String,
        /// Time between two retries.
        retry: Duration,
    },
    /// Its branch was stopped and is healthy again.
    BranchUp,
    /// Its failures used up the budget; the supervisor ends.
    GaveUp {
        /// Reason of its last end.
        why: String,
    },
    /// It is removed from the list.
    Removed,
    /// A supervisor received a report about an instance it does not know, or no longer knows. The
    /// report changed nothing.
    Stray {
        /// Content of the report.
        what: String,
    },
}

/// Why a supervisor ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was requested to stop.
    Stopped,
    /// The significant child of this id ended permanently.
    Finished(String),
    /// A child failed its first start.
    StartFailed(StartError),
    /// This child used up the budget.
    GaveUp(Seat, String),
}

/// State of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// An instance is being started.
    Starting,
    /// An instance is up.
    Running,
    /// It waits for its delay, or for children before it.
    Backoff,
    /// Its instance is being stopped.
    Stopping,
    /// It has no instance, and none is started automatically.
    Stopped,
    /// Its branch is stopped by its supervisor and retried from time to time.
    Down,
}

/// A child as seen from outside. The counts continue if its supervisor is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildView {
    /// Its state.
    pub state: State,
    /// Number of instances that were up.
    pub ups: u32,
    /// Number of instances that ended by an injected fault.
    pub injected: u32,
    /// Text of its last failure.
    pub last_failure: Option<String>,
    /// Whether its branch counts as down. It does until it has been healthy long enough.
    pub down: bool,
}

impl ChildView {
    /// Number of times an instance has replaced another.
    pub fn restarts(&self) -> u32 {
        self.ups.saturating_sub(1)
    }
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A child of this id is listed, but no instance is up.
    #[error("there is a child of this id already")]
    AlreadyPresent,
    /// A child of this id is up. The supervisor adds the handle if it knows it.
    #[error("a child of this id is running already")]
    AlreadyStarted(Option<ActorCell>),
    /// The child has an instance.
    #[error("the child is running")]
    Running,
    /// The child is being started again, or waits for that.
    #[error("the child is restarting")]
    Restarting,
    /// Children of a pool have handles instead of ids.
    #[error("children of a pool are not known by id")]
    Pool,
    /// Only a pool makes children from a template.
    #[error("the supervisor is no pool")]
    NoPool,
    /// No child of this id is listed.
    #[error("there is no child of this id")]
    NotFound,
    /// The supervisor is stopping, or there is none.
    #[error("the supervisor is not running")]
    NotRunning,
    /// The spec is invalid.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The child could not be started and is not listed.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// A notice of a supervisor about a child.
#[derive(Clone, Debug, PartialEq)]
pub struct SupervisionNotice {
    /// The child's path.
    pub path: String,
    /// Worker or supervisor.
    pub kind: Kind,
    /// Time of the change, wall clock, UTC milliseconds.
    pub at_ms: i64,
    /// What happened.
    pub news: Announcement,
}
