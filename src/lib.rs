//! everwarm: a crash-safe trading daemon.
//!
//! Crates in the order in which a price passes them: `everwarm_venue` (network) → `everwarm_edge`
//! (feed, bars, closer) → the journal of `everwarm_runtime` → `everwarm_trading` (pure stages by
//! rank) → `everwarm_edge` (gateway) → `everwarm_venue`. Beside them: `everwarm_domain` has the
//! types, `everwarm_words` their texts, `everwarm_history` the history, `everwarm_sim` the
//! simulated exchange, `everwarm_cli` the command line. [`chaos`] proves crash equivalence.
//!
//! This crate connects them: [`tree`] is the supervision tree, [`daemon_run`] one run from an
//! opened store to a stopped tree. [`adapters`] is the simulated exchange as a venue, [`daemon`]
//! the process around runs, [`audit`] the check of the journal. [`sdk`] makes a program with
//! strategies of its own.

pub mod adapters;
pub mod audit;
pub mod chaos;
pub mod daemon;
pub mod daemon_run;
pub mod plain_run;
pub mod sdk;
pub mod tree;
pub mod version;

pub use sdk::{kind, main_with};
