//! Past bars and projections of the journal, in `history.redb`: what is kept for looking back.
//!
//! [`projection`] follows the durable facts; [`need`] says what of the past is missing,
//! [`keeper`] writes it and [`bars`] has it; [`queries`] answers in the shapes of [`records`],
//! [`booked`] with the changes of the books; what is too little to be sold then is told by the
//! rules that [`projection`] keeps.

pub mod bars;
pub mod book_changes;
mod dust;
pub mod fetched_bars;
mod key_encoding;
pub mod need;
pub mod page;
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
