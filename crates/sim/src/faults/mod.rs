//! Faults of the exchange on request.
//!
//! [`kinds`] is the table of kinds, [`fault`] one fault that is switched on. [`on`] decides for
//! each request, message and order whether it is hit. [`mode`] lists the modes of a hostile venue,
//! [`lie`] makes its false responses. A decision is a hash of the fault's seed and of the target
//! (symbol, client's id, venue time, text of a message). It never depends on wall time, so the same
//! run is hit in the same places.

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
