//! The backfill of a data directory that no daemon uses. A plan only reads its files.

use super::super::answers::percent;
use super::super::exchange::played;
use super::super::fetch_history::{patiently, why};
use super::super::files;
use super::super::identity::{self, Traded};
use super::super::injected;
use super::super::panic::bought;
use super::super::{Watch, elsewhere, launch, passing, runtime, venue_usage};
use super::meter::Meter;
use super::plan::{Scope, needs, plans};
use super::runs::checked;
use super::symbols::{symbols, unreported};
use super::work::Work;
use super::{planned, supported};
use crate::adapters;
use crate::audit::{StoreFacts, store_failure};
use crate::daemon_run::{APPLICATION, Connection, LIVE_FILE};
use everwarm_config::{Config, VenueSource};
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_edge::world::Passing;
use everwarm_history as history;
use everwarm_history::projection::projected_through;
use everwarm_history::queries::HistoryError;
use everwarm_runtime::chaos::Chaos;
use everwarm_runtime::clock::{self, wall};
use everwarm_runtime::store::Store;
use everwarm_runtime::store::archive::Archive;
use everwarm_sim::server::port::PortFile;
use everwarm_venue::port::{Hours, VenueError};
use everwarm_venue::{Ports, install_tls};
use everwarm_views::backfill::{BackfillRequest, BackfillView};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::journal_reader::JournalFacts as _;
use everwarm_views::memory::Memory;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

/// Receive window, milliseconds of venue time. No request is signed.
const RECV_WINDOW: i64 = 5_000;
/// Wall time between two reports of the progress.
const REPORT: Duration = Duration::from_millis(200);

/// Completes the bars of a data directory, or plans that.
///
/// # Errors
/// A daemon uses the directory, the venue cannot be used, or a file cannot be read or written. A
/// series that is not whole is in the result.
pub fn run(
    config: &Config,
    request: &BackfillRequest,
    on_progress: &dyn Fn(&BackfillView),
) -> Result<BackfillView, Failure> {
    checked(request)?;
    install_tls();
    let traded = match &config.venue {
        VenueSource::Simulated => Traded::simulated(config)?,
        VenueSource::Remote(remote) => Traded::at(config, remote),
    };
    identity::check(&config.data_dir, &traded.words)?;
    let meter = Meter::of(BackfillView { request: request.clone(), ..BackfillView::default() });
    let job = Job { config, traded, meter };
    runtime(1, "backfill")?.block_on(async {
        if request.plan { job.plan().await } else { job.fetch(on_progress).await }
    })
}

/// A backfill without a daemon.
struct Job<'a> {
    config: &'a Config,
    traded: Traded,
    meter: Meter,
}

/// What the files show of the last run.
#[derive(Default)]
struct LastRun {
    /// The symbols that were wanted.
    symbols: BTreeSet<Symbol>,
    /// The last close; none: there was none.
    close: Option<UtcMs>,
}

/// The venue.
struct Venue {
    connection: Connection,
    ports: Ports,
    /// Whether it can be queried: an exchange that does not run is not started for a plan.
    runs: bool,
}

impl Job<'_> {
    /// Plans by the files, without changing them.
    async fn plan(&self) -> Result<BackfillView, Failure> {
        let dir = &self.config.data_dir;
        let live = dir.join(LIVE_FILE);
        let there = live.exists();
        let store = there.then(|| Store::look(&live, APPLICATION)).transpose();
        let store = store.map_err(|e| store_failure(&e))?;
        let archive = match Archive::look(&dir.join(history::FILE))? {
            Some(archive) => archive,
            None => Archive::in_memory(&dir.join(history::FILE))?,
        };
        let last = store.map_or_else(|| Ok(LastRun::default()), |s| last_run(&s, &archive))?;
        let venue = self.venue(false).await?;
        let through = self.through(&venue, last.close).await?;
        let scope = self.scope(&venue, last, through).await?;
        let plans = plans(&archive, &scope, &needs(&self.traded.settings)).map_err(unread)?;
        planned(&self.meter, &plans, &scope, (&*venue.ports.source, venue.speed()));
        Ok(self.meter.view())
    }

    /// Fetches what the history lacks.
    async fn fetch(&self, on_progress: &dyn Fn(&BackfillView)) -> Result<BackfillView, Failure> {
        let config = self.config;
        let opened = files::open_now(config, &Watch::new(None, clock::now()), &Chaos::off())?;
        identity::note(&config.data_dir, &self.traded.words)?;
        let last = last_run(&opened.store, &opened.archive)?;
        let found = match &config.venue {
            VenueSource::Simulated => launch(config)?.find().await.is_some(),
            VenueSource::Remote(_) => true,
        };
        let venue = self.venue(true).await?;
        let done = self.fetched(&venue, last, &opened.archive, on_progress).await;
        if let (false, Some(admin)) = (found, &venue.connection.admin)
            && let Err(e) = admin.stop().await
        {
            tracing::debug!(error = %e, "the exchange had ended already");
        }
        done
    }

    async fn fetched(
        &self,
        venue: &Venue,
        last: LastRun,
        archive: &Arc<Archive>,
        on_progress: &dyn Fn(&BackfillView),
    ) -> Result<BackfillView, Failure> {
        let through = self.through(venue, last.close).await?;
        let scope = self.scope(venue, last, through).await?;
        let plans = plans(archive, &scope, &needs(&self.traded.settings)).map_err(unread)?;
        let source = &venue.ports.source;
        planned(&self.meter, &plans, &scope, (&**source, venue.speed()));
        let work = Work {
            source: Arc::clone(source),
            archive: Arc::clone(archive),
            sessions: scope.sessions,
            beside: None,
            meter: self.meter.clone(),
            failed: AtomicUsize::new(0),
        };
        let mut running = std::pin::pin!(work.run(plans));
        loop {
            tokio::select! {
                () = &mut running => break,
                () = tokio::time::sleep(REPORT) => {
                    let used = percent(venue.ports.venue.used()).unwrap_or_default();
                    self.meter.change(|view| view.budget_used_percent = used);
                    on_progress(&self.meter.view());
                }
            }
        }
        Ok(self.meter.view())
    }

    /// The venue of the configuration. A simulated exchange is started if it does not run and
    /// `start` is set.
    async fn venue(&self, start: bool) -> Result<Venue, Failure> {
        let (config, failed) = (self.config, |e| Failure::new(Exit::Failed, e));
        let (connection, runs) = match &config.venue {
            VenueSource::Remote(remote) => (elsewhere(config, remote)?, true),
            VenueSource::Simulated => {
                let launch = launch(config)?;
                let found = match launch.find().await {
                    None if start => Some(launch.ensure(0).await.map_err(|e| {
                        failed(format!("the simulated exchange does not start: {e}"))
                    })?),
                    found => found,
                };
                let runs = found.is_some();
                let file = found.unwrap_or_else(|| PortFile::new(0, "", &launch.pace));
                let connection = adapters::simulated(&file, passing(config)).map_err(failed)?;
                let note = venue_usage::note(&config.data_dir);
                (Connection { note, ..connection }, runs)
            }
        };
        let mut connection = connection;
        if !start {
            // A plan changes no file.
            connection.note.write = Arc::new(|_, _| ());
        }
        let ports = connection.ports(RECV_WINDOW).map_err(failed)?;
        Ok(Venue { connection, ports, runs })
    }

    /// The last close whose bars are final.
    async fn through(&self, venue: &Venue, close: Option<UtcMs>) -> Result<UtcMs, Failure> {
        let lockstep = venue.connection.passing == Passing::Lockstep;
        let reached = match &venue.connection.admin {
            _ if !venue.runs => close.unwrap_or_else(|| self.begins()),
            Some(admin) if lockstep => {
                let mut status = admin.status().await.map_err(|e| unanswered(&e))?;
                if !status.in_step {
                    let close = close.unwrap_or(status.market);
                    status = admin.advance(close, close).await.map_err(|e| unanswered(&e))?;
                }
                status.market
            }
            Some(_) | None => {
                let time = patiently(async || venue.ports.venue.server_time().await).await;
                let settles = venue.ports.source.capabilities().settles;
                time.map_err(|e| unanswered(&e))?.server - settles
            }
        };
        Ok(Timeframe::M1.open_of(reached))
    }

    /// Where the time of a simulated exchange begins that never ran.
    fn begins(&self) -> UtcMs {
        let market = injected::protocol(self.config);
        let market = market.and_then(|protocol| played(protocol, &self.config.market));
        // Live prices have the time of their source.
        market.map_or_else(|_| wall().utc(), |(market, _)| market.start())
    }

    async fn scope(&self, venue: &Venue, last: LastRun, through: UtcMs) -> Result<Scope, Failure> {
        let (request, settings) = (self.meter.view().request, &self.traded.settings);
        let usage = |why: String| Failure::new(Exit::Usage, why);
        let mut traded = last.symbols;
        if traded.is_empty() {
            traded.extend(settings.universe.names.iter().copied());
        }
        let by_rule = traded.is_empty() && request.symbols.is_empty();
        let port = &venue.ports.venue;
        let rules: Result<Vec<Instrument>, VenueError> = match (&request.symbols[..], venue.runs) {
            ([], _) if !request.universe && !by_rule => Ok(Vec::new()),
            (_, true) => patiently(async || port.instruments(&[]).await).await,
            (_, false) => Ok(self.traded.rules.clone()),
        };
        let rules = rules.map_err(|e| Failure::new(Exit::Failed, unreported(&e)))?;
        if by_rule {
            // A first start trades what the rule of the configuration leaves.
            let mut left = rules.clone();
            bought(&mut left, &settings.universe, &settings.trading.quote_asset);
            traded.extend(left.iter().map(|rule| rule.symbol));
        }
        let capabilities = venue.ports.source.capabilities();
        let settled = &self.config.backfill;
        let widths = supported(&request.timeframes, &settled.timeframes, capabilities.widths);
        let hours = if venue.runs {
            patiently(async || port.hours().await).await.map_err(|e| unanswered(&e))?
        } else {
            Hours::default()
        };
        Ok(Scope {
            bars: request.scope,
            days: request.days.unwrap_or(settled.days),
            timeframes: widths.map_err(usage)?,
            symbols: symbols(&request, &traded, rules, settings).map_err(usage)?,
            force: request.force,
            through,
            sessions: hours.sessions.unwrap_or_default(),
            page: capabilities.page,
        })
    }
}

impl Venue {
    /// How fast its time passes; 0: it stands still.
    fn speed(&self) -> u32 {
        match self.connection.passing {
            Passing::Scaled(factor) => factor,
            Passing::Lockstep => 0,
        }
    }
}

/// What the files show of the last run.
fn last_run(store: &Store, archive: &Archive) -> Result<LastRun, Failure> {
    let mut memory = Memory::load(archive, projected_through(archive)?)?;
    StoreFacts(store.clone()).each_left(memory.next_row(), &mut |left| {
        memory.take(&left);
        ControlFlow::Continue(())
    })?;
    let status = &memory.now().status;
    let symbols = status.symbols().into_iter().filter(|row| row.wanted).map(|row| row.symbol);
    Ok(LastRun { symbols: symbols.collect(), close: status.view().close_time })
}

fn unread(error: HistoryError) -> Failure {
    error.into()
}

fn unanswered(error: &VenueError) -> Failure {
    Failure::new(Exit::Failed, format!("the venue does not respond: {}", why(error)))
}
