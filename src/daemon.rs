//! Boot order of a daemon: files, exchange, tree; then signals, drain, exit code. And the exchange
//! as a command.

mod ban;
mod desk;
mod identity;
mod measure;
mod release;
mod watch;

use crate::audit::{self, store_failure};
use crate::domain::time::{MINUTE, UtcMs};
use crate::edge::exchange::{Launch, LaunchError};
use crate::edge::world::{Passing, World, wall};
use crate::history;
use crate::life::{APPLICATION, Birth, BirthError, Connection, LIVE_FILE, Life};
use crate::ops::api::{self, Api, ApiFile, Changes, LogLevel, Refusals, Token};
use crate::ops::cli::{Core, SimConfig};
use crate::ops::config::{Config, MarketSource, Pace, Symbols};
use crate::ops::exit::{Exit, Failure};
use crate::ops::print::Printer;
use crate::ops::store_check::Files;
use crate::ops::telemetry;
use crate::sim::books::BooksError;
use crate::sim::market::{DEFAULT_HISTORY_BARS, Market, Recording, Seeded};
use crate::sim::server::port::PortFile;
use crate::sim::{self, Setup, SimError, SimOptions};
use crate::trading;
use desk::LiveDesk;
use everwarm_runtime::chaos::{Chaos, Phase};
use everwarm_runtime::clock;
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::store::{CheckedStore, Store};
use everwarm_runtime::supervise::{News, RootOutcome, SupervisionNotice};
use identity::Traded;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch as channel};
use watch::Watch;

/// The daemon's half of the command line.
pub const CORE: Core =
    Core { run, sim: exchange, files: FILES, verify: audit::verify, release: release::offline };

const FILES: Files = Files { live: LIVE_FILE, journal: audit::open, failure: store_failure };

/// Start of the made market where its time does not follow ours: 2026-01-05T00:00Z, a Monday.
const MADE_START: UtcMs = 1_767_571_200_000;
/// Symbols of the made market.
const MADE_SYMBOLS: u32 = 8;
/// How long files that are held are asked for before another daemon is taken to hold them.
const HELD: Duration = Duration::from_secs(2);
/// How long open sockets may take to end.
const DRAIN: Duration = Duration::from_secs(5);

/// Runs the daemon until it is told to stop, its recording ends, or it cannot go on.
///
/// # Errors
/// What to say and how to end.
#[expect(clippy::needless_pass_by_value, reason = "the command line gives it away")]
fn run(config: Config, log: LogLevel, printer: Printer) -> Result<Exit, Failure> {
    crate::venue::install_tls();
    quiet_injections();
    let watch = Watch::new(Some(printer), clock::now());
    let (market, _) = market(&config.market)?;
    let traded = Traded::of(&config, market.as_ref())?;
    identity::check(&config.data_dir, &traded.words)?;
    drop(market);
    let (control, workers) = (runtime(1, "control")?, runtime(config.workers, "worker")?);
    let exit = control.block_on(daemon((&config, log), traded, &watch, &workers));
    control.shutdown_timeout(DRAIN);
    workers.shutdown_timeout(DRAIN);
    exit
}

fn runtime(workers: usize, name: &str) -> Result<Runtime, Failure> {
    let mut builder = Builder::new_multi_thread();
    let made = builder.worker_threads(workers).thread_name(name).enable_all().build();
    made.map_err(|e| Failure::new(Exit::Failed, e.to_string()))
}

async fn daemon(
    (config, log): (&Config, LogLevel),
    traded: Traded,
    watch: &Watch,
    workers: &Runtime,
) -> Result<Exit, Failure> {
    let mut signals = Signals::new()?;
    let (chaos, place) =
        crate::chaos::process::from_environment().map_err(|e| Failure::new(Exit::Usage, e))?;
    chaos.enter(Phase::Starting);
    let (store, archive) = open_when_free(config, watch).await?;
    identity::note(&config.data_dir, &traded.words)?;
    let door = Door::open(config, log).await?;
    let launch = launch(config)?;
    let port = match find_exchange(&launch, &mut signals, watch).await {
        Ok(port) => port,
        Err(ending) => return ending,
    };
    let connection = connect(config, &port)?;
    let (failed, mut store_failed) = mpsc::channel(1);
    let on_watch = watch.clone();
    let birth = Birth {
        store,
        archive,
        chaos: chaos.clone(),
        connection,
        symbols: traded.symbols,
        settings: config.settings.clone(),
        origins: config.origins(),
        installation: config.installation.clone(),
        stages: trading::specs(),
        exchange: Some((launch, port.port)),
        workers_on: workers.handle().clone(),
        // Full: it was told already.
        on_failure: Arc::new(move |why| drop(failed.try_send(store_failure(why)))),
        on_resume: Arc::new(|stage, report| tracing::debug!(stage, ?report, "resumed")),
        observer: Arc::new(move |notice| observe(&on_watch, notice)),
    };
    let began = clock::now();
    let (stop_looking, stopped) = channel::channel(false);
    let mut watcher = None;
    let life = Life::begin(birth, |world| {
        drop(place.set(world.directory.clone()));
        begin_api((config, &traded.currency), door, world, watch, stopped.clone());
        watcher = Some(begin_watch(world, watch, stopped));
        Vec::new()
    });
    // A file that failed is the reason, whatever else fell with it.
    let life =
        life.await.map_err(|e| store_failed.try_recv().unwrap_or_else(|_| birth_failure(&e)))?;
    let stages = life.world.journal.progress().len();
    let detail = format!("{stages} states, life {}", life.world.journal.life());
    watch.step("restore and start", began.elapsed(), detail);
    let world = life.world.clone();
    let reason = wait(config, &life, &mut signals, &mut store_failed, &chaos, watch).await;
    ApiFile::remove(&config.data_dir);
    let Reason(exit, told) = reason;
    if told.is_none() {
        tokio::select! {
            _ = life.end() => {}
            exit = signals.again() => return Ok(exit),
        }
    }
    stop_looking.send_replace(true);
    if let Some(watcher) = watcher {
        drop(tokio::task::spawn_blocking(move || watcher.join()).await);
    }
    // The last flush may have failed too.
    if let Some(failure) = told.or_else(|| store_failed.try_recv().ok()) {
        // What is not on disk is lost either way; the next start repairs and goes on.
        return Err(failure);
    }
    stop_exchange(&world).await;
    watch.summary();
    Ok(exit)
}

async fn stop_exchange(world: &World) {
    if let Some(admin) = &world.admin
        && let Err(e) = admin.stop().await
    {
        tracing::debug!(error = %e, "the exchange had ended already");
    }
}

/// Opens the files. A daemon that was killed while it started its exchange leaves them held by that
/// child until the child has become the exchange, so who holds them is asked for a while.
async fn open_when_free(config: &Config, watch: &Watch) -> Result<(Store, Arc<Archive>), Failure> {
    let began = clock::now();
    loop {
        match open_files(config, watch) {
            Err(held) if held.exit == Exit::Held && began.elapsed() < HELD => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            done => return done,
        }
    }
}

fn open_files(config: &Config, watch: &Watch) -> Result<(Store, Arc<Archive>), Failure> {
    let (live, past) = (config.data_dir.join(LIVE_FILE), config.data_dir.join(history::FILE));
    // Neither is written to before both are known to be good.
    let began = clock::now();
    let checked = Store::check(&live, APPLICATION).map_err(|e| store_failure(&e))?;
    let checking = began.elapsed();
    let began = clock::now();
    let archive = Arc::new(Archive::open(&past)?);
    let archiving = began.elapsed();
    let began = clock::now();
    let store = checked.map_or_else(|| Store::open(&live, APPLICATION), CheckedStore::accept);
    let store = store.map_err(|e| store_failure(&e))?;
    let size = store.file_bytes() / 1024;
    watch.step("open the journal", checking + began.elapsed(), format!("{size} kB"));
    watch.step("open the history", archiving, String::new());
    Ok((store, archive))
}

/// Finds the exchange or starts it. One that does not come up is tried again, ever more slowly; one
/// that says itself why it cannot run is not.
async fn find_exchange(
    launch: &Launch,
    signals: &mut Signals,
    watch: &Watch,
) -> Result<PortFile, Result<Exit, Failure>> {
    let began = clock::now();
    let found = launch.find().await.is_some();
    let mut wait = Duration::from_millis(50);
    let port = loop {
        let tried = clock::now();
        let why = match launch.ensure(0).await {
            Ok(file) => break file,
            // The last one is still on its way out.
            Err(LaunchError::Ended(Some(Exit::HELD), said)) => said,
            Err(LaunchError::Ended(code, said)) => {
                let exit = code.and_then(|code| Exit::of(u8::try_from(code).ok()?));
                let text = format!("the exchange ended: {said}");
                return Err(Err(Failure::new(exit.unwrap_or(Exit::Failed), text)));
            }
            Err(LaunchError::Io(e)) => e.to_string(),
        };
        let detail = format!("{why}; trying again in {} ms", wait.as_millis());
        watch.step("find the exchange", tried.elapsed(), detail);
        tokio::select! {
            exit = signals.next() => return Err(Ok(exit)),
            () = tokio::time::sleep(wait) => {}
        }
        wait = (wait * 2).min(Duration::from_secs(5));
    };
    let how = if found { "found running" } else { "started" };
    watch.step("find the exchange", began.elapsed(), format!("{how} on port {}", port.port));
    Ok(port)
}

fn connect(config: &Config, port: &PortFile) -> Result<Connection, Failure> {
    let passing = match config.market.pace {
        Pace::Lockstep => Passing::Lockstep,
        Pace::Times(factor) => Passing::Scaled(factor),
    };
    let key = (port.api_key.as_str(), port.api_secret.as_str());
    let connection = Connection::simulated(port.port, &port.token, key, passing);
    let connection = connection.map_err(|e| Failure::new(Exit::Failed, e))?;
    Ok(Connection { ban: ban::note(&config.data_dir), ..connection })
}

/// Why the daemon ends: its exit code, and what to say where it could not go on.
struct Reason(Exit, Option<Failure>);

async fn wait(
    config: &Config,
    life: &Life,
    signals: &mut Signals,
    store_failed: &mut mpsc::Receiver<Failure>,
    chaos: &Chaos,
    watch: &Watch,
) -> Reason {
    let mut ended = life.ended.clone();
    let until_end = config.market.until_end;
    let over = async move {
        let waited = ended.wait_for(|ended| *ended).await.is_ok();
        if !(waited && until_end) {
            std::future::pending::<()>().await;
        }
    };
    let going = async {
        while watch.seen().ready.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        chaos.enter(Phase::Live);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        exit = signals.next() => Reason(exit, None),
        // What else fails falls with it, and is not the reason.
        Some(failure) = store_failed.recv() => Reason(failure.exit, Some(failure)),
        () = over => Reason(Exit::Fine, None),
        outcome = life.root.outcome() => match outcome {
            RootOutcome::Stopped => Reason(Exit::Fine, None),
            RootOutcome::GaveUp(gave_up) => {
                let text = format!("{} gave up: {}", gave_up.path, gave_up.why);
                Reason(Exit::RootGaveUp, Some(Failure::new(Exit::RootGaveUp, text)))
            }
        },
        () = going => Reason(Exit::Fine, None),
    }
}

/// The terminal has a thread of its own: a reader that does not read is not in the way of trading.
fn begin_watch(
    world: &World,
    watch: &Watch,
    stopped: channel::Receiver<bool>,
) -> std::thread::JoinHandle<()> {
    let (journal, watch) = (Arc::clone(&world.journal), watch.clone());
    let head = journal.last_row();
    let handle = tokio::runtime::Handle::current();
    std::thread::spawn(move || {
        let facts = audit::StoreFacts(journal.store().clone());
        let followed = watch
            .restore(&facts, head)
            .and_then(|()| handle.block_on(watch.follow(&journal, head + 1, stopped)));
        if let Err(e) = followed {
            tracing::warn!("the terminal does not follow any more: {e}");
        }
    })
}

/// What the API is served with.
struct Door {
    listener: TcpListener,
    token: Token,
    log: LogLevel,
}

impl Door {
    /// Takes the address before anything is started: a daemon that nobody can ask is none.
    async fn open(config: &Config, log: LogLevel) -> Result<Door, Failure> {
        let no = |e| Failure::new(Exit::Failed, format!("the API at {}: {e}", config.listen));
        let listener = TcpListener::bind(config.listen).await.map_err(no)?;
        let token = Token::find_or_make(config.token.as_ref(), &config.data_dir)?;
        Ok(Door { listener, token, log })
    }
}

fn begin_api(
    (config, currency): (&Config, &str),
    door: Door,
    world: &World,
    watch: &Watch,
    mut stopped: channel::Receiver<bool>,
) {
    let desk = Arc::new(LiveDesk::new(world.clone(), watch.clone(), config));
    let refusals = Refusals::default();
    let asked = Arc::clone(&desk) as _;
    let counted = (currency, refusals.clone());
    let metrics = measure::metrics(counted, world, watch, asked, stopped.clone());
    let data_dir = config.data_dir.clone();
    let journal = Arc::clone(&world.journal);
    let release = Arc::new(move |id, retry| release::live(&journal, id, retry));
    let changes = Changes { token: door.token, log: door.log, release };
    let api = Api::new(desk, (Some(metrics), refusals), changes, data_dir.clone());
    let told = door.listener.local_addr().and_then(|addr| {
        let pid = std::process::id();
        ApiFile { addr, pid }.write(&data_dir)
    });
    if let Err(e) = told {
        tracing::error!("nobody is told where the API is: {}: {e}", api::FILE);
    }
    let stop = async move { drop(stopped.wait_for(|stopped| *stopped).await) };
    tokio::spawn(api::serve(door.listener, api, stop));
}

fn observe(watch: &Watch, notice: &SupervisionNotice) {
    if let News::Started { restarts, .. } = &notice.news
        && *restarts > 0
    {
        watch.restarted(&notice.path, "started again", Duration::ZERO);
    } else {
        if let News::Exited { exit, asked: false, .. } = &notice.news
            && let Some(reason) = telemetry::reason(exit)
        {
            watch.seen().counts.restarted(reason);
        }
        tracing::debug!(path = notice.path, news = ?notice.news, "supervision");
    }
}

fn birth_failure(error: &BirthError) -> Failure {
    match error {
        BirthError::Store(e) => store_failure(e),
        BirthError::Venue(_) => Failure::new(Exit::Failed, error.to_string()),
        BirthError::History(_) => Failure::new(Exit::StoreFailed, error.to_string()),
        BirthError::Tree(_) => Failure::new(Exit::RootGaveUp, error.to_string()),
    }
}

fn launch(config: &Config) -> Result<Launch, Failure> {
    let program = std::env::current_exe();
    let program = program.map_err(|e| Failure::new(Exit::Failed, e.to_string()))?;
    let dir = config.data_dir.join("exchange");
    let pace = config.market.pace.to_string();
    let (arguments, without) = (config.market.flags(), config.variables.clone());
    Ok(Launch { program, arguments, pace, dir, without })
}

/// Runs the exchange until it is done.
fn exchange(config: SimConfig) -> Result<Exit, Failure> {
    let (market, setup) = market(&config.market)?;
    let pace = match config.market.pace {
        Pace::Lockstep => sim::Pace::Lockstep,
        Pace::Times(factor) => sim::Pace::Times(factor),
    };
    let options = SimOptions {
        data_dir: config.data_dir,
        port: config.port,
        pace,
        market,
        setup,
        idle_exit: config.idle_exit,
    };
    let runtime = runtime(2, "exchange")?;
    let served = runtime.block_on(sim::serve(options));
    served.map(|()| Exit::Fine).map_err(|e| match e {
        SimError::Books(BooksError::Store(e)) => store_failure(&e),
        SimError::OtherMarket { .. } => Failure::new(Exit::Refused, e.to_string()),
        SimError::Books(_) | SimError::Io { .. } | SimError::Failed(_) => {
            Failure::new(Exit::Failed, e.to_string())
        }
    })
}

/// The market to be played, and what the exchange begins with.
fn market(source: &MarketSource) -> Result<(Box<dyn Market>, Setup), Failure> {
    let Some(folder) = &source.recording else {
        let start = match source.pace {
            Pace::Times(1) => wall().div_euclid(MINUTE) * MINUTE,
            Pace::Lockstep | Pace::Times(_) => MADE_START,
        };
        let (seed, history) = (source.seed, DEFAULT_HISTORY_BARS);
        let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        let made = match &source.symbols {
            Symbols::Auto => Seeded::new(seed, count(MADE_SYMBOLS), start, history),
            Symbols::First(n) => Seeded::new(seed, count(*n), start, history),
            Symbols::Named(names) => Seeded::with_symbols(seed, names, start, history),
        };
        return Ok((Box::new(made), Setup { seed, ..Setup::default() }));
    };
    let recording = Recording::open(folder, source.recording_config.as_deref());
    let recording = recording.map_err(|e| Failure::new(Exit::Usage, e.to_string()))?;
    for notice in recording.notices() {
        tracing::warn!("{notice}");
    }
    let names = recording.instruments().iter().map(|rule| rule.symbol);
    let setup = Setup {
        seed: source.seed,
        balances: recording.balances().iter().cloned().collect(),
        max_position: names.filter_map(|s| Some((s, recording.max_position(s)?))).collect(),
    };
    Ok((Box::new(recording), setup))
}

/// An injected panic is no news: it is what was asked for.
fn quiet_injections() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let text = info.payload().downcast_ref::<String>();
        if !text.is_some_and(|text| text.starts_with("everwarm:injected:")) {
            default(info);
        }
    }));
}

/// SIGINT and SIGTERM: the first stops in order, the second at once.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Signals, Failure> {
        let listen = |kind| signal(kind).map_err(|e| Failure::new(Exit::Failed, e.to_string()));
        let interrupt = listen(SignalKind::interrupt())?;
        Ok(Signals { interrupt, terminate: listen(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> Exit {
        tokio::select! {
            _ = self.interrupt.recv() => Exit::Fine,
            _ = self.terminate.recv() => Exit::Fine,
        }
    }

    async fn again(&mut self) -> Exit {
        tokio::select! {
            _ = self.interrupt.recv() => Exit::Interrupted,
            _ = self.terminate.recv() => Exit::Terminated,
        }
    }
}
