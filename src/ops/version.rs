//! The program that runs.

use everwarm_views::views::{VERSION, VersionView};

/// Its name, its version, and what it was built from.
#[must_use]
pub fn version() -> VersionView {
    VersionView {
        name: "everwarm".into(),
        version: VERSION.into(),
        revision: option_env!("BUILD_REVISION").map(str::to_owned),
        built: option_env!("BUILD_DAY").map(str::to_owned),
    }
}
