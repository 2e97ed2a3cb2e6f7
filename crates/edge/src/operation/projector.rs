//! The projector: writes durable facts into the history (bars, orders, fills, trades, equity).

use crate::world::World;
use everwarm_domain::fact::Body;
use everwarm_history::Projector;
use everwarm_kernel::fact::{Fact, Mask};
use everwarm_runtime::chaos::{Sabotage, Site};
use everwarm_runtime::journal::{Chunk, Journal, Waker};
use everwarm_runtime::store::StoreError;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::sync::Arc;
use std::time::Duration;

/// Its name as a reader.
pub const NAME: &str = "projector";
/// Most chunks projected in one commit.
const CHUNKS: usize = 2_048;
/// Wall time between checks. The durable part grows in steps of this size.
const LOOK: Duration = Duration::from_millis(50);

/// Messages of the projector.
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
        let begun = world.pens.take(NAME).await;
        let projector = Projector::new(Arc::clone(&world.archive));
        let projector = projector.map_err(|e| world.history_failed(e.into()))?;
        drop(begun);
        // A predecessor may have projected more without a flush.
        world.journal.hold_from(NAME, projector.through() + 1);
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
        // A commit blocks, so it runs on a thread that may block. The projector moves there. If it
        // does not come back, the next message fails.
        let world = state.world.clone();
        let pen = world.pens.take(NAME).await;
        let journal = Arc::clone(&world.journal);
        let chaos = journal.chaos().clone();
        let work = tokio::task::spawn_blocking(move || {
            let _until_done = pen;
            chaos.point(Site::BeforeCommit, NAME);
            let durable = journal.durable_row();
            let (chunks, last) = next(&journal, projector.through() + 1)?;
            let facts = chunks.iter().flat_map(|c| rows(c)).take_while(|(row, _)| *row <= durable);
            // A commit that is lost with the process is projected again. So a flush is needed only
            // before facts leave the live file.
            let room = journal.wants_room();
            let flush = room && !chaos.sabotaged(Sabotage::SealUnfollowed);
            let applied = projector.apply(facts, last.min(durable), flush);
            applied.map_err(|e| world.history_failed(e.into()))?;
            chaos.point(Site::AfterCommit, NAME);
            if room {
                journal.hold(NAME, projector.through() + 1);
            }
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

/// Facts, and the last row that they cover.
type Next = (Vec<Arc<Chunk<Body>>>, u64);

/// The next facts to project, and the last row that they cover. A segment that cannot be read is
/// reported and skipped: the history lacks it, and trading continues.
fn next(journal: &Journal<Body>, from: u64) -> Result<Next, String> {
    match journal.read(from, CHUNKS) {
        Ok(chunks) => {
            let last = chunks.last().map_or(0, |chunk| chunk.last_row());
            Ok((chunks, last))
        }
        Err(e @ StoreError::Torn { .. }) => {
            let sealed = journal.store().sealed_with(from).map_err(|other| other.to_string())?;
            let last = sealed.ok_or_else(|| e.to_string())?;
            tracing::error!("the history lacks rows {from} to {last} of the journal: {e}");
            Ok((Vec::new(), last))
        }
        Err(e) => Err(e.to_string()),
    }
}

fn rows(chunk: &Chunk<Body>) -> impl Iterator<Item = (u64, &Fact<Body>)> {
    chunk.facts.iter().enumerate().map(|(i, fact)| (chunk.first_row + i as u64, fact))
}
