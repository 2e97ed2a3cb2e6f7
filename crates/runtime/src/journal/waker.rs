//! How a reader is told that there is something new.

use crate::mailbox::Mailbox;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Release,
};

/// One coalescing wake-up flag: raised by whoever has news, cleared by the reader before it reads.
pub struct Waker {
    raised: AtomicBool,
    wake: Box<dyn Fn() + Send + Sync>,
    /// Whose wait is measured, and since when it is raised.
    of: Option<(Arc<Mailbox>, AtomicU64)>,
}

impl Waker {
    /// `wake` is called once between two readings, however many have news.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Arc<Waker> {
        Arc::new(Waker { raised: AtomicBool::new(false), wake: Box::new(wake), of: None })
    }

    /// The same for an actor: how long it takes to come is measured with its mailbox.
    pub fn of(mailbox: &Arc<Mailbox>, wake: impl Fn() + Send + Sync + 'static) -> Arc<Waker> {
        let of = Some((Arc::clone(mailbox), AtomicU64::new(0)));
        Arc::new(Waker { raised: AtomicBool::new(false), wake: Box::new(wake), of })
    }

    /// Says that there may be news.
    pub fn raise(&self) {
        if !self.raised.swap(true, AcqRel) {
            if let Some((mailbox, since)) = &self.of {
                since.store(mailbox.meter().now(), Release);
            }
            (self.wake)();
        }
    }

    /// To be called before reading.
    pub fn clear(&self) {
        if self.raised.swap(false, AcqRel)
            && let Some((mailbox, since)) = &self.of
        {
            mailbox.taken_since(since.load(Acquire));
        }
    }
}
