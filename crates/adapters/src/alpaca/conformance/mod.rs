//! The walk over paper accounts of Alpaca: what its documentation says, in steps.
//!
//! [`table`] lists the steps. [`walk`] has what they share. The other files have the steps. Steps
//! that need an open market are not tried while it is closed.

mod account;
mod ends;
mod events;
mod groups;
mod market;
mod market_stream;
mod orders;
mod refusals;
mod rules;
mod scrub;
mod stops;
mod table;
mod user_stream;
mod walk;

use super::Key;
use super::hosts::Hosts;
use crate::AccountKey;
use everwarm_venue::conformance::Conformance;
use everwarm_venue::conformance::course::{Compared, Course};
use everwarm_venue::conformance::walk::{Base, EventOf, Step};
use everwarm_venue::conformance::wire::Scrub;
use std::sync::Arc;
use table::{END, STEPS};
use walk::Walk;

/// The walks over a paper account at these addresses.
struct Paper {
    hosts: Hosts,
    /// None: only a record can be played.
    key: Option<Key>,
}

/// Prepares the walk. It makes no connection.
///
/// # Errors
/// The key cannot be used.
pub fn open(addresses: &[String], key: Option<AccountKey>) -> Result<Arc<dyn Conformance>, String> {
    let (hosts, key) = (Hosts::of(addresses), key.map(Key::of).transpose()?);
    Ok(Arc::new(Compared(Paper { hosts, key })))
}

impl Course for Paper {
    type Walk = Walk;

    const STEPS: [&'static [Step<Walk>]; 2] = [STEPS, END];
    const EVENT_OF: EventOf = events::event_of;

    fn addresses(&self) -> Vec<&str> {
        let Hosts { rest, streams, account, data } = &self.hosts;
        vec![rest, streams, account, data]
    }

    fn bases(&self) -> Vec<&str> {
        vec![&self.hosts.rest, &self.hosts.data]
    }

    fn without_money(&self) -> Vec<String> {
        Hosts::usual().keys().map(|(_, url)| url).into()
    }

    fn scrub(&self, symbol: &str) -> Scrub {
        let parts = self.key.iter().flat_map(|Key { id, secret }| [id, secret]);
        scrub::scrub(parts.map(|part| part.expose().to_owned()).collect(), symbol.to_owned())
    }

    fn begin(&self, base: Base) -> Walk {
        Walk::new(base, self.hosts.clone(), self.key.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paper_accounts_and_this_machine_are_accepted() {
        let walk = |addresses: &[&str]| {
            let addresses: Vec<String> = addresses.iter().map(|url| (*url).to_owned()).collect();
            open(&addresses, None).unwrap().is_test_money()
        };
        let usual = Hosts::usual().keys().map(|(_, url)| url);
        assert_eq!(walk(&usual.each_ref().map(String::as_str)), Ok(()));
        let here = ["http://127.0.0.1:1", "ws://localhost:1/v2/iex", "ws://[::1]:1/stream"];
        let here = [&here[..], &["http://127.0.0.1:1"]].concat();
        assert_eq!(walk(&here), Ok(()));
        for (n, live) in ["https://api.alpaca.markets", "wss://api.alpaca.markets/stream"]
            .into_iter()
            .zip([0, 2])
            .map(|(url, n)| (n, url))
        {
            let mut addresses = here.clone();
            addresses[n] = live;
            let refused = walk(&addresses).unwrap_err();
            assert!(refused.contains("real money"), "{refused}");
        }
    }
}
