//! Adapters, one folder for each venue or source. Each folder holds all code for its wire format.
//!
//! The rest of the program finds external venues in [`EXTERNAL`] and names none of them.

pub mod binance;

use everwarm_domain::id::VenueId;
use everwarm_domain::secret::Secret;
use everwarm_venue::port::Venue;
use everwarm_venue::source::Source;
use everwarm_venue::{Open, Opening};
use std::sync::Arc;

/// Every external venue. The order is that of the messages.
pub const EXTERNAL: &[External] = &[binance::EXTERNAL];

/// Every source of past bars that needs no account. The first is the default.
pub const PUBLIC: &[PublicSource] = &[binance::PUBLIC];

/// The environments of all venues, as `venue.environment` names them. Each venue has some of them.
pub const ENVIRONMENTS: &[&str] = &[LIVE, "testnet", "demo"];

/// The environment with real money.
pub const LIVE: &str = "live";

/// An external venue: what its adapter tells the configuration.
#[derive(Clone, Copy, Debug)]
pub struct External {
    /// Its `venue.kind`. This is also its name in the tree, in metrics and in commands.
    pub kind: &'static str,
    /// Its display name.
    pub title: &'static str,
    /// Its market, with its display name.
    pub market: &'static str,
    /// Its name in facts.
    pub id: VenueId,
    /// Its environments, from [`ENVIRONMENTS`]. The default comes first.
    pub environments: &'static [&'static str],
    /// The addresses of an environment, each with the configuration key that replaces it. The first
    /// is for requests.
    pub addresses: fn(environment: &str) -> Vec<(&'static str, String)>,
    /// Checks an address that replaces one of this environment's addresses (environment, usual,
    /// given). Without real money, no address may lead to where money is real.
    pub replaces: fn(environment: &str, usual: &str, given: &str) -> Result<(), String>,
    /// Prepares the adapter for these addresses and this key. It makes no connection. The error
    /// says why the key cannot be used.
    pub open: fn(addresses: &[String], key: AccountKey) -> Result<Open, String>,
}

/// A source of past bars that needs no account.
#[derive(Clone, Copy, Debug)]
pub struct PublicSource {
    /// Its name in commands.
    pub name: &'static str,
    /// Its display name.
    pub title: &'static str,
    /// Its address.
    pub address: &'static str,
    /// Prepares the adapter for an address. It makes no connection.
    pub open: fn(address: &str, opening: Opening) -> Result<PublicPorts, String>,
}

impl PublicSource {
    /// The source with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static PublicSource> {
        PUBLIC.iter().find(|source| source.name == name)
    }
}

/// The ports of a public source.
#[derive(Clone, Debug)]
pub struct PublicPorts {
    /// Its bars.
    pub source: Arc<dyn Source>,
    /// What reads its clock and the rules of its instruments. Other requests need an account.
    pub venue: Arc<dyn Venue>,
}

/// The key of an account at a venue.
#[derive(Clone, Debug)]
pub struct AccountKey {
    /// Its public part.
    pub key: Secret,
    /// What signs its requests.
    pub signing: Signing,
}

/// What signs the requests of an account.
#[derive(Clone, Debug)]
pub enum Signing {
    /// A secret that the venue knows, too.
    Secret(Secret),
    /// The private part of a key pair, PKCS#8 in PEM.
    PrivateKey(Secret),
}

impl External {
    /// The venue of this `venue.kind`.
    #[must_use]
    pub fn named(kind: &str) -> Option<&'static External> {
        EXTERNAL.iter().find(|venue| venue.kind == kind)
    }
}

#[cfg(test)]
#[path = "../../../tests/shared.rs"]
mod shared;
