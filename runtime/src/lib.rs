//! Supervised, durable actors. Knows nothing of trading.

pub mod fact;
pub mod plain;
pub mod stage;
pub mod supervise;
