//! The heartbeat: requests a URL while the daemon is healthy, so that another service notices when
//! it is not.

use super::courier::Deliveries;
use super::receiver::{ask, client};
use everwarm_domain::secret::Secret;
use everwarm_edge::task::guarded;
use everwarm_runtime::clock;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use reqwest::Client;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The actor's name in the tree and in the list of deliveries.
pub const NAME: &str = "heartbeat";

/// Time between two checks whether a beat is due. The interval may change while it runs.
const LOOK: Duration = Duration::from_secs(1);

/// The URL of the heartbeat and its interval.
#[derive(Clone)]
pub struct Beat {
    /// The address.
    pub url: Secret,
    /// Returns the current interval.
    pub every: Arc<dyn Fn() -> Duration + Send + Sync>,
}

/// Whether the daemon is healthy. The call may wait for locks and for the root supervisor.
pub type Well = Arc<dyn Fn() -> bool + Send + Sync>;

/// It is time to check whether a beat is due.
#[derive(Debug)]
pub struct Due;

/// The actor.
pub struct Heartbeat;

/// Its state.
pub struct State {
    beat: Beat,
    well: Well,
    client: Client,
    deliveries: Deliveries,
    /// Time of the last beat.
    beaten: Option<Instant>,
}

impl Actor for Heartbeat {
    type Msg = Due;
    type State = State;
    type Arguments = (Beat, Well, Deliveries);

    async fn pre_start(
        &self,
        me: ActorRef<Due>,
        (beat, well, deliveries): (Beat, Well, Deliveries),
    ) -> Result<State, ActorProcessingErr> {
        let client = client(beat.url.expose())?;
        me.send_message(Due)?;
        Ok(State { beat, well, client, deliveries, beaten: None })
    }

    async fn handle(
        &self,
        me: ActorRef<Due>,
        Due: Due,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let (now, every) = (clock::now(), (state.beat.every)());
        let due = state.beaten.map_or(now, |beaten| beaten + every);
        if now < due {
            me.send_after((due - now).min(LOOK), || Due);
            return Ok(());
        }
        state.beaten = Some(now);
        me.send_after(every.min(LOOK), || Due);
        let State { beat, well, client, deliveries, .. } = state;
        let (well, deliveries) = (Arc::clone(well), deliveries.clone());
        let request = client.get(beat.url.expose());
        tokio::spawn(async move {
            if !tokio::task::spawn_blocking(move || well()).await.unwrap_or(false) {
                return;
            }
            let answered = match guarded(ask(request)).await {
                Ok(Ok((status, _, _))) if status.is_success() => Ok(()),
                Ok(Ok((status, _, _))) => {
                    Err(format!("it responds with status {}", status.as_u16()))
                }
                Ok(Err(trouble)) => Err(trouble.why),
                Err(panic) => Err(panic),
            };
            deliveries.note(NAME, answered.as_ref().copied().map_err(String::as_str));
        });
        Ok(())
    }
}
