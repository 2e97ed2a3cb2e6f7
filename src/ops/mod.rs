//! Looking in: configuration, command line, API, and what a run prints.

pub mod cli;
pub mod config;
pub mod heap;
pub mod log;
pub mod log_filter;
pub mod messages;
pub mod offline;
pub mod print;
pub mod progress;
pub mod remote;
pub mod store_check;
pub mod terminal;
pub mod version;
