//! The way of an order: what the gateway does next, its requests, and what the venue reports.

pub mod account;
pub mod findings;
pub mod gateway;
pub mod private_stream;
pub mod report_checks;
pub mod rounds;
pub mod schedule;
pub mod send_state;
pub mod silence;
pub mod unexplained;
