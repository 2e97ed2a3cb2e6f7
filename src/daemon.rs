//! The daemon process from start to exit code: files, exchange, tree, signals, drain. Also runs the
//! exchange as a command.
//!
//! Over 500 lines: the start and the stop of a process in their order; its parts lie in its folder.

mod answers;
mod backfill;
mod backtest;
mod backup;
mod by_hand;
mod chaos;
mod chat_commands;
mod conformance;
mod control;
mod dominance;
mod exchange;
mod export;
mod external;
mod fetch_history;
mod files;
mod health;
mod history_sample;
mod identity;
mod injected;
mod lag;
mod listener;
mod live_prices;
mod measure;
mod messages;
mod notify;
mod operator_input;
mod own_bars;
mod panic;
mod past_signals;
mod points;
mod quarantine;
mod real_money;
pub mod reload;
mod repair_history;
mod resolve_conflicts;
mod retention;
mod self_replay;
mod stop;
mod storekeeper;
mod strategy_check;
mod supervision;
mod sweep;
mod switch;
mod symbols;
mod tokens;
pub mod tree_settings;
mod venue_usage;
mod watch;
mod work;

use crate::adapters;
use crate::audit::{self, store_failure};
use crate::chaos::process::Step;
use crate::daemon_run::{Connection, DaemonRun, DaemonRunParts, LIVE_FILE, RunStartError};
use crate::version::{build, version};
use answers::LiveContext;
use control::LiveControl;
use everwarm_api as api;
use everwarm_api::{Api, ApiFile, Changes, Entry, Refusals};
use everwarm_cli::Core;
use everwarm_cli::heap;
use everwarm_cli::log::{self, LogLevel};
use everwarm_cli::print::Printer;
use everwarm_cli::progress::Progress;
use everwarm_cli::store_check::Files;
use everwarm_config::{CheckDepth, Config, Pace, Remote, Sources, VenueSource};
use everwarm_edge::operation::config::Content;
use everwarm_edge::operation::projector;
use everwarm_edge::simulated::exchange::{Launch, LaunchError};
use everwarm_edge::world::{Passing, World};
use everwarm_history::queries::HistoryError;
use everwarm_runtime::chaos::{Chaos, Phase};
use everwarm_runtime::clock;
use everwarm_runtime::files::{is_full, keep_private};
use everwarm_runtime::store::archive::ArchiveError;
use everwarm_runtime::supervise::{ChildSpec, RootOutcome, Watchdog};
use everwarm_sim::Protocol;
use everwarm_sim::server::port::PortFile;
use everwarm_views::audit::AUDIT_FILE;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::journal_reader::Proofs;
use everwarm_views::views::LiveView;
use exchange::{market, read, recorded};
use health::Pulse;
use identity::Traded;
use listener::ApiListener;
use measure::{Parts, Sampled};
use notify::Notify;
use reload::Reloader;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use stop::Stop;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{mpsc, watch as channel};
use watch::Watch;

/// The functions of this crate that the command line calls.
pub const CORE: Core = Core {
    build,
    version,
    run,
    sim: exchange::run,
    files: FILES,
    proofs: Proofs { verify: audit::verify, replay: audit::replay },
    control: control::of_files,
    chaos: chaos::run,
    backtest: backtest::run,
    fetch: fetch_history::run,
    repair_history: repair_history::run,
    backfill: backfill::run,
    sweep: sweep::run,
    strategy_check: strategy_check::run,
    account: real_money::account,
    confirm: real_money::confirm,
    panic: panic::panic,
    conformance: conformance::run,
    backup: backup::offline,
    export: export::export,
    wipe: export::wipe,
    restore: backup::restore,
};

/// Readers of durable facts: a fact leaves the live file only after they have read it.
const FOLLOWERS: &[&str] = &[projector::NAME, watch::NAME];

const FILES: Files = Files {
    live: LIVE_FILE,
    journal: audit::open,
    failure: store_failure,
    forget: audit::forget_checkpoint,
    retain: retention::retain,
};

/// Folder of the simulated exchange in a data directory.
const EXCHANGE: &str = "exchange";
/// Threads that serve the API: if one is blocked, the other goes on.
const ANSWERS: usize = 2;
/// Time for remaining tasks at the very end: nothing depends on them any more.
const DRAIN: Duration = Duration::from_secs(1);

/// Runs the daemon until a signal, the end of its recording, or a fatal failure.
///
/// # Errors
/// The failure, with its exit code.
fn run(sources: Sources, printer: Printer, began: Instant) -> Result<Exit, Failure> {
    let stop = Stop::new()?;
    let config = sources.load(CheckDepth::World)?;
    let log = log::start(&config.log, config.log_format)?;
    everwarm_venue::install_tls();
    let panics = quiet_injections();
    real_money::meant(&config)?;
    injected::planned(&config)?;
    let watch = Watch::new(Some(printer), began);
    watch.at(&config.data_dir);
    let traded = match &config.venue {
        VenueSource::Simulated => {
            let shown = config.market.recording.is_some() && !printer.quiet;
            let progress = Progress::begin("checking the recording", shown);
            let traded = Traded::simulated(&config);
            drop(progress);
            traded?
        }
        VenueSource::Remote(remote) => Traded::at(&config, remote),
    };
    identity::check(&config.data_dir, &traded.words)?;
    private(&config.data_dir);
    if stop.is_asked() {
        return Ok(Exit::Fine);
    }
    let (control, workers) = (runtime(1, "control")?, runtime(config.workers, "worker")?);
    // The API has its own threads: neither it nor supervision can block the other.
    let answers = runtime(ANSWERS, "api")?;
    let stop = stop.may_take(config.stop);
    let notify = Arc::new(Notify::from_environment());
    let around = ProcessContext { watch: &watch, stop, notify, panics };
    let runtimes = (&workers, &answers);
    let exit = control.block_on(daemon((&config, sources, log), traded, &around, runtimes));
    control.shutdown_timeout(DRAIN);
    answers.shutdown_timeout(DRAIN);
    workers.shutdown_timeout(DRAIN);
    exit
}

/// Objects that exist before any file is opened.
struct ProcessContext<'a> {
    watch: &'a Watch,
    stop: Stop,
    notify: Arc<Notify>,
    /// Panics so far, without injected ones.
    panics: Arc<AtomicU64>,
}

/// Removes the read permission of other users from files that an earlier version made readable.
/// Leaves the data directory itself unchanged: it may belong to another user.
fn private(data_dir: &Path) {
    let live = data_dir.join(LIVE_FILE);
    let segments = live.with_extension("segments");
    let (history, exchange) = (data_dir.join(everwarm_history::FILE), data_dir.join(EXCHANGE));
    for path in [live, segments, history, exchange, data_dir.join(AUDIT_FILE)] {
        if let Err(e) = keep_private(&path) {
            tracing::warn!("other users may read {}: {e}", path.display());
        }
    }
}

fn runtime(workers: usize, name: &str) -> Result<Runtime, Failure> {
    let mut builder = Builder::new_multi_thread();
    let made = builder.worker_threads(workers).thread_name(name).enable_all().build();
    made.map_err(|e| Failure::new(Exit::Failed, e.to_string()))
}

async fn daemon(
    (config, sources, log): (&Config, Sources, LogLevel),
    traded: Traded,
    around: &ProcessContext<'_>,
    (workers, answers): (&Runtime, &Runtime),
) -> Result<Exit, Failure> {
    let &ProcessContext { watch, ref stop, ref notify, ref panics } = around;
    notify.report("opening the journal", None);
    let (chaos, place) =
        crate::chaos::process::from_environment().map_err(|e| Failure::new(Exit::Usage, e))?;
    chaos.enter(Phase::Starting);
    watch.begin(&chaos);
    let (opened, confirmed) =
        files::begin(config, &sources, &traded.words, (watch, &chaos)).await?;
    let listener = ApiListener::open(config, log, answers.handle())?;
    watch.enter(Step::Connect);
    notify.report("finding the exchange", None);
    let (connection, exchange) = match venue(config, confirmed, stop, watch).await {
        Ok(venue) => venue,
        Err(ending) => return ending,
    };
    opened.refuse_orders_of_ours(&config.data_dir, &connection).await?;
    let (failed, mut store_failed) = mpsc::channel(1);
    let (hopeless, on_watch) = (failed.clone(), watch.clone());
    let parts = DaemonRunParts {
        followers: FOLLOWERS,
        store: opened.store.clone(),
        archive: Arc::clone(&opened.archive),
        chaos: chaos.clone(),
        connection,
        content: Content::new(&traded.settings, config.origins(), config.live_values()),
        installation: opened.installation.clone(),
        stages: everwarm_trading::specs(),
        exchange,
        workers_on: workers.handle().clone(),
        retry: crate::tree::RETRY,
        // Full: an earlier failure was already reported.
        on_failure: Arc::new(move |why| drop(failed.try_send(store_failure(why)))),
        on_resume: supervision::resumed(watch),
        observer: Arc::new(move |notice| supervision::observe(&on_watch, notice)),
    };
    watch.enter(Step::Restore);
    let (stop_looking, stopped) = channel::channel(false);
    let (mut watcher, mut pulse, mut watchdog) = (None, None, None);
    notify.report("restoring the states", None);
    let sampled = Arc::new(Sampled::new(workers.handle().clone()));
    let lag = Arc::clone(&sampled.control);
    let measured = (Arc::clone(&sampled), Arc::clone(panics));
    let life = DaemonRun::recover_and_start(parts, |world, tree| {
        follow_time(watch, world);
        drop(place.set((world.directory.clone(), world.places)));
        watch.enter(Step::Reconcile);
        crate::chaos::process::seal(&world.journal);
        let by = reload::beside(&traded, watch);
        let reloader = Reloader::new(world.clone(), sources, config.clone(), by);
        let signals = (stop.hangup(), listener.log.clone());
        watch.supervised.know(world.directory.clone());
        watchdog = supervision::watchdog(world, tree, config.hang_limit, hopeless);
        let about = (config, traded.currency.as_str(), &reloader, measured);
        let desk = begin_api(about, listener, world, watch, &stopped);
        watcher = Some(begin_watch(world, watch, stopped));
        history_sample::begin(world, watch, &desk.history_sample, workers.handle());
        let mut actors = desk_actors(config, world, &desk, workers.handle());
        pulse = Some(Pulse::begin(world, desk, Arc::clone(notify), lag));
        actors.push(measure::sampler(&sampled));
        actors.extend(reload::actors(&reloader, signals, workers.handle()));
        actors
    });
    let life = Box::pin(started(life, &mut store_failed)).await?;
    print_steps(&life, watch);
    print_page(config, watch);
    let reason = wait(config, &life, stop, &mut store_failed, &chaos, watch).await;
    drop(pulse);
    let looking = (stop_looking, watcher, watchdog);
    end(config, life, (reason, around), looking, &mut store_failed).await
}

/// The actors that read the views: those of messages and commands, the one of backfills, the one
/// that repeats the decisions of a day, and those that poll the dominance and prices of tokens.
fn desk_actors(
    config: &Config,
    world: &World,
    desk: &Arc<LiveContext>,
    on: &Handle,
) -> Vec<ChildSpec> {
    let mut actors = messages::actors(&config.messages, world, desk, on);
    actors.extend(chat_commands::actor(&config.messages, world, desk, on));
    actors.push(backfill::actor(&config.backfill, world, &desk.backfills, on));
    actors.extend(self_replay::actor(config.self_replay, world, &desk.repeated, on));
    actors.push(storekeeper::actor(world, &desk.retains, on));
    actors.extend(dominance::actor(config.dominance.as_ref(), world, &desk.polls, on));
    actors.extend(points::actor(config.points.as_ref(), world, &desk.point_polls, on));
    actors
}

/// Uses venue time for all displayed times from here on.
fn follow_time(watch: &Watch, world: &World) {
    let clocks = world.clone();
    watch.venue_time(move || clocks.now());
}

/// Waits for the start of a run. A reported fatal failure is the reason, even if the start fails
/// too. A start that blocks its thread returns no error of its own.
async fn started(
    life: impl Future<Output = Result<DaemonRun, RunStartError>>,
    failed: &mut mpsc::Receiver<Failure>,
) -> Result<DaemonRun, Failure> {
    tokio::select! {
        biased;
        Some(failure) = failed.recv() => Err(failure),
        life = life => {
            life.map_err(|e| failed.try_recv().unwrap_or_else(|_| birth_failure(e)))
        }
    }
}

/// Prints how long each step of the start took.
fn print_steps(life: &DaemonRun, watch: &Watch) {
    let stages = life.world.journal.progress().len();
    for (name, took) in &life.steps {
        let last = *name == "start the actors";
        let detail = format!("{stages} states, run {}", life.world.journal.life());
        watch.step(name, *took, if last { detail } else { String::new() });
    }
}

/// Prints the address of the operator page, and what the run is if it is a demonstration.
fn print_page(config: &Config, watch: &Watch) {
    if let Some(ApiFile { addr, .. }) = ApiFile::read(&config.data_dir) {
        watch.step("operator page", Duration::ZERO, format!("http://{addr}/"));
    }
    print_demonstration(config, watch);
}

/// Prints that the run is a demonstration: made prices, traded by the strategy of the defaults.
fn print_demonstration(config: &Config, watch: &Watch) {
    let market = &config.market;
    let made = market.recording.is_none() && market.prices.is_none();
    let mut values = config.values.iter();
    let chosen = values.any(|value| value.is_set() && value.key.starts_with("strategy."));
    if matches!(config.venue, VenueSource::Simulated) && made && !chosen {
        let text = "play money on made prices; the strategy loses money after fees";
        watch.step("demonstration", Duration::ZERO, text.to_owned());
    }
}

/// Observing threads: the stop signal of the terminal thread, that thread, and the watchdog, which
/// runs until the end.
type Looking = (channel::Sender<bool>, Option<std::thread::JoinHandle<()>>, Option<Watchdog>);

/// Ends the run, each part within its time limit.
async fn end(
    config: &Config,
    life: DaemonRun,
    (reason, around): (Reason, &ProcessContext<'_>),
    (stop_looking, watcher, _watchdog): Looking,
    store_failed: &mut mpsc::Receiver<Failure>,
) -> Result<Exit, Failure> {
    let ProcessContext { watch, stop, notify, .. } = around;
    let world = life.world.clone();
    watch.enter(Step::Stop);
    notify.report("stopping", Some(sd_notify::NotifyState::Stopping));
    ApiFile::remove(&config.data_dir);
    let Reason(exit, failure) = reason;
    if failure.is_none() {
        let within = stop.stage("the actors end and the journal is flushed", 6);
        life.end(within).await;
    }
    stop_looking.send_replace(true);
    if let Some(watcher) = watcher {
        let within = stop.stage("the last lines are printed", 1);
        let joined = tokio::task::spawn_blocking(move || watcher.join());
        drop(tokio::time::timeout(within, joined).await);
    }
    // The last flush may have failed.
    if let Some(failure) = failure.or_else(|| store_failed.try_recv().ok()) {
        // Facts that are not on disk are lost either way; the next start repairs the files and goes
        // on.
        return Err(failure);
    }
    let within = stop.stage("the exchange ends", 2);
    drop(tokio::time::timeout(within, stop_exchange(&world)).await);
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

/// Finds the exchange or starts it. Retries one that does not start, with growing waits; one that
/// reports why it cannot run is not retried.
async fn find_exchange(
    launch: &Launch,
    stop: &Stop,
    watch: &Watch,
) -> Result<PortFile, Result<Exit, Failure>> {
    let began = clock::now();
    let found = launch.find().await.is_some();
    let mut wait = Duration::from_millis(50);
    let port = loop {
        let tried = clock::now();
        let why = match launch.ensure(0).await {
            Ok(file) => break file,
            // The previous process is still ending.
            Err(LaunchError::Ended(Some(Exit::HELD), printed)) => printed,
            Err(LaunchError::Ended(code, printed)) => {
                let exit = code.and_then(|code| Exit::of(u8::try_from(code).ok()?));
                let text = format!("the exchange ended: {printed}");
                return Err(Err(Failure::new(exit.unwrap_or(Exit::Failed), text)));
            }
            Err(LaunchError::Io(e)) if is_full(&e) => {
                let text = format!("the exchange could not be started: {e}");
                return Err(Err(Failure::new(Exit::DiskFull, text)));
            }
            Err(LaunchError::Io(e)) => e.to_string(),
        };
        let detail = format!("{why}; retrying in {} ms", wait.as_millis());
        watch.step("find the exchange", tried.elapsed(), detail);
        tokio::select! {
            () = stop.asked() => return Err(Ok(Exit::Fine)),
            () = tokio::time::sleep(wait) => {}
        }
        wait = (wait * 2).min(Duration::from_secs(5));
    };
    let how = if found { "found running" } else { "started" };
    watch.step("find the exchange", began.elapsed(), format!("{how} on port {}", port.port));
    Ok(port)
}

/// The connection to the venue, and how to restart the simulated exchange, if the daemon started
/// it.
type Reached = (Connection, Option<(Launch, u16)>);

async fn venue(
    config: &Config,
    confirmed: Option<LiveView>,
    stop: &Stop,
    watch: &Watch,
) -> Result<Reached, Result<Exit, Failure>> {
    let failed = |e: String| Err(Failure::new(Exit::Failed, e));
    let remote = match &config.venue {
        VenueSource::Remote(remote) => remote,
        VenueSource::Simulated => {
            let launch = launch(config).map_err(Err)?;
            let port = find_exchange(&launch, stop, watch).await?;
            let connection = adapters::simulated(&port, passing(config)).map_err(failed)?;
            let note = venue_usage::note(&config.data_dir);
            let (streams, compare) = (config.streams, config.compare);
            let connection = Connection { streams, compare, note, ..connection };
            return Ok((connection, Some((launch, port.port))));
        }
    };
    let connection = elsewhere(config, remote).map_err(Err)?;
    if let Some(confirmed) = confirmed {
        let allowed = real_money::allowed(&connection, &confirmed, watch);
        tokio::select! {
            allowed = allowed => allowed.map_err(Err)?,
            () = stop.asked() => return Err(Ok(Exit::Fine)),
        }
    }
    Ok((connection, None))
}

/// The connection to an external exchange.
fn elsewhere(config: &Config, remote: &Remote) -> Result<Connection, Failure> {
    let unread = || Failure::new(Exit::Failed, "the key of the account was not read");
    let open = remote.open.clone().ok_or_else(unread)?;
    let (passing, note) = (passing(config), venue_usage::note(&config.data_dir));
    let (places, live) = (adapters::places(remote.kind), remote.live);
    let (wheel, admin) = (None, None);
    let (streams, compare) = (config.streams, config.compare);
    Ok(Connection { places, open, wheel, admin, streams, live, compare, passing, note })
}

fn passing(config: &Config) -> Passing {
    match config.market.pace {
        Pace::Lockstep => Passing::Lockstep,
        Pace::Times(factor) => Passing::Scaled(factor),
    }
}

/// Why the daemon ends: its exit code, and the failure if there was one.
struct Reason(Exit, Option<Failure>);

async fn wait(
    config: &Config,
    life: &DaemonRun,
    stop: &Stop,
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
        () = stop.asked() => Reason(Exit::Fine, None),
        // Other failures follow from this one and are not the reason.
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

/// Starts the thread that prints to the terminal: a slow reader does not delay trading.
fn begin_watch(
    world: &World,
    watch: &Watch,
    stopped: channel::Receiver<bool>,
) -> std::thread::JoinHandle<()> {
    let (journal, watch) = (Arc::clone(&world.journal), watch.clone());
    let (head, archive) = (journal.last_row(), Arc::clone(&world.archive));
    let handle = Handle::current();
    std::thread::spawn(move || {
        let facts = audit::StoreFacts(journal.store().clone());
        let followed = watch
            .restore(&facts, &archive, head)
            .and_then(|()| handle.block_on(watch.follow(&journal, &archive, stopped)));
        if let Err(e) = followed {
            tracing::warn!("the terminal does not follow any more: {e}");
        }
    })
}

/// Parts of the API: configuration, currency, the reloader, samples and the panic count.
type About<'a> = (&'a Config, &'a str, &'a Arc<Reloader>, (Arc<Sampled>, Arc<AtomicU64>));

fn begin_api(
    (config, currency, reloader, (sampled, panics)): About<'_>,
    listening: ApiListener,
    world: &World,
    watch: &Watch,
    stopped: &channel::Receiver<bool>,
) -> Arc<LiveContext> {
    let desk = Arc::new(LiveContext::new(
        world,
        watch,
        config,
        (Arc::clone(reloader), listening.log.clone()),
    ));
    let refusals = Refusals::default();
    let asked = Arc::clone(&desk) as _;
    let (currency, logged) = (currency.to_owned(), listening.log.counts.clone());
    let (refused, deliveries) = (refusals.clone(), desk.deliveries.clone());
    let (repeated, commands) = (desk.repeated.clone(), desk.commands.clone());
    let points = desk.point_polls.clone();
    let parts = Parts {
        currency,
        refusals: refused,
        logged,
        panics,
        sampled,
        deliveries,
        repeated,
        commands,
        points,
    };
    let metrics = measure::metrics(config, parts, world, watch, asked);
    let data_dir = config.data_dir.clone();
    let control = Arc::new(LiveControl {
        world: world.clone(),
        watch: watch.clone(),
        reloader: Arc::clone(reloader),
        log: listening.log,
        context: Arc::clone(&desk),
        data_dir: data_dir.clone(),
    });
    let backup = backup::of(world, &config.data_dir);
    let export = export::of(world, &config.data_dir);
    let changes = Changes { token: listening.token, control, backup, export };
    let answers = Arc::clone(&desk) as _;
    let api = Api::new(answers, (Some(metrics), refusals), changes, data_dir.clone());
    let written = listening.listener.local_addr().and_then(|addr| {
        let pid = std::process::id();
        let beyond = listening.beyond.as_ref().and_then(|(other, _)| other.local_addr().ok());
        ApiFile { addr, pid, beyond }.write(&data_dir)
    });
    if let Err(e) = written {
        tracing::error!("the address of the API was not written: {}: {e}", api::FILE);
    }
    let entries = listening.beyond.map(|(other, tls)| Entry::Beyond(other, tls));
    for entry in entries.into_iter().chain([Entry::Here(listening.listener)]) {
        let mut stopped = stopped.clone();
        let stop = async move { drop(stopped.wait_for(|stopped| *stopped).await) };
        listening.on.spawn(api::serve(entry, api.clone(), stop));
    }
    desk
}

fn birth_failure(error: RunStartError) -> Failure {
    match error {
        RunStartError::Store(e) => store_failure(&e),
        RunStartError::Venue(_) => Failure::new(Exit::Failed, error.to_string()),
        RunStartError::Strategy(_) => Failure::new(Exit::Refused, error.to_string()),
        RunStartError::History(HistoryError::Archive(full @ ArchiveError::Full { .. })) => {
            full.into()
        }
        RunStartError::History(_) => Failure::new(Exit::StoreFailed, error.to_string()),
        RunStartError::Tree(_) => Failure::new(Exit::RootGaveUp, error.to_string()),
    }
}

fn launch(config: &Config) -> Result<Launch, Failure> {
    let program = std::env::current_exe();
    let program = program.map_err(|e| Failure::new(Exit::Failed, e.to_string()))?;
    let dir = config.data_dir.join(EXCHANGE);
    let pace = config.market.pace.to_string();
    let mut without = config.variables.clone();
    without.extend(notify::VARIABLES.map(str::to_owned));
    without.push(heap::BEGAN.to_owned());
    let mut arguments = config.market.flags();
    let protocol = injected::protocol(config)?;
    if protocol != Protocol::default() {
        arguments.extend(["--protocol".into(), protocol.to_string().into()]);
    }
    Ok(Launch { program, arguments, pace, dir, without })
}

/// Hides the message of injected panics and counts all others.
fn quiet_injections() -> Arc<AtomicU64> {
    let panics = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&panics);
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let text = info.payload().downcast_ref::<String>();
        if !text.is_some_and(|text| text.starts_with("everwarm:injected:")) {
            seen.fetch_add(1, Relaxed);
            default(info);
        }
    }));
    panics
}
