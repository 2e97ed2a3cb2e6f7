//! Limits losses: the circuit breaker, its daily limits, the live caps and the sizes of orders.

pub mod breaker;
pub mod caps;
pub mod limits;
pub mod sizing;

pub use breaker::Breaker;
