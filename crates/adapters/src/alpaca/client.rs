//! The client: sends requests about orders and the account, and reads the responses.
//!
//! Each order and each cancel is one request and is never repeated. A cancel by our id first reads
//! the venue's id of the order.
//!
//! Over 500 lines: one method for each request of the venue.

use super::error::{self, Kind};
use super::hosts::Hosts;
use super::map;
use super::past_bars;
use super::stream::{AccountStream, BarStream};
use super::trading_wire::{Account, Clock, Day, Fee, Fill, Order, Position};
use super::wire::{Asset, instant, short};
use super::{HEADERS, Key};
use crate::json::decode;
use crate::keyed::{percent_encode, ticker};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::order::{Charge, OrderIntent, OrderReport, ReportSource, VenueFill};
use everwarm_domain::time::{DAY, UtcMs};
use everwarm_domain::venue_ids::VenueOrderId;
use everwarm_venue::Opening;
use everwarm_venue::clock::{SharedClock, Wall};
use everwarm_venue::port::{
    AccountPicture, ErrorClass, Hours, TimeSample, Trade, TradesSince, VenueError,
};
use everwarm_venue::rate_limit::{Note, Priority, Spent, WeightLimit};
use everwarm_venue::session::Session;
use everwarm_venue::source::Followed;
use everwarm_venue::transport::{Http, HttpRequest, Method, PLACE_TIMEOUT, Probe, READ_TIMEOUT};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

mod limits;

/// Up to this number, the rules of symbols are requested one by one. Those of all are megabytes.
const SYMBOLS_ONE_BY_ONE: usize = 30;
/// Orders in one response.
const ORDERS: usize = 500;
/// Fills in one response.
const FILLS: usize = 100;
/// Most pages of fills and of orders for one query.
const PAGES: usize = 400;
/// Days before now whose fees are read.
const FEE_DAYS: i64 = 60;
/// Days of the calendar that are requested before and after today.
const CALENDAR: [i64; 2] = [30, 30];
/// How often a clock that jumped is read again.
const LOOKS: u32 = 3;

struct Inner {
    hosts: Hosts,
    key: Key,
    bars: past_bars::Client,
    clock: SharedClock,
    wall: Wall,
    note: Note,
    http: Http,
    limit: Mutex<WeightLimit>,
    recv_window: AtomicI64,
    /// The end of the current wait, real time of the venue, UTC milliseconds.
    waiting: AtomicI64,
}

/// A client. Clones share connections and counts.
#[derive(Clone)]
pub(super) struct AlpacaClient(Arc<Inner>, Patience);

/// What a read does if it must wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    /// It waits.
    Waits,
    /// It returns the wait as an error.
    Returns,
}

impl fmt::Debug for AlpacaClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlpacaClient").field("rest", &self.0.hosts.rest).finish_non_exhaustive()
    }
}

/// One request.
struct Call {
    kind: Kind,
    method: Method,
    /// Path and query.
    path: String,
    body: String,
    priority: Priority,
}

impl Call {
    fn read(path: String) -> Call {
        let (method, priority) = (Method::Get, Priority::Fills);
        Call { kind: Kind::Read, method, path, body: String::new(), priority }
    }
}

impl AlpacaClient {
    /// Makes a client. It makes no connection.
    ///
    /// # Errors
    /// The TLS set-up of this machine cannot be used.
    pub(super) fn new(hosts: Hosts, key: Key, opening: Opening) -> Result<AlpacaClient, String> {
        let Opening { recv_window, clock, wall, note } = opening;
        let http = Http::new(&hosts.rest, Probe::default())?;
        let trading = vec![hosts.rest.clone()];
        let (data, feed) = (hosts.data.clone(), hosts.feed());
        let bars = past_bars::Client::new(data, trading, feed, &key, Arc::clone(&wall))?;
        let Spent { banned_until, .. } = note.before;
        let times = clock.lock().pace().width();
        let limit = Mutex::new(limits::new(banned_until, times));
        let recv_window = AtomicI64::new(recv_window);
        let waiting = AtomicI64::new(i64::MIN);
        let inner =
            Inner { hosts, key, bars, clock, wall, note, http, limit, recv_window, waiting };
        Ok(AlpacaClient(Arc::new(inner), Patience::Waits))
    }

    /// The same client with other waiting: see [`everwarm_venue::Venue::impatient`].
    pub(super) fn impatient(&self) -> AlpacaClient {
        AlpacaClient(Arc::clone(&self.0), Patience::Returns)
    }

    pub(super) fn bars(&self) -> &past_bars::Client {
        &self.0.bars
    }

    pub(super) fn clock(&self) -> &SharedClock {
        &self.0.clock
    }

    /// The venue's time now, UTC milliseconds.
    pub(super) fn now(&self) -> UtcMs {
        self.0.clock.now((self.0.wall)())
    }

    /// How long an order may be on its way, milliseconds. The venue knows no such limit.
    pub(super) fn recv_window(&self) -> i64 {
        self.0.recv_window.load(Relaxed)
    }

    pub(super) fn set_recv_window(&self, ms: i64) {
        self.0.recv_window.store(ms, Relaxed);
    }

    /// Reads the venue's clock. If the time changes a lot, it reads again.
    pub(super) async fn server_time(&self) -> Result<TimeSample, VenueError> {
        let mut times = Vec::new();
        for _ in 0..LOOKS {
            let sent = (self.0.wall)();
            let clock: Clock = self.get("/v2/clock".to_owned()).await?;
            let received = (self.0.wall)();
            let server = readable(Kind::Read, instant(&clock.timestamp))?;
            let sample = TimeSample { sent, server, received };
            if self.0.clock.lock().sample(sample) {
                return Ok(sample);
            }
            times.push(server);
        }
        let text = format!("server time {times:?}: each is far from what it was, and another");
        Err(error::of_unreadable(Kind::Read, text))
    }

    /// The rules of those `symbols` that the venue has, sorted by symbol. No symbols: all rules.
    pub(super) async fn instruments(
        &self,
        symbols: &[Symbol],
    ) -> Result<Vec<Instrument>, VenueError> {
        let mut assets: Vec<Asset> = Vec::new();
        if (1..=SYMBOLS_ONE_BY_ONE).contains(&symbols.len()) {
            for name in symbols.iter().filter_map(ticker) {
                match self.get(format!("/v2/assets/{name}")).await {
                    Ok(asset) => assets.push(asset),
                    Err(VenueError { class: ErrorClass::Absent, .. }) => {}
                    Err(e) => return Err(e),
                }
            }
        } else {
            assets = self.get("/v2/assets?asset_class=us_equity".to_owned()).await?;
        }
        // Names of other markets are no symbols here.
        assets.retain(|asset| Symbol::named(&asset.symbol).is_ok());
        let found: Result<Vec<_>, String> = assets.iter().map(map::instrument).collect();
        let mut rules: Vec<Instrument> =
            readable(Kind::Read, found)?.into_iter().flatten().collect();
        // The venue lists some symbols twice: once as they are, once as they were.
        rules.sort_by_key(|rule| (rule.symbol, !rule.trading));
        rules.dedup_by_key(|rule| rule.symbol);
        if !symbols.is_empty() {
            rules.retain(|rule| symbols.contains(&rule.symbol));
        }
        Ok(rules)
    }

    /// The sessions around today.
    pub(super) async fn hours(&self) -> Result<Hours, VenueError> {
        let [before, after] = CALENDAR.map(|days| days * DAY);
        let now = self.now();
        let zone = readable(Kind::Read, TimeZone::get(map::ZONE).map_err(|e| e.to_string()))?;
        let date = |time: UtcMs| -> Result<Date, VenueError> {
            let time = Timestamp::from_millisecond(time).map_err(|e| e.to_string());
            Ok(readable(Kind::Read, time)?.to_zoned(zone.clone()).date())
        };
        let (from, to) = (date(now.saturating_sub(before))?, date(now.saturating_add(after))?);
        let days: Vec<Day> = self.get(format!("/v2/calendar?start={from}&end={to}")).await?;
        let sessions = readable(Kind::Read, map::sessions((from, to), &days))?;
        Ok(Hours { sessions: Some(sessions), zone: Some(zone) })
    }

    /// Dollars and shares, and the fees of the last days. The cash is read before the fees, so each
    /// fee that it lacks is among them.
    pub(super) async fn account(&self) -> Result<AccountPicture, VenueError> {
        let account: Account = self.get("/v2/account".to_owned()).await?;
        let positions: Vec<Position> = self.get("/v2/positions".to_owned()).await?;
        let picture = readable(Kind::Read, map::account(&account, &positions))?;
        Ok(AccountPicture { charges: self.charges().await?, ..picture })
    }

    /// The last fees, by time. One that cannot be read is left out: if it was taken, the account
    /// differs from the books.
    async fn charges(&self) -> Result<Vec<(String, Charge)>, VenueError> {
        let after = encoded(&before(self.now().saturating_sub(FEE_DAYS * DAY))?);
        let kind = "/v2/account/activities/FEE";
        let path = format!("{kind}?direction=desc&page_size={FILLS}&after={after}");
        let rows: Vec<Box<RawValue>> = self.get(path).await?;
        let mut charges: Vec<(String, Charge)> = Vec::with_capacity(rows.len().min(FILLS));
        // The venue's order within a time is kept, the oldest first.
        for row in rows.iter().take(FILLS).rev() {
            let fee = decode::<Fee>("fee", row.get().as_bytes());
            match fee.and_then(|fee| Ok(map::charge(&fee)?.map(|charge| (fee.id, charge)))) {
                Ok(charge) => charges.extend(charge),
                Err(why) => tracing::warn!(why, "left out a fee"),
            }
        }
        charges.sort_by_key(|(_, charge)| charge.time);
        map::name_charges(&mut charges);
        Ok(charges)
    }

    /// Open orders, sorted by the venue's id.
    pub(super) async fn open_orders(
        &self,
        symbol: Option<Symbol>,
    ) -> Result<Vec<OrderReport>, VenueError> {
        let orders = self.open(symbol).await?;
        let mut reports = Vec::with_capacity(orders.len());
        for order in &orders {
            match map::report(ReportSource::Query, order, Vec::new()) {
                Ok(report) => reports.push(report),
                Err(why) if ClientOrderId(order.client_order_id.clone()).is_ours() => {
                    return Err(error::of_unreadable(Kind::Read, why));
                }
                Err(why) => tracing::warn!(why, "left out a foreign open order"),
            }
        }
        reports.sort_by(|a, b| a.venue_order_id.cmp(&b.venue_order_id));
        Ok(reports)
    }

    /// The messages about open orders, the oldest first. Foreign orders that cannot be read, like
    /// those of other markets, are left out. Pages follow by the time of submission and overlap,
    /// because several orders may have the same time.
    async fn open(&self, symbol: Option<Symbol>) -> Result<Vec<Order>, VenueError> {
        let mut all: BTreeMap<String, Order> = BTreeMap::new();
        let mut after = String::new();
        let symbols = symbol.map_or_else(String::new, |symbol| format!("&symbols={symbol}"));
        for _ in 0..PAGES {
            let path =
                format!("/v2/orders?status=open&limit={ORDERS}&direction=asc{symbols}{after}");
            let page: Vec<Box<RawValue>> = self.get(path).await?;
            let (count, known) = (page.len(), all.len());
            let mut last = None;
            for row in &page {
                match decode::<Order>("open order", row.get().as_bytes()) {
                    Ok(order) => {
                        last = order.submitted_at.clone().or(order.created_at.clone());
                        all.insert(order.id.clone(), order);
                    }
                    Err(why) if row.get().contains(ClientOrderId::PREFIX) => {
                        return Err(error::of_unreadable(Kind::Read, why));
                    }
                    Err(why) => tracing::warn!(why, "left out a foreign open order"),
                }
            }
            let Some(last) = last.filter(|_| count == ORDERS && all.len() > known) else {
                let wanted = |order: &Order| symbol.is_none_or(|s| order.symbol == s.as_str());
                return Ok(all.into_values().filter(wanted).collect());
            };
            let time = readable(Kind::Read, instant(&last))?;
            after = format!("&after={}", encoded(&before(time)?));
        }
        Err(error::of_unreadable(Kind::Read, "the open orders have no end".to_owned()))
    }

    /// Places an order: one request.
    pub(super) async fn place(&self, intent: &OrderIntent) -> Result<OrderReport, VenueError> {
        let body = map::new_order(intent)
            .map_err(|why| VenueError::new(ErrorClass::Refused { again: false }, 0, why))?;
        let (kind, method) = (Kind::Place, Method::Post);
        let priority = limits::priority(intent.side);
        let path = "/v2/orders".to_owned();
        let answer = self.send(Call { kind, method, path, body, priority }).await?;
        let order: Order = readable(kind, decode("order", &answer))?;
        let report = readable(kind, map::report(ReportSource::Answer, &order, Vec::new()))?;
        if report.side != intent.side {
            let text = "the answer is about the other side".to_owned();
            return Err(error::of_unreadable(kind, text));
        }
        same_order(kind, report, intent.symbol, &intent.client_id)
    }

    /// Cancels an open order by our id: reads the venue's id, then sends one request. The venue
    /// accepts a cancel before it takes effect, so the order may still be open, or be filled.
    pub(super) async fn cancel(
        &self,
        symbol: Symbol,
        client_id: &ClientOrderId,
    ) -> Result<OrderReport, VenueError> {
        let absent = || {
            let text = "the venue does not know the order".to_owned();
            VenueError::new(ErrorClass::Absent, 0, text)
        };
        let order = self.by_client_id(client_id, Priority::Cancel).await?.ok_or_else(absent)?;
        let report = readable(Kind::Read, map::report(ReportSource::Query, &order, Vec::new()))?;
        let report = same_order(Kind::Read, report, symbol, client_id)?;
        if report.status.is_final() {
            return Err(VenueError::new(ErrorClass::Absent, 0, "it is not open".to_owned()));
        }
        self.delete(&order.id).await?;
        // The cancel is accepted, whatever a read says now.
        let after = self.by_venue_id(&order.id).await.ok().flatten();
        let after = after.map(|order| map::report(ReportSource::Answer, &order, Vec::new()));
        Ok(after.and_then(Result::ok).unwrap_or(report))
    }

    async fn delete(&self, id: &str) -> Result<(), VenueError> {
        let (kind, method, priority) = (Kind::Cancel, Method::Delete, Priority::Cancel);
        let path = format!("/v2/orders/{}", encoded(id));
        self.send(Call { kind, method, path, body: String::new(), priority }).await.map(drop)
    }

    /// Cancels all open orders of a symbol, also external ones, one after the other. `Absent`:
    /// there are none.
    pub(super) async fn cancel_all(&self, symbol: Symbol) -> Result<(), VenueError> {
        let mut cancelled = false;
        for order in self.open(Some(symbol)).await? {
            match self.delete(&order.id).await {
                Ok(()) => cancelled = true,
                Err(e) if e.class == ErrorClass::Absent => {}
                Err(e) => return Err(e),
            }
        }
        let absent = || VenueError::new(ErrorClass::Absent, 0, "no order is open".to_owned());
        if cancelled { Ok(()) } else { Err(absent()) }
    }

    /// The order with this id of ours, with its fills. None: the venue does not know it.
    pub(super) async fn find_order(
        &self,
        symbol: Symbol,
        client_id: &ClientOrderId,
    ) -> Result<Option<OrderReport>, VenueError> {
        let order = self.by_client_id(client_id, Priority::Fills).await?;
        let Some(order) = order else { return Ok(None) };
        let fills = if order.filled_qty.is_none_or(|filled| filled.is_zero()) {
            Vec::new()
        } else {
            let id = readable(Kind::Read, VenueOrderId::new(&order.id))?;
            let created = order.created_at.as_ref().map(|time| instant(time)).transpose();
            let since = readable(Kind::Read, created)?;
            let trades = self.trades_of(symbol, &id, since).await?;
            trades.into_iter().map(|trade| trade.fill).collect()
        };
        // The fills were read after the order, so there may be more of them. The next query shows
        // the order with all of them.
        let fills = up_to(order.filled_qty.unwrap_or_default(), fills);
        let report = readable(Kind::Read, map::report(ReportSource::Query, &order, fills))?;
        same_order(Kind::Read, report, symbol, client_id).map(Some)
    }

    /// The client's id of an order. None: the venue does not know it.
    pub(super) async fn client_id_of(
        &self,
        id: &VenueOrderId,
    ) -> Result<Option<ClientOrderId>, VenueError> {
        let order = self.by_venue_id(id.as_str()).await?;
        Ok(order.map(|order| ClientOrderId(order.client_order_id)))
    }

    async fn by_client_id(
        &self,
        id: &ClientOrderId,
        priority: Priority,
    ) -> Result<Option<Order>, VenueError> {
        let id = encoded(&id.0);
        let path = format!("/v2/orders:by_client_order_id?client_order_id={id}");
        self.find(Call { priority, ..Call::read(path) }).await
    }

    async fn by_venue_id(&self, id: &str) -> Result<Option<Order>, VenueError> {
        self.find(Call::read(format!("/v2/orders/{}", encoded(id)))).await
    }

    async fn find(&self, call: Call) -> Result<Option<Order>, VenueError> {
        match self.read(call).await {
            Ok(order) => Ok(Some(order)),
            Err(e) if e.class == ErrorClass::Absent => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// All trades of one order, ascending.
    pub(super) async fn order_trades(
        &self,
        symbol: Symbol,
        id: &VenueOrderId,
    ) -> Result<Vec<Trade>, VenueError> {
        self.trades_of(symbol, id, None).await
    }

    /// The same, of an order that was created at this time.
    async fn trades_of(
        &self,
        symbol: Symbol,
        id: &VenueOrderId,
        created: Option<UtcMs>,
    ) -> Result<Vec<Trade>, VenueError> {
        let mut query = format!("&order_id={}", encoded(id.as_str()));
        if let Some(time) = created {
            query = format!("{query}&after={}", encoded(&before(time)?));
        }
        let of_it = |fill: &Fill| fill.symbol == symbol.as_str() && fill.order_id == id.as_str();
        self.fills(&query, of_it, None).await
    }

    /// All trades of the account in `symbol` since a trade or a time, ascending.
    pub(super) async fn trades_since(
        &self,
        symbol: Symbol,
        since: TradesSince,
    ) -> Result<Vec<Trade>, VenueError> {
        let (time, last) = match since {
            TradesSince::Trade(id, time) => (time, Some(id)),
            TradesSince::Time(time) => (time, None),
        };
        let query = format!("&after={}", encoded(&before(time)?));
        let of_it = |fill: &Fill| fill.symbol == symbol.as_str();
        self.fills(&query, of_it, last.as_ref().map(|id| (id.as_str(), time))).await
    }

    /// Those of the fills that are `wanted`, ascending, without those up to the `known` one. Pages
    /// overlap: the venue may leave out fills of the millisecond at which a page ends.
    async fn fills(
        &self,
        query: &str,
        wanted: impl Fn(&Fill) -> bool,
        known: Option<(&str, UtcMs)>,
    ) -> Result<Vec<Trade>, VenueError> {
        let first = format!("/v2/account/activities/FILL?direction=asc&page_size={FILLS}{query}");
        let (mut path, mut token) = (first.clone(), String::new());
        let mut rows: BTreeMap<String, Fill> = BTreeMap::new();
        for _ in 0..PAGES {
            let page: Vec<Fill> = self.get(path).await?;
            let next = (page.len() == FILLS).then(|| follows(&page)).flatten();
            rows.extend(page.into_iter().map(|fill| (fill.id.clone(), fill)));
            let Some(next) = next else { return trades(&rows, wanted, known) };
            if next == token {
                let text = format!("fill {:?} comes again", short(&next));
                return Err(error::of_unreadable(Kind::Read, text));
            }
            path = format!("{first}&page_token={}", encoded(&next));
            token = next;
        }
        let text = format!("the fills have no end: {} came", rows.len());
        Err(error::of_unreadable(Kind::Read, text))
    }

    /// Session for the bars of these symbols.
    pub(super) fn bar_session(&self, symbols: Followed) -> (String, Session<BarStream>) {
        let most = self.0.hosts.most_symbols();
        let stream = BarStream::new(self.0.key.clone(), symbols, most);
        (self.0.hosts.streams.clone(), Session::new(stream))
    }

    /// Session for the account's events.
    pub(super) fn account_session(&self) -> (String, Session<AccountStream>) {
        (self.0.hosts.account.clone(), Session::new(AccountStream::new(self.0.key.clone())))
    }

    async fn get<T: DeserializeOwned>(&self, path: String) -> Result<T, VenueError> {
        self.read(Call::read(path)).await
    }

    async fn read<T: DeserializeOwned>(&self, call: Call) -> Result<T, VenueError> {
        let what = call.path.split(['?', ':']).next().unwrap_or_default().to_owned();
        let answer = self.send(call).await?;
        readable(Kind::Read, decode(&what, &answer))
    }

    /// Sends one request, once.
    async fn send(&self, call: Call) -> Result<Vec<u8>, VenueError> {
        let Call { kind, method, path, body, priority } = call;
        self.admitted(kind, priority).await?;
        let Inner { hosts, key, http, .. } = &*self.0;
        let [id, secret] = HEADERS;
        let keys = [(id, &key.id), (secret, &key.secret)];
        let url = format!("{}{path}", hosts.rest);
        let timeout = match kind {
            Kind::Place | Kind::Cancel => PLACE_TIMEOUT,
            Kind::Read => READ_TIMEOUT,
        };
        let request = HttpRequest { method, url: &url, keys: &keys, timeout, body };
        let sent = self.real();
        let answer = http.send(request).await.map_err(|e| error::of_transport(kind, e));
        let answer = answer.map_err(|e| self.hidden(e))?;
        self.observe(sent, &answer);
        if (200..300).contains(&answer.status) {
            return Ok(answer.body);
        }
        let wait_ms = self.asked_wait(&answer);
        let failed = error::of_answer(kind, answer.status, wait_ms, &answer.body);
        if let ErrorClass::RateLimited { retry_after_ms } = failed.class {
            self.block(retry_after_ms);
        }
        Err(self.hidden(failed))
    }

    /// Takes the key out of an error.
    fn hidden(&self, mut error: VenueError) -> VenueError {
        for part in [&self.0.key.id, &self.0.key.secret] {
            if error.text.contains(part.expose()) {
                error.text = error.text.replace(part.expose(), "[redacted]");
            }
        }
        error
    }
}

/// The first fills, as long as they are not more than was `filled`.
fn up_to(filled: everwarm_domain::money::Decimal, fills: Vec<VenueFill>) -> Vec<VenueFill> {
    let mut left = filled;
    let fits = |fill: &VenueFill| {
        left = left.saturating_sub(fill.quantity);
        !left.is_sign_negative() || left.is_zero()
    };
    fills.into_iter().take_while(fits).collect()
}

/// The text of the time just before `time`, UTC milliseconds: the venue's `after` excludes a time.
fn before(time: UtcMs) -> Result<String, VenueError> {
    let time = Timestamp::from_millisecond(time.saturating_sub(1)).map_err(|e| e.to_string());
    readable(Kind::Read, time).map(|time| time.to_string())
}

/// The id after which the next page begins: the last one of an earlier millisecond than the end of
/// this page, or the last one. Ids begin with their time.
fn follows(page: &[Fill]) -> Option<String> {
    let time = |fill: &Fill| fill.id.split("::").next().map(str::to_owned);
    let last = page.last()?;
    let earlier = page.iter().rev().find(|fill| time(fill) != time(last));
    Some(earlier.unwrap_or(last).id.clone())
}

/// The trades of the fills that are `wanted`, without those up to the `known` one.
fn trades(
    rows: &BTreeMap<String, Fill>,
    wanted: impl Fn(&Fill) -> bool,
    known: Option<(&str, UtcMs)>,
) -> Result<Vec<Trade>, VenueError> {
    let trades: Result<Vec<Trade>, String> =
        rows.values().filter(|fill| wanted(fill)).map(map::trade).collect();
    let mut trades = readable(Kind::Read, trades)?;
    trades.sort_by(|a, b| order_of(a).cmp(&order_of(b)));
    if let Some((id, time)) = known {
        trades.retain(|it| it.fill.time >= time && it.fill.trade_id.as_str() != id);
    }
    Ok(trades)
}

fn order_of(trade: &Trade) -> (UtcMs, &everwarm_domain::venue_ids::VenueTradeId) {
    (trade.fill.time, &trade.fill.trade_id)
}

pub(super) fn encoded(text: &str) -> String {
    let mut out = String::new();
    percent_encode(text, &mut out);
    out
}

fn readable<T>(kind: Kind, result: Result<T, String>) -> Result<T, VenueError> {
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
