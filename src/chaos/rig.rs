//! Runs a feed through the whole daemon in this process: the real exchange on loopback, the real
//! client, the real tree. The journal and the history share a disk in memory, which dies and loses
//! data as planned.
//!
//! Over 500 lines: one run of a whole process, from its plan to its result.

use super::at_random::{AtRandom, Fell};
use super::compare::{Picture, ledger};
use super::disk::{File, Files, Operations, checkpoints, facts, flushed, flushed_row, written};
use super::failing_stages::Illness;
use super::folder::Folder;
use super::interrupt;
use super::invariants::announced::{self, Announced};
use super::invariants::cursors::Cursors;
use super::invariants::followed;
use super::invariants::moving::{Closing, Moving, Waits};
use super::invariants::reservations::managed;
use super::invariants::{self, Invariants};
use super::script::{self, Progress, Script};
use super::sweep::Die;
use super::venue::{Make, Venue};
pub use super::venue_time::Paced;
use super::venue_time::{self, short};
use super::{compare as picture, operators, requests};
use crate::adapters;
use crate::daemon_run::{DaemonRun, DaemonRunParts};
use everwarm_domain::fact::Body;
use everwarm_domain::order::OrderIntent;
use everwarm_domain::path::{Places, SIMULATED};
use everwarm_domain::sessions::Sessions;
use everwarm_domain::settings::Settings;
use everwarm_domain::time::UtcMs;
use everwarm_edge::operation::projector;
use everwarm_kernel::fact::Fact;
use everwarm_runtime::chaos::faults::{Cut, FaultyDisk, Image, Operation};
use everwarm_runtime::chaos::points::Passings;
use everwarm_runtime::chaos::{Chaos, Injected, Phase, PlannedFault, Sabotage};
use everwarm_runtime::clock;
use everwarm_runtime::journal::Journal;
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::store::{CheckpointRow, Sealing, Store, StoreError};
use everwarm_runtime::supervise::{Announcement, Directory, Observer, SupervisionNotice};
use everwarm_sim::faults::Fault;
use everwarm_sim::server::limits;
use everwarm_sim::server::requests::{self as log, Entry};
use everwarm_sim::{InitialBooks, Pace, Protocol};
use everwarm_trading::StageSpec;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Handle, Runtime};

/// Wall time, less waits for a processor or disk, without a new close, after which a run is stuck.
const STUCK: Duration = Duration::from_secs(10);
/// The same without a new close or input, where the venue is faulty or a stage is stopped.
const STUCK_AILING: Duration = Duration::from_secs(20);
/// Wall time for a response or an orderly end.
const ENDS: Duration = Duration::from_mins(1);
/// Wall time between progress reports.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);
/// Name of the installation in every run.
pub(super) const INSTALLATION: &str = "rig";
/// Lives in one run, at most.
const LIVES: u32 = 60;

/// A feed, and the settings to trade it.
pub struct Feed {
    /// Makes the market.
    pub market: Make,
    /// The initial books of the exchange.
    pub setup: InitialBooks,
    /// The settings of the stages.
    pub settings: Settings,
    /// The stages, by rank.
    pub stages: Vec<StageSpec>,
    /// The deeds during the feed.
    pub script: Script,
    /// The stages of the first life, if they are other versions.
    pub before: Option<Vec<StageSpec>>,
    /// The trading sessions of the venue.
    pub sessions: Sessions,
    /// Most open stop orders of a symbol.
    pub stop_orders: u32,
    /// Values of the configuration that are no settings of stages, by key, as JSON.
    pub values: Vec<(String, String)>,
}

/// Sizes after which a checkpoint or a segment is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// Inputs between checkpoints.
    pub checkpoint: u64,
    /// Bytes of a segment.
    pub segment: u64,
    /// Bytes that stay in the live file.
    pub keep: u64,
}

impl Sizes {
    /// For a small feed: gives many checkpoints and a few segments.
    pub const SMALL: Sizes = Sizes { checkpoint: 12, segment: 16 << 10, keep: 16 << 10 };
    /// For a recording of thousands of closes.
    pub const LARGE: Sizes = Sizes { checkpoint: 300, segment: 1 << 20, keep: 1 << 20 };
}

impl Default for Sizes {
    fn default() -> Sizes {
        Sizes::SMALL
    }
}

/// The injected faults of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// Faults at kill points, counted over all lives.
    pub strikes: Vec<PlannedFault>,
    /// By run: the disk operation at which the process dies, and the image of the disk then.
    pub cuts: Vec<(Cut, Image)>,
    /// The image of the disk after a death at a kill point, and of the exchange's after an outage.
    pub image: Option<Image>,
    /// An order that another process with our API keys places between the first two lives.
    pub twin: Option<OrderIntent>,
    /// Seed of operator commands and outside events; replaces the script.
    pub operators: Option<u64>,
    /// Venue time passes automatically.
    pub paced: Option<Paced>,
    /// Kills at random moments: their seed and number.
    pub at_random: Option<(u64, u64)>,
    /// Sizes after which a checkpoint or a segment is written.
    pub sizes: Sizes,
    /// The protocol of the exchange, for who repeats the plan. A run has that of its feed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// The faults of the exchange.
    pub faults: Vec<Fault>,
    /// Unfilled orders of another client that the exchange has counted in its first 10 s.
    pub orders_used: u64,
    /// Threads for the workers.
    pub workers: usize,
    /// A guarantee that is broken on purpose.
    pub sabotage: Option<Sabotage>,
}

impl Plan {
    /// Whether it injects nothing that could make a difference.
    #[must_use]
    pub fn strikes_nothing(&self) -> bool {
        let (image, sizes, workers) = (self.image, self.sizes, self.workers);
        let at_random = self.at_random.filter(|(_, count)| *count == 0);
        let (operators, paced, protocol) = (self.operators, self.paced, self.protocol);
        let none = Plan { image, operators, paced, protocol, ..Plan::default() };
        *self == Plan { at_random, sizes, workers, ..none }
    }
}

/// The result of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The values to compare.
    pub picture: Picture,
    /// Lives it took.
    pub lives: u32,
    /// Injected faults.
    pub injected: Vec<PlannedFault>,
    /// How often each kill point was passed.
    pub passings: Passings,
    /// Planned faults that were not injected.
    pub missed: Vec<PlannedFault>,
    /// Kills at random moments.
    pub random: Fell,
    /// Deeds of operators and others, by name.
    pub deeds: BTreeMap<&'static str, u64>,
    /// Time from the end of each actor until it was up again.
    pub restarts: Vec<Duration>,
    /// Disk operations of each life.
    pub operations: Vec<Operations>,
    /// The operations at which the disk died as planned, and what was left.
    pub cut: Vec<(File, Operation, Image)>,
    /// Invariants that did not hold.
    pub broken: Vec<String>,
    /// Stages whose facts of another version the audit used as they are.
    pub other_versions: Vec<String>,
    /// Facts in the journal at the end.
    pub facts: Vec<Fact<Body>>,
    /// The request log of the exchange about orders.
    pub asked: Vec<Entry>,
}

/// Runs the feed to its end under the plan.
///
/// # Errors
/// The run got stuck, or a part ended unexpectedly; the text names it.
pub fn run(feed: &Feed, plan: &Plan) -> Result<Outcome, String> {
    run_with_progress(feed, plan, &|_| ())
}

/// The same. Calls `on_progress` with the number of injected faults, at intervals and at the end.
///
/// # Errors
/// As for [`run`].
pub fn run_with_progress(
    feed: &Feed,
    plan: &Plan,
    on_progress: &dyn Fn(u64),
) -> Result<Outcome, String> {
    let drawn = drawn(feed, plan);
    let feed = drawn.as_ref().unwrap_or(feed);
    let folder = Folder::new().map_err(|e| e.to_string())?;
    let left = plan.image.unwrap_or(Image::Everything);
    let dir = folder.path().join("exchange");
    let (market, setup) = (Arc::clone(&feed.market), feed.setup.clone());
    limits::prepare(&dir, plan.orders_used).map_err(|e| e.to_string())?;
    let venue = Venue::start((market, setup, pace(plan)), dir.clone(), left, &plan.faults)?;
    let chaos = Chaos::off();
    if let Some(sabotage) = plan.sabotage {
        chaos.sabotage(sabotage);
    }
    let exchange = Arc::clone(&venue);
    chaos.on_outage(move || exchange.outage());
    let mut lives = Lives {
        feed,
        plan,
        chaos: &chaos,
        venue: &venue,
        dir: dir.clone(),
        watched: Mutex::default(),
        restarts: Arc::default(),
        never: Arc::default(),
        random: AtRandom::new(plan.at_random.map_or(0, |(_, count)| count)),
        progress: Arc::default(),
        on_progress,
    };
    let all = lives.all();
    on_progress(lives.fell());
    let (random, deeds) = (lives.random.fell(), lives.progress.deeds(&feed.script));
    let restarts = Arc::clone(&lives.restarts);
    let watched = lives.watched.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (Files { journal, history }, count, missed) = all?;
    let (passings, injected) = chaos.report();
    let facts = facts(&journal)?;
    let history = FaultyDisk::holding(history.image(Image::Everything), None);
    let archive = Arc::new(Archive::on_disk(history).map_err(|e| e.to_string())?);
    let theirs = venue.end()?;
    let picture = Picture { ours: picture::ours(&facts, &archive)?, theirs: ledger(&theirs) };
    let mut broken = watched.broken;
    let mut invariants = Invariants::default();
    for (_, fact) in &facts {
        invariants.see(fact);
    }
    broken.extend(invariants.end(&theirs, managed(&written(&journal)?)?));
    let mut saved = watched.saved;
    saved.extend(checkpoints(&journal)?);
    let (problems, other_versions) = invariants::verify(&facts, &saved, &archive)?;
    broken.extend(problems);
    let asked = log::read(&dir).map_err(|e| e.to_string())?;
    broken.extend(requests::check_at(feed.setup.protocol, &asked));
    let facts = facts.into_iter().map(|(_, fact)| fact).collect();
    let restarts =
        std::mem::take(&mut restarts.lock().unwrap_or_else(PoisonError::into_inner).took);
    Ok(Outcome {
        picture,
        lives: count,
        injected,
        passings,
        missed,
        random,
        deeds,
        restarts,
        operations: watched.operations,
        cut: watched.cut,
        broken,
        other_versions,
        facts,
        asked,
    })
}

/// The feed as changed by the plan; none where it is unchanged.
fn drawn(feed: &Feed, plan: &Plan) -> Option<Feed> {
    let spoken = plan.operators.map(|seed| operators::speak(feed, seed));
    let cut = plan.paced.map(|paced| short(spoken.as_ref().unwrap_or(feed), paced.minutes));
    cut.or(spoken)
}

fn pace(plan: &Plan) -> Pace {
    plan.paced.map_or(Pace::Lockstep, |paced| Pace::Times(paced.factor))
}

pub(super) fn runtime(workers: usize) -> Result<Runtime, String> {
    runtime_of(workers, || ())
}

/// A runtime that calls `first` on each of its threads.
fn runtime_of(workers: usize, first: impl Fn() + Send + Sync + 'static) -> Result<Runtime, String> {
    let mut builder = Builder::new_multi_thread();
    let made = builder.worker_threads(workers).on_thread_start(first).enable_all().build();
    made.map_err(|e| e.to_string())
}

/// Observations over all lives.
#[derive(Default)]
struct Watched {
    cursors: Cursors<&'static str>,
    announced: Announced,
    /// The last row checked.
    row: u64,
    /// The checkpoints that lives have left on disk for the next.
    saved: Vec<(u16, CheckpointRow)>,
    operations: Vec<Operations>,
    cut: Vec<(File, Operation, Image)>,
    broken: Vec<String>,
}

impl Watched {
    /// Checks the files that a life finds: the history must hold all sealed rows.
    fn found(&mut self, store: &Store, archive: &Archive) -> Result<(), String> {
        self.broken.extend(followed::check(store, Some(archive))?);
        Ok(())
    }

    /// Checks the progress at the start of a life. Facts appended since may not be on disk yet.
    fn begin(&mut self, journal: &Journal<Body>) {
        let broken = self.cursors.found(journal.progress(), journal.durable_row());
        self.broken.extend(broken);
    }

    /// Checks the flushed files of a life with these stages. No later life may be behind them, and
    /// they must announce every request so far.
    fn flushed(
        &mut self,
        store: &Store,
        stages: &[StageSpec],
        asked: &[Entry],
    ) -> Result<(), String> {
        let found = store.recover().map_err(|e| e.to_string())?;
        self.saved.extend(store.checkpoints().map_err(|e| e.to_string())?);
        let name = |rank| stages.iter().find(|stage| stage.rank.0 == rank).map(|stage| stage.name);
        let passed = found.progress().filter_map(|(rank, n)| Some((name(rank)?, n)));
        self.broken.extend(self.cursors.found(passed, found.row));
        let scanned = store.scan(self.row + 1, &mut |row, fact: Fact<Body>| {
            self.row = row;
            self.announced.see(&fact);
            ControlFlow::Continue(())
        });
        scanned.map_err(|e| e.to_string())?;
        self.broken.extend(self.announced.check(asked));
        Ok(())
    }
}

struct Lives<'a> {
    feed: &'a Feed,
    plan: &'a Plan,
    chaos: &'a Chaos,
    venue: &'a Arc<Venue>,
    /// Data directory of the exchange.
    dir: PathBuf,
    watched: Mutex<Watched>,
    restarts: Arc<Mutex<Restarts>>,
    /// A violation that ends the run, as a text.
    never: Arc<OnceLock<String>>,
    /// Kills at random moments.
    random: AtRandom,
    /// Progress of the script.
    progress: Arc<Progress>,
    /// Called with the number of injected faults.
    on_progress: &'a dyn Fn(u64),
}

/// Called with the reason when a file cannot be used any more.
type OnFailure = Arc<dyn Fn(&StoreError) + Send + Sync>;

/// Times for which actors were down.
#[derive(Default)]
struct Restarts {
    ended: BTreeMap<String, Instant>,
    took: Vec<Duration>,
}

impl Restarts {
    fn note(&mut self, notice: &SupervisionNotice) {
        if let Announcement::Exited { asked: false, .. } = &notice.news {
            self.ended.insert(notice.path.clone(), clock::now());
        } else if let Announcement::Started { .. } = &notice.news
            && let Some(ended) = self.ended.remove(&notice.path)
        {
            self.took.push(ended.elapsed());
        }
    }
}

enum Ending {
    Done,
    Died,
}

impl Lives<'_> {
    /// Runs lives until the feed has ended. Returns the files of the last life, the number of
    /// lives, and the planned faults that were not injected.
    fn all(&mut self) -> Result<(Files, u32, Vec<PlannedFault>), String> {
        let mut found = Files::fresh()?;
        let mut strikes = self.plan.strikes.clone();
        for life in 1..=LIVES {
            interrupt::check()?;
            let cut = self.plan.cuts.get(life as usize - 1);
            let files = Files::until(found, cut.map(|(at, _)| *at));
            let ending = self.one(&files, &mut strikes)?;
            self.look_back(&files.journal)?;
            {
                let mut watched = self.watched();
                let died = files.cut().zip(cut);
                watched.cut.extend(died.map(|((file, of), (_, left))| (file, of, *left)));
                watched.operations.push(files.operations());
            }
            match ending {
                Ending::Done => return Ok((files, life, strikes)),
                Ending::Died => {
                    let left = cut.map(|(_, image)| *image).or(self.plan.image);
                    found = files.left(left.unwrap_or(Image::Everything));
                    if let Some(twin) = self.plan.twin.as_ref().filter(|_| life == 1) {
                        self.venue.place(twin)?;
                    }
                    if let Some(paced) = self.plan.paced {
                        self.venue.pass(paced.away)?;
                    }
                }
            }
        }
        Err(format!("not done after {LIVES} lives"))
    }

    /// Faults injected so far.
    fn fell(&self) -> u64 {
        let (_, injected) = self.chaos.report();
        let random: u64 = self.random.fell().values().sum();
        (injected.len() + self.watched().cut.len()) as u64 + random
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks the flushed files of a life that has ended.
    fn look_back(&self, disk: &FaultyDisk) -> Result<(), String> {
        if let Some(broken) = self.never.get() {
            return Err(broken.clone());
        }
        // The request log is read first: the journal on disk then covers every request in it.
        // Orders of another process were announced elsewhere.
        let asked = if self.plan.twin.is_some() { Ok(Vec::new()) } else { log::read(&self.dir) };
        let asked = asked.map_err(|e| e.to_string())?;
        self.watched().flushed(&flushed(disk)?, &self.feed.stages, &asked)
    }

    fn observer(&self, illness: &Arc<Illness>) -> Observer {
        let (restarts, illness) = (Arc::clone(&self.restarts), Arc::clone(illness));
        Arc::new(move |notice: &SupervisionNotice| {
            illness.note(notice);
            restarts.lock().unwrap_or_else(PoisonError::into_inner).note(notice);
        })
    }

    fn open(&self, files: &Files) -> Result<(Store, Archive), String> {
        let (store, archive) = files.open()?;
        self.watched().found(&store, &archive)?;
        Ok((store, archive))
    }

    fn one(&self, files: &Files, strikes: &mut Vec<PlannedFault>) -> Result<Ending, String> {
        let disk = &files.journal;
        let first = self.watched().operations.is_empty();
        let died = Arc::new(AtomicBool::new(false));
        let directory: Arc<Mutex<Option<Directory>>> = Arc::default();
        self.arm(disk, std::mem::take(strikes), &died, &directory);
        let (store, archive) = match self.open(files) {
            Ok(open) => open,
            Err(why) => {
                *strikes = self.chaos.disarm();
                return if disk.is_dead() { Ok(Ending::Died) } else { Err(why) };
            }
        };
        let illness = Arc::<Illness>::default();
        let here = Arc::clone(&illness);
        let workers = runtime_of(self.plan.workers.max(1), move || here.reign_here())?;
        let control = runtime(1)?;
        let parts = DaemonRunParts {
            followers: &[projector::NAME],
            store,
            archive: Arc::new(archive),
            chaos: self.chaos.clone(),
            connection: self.venue.connection()?,
            content: script::content(self.feed, self.progress.begun.load(Relaxed)),
            installation: INSTALLATION.to_owned(),
            stages: if first { self.feed.before.as_ref() } else { None }
                .unwrap_or(&self.feed.stages)
                .clone(),
            exchange: None,
            workers_on: workers.handle().clone(),
            retry: script::retry(self.feed),
            on_failure: self.on_failure(disk, &died),
            on_resume: Arc::new(|_, _| ()),
            observer: self.observer(&illness),
        };
        let mut journal: Option<Arc<Journal<Body>>> = None;
        let ending = control.block_on(async {
            let begun = DaemonRun::recover_and_start(parts, |world, _| {
                let Sizes { checkpoint, segment, keep } = self.plan.sizes;
                world.journal.checkpoint_after(checkpoint);
                world.journal.seal_after(Sealing { segment, keep });
                self.watched().begin(&world.journal);
                self.venue.set_daemon(world);
                script::play(world, self.feed, &self.progress, &illness);
                journal = Some(Arc::clone(&world.journal));
                let mut at = directory.lock().unwrap_or_else(PoisonError::into_inner);
                *at = Some(world.directory.clone());
                Vec::new()
            });
            let begun = tokio::select! {
                begun = begun => begun,
                () = death(&died) => return Ok(Ending::Died),
            };
            match begun {
                Ok(life) => self.until_end(life, &died).await,
                Err(_) if died.load(Relaxed) => Ok(Ending::Died),
                Err(e) => Err(e.to_string()),
            }
        });
        control.shutdown_timeout(Duration::from_secs(5));
        workers.shutdown_timeout(Duration::from_secs(5));
        *strikes = self.chaos.disarm();
        if let Some(journal) = journal {
            self.watched().cursors.reported(journal.durable_row());
            // Its process has ended.
            journal.abandon();
        }
        ending
    }

    /// Ends the process whose files failed, through a dead disk or an injected panic of a thread
    /// that writes.
    fn on_failure(&self, disk: &FaultyDisk, died: &Arc<AtomicBool>) -> OnFailure {
        let (disk, died, never) = (disk.clone(), Arc::clone(died), Arc::clone(&self.never));
        Arc::new(move |why| {
            let why = why.to_string();
            if !(disk.is_dead() || why.contains("panicked")) {
                never.get_or_init(|| format!("a file failed without an injected fault: {why}"));
            }
            disk.kill();
            died.store(true, Relaxed);
        })
    }

    fn arm(
        &self,
        disk: &FaultyDisk,
        strikes: Vec<PlannedFault>,
        died: &Arc<AtomicBool>,
        directory: &Arc<Mutex<Option<Directory>>>,
    ) {
        let directory = Arc::clone(directory);
        let kill = move |who: &str| {
            let directory = directory.lock().unwrap_or_else(PoisonError::into_inner).clone();
            directory.inspect(|directory| kill_now_or_once_it_is_up(directory, who));
        };
        let (on_disk, never) = (disk.clone(), Arc::clone(&self.never));
        self.chaos.on_leave(move |row| {
            if let Some(broken) = announced::too_early(row, flushed_row(&on_disk)) {
                never.get_or_init(|| broken);
            }
        });
        let (disk, died) = (disk.clone(), Arc::clone(died));
        let die = move || {
            disk.kill();
            died.store(true, Relaxed);
        };
        self.chaos.enter(Phase::Starting);
        self.chaos.arm(strikes, kill, die);
    }

    /// Waits for the end of the feed, and checks that closes go on.
    async fn until_end(&self, life: DaemonRun, died: &AtomicBool) -> Result<Ending, String> {
        let _random = self.plan.at_random.map(|(seed, _)| {
            self.random.begin(life.world.directory.clone(), Die(seed ^ life.world.journal.life()))
        });
        let mut ended = life.ended.clone();
        let ails = !self.plan.faults.is_empty() || script::falls_ill(self.feed);
        let mut moving: Moving<(Option<UtcMs>, u64)> =
            Moving::new(if ails { STUCK_AILING } else { STUCK });
        let me = [std::process::id()];
        let mut closing = Closing::new(life.world.journal.head());
        let tick = Duration::from_millis(2);
        let (mut reported, mut looked) = (clock::now(), clock::now());
        loop {
            if died.load(Relaxed) {
                return Ok(Ending::Died);
            }
            if let Some(broken) = self.never.get() {
                return Err(broken.clone());
            }
            interrupt::check()?;
            if reported.elapsed() >= PROGRESS_INTERVAL {
                reported = clock::now();
                (self.on_progress)(self.fell());
            }
            let over = tokio::time::timeout(tick, ended.wait_for(|ended| *ended)).await;
            if matches!(over, Ok(Ok(_))) {
                break;
            }
            if self.plan.paced.is_some() && looked.elapsed() >= venue_time::LOOK {
                looked = clock::now();
                if venue_time::is_over(&life).await {
                    break;
                }
            }
            let (close, head) = (life.world.board.last_close(), life.world.journal.head());
            if let Some(inputs) = closing.in_vain(close, head) {
                let stuck = stuck(&life).await;
                return Err(format!("{inputs} inputs, and no close after them: {stuck}"));
            }
            let so_far = (close, if ails { head } else { 0 });
            if !moving.is(so_far, clock::now(), || Waits::of(&me)) {
                return Err(stuck(&life).await);
            }
        }
        let outcome = tokio::time::timeout(ENDS, life.end(ENDS * 2)).await;
        if died.load(Relaxed) {
            return Ok(Ending::Died);
        }
        outcome.map(|_| Ending::Done).map_err(|_| "the tree does not stop".to_owned())
    }
}

/// Places of the rig's actors in the tree.
const PLACES: Places = adapters::places(SIMULATED);

/// Kills an actor; one that is starting has no place yet and is killed as soon as it has one.
fn kill_now_or_once_it_is_up(directory: &Directory, who: &str) {
    let what = || Injected("killed at a kill point".to_owned());
    let path = PLACES.of(who);
    if directory.inject_kill(&path, &what()) {
        return;
    }
    if let Ok(runtime) = Handle::try_current() {
        let directory = directory.clone();
        runtime.spawn(async move {
            directory.slot(&path).occupied().await;
            directory.inject_kill(&path, &what());
        });
    }
}

/// Returns when its process is dead, or this process was interrupted.
async fn death(died: &AtomicBool) {
    while !(died.load(Relaxed) || interrupt::is_set()) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn stuck(life: &DaemonRun) -> String {
    let world = &life.world;
    let exchange = match &world.admin {
        Some(admin) => format!("{:?}", tokio::time::timeout(ENDS, admin.status()).await),
        None => "none".to_owned(),
    };
    let tree = serde_json::to_string(&world.directory.view()).unwrap_or_default();
    format!(
        "stuck at close {:?}, input {}, begun: {}, time {}, exchange {exchange}: stages {:?}, \
         board {:?}, tree {tree}",
        world.board.last_close(),
        world.journal.head(),
        world.board.has_begun(),
        world.now(),
        world.journal.progress(),
        world.board.all(),
    )
}
