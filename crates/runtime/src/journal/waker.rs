//! Wake-ups of readers of the journal.

use crate::mailbox::Mailbox;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Release,
};

/// A coalescing wake-up flag. Writers raise it, the reader clears it before it reads.
pub struct Waker {
    raised: AtomicBool,
    wake: Box<dyn Fn() + Send + Sync>,
    /// The mailbox whose wait is measured, and the time at which the flag was raised.
    of: Option<(Arc<Mailbox>, AtomicU64)>,
}

impl Waker {
    /// `wake` is called once between two reads, however often the flag is raised.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Arc<Waker> {
        Arc::new(Waker { raised: AtomicBool::new(false), wake: Box::new(wake), of: None })
    }

    /// As [`Waker::new`] for an actor: its wait is measured with its mailbox.
    pub fn of(mailbox: &Arc<Mailbox>, wake: impl Fn() + Send + Sync + 'static) -> Arc<Waker> {
        let of = Some((Arc::clone(mailbox), AtomicU64::new(0)));
        Arc::new(Waker { raised: AtomicBool::new(false), wake: Box::new(wake), of })
    }

    /// Raises the flag and wakes the reader.
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
