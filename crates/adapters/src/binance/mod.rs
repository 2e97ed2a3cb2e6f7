//! Binance spot.
//!
//! [`wire`] and [`frames`] are what goes over the wire (REST and streams), as types; [`map`] turns
//! them into the words of the domain; [`error`] is the one table of what a failure means; [`sign`]
//! signs; [`hosts`] says where which environment is; [`stream`] words the subscriptions of a
//! session; [`client`] sends requests over the transport; [`adapter`] makes both ports of it.

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
