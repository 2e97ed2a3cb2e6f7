//! Limits losses: the circuit breaker and its rules, the caps and the sizes of orders.

pub mod breaker;
pub mod caps;
pub mod drawdown;
mod driver_levels;
pub mod exposure;
mod health;
pub mod limits;
pub mod sizing;
pub mod trades;

pub use breaker::Breaker;
