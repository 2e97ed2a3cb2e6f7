//! Supervised, durable actors: a journal, pure stages over it, and a supervisor. Knows nothing of
//! trading.
//!
//! [`journal`] keeps one order of facts over a [`store`]; a [`stage`] is a pure state machine over
//! facts, [`runner`] resumes one, [`shell`] is the actor around it, [`plain`] the loop that needs
//! neither; [`supervise`] keeps actors alive, [`mailbox`] bounds what they are sent, [`meter`]
//! counts what they do; [`chaos`] is how all of it is put to the test.

pub mod chance;
pub mod chaos;
pub mod clock;
pub mod fact;
pub mod files;
pub mod journal;
pub mod mailbox;
pub mod meter;
pub mod parcel;
pub mod plain;
pub mod poison;
pub mod roster;
pub mod runner;
pub mod shell;
pub mod stage;
pub mod state;
pub mod store;
pub mod supervise;

/// The guide; its code is tested with the rest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Guide;
