//! How stages read the settings of an input.

use super::strategy;
use everwarm_domain::settings::Settings;

/// The settings a `ConfigApplied` carries. A configuration is checked before it becomes an input;
/// where a journal holds one that cannot be read all the same, what was in force stays.
pub(super) fn applied(text: &str) -> Option<Settings> {
    Settings::from_text(text).ok().filter(|settings| strategy::check(settings).is_ok())
}
