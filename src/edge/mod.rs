//! Thin actors that touch the world. What they hold dies with them; what they must not forget is in
//! the journal, which they follow.
//!
//! Market: `feed` → `bar` (one a symbol) → `closer` → the journal. Orders: the journal → `gateway`
//! → `flight` → the venue → the journal; `private` brings hints. Time: `clock`, `pacer`. Beside
//! them `exchange` keeps the simulated venue running and `projector` fills the history. `world` is
//! what they share, `board` where they say that they have nothing left to do.

pub mod bar;
pub mod board;
pub mod clock;
pub mod closer;
pub mod config;
pub mod exchange;
pub mod feed;
pub mod flight;
pub mod gateway;
pub mod gateway_book;
pub mod pacer;
pub mod private;
pub mod projector;
mod stream;
pub mod task;
pub mod world;
