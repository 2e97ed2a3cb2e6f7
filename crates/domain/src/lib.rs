//! Values and facts of trading. The crate uses no file, socket or clock.

pub mod bounds;
pub mod capabilities;
pub mod clean;
pub mod conflict;
pub mod day_stats;
pub mod external;
pub mod fact;
pub mod features;
pub mod id;
pub mod instrument;
pub mod manual;
pub mod market;
pub mod money;
pub mod nearest;
pub mod odd;
pub mod order;
pub mod path;
pub mod quarantine;
pub mod retention;
pub mod secret;
pub mod sessions;
pub mod settings;
pub mod signal;
pub mod switch;
pub mod time;
pub mod venue_ids;
