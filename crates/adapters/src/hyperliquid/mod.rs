//! Hyperliquid: past bars of its perpetual contracts, which need no account.
//!
//! Protocol: <https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint>.

mod client;
pub mod wire;

use crate::PublicSource;

/// Hyperliquid, as a public source. It keeps the newest 5,000 bars of each width.
pub const PUBLIC: PublicSource = PublicSource {
    name: "hyperliquid",
    title: "Hyperliquid",
    address: "https://api.hyperliquid.xyz",
    key: None,
    open: client::open,
};

#[cfg(test)]
mod tests;
