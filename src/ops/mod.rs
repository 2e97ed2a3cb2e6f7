//! Looking in: configuration, command line, API, and what a run prints.

pub mod config;
pub mod exit;
