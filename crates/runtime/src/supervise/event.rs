//! Inputs and outputs of the policy of a supervisor.

use super::exit::{Exit, StartError};
use super::rules::{Kind, SpecError};
use ractor::ActorCell;
use serde::Serialize;
use std::time::Duration;

/// The place of a child in the order of start. A supervisor never uses a number twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat(pub u64);

/// The purpose of a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// A start takes too long.
    StartLimit,
    /// A stop takes too long.
    StopDeadline,
    /// The delay before a restart has passed.
    Retry,
    /// A branch that was down has been up long enough.
    Healthy,
}

/// An input of the policy.
#[derive(Clone, Debug)]
pub enum Event {
    /// The supervisor begins to start its children.
    Begin,
    /// The instance is up.
    Started(Seat, u64),
    /// The start found nothing to do: there is no instance.
    Ignored(Seat, u64),
    /// The instance could not be started. Nothing of it is left.
    StartFailed(Seat, u64, StartError),
    /// The instance was up and has ended. Nothing of it is left.
    Exited(Seat, u64, Exit),
    /// A timer of this instance has fired.
    Timer(Seat, u64, Timer),
    /// The supervisor stops. Instances that are alive after the given time are killed.
    Stop(Option<Duration>),
}

/// An output of the policy.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Start an instance with this generation.
    Start(Seat, u64),
    /// Stop the instance, or abandon its start.
    Stop(Seat),
    /// Kill the instance.
    Kill(Seat),
    /// Set a timer.
    Arm(Seat, u64, Timer, Duration),
    /// The child has no instance any more, as requested.
    Ended(Seat),
    /// The child is no longer listed.
    Forget(Seat),
    /// Report to the observer.
    Report(Seat, News),
    /// The first start is complete.
    Up,
    /// Nothing is alive; the supervisor ends.
    End(Outcome),
}

/// A report about a child.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// It is up.
    Started {
        /// How often it was up before, also under earlier supervisors at its path.
        restarts: u32,
    },
    /// It has nothing to do: there is no instance.
    Ignored,
    /// It could not be started.
    StartFailed {
        /// Which child, and why.
        error: StartError,
    },
    /// It ended.
    Exited {
        /// The kind of end.
        exit: Exit,
        /// How long it was up.
        uptime: Duration,
        /// How often it was up before.
        restarts: u32,
        /// Whether its supervisor had requested the end.
        requested: bool,
    },
    /// It was stopped on request and failed meanwhile, or was killed at its deadline.
    StopFailed {
        /// How it ended.
        exit: Exit,
    },
    /// Its start or a handler blocks its thread for longer than the watchdog allows.
    Blocked {
        /// For how long so far.
        holds: Duration,
    },
    /// It does not block its thread any more.
    Unblocked {
        /// For how long it did.
        held: Duration,
    },
    /// Its supervisor stopped its branch, and retries now and then.
    BranchDown {
        /// The reason of its last end.
        why: String,
        /// Time between two attempts.
        retry: Duration,
    },
    /// Its branch was down and is healthy again.
    BranchUp,
    /// It exceeded its restart budget. The supervisor fails.
    GaveUp {
        /// The reason of its last end.
        why: String,
    },
    /// It is no longer listed.
    Removed,
    /// A supervisor received a report about an unknown or replaced instance, and ignored it.
    Stray {
        /// What was reported.
        what: String,
    },
}

/// Why a supervisor ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was stopped on request.
    Stopped,
    /// The significant child with this id has ended for good.
    Finished(String),
    /// The first start of a child failed.
    StartFailed(StartError),
    /// This child exceeded the restart budget.
    GaveUp(Seat, String),
}

/// The state of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// An instance is being started.
    Starting,
    /// An instance is up.
    Running,
    /// It waits for its delay or its turn.
    Backoff,
    /// Its instance is being stopped.
    Stopping,
    /// No instance, and no start is planned.
    Stopped,
    /// Its branch was stopped by its supervisor, which retries now and then.
    Down,
}

/// The public view of a child. A new supervisor at the same path continues its counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildView {
    /// Its state.
    pub state: State,
    /// How often it has been up.
    pub ups: u32,
    /// How often it was ended by an injected fault.
    pub injected: u32,
    /// The reason of its last failure.
    pub last_failure: Option<String>,
    /// Whether its branch counts as down, until it has proved healthy.
    pub down: bool,
}

impl ChildView {
    /// How often an instance replaced another.
    pub fn restarts(&self) -> u32 {
        self.ups.saturating_sub(1)
    }
}

/// Why a request was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A child with this id is listed, without a running instance.
    #[error("there is a child of this id already")]
    AlreadyPresent,
    /// A child with this id is running; its handle, if the supervisor has it.
    #[error("a child of this id is running already")]
    AlreadyStarted(Option<ActorCell>),
    /// The child has an instance.
    #[error("the child is running")]
    Running,
    /// The child is being started again, or waits for that.
    #[error("the child is restarting")]
    Restarting,
    /// Children of a pool have handles and no ids.
    #[error("children of a pool are not known by id")]
    Pool,
    /// Only a pool makes children from a template.
    #[error("the supervisor is no pool")]
    NoPool,
    /// No child with this id is listed.
    #[error("there is no child of this id")]
    NotFound,
    /// The supervisor is stopping, or does not exist.
    #[error("the supervisor is not running")]
    NotRunning,
    /// The spec is invalid.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The child could not be started. It is not listed.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// A report of a supervisor about a child.
#[derive(Clone, Debug, PartialEq)]
pub struct SupervisionNotice {
    /// The child's path.
    pub path: String,
    /// Worker or supervisor.
    pub kind: Kind,
    /// Wall clock, UTC milliseconds.
    pub at_ms: i64,
    /// What happened.
    pub news: News,
}
