//! Actors that send messages: one for each receiver, and one for the heartbeat.

use super::answers::LiveContext;
use super::reload::{in_force, seconds_in_force};
use everwarm_config::messages::Terms;
use everwarm_config::messages::{BEAT_EVERY, EVERY, LEAVE_OUT, Messages};
use everwarm_edge::board::Board;
use everwarm_edge::world::World;
use everwarm_messages::courier::{Courier, Post};
use everwarm_messages::heartbeat::{self, Beat, Heartbeat, Well};
use everwarm_messages::mail::Mail;
use everwarm_runtime::supervise::{ChildSpec, worker};
use everwarm_views::news::Topic;
use everwarm_views::questions::{Context as _, Process as _};
use std::sync::Arc;
use tokio::runtime::Handle;

/// The actors; they become children of the ops branch.
pub fn actors(
    messages: &Messages,
    world: &World,
    desk: &Arc<LiveContext>,
    on: &Handle,
) -> Vec<ChildSpec> {
    let mut actors = Vec::new();
    for receiver in &messages.receivers {
        let name = receiver.name();
        // Facts of this run come after this row: none is missed, whenever the run is killed.
        let begun = Mail::begin(&world.archive, name, world.journal.last_row());
        if let Err(e) = begun {
            world.history_failed(e.into());
        }
        let post = Arc::new(Post {
            receiver: receiver.clone(),
            terms: Box::new(terms(&world.board, &messages.terms)),
            deliveries: desk.deliveries.clone(),
        });
        let world = world.clone();
        let actor = worker(name, move |_| (Courier, (world.clone(), Arc::clone(&post))));
        actors.push(actor.on(on.clone()));
    }
    if let Some(url) = messages.heartbeat.clone() {
        let (board, started) = (Arc::clone(&world.board), messages.beat_every);
        let every = move || seconds_in_force(&board, BEAT_EVERY).unwrap_or(started);
        let beat = Beat { url, every: Arc::new(every) };
        let (desk, deliveries) = (Arc::clone(desk), desk.deliveries.clone());
        let well: Well = Arc::new(move || desk.alive() && desk.checks().iter().all(|c| c.ok));
        let arguments = move || (beat.clone(), Arc::clone(&well), deliveries.clone());
        actors.push(worker(heartbeat::NAME, move |_| (Heartbeat, arguments())).on(on.clone()));
    }
    actors
}

/// The terms in force; those of the start, until a configuration is in force.
fn terms(board: &Arc<Board>, started: &Terms) -> impl Fn() -> Terms + Send + Sync + 'static {
    let (board, started) = (Arc::clone(board), started.clone());
    move || {
        let without = in_force(&board, LEAVE_OUT);
        let without = without.and_then(|text| Topic::listed(text.as_str()?).ok());
        Terms {
            without: without.unwrap_or_else(|| started.without.clone()),
            every: seconds_in_force(&board, EVERY).unwrap_or(started.every),
        }
    }
}
