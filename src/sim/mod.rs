//! The simulated exchange.

pub mod market;
