//! The walk over Binance spot: what its documentation says, in steps.
//!
//! [`table`] lists the steps. [`walk`] has what they share. The other files have the steps.

mod account;
mod ends;
mod events;
mod orders;
mod public;
mod scrub;
mod stops;
mod streams;
mod table;
mod walk;

use super::hosts::{Environment, Hosts};
use super::sign::{ApiKey, PEM};
use crate::{AccountKey, Signing};
use everwarm_venue::conformance::Conformance;
use everwarm_venue::conformance::course::{Compared, Course};
use everwarm_venue::conformance::walk::{Base, EventOf, Step};
use everwarm_venue::conformance::wire::Scrub;
use std::sync::Arc;
use table::{END, STEPS};
use walk::Walk;

/// The walks at these addresses.
struct Spot {
    hosts: Hosts,
    /// None: only a record can be played.
    key: Option<ApiKey>,
    /// The texts that no record may hold.
    secrets: Vec<String>,
}

/// Prepares the walk. It makes no connection.
///
/// # Errors
/// The key cannot be used.
pub fn open(addresses: &[String], key: Option<AccountKey>) -> Result<Arc<dyn Conformance>, String> {
    let at = |n: usize| addresses.get(n).cloned().unwrap_or_default();
    let hosts = Hosts { rest: at(0), streams: at(1), ws_api: at(2) };
    let mut secrets = Vec::new();
    if let Some(AccountKey { key, signing }) = &key {
        secrets.push(key.expose().to_owned());
        match signing {
            Signing::Secret(secret) => secrets.push(secret.expose().to_owned()),
            Signing::PrivateKey(pem) => {
                let inner = pem.expose().replace(PEM.0, "").replace(PEM.1, "");
                secrets.extend(inner.split_whitespace().map(str::to_owned));
            }
        }
    }
    let key = key.map(super::api_key).transpose()?;
    Ok(Arc::new(Compared(Spot { hosts, key, secrets })))
}

impl Course for Spot {
    type Walk = Walk;

    const STEPS: [&'static [Step<Walk>]; 2] = [STEPS, END];
    const EVENT_OF: EventOf = |message| message.get("event");

    fn addresses(&self) -> Vec<&str> {
        let Hosts { rest, streams, ws_api } = &self.hosts;
        vec![rest, streams, ws_api]
    }

    fn bases(&self) -> Vec<&str> {
        vec![&self.hosts.rest]
    }

    fn without_money(&self) -> Vec<String> {
        let tests = [Environment::Testnet, Environment::Demo];
        let hosts = tests.map(|environment| environment.hosts().keys().map(|(_, url)| url));
        hosts.into_iter().flatten().collect()
    }

    fn scrub(&self, symbol: &str) -> Scrub {
        scrub::scrub(self.secrets.clone(), symbol.to_owned())
    }

    fn begin(&self, base: Base) -> Walk {
        Walk::new(base, (self.hosts.clone(), self.key.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_test_networks_and_this_machine_are_accepted() {
        let walk = |addresses: [&str; 3]| open(&addresses.map(str::to_owned), None).unwrap();
        let of = |environment: Environment| environment.hosts().keys().map(|(_, url)| url);
        for environment in [Environment::Testnet, Environment::Demo] {
            let hosts = of(environment);
            assert_eq!(walk(hosts.each_ref().map(String::as_str)).is_test_money(), Ok(()));
        }
        let here = ["http://127.0.0.1:1", "ws://localhost:1", "ws://[::1]:1/ws-api/v3"];
        assert_eq!(walk(here).is_test_money(), Ok(()));
        for (n, live) in of(Environment::Live).iter().enumerate() {
            let mut addresses = here;
            addresses[n] = live;
            let refused = walk(addresses).is_test_money().unwrap_err();
            assert!(refused.contains("real money"), "{refused}");
        }
        assert!(walk(["https://10.0.0.1", here[1], here[2]]).is_test_money().is_err());
    }
}
