//! Alpaca: past bars of stocks listed in the United States, which need the key of an account.
//!
//! Protocol: <https://docs.alpaca.markets/reference/stockbars>.

mod client;
pub mod wire;

use crate::{NeededKey, PublicSource};

/// Alpaca, as a source of past bars. The key of a paper account is enough.
pub const PUBLIC: PublicSource = PublicSource {
    name: "alpaca",
    title: "Alpaca",
    address: "https://data.alpaca.markets",
    key: Some(NeededKey {
        variables: &["APCA_API_KEY_ID", "APCA_API_SECRET_KEY"],
        page: "https://app.alpaca.markets",
    }),
    open: client::open,
};

/// Where it has the rules of symbols. A key is valid at one of them.
const TRADING: [&str; 2] = ["https://paper-api.alpaca.markets", "https://api.alpaca.markets"];

#[cfg(test)]
mod tests;
