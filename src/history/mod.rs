//! Past bars and projections of the journal, in `history.redb`: what is kept for looking back.
//!
//! [`projection`] follows the durable facts, [`fetch`] asks a venue for ranges of past bars and
//! [`bars`] keeps them, [`queries`] answers in the shapes of [`records`].

pub mod bars;
mod code;
pub mod fetch;
pub mod projection;
pub mod queries;
pub mod records;

/// Name of the file in the data directory.
pub const FILE: &str = "history.redb";

pub use bars::HistoryLibrary;
pub use projection::Projector;
pub use queries::History;

#[cfg(test)]
mod tests;
