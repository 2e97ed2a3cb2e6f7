//! Options of a journal.

use crate::chaos::Chaos;
use crate::store::StoreError;
use std::sync::Arc;
use std::time::Duration;

/// Options of a journal.
#[derive(Clone)]
pub struct Options {
    /// Minimum time between unsynced commits.
    pub lazy: Duration,
    /// Maximum time between synced commits.
    pub sync: Duration,
    /// Projections that read facts from disk, by name. The journal seals nothing before each of
    /// them has reported its progress, see [`Journal::hold`](super::Journal::hold).
    pub followers: &'static [&'static str],
    /// The kill points of this process.
    pub chaos: Chaos,
    /// Called once if the store fails. In a daemon it ends the process.
    pub on_failure: Arc<dyn Fn(&StoreError) + Send + Sync>,
}

impl Options {
    /// Unsynced commits every 10 ms, synced ones every second, no followers, no injected faults.
    pub fn new(on_failure: impl Fn(&StoreError) + Send + Sync + 'static) -> Options {
        Options {
            lazy: Duration::from_millis(10),
            sync: Duration::from_secs(1),
            followers: &[],
            chaos: Chaos::off(),
            on_failure: Arc::new(on_failure),
        }
    }
}
