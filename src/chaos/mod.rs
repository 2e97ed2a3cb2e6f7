//! Proof of crash equivalence: the same feed with and without misfortune gives the same orders,
//! fills, positions, equity and the same derived facts of each close.
//!
//! `rig` runs a feed in this process under a plan of strikes and disk cuts, `crashes` the built
//! program under real SIGKILLs, `compare` is what is compared; `sweep` is all there is to strike in
//! a small feed, `prove` as much of it as somebody wants on a recording of theirs.

pub mod at_random;
pub mod compare;
pub mod crashes;
pub mod disk;
mod failing_stages;
pub mod faults;
pub mod feed;
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
