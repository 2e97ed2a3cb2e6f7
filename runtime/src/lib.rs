//! Supervised, durable actors: a journal, pure stages over it, and a supervisor. Knows nothing of
//! trading.
//!
//! [`journal`] keeps one order of facts over a [`store`]; a [`stage`] is a pure state machine over
//! facts, [`runner`] resumes one, [`shell`] is the actor around it, [`plain`] the loop that needs
//! neither; [`supervise`] keeps actors alive; [`chaos`] is how all of it is put to the test.

pub mod chance;
pub mod chaos;
pub mod clock;
pub mod fact;
pub mod files;
pub mod journal;
pub mod plain;
pub mod poison;
pub mod runner;
pub mod shell;
pub mod stage;
pub mod state;
pub mod store;
pub mod supervise;
