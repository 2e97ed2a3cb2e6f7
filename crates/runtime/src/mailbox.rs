//! Bounded sending. The mailboxes of actors are unbounded. So each message that may come in numbers
//! carries a [`Ticket`] of its receiver's [`Mailbox`]. The ticket returns itself when it is
//! dropped: when the message was handled, or when the mailbox ends with it.
//!
//! The sender decides what happens if the mailbox is full:
//!
//! | what | how | when it is full |
//! |---|---|---|
//! | only the newest is needed | [`Newest`] | the older one of the same key is replaced |
//! | can be fetched again | [`Mailbox::take_or_drop`] | it is not sent; the sender knows immediately |
//! | is needed and can wait | [`Mailbox::room`] | the sender waits |
//! | must never be lost nor wait | [`Mailbox::take`] | it is sent; the depth is watched |
//!
//! Control messages (stop, coalesced wake-ups) take no ticket, so a flood never delays them. No two
//! actors may wait for room in each other's mailboxes.

use crate::journal::Waker;
use crate::meter::Meter;
use std::collections::BTreeMap;
use std::sync::atomic::{
    AtomicU64, AtomicUsize, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed,
};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// The number of messages on their way to one actor.
#[derive(Debug, Default)]
pub struct Mailbox {
    depth: AtomicUsize,
    deepest: AtomicUsize,
    room: Notify,
    /// When the current or last handler began, in the time of the meter.
    taken: AtomicU64,
    meter: Arc<Meter>,
}

/// The place of one message, and when it was taken.
#[derive(Debug)]
pub struct Ticket(Arc<Mailbox>, u64);

impl Ticket {
    fn of(mailbox: &Arc<Mailbox>) -> Ticket {
        Ticket(Arc::clone(mailbox), mailbox.meter.now())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.depth.fetch_sub(1, AcqRel);
        self.0.room.notify_one();
        // It is dropped by the handler of its message, or with a mailbox that ended.
        self.0.taken_since(self.1);
    }
}

impl Mailbox {
    /// The mailbox of the actor that `meter` measures.
    pub(crate) fn of(meter: Arc<Meter>) -> Mailbox {
        Mailbox { meter, ..Mailbox::default() }
    }

    /// The measurements of its actor.
    pub fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// Notes that a wake-up raised at that time of the meter is handled now.
    pub(crate) fn taken_since(&self, raised: u64) {
        if let Some(waited) = self.taken.load(Relaxed).checked_sub(raised) {
            self.meter.waited(waited);
        }
    }

    /// Notes that a handler begins at this time of the meter.
    pub(crate) fn begin(&self, at: u64) {
        self.taken.store(at, Relaxed);
    }

    /// The number of messages with a ticket on their way.
    pub fn depth(&self) -> usize {
        self.depth.load(Acquire)
    }

    /// The highest number so far.
    pub fn deepest(&self) -> usize {
        self.deepest.load(Acquire)
    }

    /// Takes a place at any depth.
    #[must_use]
    pub fn take(self: &Arc<Self>) -> Ticket {
        let depth = self.depth.fetch_add(1, AcqRel) + 1;
        self.deepest.fetch_max(depth, AcqRel);
        Ticket::of(self)
    }

    /// Takes a place if fewer than `limit` are taken.
    #[must_use]
    pub fn try_take(self: &Arc<Self>, limit: usize) -> Option<Ticket> {
        let more = |depth: usize| (depth < limit).then_some(depth + 1);
        let Ok(before) = self.depth.fetch_update(AcqRel, Acquire, more) else { return None };
        self.deepest.fetch_max(before + 1, AcqRel);
        Some(Ticket::of(self))
    }

    /// As [`Mailbox::try_take`] for a sender that drops the message: a failure is counted.
    #[must_use]
    pub fn take_or_drop(self: &Arc<Self>, limit: usize) -> Option<Ticket> {
        let ticket = self.try_take(limit);
        if ticket.is_none() {
            self.meter.refused();
        }
        ticket
    }

    /// Waits for a place until fewer than `limit` are taken; `limit` is at least 1. Waiting senders
    /// are served in order.
    pub async fn room(self: &Arc<Self>, limit: usize) -> Ticket {
        loop {
            let room = self.room.notified();
            if let Some(ticket) = self.try_take(limit.max(1)) {
                // Another waiting sender may find room too.
                if self.depth() < limit {
                    self.room.notify_one();
                }
                return ticket;
            }
            room.await;
        }
    }
}

/// The newest value of each key, for a reader that is woken once for many values.
pub struct Newest<K, V> {
    waiting: Mutex<BTreeMap<K, V>>,
    waker: Arc<Waker>,
}

impl<K: Ord, V> Newest<K, V> {
    /// An empty one. `wake` is called for the first value after the reader has taken the earlier
    /// ones.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Newest<K, V> {
        Newest { waiting: Mutex::default(), waker: Waker::new(wake) }
    }

    /// Puts a value. It replaces an older one of the same key.
    pub fn put(&self, key: K, value: V) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(key, value);
        self.waker.raise();
    }

    /// Takes all values.
    pub fn take(&self) -> BTreeMap<K, V> {
        self.waker.clear();
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ractor::{Actor, ActorProcessingErr, ActorRef};
    use std::time::Duration;

    /// Handles one message a millisecond.
    struct Slow;

    impl Actor for Slow {
        type Msg = Ticket;
        type State = ();
        type Arguments = ();

        async fn pre_start(&self, _: ActorRef<Ticket>, (): ()) -> Result<(), ActorProcessingErr> {
            Ok(())
        }

        async fn handle(
            &self,
            _: ActorRef<Ticket>,
            ticket: Ticket,
            (): &mut (),
        ) -> Result<(), ActorProcessingErr> {
            tokio::time::sleep(Duration::from_millis(1)).await;
            drop(ticket);
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_that_waits_never_fills_a_mailbox_beyond_its_limit() {
        let (actor, task) = Actor::spawn(None, Slow, ()).await.unwrap();
        let mailbox = Arc::new(Mailbox::default());
        for _ in 0..3 {
            let (mailbox, actor) = (Arc::clone(&mailbox), actor.clone());
            tokio::spawn(async move {
                for _ in 0..200 {
                    actor.send_message(mailbox.room(16).await).unwrap();
                }
            });
        }
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!((mailbox.depth(), mailbox.deepest()), (0, 16), "all came through");
        actor.stop(None);
        task.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn droppable_messages_are_rejected_at_the_limit_and_others_are_sent() {
        let (actor, task) = Actor::spawn(None, Slow, ()).await.unwrap();
        let mailbox = Arc::new(Mailbox::default());
        let mut shed = 0;
        for _ in 0..100 {
            match mailbox.try_take(10) {
                Some(ticket) => actor.send_message(ticket).unwrap(),
                None => shed += 1,
            }
        }
        assert_eq!((mailbox.depth(), shed), (10, 90));
        for _ in 0..5 {
            actor.send_message(mailbox.take()).unwrap();
        }
        assert_eq!((mailbox.depth(), mailbox.deepest()), (15, 15));
        // A mailbox that ends returns its tickets.
        actor.kill();
        task.await.unwrap();
        assert_eq!(mailbox.depth(), 0);
        assert!(mailbox.try_take(1).is_some());
    }

    /// Time in the tests on one thread is the number of handled flood messages.
    #[derive(Default)]
    struct Seen {
        flooded: AtomicUsize,
        cancels: AtomicUsize,
        /// The most messages handled between the sending of a cancel and its handling.
        slowest: AtomicUsize,
    }

    enum Work {
        Flood(Ticket),
        /// The number of handled flood messages when it was sent.
        Cancel(usize),
    }

    /// Handles without an await, as fast as it can.
    struct Works;

    impl Actor for Works {
        type Msg = Work;
        type State = Arc<Seen>;
        type Arguments = Arc<Seen>;

        async fn pre_start(
            &self,
            _: ActorRef<Work>,
            seen: Arc<Seen>,
        ) -> Result<Arc<Seen>, ActorProcessingErr> {
            Ok(seen)
        }

        async fn handle(
            &self,
            _: ActorRef<Work>,
            work: Work,
            seen: &mut Arc<Seen>,
        ) -> Result<(), ActorProcessingErr> {
            match work {
                Work::Flood(ticket) => {
                    drop(ticket);
                    seen.flooded.fetch_add(1, AcqRel);
                }
                Work::Cancel(sent) => {
                    let before = seen.flooded.load(Acquire) - sent;
                    seen.slowest.fetch_max(before, AcqRel);
                    seen.cancels.fetch_add(1, AcqRel);
                }
            }
            Ok(())
        }
    }

    /// Messages that wait in the flooded mailbox at most.
    const FLOODED: usize = 1_000;

    /// Even on one thread a cancel waits for its turn among actors, never behind the flood.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_flood_of_one_actor_does_not_delay_a_cancel_of_another() {
        let (seen, mailbox) = (Arc::new(Seen::default()), Arc::new(Mailbox::default()));
        let (bars, bars_end) = Actor::spawn(None, Works, Arc::clone(&seen)).await.unwrap();
        let (orders, orders_end) = Actor::spawn(None, Works, Arc::clone(&seen)).await.unwrap();
        let (own, to) = (Arc::clone(&mailbox), bars.clone());
        let flood = tokio::spawn(async move {
            for _ in 0..50_000 {
                to.send_message(Work::Flood(own.room(FLOODED).await)).unwrap();
            }
        });
        // On one thread nobody else runs between reading the count and sending.
        let (to, at) = (orders.clone(), Arc::clone(&seen));
        let cancels = tokio::spawn(async move {
            let mut sent = 0;
            while !flood.is_finished() {
                to.send_message(Work::Cancel(at.flooded.load(Acquire))).unwrap();
                sent += 1;
                while at.cancels.load(Acquire) < sent {
                    tokio::task::yield_now().await;
                }
            }
            sent
        });
        let sent = cancels.await.unwrap();
        bars.drain().unwrap();
        orders.stop(None);
        bars_end.await.unwrap();
        orders_end.await.unwrap();
        let (flooded, slowest) = (seen.flooded.load(Acquire), seen.slowest.load(Acquire));
        assert!(sent > 20 && flooded == 50_000, "{sent} cancels among {flooded}");
        assert_eq!(mailbox.deepest(), FLOODED, "it was full");
        assert!(slowest <= FLOODED / 2, "a cancel waited for {slowest} messages of the flood");
    }

    #[test]
    fn only_the_newest_of_each_key_waits_and_the_reader_is_woken_once() {
        let (wakes, woken) = std::sync::mpsc::sync_channel(10);
        let newest = Newest::new(move || wakes.try_send(()).unwrap());
        for value in 0..1_000 {
            newest.put(value % 3, value);
        }
        assert_eq!(woken.try_iter().count(), 1);
        assert_eq!(newest.take(), BTreeMap::from([(0, 999), (1, 997), (2, 998)]));
        newest.put(7, 7);
        assert_eq!((woken.try_iter().count(), newest.take()), (1, BTreeMap::from([(7, 7)])));
    }
}
