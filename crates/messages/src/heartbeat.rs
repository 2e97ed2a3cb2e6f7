//! A sign of life: an address is asked for while all is well, so that somebody else notices when
//! it is not any more.

use super::courier::Deliveries;
use super::receiver::{ask, client};
use everwarm_domain::secret::Secret;
use everwarm_edge::task::guarded;
use everwarm_runtime::clock;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use reqwest::Client;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Its name in the tree and where deliveries are told of.
pub const NAME: &str = "heartbeat";

/// Time between looks at whether it is time: how often it beats may change.
const LOOK: Duration = Duration::from_secs(1);

/// Where it beats, and how often.
#[derive(Clone)]
pub struct Beat {
    /// The address.
    pub url: Secret,
    /// Time between two beats, as it is in force.
    pub every: Arc<dyn Fn() -> Duration + Send + Sync>,
}

/// Whether all is well; may wait for locks, and for the root supervisor.
pub type Well = Arc<dyn Fn() -> bool + Send + Sync>;

/// Time to look whether a beat is due.
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
    /// When it beat last.
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
