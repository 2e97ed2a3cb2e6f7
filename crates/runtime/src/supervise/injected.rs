//! What may be done to an actor on purpose, to see that it makes no difference.

use std::fmt;
use std::time::Duration;

/// A way to disturb an actor. None uses up restart budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InjectedFault {
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
    /// Whether it waits for a message, which may never come.
    #[must_use]
    pub fn waits(self) -> bool {
        match self {
            InjectedFault::Kill | InjectedFault::Stop => false,
            InjectedFault::Panic | InjectedFault::Stall(_) | InjectedFault::Abort => true,
        }
    }
}
