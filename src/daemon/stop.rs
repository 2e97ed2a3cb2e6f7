//! Ends the process on a signal. The first signal stops in order: each part has a deadline, and so
//! has the whole. A second signal ends the process immediately.
//!
//! A separate thread receives the signals and checks the deadline, so a blocked part cannot delay
//! it. A daemon starts this thread first. Until then, signals have their default effect and end the
//! process, SIGHUP included. The files are consistent at any moment, so an immediate end only makes
//! the next start longer.

use everwarm_cli::print::note;
use everwarm_runtime::clock;
use everwarm_views::exit::{Exit, Failure};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};

/// Parts of the whole deadline.
const PARTS: u32 = 10;
/// Wall time within which a second signal counts as a repetition of the first.
const ONCE: Duration = Duration::from_millis(100);

/// The part of the stop in progress.
#[derive(Clone, Copy, Debug)]
struct Stage {
    began: Instant,
    name: &'static str,
}

/// When a stop began, and its time limit.
type Begun = (Instant, Duration);

/// The stop of this process.
pub struct Stop {
    within: Duration,
    asked: watch::Receiver<bool>,
    hangup: Arc<Notify>,
    since: watch::Sender<Option<Begun>>,
    stage: Arc<Mutex<Option<Stage>>>,
}

impl Stop {
    /// Starts to receive signals.
    ///
    /// # Errors
    /// The signals cannot be received.
    pub fn new() -> Result<Stop, Failure> {
        let (ask, asked) = watch::channel(false);
        let (since, begun) = watch::channel(None);
        let stage = Arc::new(Mutex::new(None));
        let (ready, is_ready) = sync_channel(1);
        let hangup = Arc::new(Notify::new());
        let (at, hung_up) = (Arc::clone(&stage), Arc::clone(&hangup));
        let listen = move || receive_signals((&ask, &hung_up), begun, &at, &ready);
        let failed = |e: String| Failure::new(Exit::Failed, format!("signals: {e}"));
        let thread = std::thread::Builder::new().name("signals".into()).spawn(listen);
        thread.map_err(|e| failed(e.to_string()))?;
        let started = is_ready.recv().map_err(|e| failed(e.to_string()))?;
        let within = Duration::ZERO;
        started.map_err(failed).map(|()| Stop { within, asked, hangup, since, stage })
    }

    /// Sets the time limit of the whole stop, from its beginning.
    pub fn may_take(self, within: Duration) -> Stop {
        Stop { within, ..self }
    }

    /// Notified of every SIGHUP; those without a listener count as one.
    pub fn hangup(&self) -> Arc<Notify> {
        Arc::clone(&self.hangup)
    }

    /// Whether the first signal has arrived.
    pub fn is_asked(&self) -> bool {
        *self.asked.borrow()
    }

    /// Resolves when the first signal has arrived.
    pub async fn asked(&self) {
        let mut asked = self.asked.clone();
        if asked.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Begins a part of the stop, which may take `parts` tenths of the whole; returns that
    /// duration. The first part begins the whole.
    pub fn stage(&self, name: &'static str, parts: u32) -> Duration {
        let began = clock::now();
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = Some(Stage { began, name });
        self.since.send_if_modified(|since| {
            let first = since.is_none();
            since.get_or_insert((began, self.within));
            first
        });
        self.within * parts / PARTS
    }
}

type Ready = SyncSender<Result<(), String>>;

fn receive_signals(
    (asked, hangup): (&watch::Sender<bool>, &Notify),
    mut since: watch::Receiver<Option<Begun>>,
    stage: &Mutex<Option<Stage>>,
    ready: &Ready,
) {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return drop(ready.send(Err(e.to_string()))),
    };
    runtime.block_on(async {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [mut interrupt, mut terminate, mut hung_up] = match kinds.map(signal) {
            [Ok(interrupt), Ok(terminate), Ok(hung_up)] => [interrupt, terminate, hung_up],
            [Err(e), ..] | [_, Err(e), _] | [.., Err(e)] => {
                return drop(ready.send(Err(e.to_string())));
            }
        };
        drop(ready.send(Ok(())));
        let mut first: Option<Instant> = None;
        loop {
            let deadline = async {
                let from = since.wait_for(Option::is_some).await.ok().and_then(|since| *since);
                let Some((from, within)) = from else { return std::future::pending().await };
                tokio::time::sleep(within.saturating_sub(from.elapsed())).await;
                within
            };
            let exit = tokio::select! {
                _ = interrupt.recv() => Exit::Interrupted,
                _ = terminate.recv() => Exit::Terminated,
                _ = hung_up.recv() => {
                    hangup.notify_one();
                    continue;
                }
                within = deadline => end(Exit::Watchdog, &late(within, stage)),
            };
            // A signal to a process and to its group arrives twice.
            let again = first.get_or_insert_with(clock::now).elapsed() > ONCE;
            if asked.send_replace(true) && again {
                end(exit, "a second signal arrived: ended immediately");
            }
        }
    });
}

fn late(within: Duration, stage: &Mutex<Option<Stage>>) -> String {
    let stage = *stage.lock().unwrap_or_else(PoisonError::into_inner);
    let (name, since) =
        stage.map_or(("", 0), |stage| (stage.name, stage.began.elapsed().as_secs()));
    format!(
        "the stop took more than {} s ({name} for {since} s): ended immediately",
        within.as_secs()
    )
}

/// Ends the process immediately.
pub fn end(exit: Exit, why: &str) -> ! {
    note(&format!("everwarm: {why}"));
    #[expect(
        clippy::disallowed_methods,
        reason = "nothing is left to wait for; the store is whole"
    )]
    std::process::exit(exit.code().into())
}
