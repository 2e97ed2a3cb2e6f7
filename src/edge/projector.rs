//! Follows what is on disk into the history: bars, orders, fills, trades, equity.

use super::world::World;
use crate::domain::fact::Body;
use crate::history::Projector;
use everwarm_runtime::chaos::Site;
use everwarm_runtime::fact::{Fact, Mask};
use everwarm_runtime::journal::{Chunk, Waker};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::sync::Arc;
use std::time::Duration;

/// Its name as a reader.
pub const NAME: &str = "projector";
/// Chunks projected in one commit, at most.
const CHUNKS: usize = 2_048;
/// Wall time between looks: what is on disk grows in steps of that size.
const LOOK: Duration = Duration::from_millis(50);

/// What the projector is told.
#[derive(Debug)]
pub enum ProjectorMsg {
    /// There may be new facts on disk.
    Pull,
}

/// The actor.
pub struct ProjectorActor;

/// Its state.
pub struct State {
    world: World,
    projector: Option<Projector>,
    waker: Arc<Waker>,
}

impl Actor for ProjectorActor {
    type Msg = ProjectorMsg;
    type State = State;
    type Arguments = World;

    async fn pre_start(
        &self,
        me: ActorRef<ProjectorMsg>,
        world: World,
    ) -> Result<State, ActorProcessingErr> {
        let projector = Projector::new(Arc::clone(&world.archive));
        let projector = projector.map_err(|e| world.history_failed(e.into()))?;
        world.journal.hold(NAME, projector.through() + 1);
        let projector = Some(projector);
        let waker = Waker::new(move || drop(me.send_after(LOOK, || ProjectorMsg::Pull)));
        world.journal.subscribe(NAME, Mask::ALL, Arc::clone(&waker));
        Ok(State { world, projector, waker })
    }

    async fn handle(
        &self,
        me: ActorRef<ProjectorMsg>,
        ProjectorMsg::Pull: ProjectorMsg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.waker.clear();
        let Some(mut projector) = state.projector.take() else {
            return Err("the projection was cut short".into());
        };
        // A commit blocks: it is done where blocking is allowed, and taken back whole or not at
        // all.
        let world = state.world.clone();
        let journal = Arc::clone(&world.journal);
        let chaos = journal.chaos().clone();
        let work = tokio::task::spawn_blocking(move || {
            chaos.point(Site::BeforeCommit, NAME);
            let durable = journal.durable_row();
            let chunks = journal.read(projector.through() + 1, CHUNKS);
            let chunks = chunks.map_err(|e| e.to_string())?;
            let last = chunks.last().map_or(0, |chunk| chunk.last_row());
            let facts = chunks.iter().flat_map(|c| rows(c)).take_while(|(row, _)| *row <= durable);
            // Lost with the process, it is projected again: nothing here needs a flush of its own.
            let applied = projector.apply(facts, last.min(durable), false);
            applied.map_err(|e| world.history_failed(e.into()))?;
            chaos.point(Site::AfterCommit, NAME);
            journal.hold(NAME, projector.through() + 1);
            let more = projector.through() < journal.last_row();
            Ok::<_, String>((projector, more))
        });
        let (projector, more) = match work.await {
            Ok(done) => done?,
            Err(e) if e.is_panic() => std::panic::resume_unwind(e.into_panic()),
            Err(e) => return Err(e.to_string().into()),
        };
        state.projector = Some(projector);
        if more {
            me.send_after(LOOK, || ProjectorMsg::Pull);
        }
        Ok(())
    }
}

fn rows(chunk: &Chunk<Body>) -> impl Iterator<Item = (u64, &Fact<Body>)> {
    chunk.facts.iter().enumerate().map(|(i, fact)| (chunk.first_row + i as u64, fact))
}
