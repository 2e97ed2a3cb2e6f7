//! What is shown, as values: to people by the command line, to programs by the API.
//!
//! What stands: [`fold`], [`standing`], [`lots`], [`features`], [`signals`] and [`health`] come
//! from facts, [`memory`] keeps them. What was: [`explain`], [`why_not`], [`summary`],
//! [`reconcile`], [`events`] and [`news`] tell stories of facts, in the words of [`tell`]. Who
//! asks: [`questions`] and [`changes`] are the rows from which routes and commands come; [`views`]
//! has the shapes of their answers, [`exit`] how a command ends, [`telemetry`] the metrics.

pub mod audit;
pub mod backup;
pub mod changes;
pub mod desk;
pub mod earned;
pub mod events;
pub mod exit;
pub mod explain;
pub mod features;
pub mod fold;
pub mod harm;
pub mod health;
pub mod known;
pub mod lots;
pub mod memory;
pub mod news;
pub mod questions;
pub mod reconcile;
pub mod signals;
pub mod standing;
pub mod stored;
pub mod summary;
pub mod telemetry;
pub mod tell;
#[doc(hidden)]
pub mod testing;
pub mod views;
pub mod why_not;

#[cfg(test)]
mod lagging_tests;
