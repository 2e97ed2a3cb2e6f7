//! Configuration in two forms: [`layers`] holds the sources, [`checked`] the values that the
//! program uses. [`keys`] is the table of all keys. All errors are reported with their places; an
//! unknown key is one of them.

pub mod backfill;
pub mod checked;
pub mod error;
pub mod keys;
pub mod last_start;
pub mod layers;
pub mod log_filter;
pub mod messages;
mod prices;
pub mod receiver;
pub mod reloadable;
pub mod remote_access;
pub mod schedule;
pub mod schema;
pub mod secret;
mod source;
pub mod strategies;
pub mod tls;
pub mod values;
pub mod venue;

pub use backfill::{BackfillConfig, timeframes};
pub use checked::{CheckDepth, Config, Sources};
pub use error::{ConfigError, ConfigErrors, Place};
pub use layers::Given;
pub use messages::Messages;
pub use receiver::Receiver;
pub use remote_access::Beyond;
pub use schedule::Schedule;
pub use secret::SecretRef;
pub use source::{DominanceSource, PointsSource};
pub use values::{LogFormat, MarketSource, Pace, Symbols};
pub use venue::{Remote, VenueSource};

#[cfg(test)]
mod tests;
