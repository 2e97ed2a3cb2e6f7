//! What is shown, as values: to people by the command line, to programs by the API.
//!
//! What stands: [`fold`], [`operations`], [`lots`], [`features`], [`signals`] and [`health`] come
//! from facts, [`memory`] keeps them. What was: [`explain`], [`why_not`], [`summary`],
//! [`reconcile`], [`events`] and [`news`] tell stories of facts, in the words of [`sentences`]. Who
//! asks: [`questions`] and [`changes`] are the rows from which routes and commands come; [`views`]
//! has the shapes of their answers, [`exit`] how a command ends, [`telemetry`] the metrics.

pub mod audit;
pub mod backup;
pub mod changes;
pub mod events;
pub mod exit;
pub mod explain;
pub mod features;
pub mod health;
pub mod injected;
pub mod journal_reader;
pub mod known_symbols;
pub mod lots;
pub mod memory;
pub mod news;
pub mod operations;
pub mod profit;
pub mod questions;
pub mod reconcile;
pub mod sentences;
pub mod signals;
pub mod status_fold;
pub mod stored_texts;
pub mod summary;
pub mod telemetry;
#[doc(hidden)]
pub mod testing;
pub mod views;
pub mod why_not;

#[cfg(test)]
mod lagging_tests;
