//! The one place that asks for the time.
//!
//! Facts carry their own time; what is asked for here only paces work and measures it.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A moment to measure from.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since this was first asked for: passes while the machine is awake, whatever is done
/// to the wall clock.
#[must_use]
pub fn steady_ms() -> i64 {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    let passed = BEGAN.get_or_init(now).elapsed();
    i64::try_from(passed.as_millis()).unwrap_or(i64::MAX)
}

/// The wall clock, UTC milliseconds; 0 where it stands before 1970.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |passed| i64::try_from(passed.as_millis()).unwrap_or(i64::MAX))
}
