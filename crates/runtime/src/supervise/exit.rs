//! How an instance ended, and the one function that tells it from ractor's events.
//!
//! ractor reports a kill as a normal termination that differs by a text only, so the texts are read
//! here and nowhere else. The state inside an event is dropped here: it may be half updated. Only
//! an actor with a start function of its own has one there (see `busy`).

use ractor::{ActorProcessingErr, SupervisionEvent};
use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Texts ractor uses for ends that nobody asked for; no stop may carry them as its reason.
const KILLED: &str = "killed";
const CANCELLED: &str = "actor_task_cancelled";
/// Starts the text of a panic that was injected; ractor keeps only texts of panics.
const INJECTED: &str = "everwarm:injected:";

/// Why an instance is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It ended as it was meant to: it was asked, or it had finished. The text is its reason.
    Normal(String),
    /// A supervisor that used up its budget, after it had stopped its children.
    GaveUp(GaveUp),
    /// A panic or an `Err`, with its text.
    Failed(String),
    /// It was killed.
    Killed,
    /// Its task was cancelled, or ended without a word.
    Lost,
    /// It was ended on purpose, to see what happens; costs no budget.
    Injected(String),
    /// It was killed because its supervisor had ended without a word.
    Orphaned,
}

/// A supervisor's last words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GaveUp {
    /// Path of the child that used up the budget.
    pub path: String,
    /// How that child ended last.
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

    /// Whether it was caused on purpose.
    pub fn is_injected(&self) -> bool {
        matches!(self, Exit::Injected(_))
    }

    /// Reads an event of ractor; `None` where it does not say that an actor ended.
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

    /// The same exit of an instance whose state panicked in its `Drop`, where it did.
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

/// Drops a value and tells the text of the panic where that panics.
pub(crate) fn discard<T>(value: T) -> Option<String> {
    catch_unwind(AssertUnwindSafe(|| drop(value))).err().map(text_of)
}

/// The text of a panic. The payload may panic when it is dropped, too.
fn text_of(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    drop(catch_unwind(AssertUnwindSafe(|| drop(panic))));
    text.unwrap_or_else(|| "a panic without a text".to_owned())
}

/// An error of an actor as its text, made on the actor's thread: the error's own code may panic,
/// and its supervisor must not run it. An injected one stays what it is.
pub(crate) fn plain(error: &(dyn std::error::Error + 'static)) -> ActorProcessingErr {
    match Injected::among(error) {
        Some(injected) => Box::new(injected),
        None => error.to_string().into(),
    }
}

/// An exit on purpose, as an error or a panic; the text says where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("everwarm:injected:{0}")]
pub struct Injected(pub String);

impl Injected {
    /// Panics in a way that is told from a real panic, and without a word: it was asked for.
    ///
    /// # Panics
    /// Always.
    pub fn panic(self) -> ! {
        std::panic::resume_unwind(Box::new(self.to_string()))
    }

    /// Whether a panic is an injected exit.
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

/// What `pre_start` answers where there is nothing to do: no instance, and no failure.
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
    /// Path of the child that failed, which may be below the one that was asked for.
    pub path: String,
    /// The cause.
    pub why: String,
    /// Whether it was caused on purpose.
    pub injected: bool,
}

impl StartError {
    /// A failed start of the child at `path`.
    pub fn new(path: impl Into<String>, why: impl Into<String>) -> StartError {
        StartError { path: path.into(), why: why.into(), injected: false }
    }

    /// The same for an error of ractor; tells injected ones.
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
