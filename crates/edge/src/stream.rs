//! What the streams of the market and of the account share: a task that runs a stream, and ends
//! with its actor.

use super::task::guarded;
use super::world::{Passing, World};
use everwarm_runtime::clock::steady;
use everwarm_runtime::clock::wall;
use everwarm_venue::port::{Carried, Listener, Sink};
use everwarm_venue::session::{Event, Moment};
use ractor::{ActorRef, Message};
use std::ops::ControlFlow;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Wall time between checks of a clock that is not known yet.
const CLOCK: Duration = Duration::from_millis(1);

/// A stream that runs until this is dropped.
pub(super) struct Stream(JoinHandle<()>);

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Stream {
    /// Runs the stream of an adapter. When it ends, sends `me` once `ended` with the reason.
    pub(super) fn run<M: Message>(
        world: &World,
        carried: Carried,
        me: ActorRef<M>,
        ended: fn(String) -> M,
    ) -> Stream {
        let world = world.clone();
        Stream(tokio::spawn(async move {
            // In lockstep the clock is not known before the pacer has set it. Requests signed
            // before would be rejected, and tried again much later.
            while world.passing == Passing::Lockstep && world.now() == 0 {
                tokio::time::sleep(CLOCK).await;
            }
            let carried = guarded(carried).await;
            let why = carried.map_or_else(|why| why, |()| "nobody listens".to_owned());
            drop(me.send_message(ended(why)));
        }))
    }
}

/// What one of `of` connections needs of this process.
pub(super) fn listener(world: &World, of: usize) -> Listener {
    let world = world.clone();
    Listener { now: Box::new(move || moment(&world)), dice, connections: of }
}

/// Sends `me` what `to_message` makes of each event, as long as `me` lives.
pub(super) fn sink<F: 'static, M: Message>(
    me: ActorRef<M>,
    mut to_message: impl FnMut(Box<Event<F>>) -> Option<M> + Send + 'static,
) -> Sink<F> {
    Box::new(move |event| match to_message(Box::new(event)).map(|m| me.send_message(m)) {
        None | Some(Ok(())) => ControlFlow::Continue(()),
        Some(Err(_)) => ControlFlow::Break(()),
    })
}

/// The clocks, for a session. The wall clock jumps by each pause of the process. So the session
/// checks what its connection missed.
fn moment(world: &World) -> Moment {
    let (wall, stood) = (wall(), world.board.stood_still());
    Moment { steady: steady(), wall: wall + stood, venue: world.clock.now(wall) }
}

/// A random number for the jitter of reconnects. No decision depends on it.
pub(super) fn dice() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    #[expect(clippy::disallowed_methods, reason = "jitter of reconnects decides nothing")]
    let state = RandomState::new();
    state.build_hasher().finish()
}
