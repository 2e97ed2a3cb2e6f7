//! The request queue: takes requests one at a time, and sends their results in the same order after
//! they are on disk.
//!
//! Over 500 lines: one queue, and each of its requests is a case.

use super::account_keys::AccountKeys;
use super::hub::Hub;
use super::limits::{Counters, seconds};
use super::pace::{Pace, VenueClock};
use super::protocol::{Protocol, UserEvent};
use super::requests::Requests;
use super::sockets::Patience;
use crate::alpaca;
use crate::books::{Books, BooksError, Gate};
use crate::exchange::local::{advances, closed_between};
use crate::exchange::{Exchange, SimFact};
use crate::faults::Faults;
use crate::market::{Market, Paused};
use crate::wire::error::ApiError;
use crate::wire::intervals::{INTERVALS, Kline};
use crate::wire::klines;
use crate::wire::sign::When;
use crate::wire::streams::{self, Before};
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::money::Decimal;
use everwarm_domain::split::Split;
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_runtime::clock;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// Longest time without trades that is searched for wider bars that end in it, milliseconds.
const SILENCE: UtcMs = 7 * 24 * 60 * MINUTE;

/// Messages that are sent together.
struct Parcel {
    /// The row that must be on disk before they are sent.
    row: Option<u64>,
    events: Vec<UserEvent>,
    klines: Vec<(String, String)>,
    /// Venue time of the messages.
    at: UtcMs,
    done: Option<oneshot::Sender<()>>,
}

struct Inner {
    books: Books,
    market: Paused,
    outbox: mpsc::UnboundedSender<Parcel>,
}

/// Whether the server runs, and why it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It runs.
    Running,
    /// A stop was requested.
    Stopping,
    /// The books cannot be written any more.
    Failed(String),
    /// The disk has no room for the books.
    Full(String),
}

impl Phase {
    /// Resolves when the server is to end.
    pub async fn over(of: &mut watch::Receiver<Phase>) {
        // A closed channel means that the server has ended.
        drop(of.wait_for(|phase| *phase != Phase::Running).await.map(|_| ()));
    }

    async fn failed(of: &mut watch::Receiver<Phase>) {
        drop(
            of.wait_for(|phase| matches!(phase, Phase::Failed(_) | Phase::Full(_)))
                .await
                .map(|_| ()),
        );
    }
}

/// The exchange as its sockets see it.
pub struct Desk {
    /// None once the books are closed. A task that still has the desk then does not hold the file.
    inner: Mutex<Option<Inner>>,
    clock: VenueClock,
    phase: watch::Sender<Phase>,
    counters: Mutex<Counters>,
    started: Instant,
    last_seen: AtomicU64,
    /// Whether venue time was advanced since this process started; see [`Desk::in_step`].
    advanced: AtomicBool,
    /// What it speaks.
    pub protocol: Protocol,
    /// The active faults.
    pub faults: Arc<Faults>,
    /// The request log.
    pub requests: Arc<Requests>,
    /// The keys of the account. Only the protocol of stocks uses them.
    pub keys: AccountKeys,
    /// The simulated latency, and the peak of parallel requests for bars.
    distance: Distance,
    patience: Mutex<Patience>,
    /// Whether the trades of a minute are spread over it.
    pub ticks: bool,
    /// The connections.
    pub hub: Hub,
    /// The token of admin requests.
    pub token: String,
}

/// The simulated latency of responses, and the peak of parallel requests for bars.
#[derive(Debug, Default)]
pub struct Distance {
    ms: AtomicU64,
    now: AtomicU64,
    most: AtomicU64,
}

impl Distance {
    /// Delays every response to a REST request by `ms` milliseconds.
    pub fn set(&self, ms: u32) {
        self.ms.store(ms.into(), Relaxed);
    }

    /// Waits for the latency. Counts parallel requests for `bars`.
    pub async fn pass(&self, bars: bool) {
        let ms = self.ms.load(Relaxed);
        if ms == 0 {
            return;
        }
        let one = u64::from(bars);
        self.most.fetch_max(self.now.fetch_add(one, Relaxed) + one, Relaxed);
        tokio::time::sleep(Duration::from_millis(ms)).await;
        self.now.fetch_sub(one, Relaxed);
    }

    /// The peak of parallel requests for bars while a latency was set.
    pub fn most(&self) -> u64 {
        self.most.load(Relaxed)
    }
}

/// The state of venue time and of the market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Venue time.
    pub now: UtcMs,
    /// Trades up to here are released.
    pub market: UtcMs,
    /// The last close whose bars were published, since the books were opened.
    pub last_close: Option<UtcMs>,
    /// The symbols of those bars, by name.
    pub closed: Vec<Symbol>,
    /// The next close with bars; none if the market has ended.
    pub next_close: Option<UtcMs>,
    /// See [`Desk::in_step`].
    pub in_step: bool,
    /// The client ids of the orders that traded in the last released minute, when, and their filled
    /// base units.
    pub traded: Vec<(String, UtcMs, Decimal)>,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk")
            .field("clock", &self.clock)
            .field("hub", &self.hub)
            .finish_non_exhaustive()
    }
}

/// The market with the pauses of the books.
fn over(books: &Books, market: Box<dyn Market>) -> Paused {
    Paused::over(market, books.exchange().pauses().to_vec())
}

impl Desk {
    #[expect(
        clippy::disallowed_methods,
        reason = "a parcel follows `room`, and its asker waits for it"
    )]
    /// Opens a desk over `books` and starts the task that sends its parcels.
    pub fn open(
        books: Books,
        market: Box<dyn Market>,
        clock: VenueClock,
        token: String,
        phase: watch::Sender<Phase>,
        (protocol, counters, faults, requests): (Protocol, Counters, Faults, Requests),
    ) -> (Arc<Desk>, JoinHandle<()>) {
        let (faults, requests) = (Arc::new(faults), Arc::new(requests));
        let (outbox, parcels) = mpsc::unbounded_channel();
        let gate = books.gate();
        let ticks = market.ticks();
        let desk = Arc::new(Desk {
            inner: Mutex::new(Some(Inner { market: over(&books, market), books, outbox })),
            clock,
            phase,
            counters: Mutex::new(counters),
            started: clock::now(),
            last_seen: AtomicU64::new(0),
            advanced: AtomicBool::new(false),
            hub: Hub::new(protocol, Arc::clone(&faults), Arc::clone(&requests)),
            protocol,
            faults,
            requests,
            keys: AccountKeys::default(),
            distance: Distance::default(),
            patience: Mutex::default(),
            ticks,
            token,
        });
        let sending = tokio::spawn(send_out(Arc::clone(&desk), gate, parcels));
        (desk, sending)
    }

    /// Runs `act` on the books. A panic in an earlier `act` leaves an unknown state, so the server
    /// ends.
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
            let first = !matches!(phase, Phase::Failed(_) | Phase::Full(_));
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

    /// A receiver that reports when the server ends.
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

    /// Records the activity of a client.
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
        When { now, factor: self.clock.pace().factor(), skew: self.faults.skew() }
    }

    /// Venue time for log entries; 0 if the server is broken.
    pub fn venue_now(&self) -> UtcMs {
        self.read(|_, _, when| Ok(when.now)).unwrap_or(0)
    }

    /// A closed bar as it is published at venue time `now`. It is unchanged unless a fault hits it.
    pub fn published(&self, bar: Bar, now: UtcMs) -> Bar {
        let Some((odd, hit)) = self.faults.bar(bar) else { return bar };
        self.requests.spoilt(now, hit, &klines::stream(bar.symbol, INTERVALS[0]));
        odd
    }

    /// Runs `look` on the books and the market.
    ///
    /// # Errors
    /// The error of `look`; -1000 if the server is broken.
    pub fn read<T>(
        &self,
        look: impl FnOnce(&Exchange, &mut dyn Market, When) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        self.with(|Inner { books, market, .. }| {
            let when = self.when(books.exchange());
            look(books.exchange(), market, when)
        })
    }

    /// The state of venue time and of the market.
    ///
    /// # Errors
    /// -1000 if the server is broken.
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
                in_step: self.in_step().is_ok(),
                traded: exchange.traded_since(exchange.market() - MINUTE),
            })
        })
    }

    /// Checks that venue time is known. A kill may lose the last minutes of lockstep. Until the
    /// pacer advances time again, an order would trade on a market that is over for its sender. A
    /// query would lack data that its sender has already seen.
    ///
    /// # Errors
    /// -1008: the client must retry.
    pub fn in_step(&self) -> Result<(), ApiError> {
        if self.clock.pace() != Pace::Lockstep || self.advanced.load(Relaxed) {
            return Ok(());
        }
        let busy = "Server is currently overloaded with other requests. Please try again in a few \
                    minutes.";
        Err(ApiError { status: 503, ..ApiError::new(-1008, busy) })
    }

    /// Processes a request: `make` reads it, the books decide, `answer` makes the response.
    /// Resolves when all facts are on disk and the account's events are queued.
    ///
    /// # Errors
    /// The errors of `make` and `answer`; -1000 if it is unknown what is on disk.
    pub async fn request<X, T>(
        &self,
        make: impl FnOnce(&Exchange, When) -> Result<(SimFact, X), ApiError>,
        answer: impl FnOnce(&Exchange, &[SimFact], X) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        self.room().await?;
        let (answer, done) = self.with(|inner| {
            let when = self.when(inner.books.exchange());
            let (input, more) = make(inner.books.exchange(), when)?;
            let (facts, row) =
                inner.books.request(input.clone()).map_err(|error| self.broken(&error))?;
            self.give_back(&facts);
            let exchange = inner.books.exchange();
            let answer = answer(exchange, &facts, more);
            let events = self.protocol.events(exchange, &input, &facts);
            let (done, wait) = oneshot::channel();
            let (row, klines, done) = (Some(row), Vec::new(), Some(done));
            let parcel = Parcel { row, events, klines, at: when.now, done };
            inner.outbox.send(parcel).map_err(|_| ApiError::internal())?;
            Ok((answer, wait))
        })?;
        done.await.map_err(|_| ApiError::internal())?;
        answer
    }

    /// The simulated latency.
    pub fn distance(&self) -> &Distance {
        &self.distance
    }

    /// The timeouts of connections.
    pub fn patience(&self) -> Patience {
        *self.patience.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the timeouts of connections that are opened from now on.
    #[cfg(test)]
    pub fn wait(&self, patience: Patience) {
        *self.patience.lock().unwrap_or_else(PoisonError::into_inner) = patience;
    }

    /// Applies the pauses of the books to the market.
    ///
    /// # Errors
    /// -1000 if the server is broken.
    pub fn pause(&self) -> Result<(), ApiError> {
        self.with(|Inner { books, market, .. }| {
            market.set(books.exchange().pauses().to_vec());
            Ok(())
        })
    }

    /// Raises venue time and the released market, and never lowers them. Resolves when all messages
    /// that follow are queued.
    ///
    /// # Errors
    /// -1000 if the server is broken.
    pub async fn advance(&self, to: UtcMs, market_to: UtcMs) -> Result<(), ApiError> {
        self.room().await?;
        let wait = self.with(|inner| {
            while let Some(end) = self.end_with_fees(inner.books.exchange(), to) {
                let before = end - 1;
                self.advance_steps(inner, before, market_to.min(before))?;
                match alpaca::fees::charge(inner.books.exchange(), end) {
                    Some(charge) => self.advance_step(inner, &charge)?,
                    None => self.advance_steps(inner, end, market_to.min(end))?,
                }
            }
            self.advance_steps(inner, to, market_to)?;
            // Set while the books are locked: a task that sees the flag sees the advance, too.
            self.advanced.store(true, Relaxed);
            let (done, wait) = oneshot::channel();
            let (row, events, klines, done) = (None, Vec::new(), Vec::new(), Some(done));
            let parcel = Parcel { row, events, klines, at: to, done };
            inner.outbox.send(parcel).map_err(|_| ApiError::internal())?;
            Ok(wait)
        })?;
        wait.await.map_err(|_| ApiError::internal())
    }

    /// Whether the fees of the authorities are taken. In lockstep they are not: there, a daemon
    /// compares the account at its start only, so its restarts would move their place in its books.
    #[must_use]
    pub fn takes_fees(&self) -> bool {
        self.protocol.trades_shares() && self.clock.pace() != Pace::Lockstep
    }

    /// The end of the present day, if time passes it and fees are taken then.
    fn end_with_fees(&self, exchange: &Exchange, to: UtcMs) -> Option<UtcMs> {
        self.takes_fees().then(|| alpaca::fees::next_end(exchange, to)).flatten()
    }

    fn advance_steps(
        &self,
        inner: &mut Inner,
        to: UtcMs,
        market_to: UtcMs,
    ) -> Result<(), ApiError> {
        while let Some((split, at)) = self.next_split(inner, to) {
            let before = at - 1;
            self.advance_inputs(inner, before, market_to.min(before))?;
            for input in alpaca::splits::inputs(inner.books.exchange(), split, at) {
                self.advance_step(inner, &input)?;
            }
        }
        self.advance_inputs(inner, to, market_to)
    }

    /// The next split that happens by `to`, and when.
    fn next_split(&self, inner: &Inner, to: UtcMs) -> Option<(Split, UtcMs)> {
        let next = || alpaca::splits::next(inner.books.exchange(), &inner.market, to);
        self.protocol.trades_shares().then(next).flatten()
    }

    fn advance_inputs(
        &self,
        inner: &mut Inner,
        to: UtcMs,
        market_to: UtcMs,
    ) -> Result<(), ApiError> {
        let inputs = advances(inner.books.exchange(), &mut inner.market, to, market_to);
        inputs.iter().try_for_each(|input| self.advance_step(inner, input))
    }

    fn advance_step(&self, inner: &mut Inner, input: &SimFact) -> Result<(), ApiError> {
        let wanted = self.hub.wanted();
        let exchange = inner.books.exchange();
        let tapes = wanted.as_ref().map(|wanted| streams::tapes(exchange, wanted));
        let before = Before { market: exchange.market(), tapes: tapes.unwrap_or_default() };
        let (facts, row) =
            inner.books.request(input.clone()).map_err(|error| self.broken(&error))?;
        self.give_back(&facts);
        let exchange = inner.books.exchange();
        let messages = wanted.map(|wanted| {
            let published = |bar| self.published(bar, exchange.market());
            let bars: (_, Published<'_>) = (&mut inner.market, &published);
            match self.protocol {
                Protocol::Binance => market_messages(exchange, bars, input, &before, &wanted),
                Protocol::Alpaca => alpaca::data::messages(exchange, bars, input, &before, &wanted),
            }
        });
        let messages = messages.unwrap_or_default();
        let row = (!facts.is_empty()).then_some(row);
        let events = self.protocol.events(exchange, input, &facts);
        let at = exchange.now();
        let parcel = Parcel { row, events, klines: messages, at, done: None };
        inner.outbox.send(parcel).map_err(|_| ApiError::internal())
    }

    /// Frees the limit slots of orders that got their first fill.
    fn give_back(&self, facts: &[SimFact]) {
        let first = |fact: &&SimFact| {
            let SimFact::Traded(traded) = fact else { return false };
            traded.executed == traded.quantity
        };
        let filled = facts.iter().filter(first).count() as u64;
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
            // A panic may leave a wrong state, so it is not saved. The journal has all facts.
            Err(poisoned) => poisoned.into_inner().take(),
        };
        drop(inner);
    }
}

/// Maps a closed bar to the bar that is published.
pub type Published<'a> = &'a dyn Fn(Bar) -> Bar;

/// All messages of market streams about an input that released trades or ended bars.
fn market_messages(
    exchange: &Exchange,
    (market, published): (&mut Paused, Published<'_>),
    input: &SimFact,
    before: &Before,
    wanted: &BTreeSet<String>,
) -> Vec<(String, String)> {
    let mut messages = Vec::new();
    let traded = streams::traded(market, input);
    if let Some((_, bars)) = &traded {
        messages.extend(streams::messages(exchange, market, bars, before, wanted));
    }
    let reached = exchange.market();
    messages.extend(closed_bars(exchange, (market, published), before.market, reached, wanted));
    if let Some((close, bars)) = traded.filter(|(close, _)| reached < *close) {
        let part =
            |bar: &Bar| klines::forming_messages(exchange, market, bar.symbol, close, wanted);
        messages.extend(bars.iter().flat_map(part));
    }
    messages
}

/// Messages about the bars that closed after `before`, up to `reached`.
fn closed_bars(
    exchange: &Exchange,
    (market, published): (&mut dyn Market, Published<'_>),
    before: UtcMs,
    reached: UtcMs,
    wanted: &BTreeSet<String>,
) -> Vec<(String, String)> {
    let mut messages = Vec::new();
    let wide = klines::has_wider(wanted);
    let each = market.trades_per_minute();
    let mut silent_from = before;
    for (close, bars) in closed_between(market, before, reached) {
        if wide {
            messages.extend(ended_in_silence(
                exchange,
                market,
                silent_from,
                close - MINUTE,
                wanted,
            ));
        }
        let mut traded = BTreeSet::new();
        for bar in bars {
            let (kline, symbol) = (Kline::minute(&published(bar), each), bar.symbol);
            traded.insert(symbol);
            let stream = klines::stream(symbol, kline.interval);
            messages.push((stream, klines::event(&kline, true, close)));
            if wide {
                messages.extend(klines::wider(market, symbol, (close, true), wanted));
            }
        }
        let others = exchange.instruments().iter().map(|rules| rules.symbol);
        for symbol in others.filter(|symbol| wide && !traded.contains(symbol)) {
            messages.extend(klines::wider(market, symbol, (close, false), wanted));
        }
        silent_from = close;
    }
    if wide {
        messages.extend(ended_in_silence(exchange, market, silent_from, reached, wanted));
    }
    messages
}

/// Messages about wider bars that end with a minute without trades, after `before` and up to
/// `reached`.
fn ended_in_silence(
    exchange: &Exchange,
    market: &mut dyn Market,
    before: UtcMs,
    reached: UtcMs,
    wanted: &BTreeSet<String>,
) -> Vec<(String, String)> {
    let first = before.max(reached - SILENCE) / MINUTE + 1;
    let mut messages = Vec::new();
    for close in (first..=reached / MINUTE).map(|minute| minute * MINUTE) {
        for rules in exchange.instruments() {
            messages.extend(klines::wider(market, rules.symbol, (close, false), wanted));
        }
    }
    messages
}

/// Sends parcels in order, each after its row is on disk. Ends when the desk closes or the disk
/// fails.
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
        desk.hub.publish_user(&parcel.events, parcel.at);
        desk.hub.publish_market(&parcel.klines, parcel.at);
        if let Some(done) = parcel.done {
            // The requester may have gone away.
            done.send(()).ok();
        }
    }
}
