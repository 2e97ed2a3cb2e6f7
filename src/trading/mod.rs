//! PURE: the stages in rank order.

pub mod indicators;
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
