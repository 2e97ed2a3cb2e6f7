//! The ports to venues and sources, and everything that knows a wire.
//!
//! [`port`] and [`source`] are what the rest of the program sees: requests out, reports in, both
//! values in the words of the domain. An adapter holds the wire of a venue, its mapping and its
//! client: `everwarm_adapters`. What venues share is pure and takes time and chance as arguments:
//! [`session`] (the life of a websocket), [`rate_limit`], [`clock`]. [`transport`] is the only file
//! with client sockets; [`link`] carries a session over one of them.
//!
//! Promises:
//! 1. One call that places or cancels is at most one request on the wire, signed for exactly the
//!    time the caller names. Nothing here signs or sends an order a second time.
//! 2. An error says whether the request was executed: [`port::ErrorClass`]. What is not proven is
//!    `Unknown`.
//! 3. What a venue sends is a value or an error that names the place, never a panic.

pub mod address;
pub mod calls;
pub mod clock;
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

/// Both ports to one place.
#[derive(Clone, Debug)]
pub struct Ports {
    /// Where orders go.
    pub venue: Arc<dyn Venue>,
    /// Where bars come from.
    pub source: Arc<dyn Source>,
}

/// What an adapter is opened with.
pub struct Opening {
    /// How long a request may be on its way, milliseconds of venue time.
    pub recv_window: i64,
    /// The venue's clock.
    pub clock: SharedClock,
    /// Our wall clock.
    pub wall: Wall,
    /// Where is noted what it holds against us.
    pub note: Note,
}

/// Opens the adapter of one place. Nothing is connected by it.
pub type Open = Arc<dyn Fn(Opening) -> Result<Ports, String> + Send + Sync>;
