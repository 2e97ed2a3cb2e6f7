//! Alpaca: stocks listed in the United States.
//!
//! Past bars: [`wire`] has the messages, `past_bars` sends the requests. Orders: [`trading_wire`]
//! has the messages of REST and of the account's stream, [`map`] converts them into domain values,
//! [`error`] is the table of failures, `client` sends the requests, `stream` encodes the
//! subscriptions, and `adapter` implements both ports. `conformance` compares the venue with its
//! documentation.
//!
//! Protocol: <https://docs.alpaca.markets/reference/stockbars> and
//! <https://docs.alpaca.markets/docs/orders-at-alpaca>.

mod adapter;
mod client;
mod conformance;
pub mod error;
mod hosts;
pub mod map;
mod past_bars;
mod splits;
mod stream;
pub mod trading_wire;
pub mod wire;

use crate::{AccountKey, External, NeededKey, PublicSource, Signing};
use everwarm_domain::id::VenueId;
use everwarm_domain::secret::Secret;
use hosts::Hosts;

/// Alpaca, as a source of past bars. The key of a paper account is enough.
pub const PUBLIC: PublicSource = PublicSource {
    name: "alpaca",
    title: "Alpaca",
    address: "https://data.alpaca.markets",
    key: Some(NeededKey {
        variables: &["APCA_API_KEY_ID", "APCA_API_SECRET_KEY"],
        page: "https://app.alpaca.markets",
    }),
    open: past_bars::open,
};

/// Alpaca as a venue, as the configuration sees it. It was never tried with real money, so only
/// paper accounts are supported.
pub const EXTERNAL: External = External {
    kind: "alpaca",
    title: "Alpaca",
    market: "Alpaca stocks",
    id: VenueId::Alpaca,
    environments: &[crate::PAPER],
    addresses: |_| Hosts::usual().keys().into(),
    replaces: hosts::takes,
    most_symbols: |addresses| Hosts::of(addresses).most_symbols(),
    lists_volumes: false,
    open: adapter::opened,
    conformance: conformance::open,
};

/// Where it has the rules of symbols. A key is valid at one of them.
const TRADING: [&str; 2] = [hosts::PAPER, "https://api.alpaca.markets"];

/// The headers with the parts of a key.
const HEADERS: [&str; 2] = ["APCA-API-KEY-ID", "APCA-API-SECRET-KEY"];

/// The key of an account.
#[derive(Clone, Debug)]
struct Key {
    id: Secret,
    secret: Secret,
}

impl Key {
    /// The key from the configuration.
    ///
    /// # Errors
    /// It has a private key, which this venue does not know.
    fn of(AccountKey { key, signing }: AccountKey) -> Result<Key, String> {
        match signing {
            Signing::Secret(secret) => Ok(Key { id: key, secret }),
            Signing::PrivateKey(_) => {
                Err("Alpaca has no private keys: set venue.secret instead".to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod trading_tests;
