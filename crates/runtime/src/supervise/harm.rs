//! What may be done to an actor on purpose, to see that it makes no difference.

use super::exit::Injected;
use super::slot::{Directory, Slot};
use super::supervisor::Msg;
use ractor::ActorRef;
use std::fmt;
use std::time::Duration;

/// A way to disturb an actor. None uses up restart budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// It is killed: it ends at its next await, or at once where it is idle.
    Kill,
    /// It is asked to stop, and comes back. A supervisor stops its children first, in order.
    Stop,
    /// It panics at its next message.
    Panic,
    /// It holds its thread this long at its next message.
    Stall(Duration),
    /// The process dies at its next message, without a word.
    Abort,
}

/// What becomes of who is disturbed, to be said behind its path.
impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Harm::Kill => write!(f, "is killed"),
            Harm::Stop => write!(f, "is asked to stop"),
            Harm::Panic => write!(f, "panics at its next message"),
            Harm::Stall(long) => {
                write!(f, "holds its thread for {} s at its next message", long.as_secs_f64())
            }
            Harm::Abort => write!(f, "ends the process at its next message"),
        }
    }
}

impl Harm {
    /// Whether it waits for a message, which may never come.
    #[must_use]
    pub fn waits(self) -> bool {
        match self {
            Harm::Kill | Harm::Stop => false,
            Harm::Panic | Harm::Stall(_) | Harm::Abort => true,
        }
    }
}

/// Why an actor was not disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotHarmed {
    /// There is no instance at that path.
    Absent,
    /// This waits for its next message already, and would be forgotten for another.
    Planned(Harm),
}

impl Directory {
    /// Disturbs the instance at `path`. What waits for a message is shown in the view of the tree
    /// until one comes, and is passed on to a successor.
    ///
    /// # Errors
    /// There is no instance, or one such thing waits for a message already.
    pub fn harm(&self, path: &str, harm: Harm, why: &Injected) -> Result<(), NotHarmed> {
        let known = |noted: bool| if noted { Ok(()) } else { Err(NotHarmed::Absent) };
        match harm {
            Harm::Kill => known(self.inject_kill(path, why)),
            Harm::Stop => {
                let noted = self.note_injected(path, why);
                if let Some(cell) = self.slot(path).cell().filter(|_| noted) {
                    if cell.is_message_type_of::<Msg>() == Some(true) {
                        // One that is gone need not be asked.
                        ActorRef::<Msg>::from(cell).cast(Msg::Stop(None)).ok();
                    } else {
                        cell.stop(Some("stopped on purpose".to_owned()));
                    }
                }
                known(noted)
            }
            Harm::Panic | Harm::Stall(_) | Harm::Abort => {
                let slot = self.slot(path);
                slot.cell().ok_or(NotHarmed::Absent)?;
                slot.plan_harm(harm).map_err(NotHarmed::Planned)
            }
        }
    }
}

impl Directory {
    /// Takes back whatever waits for a message, and says for whom: their paths.
    pub fn forget_harms(&self) -> Vec<String> {
        let all = self.slots();
        let taken = all.iter().filter(|slot| slot.take_harm().is_some());
        taken.map(|slot| slot.path().to_owned()).collect()
    }
}

/// Does what was planned for the instance that handles a message now.
#[cold]
pub(crate) fn befall(slot: &Slot) {
    match slot.take_harm() {
        None | Some(Harm::Kill | Harm::Stop) => {}
        Some(Harm::Panic) => Injected(format!("a panic of {}", slot.path())).panic(),
        Some(Harm::Stall(long)) => {
            #[expect(clippy::disallowed_methods, reason = "what was asked for")]
            std::thread::sleep(long);
        }
        Some(Harm::Abort) => {
            #[expect(clippy::disallowed_methods, reason = "what was asked for")]
            std::process::abort();
        }
    }
}
