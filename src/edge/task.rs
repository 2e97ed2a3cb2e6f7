//! Work that an actor does in a task of its own, so that its handler never waits.

use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;

/// Does the work. A panic in it becomes a text: the actor must end with its task, or nobody would
/// notice that the work is not done any more.
///
/// # Errors
/// The text of the panic.
pub async fn guarded<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let done = AssertUnwindSafe(work).catch_unwind().await;
    done.map_err(|panic| match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast_ref::<&str>().map_or("it panicked", |text| *text).to_owned(),
    })
}
