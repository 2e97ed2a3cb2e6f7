//! Start and end of the server.

use super::connections::{Line, Lines};
use super::guard::guard;
use super::limits::{Counters, Spent};
use super::pace::{Pace, VenueClock};
use super::port::{self, PortFile};
use super::protocol::Protocol;
use super::request_queue::{Desk, Phase};
use super::requests::Requests;
use super::{admin, api, rest, sockets};
use crate::alpaca;
use crate::books::{Books, BooksError};
use crate::exchange::local::InitialBooks;
use crate::faults::Faults;
use crate::market::{GRID, Market};
use crate::wire::info::Limits;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::any;
use everwarm_domain::time::UtcMs;
use everwarm_runtime::clock;
use everwarm_runtime::store::{Store, StoreError};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Time without a request or a connection after which the exchange stops.
pub const IDLE_EXIT: Duration = Duration::from_mins(1);
/// Wall time between records of venue time, unless in lockstep.
const NOTE_EVERY: Duration = Duration::from_millis(250);
/// Wall time between saves of the used limits.
const KEEP_EVERY: Duration = Duration::from_secs(1);
/// Most venue time that a kill may lose, as wall time in milliseconds: the records since the last
/// sync, and a margin.
const LOST_BY_KILL: i64 = 2_000;
/// A market that started less than this long ago counts as current, milliseconds.
const PRESENT: i64 = 120_000;
/// Time that open requests get when the server stops.
const GRACE: Duration = Duration::from_secs(5);

/// How to run an exchange.
pub struct SimOptions {
    /// Directory of its books and its port file.
    pub data_dir: PathBuf,
    /// Port on 127.0.0.1. 0: any free port.
    pub port: u16,
    /// How fast venue time runs.
    pub pace: Pace,
    /// The market it serves.
    pub market: Box<dyn Market>,
    /// The protocol, and the initial state of new books. The state has no effect on existing
    /// books.
    pub setup: InitialBooks,
    /// Time without a client after which it stops. None: never.
    pub idle_exit: Option<Duration>,
}

/// Why an exchange cannot start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// Its books cannot be opened or written.
    #[error(transparent)]
    Books(#[from] BooksError),
    /// Its directory, one of its files or its port cannot be used.
    #[error("{what}: {source}")]
    Io {
        /// The failed action.
        what: String,
        /// The error of the system.
        source: io::Error,
    },
    /// The books in the directory have other instruments than the market.
    #[error("{} holds the books of {books}, the market shows {market}", dir.display())]
    OtherMarket {
        /// The directory.
        dir: PathBuf,
        /// Symbols of the books.
        books: String,
        /// Symbols of the market.
        market: String,
    },
    /// The disk has no room for its books.
    #[error("the exchange ended: {0}")]
    Full(String),
    /// It could not write its books any more.
    #[error("the exchange ended: {0}")]
    Failed(String),
}

impl fmt::Debug for SimOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimOptions")
            .field("data_dir", &self.data_dir)
            .field("port", &self.port)
            .field("pace", &self.pace)
            .field("setup", &self.setup)
            .field("idle_exit", &self.idle_exit)
            .finish_non_exhaustive()
    }
}

fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> SimError {
    let what = what.into();
    move |source| SimError::Io { what, source }
}

/// A running exchange.
pub struct SimHandle {
    /// The address where it listens.
    pub addr: SocketAddr,
    /// The token of admin requests.
    pub token: String,
    desk: Arc<Desk>,
    server: JoinHandle<Result<(), SimError>>,
}

impl fmt::Debug for SimHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimHandle").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl SimHandle {
    /// Stops the exchange and waits until it has ended.
    ///
    /// # Errors
    /// As [`SimHandle::ended`].
    pub async fn stop(self) -> Result<(), SimError> {
        self.desk.stop();
        self.ended().await
    }

    /// Sets the timeouts of new connections.
    #[cfg(test)]
    pub(crate) fn wait(&self, patience: super::sockets::Patience) {
        self.desk.wait(patience);
    }

    /// Waits until it ends.
    ///
    /// # Errors
    /// It ended because its books could not be written.
    pub async fn ended(self) -> Result<(), SimError> {
        let ended = self.server.await;
        ended.map_err(|error| SimError::Failed(error.to_string()))?
    }
}

/// Runs an exchange until it is stopped, or has had no client for too long.
///
/// # Errors
/// See [`SimError`].
pub async fn serve(options: SimOptions) -> Result<(), SimError> {
    start(options).await?.ended().await
}

/// Starts an exchange. It accepts requests when this returns.
///
/// # Errors
/// See [`SimError`].
pub async fn start(options: SimOptions) -> Result<SimHandle, SimError> {
    let made = std::fs::create_dir_all(&options.data_dir);
    made.map_err(io_error(format!("cannot make {}", options.data_dir.display())))?;
    let store = Books::store(&options.data_dir).map_err(BooksError::from)?;
    start_on(store, options).await
}

/// Starts an exchange with the books in this store. `data_dir` holds only its other files.
///
/// # Errors
/// See [`SimError`].
pub async fn start_on(store: Store, options: SimOptions) -> Result<SimHandle, SimError> {
    let SimOptions { data_dir, port, pace, mut market, setup, idle_exit } = options;
    let protocol = setup.protocol;
    let (phase, _) = watch::channel(Phase::Running);
    let failed = phase.clone();
    let mut books = Books::open(store, move |error| {
        let why = error.to_string();
        let full = matches!(error, StoreError::Full(_));
        failed.send_replace(if full { Phase::Full(why) } else { Phase::Failed(why) });
    })?;
    if books.exchange().is_open() {
        same_market(&data_dir, &books, market.as_ref())?;
        same_protocol(&data_dir, &books, protocol)?;
    } else {
        let opened = books.request(setup.open(market.as_mut()));
        if let Ok((_, row)) = &opened {
            books.gate().durable(*row).await;
        }
        // The journal's own error is the reason.
        if let Phase::Full(why) = &*phase.borrow() {
            return Err(SimError::Full(why.clone()));
        }
        opened?;
    }
    if let Some(prices) = setup.prices(books.exchange()) {
        let (_, row) = books.request(prices)?;
        books.gate().durable(row).await;
    }
    let killed = port::path(&data_dir).exists();
    let lost = if killed && pace != Pace::Lockstep { LOST_BY_KILL } else { 0 };
    let mut base = books.exchange().now() + lost * UtcMs::from(pace.factor());
    let wall = clock::wall().utc();
    let current = pace == Pace::Times(1) && (0..PRESENT).contains(&(wall - market.start()));
    // A current market runs on wall time, as clients do. A live one knows its time.
    let time = market.time();
    let there = time.as_ref().map(|time| time());
    base = base.max(there.or(current.then_some(wall)).unwrap_or(base));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = listener.map_err(io_error(format!("cannot listen on port {port}")))?;
    let addr = listener.local_addr().map_err(io_error("cannot read the port"))?;
    let token = port::token();
    let clock = VenueClock::starting(pace, base).following(time);
    let faults = Faults::open(&data_dir, pace == Pace::Lockstep);
    let faults = faults.map_err(io_error("cannot read what is to misbehave"))?;
    let requests = Requests::open(&data_dir).map_err(io_error("cannot write the request log"))?;
    let limits = Limits::scaled(pace.limits());
    let counters = Counters::restored(limits, &data_dir);
    let counters = counters.map_err(io_error("cannot read what was used of the limits"))?;
    let more = (protocol, counters, faults, requests);
    let (desk, sending) = Desk::open(books, market, clock, token.clone(), phase, more);
    let file = PortFile::new(addr.port(), &token, &pace.to_string());
    let file = PortFile { protocol, ..file };
    file.write(&data_dir).map_err(io_error("cannot write the port file"))?;
    let server = tokio::spawn(run(Arc::clone(&desk), sending, listener, data_dir, idle_exit));
    Ok(SimHandle { addr, token, desk, server })
}

fn same_market(dir: &Path, books: &Books, market: &dyn Market) -> Result<(), SimError> {
    let names = |list: &[everwarm_domain::instrument::Instrument]| {
        list.iter().map(|i| i.symbol.to_string()).collect::<Vec<_>>().join(", ")
    };
    let (books, market) = (names(books.exchange().instruments()), names(market.instruments()));
    if books == market {
        return Ok(());
    }
    Err(SimError::OtherMarket { dir: dir.to_owned(), books, market })
}

/// Checks that the books hold shares if and only if the protocol trades shares.
fn same_protocol(dir: &Path, books: &Books, protocol: Protocol) -> Result<(), SimError> {
    let shares = books.exchange().instruments().iter().all(alpaca::opening::is_share);
    if shares || !protocol.trades_shares() {
        return Ok(());
    }
    let dir = dir.display();
    Err(SimError::Failed(format!(
        "{dir} holds books of another protocol; give the protocol {protocol} a directory of its own"
    )))
}

fn router(desk: Arc<Desk>) -> Router {
    let router = match desk.protocol {
        Protocol::Binance => Router::new()
            .route("/ws", any(sockets::raw))
            .route("/ws/{*streams}", any(sockets::raw))
            .route("/stream", any(sockets::combined))
            .route("/ws-api/v3", any(api::api))
            .fallback(rest::handle),
        Protocol::Alpaca => Router::new()
            .route("/stream", any(alpaca::stream::stream))
            .route("/v2/iex", any(alpaca::data::feed))
            .route("/v2/sip", any(alpaca::data::feed))
            .route("/v2/test", any(alpaca::data::feed))
            .fallback(alpaca::rest::handle),
    };
    router
        .route("/sim/v1/{name}", any(admin::handle))
        .layer(from_fn_with_state(Arc::clone(&desk), guard))
        .with_state(desk)
}

async fn run(
    desk: Arc<Desk>,
    sending: JoinHandle<()>,
    listener: TcpListener,
    data_dir: PathBuf,
    idle_exit: Option<Duration>,
) -> Result<(), SimError> {
    let clock = tokio::spawn(keep_time(Arc::clone(&desk)));
    let watch = tokio::spawn(watch_idle(Arc::clone(&desk), idle_exit));
    let (enough, ended) = oneshot::channel();
    let keeping = tokio::spawn(keep_limits(Arc::clone(&desk), data_dir.clone(), ended));
    let mut asked = desk.phase();
    let stopping = async move { Phase::over(&mut asked).await };
    let service = router(Arc::clone(&desk)).into_make_service_with_connect_info::<Line>();
    let served =
        axum::serve(Lines(listener, Arc::clone(&desk)), service).with_graceful_shutdown(stopping);
    let mut ends = desk.phase();
    let late = async {
        Phase::over(&mut ends).await;
        tokio::time::sleep(GRACE).await;
    };
    let served = tokio::select! {
        served = served.into_future() => served,
        () = late => Ok(()),
    };
    clock.abort();
    watch.abort();
    drop(enough);
    let kept = keeping.await;
    desk.hub.clear();
    let closing = Arc::clone(&desk);
    let closed = tokio::task::spawn_blocking(move || closing.close()).await;
    closed.map_err(|error| SimError::Failed(error.to_string()))?;
    // The sender ends when the books are closed. After that, no task holds their file.
    sending.await.map_err(|error| SimError::Failed(error.to_string()))?;
    kept.map_err(|error| SimError::Failed(error.to_string()))?;
    served.map_err(io_error("cannot serve"))?;
    let phase = desk.phase().borrow().clone();
    match phase {
        Phase::Failed(why) => return Err(SimError::Failed(why)),
        Phase::Full(why) => return Err(SimError::Full(why)),
        Phase::Running | Phase::Stopping => {}
    }
    if port::was_taken(&data_dir, &desk.token) {
        // The port file belongs to another exchange, or is gone.
        return Ok(());
    }
    std::fs::remove_file(port::path(&data_dir)).map_err(io_error("cannot remove the port file"))
}

/// Saves the used limits for the next process, so that a ban survives a restart. Only this task
/// writes the file, and it waits for each save. The last save comes after the server has ended. If
/// the directory was removed or has a new owner, the server stops and writes nothing there.
async fn keep_limits(desk: Arc<Desk>, dir: PathBuf, mut ended: oneshot::Receiver<()>) {
    let mut kept = None;
    loop {
        let last = timeout(KEEP_EVERY, &mut ended).await.is_ok();
        if port::was_taken(&dir, &desk.token) {
            tracing::warn!("{} is no longer this exchange's: it ends", dir.display());
            desk.stop();
            return;
        }
        let spent = desk.counters().spent();
        if kept.as_ref() != Some(&spent) {
            keep(spent.clone(), &dir).await;
            kept = Some(spent);
        }
        if last {
            return;
        }
    }
}

async fn keep(spent: Spent, dir: &Path) {
    let dir = dir.to_owned();
    let written = tokio::task::spawn_blocking(move || spent.keep(&dir)).await;
    if !matches!(written, Ok(Ok(()))) {
        tracing::warn!(?written, "what was used of the limits cannot be kept");
    }
}

async fn watch_idle(desk: Arc<Desk>, idle_exit: Option<Duration>) {
    let Some(limit) = idle_exit else { return };
    let step = (limit / 4).clamp(Duration::from_millis(10), Duration::from_secs(1));
    while desk.idle() < limit {
        tokio::time::sleep(step).await;
    }
    desk.stop();
}

/// Unless in lockstep: releases trades at their times and minutes as they close, and records venue
/// time.
async fn keep_time(desk: Arc<Desk>) {
    while let (Some(now), Ok(standing)) = (desk.clock().now(), desk.standing()) {
        let mut wait = NOTE_EVERY;
        if let Some(close) = standing.next_close {
            let trades = close - 1;
            if standing.market < trades && trades <= now {
                // The trades come before the close, as they do at the venue.
                if desk.advance(trades, trades).await.is_err() {
                    return;
                }
                continue;
            }
            wait = wait.min(desk.clock().until(if now < trades { trades } else { close }));
        }
        if desk.ticks {
            wait = wait.min(desk.clock().until(now - now.rem_euclid(GRID) + GRID));
        }
        if desk.advance(now, now).await.is_err() {
            return;
        }
        tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
    }
}
