//! The simulated exchange: its process, and its time in lockstep with ours.

pub mod exchange;
pub mod pacer;
