//! Planned misfortune: kill points in the product, and a store that loses and tears what was not
//! flushed.

pub mod faults;
pub mod points;

pub use crate::supervise::Injected;
pub use points::{Chaos, FaultKind, Phase, PlannedFault, Sabotage, Site};
