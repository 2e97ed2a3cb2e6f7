//! The client: encodes requests, signs them, sends each once, and reads the responses.
//!
//! Orders and cancels are signed for exactly the time of their caller. Each is one request and is
//! never repeated. Reads are signed for the current venue time. A read that was rejected for its
//! timestamp is repeated once. After any such rejection, the client reads the venue's clock again.
//!
//! Over 500 lines: one method for each request of the venue.

use super::error::{self, BAD_TIMESTAMP, Kind};
use super::map;
use super::sign::{ApiKey, Query};
use super::stream::{MarketStreams, UserStream};
use super::wire::{self, OrderAnswer, OrderState, TradeRow};
use crate::bar_rows::RowDecimal;
use everwarm_domain::bounds;
use everwarm_domain::day_stats::DayStats;
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{OrderIntent, OrderReport, ReportSource, SendAttempt};
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_domain::venue_ids::VenueOrderId;
use everwarm_venue::clock::{SharedClock, Wall};
use everwarm_venue::port::{
    AccountPicture, Bars, ErrorClass, Stamp, Trade, TradesSince, VenueError,
};
use everwarm_venue::rate_limit::{
    Care, ConnectionLimit, Note, OrderLimit, Priority, Spent, WeightLimit,
};
use everwarm_venue::session::Session;
use everwarm_venue::transport::{Http, HttpRequest, Method, PLACE_TIMEOUT, Probe, READ_TIMEOUT};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

mod budget;
mod pairs;
mod time;
mod words;

use budget::First;

/// Most open stop orders of one symbol that the daemon places. Most symbols take five,
/// `MAX_NUM_ALGO_ORDERS`: <https://developers.binance.com/docs/binance-spot-api-docs/filters>.
pub const STOP_ORDERS: u32 = 5;

/// Maximum bars and trades in one response.
pub const PAGE_MAX: u16 = 1000;
/// Above this number, the rules of all instruments are requested: addresses have a maximum length.
const SYMBOLS_IN_QUERY: usize = 100;
/// How often an order or a clock is read again because of its response.
const LOOKS_MAX: u32 = 3;
/// Maximum pages of trades for one query: 200,000 trades.
const TRADE_PAGES: usize = 200;

/// The settings of a client.
#[derive(Clone)]
pub struct Config {
    /// Base address of REST, like `https://api.binance.com`.
    pub rest: String,
    /// Base address of the market streams, like `wss://stream.binance.com:9443`.
    pub stream: String,
    /// Address of the WebSocket API, like `wss://ws-api.binance.com:443/ws-api/v3`.
    pub ws_api: String,
    /// The key for orders and the account. Without it, only the market can be read.
    pub key: Option<ApiKey>,
    /// Initial recvWindow, milliseconds, at most 60,000.
    pub recv_window: i64,
    /// The venue's clock.
    pub clock: SharedClock,
    /// Our wall clock.
    pub wall: Wall,
    /// A hook at the points where a kill matters.
    pub probe: Probe,
    /// Saves bans and connections for later processes.
    pub note: Note,
}

struct Inner {
    config: Config,
    recv_window: Arc<AtomicI64>,
    http: Http,
    limit: Mutex<WeightLimit>,
    orders: Mutex<OrderLimit>,
    connections: Mutex<ConnectionLimit>,
    /// The end of the current wait for weight, a connection or an order; real time of the venue,
    /// UTC milliseconds.
    waiting: AtomicI64,
    /// Symbols that take fewer than [`STOP_ORDERS`] open stop orders, as last reported.
    fewer_stop_orders: Mutex<BTreeMap<Symbol, u32>>,
}

/// A client of Binance spot. Cheap to clone. Clones share connections and the counts of the venue's
/// limits.
#[derive(Clone)]
pub struct BinanceClient(Arc<Inner>, Patience);

/// What a read does if it must wait for weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    /// It waits.
    Waits,
    /// It returns the wait as an error.
    Returns,
}

impl fmt::Debug for BinanceClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BinanceClient").field("rest", &self.0.config.rest).finish_non_exhaustive()
    }
}

/// The weight and priority of a request.
#[derive(Clone, Copy)]
struct Cost(u32, Priority);

/// One encoded request. `query` is final.
struct Call<'a> {
    kind: Kind,
    method: Method,
    path: &'a str,
    query: String,
    keyed: bool,
    cost: Cost,
}

/// The path for placing and cancelling orders.
const ORDER: &str = "/api/v3/order";

/// An order or a cancel.
struct Act {
    kind: Kind,
    method: Method,
    path: &'static str,
    priority: Priority,
}

impl Act {
    fn cancel(path: &'static str) -> Act {
        Act { kind: Kind::Cancel, method: Method::Delete, path, priority: Priority::Cancel }
    }
}

impl BinanceClient {
    /// Makes a client. It makes no connection.
    ///
    /// # Errors
    /// The TLS set-up of this machine cannot be used.
    pub fn new(config: Config) -> Result<BinanceClient, String> {
        let http = Http::new(&config.rest, config.probe.clone())?;
        let Spent { banned_until, connections, orders_until, orders } = config.note.before.clone();
        let times = config.clock.lock().pace().width();
        let limit = Mutex::new(WeightLimit::after(banned_until, times));
        let orders = Mutex::new(OrderLimit::after(&orders, orders_until));
        let connections = Mutex::new(ConnectionLimit::after(connections, times));
        let waiting = AtomicI64::new(i64::MIN);
        let recv_window = Arc::new(AtomicI64::new(config.recv_window));
        let fewer_stop_orders = Mutex::default();
        let inner = Inner {
            config,
            recv_window,
            http,
            limit,
            orders,
            connections,
            waiting,
            fewer_stop_orders,
        };
        Ok(BinanceClient(Arc::new(inner), Patience::Waits))
    }

    /// The same client with other waiting: a read that must wait for weight fails immediately with
    /// `RateLimited` and the wait. Other requests may be sent meanwhile.
    #[must_use]
    pub fn impatient(&self) -> BinanceClient {
        BinanceClient(Arc::clone(&self.0), Patience::Returns)
    }

    /// How long a request may travel before the venue rejects it, milliseconds of venue time.
    #[must_use]
    pub fn recv_window(&self) -> i64 {
        self.0.recv_window.load(Relaxed)
    }

    /// Sets it for later signatures of all clones.
    pub fn set_recv_window(&self, ms: i64) {
        self.0.recv_window.store(ms, Relaxed);
    }

    /// The venue's time now, UTC milliseconds.
    #[must_use]
    pub fn now(&self) -> UtcMs {
        self.0.config.clock.now((self.0.config.wall)())
    }

    /// The venue's clock.
    #[must_use]
    pub fn clock(&self) -> &SharedClock {
        &self.0.config.clock
    }

    /// The rules of those `symbols` that the venue has, sorted by symbol. No symbols: all rules.
    /// Weight 20.
    ///
    /// # Errors
    /// As every read.
    pub async fn instruments(&self, symbols: &[Symbol]) -> Result<Vec<Instrument>, VenueError> {
        let few = (1..=SYMBOLS_IN_QUERY).contains(&symbols.len());
        let list = few.then(|| {
            let names: Vec<String> = symbols.iter().map(|s| format!("\"{s}\"")).collect();
            format!("[{}]", names.join(","))
        });
        let query = Query::new().with_some("symbols", list);
        let cost = Cost(20, Priority::History);
        let answer = self.public("/api/v3/exchangeInfo", query, cost).await?;
        let info: wire::ExchangeInfo = read("exchangeInfo", &answer)?;
        if let Some(limit) = map::weight_limit(&info) {
            self.limit().set_limit(limit);
        }
        for (width, limit) in map::order_limits(&info) {
            self.orders().set_limit(width, limit);
        }
        let mut rules = mapped(Kind::Read, map::instruments(&info))?;
        self.note_stop_orders(&info);
        if !symbols.is_empty() {
            rules.retain(|rule| symbols.contains(&rule.symbol));
        }
        Ok(rules)
    }

    fn note_stop_orders(&self, info: &wire::ExchangeInfo) {
        let mut fewer = self.0.fewer_stop_orders.lock().unwrap_or_else(PoisonError::into_inner);
        for (symbol, most) in map::stop_orders(info) {
            if most < STOP_ORDERS {
                fewer.insert(symbol, most);
            } else {
                fewer.remove(&symbol);
            }
        }
    }

    /// Symbols that take fewer than [`STOP_ORDERS`] open stop orders, with their number, sorted by
    /// symbol: as the last responses with their rules reported.
    #[must_use]
    pub fn stop_order_limits(&self) -> Vec<(Symbol, u32)> {
        let fewer = self.0.fewer_stop_orders.lock().unwrap_or_else(PoisonError::into_inner);
        fewer.iter().map(|(symbol, most)| (*symbol, *most)).collect()
    }

    /// The last 24 hours of each symbol. Names that are no symbols here and implausible volumes are
    /// left out. Weight 80.
    ///
    /// # Errors
    /// As every read.
    pub async fn days(&self) -> Result<Vec<(Symbol, DayStats)>, VenueError> {
        let query = Query::new().with("type", "FULL");
        let answer = self.public("/api/v3/ticker/24hr", query, Cost(80, Priority::History)).await?;
        let days: Vec<wire::Day> = read("ticker/24hr", &answer)?;
        let named = days.into_iter().filter_map(|day| {
            let volume = bounds::quote("quoteVolume", day.quote_volume.0.ok()?).ok()?;
            // A price that no type holds is as good as none.
            let price = |value: RowDecimal| {
                value.0.ok().and_then(|it| bounds::price("price", it).ok()).unwrap_or_default()
            };
            let best = (price(day.bid_price), price(day.ask_price));
            let prices = (price(day.low_price), price(day.high_price));
            let stats = DayStats::new(volume.normalize(), best, prices);
            Some((Symbol::new(&day.symbol).ok()?, stats))
        });
        Ok(named.collect())
    }

    /// Bars with opening times from `from` to `to`, both inclusive, ascending from the oldest, at
    /// most `limit` (1 to 1,000). The newest may still be forming. Weight 2.
    ///
    /// # Errors
    /// As every read.
    pub async fn klines(
        &self,
        symbol: Symbol,
        timeframe: Timeframe,
        from: UtcMs,
        to: UtcMs,
        limit: u16,
    ) -> Result<Bars, VenueError> {
        let query = Query::new()
            .with("symbol", symbol)
            .with("interval", timeframe)
            .with("startTime", from)
            .with("endTime", to)
            .with("limit", limit.clamp(1, PAGE_MAX));
        let cost = Cost(2, Priority::History);
        let answer = self.public("/api/v3/klines", query, cost).await?;
        let rows: Vec<wire::KlineRow> = read("klines", &answer)?;
        let bars = mapped(Kind::Read, map::rows(symbol, timeframe, &rows))?;
        // Paging uses these times: a time outside the range could make it endless.
        let strange = rows.iter().find(|row| !(from..=to).contains(&row.open_time));
        mapped(
            Kind::Read,
            strange.map_or(Ok(()), |row| {
                Err(format!("{symbol}: kline {} was not asked for", row.open_time))
            }),
        )?;
        Ok(bars)
    }

    /// The account. Weight 20.
    ///
    /// # Errors
    /// As every read.
    pub async fn account(&self) -> Result<AccountPicture, VenueError> {
        let query = Query::new().with("omitZeroBalances", true);
        let cost = Cost(20, Priority::Fills);
        let account: wire::Account = self.signed_read("/api/v3/account", query, cost).await?;
        let (balances, unread) = map::balances(&account.balances, false);
        let id = account.uid.map(|uid| uid.to_string());
        let charges = Vec::new();
        Ok(AccountPicture { id, can_trade: account.can_trade, balances, unread, charges })
    }

    /// Open orders, sorted by the venue's id. Weight 6, for all symbols 80.
    ///
    /// # Errors
    /// As every read.
    pub async fn open_orders(
        &self,
        symbol: Option<Symbol>,
    ) -> Result<Vec<OrderReport>, VenueError> {
        let query = Query::new().with_some("symbol", symbol);
        let cost = Cost(if symbol.is_some() { 6 } else { 80 }, Priority::Fills);
        let orders: Vec<OrderState> = self.signed_read("/api/v3/openOrders", query, cost).await?;
        mapped(Kind::Read, map::open_orders(&orders))
    }

    /// Queries the venue's order counts if saved counts of earlier processes fill half of a limit
    /// or more. The saved counts are higher than the orders placed. After many restarts, the daemon
    /// would otherwise wait for a day that is not full. Weight 40, or none.
    ///
    /// # Errors
    /// As every read.
    pub async fn check_order_counts(&self) -> Result<(), VenueError> {
        let asked = self.real();
        if !self.orders().is_in_doubt(asked) {
            return Ok(());
        }
        let cost = Cost(40, Priority::Fills);
        let counts: Vec<wire::RateLimit> =
            self.signed_read("/api/v3/rateLimit/order", Query::new(), cost).await?;
        self.orders().counted(asked, self.real(), &map::order_counts(&counts));
        self.note(&self.connections(), Care::Quick);
        Ok(())
    }

    /// Places an order: one request, signed for exactly the attempt's timestamp and recvWindow.
    ///
    /// # Errors
    /// The meaning of the failure for the order.
    pub async fn place(
        &self,
        intent: &OrderIntent,
        attempt: &SendAttempt,
    ) -> Result<OrderReport, VenueError> {
        let query = words::order(intent, attempt)?;
        let priority = budget::priority(intent.side);
        let act = Act { kind: Kind::Place, method: Method::Post, path: ORDER, priority };
        let answer = self.act(act, query, Stamp::from(attempt)).await?;
        let report = wire::decode_order_answer(&answer).and_then(|answer| match answer {
            OrderAnswer::Ack(ack) => map::order_ack(intent, &ack),
            OrderAnswer::State(state) => map::order_state(ReportSource::Answer, &state, &[]),
        });
        let report = mapped(Kind::Place, report)?;
        if report.side == intent.side {
            same_order(Kind::Place, report, intent.symbol, &intent.client_id)
        } else {
            Err(error::of_unreadable(Kind::Place, "the answer is about the other side".to_owned()))
        }
    }

    /// Cancels an open order by our id: one request, signed for exactly the stamp. `Absent` only
    /// means that the order is no longer open.
    ///
    /// # Errors
    /// The meaning of the failure for the cancel.
    pub async fn cancel(
        &self,
        symbol: Symbol,
        client_id: &ClientOrderId,
        stamp: Stamp,
    ) -> Result<OrderReport, VenueError> {
        let query = Query::new().with("symbol", symbol).with("origClientOrderId", client_id);
        let answer = self.act(Act::cancel(ORDER), query, stamp).await?;
        let state = wire::decode_cancel_answer(&answer, &client_id.0);
        let report = state.and_then(|s| map::order_state(ReportSource::Answer, &s, &[]));
        same_order(Kind::Cancel, mapped(Kind::Cancel, report)?, symbol, client_id)
    }

    /// Cancels all open orders of a symbol, also external ones, in one request. `Absent`: there are
    /// none. Query the orders to see their results.
    ///
    /// # Errors
    /// The meaning of the failure for the cancel.
    pub async fn cancel_all(&self, symbol: Symbol, stamp: Stamp) -> Result<(), VenueError> {
        let query = Query::new().with("symbol", symbol);
        self.act(Act::cancel("/api/v3/openOrders"), query, stamp).await.map(drop)
    }

    /// The price of the last trade. Weight 2.
    ///
    /// # Errors
    /// As every read.
    pub async fn price(&self, symbol: Symbol) -> Result<Decimal, VenueError> {
        let query = Query::new().with("symbol", symbol);
        let answer = self.public("/api/v3/ticker/price", query, Cost(2, Priority::Stop)).await?;
        let ticker: wire::TickerPrice = read("price", &answer)?;
        mapped(Kind::Read, bounds::price("price", ticker.price.0))
    }

    /// The order with this id of ours, with its fills. `None`: the venue does not know it. This
    /// alone proves nothing. Weight 4, and 5 for its fills.
    ///
    /// # Errors
    /// As every read.
    pub async fn find_order(
        &self,
        symbol: Symbol,
        client_id: &ClientOrderId,
    ) -> Result<Option<OrderReport>, VenueError> {
        for look in 1.. {
            let query = Query::new().with("symbol", symbol).with("origClientOrderId", client_id);
            let cost = Cost(4, Priority::Fills);
            let state: OrderState = match self.signed_read("/api/v3/order", query, cost).await {
                Ok(state) => state,
                Err(e) if e.class == ErrorClass::Absent => return Ok(None),
                Err(e) => return Err(e),
            };
            let rows = if state.executed_qty.0.is_zero() {
                Vec::new()
            } else {
                self.rows_of_order(symbol, &state.order_id.into()).await?
            };
            let filled = rows.iter().try_fold(Decimal::ZERO, |sum, r| sum.checked_add(r.qty.0));
            let grown = filled.is_none_or(|filled| filled > state.executed_qty.0);
            if !grown || look == LOOKS_MAX {
                let report = map::order_state(ReportSource::Query, &state, &rows);
                let report = mapped(Kind::Read, report)?;
                return same_order(Kind::Read, report, symbol, client_id).map(Some);
            }
        }
        Ok(None)
    }

    /// The client order id of an order, by the venue's id of it. `None`: the venue does not know
    /// the order. Weight 4.
    ///
    /// # Errors
    /// As every read.
    pub async fn client_id_of(
        &self,
        symbol: Symbol,
        venue_order_id: &VenueOrderId,
    ) -> Result<Option<ClientOrderId>, VenueError> {
        let query = Query::new().with("symbol", symbol).with("orderId", venue_order_id);
        let cost = Cost(4, Priority::Fills);
        match self.signed_read::<OrderState>("/api/v3/order", query, cost).await {
            Ok(state) => Ok(Some(ClientOrderId(state.client_order_id))),
            Err(e) if e.class == ErrorClass::Absent => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// All trades of one order, ascending. Weight 5 for each thousand.
    ///
    /// # Errors
    /// As every read.
    pub async fn order_trades(
        &self,
        symbol: Symbol,
        venue_order_id: &VenueOrderId,
    ) -> Result<Vec<Trade>, VenueError> {
        let rows = self.rows_of_order(symbol, venue_order_id).await?;
        mapped(Kind::Read, map::trades(&rows))
    }

    /// All trades of the account in `symbol` since a trade or a time, ascending. Weight 20 for each
    /// thousand.
    ///
    /// # Errors
    /// As every read.
    pub async fn trades_since(
        &self,
        symbol: Symbol,
        since: TradesSince,
    ) -> Result<Vec<Trade>, VenueError> {
        let base = Query::new().with("symbol", symbol);
        let first = match since {
            // Ids are numbers that rise with time. Any other id is not from this venue.
            TradesSince::Trade(id, time) => match id.as_str().parse::<u64>() {
                Ok(id) => base.clone().with("fromId", id.saturating_add(1)),
                Err(_) => base.clone().with("startTime", time),
            },
            TradesSince::Time(time) => base.clone().with("startTime", time),
        };
        let rows = self.trade_pages(&base, first, Cost(20, Priority::Fills)).await?;
        mapped(Kind::Read, map::trades(&rows))
    }

    /// Address and session for the bars of the `wanted` symbols.
    #[must_use]
    pub fn market_session(
        &self,
        wanted: watch::Receiver<Arc<[Symbol]>>,
        timeframe: Timeframe,
    ) -> (String, Session<MarketStreams>) {
        let streams = MarketStreams::new(wanted, timeframe, self.moves());
        (format!("{}/stream", self.0.config.stream.trim_end_matches('/')), Session::new(streams))
    }

    /// Address and session for the account's events.
    ///
    /// # Errors
    /// There is no key.
    pub fn user_session(&self) -> Result<(String, Session<UserStream>), VenueError> {
        let stream = UserStream::new(self.key()?.clone(), Arc::clone(&self.0.recv_window));
        Ok((self.0.config.ws_api.clone(), Session::new(stream)))
    }

    async fn rows_of_order(
        &self,
        symbol: Symbol,
        id: &VenueOrderId,
    ) -> Result<Vec<TradeRow>, VenueError> {
        let base = Query::new().with("symbol", symbol).with("orderId", id);
        self.trade_pages(&base, base.clone(), Cost(5, Priority::Fills)).await
    }

    /// Pages of myTrades until one is short. From the second page on, it queries by id.
    async fn trade_pages(
        &self,
        base: &Query,
        first: Query,
        cost: Cost,
    ) -> Result<Vec<TradeRow>, VenueError> {
        let mut all: Vec<TradeRow> = Vec::new();
        let mut query = first;
        let mut from = 0;
        for _ in 0..TRADE_PAGES {
            let asked = query.with("limit", PAGE_MAX);
            let page: Vec<TradeRow> = self.signed_read("/api/v3/myTrades", asked, cost).await?;
            let short = page.len() < usize::from(PAGE_MAX);
            if let Some(row) = page.iter().find(|row| row.id < from) {
                let text = format!("trade {} comes again, {from} and later were asked for", row.id);
                return Err(error::of_unreadable(Kind::Read, text));
            }
            let newest = page.iter().map(|t| t.id).max();
            all.extend(page);
            match newest.and_then(|id| id.checked_add(1)) {
                Some(next) if !short => (from, query) = (next, base.clone().with("fromId", next)),
                Some(_) | None => return Ok(all),
            }
        }
        let text = format!("the trades have no end: {} came", all.len());
        Err(error::of_unreadable(Kind::Read, text))
    }

    fn key(&self) -> Result<&ApiKey, VenueError> {
        self.0.config.key.as_ref().ok_or_else(|| VenueError {
            class: ErrorClass::Halt,
            code: 0,
            text: "there is no API key".to_owned(),
        })
    }

    async fn public(&self, path: &str, query: Query, cost: Cost) -> Result<Vec<u8>, VenueError> {
        let query = query.plain();
        let kind = Kind::Read;
        self.send(Call { kind, method: Method::Get, path, query, keyed: false, cost }).await
    }

    /// A signed read. It is repeated once if its timestamp was rejected.
    async fn signed_read<T: DeserializeOwned>(
        &self,
        path: &str,
        query: Query,
        cost: Cost,
    ) -> Result<T, VenueError> {
        let once = async |query: Query| {
            let query = query.signed(self.key()?, self.now(), self.recv_window());
            let kind = Kind::Read;
            self.send(Call { kind, method: Method::Get, path, query, keyed: true, cost }).await
        };
        let answer = match once(query.clone()).await {
            Err(e) if e.code == BAD_TIMESTAMP => {
                self.server_time().await?;
                once(query).await
            }
            other => other,
        };
        read(path, &answer?)
    }

    /// Sends an order or a cancel as one request. A successful one costs no weight. If its
    /// timestamp was rejected, the client reads the venue's clock, so the next signature is better.
    async fn act(&self, act: Act, query: Query, stamp: Stamp) -> Result<Vec<u8>, VenueError> {
        let window = stamp.deadline.saturating_sub(stamp.timestamp);
        let query = query.signed(self.key()?, stamp.timestamp, window);
        let Act { kind, method, path, priority } = act;
        let cost = Cost(0, priority);
        let answer = self.send(Call { kind, method, path, query, keyed: true, cost }).await;
        if answer.as_ref().is_err_and(|e| e.code == BAD_TIMESTAMP)
            && self.moves()
            && let Err(error) = self.server_time().await
        {
            tracing::debug!(%error, "the venue's clock could not be read");
        }
        answer
    }

    /// The only place that sends requests: once, or not at all.
    async fn send(&self, call: Call<'_>) -> Result<Vec<u8>, VenueError> {
        let config = &self.0.config;
        self.admitted(call.kind, call.cost).await?;
        let _first = First(self);
        let slot = match call.kind {
            Kind::Place => Some(self.slot(call.cost)?),
            Kind::Cancel | Kind::Read => None,
        };
        let began = self.real();
        let key = if call.keyed { Some(("X-MBX-APIKEY", &self.key()?.key)) } else { None };
        let mark = if call.query.is_empty() { "" } else { "?" };
        let url = format!("{}{}{mark}{}", config.rest.trim_end_matches('/'), call.path, call.query);
        let timeout = match call.kind {
            Kind::Place | Kind::Cancel => PLACE_TIMEOUT,
            Kind::Read => READ_TIMEOUT,
        };
        let (method, keys) = (call.method, key.as_slice());
        let request = HttpRequest { method, url: &url, keys, timeout, body: String::new() };
        let answer = self.0.http.send(request).await;
        let answer = answer.map_err(|e| error::of_transport(call.kind, e))?;
        let now = self.real();
        match answer.used_weight {
            Some(used) => self.limit().observe(began, now, used),
            None => self.limit().uncounted(),
        }
        if let Some(slot) = slot {
            slot.take_counts(&answer);
        }
        if (200..300).contains(&answer.status) {
            let orders = call.kind == Kind::Place && self.orders().passed();
            if self.limit().passed() || orders {
                tracing::info!("the venue takes requests again");
                self.note(&self.connections(), Care::Synced);
            }
            return Ok(answer.body);
        }
        let failed = error::of_answer(call.kind, answer.status, answer.retry_after_s, &answer.body);
        if let ErrorClass::RateLimited { retry_after_ms } = failed.class {
            let (status, asked_s) = (answer.status, answer.retry_after_s);
            tracing::warn!(status, asked_s, retry_after_ms, "the venue wants to be left alone");
            if failed.code == error::TOO_MANY_ORDERS {
                self.orders().block(now, retry_after_ms);
            } else {
                self.limit().block(now, retry_after_ms);
            }
            self.note(&self.connections(), Care::Synced);
        }
        if failed.code == BAD_TIMESTAMP {
            config.clock.lock().doubt();
        }
        Err(failed)
    }
}

fn read<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, VenueError> {
    mapped(Kind::Read, wire::decode(what, bytes))
}

fn mapped<T>(kind: Kind, result: Result<T, String>) -> Result<T, VenueError> {
    result.map_err(|text| error::of_unreadable(kind, text))
}

/// Rejects a response about another order: it proves nothing.
fn same_order(
    kind: Kind,
    report: OrderReport,
    symbol: Symbol,
    client_id: &ClientOrderId,
) -> Result<OrderReport, VenueError> {
    if report.symbol == symbol && report.client_id == *client_id {
        return Ok(report);
    }
    let text = format!("the answer is about order {} of {}", report.client_id, report.symbol);
    Err(error::of_unreadable(kind, text))
}

#[cfg(test)]
mod tests;
