//! Samples the runtime of the workers from within: the delay of its timers, and how busy it is.

use crate::daemon::lag::Lag;
use everwarm_runtime::clock;
use everwarm_runtime::meter::Histogram;
use everwarm_runtime::supervise::{ChildSpec, worker};
use everwarm_views::telemetry::{HTTP, Page};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// Wall time between two samples.
const EVERY: Duration = Duration::from_millis(100);
/// Samples over which the busy share is averaged.
const LOOKS: u32 = 10;

/// The samples.
#[derive(Debug)]
pub struct Sampled {
    lag: Histogram,
    /// Busy share of all workers, in millionths.
    busy: AtomicU64,
    workers: Handle,
    /// Delay of the thread of the supervisors.
    pub control: Arc<Lag>,
}

impl Sampled {
    /// No sample yet; `workers` is the runtime.
    #[must_use]
    pub fn new(workers: Handle) -> Sampled {
        let control = Arc::default();
        Sampled { lag: Histogram::new(HTTP), busy: AtomicU64::new(0), workers, control }
    }

    /// Writes the metrics.
    pub fn show(&self, page: &mut Page) {
        let now = self.workers.metrics();
        page.count("everwarm_tokio_alive_tasks", &[], now.num_alive_tasks() as u64);
        page.count("everwarm_tokio_global_queue_tasks", &[], now.global_queue_depth() as u64);
        page.count("everwarm_tokio_workers", &[], now.num_workers() as u64);
        #[expect(clippy::cast_precision_loss, reason = "parts of a million")]
        let busy = self.busy.load(Relaxed) as f64 / 1e6;
        page.set("everwarm_tokio_busy_ratio", &[], busy);
        page.spread("everwarm_tokio_timer_lag_seconds", &[], self.lag.read());
        page.set("everwarm_supervision_lag_seconds", &[], self.control.now().as_secs_f64());
    }

    fn worked(&self) -> Duration {
        let now = self.workers.metrics();
        (0..now.num_workers()).map(|worker| now.worker_total_busy_duration(worker)).sum()
    }
}

/// Triggers the next sample, which was due at this time.
struct SampleAt(Instant);

struct Sampler;

struct State {
    sampled: Arc<Sampled>,
    looks: u32,
    since: Instant,
    worked: Duration,
}

/// The actor that samples.
pub fn sampler(sampled: &Arc<Sampled>) -> ChildSpec {
    let (of, on) = (Arc::clone(sampled), sampled.workers.clone());
    worker("sampler", move |_| (Sampler, Arc::clone(&of))).on(on)
}

fn again(me: &ActorRef<SampleAt>) {
    let due = clock::now() + EVERY;
    me.send_after(EVERY, move || SampleAt(due));
}

impl Actor for Sampler {
    type Msg = SampleAt;
    type State = State;
    type Arguments = Arc<Sampled>;

    async fn pre_start(
        &self,
        me: ActorRef<SampleAt>,
        sampled: Arc<Sampled>,
    ) -> Result<State, ActorProcessingErr> {
        again(&me);
        let worked = sampled.worked();
        Ok(State { sampled, looks: 0, since: clock::now(), worked })
    }

    async fn handle(
        &self,
        me: ActorRef<SampleAt>,
        SampleAt(due): SampleAt,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.sampled.lag.time(clock::now().saturating_duration_since(due));
        state.looks += 1;
        if state.looks.is_multiple_of(LOOKS) {
            let (now, worked) = (clock::now(), state.sampled.worked());
            let workers = state.sampled.workers.metrics().num_workers().max(1);
            let passed = now.saturating_duration_since(state.since).as_secs_f64();
            #[expect(clippy::cast_precision_loss, reason = "a handful of threads")]
            let share = worked.saturating_sub(state.worked).as_secs_f64() / passed / workers as f64;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1")]
            state.sampled.busy.store((share.clamp(0.0, 1.0) * 1e6) as u64, Relaxed);
            (state.since, state.worked) = (now, worked);
        }
        again(&me);
        Ok(())
    }
}
