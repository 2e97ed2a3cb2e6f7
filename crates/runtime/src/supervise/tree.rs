//! The data that the actors of one tree share.

use super::event::SupervisionNotice;
use super::slot::Directory;
use std::sync::Arc;

/// Receives all reports of supervisors. It is called in the supervisor, or beside a child that
/// ended with it. It must be quick and never panic.
pub type Observer = Arc<dyn Fn(&SupervisionNotice) + Send + Sync>;

/// Returns the wall clock, UTC milliseconds; for people only.
pub type Wall = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The data that a whole tree shares. Cheap to clone.
#[derive(Clone)]
pub struct Tree {
    /// The addresses of its actors.
    pub directory: Directory,
    /// The receiver of reports.
    pub observer: Observer,
    /// The wall clock.
    pub wall: Wall,
}
