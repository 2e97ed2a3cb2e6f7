//! The kinds of ends of an instance, and the function that reads them from ractor's events.
//!
//! ractor reports a kill as a normal termination that differs only by a text. These texts are
//! compared only here. The state inside an event is dropped here, because it may be half updated.
//! Only actors with a custom start function have one there (see `busy`).

use ractor::{ActorProcessingErr, SupervisionEvent};
use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Texts that ractor uses for unrequested ends. No stop may use them as its reason.
const KILLED: &str = "killed";
const CANCELLED: &str = "actor_task_cancelled";
/// The prefix of the text of an injected panic. ractor keeps only the text of a panic.
const INJECTED: &str = "everwarm:injected:";

/// Why an instance ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It ended as intended: on request, or because it was finished. The text is its reason.
    Normal(String),
    /// A supervisor exceeded its restart budget and stopped its children.
    GaveUp(GaveUp),
    /// A panic or an `Err`, with its text.
    Failed(String),
    /// It was killed.
    Killed,
    /// Its task was cancelled, or ended without a report.
    Lost,
    /// It was ended by an injected fault, which costs no budget.
    Injected(String),
    /// It was killed because its supervisor had ended without a report.
    Orphaned,
}

/// The reason of a supervisor that gave up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GaveUp {
    /// Path of the child that exceeded the budget.
    pub path: String,
    /// The reason of the last end of that child.
    pub why: String,
}

impl Exit {
    /// Whether a transient child stays down after it. Giving up is a normal exit, as in OTP.
    pub fn is_normal(&self) -> bool {
        match self {
            Exit::Normal(_) | Exit::GaveUp(_) => true,
            Exit::Failed(_) | Exit::Killed | Exit::Lost | Exit::Injected(_) | Exit::Orphaned => {
                false
            }
        }
    }

    /// Whether it was injected.
    pub fn is_injected(&self) -> bool {
        matches!(self, Exit::Injected(_))
    }

    /// Reads an event of ractor; `None` if it does not report an end.
    pub(crate) fn of(event: SupervisionEvent) -> Option<Exit> {
        match event {
            SupervisionEvent::ActorTerminated(_, state, reason) => {
                let exit = match reason.as_deref() {
                    Some(KILLED) => Exit::Killed,
                    Some(CANCELLED) => Exit::Lost,
                    Some(_) | None => Exit::Normal(reason.unwrap_or_default()),
                };
                Some(exit.with_drop(discard(state)))
            }
            SupervisionEvent::ActorFailed(_, error) => {
                let read = AssertUnwindSafe(move || match Injected::among(error.as_ref()) {
                    Some(injected) => Exit::Injected(injected.0),
                    None => Exit::Failed(error.to_string()),
                });
                Some(catch_unwind(read).unwrap_or_else(|panic| Exit::Failed(text_of(panic))))
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => None,
        }
    }

    /// Adds a panic in the `Drop` of the state, if there was one.
    pub(crate) fn with_drop(self, panicked: Option<String>) -> Exit {
        match (self, panicked) {
            (Exit::Normal(_), Some(why)) => Exit::Failed(format!("a panic in Drop: {why}")),
            (Exit::Failed(first), Some(why)) => {
                Exit::Failed(format!("{first}; then a panic in Drop: {why}"))
            }
            (exit, _) => exit,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Normal(reason) if reason.is_empty() => write!(f, "ended"),
            Exit::Normal(reason) => write!(f, "ended: {reason}"),
            Exit::GaveUp(GaveUp { path, why }) => write!(f, "gave up on {path}: {why}"),
            Exit::Failed(text) => write!(f, "failed: {text}"),
            Exit::Killed => write!(f, "killed"),
            Exit::Lost => write!(f, "its task was cancelled"),
            Exit::Injected(what) => write!(f, "injected: {what}"),
            Exit::Orphaned => write!(f, "ended with its supervisor"),
        }
    }
}

/// Drops a value. Returns the text of the panic if its `Drop` panics.
pub(crate) fn discard<T>(value: T) -> Option<String> {
    catch_unwind(AssertUnwindSafe(|| drop(value))).err().map(text_of)
}

/// The text of a panic. Dropping the payload may panic too.
fn text_of(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    drop(catch_unwind(AssertUnwindSafe(|| drop(panic))));
    text.unwrap_or_else(|| "a panic without a text".to_owned())
}

/// The error of an actor as text. It is made on the thread of the actor, because code of the error
/// may panic and must not run in the supervisor. An injected error keeps its type.
pub(crate) fn plain(error: &(dyn std::error::Error + 'static)) -> ActorProcessingErr {
    match Injected::among(error) {
        Some(injected) => Box::new(injected),
        None => error.to_string().into(),
    }
}

/// An injected exit, as an error or the text of a panic. The text names the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("everwarm:injected:{0}")]
pub struct Injected(pub String);

impl Injected {
    /// Panics so that the panic is recognised as injected. It prints nothing.
    ///
    /// # Panics
    /// Always.
    pub fn panic(self) -> ! {
        std::panic::resume_unwind(Box::new(self.to_string()))
    }

    /// Whether a panic was injected.
    pub(crate) fn is_panic(text: &str) -> bool {
        text.starts_with(INJECTED)
    }

    /// Finds an injected exit in an error, its sources, or the text of a panic.
    pub(crate) fn among(error: &(dyn std::error::Error + 'static)) -> Option<Injected> {
        std::iter::successors(Some(error), |e| e.source()).find_map(|error| {
            error.downcast_ref::<Injected>().cloned().or_else(|| {
                let text = error.to_string();
                text.strip_prefix(INJECTED).map(|what| Injected(what.to_owned()))
            })
        })
    }
}

/// The error of a `pre_start` with nothing to do: no instance, and no failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is nothing to do")]
pub struct Ignore;

impl Ignore {
    pub(crate) fn is(error: &ractor::SpawnErr) -> bool {
        matches!(error, ractor::SpawnErr::StartupFailed(cause) if cause.is::<Ignore>())
    }
}

/// Why a child could not be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path} could not be started: {why}")]
pub struct StartError {
    /// Path of the child that failed. It may be below the requested one.
    pub path: String,
    /// The cause.
    pub why: String,
    /// Whether the failure was injected.
    pub injected: bool,
}

impl StartError {
    /// A failed start of the child at `path`.
    pub fn new(path: impl Into<String>, why: impl Into<String>) -> StartError {
        StartError { path: path.into(), why: why.into(), injected: false }
    }

    /// As [`StartError::new`] for an error of ractor. Recognises injected errors.
    pub fn of(path: impl Into<String>, error: &ractor::SpawnErr) -> StartError {
        if let ractor::SpawnErr::StartupFailed(cause) = error {
            let injected = Injected::among(cause.as_ref()).is_some();
            return StartError { path: path.into(), why: cause.to_string(), injected };
        }
        StartError::new(path, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn injected_exits_are_recognised_by_type_and_by_panic_text() {
        let typed: ractor::ActorProcessingErr = Box::new(Injected("step".into()));
        assert_eq!(Injected::among(typed.as_ref()), Some(Injected("step".into())));
        let panicked: ractor::ActorProcessingErr = From::from(Injected("step".into()).to_string());
        assert_eq!(Injected::among(panicked.as_ref()), Some(Injected("step".into())));
        let real: ractor::ActorProcessingErr = From::from("step");
        assert_eq!(Injected::among(real.as_ref()), None);
    }
}
