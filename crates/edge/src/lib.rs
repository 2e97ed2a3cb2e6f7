//! Thin actors between the journal and the outside world. Their state ends with them. What must
//! survive is in the journal, which they follow.
//!
//! - [`market`]: `universe` decides which symbols are listed. `feed` → `bar` (one for each symbol)
//!   → `closer` → the journal. `final_bars` reports how far the venue is, `fetch` requests past
//!   bars from a source, `feature_history` loads the history of features that join.
//! - [`orders`]: the journal → `gateway` → `rounds` → the venue → the journal. `schedule` decides
//!   what is next, `private_stream` brings hints, `silence` detects a dead stream, `account`
//!   decides when a snapshot of the account counts.
//! - [`simulated`]: `exchange` keeps the simulated venue running, `pacer` moves its time.
//! - [`operation`]: `config` and `reload` put settings in force, `restarts` and `branches` report
//!   what the supervision did, `projector` fills the history.
//!
//! They share `world`. On its `board` they report that they have nothing left to do. `clock` wakes
//! stages, `retry` computes the wait before a retry, `meters` counts, and `message_kinds` names
//! messages in metrics.

pub mod board;
pub mod clock;
pub mod market;
pub mod message_kinds;
pub mod meters;
pub mod operation;
pub mod orders;
mod retry;
pub mod simulated;
mod stream;
pub mod task;
pub mod world;
pub mod write_lock;
