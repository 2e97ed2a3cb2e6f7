//! Misbehaviour on request: what an exchange does to its clients when it has a bad day.
//!
//! [`kinds`] is the table of what can be switched on, [`fault`] one thing that is, and [`on`]
//! decides for each request, message and order whether it is hit. What a hostile venue can say is
//! in [`mode`], and [`lie`] says it. The decision is a hash of the
//! fault's seed and of what is hit (symbol, client's id, venue time, the words of a message), never
//! of the clock on the wall, so the same run is hit in the same places.

pub mod fault;
pub mod kinds;
pub mod lie;
pub mod mode;
pub mod on;

pub use fault::Fault;
pub use kinds::{KINDS, Kind, Row};
pub use lie::{Lie, Told};
pub use mode::{MODES, Mode};
pub use on::{FILE, Faults, Hit, Subject, prepare};
