//! Version, revision and day of this build.

use everwarm_views::views::VersionView;
use everwarm_words::text::date;
use std::sync::LazyLock;

/// Version, revision and day of this build, in one line.
#[must_use]
pub fn build() -> &'static str {
    static BUILD: LazyLock<String> = LazyLock::new(|| {
        let VersionView { version, revision, built, .. } = version();
        let known: Vec<String> = [revision, built].into_iter().flatten().collect();
        let known = if known.is_empty() { "development".to_owned() } else { known.join(", ") };
        format!("{version} ({known})")
    });
    &BUILD
}

/// Name, version, revision and day of this build.
#[must_use]
pub fn version() -> VersionView {
    let time = option_env!("BUILD_TIME").and_then(|text| text.parse::<i64>().ok());
    let day = time.map(|seconds| date(seconds.saturating_mul(1_000)));
    VersionView::built(option_env!("BUILD_REVISION"), day.as_deref())
}
