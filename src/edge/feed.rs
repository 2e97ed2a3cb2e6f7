//! The feed: the market stream of all symbols. It decodes and passes on; what it may have missed,
//! the bar actors fetch.

use super::bar::BarMsg;
use super::stream::Stream;
use super::world::World;
use crate::domain::time::Timeframe;
use crate::venue::port::MarketReport;
use crate::venue::session::Event;
use everwarm_runtime::chaos::Site;
use ractor::{Actor, ActorProcessingErr, ActorRef};

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
    /// Runs as long as this state lives.
    _stream: Stream,
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
        let session = world.venue.market_session(&world.symbols, Timeframe::M1)?;
        let stream = Stream::carry(&world, session, me, FeedMsg::Heard, FeedMsg::Ended);
        Ok(State { world, _stream: stream })
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
