//! The client: one request for the shares of all assets.

use super::wire::{self, Global, Shares};
use super::{KEY, NAME};
use crate::keyed::{Budget, Keyed};
use everwarm_domain::secret::Secret;
use everwarm_venue::clock::Wall;
use everwarm_venue::port::VenueError;

/// The address of a paid plan. It takes the key under another name.
const PAID: &str = "https://pro-api.";
/// Header of the key of a paid plan.
const PAID_HEADER: &str = "x-cg-pro-api-key";
/// Header of the key of a free plan.
const FREE_HEADER: &str = "x-cg-demo-api-key";
/// Fewer than the 30 requests of a minute that a free plan has, and a response of a few kilobytes.
const BUDGET: Budget =
    Budget { usual: 20, after_rejection: None, back_off_ms: 60_000, longest: 1 << 20 };

/// A client. It makes a connection with each request that needs one.
#[derive(Debug)]
pub struct Client {
    url: String,
    keyed: Keyed,
}

impl Client {
    /// A client for this address. It makes no connection.
    ///
    /// # Errors
    /// The TLS set-up of this machine cannot be used.
    pub fn new(address: &str, key: Option<&Secret>, wall: Wall) -> Result<Client, String> {
        let address = address.trim_end_matches('/');
        let header = if address.starts_with(PAID) { PAID_HEADER } else { FREE_HEADER };
        let keys: Vec<Secret> = key.cloned().into_iter().collect();
        let headers = keys.iter().map(|key| (header, key.clone())).collect();
        let keyed = Keyed::new((NAME, Some(KEY), address), headers, &keys, (wall, BUDGET))?;
        Ok(Client { url: format!("{address}/global"), keyed })
    }

    /// The present shares.
    ///
    /// # Errors
    /// There is no response, the source rejects the request, or the response cannot be right.
    pub async fn shares(&self) -> Result<Shares, VenueError> {
        let global: Global = self.keyed.get("global", &self.url).await?;
        wire::shares(&global, self.keyed.now()).map_err(|why| self.keyed.wrong(&why))
    }
}
