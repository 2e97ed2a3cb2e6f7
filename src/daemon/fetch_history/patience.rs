//! When a failed read is repeated.

use everwarm_venue::port::{ErrorClass, VenueError};
use std::time::Duration;

/// Waits before another attempt, after which the request has failed.
const WAITS: [Duration; 5] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];
/// Longest wait for the limits of a source, milliseconds: they are of a minute.
const PATIENCE_MS: u64 = 90_000;
/// Such waits in a row.
const LIMITED: u32 = 3;

/// Repeats a read while another attempt may succeed.
pub(in crate::daemon) async fn patiently<T>(
    mut ask: impl AsyncFnMut() -> Result<T, VenueError>,
) -> Result<T, VenueError> {
    let mut waits = WAITS.iter();
    let mut limited = 0;
    loop {
        let error = match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let wait = match error.class {
            ErrorClass::RateLimited { retry_after_ms }
                if retry_after_ms <= PATIENCE_MS && limited < LIMITED =>
            {
                limited += 1;
                Duration::from_millis(retry_after_ms)
            }
            ErrorClass::NotSent | ErrorClass::Unknown | ErrorClass::Refused { again: true } => {
                let Some(wait) = waits.next() else { return Err(error) };
                *wait
            }
            ErrorClass::RateLimited { .. }
            | ErrorClass::Refused { again: false }
            | ErrorClass::Halt
            | ErrorClass::Rules
            | ErrorClass::Funds
            | ErrorClass::Absent => return Err(error),
        };
        tracing::info!(%error, ?wait, "the request is repeated");
        tokio::time::sleep(wait).await;
    }
}

/// The wait that a source asks for, milliseconds; none: it asks for none.
pub(in crate::daemon) const fn asked_ms(error: &VenueError) -> Option<u64> {
    match error.class {
        ErrorClass::RateLimited { retry_after_ms } => Some(retry_after_ms),
        ErrorClass::NotSent
        | ErrorClass::Refused { .. }
        | ErrorClass::Unknown
        | ErrorClass::Halt
        | ErrorClass::Rules
        | ErrorClass::Funds
        | ErrorClass::Absent => None,
    }
}

/// The failure in words.
pub(in crate::daemon) fn why(error: &VenueError) -> String {
    match asked_ms(error) {
        Some(wait) => format!("{error}; wait {} s", wait.div_ceil(1_000)),
        None => error.to_string(),
    }
}
