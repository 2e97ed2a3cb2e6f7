//! Bounded sending. Mailboxes of actors are unbounded. So each message that may come in large
//! numbers carries a [`Ticket`] of its receiver's [`Mailbox`]. A ticket returns its place when it
//! is dropped: after the message was handled, or with a mailbox and its messages.
//!
//! If a mailbox is full, the sender's action depends on the message.
//!
//! | what | how | when it is full |
//! |---|---|---|
//! | only the newest value counts | [`Newest`] | it replaces the older value of its key |
//! | can be fetched again | [`Mailbox::take_or_drop`] | it is not sent; the sender gets none |
//! | is needed, and can wait | [`Mailbox::room`] | the sender waits |
//! | must not be lost or wait | [`Mailbox::take`] | it is sent; the depth is measured |
//!
//! Control messages (a stop, a coalesced wake-up) take no ticket, so a flood never delays them. Two
//! actors must not wait for room in each other's mailboxes.

use crate::journal::Waker;
use crate::meter::Meter;
use std::collections::BTreeMap;
use std::sync::atomic::{
    AtomicU64, AtomicUsize, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed,
};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Number of messages with a ticket that an actor has not handled yet.
#[derive(Debug, Default)]
pub struct Mailbox {
    depth: AtomicUsize,
    deepest: AtomicUsize,
    room: Notify,
    /// Start of the current or last handler, in the time of the meter.
    taken: AtomicU64,
    meter: Arc<Meter>,
}

/// The place of one message, and the time when it was taken.
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
        // It is dropped in the handler of its message, or with its mailbox.
        self.0.taken_since(self.1);
    }
}

impl Mailbox {
    /// The mailbox of the actor that `meter` measures.
    pub(crate) fn of(meter: Arc<Meter>) -> Mailbox {
        Mailbox { meter, ..Mailbox::default() }
    }

    /// The meter of its actor.
    pub fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// Records the wait of a message or wake-up that was raised at that time of the meter.
    pub(crate) fn taken_since(&self, raised: u64) {
        if let Some(waited) = self.taken.load(Relaxed).checked_sub(raised) {
            self.meter.waited(waited);
        }
    }

    /// Records the start of a handler, at this time of the meter.
    pub(crate) fn begin(&self, at: u64) {
        self.taken.store(at, Relaxed);
    }

    /// Number of messages with a ticket that are not handled yet.
    pub fn depth(&self) -> usize {
        self.depth.load(Acquire)
    }

    /// Highest depth so far.
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

    /// As [`Mailbox::try_take`], for a sender that drops the message if there is no place. Counts
    /// such messages.
    #[must_use]
    pub fn take_or_drop(self: &Arc<Self>, limit: usize) -> Option<Ticket> {
        let ticket = self.try_take(limit);
        if ticket.is_none() {
            self.meter.refused();
        }
        ticket
    }

    /// Waits until fewer than `limit` places are taken, then takes one. `limit` is at least 1.
    /// Waiting senders are served in the order of their arrival.
    pub async fn room(self: &Arc<Self>, limit: usize) -> Ticket {
        loop {
            let room = self.room.notified();
            if let Some(ticket) = self.try_take(limit.max(1)) {
                // There may be room for another waiting sender.
                if self.depth() < limit {
                    self.room.notify_one();
                }
                return ticket;
            }
            room.await;
        }
    }
}

/// The newest value of each key. The reader is woken once, even if several values come.
pub struct Newest<K, V> {
    waiting: Mutex<BTreeMap<K, V>>,
    waker: Arc<Waker>,
}

impl<K: Ord, V> Newest<K, V> {
    /// Starts empty. Calls `wake` when a value comes after the reader has taken all earlier ones.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Newest<K, V> {
        Newest { waiting: Mutex::default(), waker: Waker::new(wake) }
    }

    /// Sets the value of a key, replacing an older one.
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
    async fn what_may_be_shed_is_refused_at_the_limit_and_what_may_not_goes_on() {
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
        // A killed actor's mailbox returns the places of its messages.
        actor.kill();
        task.await.unwrap();
        assert_eq!(mailbox.depth(), 0);
        assert!(mailbox.try_take(1).is_some());
    }

    /// Counters of handled messages. On one thread, the handled flood messages measure time.
    #[derive(Default)]
    struct Seen {
        flooded: AtomicUsize,
        cancels: AtomicUsize,
        /// Highest number of flood messages handled between the send of a cancel and its handling.
        slowest: AtomicUsize,
    }

    enum Work {
        Flood(Ticket),
        /// Number of handled flood messages when it was sent.
        Cancel(usize),
    }

    /// Handles messages without an await, as fast as possible.
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

    /// Maximum of messages that wait in the flooded mailbox.
    const FLOODED: usize = 1_000;

    /// Even on one thread, a cancel waits only for the schedule of actors. It never waits for the
    /// flood, not even for the messages that are already in the flooded mailbox.
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
        // On one thread, no other task runs between the read of the counter and the send.
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
