//! The private stream: hints about our orders, passed to the gateway. REST is the truth; after
//! every (re)connect the gateway asks.

use super::gateway::GatewayMsg;
use super::stream::Stream;
use super::world::{World, path};
use crate::venue::port::AccountReport;
use crate::venue::session::Event;
use everwarm_runtime::chaos::Site;
use everwarm_runtime::mailbox::Ticket;
use ractor::{Actor, ActorProcessingErr, ActorRef};

/// Its name at kill points.
pub const NAME: &str = "private";

/// What the private stream is told.
#[derive(Debug)]
pub enum PrivateMsg {
    /// Something came by the stream.
    Heard(Box<Event<AccountReport>>, Ticket),
    /// Nothing more comes, and why.
    Ended(String),
}

/// The actor.
pub struct Private;

/// Its state.
pub struct State {
    world: World,
    /// Runs as long as this state lives.
    _stream: Stream,
}

impl Actor for Private {
    type Msg = PrivateMsg;
    type State = State;
    type Arguments = World;

    async fn pre_start(
        &self,
        me: ActorRef<PrivateMsg>,
        world: World,
    ) -> Result<State, ActorProcessingErr> {
        world.board.write_listening(false);
        let session = world.venue.user_session()?;
        let (own, place) = (world.clone(), path::of(NAME));
        world.board.meters.private.begin();
        let heard = move |event: Box<Event<AccountReport>>| {
            let used = matches!(&*event, Event::Frame(AccountReport::Order(_)));
            own.board.meters.private.heard(0, &event, used);
            Some(PrivateMsg::Heard(event, own.place(&place)))
        };
        let of = world.connections();
        let stream = Stream::carry(&world, session, (me, of), heard, PrivateMsg::Ended);
        Ok(State { world, _stream: stream })
    }

    async fn handle(
        &self,
        _: ActorRef<PrivateMsg>,
        message: PrivateMsg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let event = match message {
            PrivateMsg::Heard(event, _) => *event,
            PrivateMsg::Ended(why) => return Err(why.into()),
        };
        let world = &state.world;
        match event {
            Event::Frame(AccountReport::Order(report)) => {
                world.chaos().point(Site::AfterReceive, NAME);
                let ticket = world.place(path::GATEWAY);
                world.tell(path::GATEWAY, GatewayMsg::Hint(report, ticket));
            }
            Event::Frame(AccountReport::Balances { .. } | AccountReport::Other { .. })
            | Event::Ending { .. }
            | Event::Turned => {}
            Event::Subscribed => {
                world.board.write_listening(true);
                world.tell(path::GATEWAY, GatewayMsg::Interrupted);
            }
            Event::Garbled { .. } => {
                world.tell(path::GATEWAY, GatewayMsg::Interrupted);
            }
            Event::Lost { why, again } => {
                world.board.write_listening(false);
                // It may have been refused for its timestamp, or lost because a clock jumped.
                world.clock.lock().doubt();
                if again {
                    tracing::debug!(why, "private stream lost");
                } else {
                    tracing::warn!(why, "private stream refused; it is tried again");
                }
            }
        }
        Ok(())
    }
}
