//! Adapters, one folder for each venue or source. Each folder holds all code for its wire format.
//!
//! The rest of the program finds external venues in [`EXTERNAL`] and names none of them.

mod admission;
pub mod alpaca;
pub mod bar_rows;
pub mod binance;
pub mod coingecko;
pub mod geckoterminal;
pub mod hyperliquid;
mod json;
mod keyed;
pub mod polygon;
mod replaced;

use everwarm_domain::id::{Symbol, VenueId};
use everwarm_domain::instrument::SymbolRules;
use everwarm_domain::secret::Secret;
use everwarm_domain::time::UtcMs;
use everwarm_venue::conformance::Conformance;
use everwarm_venue::port::{Bars, Pending};
use everwarm_venue::source::{BarRange, SourceCapabilities};
use everwarm_venue::{Open, Opening};
use std::fmt;
use std::sync::Arc;

/// Every external venue. The order is that of the messages.
pub const EXTERNAL: &[External] = &[binance::EXTERNAL, alpaca::EXTERNAL];

/// Every source of past bars. The first is the default.
pub const PUBLIC: &[PublicSource] =
    &[binance::PUBLIC, hyperliquid::PUBLIC, alpaca::PUBLIC, polygon::PUBLIC];

/// The environments of all venues, as `venue.environment` names them. Each venue has some of them.
pub const ENVIRONMENTS: &[&str] = &[LIVE, "testnet", "demo", PAPER];

/// The environment with real money.
pub const LIVE: &str = "live";

/// An environment with play money at live prices.
pub const PAPER: &str = "paper";

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
    /// Most symbols that the streams at these addresses carry, on as many connections as allowed.
    pub most_symbols: fn(addresses: &[String]) -> usize,
    /// Whether it reports the volumes of all symbols, which a rule for symbols needs.
    pub lists_volumes: bool,
    /// Prepares the adapter for these addresses and this key. It makes no connection. The error
    /// says why the key cannot be used.
    pub open: fn(addresses: &[String], key: AccountKey) -> Result<Open, String>,
    /// Prepares the comparison of the venue with its documentation. It makes no connection.
    /// Without a key it plays records only. The error says why the key cannot be used.
    pub conformance: OpenConformance,
}

/// See [`External::conformance`].
pub type OpenConformance =
    fn(addresses: &[String], key: Option<AccountKey>) -> Result<Arc<dyn Conformance>, String>;

/// A source of past bars. Some need a key, but none needs an account with money.
#[derive(Clone, Copy, Debug)]
pub struct PublicSource {
    /// Its name in commands.
    pub name: &'static str,
    /// Its display name.
    pub title: &'static str,
    /// Its address.
    pub address: &'static str,
    /// The key that it needs.
    pub key: Option<NeededKey>,
    /// Prepares the adapter for an address. The secrets are those of [`NeededKey::variables`], in
    /// that order. It makes no connection.
    pub open: OpenBars,
}

/// A key that a source needs.
#[derive(Clone, Copy, Debug)]
pub struct NeededKey {
    /// The environment variables that hold its parts.
    pub variables: &'static [&'static str],
    /// The page on which a user creates one.
    pub page: &'static str,
}

/// See [`PublicSource::open`].
pub type OpenBars =
    fn(address: &str, keys: &[Secret], opening: Opening) -> Result<Arc<dyn PastBars>, String>;

impl PublicSource {
    /// The source with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static PublicSource> {
        PUBLIC.iter().find(|source| source.name == name)
    }
}

/// The requests to a public source.
pub trait PastBars: Send + Sync + fmt::Debug {
    /// Its abilities.
    fn capabilities(&self) -> SourceCapabilities;

    /// Past bars by opening time, ascending from the oldest: at most one page. A range that fits
    /// into a page is whole. The newest bar may still be forming.
    fn bars(&self, range: BarRange) -> Pending<Bars>;

    /// Its clock, UTC milliseconds.
    fn now(&self) -> Pending<UtcMs>;

    /// The rules of those of the symbols that it has. Some sources refuse all of them if they lack
    /// one.
    fn rules(&self, symbols: Vec<Symbol>) -> Pending<Vec<SymbolRules>>;
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
