//! What the actors of one tree share.

use super::event::SupervisionNotice;
use super::slot::Directory;
use crate::clock::WallMs;
use std::sync::Arc;

/// Is told everything a supervisor does. Called in the supervisor, or beside a child that ended
/// with it: it must be quick and never panic.
pub type Observer = Arc<dyn Fn(&SupervisionNotice) + Send + Sync>;

/// Tells the wall clock's time, UTC milliseconds; for people only.
pub type Wall = Arc<dyn Fn() -> WallMs + Send + Sync>;

/// What a whole tree shares. Cheap to clone.
#[derive(Clone)]
pub struct Tree {
    /// Where its actors are found.
    pub directory: Directory,
    /// Who is told.
    pub observer: Observer,
    /// What time it is.
    pub wall: Wall,
}
