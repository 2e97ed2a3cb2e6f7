//! Thin actors that touch the world. What they hold dies with them; what they must not forget is in
//! the journal, which they follow.
//!
//! Market: `universe` says which symbols; `feed` → `bar` (one each) → `closer` → the journal;
//! `released` tells how far the venue is, `retry` when it is asked again. Orders: the journal →
//! `gateway` → `flight` → the venue → the journal; `turns` says what is next, `private` brings
//! hints, `deaf` finds that it does not, `compare` says when the account counts. Time: `clock`,
//! `pacer`. Beside them `exchange` keeps the simulated venue running and `projector` fills the
//! history; `fetch` asks a source for past bars, `warm` loads the past of features that join.
//! `world` is what they share, `board` where they say that they have nothing left to do, `branches`
//! what becomes of those that fail too often, `restarts` who came back, `meters` what they count,
//! `kinds` how their messages are called there.

pub mod bar;
pub mod believed;
pub mod board;
pub mod branches;
pub mod clock;
pub mod closer;
pub mod compare;
pub mod config;
mod confirm;
pub mod deaf;
pub mod exchange;
pub mod feed;
pub mod fetch;
pub mod flight;
pub mod gateway;
pub mod gateway_book;
pub mod kinds;
pub mod meters;
pub mod pacer;
pub mod pens;
pub mod private;
pub mod projector;
pub mod released;
pub mod reload;
pub mod restarts;
mod retry;
pub mod spread;
mod stream;
pub mod task;
pub mod turns;
pub mod unexplained;
pub mod universe;
mod warm;
pub mod world;
