//! Facts and the pure state machines over them. No thread, file, clock or actor.
//!
//! A [`fact`] is one entry of a journal, a [`stage`] a state machine over facts. [`plain`] runs
//! stages in one thread and says what the facts of an application are. [`roster`] says which stages
//! take part, [`skips`] which inputs a stage is not given. [`state`] encodes a stage's state,
//! [`chance`] draws seeded numbers.

pub mod chance;
pub mod fact;
pub mod plain;
pub mod roster;
pub mod skips;
pub mod stage;
pub mod state;
