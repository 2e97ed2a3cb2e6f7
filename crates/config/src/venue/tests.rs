//! Tests of the settings of external venues: each error with its key.

use super::*;
use crate::{CheckDepth, Config, Given, Sources};
use everwarm_adapters::binance::{Environment, Hosts};

/// Loads the configuration from flags, with the variables `KEY`, `SECRET` and `PEM`.
fn load(flags: &[(&str, &str)], look: CheckDepth) -> Result<Config, Vec<(String, String)>> {
    let given = |(key, text): &(&str, &str)| Given {
        key: (*key).to_owned(),
        text: (*text).to_owned(),
        place: "flag".to_owned(),
    };
    let environment = [("KEY", "k"), ("SECRET", "hunter2"), ("PEM", "hunter3")];
    let environment = environment.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    let flags = flags.iter().map(given).collect();
    let loaded = Sources { environment, flags, ..Sources::default() }.load(look);
    let key_and_text = |e: &crate::ConfigError| (e.key.clone().unwrap_or_default(), e.text.clone());
    loaded.map_err(|errors| errors.0.iter().map(key_and_text).collect())
}

const GOOD: [(&str, &str); 5] = [
    ("venue.kind", "binance"),
    ("venue.key", "env:KEY"),
    ("venue.secret", "env:SECRET"),
    ("market.symbols", "BTCUSDT,ETHUSDT"),
    ("trading.quote_asset", "USDT"),
];

fn with(more: &[(&str, &str)]) -> Vec<(&'static str, String)> {
    let mut all: Vec<(&str, String)> = GOOD.map(|(key, text)| (key, text.to_owned())).into();
    for (key, text) in more {
        let key = crate::keys::find(key).unwrap().name;
        all.retain(|(known, _)| *known != key);
        all.push((key, (*text).to_owned()));
    }
    all
}

fn loaded(more: &[(&str, &str)]) -> Result<Config, Vec<(String, String)>> {
    let all = with(more);
    let all: Vec<(&str, &str)> = all.iter().map(|(key, text)| (*key, text.as_str())).collect();
    load(&all, CheckDepth::World)
}

fn wrong(more: &[(&str, &str)]) -> Vec<String> {
    let errors = loaded(more).unwrap_err();
    assert!(errors.iter().all(|(_, text)| !text.contains("hunter")), "{errors:?}");
    errors.into_iter().map(|(key, _)| key).collect()
}

#[test]
fn a_venue_of_somebody_else_is_found_by_its_environment() {
    let remote = |config: Config| match config.venue {
        VenueSource::Remote(remote) => *remote,
        VenueSource::Simulated => panic!("simulated"),
    };
    let config = loaded(&[]).unwrap();
    assert_eq!(config.market.pace, Pace::Times(1), "its time passes as ours does");
    assert!(["KEY", "SECRET"].iter().all(|name| config.variables.contains(&(*name).to_owned())));
    let found = remote(config);
    let reached = |found: &Remote| {
        let [rest, streams, ws_api] = found.addresses.clone().try_into().unwrap();
        (Hosts { rest, streams, ws_api }, found.open.is_some())
    };
    assert_eq!((found.environment, found.live), ("testnet", false));
    assert_eq!(found.place(), "Binance spot, testnet, at https://testnet.binance.vision");
    assert_eq!(reached(&found), (Environment::Testnet.hosts(), true));
    assert_eq!(found.symbols.len(), 2);
    let live = remote(loaded(&[("venue.environment", "live")]).unwrap());
    assert_eq!((reached(&live).0, live.live), (Environment::Live.hosts(), true));
    let (rest, pace) = (("venue.rest", "http://127.0.0.1:1"), ("market.pace", "60x"));
    let streams = ("venue.streams", "ws://127.0.0.1:1");
    let here = loaded(&[rest, pace, streams, ("venue.ws_api", "ws://[::1]:1")]).unwrap();
    assert_eq!(here.market.pace, Pace::Times(60));
    assert_eq!(remote(here).address(), "http://127.0.0.1:1");
    assert_eq!(load(&[], CheckDepth::World).unwrap().venue, VenueSource::Simulated);
    let mode = ("trading.mode", "live");
    assert!(loaded(&[("venue.environment", "live"), mode]).unwrap().live);
    assert!(!loaded(&[("venue.environment", "live")]).unwrap().live);
    assert_eq!(wrong(&[mode]), ["trading.mode"], "no money is real on the testnet");
    assert_eq!(load(&[mode], CheckDepth::World).unwrap_err()[0].0, "trading.mode");
}

#[test]
fn what_is_missing_or_wrong_is_reported_with_its_key() {
    assert_eq!(wrong(&[("venue.key", "")]), ["venue.key"]);
    assert_eq!(wrong(&[("venue.secret", "")]), ["venue.secret"]);
    assert_eq!(wrong(&[("venue.private_key", "env:PEM")]), ["venue.private_key"]);
    let no_pem = [("venue.secret", ""), ("venue.private_key", "env:PEM")];
    assert_eq!(wrong(&no_pem), ["venue.private_key"]);
    assert_eq!(wrong(&[("venue.key", "env:NOBODY")]), ["venue.key"]);
    assert_eq!(wrong(&[("venue.secret", "hunter2")]), ["venue.secret"]);
    assert_eq!(wrong(&[("market.symbols", "auto")]), ["market.symbols"]);
    assert_eq!(wrong(&[("trading.quote_asset", "")]), ["trading.quote_asset"]);
    assert_eq!(wrong(&[("market.pace", "lockstep")]), ["market.pace"]);
    assert_eq!(wrong(&[("market.pace", "60x")]), ["market.pace"], "not on this machine");
    let bare = [("venue.environment", "live"), ("venue.rest", "http://api.binance.com")];
    assert_eq!(wrong(&bare), ["venue.rest"]);
    assert_eq!(wrong(&[("venue.rest", "https://api.binance.com")]), ["venue.rest"]);
    assert_eq!(wrong(&[("venue.ws_api", "wss://ws-api.binance.com/x")]), ["venue.ws_api"]);
    assert_eq!(wrong(&[("venue.environment", "paper")]), ["venue.environment"]);
}

#[test]
fn stocks_have_one_environment_and_as_many_symbols_as_their_stream_carries() {
    let stocks = |more: &[(&'static str, &'static str)]| {
        let symbols = ("market.symbols", "AAPL,SPY");
        let all = [("venue.kind", "alpaca"), symbols, ("trading.quote_asset", "USD")];
        [&all[..], more].concat()
    };
    let found = |more: &[(&'static str, &'static str)]| match loaded(&stocks(more)).unwrap().venue {
        VenueSource::Remote(remote) => *remote,
        VenueSource::Simulated => panic!("simulated"),
    };
    let usual = found(&[]);
    assert_eq!((usual.environment, usual.live, usual.open.is_some()), ("paper", false, true));
    assert_eq!(usual.place(), "Alpaca stocks, paper, at https://paper-api.alpaca.markets");
    assert!(usual.conformance.is_some());
    let here = found(&[("venue.data", "http://127.0.0.1:1")]);
    assert_eq!(here.addresses[3], "http://127.0.0.1:1");
    let names: Vec<String> = (b'A'..=b'Z').map(|c| char::from(c).to_string()).collect();
    let most = [names.clone(), ["AA", "AB", "AC", "AD"].map(str::to_owned).into()].concat();
    let too_many = [most.clone(), vec!["AE".to_owned()]].concat();
    let leak = |list: Vec<String>| -> &'static str { list.join(",").leak() };
    assert_eq!(found(&[("market.symbols", leak(most))]).symbols.len(), 30);
    let too_many = leak(too_many);
    assert_eq!(wrong(&stocks(&[("market.symbols", too_many)])), ["market.symbols"]);
    let paid = ("venue.streams", "wss://stream.data.alpaca.markets/v2/sip");
    assert_eq!(found(&[("market.symbols", too_many), paid]).symbols.len(), 31);
    let by_rule = [("market.symbols", "auto"), ("market.universe.quote", "USD")];
    assert_eq!(wrong(&stocks(&by_rule)), ["market.symbols"], "it lists no volumes");
    let spread = ("market.universe.max_spread_percent", "0.1");
    assert_eq!(wrong(&stocks(&[spread])), [spread.0], "nor spreads");
    assert_eq!(found(&[("market.universe.min_age_d", "30")]).symbols.len(), 2, "but daily bars");
    for environment in ["live", "testnet", "demo"] {
        let given = [("venue.environment", environment)];
        assert_eq!(wrong(&stocks(&given)), ["venue.environment"], "{environment}");
    }
    assert_eq!(wrong(&stocks(&[("trading.mode", "live")])), ["trading.mode"]);
    let live_host = ("venue.rest", "https://api.alpaca.markets");
    assert_eq!(wrong(&stocks(&[live_host])), ["venue.rest"], "money is real there");
    let two_keys = [("venue.secret", ""), ("venue.private_key", "env:PEM")];
    assert_eq!(wrong(&stocks(&two_keys)), ["venue.private_key"]);
}
