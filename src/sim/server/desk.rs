//! Where requests come in, one at a time, and what follows goes out in the same order, after it is
//! on disk.

use super::hub::Hub;
use super::limits::{Counters, seconds};
use super::pace::{Pace, VenueClock};
use crate::domain::id::Symbol;
use crate::domain::time::UtcMs;
use crate::sim::books::{Books, BooksError, Gate};
use crate::sim::exchange::local::{advances, closed_between};
use crate::sim::exchange::{Exchange, SimFact};
use crate::sim::market::Market;
use crate::sim::wire::error::ApiError;
use crate::sim::wire::events::events;
use crate::sim::wire::info::Limits;
use crate::sim::wire::intervals::Kline;
use crate::sim::wire::klines;
use crate::sim::wire::sign::When;
use crate::sim::wire::streams;
use everwarm_runtime::clock;
use serde_json::Value;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// What goes out together.
struct Parcel {
    /// The row that must be on disk before.
    row: Option<u64>,
    events: Vec<Value>,
    klines: Vec<(String, String)>,
    done: Option<oneshot::Sender<()>>,
}

struct Inner {
    books: Books,
    market: Box<dyn Market>,
    outbox: mpsc::UnboundedSender<Parcel>,
}

/// Whether the server runs, and why it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It runs.
    Running,
    /// It ends as asked.
    Stopping,
    /// The books cannot be written any more.
    Failed(String),
}

impl Phase {
    /// Resolves when the server is to end.
    pub async fn over(of: &mut watch::Receiver<Phase>) {
        // Nobody left to say so means the same.
        drop(of.wait_for(|phase| *phase != Phase::Running).await.map(|_| ()));
    }

    async fn failed(of: &mut watch::Receiver<Phase>) {
        drop(of.wait_for(|phase| matches!(phase, Phase::Failed(_))).await.map(|_| ()));
    }
}

/// The exchange as its sockets see it.
pub struct Desk {
    /// None once the books are closed: whoever still holds the desk does not hold the file.
    inner: Mutex<Option<Inner>>,
    clock: VenueClock,
    phase: watch::Sender<Phase>,
    counters: Mutex<Counters>,
    started: Instant,
    last_seen: AtomicU64,
    /// Whether somebody has said what time it is since this process began; see [`Desk::in_step`].
    told: AtomicBool,
    /// The connections.
    pub hub: Hub,
    /// What admin requests carry.
    pub token: String,
}

/// Where time stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Venue time.
    pub now: UtcMs,
    /// Trades up to here are released.
    pub market: UtcMs,
    /// The last close since the books were opened whose bars have been shown.
    pub last_close: Option<UtcMs>,
    /// The symbols of those bars, by name.
    pub closed: Vec<Symbol>,
    /// The next close with bars; none when the recording has ended.
    pub next_close: Option<UtcMs>,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk")
            .field("clock", &self.clock)
            .field("hub", &self.hub)
            .finish_non_exhaustive()
    }
}

impl Desk {
    #[expect(
        clippy::disallowed_methods,
        reason = "a parcel follows `room`, and its asker waits for it"
    )]
    /// Opens a desk over `books` and starts what sends its parcels out.
    pub fn open(
        books: Books,
        market: Box<dyn Market>,
        clock: VenueClock,
        token: String,
        phase: watch::Sender<Phase>,
    ) -> (Arc<Desk>, JoinHandle<()>) {
        let (outbox, parcels) = mpsc::unbounded_channel();
        let gate = books.gate();
        let limits = Limits::scaled(clock.pace().limits());
        let desk = Arc::new(Desk {
            inner: Mutex::new(Some(Inner { books, market, outbox })),
            clock,
            phase,
            counters: Mutex::new(Counters::new(limits)),
            started: clock::now(),
            last_seen: AtomicU64::new(0),
            told: AtomicBool::new(false),
            hub: Hub::default(),
            token,
        });
        let sending = tokio::spawn(send_out(Arc::clone(&desk), gate, parcels));
        (desk, sending)
    }

    /// A panic while the books were held leaves them in an unknown state: the server ends.
    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> Result<T, ApiError>) -> Result<T, ApiError> {
        let mut inner = self.inner.lock().map_err(|_| {
            self.fail("a request failed while it held the books".to_owned());
            ApiError::internal()
        })?;
        act(inner.as_mut().ok_or_else(ApiError::internal)?)
    }

    /// Waits while the disk is too far behind.
    async fn room(&self) -> Result<(), ApiError> {
        let gate = self.with(|inner| Ok(inner.books.gate()))?;
        gate.room().await;
        Ok(())
    }

    fn fail(&self, why: String) {
        self.phase.send_if_modified(|phase| {
            let first = !matches!(phase, Phase::Failed(_));
            if first {
                *phase = Phase::Failed(why);
            }
            first
        });
    }

    fn broken(&self, error: &BooksError) -> ApiError {
        self.fail(error.to_string());
        ApiError::internal()
    }

    /// Ends the server.
    pub fn stop(&self) {
        self.phase.send_if_modified(|phase| {
            let running = *phase == Phase::Running;
            if running {
                *phase = Phase::Stopping;
            }
            running
        });
    }

    /// To be told when the server ends.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// The clock.
    pub fn clock(&self) -> &VenueClock {
        &self.clock
    }

    /// The counters of limits.
    pub fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a client is there.
    pub fn touch(&self) {
        let passed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_seen.store(passed, Relaxed);
    }

    /// How long there has been no request and no connection.
    pub fn idle(&self) -> Duration {
        if self.hub.connections() > 0 {
            self.touch();
        }
        self.started.elapsed().saturating_sub(Duration::from_millis(self.last_seen.load(Relaxed)))
    }

    fn when(&self, exchange: &Exchange) -> When {
        let now = self.clock.now().map_or(exchange.now(), |now| now.max(exchange.now()));
        When { now, factor: self.clock.pace().factor() }
    }

    /// Looks at the books and the market.
    ///
    /// # Errors
    /// What `look` says; -1000 where the server is broken.
    pub fn read<T>(
        &self,
        look: impl FnOnce(&Exchange, &mut dyn Market, When) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        self.with(|Inner { books, market, .. }| {
            let when = self.when(books.exchange());
            look(books.exchange(), market.as_mut(), when)
        })
    }

    /// Where time stands.
    ///
    /// # Errors
    /// -1000 where the server is broken.
    pub fn standing(&self) -> Result<Standing, ApiError> {
        self.read(|exchange, market, when| {
            let last_close = exchange.shown_close();
            let bars = last_close.map(|close| market.bars_closing(close)).unwrap_or_default();
            Ok(Standing {
                now: when.now,
                market: exchange.market(),
                last_close,
                closed: bars.iter().map(|bar| bar.symbol).collect(),
                next_close: market.next_close(exchange.market()),
            })
        })
    }

    /// Whether orders may be taken. A kill may have lost the last minutes of lockstep: until the
    /// pacer has told how far time is, an order would trade on a market that is over for its
    /// sender.
    ///
    /// # Errors
    /// -1008: to be asked again.
    pub fn in_step(&self) -> Result<(), ApiError> {
        if self.clock.pace() != Pace::Lockstep || self.told.load(Relaxed) {
            return Ok(());
        }
        let busy = "Server is currently overloaded with other requests. Please try again in a few \
                    minutes.";
        Err(ApiError { status: 503, ..ApiError::new(-1008, busy) })
    }

    /// Takes a request: `make` reads it, the books decide, `answer` says what became of it. The
    /// answer is given when all of it is on disk and the account's events are on their way.
    ///
    /// # Errors
    /// What `make` and `answer` say; -1000 where it is not known what is on disk.
    pub async fn request<X, T>(
        &self,
        make: impl FnOnce(&Exchange, When) -> Result<(SimFact, X), ApiError>,
        answer: impl FnOnce(&Exchange, &[SimFact], X) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        self.room().await?;
        let (answer, done) = self.with(|inner| {
            let when = self.when(inner.books.exchange());
            let (input, more) = make(inner.books.exchange(), when)?;
            let (said, row) =
                inner.books.request(input.clone()).map_err(|error| self.broken(&error))?;
            self.give_back(&said);
            let exchange = inner.books.exchange();
            let answer = answer(exchange, &said, more);
            let events = events(exchange, &input, &said);
            let (done, wait) = oneshot::channel();
            let (row, klines, done) = (Some(row), Vec::new(), Some(done));
            let parcel = Parcel { row, events, klines, done };
            inner.outbox.send(parcel).map_err(|_| ApiError::internal())?;
            Ok((answer, wait))
        })?;
        done.await.map_err(|_| ApiError::internal())?;
        answer
    }

    /// Raises venue time and the released market, never lowers them; resolves when everything that
    /// follows is on its way.
    ///
    /// # Errors
    /// -1000 where the server is broken.
    pub async fn advance(&self, to: UtcMs, market_to: UtcMs) -> Result<(), ApiError> {
        self.room().await?;
        self.told.store(true, Relaxed);
        let wait = self.with(|inner| {
            let inputs = advances(inner.books.exchange(), inner.market.as_mut(), to, market_to);
            for input in inputs {
                self.advance_step(inner, &input)?;
            }
            let (done, wait) = oneshot::channel();
            let (row, events, klines, done) = (None, Vec::new(), Vec::new(), Some(done));
            let parcel = Parcel { row, events, klines, done };
            inner.outbox.send(parcel).map_err(|_| ApiError::internal())?;
            Ok(wait)
        })?;
        wait.await.map_err(|_| ApiError::internal())
    }

    fn advance_step(&self, inner: &mut Inner, input: &SimFact) -> Result<(), ApiError> {
        let before = inner.books.exchange().market();
        let (said, row) =
            inner.books.request(input.clone()).map_err(|error| self.broken(&error))?;
        self.give_back(&said);
        let exchange = inner.books.exchange();
        let mut told = Vec::new();
        if let Some(wanted) = self.hub.wanted() {
            let market = inner.market.as_mut();
            told.extend(streams::messages(exchange, market, input, before, &wanted));
            let reached = exchange.market();
            let wide = klines::has_wider(&wanted);
            for (close, bars) in closed_between(inner.market.as_mut(), before, reached) {
                for bar in bars {
                    let (kline, symbol) = (Kline::minute(&bar), bar.symbol);
                    let stream = klines::stream(symbol, kline.interval);
                    told.push((stream, klines::event(&kline, true, close)));
                    if wide {
                        let market = inner.market.as_mut();
                        told.extend(klines::wider(market, symbol, close, &wanted));
                    }
                }
            }
            told.extend(forming(exchange, inner.market.as_mut(), input));
        }
        let row = (!said.is_empty()).then_some(row);
        let events = events(exchange, input, &said);
        let parcel = Parcel { row, events, klines: told, done: None };
        inner.outbox.send(parcel).map_err(|_| ApiError::internal())
    }

    /// Orders that get their first fill give their slots back.
    fn give_back(&self, said: &[SimFact]) {
        let first = |fact: &&SimFact| {
            let SimFact::Traded(traded) = fact else { return false };
            traded.executed == traded.quantity
        };
        let filled = said.iter().filter(first).count() as u64;
        if filled > 0 {
            self.counters().filled(filled, seconds());
        }
    }

    /// Saves the books and ends their journal. Blocks until all is on disk.
    pub fn close(&self) {
        let inner = match self.inner.lock() {
            Ok(mut inner) => inner.take().map(|mut inner| {
                inner.books.save();
                inner
            }),
            // A state that a panic has left behind is not saved; the journal has what happened.
            Err(poisoned) => poisoned.into_inner().take(),
        };
        drop(inner);
    }
}

/// Messages about bars whose trades have begun and whose minute has not ended.
fn forming(exchange: &Exchange, market: &mut dyn Market, input: &SimFact) -> Vec<(String, String)> {
    let SimFact::Advance(advance) = input else { return Vec::new() };
    let Some((close, bars)) = advance.minute.as_ref().filter(|(c, _)| exchange.market() < *c)
    else {
        return Vec::new();
    };
    let at = exchange.market();
    let part = |symbol| klines::forming(exchange, market, symbol, close - 1);
    let bars = bars.iter().map(|bar| bar.symbol).filter_map(part);
    let minutes = bars.map(|bar| Kline::minute(&bar));
    let told = |kline: Kline| {
        let stream = klines::stream(kline.bar.symbol, kline.interval);
        (stream, klines::event(&kline, false, at))
    };
    minutes.map(told).collect()
}

/// Sends parcels out in order, each after what it tells is on disk. Ends with the desk, or with the
/// disk.
async fn send_out(desk: Arc<Desk>, gate: Gate, mut parcels: mpsc::UnboundedReceiver<Parcel>) {
    let mut phase = desk.phase();
    loop {
        let parcel = tokio::select! {
            parcel = parcels.recv() => parcel,
            () = Phase::failed(&mut phase) => None,
        };
        let Some(parcel) = parcel else { return };
        if let Some(row) = parcel.row
            && !gate.durable(row).await
        {
            return;
        }
        desk.hub.publish_user(&parcel.events);
        desk.hub.publish_market(&parcel.klines);
        if let Some(done) = parcel.done {
            // A requester that has gone away does not need to know.
            done.send(()).ok();
        }
    }
}
