//! The client: one request for the pools of a network.

pub use super::wire::Wanted;
use super::wire::{self, Pools};
use super::{NAME, POOLS_MAX};
use crate::keyed::{Budget, Keyed, percent_encode};
use everwarm_domain::money::Decimal;
use everwarm_domain::secret::Secret;
use everwarm_venue::clock::Wall;
use everwarm_venue::port::VenueError;
use std::collections::BTreeSet;

/// The version of the protocol, in the header that selects it.
const VERSION: (&str, &str) = ("accept", "application/json;version=20230302");
/// Fewer than the 30 requests of a minute that it documents. A pool has two kilobytes.
const BUDGET: Budget =
    Budget { usual: 20, after_rejection: None, back_off_ms: 60_000, longest: 1 << 20 };

/// A client. It makes a connection with each request that needs one.
#[derive(Debug)]
pub struct Client {
    address: String,
    keyed: Keyed,
}

impl Client {
    /// A client for this address. It makes no connection.
    ///
    /// # Errors
    /// The TLS set-up of this machine cannot be used.
    pub fn new(address: &str, wall: Wall) -> Result<Client, String> {
        let address = address.trim_end_matches('/').to_owned();
        let headers = vec![(VERSION.0, Secret::new(VERSION.1))];
        let keyed = Keyed::new((NAME, None, &address), headers, &[], (wall, BUDGET))?;
        Ok(Client { address, keyed })
    }

    /// The present prices of tokens in pools of one network, in their order, US dollars. A token
    /// without a price has the reason. At most [`POOLS_MAX`] tokens.
    ///
    /// # Errors
    /// There is no response, the source rejects the request, or the response cannot be right.
    pub async fn prices(
        &self,
        network: &str,
        wanted: &[Wanted],
    ) -> Result<Vec<Result<Decimal, String>>, VenueError> {
        let pools: BTreeSet<&str> = wanted.iter().map(|wanted| wanted.pool.as_str()).collect();
        debug_assert!(pools.len() <= POOLS_MAX, "the caller counts");
        let mut url = format!("{}/networks/", self.address);
        percent_encode(network, &mut url);
        url.push_str("/pools/multi/");
        for (at, pool) in pools.iter().enumerate() {
            if at > 0 {
                url.push(',');
            }
            percent_encode(pool, &mut url);
        }
        let response: Pools = self.keyed.get("pools", &url).await?;
        wire::prices(network, &response, wanted).map_err(|why| self.keyed.wrong(&why))
    }
}
