//! The private stream: hints about our orders, passed to the gateway. REST is the truth; after
//! every (re)connect the gateway asks.

use super::feed::{connection, dice, moment};
use super::gateway::GatewayMsg;
use super::task::guarded;
use super::world::{World, path};
use crate::venue::link::{self, Wiring};
use crate::venue::port::AccountReport;
use crate::venue::session::Event;
use everwarm_runtime::chaos::Site;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::ops::ControlFlow;
use tokio::task::JoinHandle;

/// Its name at kill points.
pub const NAME: &str = "private";

/// What the private stream is told.
#[derive(Debug)]
pub enum PrivateMsg {
    /// Something came by the stream.
    Heard(Box<Event<AccountReport>>),
    /// The stream will not come back by itself, and why.
    Ended(String),
}

/// The actor.
pub struct Private;

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

impl Actor for Private {
    type Msg = PrivateMsg;
    type State = State;
    type Arguments = World;

    async fn pre_start(
        &self,
        me: ActorRef<PrivateMsg>,
        world: World,
    ) -> Result<State, ActorProcessingErr> {
        let (url, session) = world.venue.user_session()?;
        let wiring_world = world.clone();
        let link = tokio::spawn(async move {
            let now = move || moment(&wiring_world);
            let mut wiring = Wiring { url, connection: connection(NAME), now, dice };
            let sink =
                |event: Event<_>, _| match me.send_message(PrivateMsg::Heard(Box::new(event))) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                };
            let ended = guarded(link::run(session, &mut wiring, sink)).await;
            let why =
                ended.map_or_else(|why| why, |_| "the stream was refused for good".to_owned());
            drop(me.send_message(PrivateMsg::Ended(why)));
        });
        Ok(State { world, link })
    }

    async fn handle(
        &self,
        _: ActorRef<PrivateMsg>,
        message: PrivateMsg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let event = match message {
            PrivateMsg::Heard(event) => *event,
            PrivateMsg::Ended(why) => return Err(why.into()),
        };
        let world = &state.world;
        match event {
            Event::Frame(AccountReport::Order(report)) => {
                world.chaos().point(Site::AfterReceive, NAME);
                world.tell(path::GATEWAY, GatewayMsg::Hint(report));
            }
            Event::Frame(AccountReport::Balances { .. } | AccountReport::Other { .. })
            | Event::Connected
            | Event::Ending { .. } => {}
            Event::Subscribed | Event::Garbled { .. } => {
                world.tell(path::GATEWAY, GatewayMsg::Interrupted);
            }
            Event::Lost { why, .. } => tracing::debug!(why, "private stream lost"),
        }
        Ok(())
    }
}
