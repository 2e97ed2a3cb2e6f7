//! Whom the running daemon tells: an actor a receiver, and one for the sign of life.

use super::desk::LiveDesk;
use crate::edge::world::World;
use crate::ops::config::Messages;
use crate::ops::desk::Desk;
use crate::ops::messages::courier::{Courier, Post};
use crate::ops::messages::heartbeat::{self, Heartbeat, Well};
use crate::ops::messages::outbox::Outbox;
use everwarm_runtime::supervise::{ChildSpec, worker};
use std::sync::Arc;
use tokio::runtime::Handle;

/// The actors, to be children of what people look in through.
pub fn actors(
    messages: &Messages,
    world: &World,
    desk: &Arc<LiveDesk>,
    on: &Handle,
) -> Vec<ChildSpec> {
    let mut actors = Vec::new();
    for receiver in &messages.receivers {
        let name = receiver.name();
        // What this life will say comes behind it: nothing of it is missed, whenever it is killed.
        let begun = Outbox::begin(&world.archive, name, world.journal.last_row());
        if let Err(e) = begun {
            world.history_failed(e.into());
        }
        let post = Arc::new(Post {
            receiver: receiver.clone(),
            without: messages.without.clone(),
            every: messages.every,
            deliveries: desk.deliveries.clone(),
        });
        let world = world.clone();
        let actor = worker(name, move |_| (Courier, (world.clone(), Arc::clone(&post))));
        actors.push(actor.on(on.clone()));
    }
    if let Some(beat) = messages.heartbeat.clone() {
        let (desk, deliveries) = (Arc::clone(desk), desk.deliveries.clone());
        let well: Well = Arc::new(move || desk.alive() && desk.checks().iter().all(|c| c.ok));
        let arguments = move || (beat.clone(), Arc::clone(&well), deliveries.clone());
        actors.push(worker(heartbeat::NAME, move |_| (Heartbeat, arguments())).on(on.clone()));
    }
    actors
}
