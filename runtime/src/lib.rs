//! Supervised, durable actors. Knows nothing of trading.

pub mod fact;
pub mod stage;
pub mod store;
pub mod supervise;
