//! Inputs about the daemon itself: settings, reloads, restarts, branches; and what follows the
//! journal into the history.

pub mod branches;
pub mod config;
pub mod projector;
pub mod reload;
pub mod restarts;
