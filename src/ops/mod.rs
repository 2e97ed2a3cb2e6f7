//! Looking in: configuration, command line, API, and what a run prints.

pub mod api;
pub mod audit;
pub mod backup;
pub mod changes;
pub mod cli;
pub mod config;
pub mod desk;
pub mod earned;
pub mod events;
pub mod exit;
pub mod explain;
pub mod features;
pub mod fold;
pub mod harm;
pub mod health;
pub mod heap;
pub mod known;
pub mod log;
pub mod log_filter;
pub mod lots;
pub mod memory;
pub mod messages;
pub mod offline;
pub mod page;
pub mod print;
pub mod progress;
pub mod questions;
pub mod reconcile;
pub mod remote;
pub mod signals;
pub mod standing;
pub mod store_check;
pub mod stored;
pub mod summary;
pub mod telemetry;
pub mod tell;
pub mod terminal;
pub mod text;
pub mod views;
pub mod why_not;

#[cfg(test)]
pub(crate) mod lagging;
#[cfg(test)]
mod sample;
