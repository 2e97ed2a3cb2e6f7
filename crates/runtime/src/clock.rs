//! The one place that reads a clock.
//!
//! Facts carry their own time. What is read here paces work and measures it.

pub use everwarm_kernel::time::{SteadyMs, WallMs};
use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The current [`Instant`], to measure from.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn now() -> Instant {
    Instant::now()
}

/// The steady clock.
#[must_use]
pub fn steady() -> SteadyMs {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    let passed = BEGAN.get_or_init(now).elapsed();
    SteadyMs::from_start(i64::try_from(passed.as_millis()).unwrap_or(i64::MAX))
}

/// The wall clock; 0 if it shows a time before 1970.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn wall() -> WallMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    WallMs::from_utc(
        since.map_or(0, |passed| i64::try_from(passed.as_millis()).unwrap_or(i64::MAX)),
    )
}
