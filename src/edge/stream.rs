//! What the streams of the market and of the account share: a task that carries one, and ends with
//! the actor that asked for it.

use super::task::guarded;
use super::world::{Passing, World, wall};
use crate::venue::link::{self, Wiring};
use crate::venue::session::{Event, Moment, Protocol, Session};
use everwarm_runtime::clock::steady_ms;
use ractor::{ActorRef, Message};
use std::ops::ControlFlow;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Wall time between looks at a clock that is not known yet.
const CLOCK: Duration = Duration::from_millis(1);

/// A stream that runs until this is dropped.
pub(super) struct Stream(JoinHandle<()>);

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Stream {
    /// Sends `me` what is `heard`, and once that the stream has `ended` for good, and why.
    pub(super) fn carry<P, M>(
        world: &World,
        (url, session): (String, Session<P>),
        me: ActorRef<M>,
        heard: fn(Box<Event<P::Frame>>) -> M,
        ended: fn(String) -> M,
    ) -> Stream
    where
        P: Protocol + Send + Sync + 'static,
        P::Frame: Send + Sync,
        M: Message,
    {
        let world = world.clone();
        Stream(tokio::spawn(async move {
            // A clock that only moves when told is not known before the pacer has asked: what is
            // signed by it would be refused, and tried again much later.
            while world.passing == Passing::Lockstep && world.now() == 0 {
                tokio::time::sleep(CLOCK).await;
            }
            let venue = world.venue.clone();
            let admit = move || venue.admit_connection(steady_ms());
            let mut wiring = Wiring { url, now: move || moment(&world), dice, admit };
            let sink = |event| match me.send_message(heard(Box::new(event))) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            };
            let end = guarded(link::run(session, &mut wiring, sink)).await;
            let why = end.map_or_else(|why| why, |_| "it was refused for good".to_owned());
            drop(me.send_message(ended(why)));
        }))
    }
}

/// The clocks, for a session.
fn moment(world: &World) -> Moment {
    let wall = wall();
    Moment { steady: steady_ms(), wall, venue: world.clock.now(wall) }
}

/// A die for the jitter of reconnects: nothing that is decided depends on it.
pub(super) fn dice() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    #[expect(clippy::disallowed_methods, reason = "jitter of reconnects decides nothing")]
    let state = RandomState::new();
    state.build_hasher().finish()
}
