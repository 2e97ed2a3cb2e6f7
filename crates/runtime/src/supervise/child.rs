//! The handle of a child that was added by request.

use super::event::Seat;
use super::spec::Extra;
use ractor::{ActorCell, ActorId};
use std::fmt;

/// A child that was added or restarted by request.
#[derive(Clone)]
pub struct Child {
    /// Its path in the tree. Later instances have the same path.
    pub path: String,
    /// The instance; `None` where it had nothing to do, or has ended already.
    pub cell: Option<ActorCell>,
    /// Data that its start returned.
    pub extra: Option<Extra>,
    pub(super) seat: Seat,
    /// Its supervisor.
    pub(super) of: ActorId,
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("path", &self.path)
            .field("cell", &self.cell)
            .finish_non_exhaustive()
    }
}
