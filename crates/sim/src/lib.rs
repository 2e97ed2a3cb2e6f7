//! The simulated exchange: an HTTP and WebSocket server in a process of its own. It speaks the
//! protocol of Binance spot or of Alpaca over recorded or seeded markets.
//!
//! [`market`] provides the bars. [`exchange`] is the pure core: the orders of one account, as a
//! stage over its own facts. [`books`] keeps its journal. [`wire`] is the protocol of Binance as
//! pure functions, [`alpaca`] the one of Alpaca. [`server`] holds the sockets and the clock.
//! [`faults`] injects faults on request.

pub mod alpaca;
pub mod books;
pub mod exchange;
pub mod faults;
pub mod market;
pub mod server;
pub mod wire;

pub use exchange::costs::Costs;
pub use exchange::local::InitialBooks;
pub use exchange::{Local, PaperFills};
pub use server::{
    IDLE_EXIT, Pace, Protocol, SimError, SimHandle, SimOptions, serve, start, start_on,
};

#[cfg(test)]
#[path = "../../../tests/shared.rs"]
mod shared;
#[cfg(test)]
mod testing;
