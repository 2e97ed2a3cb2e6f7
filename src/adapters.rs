//! The simulated exchange as a venue, through its adapter. Adapters of other venues are chosen
//! where they are configured.

use crate::daemon_run::Connection;
use everwarm_adapters::binance::{self, ApiKey, Hosts};
use everwarm_domain::path::Places;
use everwarm_domain::path::SIMULATED;
use everwarm_domain::secret::Secret;
use everwarm_edge::world::Passing;
use everwarm_venue::rate_limit::Note;
use everwarm_venue::simulated::Admin;
use std::sync::Arc;

/// The places in the tree of an adapter that is both venue and source.
#[must_use]
pub const fn places(name: &'static str) -> Places {
    Places { venue: name, source: name }
}

/// The simulated exchange on a port of this machine. It speaks the protocol of Binance.
///
/// # Errors
/// The HTTP client cannot be set up on this machine.
pub fn simulated(
    port: u16,
    token: &str,
    (key, secret): (&str, &str),
    passing: Passing,
) -> Result<Connection, String> {
    let rest = format!("http://127.0.0.1:{port}");
    let admin = Admin::new(&rest, token)?;
    let streams = format!("ws://127.0.0.1:{port}");
    let ws_api = format!("ws://127.0.0.1:{port}/ws-api/v3");
    let key = ApiKey::hmac(Secret::new(key), Secret::new(secret));
    let access = binance::Access { hosts: Hosts { rest, streams, ws_api }, key };
    Ok(Connection {
        places: places(SIMULATED),
        open: Arc::new(move |opening| binance::open(&access, opening)),
        wheel: Some(Arc::new(admin.clone())),
        admin: Some(admin),
        streams: usize::MAX,
        live: false,
        compare: None,
        passing,
        note: Note::default(),
    })
}
