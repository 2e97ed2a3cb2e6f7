//! Reads the settings of a configuration input for stages.

use super::strategy;
use everwarm_domain::settings::Settings;

/// The settings in the text of a `ConfigApplied`. A configuration is checked before it becomes an
/// input. If a journal still holds an unreadable one, this is `None` and the settings in force
/// stay.
pub(super) fn applied(text: &str) -> Option<Settings> {
    Settings::from_text(text).ok().filter(|settings| strategy::check(settings).is_ok())
}
