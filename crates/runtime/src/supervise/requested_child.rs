//! A child whose start was requested.

use super::event::Seat;
use super::spec::Extra;
use ractor::{ActorCell, ActorId};
use std::fmt;

/// A child that is up because it was requested.
#[derive(Clone)]
pub struct Child {
    /// Its path in the tree, also for its later instances.
    pub path: String,
    /// The instance; `None` if it had nothing to do or has already ended.
    pub cell: Option<ActorCell>,
    /// Value that its start returned.
    pub extra: Option<Extra>,
    pub(super) seat: Seat,
    /// The supervisor it is a child of.
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
