//! A venue in this process, by another protocol than any other here: an adapter of both ports
//! without a socket. Its ids are text. It has no look-up by client order id, so it lists what the
//! account ordered. It trades in sessions, by days of another zone. It keeps our ids unique for
//! good, and names no end of a request. Of every third order the response is lost after the order
//! was executed.

use everwarm_domain::capabilities::Capabilities;
use everwarm_domain::id::{ClientOrderId, Symbol, VenueId};
use everwarm_domain::market::Bar;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{
    OrderReport, OrderStatus, Proof, ReportSource, Side, Validity, VenueFill,
};
use everwarm_domain::sessions::Sessions;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs, WallMs};
use everwarm_domain::venue_ids::{VenueOrderId, VenueTradeId};
use everwarm_sim::Local;
use everwarm_sim::exchange::fact::SimFact;
use everwarm_sim::exchange::local;
use everwarm_sim::exchange::request::{Cancel, CancelMany, Many, Target};
use everwarm_sim::exchange::{Exchange, NewOrder, Order};
use everwarm_venue::clock::SharedClock;
use everwarm_venue::port::{
    AccountPicture, AccountReport, Bars, Carried, ErrorClass, Hours, Listener, MarketReport,
    MayPlace, Pending, Report, Request, Sink, TimeSample, Trade, TradesSince, Venue, VenueError,
};
use everwarm_venue::session::Event;
use everwarm_venue::simulated::{Standing, Wheel};
use everwarm_venue::source::{BarRange, Followed, Source, SourceCapabilities};
use everwarm_venue::{Opening, Ports};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Orders of which the response is lost: one in so many.
const LOST: u64 = 3;
/// How long a request may be on its way, milliseconds of venue time.
const ON_ITS_WAY: i64 = 700;
/// What the ids of this venue begin with.
const ORDER_PREFIX: &str = "corner/";
/// Where its day begins at midnight.
const ZONE: &str = "America/New_York";

struct Books {
    local: Local,
    /// What the account stream reported of each order.
    reported: BTreeMap<u64, (OrderStatus, Decimal)>,
    /// Orders there were.
    placed: u64,
}

/// The venue. It outlives the runs of the daemon, like any other.
#[derive(Clone)]
pub struct Corner {
    books: Arc<Mutex<Books>>,
    /// Rises with each change.
    changed: Arc<watch::Sender<u64>>,
    /// When it trades.
    sessions: Sessions,
}

impl fmt::Debug for Corner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Corner")
    }
}

impl Corner {
    /// Opens fresh books.
    pub fn open(local: Local, sessions: Sessions) -> Corner {
        let books = Books { local, reported: BTreeMap::new(), placed: 0 };
        let changed = Arc::new(watch::channel(0).0);
        Corner { books: Arc::new(Mutex::new(books)), changed, sessions }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ids of all orders there were.
    pub fn client_ids(&self) -> Vec<String> {
        self.books().local.exchange().orders().map(|order| order.client_id.clone()).collect()
    }

    /// Its ledger.
    pub fn ledger(&self) -> serde_json::Value {
        everwarm_sim::wire::events::ledger(self.books().local.exchange())
    }

    /// Both ports of it.
    pub fn ports(&self, opening: &Opening) -> Ports {
        let desk = Desk { corner: self.clone(), clock: opening.clock.clone() };
        Ports { venue: Arc::new(desk.clone()), source: Arc::new(desk) }
    }

    fn poke(&self) {
        self.changed.send_modify(|n| *n += 1);
    }
}

impl Wheel for Corner {
    fn status(&self) -> Pending<Standing> {
        self.advance(UtcMs::MIN, UtcMs::MIN)
    }

    fn advance(&self, to: UtcMs, market: UtcMs) -> Pending<Standing> {
        let mut books = self.books();
        books.local.advance(to, market);
        let (now, released) = (books.local.exchange().now(), books.local.exchange().market());
        let last_close = books.local.exchange().shown_close();
        let closed = last_close.map(|close| books.local.market().bars_closing(close));
        let closed = closed.into_iter().flatten().map(|bar| bar.symbol).collect();
        let next_close = books.local.next_close();
        let traded = books.local.exchange().traded_since(released - MINUTE);
        drop(books);
        self.poke();
        Box::pin(std::future::ready(Ok(Standing {
            now,
            market: released,
            last_close,
            closed,
            next_close,
            in_step: true,
            factor: 0,
            bars_at_once: 0,
            over_limits: 0,
            rejected_keys: 0,
            traded,
        })))
    }

    fn generation(&self) -> u64 {
        0
    }
}

/// The adapter.
#[derive(Clone, Debug)]
struct Desk {
    corner: Corner,
    clock: SharedClock,
}

fn no<T>(class: ErrorClass, text: impl Into<String>) -> Result<T, VenueError> {
    Err(VenueError::new(class, 0, text.into()))
}

/// The failure of a request in the classes of the port.
fn rejected<T>((_, text): (i32, String)) -> Result<T, VenueError> {
    let class = match text.as_str() {
        text if text.contains("insufficient balance") => ErrorClass::Funds,
        text if text.starts_with("Filter failure") => ErrorClass::Rules,
        text if text.starts_with("Unknown order") => ErrorClass::Absent,
        _ => ErrorClass::Refused { again: false },
    };
    no(class, text)
}

fn plain(mut bar: Bar) -> Bar {
    bar.volume = bar.volume.normalize();
    bar
}

impl Desk {
    #[expect(clippy::too_many_lines, reason = "one arm for each request of the port")]
    fn perform(&self, request: Request) -> Result<Report, VenueError> {
        let mut books = self.corner.books();
        let now = books.local.exchange().now();
        let by_symbol = |of: &Option<Symbol>, symbol: Symbol| of.is_none_or(|of| of == symbol);
        Ok(match request {
            Request::ServerTime => {
                let wall = WallMs::from_utc(now);
                Report::ServerTime(TimeSample { sent: wall, server: now, received: wall })
            }
            Request::Instruments { symbols } => {
                let mut rules = books.local.exchange().instruments().to_vec();
                rules.retain(|rule| symbols.is_empty() || symbols.contains(&rule.symbol));
                Report::Instruments(rules)
            }
            Request::Days => Report::Days(Vec::new()),
            Request::Splits { .. } => Report::Splits(Vec::new()),
            Request::Hours => Report::Hours(Hours {
                sessions: Some(self.corner.sessions.clone()),
                zone: Some(TimeZone::get(ZONE).unwrap()),
            }),
            Request::LastPrice { symbol } => {
                let bars = books.local.market().bars(symbol, UtcMs::MIN, now, usize::MAX);
                match bars.last() {
                    Some(bar) => Report::Price(bar.close.decimal()),
                    None => return no(ErrorClass::Refused { again: true }, "no trade yet"),
                }
            }
            Request::Account => Report::Account(AccountPicture {
                id: Some("corner-1".to_owned()),
                can_trade: true,
                balances: books.local.account(),
                unread: Vec::new(),
                charges: Vec::new(),
            }),
            Request::OpenOrders { symbol } => {
                let exchange = books.local.exchange();
                let open = exchange.open_orders().filter(|o| by_symbol(&symbol, o.symbol));
                Report::OpenOrders(open.map(|order| report(exchange, order)).collect())
            }
            Request::OrderCounts => Report::Done,
            Request::PlacePair { .. } => {
                return no(ErrorClass::Refused { again: false }, "there are no pairs");
            }
            Request::Place { intent, attempt } => {
                let Validity { timestamp, deadline, .. } = attempt.validity;
                assert_eq!(deadline, timestamp + ON_ITS_WAY, "the announcement has our deadline");
                let ours = &intent.client_id.0;
                if books.local.exchange().orders().any(|order| order.client_id == *ours) {
                    return no(ErrorClass::Unknown, "there was an order with this id");
                }
                let order = NewOrder::of(&intent, timestamp);
                let order = order.or_else(|why| no(ErrorClass::Refused { again: false }, why))?;
                let placed = named(books.local.place(order).or_else(rejected)?);
                books.placed += 1;
                if books.placed.is_multiple_of(LOST) {
                    return no(ErrorClass::Unknown, "the line went dead");
                }
                Report::Order(Box::new(placed))
            }
            Request::Cancel { symbol, client_id, stamp } => {
                let target = Target { symbol, order: None, client_id: Some(client_id.0.clone()) };
                let (at, deadline) = (stamp.timestamp, UtcMs::MAX);
                let cancel = Cancel { target, cancel_id: None, at, deadline, only_begun: None };
                let facts = books.local.step(SimFact::Cancel(cancel));
                if let Some(SimFact::Rejected { code, msg }) = facts.first() {
                    return rejected((*code, msg.clone()));
                }
                let exchange = books.local.exchange();
                let order = exchange.newest(symbol, &client_id.0);
                let found = order.map(|order| report(exchange, order));
                Report::Order(Box::new(found.map_or_else(|| no(ErrorClass::Absent, "?"), Ok)?))
            }
            Request::CancelAll { symbol, stamp } => {
                let (many, at, deadline) = (Many::Symbol, stamp.timestamp, UtcMs::MAX);
                let cancel = CancelMany { symbol, many, cancel_id: None, at, deadline };
                if let Some(SimFact::Rejected { code, msg }) =
                    books.local.step(SimFact::CancelMany(cancel)).first()
                {
                    return rejected((*code, msg.clone()));
                }
                Report::Done
            }
            // It is asked for all orders of the symbol, the newest first.
            Request::FindOrder { symbol, client_id } => {
                let exchange = books.local.exchange();
                let mut all: Vec<_> = exchange.orders().filter(|o| o.symbol == symbol).collect();
                all.reverse();
                let found = all.into_iter().find(|order| order.client_id == client_id.0);
                let found = found.map(|order| OrderReport {
                    source: ReportSource::Query,
                    ..report(exchange, order)
                });
                Report::Found(found.map(Box::new))
            }
            Request::ClientId { symbol, venue_order_id } => {
                let order = by_id(books.local.exchange(), &venue_order_id);
                let order = order.filter(|order| order.symbol == symbol);
                Report::ClientId(order.map(|order| ClientOrderId(order.client_id.clone())))
            }
            Request::OrderTrades { symbol, venue_order_id } => {
                let exchange = books.local.exchange();
                let order = by_id(exchange, &venue_order_id).filter(|o| o.symbol == symbol);
                let report = order.map(|order| report(exchange, order));
                Report::Trades(report.map_or_else(Vec::new, |report| trades(&report)))
            }
            Request::TradesSince { symbol, since } => {
                let exchange = books.local.exchange();
                let orders = exchange.orders().filter(|order| order.symbol == symbol);
                let mut all: Vec<Trade> =
                    orders.flat_map(|order| trades(&report(exchange, order))).collect();
                all.retain(|trade| match &since {
                    TradesSince::Trade(id, time) => {
                        (trade.fill.time, &trade.fill.trade_id) > (*time, id)
                    }
                    TradesSince::Time(time) => trade.fill.time >= *time,
                });
                all.sort_by_key(|trade| (trade.fill.time, trade.fill.trade_id.clone()));
                Report::Trades(all)
            }
        })
    }

    /// What changed since the last report of the stream.
    fn news(&self) -> Vec<OrderReport> {
        let mut books = self.corner.books();
        let books = &mut *books;
        let exchange = books.local.exchange();
        let mut news = Vec::new();
        for order in exchange.orders() {
            let report = OrderReport { source: ReportSource::Stream, ..report(exchange, order) };
            let state = (report.status, report.executed);
            if books.reported.insert(order.id, state) != Some(state) {
                news.push(report);
            }
        }
        news
    }
}

/// A report in the ids of this venue.
fn named(report: OrderReport) -> OrderReport {
    let venue_order_id = format!("{ORDER_PREFIX}{}", report.venue_order_id);
    let fills = report.fills.into_iter().map(|fill| VenueFill {
        trade_id: VenueTradeId::new(&format!("{}:t{}", report.symbol, fill.trade_id)).unwrap(),
        ..fill
    });
    OrderReport {
        venue_order_id: VenueOrderId::new(&venue_order_id).unwrap(),
        fills: fills.collect(),
        ..report
    }
}

fn report(exchange: &Exchange, order: &Order) -> OrderReport {
    named(local::report(exchange, order))
}

fn by_id<'a>(exchange: &'a Exchange, id: &VenueOrderId) -> Option<&'a Order> {
    exchange.order(id.as_str().strip_prefix(ORDER_PREFIX)?.parse().ok()?)
}

fn trades(report: &OrderReport) -> Vec<Trade> {
    let trade = |fill: &VenueFill| Trade {
        venue_order_id: report.venue_order_id.clone(),
        symbol: report.symbol,
        side: report.side,
        fill: fill.clone(),
    };
    report.fills.iter().map(trade).collect()
}

impl Venue for Desk {
    fn id(&self) -> VenueId {
        VenueId::default()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::market_and_limit()
    }

    fn request(&self, request: Request) -> Pending<Report> {
        let it = self.clone();
        Box::pin(async move {
            let done = it.perform(request);
            it.corner.poke();
            done
        })
    }

    fn impatient(&self) -> Arc<dyn Venue> {
        Arc::new(self.clone())
    }

    fn clock(&self) -> &SharedClock {
        &self.clock
    }

    fn now(&self) -> UtcMs {
        self.clock.now(WallMs::default())
    }

    fn validity(&self, timestamp: UtcMs) -> Validity {
        let deadline = timestamp + ON_ITS_WAY;
        Validity { timestamp, deadline, settled_at: None, proof: Proof::ById }
    }

    fn set_recv_window(&self, _: i64) {}

    fn may_place(&self, sides: &[Side]) -> MayPlace {
        MayPlace { now: vec![true; sides.len()], wait: None }
    }

    fn used(&self) -> f64 {
        0.0
    }

    fn waiting(&self) -> Option<i64> {
        None
    }

    fn banned(&self) -> [Option<(UtcMs, UtcMs)>; 2] {
        [None, None]
    }

    fn clear_bans(&self) -> bool {
        false
    }

    fn follow_account(
        &self,
        _: Listener,
        mut sink: Sink<AccountReport>,
    ) -> Result<Carried, VenueError> {
        let it = self.clone();
        Ok(Box::pin(async move {
            let mut changed = it.corner.changed.subscribe();
            if sink(Event::Subscribed).is_break() {
                return;
            }
            loop {
                for report in it.news() {
                    let event = Event::Frame(AccountReport::Order(Box::new(report)));
                    if sink(event).is_break() {
                        return;
                    }
                }
                if changed.changed().await.is_err() {
                    return;
                }
            }
        }))
    }
}

impl Source for Desk {
    fn capabilities(&self) -> SourceCapabilities {
        SourceCapabilities {
            widths: &[Timeframe::M1],
            page: 100,
            depth: None,
            volume: true,
            settles: 0,
            per_connection: 2,
            per_minute: 0,
        }
    }

    fn bars(&self, range: BarRange) -> Pending<Bars> {
        let BarRange { symbol, times, .. } = range;
        let mut books = self.corner.books();
        let last = (*times.end()).min(books.local.exchange().market());
        let page = usize::from(Source::capabilities(self).page);
        let bars = books.local.market().bars(symbol, *times.start(), last, page);
        let held = bars.into_iter().map(plain).collect();
        Box::pin(std::future::ready(Ok(Bars { held, unheld: Vec::new() })))
    }

    fn follow(
        &self,
        mut symbols: Followed,
        timeframe: Timeframe,
        _: Listener,
        mut sink: Sink<MarketReport>,
    ) -> Carried {
        let it = self.clone();
        Box::pin(async move {
            let mut changed = it.corner.changed.subscribe();
            let mut sent = it.corner.books().local.exchange().market();
            symbols.mark_unchanged();
            if sink(Event::Subscribed).is_break() {
                return;
            }
            loop {
                let (released, time) = {
                    let mut books = it.corner.books();
                    let closed = books.local.closed_since(sent);
                    (closed, books.local.exchange().now())
                };
                let wanted = symbols.borrow().clone();
                for (close, bars) in released {
                    sent = close;
                    for bar in bars.into_iter().map(plain) {
                        if !wanted.contains(&bar.symbol) {
                            continue;
                        }
                        let frame = MarketReport::Bar { bar, timeframe, closed: true, time };
                        if sink(Event::Frame(frame)) == ControlFlow::Break(()) {
                            return;
                        }
                    }
                }
                tokio::select! {
                    more = changed.changed() => if more.is_err() { return },
                    other = symbols.changed() => {
                        if other.is_err() || sink(Event::Turned).is_break() {
                            return;
                        }
                    }
                }
            }
        })
    }
}
