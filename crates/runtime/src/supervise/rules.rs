//! The rules of a tree as plain data: who is restarted, how and how often, and what is wrong.

use serde::Serialize;
use std::time::Duration;

/// When a child that ended is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// After every exit.
    Permanent,
    /// After an abnormal exit; a kill is one.
    Transient,
    /// Never; its spec goes with its instance.
    Temporary,
}

/// How a child is ended on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Killed at once.
    Kill,
    /// Asked, and killed after this time.
    Timed(Duration),
    /// Asked, and waited for as long as it takes.
    Infinite,
}

/// What using up the budget means for the parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnGiveUp {
    /// The parent gives up too.
    Escalate,
    /// The parent keeps the branch down and tries again each `retry`, without counting it.
    /// Under `RestForOne` and `OneForAll` what depends on the branch stays down with it.
    Degrade {
        /// Time between two tries.
        retry: Duration,
    },
}

/// Growing delay before a restart. The first restart comes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Before the second restart in a row; doubles with each further one.
    pub first: Duration,
    /// The delay grows no further. (Nor so far that the budget could not be used up in its period.)
    pub max: Duration,
    /// An instance that lived this long makes the delay start anew.
    pub healthy: Duration,
}

/// Which children a failure touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// The failed one.
    OneForOne,
    /// The failed one and those after it.
    RestForOne,
    /// All of them.
    OneForAll,
    /// The failed one, and each child has the budget for itself. For children of one kind, of which
    /// one that is bad must not use up what the others have.
    Dynamic,
    /// The failed one. Starts empty; its children are made from one
    /// [`template`](super::template) and known by their handles, and it stops them all at the same
    /// time.
    Pool,
}

/// Whether a supervisor stops when children that matter have done their work.
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

/// How a supervisor treats one child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// When it is started again.
    pub restart: Restart,
    /// How it is ended.
    pub shutdown: Shutdown,
    /// A start that takes longer has failed.
    pub start_limit: Duration,
    /// Delay before restarts.
    pub backoff: Backoff,
    /// What using up the budget means.
    pub on_give_up: OnGiveUp,
    /// Whether its end for good counts for the auto-shutdown of its supervisor.
    pub significant: bool,
}

/// How many restarts a supervisor allows, and whom a failure touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whom a failure touches.
    pub strategy: Strategy,
    /// Restarts allowed within a period; one more and the supervisor gives up.
    pub intensity: u32,
    /// Length of the sliding window.
    pub period: Duration,
    /// Whether it stops when children that matter have ended.
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

/// Why a spec is refused before anything is started.
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
    /// This child would be killed or called too slow at once, or retried without a pause.
    #[error("{0:?} has a time limit of zero")]
    ZeroLimit(String),
    /// This child is significant, and its supervisor never stops by itself.
    #[error("{0:?} is significant, but its supervisor has no auto-shutdown")]
    SignificantForNothing(String),
    /// This child is significant, and never ends for good.
    #[error("{0:?} is significant, but permanent: it never ends for good")]
    SignificantPermanent(String),
    /// This pool is to stop by itself, and nothing in it can be significant.
    #[error("{0:?} is a pool, which has no auto-shutdown")]
    PoolWithAutoShutdown(String),
    /// This pool has none or several templates, or another kind of child.
    #[error("{0:?} is a pool, which has one template and no other child")]
    NotOneTemplate(String),
    /// This is a template, and its supervisor no pool.
    #[error("{0:?} is a template, which only a pool has")]
    TemplateOutsidePool(String),
    /// This child of a pool was started with arguments its new template does not take.
    #[error("{0:?} was started with arguments of another type than the new template takes")]
    OtherArguments(String),
}
