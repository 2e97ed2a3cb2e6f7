//! Whether an actor holds its thread: each poll of its start and of its handlers is stamped.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts entries and exits: odd while one is inside. An await is an exit, so only what does not
/// yield is seen as long. Costs two additions a poll, and no look at a clock.
#[derive(Debug, Default)]
struct Count(AtomicU64);

/// Leaves when dropped, by whatever end of a poll.
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

/// Whether an actor holds a thread: with its start, which may have much to read, or with a handler.
#[derive(Debug, Default)]
pub(crate) struct Busy {
    starts: Count,
    handlers: Count,
}

/// Which entry holds the thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Start(u64),
    Handler(u64),
}

impl Busy {
    /// Which entry is inside now; `None`: nobody.
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
