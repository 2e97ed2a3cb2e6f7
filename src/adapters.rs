//! The simulated exchange as a venue, through the adapter of its protocol. Adapters of other venues
//! are chosen where they are configured.

use crate::daemon_run::Connection;
use everwarm_adapters::binance::{self, ApiKey, Hosts};
use everwarm_adapters::{AccountKey, Signing, alpaca};
use everwarm_domain::path::Places;
use everwarm_domain::path::SIMULATED;
use everwarm_domain::secret::Secret;
use everwarm_edge::world::Passing;
use everwarm_sim::Protocol;
use everwarm_sim::server::port::PortFile;
use everwarm_venue::Open;
use everwarm_venue::rate_limit::Note;
use everwarm_venue::simulated::Admin;
use std::sync::Arc;

/// The places in the tree of an adapter that is both venue and source.
#[must_use]
pub const fn places(name: &'static str) -> Places {
    Places { venue: name, source: name }
}

/// The simulated exchange of this port file on this machine, by the adapter of its protocol.
///
/// # Errors
/// The HTTP client cannot be set up on this machine.
pub fn simulated(file: &PortFile, passing: Passing) -> Result<Connection, String> {
    let rest = format!("http://127.0.0.1:{}", file.port);
    let socket = |path: &str| format!("ws://127.0.0.1:{}{path}", file.port);
    let admin = Admin::new(&rest, &file.token)?;
    let (key, secret) = (Secret::new(&file.api_key), Secret::new(&file.api_secret));
    let open: Open = match file.protocol {
        Protocol::Binance => {
            let hosts = Hosts { rest, streams: socket(""), ws_api: socket("/ws-api/v3") };
            let access = binance::Access { hosts, key: ApiKey::hmac(key, secret) };
            Arc::new(move |opening| binance::open(&access, opening))
        }
        Protocol::Alpaca => {
            // The feed of all exchanges, which carries any number of symbols.
            let addresses = [rest.clone(), socket("/v2/sip"), socket("/stream"), rest];
            let signing = Signing::Secret(secret);
            (alpaca::EXTERNAL.open)(&addresses, AccountKey { key, signing })?
        }
    };
    Ok(Connection {
        places: places(SIMULATED),
        open,
        wheel: Some(Arc::new(admin.clone())),
        admin: Some(admin),
        streams: usize::MAX,
        live: false,
        compare: None,
        passing,
        note: Note::default(),
    })
}
