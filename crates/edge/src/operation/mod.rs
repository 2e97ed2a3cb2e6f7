//! Inputs about the daemon itself: settings, reloads, restarts, branches. The projector fills the
//! history.

pub mod branches;
pub mod config;
pub mod health;
pub mod projector;
pub mod reload;
pub mod restarts;
