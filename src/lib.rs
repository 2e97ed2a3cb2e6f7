//! everwarm: a trading daemon that cannot be caught cold.
//!
//! The map, in the order a price flows: `everwarm_venue` (the wire) → `everwarm_edge` (feed, bars,
//! closer) → the journal of `everwarm_runtime` → `everwarm_trading` (pure stages by rank) →
//! `everwarm_edge` (gateway) → `everwarm_venue`. `everwarm_domain` holds the words,
//! `everwarm_words` how they are shown, `everwarm_history` what is kept for looking back,
//! `everwarm_sim` the simulated exchange, `everwarm_cli` what people see, [`chaos`] the proof.
//!
//! What holds it together: [`tree`] is the supervision tree, [`life`] one life from an opened store
//! to a stopped tree, [`adapters`] the simulated exchange as a venue, [`daemon`] the process around
//! lives, [`audit`] the journal read back.

pub mod adapters;
pub mod audit;
pub mod chaos;
pub mod daemon;
pub mod life;
pub mod tree;
pub mod version;
