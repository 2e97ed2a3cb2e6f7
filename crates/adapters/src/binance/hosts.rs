//! The addresses of Binance spot by environment. Only one environment has real money.

use crate::replaced::Place;

/// An environment of the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// Real money.
    Live,
    /// Play money. The venue resets the books now and then.
    Testnet,
    /// Play money at live prices. It needs a key of its own.
    Demo,
}

/// The addresses of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    /// Base address of REST.
    pub rest: String,
    /// Base address of the market streams.
    pub streams: String,
    /// Address of the WebSocket API.
    pub ws_api: String,
}

/// Every environment, its name and its addresses: REST, streams, WebSocket API.
const TABLE: [(Environment, &str, [&str; 3]); 3] = [
    (
        Environment::Live,
        "live",
        [
            "https://api.binance.com",
            "wss://stream.binance.com:9443",
            "wss://ws-api.binance.com:443/ws-api/v3",
        ],
    ),
    (
        Environment::Testnet,
        "testnet",
        [
            "https://testnet.binance.vision",
            "wss://stream.testnet.binance.vision",
            "wss://ws-api.testnet.binance.vision/ws-api/v3",
        ],
    ),
    (
        Environment::Demo,
        "demo",
        [
            "https://demo-api.binance.com",
            "wss://demo-stream.binance.com",
            "wss://demo-ws-api.binance.com/ws-api/v3",
        ],
    ),
];

impl Hosts {
    /// The addresses, each with the configuration key that replaces it.
    #[must_use]
    pub fn keys(self) -> [(&'static str, String); 3] {
        let Hosts { rest, streams, ws_api } = self;
        [("venue.rest", rest), ("venue.streams", streams), ("venue.ws_api", ws_api)]
    }
}

impl Environment {
    /// The names of all environments, as in the configuration. The default comes first.
    pub const NAMES: &'static [&'static str] = &["testnet", "demo", crate::LIVE];

    /// The environment of that name, or the testnet.
    #[must_use]
    pub fn or_testnet(name: &str) -> Environment {
        Environment::named(name).unwrap_or(Environment::Testnet)
    }

    /// The environment of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Environment> {
        TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    fn row(self) -> &'static (Environment, &'static str, [&'static str; 3]) {
        TABLE.iter().find(|row| row.0 == self).expect("the table has every environment")
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Its addresses.
    #[must_use]
    pub fn hosts(self) -> Hosts {
        let [rest, streams, ws_api] = self.row().2.map(str::to_owned);
        Hosts { rest, streams, ws_api }
    }

    /// Checks an address that replaces `usual`, one of this environment's addresses. It must be
    /// encrypted unless it is on this machine. Without real money, it must be the environment's own
    /// or on this machine: any other host could trade real money.
    ///
    /// # Errors
    /// The reason why the address is not allowed.
    pub fn takes(self, usual: &str, text: &str) -> Result<(), String> {
        let (_, name, own) = self.row();
        let live = self == Environment::Live;
        Place { name, own, live }.takes(usual, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_environment_is_where_the_venue_says() {
        for (environment, name, _) in TABLE {
            assert!(Environment::NAMES.contains(&name) && crate::ENVIRONMENTS.contains(&name));
            assert_eq!(Environment::or_testnet(name), environment);
        }
        let live = Environment::named("live").unwrap().hosts();
        assert_eq!(live.rest, "https://api.binance.com");
        assert_eq!(live.streams, "wss://stream.binance.com:9443");
        assert_eq!(live.ws_api, "wss://ws-api.binance.com:443/ws-api/v3");
        assert_eq!(Environment::Testnet.hosts().rest, "https://testnet.binance.vision");
        assert_eq!(Environment::Demo.hosts().ws_api, "wss://demo-ws-api.binance.com/ws-api/v3");
        assert_eq!(Environment::named("paper"), None);
        for (environment, _, addresses) in TABLE {
            for usual in addresses {
                assert_eq!(environment.takes(usual, usual), Ok(()));
            }
        }
    }

    #[test]
    fn other_addresses_are_encrypted_and_never_lead_to_real_money_by_mistake() {
        use Environment::{Demo, Live, Testnet};
        let rest = |environment: Environment, text: &str| {
            environment.takes(&environment.hosts().rest, text)
        };
        assert_eq!(rest(Live, "https://api1.binance.com"), Ok(()));
        assert_eq!(rest(Live, "http://127.0.0.1:8100"), Ok(()));
        assert!(rest(Live, "http://api1.binance.com").unwrap_err().contains("not encrypted"));
        assert!(rest(Live, "wss://api1.binance.com").unwrap_err().contains("none of https"));
        for environment in [Testnet, Demo] {
            assert_eq!(rest(environment, "http://localhost:8100"), Ok(()));
            for host in
                ["https://api.binance.com", "https://api-gcp.binance.com", "https://10.0.0.1"]
            {
                let error = rest(environment, host).unwrap_err();
                assert!(error.contains("environment = \"live\""), "{error}");
            }
        }
        let streams = Live.hosts().streams;
        assert_eq!(Live.takes(&streams, "wss://stream.binance.com:443"), Ok(()));
        assert_eq!(Live.takes(&streams, "ws://[::1]:8100"), Ok(()));
        assert!(Live.takes(&streams, "https://stream.binance.com").is_err());
        assert!(Testnet.takes(&Testnet.hosts().ws_api, "wss://ws-api.binance.com").is_err());
    }
}
