//! Binance spot.
//!
//! [`wire`] and [`frames`] are the message types of REST and of the streams. [`map`] converts them
//! into domain values. [`error`] is the table of failures. [`sign`] signs. [`hosts`] has the
//! addresses. [`stream`] encodes the subscriptions of a session. [`client`] sends requests over the
//! transport. [`adapter`] implements both ports with it.
//! [`conformance`] compares the venue with its documentation.

pub mod adapter;
pub mod client;
pub mod conformance;
pub mod error;
pub mod frames;
pub mod hosts;
pub mod map;
mod past_bars;
pub mod sign;
pub mod stream;
pub mod wire;

pub use adapter::{Access, open};
pub use client::{BinanceClient, Config};
pub use hosts::{Environment, Hosts};
pub use sign::ApiKey;

use crate::{AccountKey, External, PublicSource, Signing};
use everwarm_domain::id::VenueId;
use everwarm_venue::Open;
use std::sync::Arc;

/// Binance spot, as the configuration sees it.
pub const EXTERNAL: External = External {
    kind: "binance",
    title: "Binance",
    market: "Binance spot",
    id: VenueId::Binance,
    environments: Environment::NAMES,
    addresses: |environment| Environment::or_testnet(environment).hosts().keys().into(),
    replaces: |environment, usual, given| Environment::or_testnet(environment).takes(usual, given),
    most_symbols: |_| usize::MAX,
    lists_volumes: true,
    open: opened,
    conformance: conformance::open,
};

/// Its market data, which need no key:
/// <https://developers.binance.com/docs/binance-spot-api-docs/faqs/market_data_only>.
pub const PUBLIC: PublicSource = PublicSource {
    name: "binance",
    title: "Binance",
    address: "https://data-api.binance.vision",
    key: None,
    open: past_bars::open,
};

fn opened(addresses: &[String], key: AccountKey) -> Result<Open, String> {
    let key = api_key(key)?;
    let at = |n: usize| addresses.get(n).cloned().unwrap_or_default();
    let access = Access { hosts: Hosts { rest: at(0), streams: at(1), ws_api: at(2) }, key };
    Ok(Arc::new(move |opening| open(&access, opening)))
}

fn api_key(AccountKey { key, signing }: AccountKey) -> Result<ApiKey, String> {
    match signing {
        Signing::Secret(secret) => Ok(ApiKey::hmac(key, secret)),
        Signing::PrivateKey(pem) => ApiKey::ed25519(key, &pem),
    }
}

#[cfg(test)]
mod tests;
