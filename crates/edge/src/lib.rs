//! Thin actors that touch the world. What they hold dies with them; what they must not forget is in
//! the journal, which they follow.
//!
//! - [`market`]: `universe` says which symbols; `feed` → `bar` (one each) → `closer` → the journal.
//!   `final_bars` reports how far the venue is, `fetch` asks a source for past bars,
//!   `feature_history` loads the past of features that join.
//! - [`orders`]: the journal → `gateway` → `requests` → the venue → the journal. `schedule` says
//!   what is next, `private_stream` brings hints, `silence` finds that it does not, `account` says
//!   when the account counts.
//! - [`simulated`]: `exchange` keeps the simulated venue running, `pacer` moves its time.
//! - [`operation`]: `config` and `reload` put settings in force, `restarts` and `branches` report
//!   what the supervision did, `projector` fills the history.
//!
//! They share `world`; on its `board` they say that they have nothing left to do. `clock` wakes
//! stages, `retry` says when a question is asked again, `meters` counts, and `message_kinds` names
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
