//! A child that was asked for.

use super::event::Seat;
use super::spec::Extra;
use ractor::{ActorCell, ActorId};
use std::fmt;

/// A child that is up because it was asked for.
#[derive(Clone)]
pub struct Child {
    /// Its place in the tree, at which its later instances are found too.
    pub path: String,
    /// The instance; `None` where it had nothing to do, or has ended already.
    pub cell: Option<ActorCell>,
    /// What its start told.
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
