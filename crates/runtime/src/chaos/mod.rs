//! Fault injection: kill points in the product, and a disk that loses and tears unflushed writes.

pub mod faults;
pub mod points;

pub use crate::supervise::Injected;
pub use points::{Chaos, FaultKind, Phase, PlannedFault, Sabotage, Site};
