//! Faults that can be injected into an actor, to test that they make no difference.

use std::fmt;
use std::time::Duration;

/// A fault to inject into an actor. None uses restart budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InjectedFault {
    /// It is killed: it ends at its next await, or immediately if it is idle.
    Kill,
    /// It is requested to stop, and is restarted. A supervisor stops its children first, in order.
    Stop,
    /// It panics at its next message.
    Panic,
    /// It blocks its thread this long at its next message.
    Stall(Duration),
    /// The process aborts at its next message.
    Abort,
}

/// Text about the effect, to follow the path of the actor.
impl fmt::Display for InjectedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InjectedFault::Kill => write!(f, "is killed"),
            InjectedFault::Stop => write!(f, "is asked to stop"),
            InjectedFault::Panic => write!(f, "panics at its next message"),
            InjectedFault::Stall(long) => {
                write!(f, "blocks its thread for {} s at its next message", long.as_secs_f64())
            }
            InjectedFault::Abort => write!(f, "ends the process at its next message"),
        }
    }
}

impl InjectedFault {
    /// Whether the fault waits for the next message, which may never come.
    #[must_use]
    pub fn waits(self) -> bool {
        match self {
            InjectedFault::Kill | InjectedFault::Stop => false,
            InjectedFault::Panic | InjectedFault::Stall(_) | InjectedFault::Abort => true,
        }
    }
}
