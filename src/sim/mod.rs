//! The simulated exchange: a real HTTP and WebSocket server in a process of its own that speaks
//! Binance spot's protocol over recorded or seeded markets.
//!
//! [`market`] gives the bars, [`exchange`] is the pure core (an order book of one account, as a stage
//! over its own facts), `books` keeps its journal, [`wire`] is the protocol as pure functions, and
//! `server` holds the sockets and the clock.

pub mod exchange;
pub mod market;
pub mod wire;
