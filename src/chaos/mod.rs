//! Proof of crash equivalence: the same feed with and without misfortune gives the same orders,
//! fills, positions, equity and the same derived facts of each close.
//!
//! `rig` runs a feed in this process under a plan of strikes and disk cuts, `compare` is what is
//! compared.

pub mod compare;
pub mod feed;
pub mod invariants;
pub mod plain;
pub mod process;
pub mod rig;
pub mod sweep;
pub mod venue;
