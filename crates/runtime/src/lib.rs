//! Supervised, durable actors: a journal, pure stages over it, and a supervisor. It contains
//! nothing about trading.
//!
//! [`journal`] keeps one order of facts over a [`store`]. A stage of [`everwarm_kernel`] is a pure
//! state machine over facts. [`runner`] resumes one, [`shell`] is the actor around it.
//! [`supervise`] keeps actors running, [`mailbox`] bounds their queues, [`meter`] measures them,
//! [`chaos`] injects faults.

pub mod chaos;
pub mod clock;
pub mod files;
pub mod journal;
pub mod mailbox;
pub mod meter;
pub mod parcel;
pub mod poison;
pub mod runner;
pub mod shell;
pub mod store;
pub mod supervise;

/// The guide; its code is tested with the rest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Guide;
