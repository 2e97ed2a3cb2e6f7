//! CoinGecko: the dominance of BTC and USDT. It needs no key, and takes the key of an account.
//!
//! Protocol: <https://docs.coingecko.com/reference/crypto-global>.

mod client;
pub mod wire;

pub use client::Client;

use crate::NeededKey;

/// Its name in the configuration, in facts and in metrics.
pub const NAME: &str = "coingecko";
/// Its address without a paid plan.
pub const ADDRESS: &str = "https://api.coingecko.com/api/v3";

/// The key that it takes. The configuration holds it.
const KEY: NeededKey = NeededKey {
    variables: &["source.coingecko.key"],
    page: "https://www.coingecko.com/en/developers/dashboard",
};

#[cfg(test)]
mod tests;
