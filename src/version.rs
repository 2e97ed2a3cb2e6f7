//! Version, revision and day of this build.

use everwarm_views::views::VersionView;

/// Version, revision and day of this build, in one line.
pub const BUILD: &str = env!("BUILD_VERSION");

/// Name, version, revision and day of this build.
#[must_use]
pub fn version() -> VersionView {
    VersionView::built(option_env!("BUILD_REVISION"), option_env!("BUILD_DAY"))
}
