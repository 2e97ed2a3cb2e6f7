//! Work that an actor does in a separate task, so that its handler never waits.

use everwarm_runtime::supervise::{ChildSpec, worker};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Does the work. A panic in it becomes a text: the actor must end with its task, because otherwise
/// nobody notices that the work has stopped.
///
/// # Errors
/// The text of the panic.
pub async fn guarded<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let done = AssertUnwindSafe(work).catch_unwind().await;
    done.map_err(|panic| match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast_ref::<&str>().map_or("it panicked", |text| *text).to_owned(),
    })
}

/// A child that repeats `round` for as long as it lives. A round waits for its own work, at most
/// about a second. It may be cancelled at any await: the next one, of this instance or its
/// successor, begins anew.
pub fn rounds<F>(id: &str, round: impl Fn() -> F + Send + Sync + 'static) -> ChildSpec
where
    F: Future<Output = ()> + Send + 'static,
{
    let round: Round = Arc::new(move || round().boxed());
    worker(id, move |_| (Rounds, Arc::clone(&round)))
}

type Round = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

struct Rounds;

/// The last round has ended. An error names the failure.
#[derive(Debug)]
pub(super) struct Over(pub(super) Result<(), String>);

struct State {
    round: Round,
    running: Option<JoinHandle<()>>,
}

impl Drop for State {
    fn drop(&mut self) {
        self.running.take().inspect(JoinHandle::abort);
    }
}

impl Actor for Rounds {
    type Msg = Over;
    type State = State;
    type Arguments = Round;

    async fn pre_start(
        &self,
        me: ActorRef<Over>,
        round: Round,
    ) -> Result<State, ActorProcessingErr> {
        me.send_message(Over(Ok(())))?;
        Ok(State { round, running: None })
    }

    async fn handle(
        &self,
        me: ActorRef<Over>,
        Over(last): Over,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        last?;
        let round = (state.round)();
        state.running = Some(tokio::spawn(async move {
            let over = Over(guarded(round).await);
            // The actor may have ended meanwhile.
            drop(me.send_message(over));
        }));
        Ok(())
    }
}
