//! The one wrapper around actors. It stamps each poll of an actor's start and handlers, to detect a
//! blocked thread. It measures the handled messages in the actor's [`Meter`].
//!
//! It also keeps the actor's state. ractor moves the state to the supervisor when the actor ends.
//! The supervisor would then drop it, and a panic or a delay in that `Drop` would affect the
//! supervisor. So ractor gets an empty state, and this wrapper drops the real one: on the actor's
//! own thread, before its task ends.

use super::exit::{Injected, discard, plain};
use super::injected::InjectedFault;
use super::slot::Slot;
use crate::meter::Meter;
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use std::sync::{Arc, OnceLock};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

/// Counts a panic of the handler it is dropped in.
struct Panics<'a>(&'a Meter);

impl Drop for Panics<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.panicked();
        }
    }
}

/// Any actor with its handlers stamped and measured. The start is only stamped.
pub(crate) struct Watched<A: Actor> {
    actor: A,
    slot: Arc<Slot>,
    /// Id of the current instance, from its start on.
    me: OnceLock<ActorId>,
    /// Its state, from the end of its start on. Only its own callbacks lock it, one at a time.
    state: Mutex<Option<A::State>>,
}

impl<A: Actor> Watched<A> {
    pub fn new(actor: A, slot: Arc<Slot>) -> Watched<A> {
        Watched { actor, slot, me: OnceLock::new(), state: Mutex::new(None) }
    }

    /// Locks the state. A callback that a kill interrupts leaves it in place.
    fn state(&self) -> MappedMutexGuard<'_, A::State> {
        let state = self.state.try_lock().expect("callbacks of one actor follow each other");
        MutexGuard::map(state, |state| state.as_mut().expect("callbacks follow the start"))
    }
}

impl<A: Actor> Drop for Watched<A> {
    fn drop(&mut self) {
        let Some(why) = discard(self.state.get_mut().take()) else { return };
        self.slot.mailbox().meter().panicked();
        if let Some(me) = self.me.get() {
            self.slot.panicked_in_drop(*me, why);
        }
    }
}

impl<A: Actor> Actor for Watched<A> {
    type Msg = A::Msg;
    type State = ();
    type Arguments = A::Arguments;

    async fn pre_start(
        &self,
        me: ActorRef<A::Msg>,
        arguments: A::Arguments,
    ) -> Result<(), ActorProcessingErr> {
        self.me.get_or_init(|| me.get_id());
        self.slot.mailbox().meter().expect::<A::Msg>();
        let started = self.slot.busy().starts(self.actor.pre_start(me, arguments)).await?;
        *self.state.lock().await = Some(started);
        Ok(())
    }

    async fn post_start(
        &self,
        me: ActorRef<A::Msg>,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        let mut state = self.state();
        let done = self.slot.busy().handles(self.actor.post_start(me, &mut state)).await;
        done.map_err(|error| plain(error.as_ref()))
    }

    async fn post_stop(&self, me: ActorRef<A::Msg>, (): &mut ()) -> Result<(), ActorProcessingErr> {
        let mut state = self.state();
        let done = self.slot.busy().handles(self.actor.post_stop(me, &mut state)).await;
        done.map_err(|error| plain(error.as_ref()))
    }

    async fn handle(
        &self,
        me: ActorRef<A::Msg>,
        message: A::Msg,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        let mailbox = self.slot.mailbox();
        let meter = mailbox.meter();
        let began = meter.now();
        mailbox.begin(began);
        let kind = meter.kind(&message);
        let mut state = self.state();
        let handler = async {
            let _panics = Panics(meter);
            if self.slot.is_threatened() {
                befall(&self.slot);
            }
            self.actor.handle(me, message, &mut state).await
        };
        let done = self.slot.busy().handles(handler).await;
        meter.handled(kind, began, done.is_ok());
        done.map_err(|error| plain(error.as_ref()))
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<A::Msg>,
        event: SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        let mut state = self.state();
        let handler = self.actor.handle_supervisor_evt(me, event, &mut state);
        self.slot.busy().handles(handler).await.map_err(|error| plain(error.as_ref()))
    }
}

/// Injects the planned fault into the instance, which handles a message now.
#[cold]
fn befall(slot: &Slot) {
    match slot.take_fault() {
        None | Some(InjectedFault::Kill | InjectedFault::Stop) => {}
        Some(InjectedFault::Panic) => Injected(format!("a panic of {}", slot.path())).panic(),
        Some(InjectedFault::Stall(long)) => {
            #[expect(clippy::disallowed_methods, reason = "what was asked for")]
            std::thread::sleep(long);
        }
        Some(InjectedFault::Abort) => {
            #[expect(clippy::disallowed_methods, reason = "what was asked for")]
            std::process::abort();
        }
    }
}
