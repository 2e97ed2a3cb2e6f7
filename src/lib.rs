//! everwarm: a trading daemon that cannot be caught cold.
//!
//! The map, in the order a price flows: [`venue`] (the wire) → [`edge`] (feed, bars, closer) → the
//! journal of `everwarm_runtime` → [`trading`] (pure stages by rank) → [`edge`] (gateway) →
//! [`venue`]. [`domain`] holds the words, [`history`] what is kept for looking back, [`sim`] the
//! simulated exchange, [`ops`] what people see, [`chaos`] the proof.

pub mod audit;
pub mod chaos;
pub mod daemon;
pub mod domain;
pub mod edge;
pub mod history;
pub mod life;
pub mod ops;
pub mod sim;
pub mod trading;
pub mod tree;
pub mod venue;
