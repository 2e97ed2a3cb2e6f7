//! The one wrapper around actors. It sees whether an actor holds its thread: each poll of its
//! start and of its handlers is stamped. And it measures what is handled, in the actor's [`Meter`].

use super::harm::befall;
use super::slot::Slot;
use crate::meter::Meter;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
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

    async fn watched<F: Future>(&self, handler: F) -> F::Output {
        self.handlers.watched(handler).await
    }
}

/// Counts a panic of the handler it is dropped in.
struct Panics<'a>(&'a Meter);

impl Drop for Panics<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.panicked();
        }
    }
}

/// Any actor, watched; and measured, but for its start.
pub(crate) struct Watched<A> {
    pub actor: A,
    pub slot: Arc<Slot>,
}

impl<A: Actor> Actor for Watched<A> {
    type Msg = A::Msg;
    type State = A::State;
    type Arguments = A::Arguments;

    async fn pre_start(
        &self,
        me: ActorRef<A::Msg>,
        arguments: A::Arguments,
    ) -> Result<A::State, ActorProcessingErr> {
        self.slot.mailbox().meter().expect::<A::Msg>();
        self.slot.busy().starts.watched(self.actor.pre_start(me, arguments)).await
    }

    async fn post_start(
        &self,
        me: ActorRef<A::Msg>,
        state: &mut A::State,
    ) -> Result<(), ActorProcessingErr> {
        self.slot.busy().watched(self.actor.post_start(me, state)).await
    }

    async fn post_stop(
        &self,
        me: ActorRef<A::Msg>,
        state: &mut A::State,
    ) -> Result<(), ActorProcessingErr> {
        self.slot.busy().watched(self.actor.post_stop(me, state)).await
    }

    async fn handle(
        &self,
        me: ActorRef<A::Msg>,
        message: A::Msg,
        state: &mut A::State,
    ) -> Result<(), ActorProcessingErr> {
        let mailbox = self.slot.mailbox();
        let meter = mailbox.meter();
        let began = meter.now();
        mailbox.begin(began);
        let kind = meter.kind(&message);
        let handler = async {
            let _panics = Panics(meter);
            if self.slot.is_threatened() {
                befall(&self.slot);
            }
            self.actor.handle(me, message, state).await
        };
        let done = self.slot.busy().watched(handler).await;
        meter.handled(kind, began, done.is_ok());
        done
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<A::Msg>,
        event: SupervisionEvent,
        state: &mut A::State,
    ) -> Result<(), ActorProcessingErr> {
        self.slot.busy().watched(self.actor.handle_supervisor_evt(me, event, state)).await
    }
}
