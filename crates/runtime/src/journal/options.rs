//! Options of a journal.

use crate::chaos::Chaos;
use crate::store::StoreError;
use std::sync::Arc;
use std::time::Duration;

/// The options of a journal.
#[derive(Clone)]
pub struct Options {
    /// Time between unsynced commits, at least.
    pub lazy: Duration,
    /// Time between synced commits, at most.
    pub sync: Duration,
    /// Names of projections that read facts from the disk. Nothing is sealed before each of them
    /// has reported its progress, see [`Journal::hold`](super::Journal::hold).
    pub followers: &'static [&'static str],
    /// The kill points.
    pub chaos: Chaos,
    /// Called once when the store fails. In a daemon it ends the process.
    pub on_failure: Arc<dyn Fn(&StoreError) + Send + Sync>,
}

impl Options {
    /// 10 ms, 1 s, no followers, no fault injection.
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
