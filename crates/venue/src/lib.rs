//! The ports to venues and sources, and the code that venues share.
//!
//! [`port`] and [`source`] are the interface for the rest of the program: requests out, reports in,
//! both as domain values. An adapter has the wire format of a venue, its mapping and its client:
//! `everwarm_adapters`. The shared code is pure, with time and random numbers as arguments:
//! [`session`] (the state of a websocket), [`rate_limit`], [`clock`]. [`transport`] is the only
//! file with client sockets. [`link`] runs a session over one of them.
//!
//! Promises:
//! 1. One call that places or cancels is at most one request on the wire, signed for exactly the
//!    time the caller names. Nothing here signs or sends an order a second time.
//! 2. An error says whether the request was executed: [`port::ErrorClass`]. Without proof, it is
//!    `Unknown`.
//! 3. A message of a venue gives a value, or an error that names the position. It never panics.

pub mod address;
pub mod calls;
pub mod clock;
pub mod conformance;
pub mod link;
pub mod port;
pub mod rate_limit;
pub mod session;
pub mod simulated;
pub mod source;
pub mod sparse_log;
pub mod transport;

use clock::{SharedClock, Wall};
pub use port::{ErrorClass, Report, Request, Venue, VenueError};
use rate_limit::Note;
pub use source::Source;
use std::sync::Arc;
pub use transport::{Probe, install_tls};

/// Both ports of one venue.
#[derive(Clone, Debug)]
pub struct Ports {
    /// The port for orders.
    pub venue: Arc<dyn Venue>,
    /// The port for bars.
    pub source: Arc<dyn Source>,
}

/// The arguments for opening an adapter.
pub struct Opening {
    /// How long a request may be on its way, milliseconds of venue time.
    pub recv_window: i64,
    /// The venue's clock.
    pub clock: SharedClock,
    /// Our wall clock.
    pub wall: Wall,
    /// Saves the venue's waits and counts for later processes.
    pub note: Note,
}

/// Opens the adapter of one venue. It makes no connection.
pub type Open = Arc<dyn Fn(Opening) -> Result<Ports, String> + Send + Sync>;
