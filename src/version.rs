//! What the program was built from.

use everwarm_views::views::VersionView;

/// Version, revision and day, in one line.
pub const BUILD: &str = env!("BUILD_VERSION");

/// Its name, its version, and what it was built from.
#[must_use]
pub fn version() -> VersionView {
    VersionView::built(option_env!("BUILD_REVISION"), option_env!("BUILD_DAY"))
}
