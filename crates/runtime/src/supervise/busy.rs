//! Stamps each poll of an actor's start and handlers, to detect a blocked thread.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts entries and exits: odd while inside. An await is an exit, so only code that does not
/// yield looks long. It costs two additions a poll and reads no clock.
#[derive(Debug, Default)]
struct Count(AtomicU64);

/// Counts the exit when dropped, however the poll ends.
struct Inside<'a>(&'a Count);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Relaxed);
    }
}

impl Count {
    fn inside(&self) -> Option<u64> {
        Some(self.0.load(Relaxed)).filter(|entries| !entries.is_multiple_of(2))
    }

    async fn watched<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|context| {
            self.0.fetch_add(1, Relaxed);
            let _inside = Inside(self);
            work.as_mut().poll(context)
        })
        .await
    }
}

/// Whether an actor's start or one of its handlers is on a thread now. A start may have much to
/// read.
#[derive(Debug, Default)]
pub(crate) struct Busy {
    starts: Count,
    handlers: Count,
}

/// The entry that is on a thread now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Start(u64),
    Handler(u64),
}

impl Busy {
    /// The current entry; `None` if neither a start nor a handler runs.
    pub(crate) fn inside(&self) -> Option<Entry> {
        let handler = || self.handlers.inside().map(Entry::Handler);
        self.starts.inside().map(Entry::Start).or_else(handler)
    }

    pub(crate) async fn starts<F: Future>(&self, start: F) -> F::Output {
        self.starts.watched(start).await
    }

    pub(crate) async fn handles<F: Future>(&self, handler: F) -> F::Output {
        self.handlers.watched(handler).await
    }
}
