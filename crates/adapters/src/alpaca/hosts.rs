//! The addresses of Alpaca.

use crate::replaced::Place;

/// REST of paper accounts.
pub(super) const PAPER: &str = "https://paper-api.alpaca.markets";
/// REST of market data, for every account.
const DATA: &str = "https://data.alpaca.markets";
/// The stream of market data of one exchange, which free accounts have.
const STREAMS: &str = "wss://stream.data.alpaca.markets/v2/iex";
/// The stream of events of a paper account.
const ACCOUNT: &str = "wss://paper-api.alpaca.markets/stream";

/// Symbols that the stream of a free account carries:
/// <https://docs.alpaca.markets/docs/about-market-data-api>.
const FREE_SYMBOLS: usize = 30;
/// The feed of free accounts: one exchange.
pub(super) const FREE_FEED: &str = "iex";

/// The addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hosts {
    /// Base address of REST for orders and the account.
    pub rest: String,
    /// Address of the stream of market data. Its last part is the feed.
    pub streams: String,
    /// Address of the stream of the account.
    pub account: String,
    /// Base address of REST for market data.
    pub data: String,
}

impl Hosts {
    /// Those of paper accounts.
    pub(super) fn usual() -> Hosts {
        Hosts::of(&[PAPER, STREAMS, ACCOUNT, DATA].map(str::to_owned))
    }

    /// From the addresses in the order of [`Hosts::keys`].
    pub(super) fn of(addresses: &[String]) -> Hosts {
        let at = |n: usize| addresses.get(n).map(|url| url.trim_end_matches('/').to_owned());
        let at = |n: usize| at(n).unwrap_or_default();
        Hosts { rest: at(0), streams: at(1), account: at(2), data: at(3) }
    }

    /// The addresses, each with the configuration key that replaces it.
    pub(super) fn keys(self) -> [(&'static str, String); 4] {
        let Hosts { rest, streams, account, data } = self;
        [
            ("venue.rest", rest),
            ("venue.streams", streams),
            ("venue.ws_api", account),
            ("venue.data", data),
        ]
    }

    /// The feed of the stream. Past bars must come from the same one: volumes and extremes of two
    /// feeds differ.
    pub(super) fn feed(&self) -> &str {
        self.streams.rsplit('/').next().unwrap_or_default()
    }

    /// Most symbols that the stream carries. The feed of one exchange belongs to free accounts.
    pub(super) fn most_symbols(&self) -> usize {
        if self.feed() == FREE_FEED { FREE_SYMBOLS } else { usize::MAX }
    }
}

/// Checks an address that replaces a usual one: see [`crate::External::replaces`].
pub(super) fn takes(environment: &str, usual: &str, text: &str) -> Result<(), String> {
    let own = [PAPER, STREAMS, ACCOUNT, DATA];
    Place { name: environment, own: &own, live: false }.takes(usual, text)
}
