//! GeckoTerminal: prices of tokens in pools on chains, and bars of pools. It needs no key.
//!
//! Protocol: <https://api.geckoterminal.com/docs/index.html>. It accepts fewer than 30 requests a
//! minute, and holds each response for a minute.

mod client;
pub mod wire;

pub use client::{Client, Wanted};

/// Its name in the configuration, in facts and in metrics.
pub const NAME: &str = "geckoterminal";
/// Its usual address.
pub const ADDRESS: &str = "https://api.geckoterminal.com/api/v2";
/// Most pools of one request.
pub const POOLS_MAX: usize = 30;

#[cfg(test)]
mod tests;
