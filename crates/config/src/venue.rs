//! The venue of the orders, checked: its environment, addresses and key.

use super::checked::Values;
use super::values::{MarketSource, Pace, Symbols};
pub use everwarm_adapters::EXTERNAL;
use everwarm_adapters::{AccountKey, External, LIVE, Signing};
use everwarm_domain::id::{Symbol, VenueId};
use everwarm_domain::path::SIMULATED;
use everwarm_venue::Open;
use everwarm_venue::address::Address;
use everwarm_venue::conformance::Conformance;
use std::fmt;
use std::sync::Arc;

/// Values of `venue.kind`.
pub const KINDS: &[&str] = &{
    let mut kinds = [SIMULATED; EXTERNAL.len() + 1];
    let mut n = 0;
    while n < EXTERNAL.len() {
        kinds[n + 1] = EXTERNAL[n].kind;
        n += 1;
    }
    kinds
};

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
    /// Its name in facts.
    pub id: VenueId,
    /// The display name of its market.
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
    /// Compares it with its documentation; none if the account's key was not loaded.
    pub conformance: Option<Arc<dyn Conformance>>,
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
        let Some(venue) = External::named(&self.text("venue.kind")) else {
            return VenueSource::Simulated;
        };
        let kind = venue.kind;
        let environment = self.environment(venue);
        let mut addresses = Vec::new();
        for (key, usual) in (venue.addresses)(environment) {
            let given = self.text(key);
            if given.is_empty() {
                addresses.push(usual);
                continue;
            }
            if let Err(e) = (venue.replaces)(environment, &usual, &given) {
                self.wrong(key, &e);
            }
            addresses.push(given);
        }
        self.suits(market, kind, &addresses);
        self.carries(market, venue, &addresses);
        if quote_asset.is_empty() {
            let text = format!("is required for venue.kind = {kind:?}");
            self.wrong("trading.quote_asset", &text);
        }
        if !venue.lists_volumes {
            self.lists_no_markets(kind);
        }
        let symbols = match &market.symbols {
            Symbols::Named(list) => list.clone(),
            Symbols::Auto
                if venue.lists_volumes && !self.text("market.universe.quote").is_empty() =>
            {
                Vec::new()
            }
            Symbols::Auto | Symbols::First(_) => {
                let text = if venue.lists_volumes {
                    "a list like [\"BTCUSDT\"], or \"auto\" with market.universe.quote"
                } else {
                    "a list like [\"SPY\"]: it lists no volumes of all symbols"
                };
                self.wrong("market.symbols", &format!("venue.kind = {kind:?} needs {text}"));
                Vec::new()
            }
        };
        VenueSource::Remote(Box::new(Remote {
            kind,
            id: venue.id,
            title: venue.market,
            environment,
            live: environment == LIVE,
            addresses,
            symbols,
            open: None,
            conformance: None,
        }))
    }

    /// The environment of a venue. A name that the venue lacks is an error.
    fn environment(&mut self, venue: &External) -> &'static str {
        let text = self.text("venue.environment");
        let found = venue.environments.iter().find(|name| **name == text);
        found.copied().unwrap_or_else(|| {
            let named = self.set.contains_key("venue.environment");
            if named && everwarm_adapters::ENVIRONMENTS.contains(&text.as_str()) {
                let all = venue.environments.join(", ");
                self.wrong("venue.environment", &format!("{} has only {all}", venue.title));
            }
            venue.environments.first().copied().unwrap_or_default()
        })
    }

    /// Refuses what selects symbols by their markets, at a venue that does not list these.
    fn lists_no_markets(&mut self, kind: &str) {
        for key in [
            "top",
            "min_volume",
            "max_spread_percent",
            "min_volatility_percent",
            "max_volatility_percent",
        ] {
            let key = format!("market.universe.{key}");
            if !self.decimal(&key).is_zero() {
                self.wrong(
                    &key,
                    &format!("venue.kind = {kind:?} does not list the markets of its symbols"),
                );
            }
        }
    }

    /// Checks that the market fits an external venue. Such a venue plays no recording and has real
    /// time. Only an exchange on this machine may run faster.
    fn suits(&mut self, market: &MarketSource, kind: &str, addresses: &[String]) {
        if market.recording.is_some() {
            self.wrong("market.recording", "is only for venue.kind = \"sim\"");
        }
        let mut urls = addresses.iter().map(|url| Address::read(url));
        let here = urls.all(|url| url.is_ok_and(|at| at.is_loopback()));
        match market.pace {
            _ if !self.set.contains_key("market.pace") => {}
            Pace::Times(1) => {}
            Pace::Times(_) if here => {}
            Pace::Times(_) | Pace::Lockstep => {
                let text = format!("must be \"real\" for venue.kind = {kind:?}");
                self.wrong("market.pace", &text);
            }
        }
    }

    /// Checks that the streams of a venue carry the symbols.
    fn carries(&mut self, market: &MarketSource, venue: &External, addresses: &[String]) {
        let Symbols::Named(list) = &market.symbols else { return };
        let most = (venue.most_symbols)(addresses);
        if list.len() > most {
            let (count, title) = (list.len(), venue.title);
            let text = format!(
                "has {count} symbols, but this stream of {title} carries {most}. Name fewer, or \
                 set venue.streams to one that your plan includes"
            );
            self.wrong("market.symbols", &text);
        }
    }

    /// Whether the configuration trades real money. That is possible only in the live environment.
    pub(super) fn live(&mut self, venue: &VenueSource) -> bool {
        let live = self.text("trading.mode") == "live";
        if live && !venue.is_live() {
            let lives = EXTERNAL.iter().filter(|venue| venue.environments.contains(&LIVE));
            let kinds: Vec<String> = lives.map(|v| format!("{:?}", v.kind)).collect();
            let kinds = kinds.join(" or ");
            let text = format!("is for venue.kind = {kinds} with venue.environment = {LIVE:?}");
            self.wrong("trading.mode", &text);
        }
        live
    }

    /// Reads the key of an external exchange.
    pub(super) fn read_key(&mut self, venue: &mut VenueSource, environment: &[(String, String)]) {
        let VenueSource::Remote(remote) = venue else { return };
        let has = [KEY, SECRET, PRIVATE_KEY].map(|key| !self.text(key).is_empty());
        let needed =
            format!("is required for venue.kind = {:?}: env:NAME or file:PATH", remote.kind);
        match has {
            [false, ..] => self.wrong(KEY, &needed),
            [true, false, false] => {
                self.wrong(SECRET, &format!("{needed}. {PRIVATE_KEY} is the alternative"));
            }
            [true, true, true] => {
                let text = format!("set either {SECRET} or this key, not both");
                self.wrong(PRIVATE_KEY, &text);
            }
            [true, true, false] | [true, false, true] => {
                let [key, secret, private] =
                    [KEY, SECRET, PRIVATE_KEY].map(|key| self.secret(key, environment));
                let signing = match (secret, private) {
                    (Some(secret), _) => Signing::Secret(secret),
                    (None, Some(pem)) => Signing::PrivateKey(pem),
                    (None, None) => return,
                };
                let (Some(venue), Some(key)) = (External::named(remote.kind), key) else { return };
                let signs =
                    if matches!(signing, Signing::Secret(_)) { SECRET } else { PRIVATE_KEY };
                let key = AccountKey { key, signing };
                let conformance = (venue.conformance)(&remote.addresses, Some(key.clone()));
                match (venue.open)(&remote.addresses, key) {
                    Ok(open) => remote.open = Some(open),
                    Err(e) => self.wrong(signs, &e),
                }
                // A key that cannot be used was reported above.
                remote.conformance = conformance.ok();
            }
        }
    }
}

#[cfg(test)]
mod tests;
