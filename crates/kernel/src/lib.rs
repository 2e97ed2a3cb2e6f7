//! Facts and the pure state machines over them. No thread, file, clock or actor.
//!
//! A [`fact`] is one entry of a journal. A [`stage`] is a state machine over facts. [`plain`] runs
//! stages in one thread and defines which facts an application has. [`roster`] holds the stages
//! that take part. [`skips`] holds the inputs that a stage does not receive. [`state`] encodes the
//! state of a stage. [`chance`] draws seeded numbers. [`time`] has a type for each clock.

pub mod chance;
pub mod fact;
pub mod plain;
pub mod roster;
pub mod skips;
pub mod stage;
pub mod state;
pub mod time;
