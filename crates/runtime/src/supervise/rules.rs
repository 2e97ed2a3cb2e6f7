//! The rules of a tree as plain data: restart policy, restart strategy, budget, and their errors.

use serde::Serialize;
use std::time::Duration;

/// The restart policy: when an ended child is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// After every exit.
    Permanent,
    /// After an abnormal exit; a kill is one.
    Transient,
    /// Never. Its spec is dropped with its instance.
    Temporary,
}

/// How a child is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// It is killed immediately.
    Kill,
    /// It is stopped, and killed after this time.
    Timed(Duration),
    /// It is stopped, without a limit.
    Infinite,
}

/// The effect of an exceeded budget on the parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnGiveUp {
    /// The parent gives up too.
    Escalate,
    /// The parent stops the branch and retries each `retry`, without counting it. Under
    /// `RestForOne` and `OneForAll` children that depend on the branch stay down with it.
    Degrade {
        /// Time between two attempts.
        retry: Duration,
    },
}

/// The growing delay before a restart. The first restart has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The delay before the second restart in a row. It doubles with each further one.
    pub first: Duration,
    /// The largest delay. (It is also limited so that the budget can be exceeded in its period.)
    pub max: Duration,
    /// An instance that was up this long resets the delay.
    pub healthy: Duration,
}

/// The restart strategy: which children a failure restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// The failed one.
    OneForOne,
    /// The failed one and those after it.
    RestForOne,
    /// All of them.
    OneForAll,
    /// The failed one, and each child has its own budget. For children of one kind, so that a bad
    /// one cannot exceed the budget of the others.
    Dynamic,
    /// The failed one. It starts empty. Its children are made from one
    /// [`template`](super::template) and have handles instead of ids. It stops them all at the same
    /// time.
    Pool,
}

/// Whether a supervisor stops when its significant children have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoShutdown {
    /// Never.
    #[default]
    Never,
    /// When the first significant child has ended for good.
    AnySignificant,
    /// When the last significant child has ended for good.
    AllSignificant,
}

/// Worker or supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An actor that does the work.
    Worker,
    /// An actor that only starts, stops and restarts.
    Supervisor,
}

/// The rules of one child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// When it is started again.
    pub restart: Restart,
    /// How it is stopped.
    pub shutdown: Shutdown,
    /// A start that takes longer has failed.
    pub start_limit: Duration,
    /// The delay before restarts.
    pub backoff: Backoff,
    /// The effect of an exceeded budget.
    pub on_give_up: OnGiveUp,
    /// Whether its final end counts for the auto-shutdown of its supervisor.
    pub significant: bool,
}

/// The restart strategy and budget of a supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which children a failure restarts.
    pub strategy: Strategy,
    /// Restarts allowed within a period. With one more the supervisor gives up.
    pub intensity: u32,
    /// Length of the sliding window.
    pub period: Duration,
    /// Whether it stops when its significant children have ended.
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
    /// An id is empty or contains a slash, which separates the parts of a path.
    #[error("{0:?} is not an id: it must not be empty nor have a '/'")]
    BadId(String),
    /// Two children of one supervisor have this id.
    #[error("two children are called {0:?}")]
    TwiceTheSame(String),
    /// This supervisor has a period of zero.
    #[error("{0:?} has a period of zero")]
    ZeroPeriod(String),
    /// This child has a start limit, a deadline or a retry of zero.
    #[error("{0:?} has a time limit of zero")]
    ZeroLimit(String),
    /// This child is significant, but its supervisor has no auto-shutdown.
    #[error("{0:?} is significant, but its supervisor has no auto-shutdown")]
    SignificantForNothing(String),
    /// This child is significant, but permanent: it never ends for good.
    #[error("{0:?} is significant, but permanent: it never ends for good")]
    SignificantPermanent(String),
    /// This pool has an auto-shutdown, but nothing in it can be significant.
    #[error("{0:?} is a pool, which has no auto-shutdown")]
    PoolWithAutoShutdown(String),
    /// This pool has no template, several, or another kind of child.
    #[error("{0:?} is a pool, which has one template and no other child")]
    NotOneTemplate(String),
    /// This template is not in a pool.
    #[error("{0:?} is a template, which only a pool has")]
    TemplateOutsidePool(String),
    /// This child of a pool was started with arguments that its new template does not accept.
    #[error("{0:?} was started with arguments of another type than the new template takes")]
    OtherArguments(String),
}
