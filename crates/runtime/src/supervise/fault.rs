//! Faults that can be injected into an actor.

use std::fmt;
use std::time::Duration;

/// A fault for an actor. It costs no restart budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActorFault {
    /// The actor is killed: it ends at its next await, or immediately if it is idle.
    Kill,
    /// The actor is stopped and started again. A supervisor stops its children first, in order.
    Stop,
    /// The actor panics at its next message.
    Panic,
    /// The actor blocks its thread for this long at its next message.
    Stall(Duration),
    /// The process aborts at the next message of the actor.
    Abort,
}

/// The effect on the actor, to be printed behind its path.
impl fmt::Display for ActorFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ActorFault::Kill => write!(f, "is killed"),
            ActorFault::Stop => write!(f, "is asked to stop"),
            ActorFault::Panic => write!(f, "panics at its next message"),
            ActorFault::Stall(long) => {
                write!(f, "holds its thread for {} s at its next message", long.as_secs_f64())
            }
            ActorFault::Abort => write!(f, "ends the process at its next message"),
        }
    }
}

impl ActorFault {
    /// Whether it waits for a message, which may never come.
    #[must_use]
    pub fn waits(self) -> bool {
        match self {
            ActorFault::Kill | ActorFault::Stop => false,
            ActorFault::Panic | ActorFault::Stall(_) | ActorFault::Abort => true,
        }
    }
}
