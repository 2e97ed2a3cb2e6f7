//! The rules of a tree as plain data: which children are restarted, how, how often, and spec
//! errors.

use serde::Serialize;
use std::time::Duration;

/// Whether a child that ended is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// After every exit.
    Permanent,
    /// After an abnormal exit. A kill is abnormal.
    Transient,
    /// Never. Its spec is removed with its instance.
    Temporary,
}

/// How a supervisor stops a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Kills it immediately.
    Kill,
    /// Requests it to stop, and kills it after this time.
    Timed(Duration),
    /// Requests it to stop, and waits without a limit.
    Infinite,
}

/// What the parent does if a child exceeds the restart budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnGiveUp {
    /// The parent gives up too.
    Escalate,
    /// The parent stops the branch and retries it each `retry`. Retries use no budget. Under
    /// `RestForOne` and `OneForAll`, children that depend on the branch stay stopped too.
    Degrade {
        /// Time between two retries.
        retry: Duration,
    },
}

/// Growing delay before restarts. The first restart is immediate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Delay before the second restart in a row. It doubles with each further one.
    pub first: Duration,
    /// Maximum of the delay. It is also limited so that the budget can be used up within its
    /// period.
    pub max: Duration,
    /// An instance that was up for this long resets the delay.
    pub healthy: Duration,
}

/// Which children are restarted after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// The failed one.
    OneForOne,
    /// The failed one and those after it.
    RestForOne,
    /// All of them.
    OneForAll,
    /// The failed one, and each child has a budget of its own. For children of one kind, where a
    /// bad child must not use up the budget of the others.
    Dynamic,
    /// The failed one. A pool starts empty. Its children are made from one
    /// [`template`](super::template) and have handles instead of ids. It stops all of them at the
    /// same time.
    Pool,
}

/// Whether a supervisor stops when significant children have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoShutdown {
    /// Never.
    #[default]
    Never,
    /// When the first significant child has ended permanently.
    AnySignificant,
    /// When the last significant child has ended permanently.
    AllSignificant,
}

/// Worker or supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An actor that does the application's work.
    Worker,
    /// An actor that only starts, stops and restarts its children.
    Supervisor,
}

/// Rules by which a supervisor treats one child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Whether it is started again.
    pub restart: Restart,
    /// How it is stopped.
    pub shutdown: Shutdown,
    /// Maximum time of a start. A longer start has failed.
    pub start_limit: Duration,
    /// Delay before restarts.
    pub backoff: Backoff,
    /// What the parent does if it exceeds the budget.
    pub on_give_up: OnGiveUp,
    /// Whether its permanent end counts for the auto-shutdown of its supervisor.
    pub significant: bool,
}

/// Settings of a supervisor: which children are restarted after a failure, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which children are restarted after a failure.
    pub strategy: Strategy,
    /// Restarts allowed within a period. At one more the supervisor gives up.
    pub intensity: u32,
    /// Length of the sliding window of the budget.
    pub period: Duration,
    /// Whether it stops when significant children have ended.
    pub auto_shutdown: AutoShutdown,
}

impl Rules {
    pub(crate) fn of(kind: Kind) -> Rules {
        let (shutdown, start_limit) = match kind {
            Kind::Worker => (Shutdown::Timed(Duration::from_secs(5)), Duration::from_secs(30)),
            Kind::Supervisor => (Shutdown::Infinite, Duration::from_mins(5)),
        };
        let backoff = Backoff {
            first: Duration::from_millis(100),
            max: Duration::from_secs(10),
            healthy: Duration::from_secs(10),
        };
        let on_give_up = OnGiveUp::Escalate;
        let (restart, significant) = (Restart::Permanent, false);
        Rules { restart, shutdown, start_limit, backoff, on_give_up, significant }
    }
}

/// Why a spec is rejected before anything is started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// An id is empty or has a slash, which separates the parts of a path.
    #[error("{0:?} is not an id: it must not be empty nor have a '/'")]
    BadId(String),
    /// Two children of one supervisor have this id.
    #[error("two children are called {0:?}")]
    TwiceTheSame(String),
    /// This supervisor has a period of zero.
    #[error("{0:?} has a period of zero")]
    ZeroPeriod(String),
    /// This child would be killed immediately, fail every start, or be retried without a pause.
    #[error("{0:?} has a time limit of zero")]
    ZeroLimit(String),
    /// This child is significant, but its supervisor has no auto-shutdown.
    #[error("{0:?} is significant, but its supervisor has no auto-shutdown")]
    SignificantForNothing(String),
    /// This child is significant, but permanent, so it never ends permanently.
    #[error("{0:?} is significant, but permanent: it never ends for good")]
    SignificantPermanent(String),
    /// This pool has an auto-shutdown, but no child of a pool can be significant.
    #[error("{0:?} is a pool, which has no auto-shutdown")]
    PoolWithAutoShutdown(String),
    /// This pool has none or several templates, or another kind of child.
    #[error("{0:?} is a pool, which has one template and no other child")]
    NotOneTemplate(String),
    /// This template is not in a pool.
    #[error("{0:?} is a template, which only a pool has")]
    TemplateOutsidePool(String),
    /// This child of a pool was started with arguments its new template does not take.
    #[error("{0:?} was started with arguments of another type than the new template takes")]
    OtherArguments(String),
}
