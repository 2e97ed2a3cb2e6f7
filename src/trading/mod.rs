//! PURE: the stages in rank order.

mod client_id;
pub mod decide;
pub mod indicators;
mod instruments;
pub mod orders;
pub mod risk;
pub mod rollup;
mod state;
pub mod strategy;
#[cfg(test)]
pub(crate) mod testing;

use crate::domain::settings::Settings;

/// The settings in an input.
fn settings(text: &str) -> Settings {
    Settings::from_text(text).expect("a configuration is checked before it becomes an input")
}
