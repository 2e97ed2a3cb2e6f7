//! Runs a feed through the whole daemon in this process: the real exchange on loopback, the real
//! client, the real tree, over a disk in memory that dies and forgets as planned.

use super::compare::{Picture, ledger};
use super::venue::{Make, Venue};
use super::{compare as picture, invariants};
use crate::domain::fact::Body;
use crate::domain::order::OrderIntent;
use crate::domain::settings::Settings;
use crate::domain::time::UtcMs;
use crate::life::{APPLICATION, Birth, Life};
use crate::sim::Setup;
use crate::trading::StageSpec;
use crate::tree::path_of;
use everwarm_runtime::chaos::faults::{Cut, FaultyDisk, Image, Operation};
use everwarm_runtime::chaos::points::Passings;
use everwarm_runtime::chaos::{Chaos, Injected, Phase, Sabotage, Strike};
use everwarm_runtime::fact::Fact;
use everwarm_runtime::journal::Journal;
use everwarm_runtime::store::Store;
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::supervise::Directory;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};

/// Wall time without a new close, an answer or an end after which a run counts as stuck.
const STUCK: Duration = Duration::from_secs(10);
/// Inputs between checkpoints: a small feed has many of them so.
const CHECKPOINT_INPUTS: u64 = 12;
/// Identity of the installation in every run.
pub(super) const INSTALLATION: &str = "rig";
/// Lives of one run at most.
const LIVES: u32 = 60;

/// A feed and what is traded on it.
pub struct Feed {
    /// Makes the market.
    pub market: Make,
    /// What the exchange begins with.
    pub setup: Setup,
    /// What the stages are told.
    pub settings: Settings,
    /// The stages, by rank.
    pub stages: Vec<StageSpec>,
}

/// What goes wrong in a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// Strikes at kill points, counted over all lives.
    pub strikes: Vec<Strike>,
    /// Life by life: the disk operation at which it dies, and what is left of it.
    pub cuts: Vec<(Cut, Image)>,
    /// What a death at a kill point leaves of the disk, and an outage of the exchange's.
    pub image: Option<Image>,
    /// Placed at the exchange by somebody else, with our keys, between the first two lives.
    pub twin: Option<OrderIntent>,
    /// Threads for the workers.
    pub workers: usize,
    /// A promise broken on purpose.
    pub sabotage: Option<Sabotage>,
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What is compared.
    pub picture: Picture,
    /// Lives it took.
    pub lives: u32,
    /// What was struck.
    pub struck: Vec<Strike>,
    /// How often each kill point was passed.
    pub passings: Passings,
    /// Strikes that never fell.
    pub missed: Vec<Strike>,
    /// Disk operations of each life.
    pub operations: Vec<Vec<Operation>>,
    /// The operations at which the disk died as planned, and what was left of it.
    pub cut: Vec<(Operation, Image)>,
    /// Invariants that did not hold.
    pub broken: Vec<String>,
    /// Facts in the journal at the end.
    pub facts: Vec<Fact<Body>>,
}

static RUN: AtomicU64 = AtomicU64::new(1);

/// A folder that is removed in the end.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn new() -> std::io::Result<Folder> {
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let number = RUN.fetch_add(1, Relaxed);
        let path = base.join(format!("everwarm-rig-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Runs the feed to its end under the plan.
///
/// # Errors
/// The run got stuck, or something ended that must not; the text says what.
pub fn run(feed: &Feed, plan: &Plan) -> Result<Outcome, String> {
    let folder = Folder::new().map_err(|e| e.to_string())?;
    let left = plan.image.unwrap_or(Image::Everything);
    let dir = folder.0.join("exchange");
    let venue = Venue::start(Arc::clone(&feed.market), feed.setup.clone(), dir, left)?;
    let archive = Archive::open(&folder.0.join("history.redb")).map_err(|e| e.to_string())?;
    let archive = Arc::new(archive);
    let chaos = Chaos::off();
    if let Some(sabotage) = plan.sabotage {
        chaos.sabotage(sabotage);
    }
    let struck = Arc::clone(&venue);
    chaos.on_outage(move || struck.outage());
    let mut lives = Lives {
        feed,
        plan,
        chaos: &chaos,
        archive: &archive,
        venue: &venue,
        watched: Mutex::default(),
    };
    let all = lives.all();
    let watched = lives.watched.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (disk, count, missed) = all?;
    let (passings, struck) = chaos.report();
    let facts = facts(&disk)?;
    let theirs = venue.end()?;
    let picture = Picture { ours: picture::ours(&facts, &archive)?, theirs: ledger(&theirs) };
    let mut broken = watched.broken;
    broken.extend(invariants::check(&facts, &theirs));
    broken.extend(invariants::verify(&facts, &archive)?);
    let (operations, cut) = (watched.operations, watched.cut);
    let facts = facts.into_iter().map(|(_, fact)| fact).collect();
    Ok(Outcome { picture, lives: count, struck, passings, missed, operations, cut, broken, facts })
}

pub(super) fn runtime(workers: usize) -> Result<Runtime, String> {
    let made = Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    made.map_err(|e| e.to_string())
}

/// The journal as it is in the end.
fn facts(disk: &FaultyDisk) -> Result<Vec<(u64, Fact<Body>)>, String> {
    let disk = FaultyDisk::holding(disk.image(Image::Everything), None);
    let store = Store::on_disk(disk, APPLICATION).map_err(|e| e.to_string())?;
    let mut facts: Vec<(u64, Fact<Body>)> = Vec::new();
    let scanned = store.scan(0, &mut |row, fact: Fact<Body>| {
        facts.push((row, fact));
        ControlFlow::Continue(())
    });
    scanned.map_err(|e| e.to_string())?;
    Ok(facts)
}

/// What is noticed from life to life.
#[derive(Default)]
struct Watched {
    /// How far every stage was when the last life began.
    progress: Vec<(&'static str, u64)>,
    /// The last row the last life held for durable.
    durable: u64,
    operations: Vec<Vec<Operation>>,
    cut: Vec<(Operation, Image)>,
    broken: Vec<String>,
}

impl Watched {
    /// A life begins.
    fn begin(&mut self, journal: &Journal<Body>) {
        let now = journal.progress();
        for ((who, before), (_, now)) in self.progress.iter().zip(&now) {
            if now < before {
                self.broken.push(format!("{who} had passed {before} and stands at {now}"));
            }
        }
        self.progress = now;
        if journal.last_row() < self.durable {
            let (was, is) = (self.durable, journal.last_row());
            self.broken.push(format!("row {was} was said to be on disk, the file ends at {is}"));
        }
    }
}

struct Lives<'a> {
    feed: &'a Feed,
    plan: &'a Plan,
    chaos: &'a Chaos,
    archive: &'a Arc<Archive>,
    venue: &'a Arc<Venue>,
    watched: Mutex<Watched>,
}

enum Ending {
    Done,
    Died,
}

impl Lives<'_> {
    /// Lives until the feed has ended. The disk of the last life, how many there were, and what
    /// never fell.
    fn all(&mut self) -> Result<(FaultyDisk, u32, Vec<Strike>), String> {
        let mut image = {
            let fresh = FaultyDisk::holding(Vec::new(), None);
            drop(Store::on_disk(fresh.clone(), APPLICATION).map_err(|e| e.to_string())?);
            fresh.image(Image::Everything)
        };
        let mut strikes = self.plan.strikes.clone();
        for life in 1..=LIVES {
            let cut = self.plan.cuts.get(life as usize - 1);
            let disk = FaultyDisk::until(image, cut.map(|(at, _)| *at));
            let ending = self.one(&disk, &mut strikes)?;
            {
                let mut watched = self.watched();
                watched.cut.extend(disk.cut().zip(cut.map(|(_, left)| *left)));
                watched.operations.push(disk.operations());
            }
            match ending {
                Ending::Done => return Ok((disk, life, strikes)),
                Ending::Died => {
                    let left = cut.map(|(_, image)| *image).or(self.plan.image);
                    image = disk.image(left.unwrap_or(Image::Everything));
                    if let Some(twin) = self.plan.twin.as_ref().filter(|_| life == 1) {
                        self.venue.place(twin)?;
                    }
                }
            }
        }
        Err(format!("not done after {LIVES} lives"))
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn one(&self, disk: &FaultyDisk, strikes: &mut Vec<Strike>) -> Result<Ending, String> {
        let died = Arc::new(AtomicBool::new(false));
        let directory: Arc<Mutex<Option<Directory>>> = Arc::default();
        self.arm(disk, std::mem::take(strikes), &died, &directory);
        let Ok(store) = Store::on_disk(disk.clone(), APPLICATION) else {
            *strikes = self.chaos.disarm();
            return if disk.is_dead() { Ok(Ending::Died) } else { Err("the store".to_owned()) };
        };
        let (control, workers) = (runtime(1)?, runtime(self.plan.workers.max(1))?);
        let (on_disk, on_died) = (disk.clone(), Arc::clone(&died));
        let birth = Birth {
            store,
            archive: Arc::clone(self.archive),
            chaos: self.chaos.clone(),
            connection: self.venue.connection()?,
            symbols: Vec::new(),
            settings: self.feed.settings.clone(),
            origins: Vec::new(),
            installation: INSTALLATION.to_owned(),
            stages: self.feed.stages.clone(),
            exchange: None,
            workers_on: workers.handle().clone(),
            on_failure: Arc::new(move |_| {
                on_disk.kill();
                on_died.store(true, Relaxed);
            }),
            on_resume: Arc::new(|_, _| ()),
            observer: Arc::new(|_| ()),
        };
        let mut journal: Option<Arc<Journal<Body>>> = None;
        let ending = control.block_on(async {
            let begun = Life::begin(birth, |world| {
                world.journal.checkpoint_after(CHECKPOINT_INPUTS);
                self.watched().begin(&world.journal);
                self.venue.hear(world);
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
            self.watched().durable = journal.durable_row();
        }
        ending
    }

    fn arm(
        &self,
        disk: &FaultyDisk,
        strikes: Vec<Strike>,
        died: &Arc<AtomicBool>,
        directory: &Arc<Mutex<Option<Directory>>>,
    ) {
        let directory = Arc::clone(directory);
        let kill = move |who: &str| {
            let directory = directory.lock().unwrap_or_else(PoisonError::into_inner).clone();
            directory.inspect(|directory| kill_now_or_once_it_is_up(directory, who));
        };
        let (disk, died) = (disk.clone(), Arc::clone(died));
        let die = move || {
            disk.kill();
            died.store(true, Relaxed);
        };
        self.chaos.enter(Phase::Starting);
        self.chaos.arm(strikes, kill, die);
    }

    /// Waits for the end of the feed, watching that closes go on.
    async fn until_end(&self, life: Life, died: &AtomicBool) -> Result<Ending, String> {
        let mut ended = life.ended.clone();
        let mut seen: (Option<UtcMs>, u64) = (None, 0);
        let mut since = tokio::time::Instant::now();
        let tick = Duration::from_millis(2);
        loop {
            if died.load(Relaxed) {
                return Ok(Ending::Died);
            }
            let over = tokio::time::timeout(tick, ended.wait_for(|ended| *ended)).await;
            if matches!(over, Ok(Ok(_))) {
                break;
            }
            let now = (life.world.board.last_close(), life.world.journal.head());
            if now != seen {
                (seen, since) = (now, tokio::time::Instant::now());
            } else if since.elapsed() > STUCK {
                return Err(stuck(&life));
            }
        }
        let outcome = tokio::time::timeout(STUCK, life.end()).await;
        if died.load(Relaxed) {
            return Ok(Ending::Died);
        }
        outcome.map(|_| Ending::Done).map_err(|_| "the tree does not stop".to_owned())
    }
}

/// An actor that is starting has no place yet: it is killed as soon as it has one.
fn kill_now_or_once_it_is_up(directory: &Directory, who: &str) {
    let what = || Injected("killed at a kill point".to_owned());
    let path = path_of(who);
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

async fn death(died: &AtomicBool) {
    while !died.load(Relaxed) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn stuck(life: &Life) -> String {
    let world = &life.world;
    let tree = serde_json::to_string(&world.directory.view()).unwrap_or_default();
    format!(
        "stuck at close {:?}, input {}: stages {:?}, board {:?}, tree {tree}",
        world.board.last_close(),
        world.journal.head(),
        world.journal.progress(),
        world.board.all(),
    )
}
