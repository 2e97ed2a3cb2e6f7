//! Configuration in two forms: [`layers`] is what sources say, [`checked`] what the program uses.
//! [`keys`] is the one table of what there is. All errors are reported, each with its place; an
//! unknown key is one of them.

pub mod checked;
pub mod error;
pub mod keys;
pub mod layers;
pub mod schema;
pub mod secret;
pub mod values;

pub use checked::{Config, Look, Sources};
pub use error::{ConfigError, ConfigErrors, Place};
pub use layers::Given;
pub use secret::SecretRef;
pub use values::{MarketSource, Pace, Symbols};

#[cfg(test)]
mod tests;
