//! Supervised, durable actors: a journal, pure stages over it, and a supervisor. This crate is
//! independent of trading.
//!
//! [`journal`] keeps one order of facts over a [`store`]. A stage of [`everwarm_kernel`] is a pure
//! state machine over facts. [`runner`] resumes a stage, and [`stage_actor`] is the actor around
//! it. [`supervise`] restarts actors, [`mailbox`] bounds their messages, [`meter`] measures their
//! work. [`chaos`] injects faults for tests.

pub mod chaos;
pub mod clock;
pub mod files;
pub mod journal;
pub mod mailbox;
pub mod meter;
pub mod parcel;
pub mod poison;
pub mod runner;
pub mod stage_actor;
pub mod store;
pub mod supervise;

/// The guide; its code is tested with the rest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Guide;
