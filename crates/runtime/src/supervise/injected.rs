//! What may be done to an actor on purpose, to see that it makes no difference.

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
                write!(f, "blocks its thread for {} s at its next message", long.as_secs_f64())
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
