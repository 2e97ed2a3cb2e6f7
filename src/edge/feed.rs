//! The feed: the market stream of all symbols. It decodes and passes on; what it may have missed,
//! the bar actors fetch.

use super::bar::BarMsg;
use super::task::guarded;
use super::world::{World, wall};
use crate::domain::time::Timeframe;
use crate::venue::link::{self, Wiring};
use crate::venue::port::MarketReport;
use crate::venue::session::{Event, Moment};
use everwarm_runtime::chaos::Site;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::task::JoinHandle;

/// Its name at kill points.
pub const NAME: &str = "feed";

/// What the feed is told.
#[derive(Debug)]
pub enum FeedMsg {
    /// Something came by the stream.
    Heard(Box<Event<MarketReport>>),
    /// The stream will not come back by itself, and why.
    Ended(String),
}

/// The actor.
pub struct Feed;

/// Its state.
pub struct State {
    world: World,
    link: JoinHandle<()>,
}

impl Drop for State {
    fn drop(&mut self) {
        self.link.abort();
    }
}

/// Number of the next connection of this process: its name towards a simulated exchange.
static CONNECTION: AtomicU64 = AtomicU64::new(1);

/// A name for a connection that no other has.
pub(super) fn connection(of: &str) -> String {
    format!("{of}-{}-{}", std::process::id(), CONNECTION.fetch_add(1, Relaxed))
}

/// Both clocks, for a session.
pub(super) fn moment(world: &World) -> Moment {
    let wall = wall();
    Moment { wall, venue: world.clock.now(wall) }
}

/// A die for the jitter of reconnects: nothing that is decided depends on it.
pub(super) fn dice() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    #[expect(clippy::disallowed_methods, reason = "jitter of reconnects decides nothing")]
    let state = RandomState::new();
    state.build_hasher().finish()
}

impl Actor for Feed {
    type Msg = FeedMsg;
    type State = State;
    type Arguments = World;

    async fn pre_start(
        &self,
        me: ActorRef<FeedMsg>,
        world: World,
    ) -> Result<State, ActorProcessingErr> {
        let (url, session) = world.venue.market_session(&world.symbols, Timeframe::M1)?;
        let wiring_world = world.clone();
        let link = tokio::spawn(async move {
            let connection = connection(NAME);
            let now = move || moment(&wiring_world);
            let mut wiring = Wiring { url, connection, now, dice };
            let sink = |event: Event<_>, _| match me.send_message(FeedMsg::Heard(Box::new(event))) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            };
            let ended = guarded(link::run(session, &mut wiring, sink)).await;
            let why =
                ended.map_or_else(|why| why, |_| "the stream was refused for good".to_owned());
            drop(me.send_message(FeedMsg::Ended(why)));
        });
        Ok(State { world, link })
    }

    async fn handle(
        &self,
        _: ActorRef<FeedMsg>,
        message: FeedMsg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let event = match message {
            FeedMsg::Heard(event) => *event,
            FeedMsg::Ended(why) => return Err(why.into()),
        };
        let world = &state.world;
        match event {
            Event::Frame(MarketReport::Bar { bar, timeframe: Timeframe::M1, closed, .. }) => {
                world.chaos().point(Site::AfterReceive, NAME);
                world.tell(&World::bar_path(bar.symbol), BarMsg::Update { bar, closed });
            }
            Event::Frame(MarketReport::Bar { .. } | MarketReport::Other { .. })
            | Event::Connected
            | Event::Ending { .. } => {}
            Event::Subscribed | Event::Garbled { .. } => {
                for symbol in world.symbols.iter() {
                    world.tell(&World::bar_path(*symbol), BarMsg::Interrupted);
                }
            }
            Event::Lost { why, .. } => tracing::debug!(why, "market stream lost"),
        }
        Ok(())
    }
}
