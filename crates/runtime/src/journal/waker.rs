//! Wakes readers of the journal when new facts may exist.

use crate::mailbox::Mailbox;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Release,
};

/// A coalescing wake-up flag. Writers raise it; the reader clears it before it reads.
pub struct Waker {
    raised: AtomicBool,
    wake: Box<dyn Fn() + Send + Sync>,
    /// The mailbox that measures the wait, and the time of the raise.
    of: Option<(Arc<Mailbox>, AtomicU64)>,
}

impl Waker {
    /// Makes a waker. It calls `wake` once between two reads, even if it is raised more often.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Arc<Waker> {
        Arc::new(Waker { raised: AtomicBool::new(false), wake: Box::new(wake), of: None })
    }

    /// As [`Waker::new`], for an actor. Its mailbox measures the time from the raise to the read.
    pub fn of(mailbox: &Arc<Mailbox>, wake: impl Fn() + Send + Sync + 'static) -> Arc<Waker> {
        let of = Some((Arc::clone(mailbox), AtomicU64::new(0)));
        Arc::new(Waker { raised: AtomicBool::new(false), wake: Box::new(wake), of })
    }

    /// Reports that there may be new facts.
    pub fn raise(&self) {
        if !self.raised.swap(true, AcqRel) {
            if let Some((mailbox, since)) = &self.of {
                since.store(mailbox.meter().now(), Release);
            }
            (self.wake)();
        }
    }

    /// Clears the flag. Call it before reading.
    pub fn clear(&self) {
        if self.raised.swap(false, AcqRel)
            && let Some((mailbox, since)) = &self.of
        {
            mailbox.taken_since(since.load(Acquire));
        }
    }
}
