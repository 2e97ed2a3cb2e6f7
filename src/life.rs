//! One life of the daemon in a process: from an opened store to a running tree, and back.
//!
//! There is one way to start, and a crash is its normal case.

use crate::domain::fact::Body;
use crate::domain::id::Symbol;
use crate::domain::market::Bar;
use crate::domain::settings::Settings;
use crate::domain::time::Timeframe;
use crate::edge::board::Board;
use crate::edge::config::{InForce, Wanted};
use crate::edge::exchange::Launch;
use crate::edge::gateway_book::GatewayBook;
use crate::edge::world::{LOOKUPS, Passing, World, wall};
use crate::history::HistoryLibrary;
use crate::history::bars::keep;
use crate::history::fetch::{fetch, lost};
use crate::history::queries::HistoryError;
use crate::trading::{StageSpec, bars::Closes};
use crate::tree::{self, Seed};
use crate::venue::binance::{ApiKey, BinanceClient, Config as VenueConfig};
use crate::venue::clock::{Pace, SharedClock};
use crate::venue::port::VenueError;
use crate::venue::rate_limit::BanNote;
use crate::venue::simulated::Admin;
use crate::venue::{Probe, Secret};
use everwarm_runtime::chaos::Chaos;
use everwarm_runtime::journal::{Journal, Options, StageInfo};
use everwarm_runtime::runner::ResumeReport;
use everwarm_runtime::stage::Stage;
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::store::{Store, StoreError};
use everwarm_runtime::supervise::{
    ChildSpec, Directory, Observer, RootError, RootHandle, RootOutcome, Tree,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

/// Name the live file is marked with.
pub const APPLICATION: &str = "everwarm";
/// Name of the live file.
pub const LIVE_FILE: &str = "live.redb";
/// How long the tree may take to stop.
const STOP: Duration = Duration::from_secs(25);

/// The venue as a life finds it.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Address of REST.
    pub rest: String,
    /// Base address of the market streams.
    pub stream: String,
    /// Address of the WebSocket API.
    pub ws_api: String,
    /// Key of the account.
    pub key: ApiKey,
    /// The steering wheel, where the venue is simulated.
    pub admin: Option<Admin>,
    /// How its time passes.
    pub passing: Passing,
    /// Where a ban by it is noted.
    pub ban: BanNote,
}

impl Connection {
    /// The simulated exchange on a port of this machine.
    ///
    /// # Errors
    /// The HTTP set-up of this machine cannot be used.
    pub fn simulated(
        port: u16,
        token: &str,
        (key, secret): (&str, &str),
        passing: Passing,
    ) -> Result<Connection, String> {
        let rest = format!("http://127.0.0.1:{port}");
        Ok(Connection {
            admin: Some(Admin::new(&rest, token)?),
            rest,
            stream: format!("ws://127.0.0.1:{port}"),
            ws_api: format!("ws://127.0.0.1:{port}/ws-api/v3"),
            key: ApiKey { key: Secret::new(key), secret: Secret::new(secret) },
            passing,
            ban: BanNote::default(),
        })
    }
}

/// What a life is given.
pub struct Birth {
    /// The live file.
    pub store: Store,
    /// The history.
    pub archive: Arc<Archive>,
    /// The kill points.
    pub chaos: Chaos,
    /// The venue.
    pub connection: Connection,
    /// What to trade; empty: all the venue has.
    pub symbols: Vec<Symbol>,
    /// What the stages are told.
    pub settings: Settings,
    /// Where values other than defaults came from.
    pub origins: Vec<(String, String)>,
    /// Identity of a fresh installation.
    pub installation: String,
    /// The stages, by rank.
    pub stages: Vec<StageSpec>,
    /// How to start the exchange, and on which port, where we keep it.
    pub exchange: Option<(Launch, u16)>,
    /// Where workers run; supervisors run where the life is begun.
    pub workers_on: Handle,
    /// Called when the live file or the history cannot be used any more.
    pub on_failure: Arc<dyn Fn(&StoreError) + Send + Sync>,
    /// Told what each start of a stage took.
    pub on_resume: Arc<dyn Fn(&'static str, ResumeReport) + Send + Sync>,
    /// Told of everything in the tree.
    pub observer: Observer,
}

/// Why a life could not begin.
#[derive(Debug, thiserror::Error)]
pub enum BirthError {
    /// The live file.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The venue or this machine's set-up.
    #[error("{0}")]
    Venue(String),
    /// The history.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The tree.
    #[error(transparent)]
    Tree(#[from] RootError),
}

/// A running daemon.
pub struct Life {
    /// What the edge shares.
    pub world: World,
    /// The tree.
    pub root: RootHandle,
    /// Becomes true when a recording has ended and everything it caused is done.
    pub ended: watch::Receiver<bool>,
}

impl Life {
    /// Begins: opens the journal, learns the symbols, grows the tree. `ops` makes what people look
    /// in through.
    ///
    /// # Errors
    /// See [`BirthError`].
    pub async fn begin(
        birth: Birth,
        ops: impl FnOnce(&World) -> Vec<ChildSpec>,
    ) -> Result<Life, BirthError> {
        let world = world(&birth).await?;
        let (ended, at_end) = watch::channel(false);
        let seed = Seed {
            ops: ops(&world),
            world: world.clone(),
            wanted: Wanted {
                installation: birth.installation,
                settings: birth.settings,
                origins: birth.origins,
            },
            exchange: birth.exchange,
            stages: birth.stages,
            workers_on: birth.workers_on,
            on_resume: birth.on_resume,
            ended,
        };
        let root = Tree {
            directory: world.directory.clone(),
            ..Tree::new(birth.observer, Arc::new(wall))
        };
        let root = root.start(tree::tree(&seed)).await?;
        Ok(Life { world, root, ended: at_end })
    }

    /// Stops the tree in order, then flushes and ends the journal.
    pub async fn end(self) -> RootOutcome {
        let outcome = self.root.stop(STOP).await;
        let journal = Arc::clone(&self.world.journal);
        if let Err(e) = tokio::task::spawn_blocking(move || journal.close()).await {
            tracing::warn!(error = %e, "the journal did not end in order");
        }
        outcome
    }
}

/// What the journal knows of everybody who reads by round.
#[must_use]
pub fn places(stages: &[StageSpec]) -> Vec<StageInfo> {
    let followers: [&dyn Stage<Body = Body>; 3] =
        [&InForce::default(), &GatewayBook::default(), &Closes::default()];
    let stages = stages.iter().map(|spec| StageInfo::of(&*(spec.make)()));
    stages.chain(followers.map(StageInfo::of)).collect()
}

async fn world(birth: &Birth) -> Result<World, BirthError> {
    let on_failure = Arc::clone(&birth.on_failure);
    let options = Options {
        chaos: birth.chaos.clone(),
        ..Options::new(move |why: &StoreError| on_failure(why))
    };
    let journal = Journal::open(birth.store.clone(), places(&birth.stages), options)?;
    let Connection { rest, stream, ws_api, key, admin, passing, ban } = birth.connection.clone();
    let clock = SharedClock::new(match passing {
        Passing::Lockstep => Pace::Manual(0),
        Passing::Scaled(1) => Pace::Real,
        Passing::Scaled(factor) => {
            let wall = wall();
            Pace::Scaled { wall, venue: wall, per_mille: factor.saturating_mul(1000) }
        }
    });
    // A scaled venue ages requests as fast as it moves.
    let recv_window = match passing {
        Passing::Lockstep | Passing::Scaled(1) => birth.settings.trading.recv_window_ms,
        Passing::Scaled(_) => 60_000,
    };
    let venue = BinanceClient::new(VenueConfig {
        rest,
        stream,
        ws_api,
        key: Some(key),
        recv_window,
        clock: clock.clone(),
        wall: Arc::new(wall),
        probe: Probe::default(),
        ban,
    })
    .map_err(BirthError::Venue)?;
    let symbols = symbols(&venue, &birth.symbols).await;
    fetch_again(&venue, birth).await?;
    Ok(World {
        journal,
        archive: Arc::clone(&birth.archive),
        library: Arc::new(HistoryLibrary::new(Arc::clone(&birth.archive))),
        venue,
        clock,
        admin,
        passing,
        symbols: symbols.into(),
        board: Arc::new(Board::default()),
        directory: Directory::default(),
        recv_window,
        lookups: Arc::new(Semaphore::new(LOOKUPS)),
        on_failure: Arc::clone(&birth.on_failure),
    })
}

/// What is traded, by name: as wanted, or all the venue has. Asks until there is an answer.
async fn symbols(venue: &BinanceClient, wanted: &[Symbol]) -> Vec<Symbol> {
    let mut symbols = wanted.to_vec();
    if symbols.is_empty() {
        let rules = answer(|| venue.instruments(&[])).await;
        symbols.extend(rules.into_iter().map(|rule| rule.symbol));
    }
    symbols.sort();
    symbols
}

/// Fetches again what was announced of the past and went with a history that was taken away. What
/// the venue tells otherwise now stays missing: `verify` says so.
async fn fetch_again(venue: &BinanceClient, birth: &Birth) -> Result<(), BirthError> {
    let mut again: BTreeMap<Timeframe, Vec<(Symbol, Vec<Bar>)>> = BTreeMap::new();
    for lost in lost(&birth.archive, &birth.store)? {
        let (symbol, timeframe) = lost.of;
        let bars = answer(|| fetch(venue, lost.of, lost.times.clone())).await;
        if lost.is(&bars) {
            again.entry(timeframe).or_default().push((symbol, bars));
        } else {
            tracing::warn!("the past of {symbol} is gone, and the venue tells another one now");
        }
    }
    for (timeframe, ranges) in again {
        keep(&birth.archive, timeframe, &ranges)?;
        let bars: usize = ranges.iter().map(|(_, bars)| bars.len()).sum();
        let symbols = ranges.len();
        tracing::warn!("the past of {symbols} symbols was gone; {bars} bars were fetched again");
    }
    Ok(())
}

/// Asks until there is an answer.
async fn answer<T, F: Future<Output = Result<T, VenueError>>>(ask: impl Fn() -> F) -> T {
    let mut wait = Duration::from_millis(50);
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(e) => tracing::info!(error = %e, "the venue does not answer; asking again"),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(5));
    }
}
