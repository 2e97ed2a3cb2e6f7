//! Removes facts and bars beside trading: on request, and in an emergency of storage.
//!
//! It reads in parts and rests between them. No order waits for it.

mod emergency;
mod runs;

pub use runs::Retains;

use super::retention;
use super::self_replay::Resting;
use super::work::Work;
use everwarm_edge::world::World;
use everwarm_runtime::supervise::{ChildSpec, worker};
use everwarm_views::emergency::{self as stored, EmergencyState, EmergencyView};
use everwarm_views::exit::{Exit, Failure};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;
use tokio::runtime::Handle;

/// Name of the actor.
pub const NAME: &str = "storekeeper";
/// Wall time between checks whether something is requested.
const LOOK: Duration = Duration::from_millis(500);
/// Checks between two measurements of the space.
const MEASURE: u32 = 4;
/// Rests after work on request last so many times as long as the work.
const REST: u32 = 3;
/// The same in an emergency.
const URGENT: u32 = 1;

/// Lifts the emergency of a data directory.
///
/// # Errors
/// There is none, it has not ended, or the file cannot be removed.
pub fn lift(data_dir: &Path) -> Result<EmergencyView, Failure> {
    let view = stored::read(data_dir);
    match view.state {
        EmergencyState::None => {
            Err(Failure::new(Exit::Refused, "there is no emergency of storage"))
        }
        EmergencyState::Freeing | EmergencyState::Exhausted => {
            let text = format!(
                "there is still too little space: {}; free some, or change storage.limit_mb or \
                 storage.min_free_mb",
                view.reason
            );
            Err(Failure::new(Exit::Refused, text))
        }
        EmergencyState::Compact => {
            let path = data_dir.join(stored::FILE);
            stored::lift(data_dir).map_err(|e| everwarm_views::backup::failed(&path, &e))?;
            tracing::info!("the emergency of storage was lifted");
            Ok(view)
        }
    }
}

/// What the actor works with.
#[derive(Clone)]
struct Keeping {
    world: World,
    runs: Retains,
}

/// The actor.
pub fn actor(world: &World, runs: &Retains, on: &Handle) -> ChildSpec {
    let of = Keeping { world: world.clone(), runs: runs.clone() };
    worker(NAME, move |_| (Storekeeper, of.clone())).on(on.clone())
}

struct Storekeeper;

enum Msg {
    /// Check whether there is something to do.
    Look,
    /// The work has ended.
    Ended,
}

struct State {
    of: Keeping,
    /// Held while the work is done. Dropping it ends the work.
    running: Option<SyncSender<()>>,
    looks: u32,
}

impl Actor for Storekeeper {
    type Msg = Msg;
    type State = State;
    type Arguments = Keeping;

    async fn pre_start(&self, me: ActorRef<Msg>, of: Keeping) -> Result<State, ActorProcessingErr> {
        me.send_after(LOOK, || Msg::Look);
        Ok(State { of, running: None, looks: 0 })
    }

    async fn handle(
        &self,
        me: ActorRef<Msg>,
        message: Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Msg::Look => {
                me.send_after(LOOK, || Msg::Look);
                if state.running.is_some() {
                    return Ok(());
                }
                let asked = state.of.runs.asked();
                state.looks = (state.looks + 1) % MEASURE;
                if asked.is_none() && state.looks > 0 {
                    return Ok(());
                }
                let (running, ended) = sync_channel(0);
                state.running = Some(running);
                let (of, reports) = (state.of.clone(), Work::of(me, Msg::Ended));
                tokio::task::spawn_blocking(move || {
                    let _reports = reports;
                    if let Some(asked) = asked {
                        let journal = Resting::new(&of.world, ended, REST);
                        of.runs.end(retention::beside(&of.world, &asked, &journal));
                    } else {
                        let rests = Resting::new(&of.world, ended, URGENT);
                        emergency::look(&of.world, &mut rests.steps());
                    }
                });
            }
            Msg::Ended => state.running = None,
        }
        Ok(())
    }
}
