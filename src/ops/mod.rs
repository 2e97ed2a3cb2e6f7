//! Looking in: configuration, command line, API, and what a run prints.

pub mod api;
pub mod cli;
pub mod config;
pub mod desk;
pub mod exit;
pub mod explain;
pub mod fold;
pub mod log;
pub mod offline;
pub mod print;
pub mod remote;
pub mod store_check;
pub mod telemetry;
pub mod tell;
pub mod terminal;
pub mod text;
pub mod views;
pub mod why_not;

#[cfg(test)]
mod sample;
