//! The private stream: passes hints about our orders to the gateway. REST decides: after every
//! (re)connect the gateway queries.

use crate::orders::gateway::GatewayMsg;
use crate::stream::{Stream, listener, sink};
use crate::world::World;
use everwarm_domain::id::ClientOrderId;
use everwarm_domain::time::UtcMs;
use everwarm_runtime::chaos::Site;
use everwarm_runtime::mailbox::Ticket;
use everwarm_venue::port::AccountReport;
use everwarm_venue::session::Event;
use ractor::{Actor, ActorProcessingErr, ActorRef};

/// Its name at kill points.
pub const NAME: &str = "private";

/// Messages of the private stream.
#[derive(Debug)]
pub enum PrivateMsg {
    /// An event of the stream.
    Received(Box<Event<AccountReport>>, Ticket),
    /// The stream has ended, and why.
    Ended(String),
    /// The stream subscribed since venue time `since` has not reported a change that a query found.
    Silent {
        /// Identifies the stream.
        since: UtcMs,
        /// The order.
        client_id: ClientOrderId,
    },
}

/// The actor.
pub struct Private;

/// Its state.
pub struct State {
    world: World,
    /// Runs as long as this state exists, or until it is replaced.
    stream: Stream,
}

/// Starts a stream of the account's events, which go to `me`.
fn carry(world: &World, me: &ActorRef<PrivateMsg>) -> Result<Stream, ActorProcessingErr> {
    world.board.write_listening(None);
    let (own, place) = (world.clone(), world.places.private());
    world.board.meters.private.begin();
    let to_message = move |event: Box<Event<AccountReport>>| {
        let used = matches!(&*event, Event::Frame(AccountReport::Order(_)));
        own.board.meters.private.count(0, &event, used);
        Some(PrivateMsg::Received(event, own.place(&place)))
    };
    let listener = listener(world, world.connections());
    let carried = world.venue.follow_account(listener, sink(me.clone(), to_message))?;
    Ok(Stream::run(world, carried, me.clone(), PrivateMsg::Ended))
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
        let stream = carry(&world, &me)?;
        Ok(State { world, stream })
    }

    async fn handle(
        &self,
        me: ActorRef<PrivateMsg>,
        message: PrivateMsg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let world = &state.world;
        let event = match message {
            PrivateMsg::Received(event, _) => *event,
            PrivateMsg::Ended(why) => return Err(why.into()),
            PrivateMsg::Silent { since, client_id } => {
                if world.board.listening_since() == Some(since) {
                    tracing::warn!("the private stream did not report {client_id}; it is replaced");
                    let why = "it is connected and reports nothing".to_owned();
                    let lost: Event<AccountReport> = Event::Lost { why, again: true };
                    world.board.meters.private.count(0, &lost, false);
                    state.stream = carry(world, &me)?;
                }
                return Ok(());
            }
        };
        match event {
            Event::Frame(AccountReport::Order(report)) => {
                world.chaos().point(Site::AfterReceive, NAME);
                let ticket = world.place(&world.places.gateway());
                world.send(&world.places.gateway(), GatewayMsg::Hint(report, ticket));
            }
            Event::Frame(AccountReport::Balances { .. } | AccountReport::Other { .. })
            | Event::Ending { .. }
            | Event::Turned => {}
            Event::Subscribed => {
                world.board.write_listening(Some(world.now()));
                world.send(&world.places.gateway(), GatewayMsg::Interrupted);
            }
            Event::Garbled { .. } => {
                // The gateway queries its content: the stream does not repeat it.
                let since = world.board.listening_since().map(|_| world.now());
                world.board.write_listening(since);
                world.send(&world.places.gateway(), GatewayMsg::Interrupted);
            }
            Event::Lost { why, again } => {
                world.board.write_listening(None);
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
