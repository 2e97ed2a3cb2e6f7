//! How a journal behaves.

use crate::chaos::Chaos;
use crate::store::StoreError;
use std::sync::Arc;
use std::time::Duration;

/// How a journal behaves.
#[derive(Clone)]
pub struct Options {
    /// Time between unsynced commits, at least.
    pub lazy: Duration,
    /// Time between synced commits, at most.
    pub sync: Duration,
    /// Projections that read what is on disk, by name: nothing is sealed before each of them has
    /// said how far it is, see [`Journal::hold`](super::Journal::hold).
    pub followers: &'static [&'static str],
    /// The kill points.
    pub chaos: Chaos,
    /// Called once when the store has ended; in a daemon it ends the process.
    pub on_failure: Arc<dyn Fn(&StoreError) + Send + Sync>,
}

impl Options {
    /// 10 ms, 1 s, nobody who follows, no chaos.
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
