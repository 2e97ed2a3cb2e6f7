//! The source of live prices for the simulated exchange, checked.

use super::checked::Values;
use super::values::{MarketSource, Pace, Symbols};
use everwarm_adapters::PUBLIC;
use everwarm_domain::path::SIMULATED;
use everwarm_venue::address::Address;

const KEY: &str = "market.prices";
const ADDRESS: &str = "market.prices_address";
/// Most symbols: the source is asked for each of them every minute.
const SYMBOLS_MAX: usize = 100;

impl Values {
    /// The name of the source; none: there is none, or it is unknown.
    pub(super) fn prices(&mut self) -> Option<&'static str> {
        let name = self.text(KEY);
        // The bars of sources with a key are too late to trade on.
        let all = || PUBLIC.iter().filter(|source| source.key.is_none());
        let found = all().map(|source| source.name).find(|known| *known == name);
        if found.is_none() && !name.is_empty() {
            let all: Vec<&str> = all().map(|source| source.name).collect();
            self.wrong(KEY, &format!("{name:?} is not one of: {}", all.join(", ")));
        }
        found
    }

    /// Checks that the market fits its source of live prices.
    pub(super) fn live_prices(&mut self, market: &MarketSource) {
        let MarketSource { prices, prices_address, symbols, recording, .. } = market;
        if prices.is_none() {
            if prices_address.is_some() && self.text(KEY).is_empty() {
                self.wrong(ADDRESS, &format!("needs {KEY}, which is empty"));
            }
            return;
        }
        if self.text("venue.kind") != SIMULATED {
            let text =
                format!("is only for venue.kind = {SIMULATED:?}: a venue has its own prices");
            self.wrong(KEY, &text);
        }
        if recording.is_some() {
            self.wrong(KEY, "market.recording is set, too: choose one of them");
        }
        match symbols {
            Symbols::Named(names) if names.len() <= SYMBOLS_MAX => {}
            Symbols::Named(names) => {
                let text =
                    format!("has {} symbols; live prices are for {SYMBOLS_MAX}", names.len());
                self.wrong("market.symbols", &text);
            }
            Symbols::Auto | Symbols::First(_) => {
                let text = format!("{KEY} needs a list like [\"BTCUSDT\", \"ETHUSDT\"]");
                self.wrong("market.symbols", &text);
            }
        }
        let here = self.is_here(ADDRESS, prices_address.as_deref());
        let set = self.set.contains_key("market.pace");
        let fits = match market.pace {
            Pace::Times(1) => true,
            Pace::Times(_) => !set || here,
            Pace::Lockstep => !set,
        };
        if !fits {
            let text = format!("must be \"real\" for {KEY}: prices of the world take their time");
            self.wrong("market.pace", &text);
        }
    }

    /// Whether a source is on this machine. Checks the address, which is the value of `key`.
    pub(super) fn is_here(&mut self, key: &str, address: Option<&str>) -> bool {
        let Some(given) = address else { return false };
        let read = Address::read(given);
        let here = read.as_ref().is_ok_and(Address::is_loopback);
        match read.map(|address| address.scheme) {
            Err(why) => self.wrong(key, &why),
            Ok("https") => {}
            Ok("http") if here => {}
            Ok("http") => {
                let text = "is not encrypted. Use https; http is for this machine only";
                self.wrong(key, text);
            }
            Ok(_) => self.wrong(key, "does not begin with https"),
        }
        here
    }
}
