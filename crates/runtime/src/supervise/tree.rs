//! Data that all actors of one tree share.

use super::event::SupervisionNotice;
use super::slot::Directory;
use crate::clock::WallMs;
use std::sync::Arc;

/// Receives a notice for each change of a child. It is called in the supervisor, or beside a child
/// that ended with its supervisor. It must be quick and never panic.
pub type Observer = Arc<dyn Fn(&SupervisionNotice) + Send + Sync>;

/// Returns the time of the wall clock. Used only for display.
pub type Wall = Arc<dyn Fn() -> WallMs + Send + Sync>;

/// Data that a whole tree shares. Cheap to clone.
#[derive(Clone)]
pub struct Tree {
    /// The directory of its actors.
    pub directory: Directory,
    /// Receives the notices.
    pub observer: Observer,
    /// The wall clock.
    pub wall: Wall,
}
