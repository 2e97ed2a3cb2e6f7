//! The reasons for which an instance ended, and the one function that reads them from ractor's
//! events.
//!
//! ractor reports a kill as a normal termination with another text. Only this file reads these
//! texts. It drops the state inside an event, which may be half updated. Only an actor with a start
//! function of its own has a state there (see `watched`).

use ractor::{ActorProcessingErr, SupervisionEvent};
use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Texts that ractor uses for ends that were not requested. No stop may have them as its reason.
const KILLED: &str = "killed";
const CANCELLED: &str = "actor_task_cancelled";
/// Prefix of the text of an injected panic. ractor keeps only the texts of panics.
const INJECTED: &str = "everwarm:injected:";

/// Reason for which an instance ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It ended normally: on request, or because it had finished. The text is its reason.
    Normal(String),
    /// A supervisor that used up its budget, after it had stopped its children.
    GaveUp(GaveUp),
    /// A panic or an `Err`, with its text.
    Failed(String),
    /// It was killed.
    Killed,
    /// Its task was cancelled, or ended without a report.
    Lost,
    /// It ended by an injected fault, which uses no restart budget.
    Injected(String),
    /// It was killed because its supervisor had ended without a report.
    Orphaned,
}

/// The reason that a supervisor reports when it gives up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GaveUp {
    /// Path of the child that used up the budget.
    pub path: String,
    /// Reason of that child's last end.
    pub why: String,
}

impl Exit {
    /// Whether a transient child is not restarted after it. As in OTP, giving up is a normal exit.
    pub fn is_normal(&self) -> bool {
        match self {
            Exit::Normal(_) | Exit::GaveUp(_) => true,
            Exit::Failed(_) | Exit::Killed | Exit::Lost | Exit::Injected(_) | Exit::Orphaned => {
                false
            }
        }
    }

    /// Whether an injected fault caused it.
    pub fn is_injected(&self) -> bool {
        matches!(self, Exit::Injected(_))
    }

    /// Reads an event of ractor; `None` if it does not report the end of an actor.
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

    /// Adds the panic of the state's `Drop` to the exit, if there was one.
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

/// Drops a value and returns the text of the panic, if the drop panics.
pub(crate) fn discard<T>(value: T) -> Option<String> {
    catch_unwind(AssertUnwindSafe(|| drop(value))).err().map(text_of)
}

/// The text of a panic. The payload may also panic when it is dropped.
fn text_of(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    drop(catch_unwind(AssertUnwindSafe(|| drop(panic))));
    text.unwrap_or_else(|| "a panic without a text".to_owned())
}

/// Converts an error of an actor to its text, on the actor's thread. The error's own code may
/// panic, so the supervisor must not run it. An injected error keeps its type.
pub(crate) fn plain(error: &(dyn std::error::Error + 'static)) -> ActorProcessingErr {
    match Injected::among(error) {
        Some(injected) => Box::new(injected),
        None => error.to_string().into(),
    }
}

/// An injected exit, as an error or a panic. The text names the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("everwarm:injected:{0}")]
pub struct Injected(pub String);

impl Injected {
    /// Panics with a payload that marks an injected panic. The panic hook does not run.
    ///
    /// # Panics
    /// Always.
    pub fn panic(self) -> ! {
        std::panic::resume_unwind(Box::new(self.to_string()))
    }

    /// Whether the text of a panic is that of an injected exit.
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

/// Error that `pre_start` returns if there is nothing to do. It means no instance, and no failure.
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
    /// Path of the child that failed. It may be below the child that was to be started.
    pub path: String,
    /// The cause.
    pub why: String,
    /// Whether an injected fault caused it.
    pub injected: bool,
}

impl StartError {
    /// A failed start of the child at `path`.
    pub fn new(path: impl Into<String>, why: impl Into<String>) -> StartError {
        StartError { path: path.into(), why: why.into(), injected: false }
    }

    /// As [`StartError::new`], from an error of ractor. Recognises injected errors.
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
    fn injected_exits_are_told_by_type_and_by_the_text_of_a_panic() {
        let typed: ractor::ActorProcessingErr = Box::new(Injected("step".into()));
        assert_eq!(Injected::among(typed.as_ref()), Some(Injected("step".into())));
        let panicked: ractor::ActorProcessingErr = From::from(Injected("step".into()).to_string());
        assert_eq!(Injected::among(panicked.as_ref()), Some(Injected("step".into())));
        let real: ractor::ActorProcessingErr = From::from("step");
        assert_eq!(Injected::among(real.as_ref()), None);
    }
}
