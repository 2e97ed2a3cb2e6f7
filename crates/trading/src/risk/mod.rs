//! What may be lost: the circuit breaker, its daily limits, and how large an order may be.

pub mod breaker;
pub mod caps;
pub mod limits;
pub mod sizing;

pub use breaker::Breaker;
