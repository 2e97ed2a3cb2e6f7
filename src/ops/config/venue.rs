//! Where orders go, checked: an environment, its addresses, and a key for it.

use super::checked::Values;
use super::values::{MarketSource, Pace, Symbols};
use crate::venue::Secret;
use crate::venue::address::Address;
use crate::venue::binance::{ApiKey, Environment, Hosts};
use everwarm_domain::id::Symbol;

/// Where orders go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VenueSource {
    /// To the simulated exchange that the daemon keeps.
    Simulated,
    /// To an exchange of somebody else.
    Binance(Box<Remote>),
}

impl VenueSource {
    /// Whether money is real there.
    #[must_use]
    pub fn is_live(&self) -> bool {
        match self {
            VenueSource::Simulated => false,
            VenueSource::Binance(remote) => remote.environment == Environment::Live,
        }
    }
}

/// An exchange of somebody else.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Which of its worlds.
    pub environment: Environment,
    /// Where that is.
    pub hosts: Hosts,
    /// The account's key, where it was asked for.
    pub key: Option<ApiKey>,
    /// What is traded there, by name; empty: what the rule of the universe finds.
    pub symbols: Vec<Symbol>,
}

impl PartialEq for Remote {
    /// But for the key: a secret is not compared.
    fn eq(&self, other: &Remote) -> bool {
        (self.environment, &self.hosts, &self.symbols)
            == (other.environment, &other.hosts, &other.symbols)
    }
}

impl Eq for Remote {}

const KEY: &str = "venue.key";
const SECRET: &str = "venue.secret";
const PRIVATE_KEY: &str = "venue.private_key";

impl Values {
    /// Where orders go, without the key.
    pub(super) fn venue(&mut self, market: &MarketSource, quote_asset: &str) -> VenueSource {
        if self.text("venue.kind") != "binance" {
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
        VenueSource::Binance(Box::new(Remote { environment, hosts, key: None, symbols }))
    }

    /// A market of somebody else is not played, and its time passes as it does: only an exchange on
    /// this machine may have another pace, if it does not wait for us.
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

    /// Whether real money is meant. It is nowhere but in the live environment.
    pub(super) fn live(&mut self, venue: &VenueSource) -> bool {
        let live = self.text("trading.mode") == "live";
        if live && !venue.is_live() {
            let text = "is for venue.kind = \"binance\" with venue.environment = \"live\"";
            self.wrong("trading.mode", text);
        }
        live
    }

    /// Reads the key of an exchange of somebody else.
    pub(super) fn read_key(&mut self, venue: &mut VenueSource, environment: &[(String, String)]) {
        let VenueSource::Binance(remote) = venue else { return };
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
                remote.key = key.and_then(|key| self.signer(key, secret, private));
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

#[cfg(test)]
mod tests;
