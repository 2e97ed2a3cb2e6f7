//! Injected faults: failures and lies of the exchange that a user or a test switches on.
//!
//! [`kinds`] is the table of all faults, and [`fault`] describes one that is active. [`on`] decides
//! which requests, messages, orders and bars are hit. [`mode`] lists the lies of a hostile venue,
//! and [`lie`] makes them. Each decision is a hash of the fault's seed and of its target (symbol,
//! client id, venue time, message text). Wall time is not part of the hash, so the same run has the
//! same hits.

pub mod fault;
pub mod kinds;
pub mod lie;
pub mod mode;
pub mod on;

pub use fault::Fault;
pub use kinds::{KINDS, Kind, Row};
pub use lie::{Falsified, Lie};
pub use mode::{MODES, Mode};
pub use on::{FILE, Faults, Hit, Subject, prepare};
