//! How the process ends when it is told to: the first signal stops in order, each part of that by a
//! deadline of its own and all by one; the second signal ends at once.
//!
//! A thread of its own hears the signals and keeps the deadline, so that nothing that hangs can be
//! in its way. It is the first thing a daemon begins: until then a signal does what it does by
//! itself, which is to end the process, SIGHUP too. What is on disk is whole at any moment, so
//! ending at once costs nothing but the time of the next start.

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
/// Wall time within which a second signal is taken for the first one, told again.
const ONCE: Duration = Duration::from_millis(100);

/// Where the stop stands.
#[derive(Clone, Copy, Debug)]
struct Stage {
    began: Instant,
    name: &'static str,
}

/// When a stop began, and how long it may take.
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
    /// Hears signals from here on.
    ///
    /// # Errors
    /// The signals cannot be heard.
    pub fn new() -> Result<Stop, Failure> {
        let (tell, asked) = watch::channel(false);
        let (since, told_since) = watch::channel(None);
        let stage = Arc::new(Mutex::new(None));
        let (ready, heard) = sync_channel(1);
        let hangup = Arc::new(Notify::new());
        let (at, hung_up) = (Arc::clone(&stage), Arc::clone(&hangup));
        let listen = move || hear((&tell, &hung_up), told_since, &at, &ready);
        let failed = |e: String| Failure::new(Exit::Failed, format!("signals: {e}"));
        let thread = std::thread::Builder::new().name("signals".into()).spawn(listen);
        thread.map_err(|e| failed(e.to_string()))?;
        let started = heard.recv().map_err(|e| failed(e.to_string()))?;
        let within = Duration::ZERO;
        started.map_err(failed).map(|()| Stop { within, asked, hangup, since, stage })
    }

    /// The whole of it may take so long, once it has begun.
    pub fn may_take(self, within: Duration) -> Stop {
        Stop { within, ..self }
    }

    /// Told of every SIGHUP; those that come while nobody listens are told as one.
    pub fn hangup(&self) -> Arc<Notify> {
        Arc::clone(&self.hangup)
    }

    /// Whether the first signal has come.
    pub fn is_asked(&self) -> bool {
        *self.asked.borrow()
    }

    /// Resolves when the first signal has come.
    pub async fn asked(&self) {
        let mut asked = self.asked.clone();
        if asked.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// A part of the stop begins, and may take `parts` tenths of the whole; how long that is. The
    /// first one begins the whole.
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

fn hear(
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
            // Whoever signals a process and its group tells it twice.
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

/// Ends the process here.
pub fn end(exit: Exit, why: &str) -> ! {
    note(&format!("everwarm: {why}"));
    #[expect(
        clippy::disallowed_methods,
        reason = "nothing is left to wait for; the store is whole"
    )]
    std::process::exit(exit.code().into())
}
