//! What a supervisor's policy hears and says.

use super::exit::{Exit, StartError};
use super::rules::{Kind, SpecError};
use ractor::ActorCell;
use serde::Serialize;
use std::time::Duration;

/// A child's place in the order of start. Never given twice by one supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat(pub u64);

/// What a timer was set for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// A start takes too long.
    StartLimit,
    /// A stop takes too long.
    StopDeadline,
    /// The delay before a restart is over.
    Retry,
    /// A branch that was down has been up long enough.
    Healthy,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The supervisor begins to start its children.
    Begin,
    /// The instance is up.
    Started(Seat, u64),
    /// There is nothing to do: no instance came of the start.
    Ignored(Seat, u64),
    /// The instance could not be started, and nothing of it is left.
    StartFailed(Seat, u64, StartError),
    /// The instance was up, and nothing of it is left.
    Exited(Seat, u64, Exit),
    /// A timer has fired that was set for this instance.
    Timer(Seat, u64, Timer),
    /// The supervisor is to stop; what is alive at the given time is killed.
    Stop(Option<Duration>),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Start an instance under this generation.
    Start(Seat, u64),
    /// Ask the instance to stop, or abandon its start.
    Stop(Seat),
    /// Kill the instance.
    Kill(Seat),
    /// Report the timer after this time.
    Arm(Seat, u64, Timer, Duration),
    /// The child has no instance any more, as was requested.
    Ended(Seat),
    /// The child is listed no more.
    Forget(Seat),
    /// Tell people.
    Tell(Seat, Announcement),
    /// The first start is complete.
    Up,
    /// Nothing is alive; the supervisor ends.
    End(Outcome),
}

/// What there is to tell about a child.
#[derive(Clone, Debug, PartialEq)]
pub enum Announcement {
    /// It is up.
    Started {
        /// How often it has been up before, under earlier supervisors at its place too.
        restarts: u32,
    },
    /// It has nothing to do, so there is no instance.
    Ignored,
    /// It could not be started.
    StartFailed {
        /// Which child, and why.
        error: StartError,
    },
    /// It ended.
    Exited {
        /// How.
        exit: Exit,
        /// How long it was up.
        uptime: Duration,
        /// How often it had been up before.
        restarts: u32,
        /// Whether its supervisor had asked for it.
        asked: bool,
    },
    /// It was asked to stop and did not do so well: it failed, or was killed at its deadline.
    StopFailed {
        /// How it ended.
        exit: Exit,
    },
    /// Its start or a handler of it holds its thread for longer than a watchdog allows.
    Blocked {
        /// For how long it has.
        holds: Duration,
    },
    /// What held its thread came to an await or its end.
    Unblocked {
        /// For how long it had.
        held: Duration,
    },
    /// Its branch is kept down.
    BranchDown {
        /// How it ended last.
        why: String,
        /// Time between two tries.
        retry: Duration,
    },
    /// Its branch was down and is healthy again.
    BranchUp,
    /// Its failures used up the budget; the supervisor ends.
    GaveUp {
        /// How it ended last.
        why: String,
    },
    /// It is listed no more.
    Removed,
    /// Told of a supervisor: something was reported to it of an instance it does not know, or knows
    /// no more. It has changed nothing.
    Stray {
        /// What was reported.
        what: String,
    },
}

/// Why a supervisor ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was asked to.
    Stopped,
    /// The significant child of this id ended for good.
    Finished(String),
    /// A child failed its first start.
    StartFailed(StartError),
    /// This child used up the budget.
    GaveUp(Seat, String),
}

/// What a child is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// An instance is being started.
    Starting,
    /// An instance is up.
    Running,
    /// It waits for its delay, or for its turn.
    Backoff,
    /// Its instance is being stopped.
    Stopping,
    /// No instance, and none will come by itself.
    Stopped,
    /// Its branch is kept down, with a try now and then.
    Down,
}

/// A child as seen from outside. Where its supervisor is replaced, the new one goes on counting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildView {
    /// What it is doing.
    pub state: State,
    /// How often it has been up.
    pub ups: u32,
    /// How often it was ended on purpose.
    pub injected: u32,
    /// How it failed last.
    pub last_failure: Option<String>,
    /// Whether its branch counts as down, up to its proof of health.
    pub down: bool,
}

impl ChildView {
    /// How often an instance has replaced another.
    pub fn restarts(&self) -> u32 {
        self.ups.saturating_sub(1)
    }
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A child of this id is listed, without an instance that is up.
    #[error("there is a child of this id already")]
    AlreadyPresent,
    /// A child of this id is up; its handle, where the shell knows it.
    #[error("a child of this id is running already")]
    AlreadyStarted(Option<ActorCell>),
    /// The child has an instance.
    #[error("the child is running")]
    Running,
    /// The child is being started again, or waits for that.
    #[error("the child is restarting")]
    Restarting,
    /// Children of a pool have handles, not ids.
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
    /// The spec is wrong.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The child could not be started; it is not listed.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Something a supervisor tells about a child.
#[derive(Clone, Debug, PartialEq)]
pub struct SupervisionNotice {
    /// The child's path.
    pub path: String,
    /// Worker or supervisor.
    pub kind: Kind,
    /// Wall clock, UTC milliseconds.
    pub at_ms: i64,
    /// What happened.
    pub news: Announcement,
}
