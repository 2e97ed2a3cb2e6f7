//! Binance spot.
//!
//! [`wire`] and [`frames`] are the message types of REST and of the streams. [`map`] converts them
//! into domain values. [`error`] is the table of failures. [`sign`] signs. [`hosts`] has the
//! addresses. [`stream`] encodes the subscriptions of a session. [`client`] sends requests over the
//! transport. [`adapter`] implements both ports with it.

pub mod adapter;
pub mod client;
pub mod error;
pub mod frames;
pub mod hosts;
pub mod map;
pub mod sign;
pub mod stream;
pub mod wire;

pub use adapter::{Access, open};
pub use client::{BinanceClient, Config};
pub use hosts::{Environment, Hosts};
pub use sign::ApiKey;

#[cfg(test)]
mod tests;
