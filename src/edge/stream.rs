//! What the streams of the market and of the account share: a task that carries one, and ends with
//! the actor that asked for it.

use super::task::guarded;
use super::world::{Passing, World, wall};
use crate::venue::link::{self, Wiring};
use crate::venue::rate_limit::ConnectionLimit;
use crate::venue::session::{Event, Moment, Protocol, Session};
use everwarm_runtime::clock::steady_ms;
use ractor::{ActorRef, Message};
use std::ops::ControlFlow;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Wall time between looks at a clock that is not known yet.
const CLOCK: Duration = Duration::from_millis(1);
/// Wall time before a stream that was refused for good is tried again.
const REFUSED: Duration = Duration::from_secs(30);

/// A stream that runs until this is dropped.
pub(super) struct Stream(JoinHandle<()>);

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Stream {
    /// Carries one `of` some connections to the venue, each of which costs so much `weight` when it
    /// is opened. Sends `me` what is made of all that is `heard`, and once that the stream has
    /// `ended`, and why.
    pub(super) fn carry<P, M>(
        world: &World,
        (url, session): (String, Session<P>),
        (me, of, weight): (ActorRef<M>, usize, u32),
        mut heard: impl FnMut(Box<Event<P::Frame>>) -> Option<M> + Send + 'static,
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
            // Whoever reconciles asks for the count; nobody need ask for it twice.
            while weight > 0 && !venue.knows_count() {
                tokio::time::sleep(CLOCK).await;
            }
            let mut own = ConnectionLimit::share(of);
            let told = venue.clone();
            let limited = move |ms| told.limited(ms);
            let admit = move || venue.admit_connection(&mut own, weight);
            let mut wiring = Wiring { url, now: move || moment(&world), dice, admit, limited };
            let sink = |event| match heard(Box::new(event)).map(|m| me.send_message(m)) {
                None | Some(Ok(())) => ControlFlow::Continue(()),
                Some(Err(_)) => ControlFlow::Break(()),
            };
            let carried = guarded(carry(session, &mut wiring, sink)).await;
            let why = carried.map_or_else(|why| why, |()| "nobody listens".to_owned());
            drop(me.send_message(ended(why)));
        }))
    }
}

/// Carries a session until nobody listens. What the venue refused for good is tried again all the
/// same, rarely: a key may be made good, and an actor that gave up would take others with it.
async fn carry<P, N, D, A, L, S>(
    mut session: Session<P>,
    wiring: &mut Wiring<N, D, A, L>,
    mut sink: S,
) where
    P: Protocol + Send,
    N: FnMut() -> Moment,
    D: FnMut() -> u64,
    A: FnMut() -> Result<(), u64>,
    L: FnMut(u64),
    S: FnMut(Event<P::Frame>) -> ControlFlow<()>,
{
    loop {
        session = link::run(session, wiring, &mut sink).await;
        if !session.is_stopped() {
            return;
        }
        tokio::time::sleep(REFUSED).await;
        session.restart();
    }
}

/// The clocks, for a session. Where the process stood still, the one on the wall jumps for it: what
/// a connection brought meanwhile, or did not, is looked behind.
fn moment(world: &World) -> Moment {
    let (wall, stood) = (wall(), world.board.stood_still());
    Moment { steady: steady_ms(), wall: wall + stood, venue: world.clock.now(wall) }
}

/// A die for the jitter of reconnects: nothing that is decided depends on it.
pub(super) fn dice() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    #[expect(clippy::disallowed_methods, reason = "jitter of reconnects decides nothing")]
    let state = RandomState::new();
    state.build_hasher().finish()
}
