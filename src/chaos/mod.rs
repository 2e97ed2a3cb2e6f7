//! Proof of crash equivalence: with and without injected faults, the same feed gives the same
//! orders, fills, positions and equity, and the same derived facts at each close.
//!
//! `rig` runs a feed in this process under a plan of kills and disk cuts. `crashes` runs the built
//! program under real SIGKILLs. `compare` compares the results. `sweep` injects every possible
//! fault into a small feed. `prove` injects as many as wanted into a recording.

pub mod at_random;
pub mod compare;
pub mod crashes;
pub mod disk;
mod failing_stages;
pub mod faults;
pub mod feed;
mod first_close;
pub(crate) mod folder;
pub mod interrupt;
pub mod invariants;
mod operator_steps;
pub mod operators;
mod orphans;
pub mod plain;
pub mod process;
pub mod prove;
pub mod requests;
pub mod rig;
pub mod script;
mod several;
pub mod sweep;
pub mod venue;
pub mod venue_time;
