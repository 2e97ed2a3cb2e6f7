//! Whether this process was interrupted by a signal. A proof then stops with an error, and removes
//! its processes and files. The flag belongs to the process, as the signal does.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Sets the flag.
pub fn set() {
    INTERRUPTED.store(true, Relaxed);
}

/// Whether the flag is set.
#[must_use]
pub fn is_set() -> bool {
    INTERRUPTED.load(Relaxed)
}

/// Fails once the flag is set.
///
/// # Errors
/// The process was interrupted.
pub fn check() -> Result<(), String> {
    if is_set() { Err("interrupted".to_owned()) } else { Ok(()) }
}
