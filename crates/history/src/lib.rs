//! Past bars and projections of the journal, stored in `history.redb` for queries.
//!
//! [`projection`] follows the durable facts. [`need`] finds missing bars, [`fetched_bars`] stores
//! them and [`bars`] reads them; `blocks` is their compressed form. [`queries`] returns the shapes
//! of [`records`], and [`book_changes`] the changes of the books. [`gaps`] finds gaps and odd
//! prices in files of bars, and [`scale`] prices in a wrong scale. [`old_bars`] moves old bars to
//! files of an archive, and `removed` notes how far. [`whole`] marks wide bars with missing
//! minutes. `dust` decides which holdings are too small to sell. [`stored`] lists the series, and
//! [`ledger`] the state of every hole in them. [`check`] compares the bars with the journal, and
//! [`repair`] replaces wrong rows. [`dominance`] reads samples of the dominance, and [`tokens`] the
//! registry of tokens with the points of their prices.

pub mod backfill;
pub mod backfilled;
pub mod bars;
mod blocks;
pub mod book_changes;
pub mod check;
pub mod dominance;
mod dust;
pub mod fetched_bars;
pub mod gaps;
mod key_encoding;
pub mod ledger;
pub mod need;
pub mod old_bars;
pub mod page;
pub mod projection;
pub mod queries;
pub mod records;
mod removed;
pub mod repair;
pub mod scale;
pub mod stored;
pub mod tokens;
pub mod whole;

/// Name of the file in the data directory.
pub const FILE: &str = "history.redb";

pub use bars::HistoryLibrary;
pub use projection::Projector;
pub use queries::History;

#[cfg(test)]
mod tests;
