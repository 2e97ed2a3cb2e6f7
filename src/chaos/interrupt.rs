//! Whether this process was told to end: whatever is being proved stops then where it is, by an
//! error, and so removes what it has made. It is of the process, as the signal is.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

static TOLD: AtomicBool = AtomicBool::new(false);

/// It is told to end.
pub fn tell() {
    TOLD.store(true, Relaxed);
}

/// Whether it was.
#[must_use]
pub fn is_told() -> bool {
    TOLD.load(Relaxed)
}

/// Whether to go on.
///
/// # Errors
/// It was told to end.
pub fn check() -> Result<(), String> {
    if is_told() { Err("interrupted".to_owned()) } else { Ok(()) }
}
