//! everwarm: a trading daemon that cannot be caught cold.
//!
//! The map, in the order a price flows: [`venue`] (the wire) → [`edge`] (feed, bars, closer) → the
//! journal of `everwarm_runtime` → `everwarm_trading` (pure stages by rank) → [`edge`] (gateway) →
//! [`venue`]. `everwarm_domain` holds the words, `everwarm_words` how they are shown,
//! `everwarm_history` what is kept for looking back, `everwarm_sim` the simulated exchange, [`ops`]
//! what people see, [`chaos`] the proof.
//!
//! What holds it together: [`tree`] is the supervision tree, [`life`] one life from an opened store
//! to a stopped tree, [`adapters`] the simulated exchange as a venue, [`daemon`] the process around
//! lives, [`audit`] the journal read back.

pub mod adapters;
pub mod audit;
pub mod chaos;
pub mod daemon;
pub mod edge;
pub mod life;
pub mod ops;
pub mod tree;
pub mod venue;

#[cfg(test)]
#[path = "../tests/shared.rs"]
mod shared;
