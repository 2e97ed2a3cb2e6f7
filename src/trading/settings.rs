//! How stages read the settings of an input.

use crate::domain::settings::Settings;

/// The settings a `ConfigApplied` carries.
pub(super) fn applied(text: &str) -> Settings {
    Settings::from_text(text).expect("a configuration is checked before it becomes an input")
}
