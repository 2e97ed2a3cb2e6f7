//! One run of the daemon in a process: from an opened store to a running tree, and back.
//!
//! There is one way to start; it always assumes that the last run crashed. After a SIGKILL:
//! 1. The journal is opened and its damage found: `Journal::open` (`runtime/src/journal`).
//! 2. Strategies that joined take their ranks again: `Store::roster`, `specs_of`.
//! 3. History that the journal announced and the disk lost is fetched again: `fetch_again`.
//! 4. The tree starts its actors: `tree.rs`.
//! 5. Each stage loads its last checkpoint and folds the facts after it: `Runner::recover_stage`
//!    (`runtime/src/runner.rs`).
//! 6. Orders of unknown status are queried, and the account is compared with the books:
//!    `edge/src/orders/gateway.rs`, `reconcile`. Before that nothing is sent.
//! 7. Missing bars are fetched: `edge/src/market/bar.rs`. Then closes go on.

use crate::tree::{self, TreeSpec};
use everwarm_domain::fact::Body;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::path::Places;
use everwarm_domain::time::Timeframe;
use everwarm_edge::board::Board;
use everwarm_edge::market::fetch::{fetch, lost};
use everwarm_edge::operation::branches;
use everwarm_edge::operation::config::{Content, InForce, Wanted};
use everwarm_edge::orders::send_state::SendState;
use everwarm_edge::simulated::exchange::Launch;
use everwarm_edge::world::{LOOKUPS, Passing, World};
use everwarm_history::HistoryLibrary;
use everwarm_history::bars::keep;
use everwarm_history::fetched_bars::Keeper;
use everwarm_history::queries::HistoryError;
use everwarm_history::repair::unmark;
use everwarm_kernel::roster::Joined;
use everwarm_kernel::stage::Stage;
use everwarm_runtime::chaos::Chaos;
use everwarm_runtime::clock;
use everwarm_runtime::clock::wall;
use everwarm_runtime::journal::{Journal, Options, StageInfo};
use everwarm_runtime::runner::ResumeReport;
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::store::{Store, StoreError};
use everwarm_runtime::supervise::{
    ChildSpec, Directory, Observer, RootError, RootHandle, RootOutcome, Tree,
};
use everwarm_trading::{StageSpec, closes::Closes, specs_of, universe::Universe};
use everwarm_venue::clock::{Pace, SharedClock};
use everwarm_venue::port::VenueError;
use everwarm_venue::rate_limit::Note;
use everwarm_venue::simulated::{Admin, Wheel};
use everwarm_venue::source::Source;
use everwarm_venue::{Open, Opening, Ports};
pub use everwarm_views::journal_reader::LIVE_FILE;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

/// Application name in the header of the live file.
pub const APPLICATION: &str = "everwarm";

/// How a run reaches the venue.
#[derive(Clone)]
pub struct Connection {
    /// Its places in the tree.
    pub places: Places,
    /// Opens its adapter.
    pub open: Open,
    /// Moves venue time; present only where time moves on command.
    pub wheel: Option<Arc<dyn Wheel>>,
    /// Admin interface of the simulated exchange; none at other venues.
    pub admin: Option<Admin>,
    /// Symbols on one market connection, at most.
    pub streams: usize,
    /// Whether money is real there.
    pub live: bool,
    /// Wall time between comparisons of the account while trading; none: only at starts. In
    /// lockstep there is none.
    pub compare: Option<Duration>,
    /// How its time passes.
    pub passing: Passing,
    /// The note of rate limits and bans by the venue.
    pub note: Note,
}

impl Connection {
    /// Both ports to the venue. A request is valid for `recv_window` milliseconds of venue time, or
    /// for 60,000 where venue time passes faster than real time.
    ///
    /// # Errors
    /// The adapter cannot be opened on this machine.
    pub fn ports(&self, recv_window: i64) -> Result<Ports, String> {
        let recv_window = self.passing.recv_window(recv_window);
        let clock = SharedClock::new(match self.passing {
            Passing::Lockstep => Pace::Manual(0),
            Passing::Scaled(1) => Pace::Real,
            Passing::Scaled(factor) => {
                let wall = wall();
                Pace::Scaled { wall, venue: wall.utc(), per_mille: factor.saturating_mul(1000) }
            }
        });
        let (wall, note) = (Arc::new(wall), self.note.clone());
        (self.open)(Opening { recv_window, clock, wall, note })
    }
}

/// Everything a run starts with.
pub struct DaemonRunParts {
    /// The live file.
    pub store: Store,
    /// The history.
    pub archive: Arc<Archive>,
    /// Readers of the journal: nothing is sealed before each has reported how far it is.
    pub followers: &'static [&'static str],
    /// The kill points.
    pub chaos: Chaos,
    /// The venue.
    pub connection: Connection,
    /// The configuration.
    pub content: Content,
    /// Identity of a fresh installation.
    pub installation: String,
    /// The stages by rank, without strategies that joined.
    pub stages: Vec<StageSpec>,
    /// How to start the simulated exchange, and its port; none where the daemon does not start one.
    pub exchange: Option<(Launch, u16)>,
    /// Where workers run; supervisors run where the run begins.
    pub workers_on: Handle,
    /// Time between two retries of a branch that its supervisor stopped.
    pub retry: Duration,
    /// Called when the live file or the history cannot be used any more.
    pub on_failure: Arc<dyn Fn(&StoreError) + Send + Sync>,
    /// Called with the report of each start of a stage.
    pub on_resume: Arc<dyn Fn(&'static str, ResumeReport) + Send + Sync>,
    /// Called with every notice of the tree.
    pub observer: Observer,
}

/// Why a run could not begin.
#[derive(Debug, thiserror::Error)]
pub enum RunStartError {
    /// The live file cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The venue, or the set-up of this machine, fails.
    #[error("{0}")]
    Venue(String),
    /// There is no free rank for a strategy, or this program lacks its kind.
    #[error("{0}")]
    Strategy(String),
    /// The history cannot be used.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The tree did not start.
    #[error(transparent)]
    Tree(#[from] RootError),
}

/// A running daemon.
pub struct DaemonRun {
    /// What the actors of the edge share.
    pub world: World,
    /// The tree.
    pub root: RootHandle,
    /// Becomes true when a recording has ended and all its consequences are processed.
    pub ended: watch::Receiver<bool>,
    /// How long each step of the start took, in their order.
    pub steps: Vec<(&'static str, Duration)>,
}

impl DaemonRun {
    /// Begins: opens the journal, learns the symbols, starts the tree. `ops` makes the operator
    /// actors; it sees the tree before any actor starts.
    ///
    /// # Errors
    /// See [`RunStartError`].
    pub async fn recover_and_start(
        mut parts: DaemonRunParts,
        ops: impl FnOnce(&World, &Tree) -> Vec<ChildSpec>,
    ) -> Result<DaemonRun, RunStartError> {
        let mut steps = Steps::default();
        // Strategies that joined in an earlier run, and new ones.
        let joined: Vec<Joined> =
            parts.store.roster()?.into_iter().map(|member| member.who).collect();
        let all = specs_of(&joined, &parts.content.settings()).map_err(RunStartError::Strategy)?;
        for spec in all {
            if parts.stages.iter().all(|known| known.rank != spec.rank) {
                parts.stages.push(spec);
            }
        }
        let journal = open(&parts)?;
        let unborn = AbandonUnlessStarted(Some(Arc::clone(&journal)));
        steps.took("read the journal");
        let world = world(journal, &parts, &mut steps).await?;
        let (ended, at_end) = watch::channel(false);
        let observer = branches::observer((&world.journal, &world.directory), parts.observer);
        let tree =
            Tree { directory: world.directory.clone(), ..Tree::new(observer, Arc::new(wall)) };
        let seed = TreeSpec {
            ops: ops(&world, &tree),
            world: world.clone(),
            wanted: Wanted { installation: parts.installation, content: parts.content },
            exchange: parts.exchange,
            stages: parts.stages,
            workers_on: parts.workers_on,
            retry: parts.retry,
            on_resume: parts.on_resume,
            ended,
        };
        let root = tree.start(tree::tree(&seed)).await?;
        steps.took("start the actors");
        unborn.started();
        Ok(DaemonRun { world, root, ended: at_end, steps: steps.done })
    }

    /// Stops the tree in order and kills what is still running after `within`. Then flushes and
    /// ends the journal.
    pub async fn end(self, within: Duration) -> RootOutcome {
        let outcome = self.root.stop(within).await;
        let journal = Arc::clone(&self.world.journal);
        if let Err(e) = tokio::task::spawn_blocking(move || journal.close()).await {
            tracing::warn!(error = %e, "the journal did not end in order");
        }
        outcome
    }
}

/// What the journal knows of every stage and follower.
#[must_use]
pub fn places(stages: &[StageSpec]) -> Vec<StageInfo> {
    let followers: [&dyn Stage<Body = Body>; 4] =
        [&Universe::default(), &InForce::default(), &SendState::default(), &Closes::default()];
    let stages = stages.iter().map(|spec| StageInfo::of(&*spec.build()));
    stages.chain(followers.map(StageInfo::of)).collect()
}

/// How long each step took, one after the other.
struct Steps {
    since: Instant,
    done: Vec<(&'static str, Duration)>,
}

impl Default for Steps {
    fn default() -> Steps {
        Steps { since: clock::now(), done: Vec::new() }
    }
}

impl Steps {
    fn took(&mut self, name: &'static str) {
        let now = clock::now();
        let since = std::mem::replace(&mut self.since, now);
        self.done.push((name, now.saturating_duration_since(since)));
    }
}

fn open(parts: &DaemonRunParts) -> Result<Arc<Journal<Body>>, StoreError> {
    let on_failure = Arc::clone(&parts.on_failure);
    let options = Options {
        chaos: parts.chaos.clone(),
        followers: parts.followers,
        ..Options::new(move |why: &StoreError| on_failure(why))
    };
    let journal = Journal::open(parts.store.clone(), places(&parts.stages), options)?;
    for damaged in journal.damaged() {
        tracing::warn!("{damaged}");
    }
    Ok(journal)
}

/// The journal of a starting run: if the start fails, its threads end.
struct AbandonUnlessStarted(Option<Arc<Journal<Body>>>);

impl AbandonUnlessStarted {
    fn started(mut self) {
        self.0 = None;
    }
}

impl Drop for AbandonUnlessStarted {
    fn drop(&mut self) {
        if let Some(journal) = self.0.take() {
            journal.abandon();
        }
    }
}

async fn world(
    journal: Arc<Journal<Body>>,
    parts: &DaemonRunParts,
    steps: &mut Steps,
) -> Result<World, RunStartError> {
    let Connection { places, wheel, admin, streams, live, compare, passing, .. } =
        parts.connection.clone();
    let wanted = parts.content.settings().trading.recv_window_ms;
    let Ports { venue, source } = parts.connection.ports(wanted).map_err(RunStartError::Venue)?;
    let clock = venue.clock().clone();
    let known = source.capabilities();
    if !known.widths.contains(&Timeframe::M1) {
        let widths: Vec<String> = known.widths.iter().map(Timeframe::to_string).collect();
        let why = format!(
            "the source of prices has no bars of 1m, from which all other bars are made; it has \
             {}. Choose another venue.",
            widths.join(", ")
        );
        return Err(RunStartError::Venue(why));
    }
    let streams = streams.min(known.per_connection);
    fetch_again(&*source, parts).await?;
    steps.took("query the venue");
    Ok(World {
        places,
        journal,
        archive: Arc::clone(&parts.archive),
        library: Arc::new(HistoryLibrary::new(Arc::clone(&parts.archive))),
        venue,
        source,
        clock,
        wheel,
        admin,
        streams,
        live,
        compare,
        passing,
        final_bars: Arc::default(),
        clock_read: Arc::default(),
        keeper: Arc::new(Keeper::new(Arc::clone(&parts.archive), Arc::clone(&parts.on_failure))),
        board: Arc::new(Board::default()),
        directory: Directory::measuring(everwarm_edge::message_kinds::wanted()),
        lookups: Arc::new(Semaphore::new(LOOKUPS)),
        pens: Arc::default(),
        on_failure: Arc::clone(&parts.on_failure),
    })
}

/// Fetches history again that the journal announced and that is lost with a removed history file,
/// or that a repair removed. If the venue now reports other bars, they stay missing, and `verify`
/// reports that.
async fn fetch_again(source: &dyn Source, parts: &DaemonRunParts) -> Result<(), RunStartError> {
    let mut again: BTreeMap<Timeframe, Vec<(Symbol, Vec<Bar>)>> = BTreeMap::new();
    let (lost, last_close) = lost(&parts.archive, &parts.store)?;
    // An exchange in lockstep responds to nothing until it knows the time.
    if let (Passing::Lockstep, Some(admin)) = (parts.connection.passing, &parts.connection.admin)
        && !lost.is_empty()
    {
        let close = last_close.unwrap_or(0);
        answer(|| admin.advance(close, close)).await;
    }
    let mut marks = Vec::new();
    for lost in lost {
        let (symbol, timeframe) = lost.of;
        marks.extend(lost.marked.then(|| lost.mark()));
        let bars = answer(|| fetch(source, lost.of, lost.times.clone())).await.held;
        let bars: Vec<_> = bars.iter().map(Bar::ordered).collect();
        if lost.is(&bars) {
            again.entry(timeframe).or_default().push((symbol, bars));
        } else {
            tracing::warn!("the history of {symbol} is missing, and the venue now has other bars");
        }
    }
    for (timeframe, ranges) in again {
        keep(&parts.archive, timeframe, &ranges)?;
        let bars: usize = ranges.iter().map(|(_, bars)| bars.len()).sum();
        let symbols = ranges.len();
        tracing::warn!(
            "the history of {symbols} symbols was missing; {bars} bars were fetched again"
        );
    }
    unmark(&parts.archive, &marks).map_err(HistoryError::from)?;
    Ok(())
}

/// Requests until there is a response.
async fn answer<T, F: Future<Output = Result<T, VenueError>>>(ask: impl Fn() -> F) -> T {
    let mut wait = Duration::from_millis(50);
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(e) => tracing::info!(error = %e, "the venue does not respond; retrying"),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(5));
    }
}
