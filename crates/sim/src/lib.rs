//! The simulated exchange: a real HTTP and WebSocket server in a process of its own that speaks
//! Binance spot's protocol over recorded or seeded markets.
//!
//! [`market`] gives the bars, [`exchange`] is the pure core (an order book of one account, as a
//! stage over its own facts), [`books`] keeps its journal, [`wire`] is the protocol as pure
//! functions, and [`server`] holds the sockets and the clock. [`faults`] is what it does wrong when
//! it is asked to.

pub mod books;
pub mod exchange;
pub mod faults;
pub mod market;
pub mod server;
pub mod wire;

pub use exchange::Local;
pub use exchange::local::InitialBooks;
pub use server::{IDLE_EXIT, Pace, SimError, SimHandle, SimOptions, serve, start, start_on};

#[cfg(test)]
#[path = "../../../tests/shared.rs"]
mod shared;
#[cfg(test)]
mod testing;
