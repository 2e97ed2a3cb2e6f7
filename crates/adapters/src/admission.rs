//! Waits for the limits of a source that is only read.

use everwarm_domain::time::UtcMs;
use everwarm_venue::port::{ErrorClass, VenueError};
use everwarm_venue::rate_limit::{DOUBT, Hold, Priority, WINDOW, WeightLimit};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Waits until the limit admits a read of this weight. `now` is our clock, UTC milliseconds.
///
/// # Errors
/// The source wants a longer wait than a window.
pub(crate) async fn admitted(
    limit: &Mutex<WeightLimit>,
    now: impl Fn() -> UtcMs,
    weight: u32,
) -> Result<(), VenueError> {
    loop {
        let admitted = {
            let mut limit = limit.lock().unwrap_or_else(PoisonError::into_inner);
            limit.admit(now(), weight, Priority::History)
        };
        let retry_after_ms = match admitted {
            Ok(()) => return Ok(()),
            Err(Hold::Wait(wait)) => wait.0,
            // In a long wait, requests of weight 1 check it. A source without such waits.
            Err(Hold::Ask) => DOUBT.unsigned_abs(),
        };
        if retry_after_ms > WINDOW.unsigned_abs() {
            let text = "it wants fewer requests".to_owned();
            return Err(VenueError::new(ErrorClass::RateLimited { retry_after_ms }, 0, text));
        }
        tokio::time::sleep(Duration::from_millis(retry_after_ms)).await;
    }
}
