//! Configuration in two forms: [`layers`] is what sources say, [`checked`] what the program uses.
//! All errors are reported, each with its place; an unknown key is one of them.

pub mod checked;
pub mod layers;

pub use checked::{Config, MarketSource, Pace, Symbols, VenueKind, load};
pub use layers::{ConfigError, ConfigErrors, Given, Layer};
