//! The venue of the orders, checked: its environment, addresses and key.

use super::checked::Values;
use super::values::{MarketSource, Pace, Symbols};
use everwarm_adapters::binance::{self, Access, ApiKey, Environment, Hosts};
use everwarm_domain::id::Symbol;
use everwarm_domain::path::SIMULATED;
use everwarm_domain::secret::Secret;
use everwarm_venue::Open;
use everwarm_venue::address::Address;
use std::fmt;
use std::sync::Arc;

/// Values of `venue.kind`.
pub const KINDS: &[&str] = &[SIMULATED, BINANCE];
/// Values of `venue.environment`.
pub const ENVIRONMENTS: &[&str] = Environment::NAMES;
const BINANCE: &str = "binance";
/// External venues and their display names, by their `venue.kind`.
pub const REMOTE: &[(&str, &str)] = &[(BINANCE, "Binance")];

/// The venue of the orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VenueSource {
    /// The simulated exchange that the daemon starts.
    Simulated,
    /// An external exchange.
    Remote(Box<Remote>),
}

impl VenueSource {
    /// Whether it trades real money.
    #[must_use]
    pub fn is_live(&self) -> bool {
        match self {
            VenueSource::Simulated => false,
            VenueSource::Remote(remote) => remote.live,
        }
    }
}

/// An external exchange.
#[derive(Clone)]
pub struct Remote {
    /// Its `venue.kind`. This is also its name in the tree, in metrics and in commands.
    pub kind: &'static str,
    /// Its display name.
    pub title: &'static str,
    /// Its environment.
    pub environment: &'static str,
    /// Whether it trades real money.
    pub live: bool,
    /// Its addresses. The first is for requests.
    pub addresses: Vec<String>,
    /// The traded symbols, by name; empty: those that the universe rule selects.
    pub symbols: Vec<Symbol>,
    /// Opens its adapter; none if the account's key was not loaded.
    pub open: Option<Open>,
}

impl Remote {
    /// Its name, environment and address as text. Equal texts mean the same market.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}, {}, at {}", self.title, self.environment, self.address())
    }

    /// The address for requests.
    #[must_use]
    pub fn address(&self) -> &str {
        self.addresses.first().map_or("", String::as_str)
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Remote");
        shown.field("place", &self.place()).field("symbols", &self.symbols).finish_non_exhaustive()
    }
}

impl PartialEq for Remote {
    /// Ignores the key, so that no secret is compared.
    fn eq(&self, other: &Remote) -> bool {
        (self.kind, self.environment, &self.addresses, &self.symbols)
            == (other.kind, other.environment, &other.addresses, &other.symbols)
    }
}

impl Eq for Remote {}

const KEY: &str = "venue.key";
const SECRET: &str = "venue.secret";
const PRIVATE_KEY: &str = "venue.private_key";

impl Values {
    /// The venue, without the key.
    pub(super) fn venue(&mut self, market: &MarketSource, quote_asset: &str) -> VenueSource {
        if self.text("venue.kind") != BINANCE {
            return VenueSource::Simulated;
        }
        let named = Environment::named(&self.text("venue.environment"));
        let environment = named.unwrap_or(Environment::Testnet);
        let usual = environment.hosts();
        let mut at = |key: &str, usual: String| match self.text(key) {
            text if text.is_empty() => usual,
            text => {
                if let Err(e) = environment.takes(&usual, &text) {
                    self.wrong(key, &e);
                }
                text
            }
        };
        let hosts = Hosts {
            rest: at("venue.rest", usual.rest),
            streams: at("venue.streams", usual.streams),
            ws_api: at("venue.ws_api", usual.ws_api),
        };
        self.suits(market, &hosts);
        if quote_asset.is_empty() {
            self.wrong("trading.quote_asset", "is required for venue.kind = \"binance\"");
        }
        let symbols = match &market.symbols {
            Symbols::Named(list) => list.clone(),
            Symbols::Auto if !self.text("market.universe.quote").is_empty() => Vec::new(),
            Symbols::Auto | Symbols::First(_) => {
                let text = "venue.kind = \"binance\" needs a list like [\"BTCUSDT\"], \
                            or \"auto\" with market.universe.quote";
                self.wrong("market.symbols", text);
                Vec::new()
            }
        };
        VenueSource::Remote(Box::new(Remote {
            kind: BINANCE,
            title: "Binance spot",
            environment: environment.name(),
            live: environment == Environment::Live,
            addresses: vec![hosts.rest, hosts.streams, hosts.ws_api],
            symbols,
            open: None,
        }))
    }

    /// Checks that the market fits an external venue. Such a venue plays no recording and has real
    /// time. Only an exchange on this machine may run faster.
    fn suits(&mut self, market: &MarketSource, hosts: &Hosts) {
        if market.recording.is_some() {
            self.wrong("market.recording", "is only for venue.kind = \"sim\"");
        }
        let all = [&hosts.rest, &hosts.streams, &hosts.ws_api];
        let here = all.iter().all(|url| Address::read(url).is_ok_and(|at| at.is_loopback()));
        match market.pace {
            _ if !self.set.contains_key("market.pace") => {}
            Pace::Times(1) => {}
            Pace::Times(_) if here => {}
            Pace::Times(_) | Pace::Lockstep => {
                let text = "must be \"real\" for venue.kind = \"binance\"";
                self.wrong("market.pace", text);
            }
        }
    }

    /// Whether the configuration trades real money. That is possible only in the live environment.
    pub(super) fn live(&mut self, venue: &VenueSource) -> bool {
        let live = self.text("trading.mode") == "live";
        if live && !venue.is_live() {
            let text = "is for venue.kind = \"binance\" with venue.environment = \"live\"";
            self.wrong("trading.mode", text);
        }
        live
    }

    /// Reads the key of an external exchange.
    pub(super) fn read_key(&mut self, venue: &mut VenueSource, environment: &[(String, String)]) {
        let VenueSource::Remote(remote) = venue else { return };
        let has = [KEY, SECRET, PRIVATE_KEY].map(|key| !self.text(key).is_empty());
        let needed = "is required for venue.kind = \"binance\": env:NAME or file:PATH";
        match has {
            [false, ..] => self.wrong(KEY, needed),
            [true, false, false] => {
                self.wrong(SECRET, &format!("or {PRIVATE_KEY} {needed}"));
            }
            [true, true, true] => {
                let text = format!("set either {SECRET} or this key, not both");
                self.wrong(PRIVATE_KEY, &text);
            }
            [true, true, false] | [true, false, true] => {
                let [key, secret, private] =
                    [KEY, SECRET, PRIVATE_KEY].map(|key| self.secret(key, environment));
                let key = key.and_then(|key| self.signer(key, secret, private));
                remote.open = key.map(|key| opened(&remote.addresses, key));
            }
        }
    }

    fn signer(
        &mut self,
        key: Secret,
        secret: Option<Secret>,
        private: Option<Secret>,
    ) -> Option<ApiKey> {
        match (secret, private) {
            (Some(secret), _) => Some(ApiKey::hmac(key, secret)),
            (None, Some(pem)) => match ApiKey::ed25519(key, &pem) {
                Ok(key) => Some(key),
                Err(e) => {
                    self.wrong(PRIVATE_KEY, &e);
                    None
                }
            },
            (None, None) => None,
        }
    }
}

/// Opens the adapter at these addresses with this key.
fn opened(addresses: &[String], key: ApiKey) -> Open {
    let at = |n: usize| addresses.get(n).cloned().unwrap_or_default();
    let access = Access { hosts: Hosts { rest: at(0), streams: at(1), ws_api: at(2) }, key };
    Arc::new(move |opening| binance::open(&access, opening))
}

#[cfg(test)]
mod tests;
