//! Facts and the pure state machines over them. No thread, file, clock or actor.
//!
//! A [`fact`] is one entry of a journal. A [`stage`] is a state machine over facts. [`plain`] runs
//! stages in one thread: it defines the facts of an application. [`roster`] lists the stages that
//! take part. [`skips`] lists the inputs that a stage does not receive. [`state`] encodes the state
//! of a stage, [`seeded`] draws seeded numbers.

pub mod fact;
pub mod plain;
pub mod roster;
pub mod seeded;
pub mod skips;
pub mod stage;
pub mod state;
