//! The port to a venue: requests out and reports in, as domain values.
//!
//! Nothing here depends on one venue. An adapter implements [`Venue`]: it encodes requests, signs
//! them and parses responses. [`super::calls`] has a method for each request.

use super::clock::SharedClock;
use super::session::{Event, Moment};
use everwarm_domain::capabilities::Capabilities;
use everwarm_domain::clean::{TEXT_MAX, clean, is_hidden};
use everwarm_domain::day_stats::DayStats;
use everwarm_domain::id::{ClientOrderId, Symbol, VenueId};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{
    Balance, Charge, OrderIntent, OrderReport, SendAttempt, Side, Validity, VenueFill,
};
use everwarm_domain::sessions::Sessions;
use everwarm_domain::split::Split;
use everwarm_domain::time::{Timeframe, UtcMs, WallMs};
use everwarm_domain::venue_ids::{VenueOrderId, VenueTradeId};
use jiff::tz::TimeZone;
use std::fmt;
use std::future::Future;
use std::ops::{ControlFlow, RangeInclusive};
use std::pin::Pin;
use std::sync::Arc;

/// The time that a request is signed for. It is durable before the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Venue time, UTC milliseconds.
    pub timestamp: UtcMs,
    /// The last venue time at which the venue may accept it, UTC milliseconds.
    pub deadline: UtcMs,
}

impl From<&SendAttempt> for Stamp {
    fn from(attempt: &SendAttempt) -> Self {
        Stamp::from(attempt.validity)
    }
}

impl From<Validity> for Stamp {
    fn from(Validity { timestamp, deadline, .. }: Validity) -> Self {
        Stamp { timestamp, deadline }
    }
}

/// The start of the requested trades. The adapter decides how to query them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TradesSince {
    /// After this known trade, which was made at this venue time.
    Trade(VenueTradeId, UtcMs),
    /// From this venue time, inclusive.
    Time(UtcMs),
}

/// A request to a venue.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// The venue's clock.
    ServerTime,
    /// The rules of these instruments; none named: of all instruments.
    Instruments {
        /// By name.
        symbols: Vec<Symbol>,
    },
    /// The last 24 hours of each instrument.
    Days,
    /// The trading hours, and the start of the venue's days.
    Hours,
    /// The price of the last trade.
    LastPrice {
        /// Of what.
        symbol: Symbol,
    },
    /// The splits of a symbol.
    Splits {
        /// Of what.
        symbol: Symbol,
        /// The days in which the ex-date lies, as days since 1970-01-01.
        days: RangeInclusive<i64>,
    },
    /// Balances.
    Account,
    /// Orders open now, of one symbol or of all.
    OpenOrders {
        /// Of which; none: of all.
        symbol: Option<Symbol>,
    },
    /// Place an order: once, signed for exactly the attempt's timestamp.
    Place {
        /// The order to place.
        intent: Box<OrderIntent>,
        /// The durable announcement of this request.
        attempt: SendAttempt,
    },
    /// Place a stop and a limit order of the same quantity as a pair, of which one ends the other:
    /// once, signed for exactly the attempts' timestamp. The venue takes both or none.
    PlacePair {
        /// The stop order, then the limit order, each with the durable announcement of this
        /// request.
        orders: Box<[(OrderIntent, SendAttempt); 2]>,
    },
    /// Cancel an open order: once, signed for exactly the stamp.
    Cancel {
        /// Of what.
        symbol: Symbol,
        /// Our id of the order.
        client_id: ClientOrderId,
        /// The time it is signed for.
        stamp: Stamp,
    },
    /// Cancel all open orders of a symbol, also external ones: once, signed for exactly the stamp.
    CancelAll {
        /// Of what.
        symbol: Symbol,
        /// The time it is signed for.
        stamp: Stamp,
    },
    /// The venue's order counts, if they may limit the next orders.
    OrderCounts,
    /// The order with this id of ours and its fills, if the venue knows it.
    FindOrder {
        /// Of what.
        symbol: Symbol,
        /// Our id of the order.
        client_id: ClientOrderId,
    },
    /// The client order id of an order, by the venue's id of it.
    ClientId {
        /// Of what.
        symbol: Symbol,
        /// The venue's id of the order.
        venue_order_id: VenueOrderId,
    },
    /// All trades of one order, ascending.
    OrderTrades {
        /// Of what.
        symbol: Symbol,
        /// The venue's id of the order.
        venue_order_id: VenueOrderId,
    },
    /// All trades of the account in one symbol since a trade or a time, ascending.
    TradesSince {
        /// Of what.
        symbol: Symbol,
        /// The start of the trades.
        since: TradesSince,
    },
}

/// Bars from a venue's records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bars {
    /// Valid bars, ascending by opening time. Their prices may contradict each other.
    pub held: Vec<Bar>,
    /// Bars that no type can represent or that exceed the limits, ascending by opening time.
    pub unheld: Vec<UnheldBar>,
}

/// A bar that no type can represent, or that exceeds the limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnheldBar {
    /// Its symbol.
    pub symbol: Symbol,
    /// Its opening time, UTC milliseconds.
    pub open_time: UtcMs,
    /// The reason.
    pub why: String,
    /// Its values as text.
    pub claimed: String,
}

/// The response of a venue.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// To `ServerTime`.
    ServerTime(TimeSample),
    /// To `Instruments`, by symbol.
    Instruments(Vec<Instrument>),
    /// To `Days`: symbols with plausible volumes.
    Days(Vec<(Symbol, DayStats)>),
    /// To `Hours`.
    Hours(Hours),
    /// To `LastPrice`.
    Price(Decimal),
    /// To `Splits`, by day.
    Splits(Vec<Split>),
    /// To `CancelAll` and `OrderCounts`.
    Done,
    /// To `ClientId`; none: the venue does not know the order.
    ClientId(Option<ClientOrderId>),
    /// To `Account`.
    Account(AccountPicture),
    /// To `OpenOrders`, by venue order id.
    OpenOrders(Vec<OrderReport>),
    /// To `Place` and `Cancel`.
    Order(Box<OrderReport>),
    /// To `PlacePair`, in the order of the request.
    Pair(Box<[OrderReport; 2]>),
    /// To `FindOrder`; none: the venue does not know it, which alone proves nothing.
    Found(Option<Box<OrderReport>>),
    /// To `OrderTrades` and `TradesSince`, ascending by venue time, then by trade id.
    Trades(Vec<Trade>),
}

/// The trading hours of a venue, and the start of its days.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hours {
    /// Its sessions, from some days ago to some days ahead; none: it always trades.
    pub sessions: Option<Sessions>,
    /// The time zone of its days; none: UTC.
    pub zone: Option<TimeZone>,
}

/// One reading of the venue's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeSample {
    /// Our wall clock just before the request.
    pub sent: WallMs,
    /// The venue's clock, UTC milliseconds.
    pub server: UtcMs,
    /// Our wall clock just after the response.
    pub received: WallMs,
}

/// The account as the venue reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountPicture {
    /// The venue's number of the account, if it reports one.
    pub id: Option<String>,
    /// Whether the venue lets the account trade.
    pub can_trade: bool,
    /// Balances other than zero, by asset.
    pub balances: Vec<Balance>,
    /// Assets with implausible balances, by name.
    pub unread: Vec<String>,
    /// The last amounts that the venue took and that no fill reports, by time, each with an id of
    /// its own. Empty where fills report every fee.
    pub charges: Vec<(String, Charge)>,
}

/// A trade of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trade {
    /// The venue's id of the order.
    pub venue_order_id: VenueOrderId,
    /// Its symbol.
    pub symbol: Symbol,
    /// Direction of our side.
    pub side: Side,
    /// The execution.
    pub fill: VenueFill,
}

/// A report of a market stream.
#[derive(Clone, Debug, PartialEq)]
pub enum MarketReport {
    /// The state of one bar.
    Bar {
        /// The bar so far.
        bar: Bar,
        /// Its width.
        timeframe: Timeframe,
        /// Whether it is closed for good.
        closed: bool,
        /// Venue time of the message, UTC milliseconds.
        time: UtcMs,
    },
    /// A closed bar that no type can represent.
    Unheld(UnheldBar),
    /// Something else: counted, not used.
    Other {
        /// The venue's name for it.
        name: String,
    },
}

/// A report of a private stream. It is only a hint: the responses to requests count.
#[derive(Clone, Debug, PartialEq)]
pub enum AccountReport {
    /// An order changed.
    Order(Box<OrderReport>),
    /// These balances changed; absolute values.
    Balances {
        /// Venue time, UTC milliseconds.
        time: UtcMs,
        /// By asset.
        balances: Vec<Balance>,
    },
    /// Something else happened to the account: deposits, lists of orders and the like.
    Other {
        /// The venue's name for it.
        name: String,
    },
}

/// The meaning of an error for its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Not executed; the same request may be sent later.
    NotSent,
    /// Rejected: not executed.
    Refused {
        /// Whether the same request may be sent again, as after a clock error. If not, it is wrong.
        again: bool,
    },
    /// May or may not have been executed.
    Unknown,
    /// Rejected because of the key or the account: stop trading at this venue.
    Halt,
    /// Rejected: the order violates the rules of its instrument. They may have changed.
    Rules,
    /// Rejected: the account has too little for the order.
    Funds,
    /// The venue does not know the order, or it is not open.
    Absent,
    /// Rejected: too many requests. All requests wait.
    RateLimited {
        /// How long, milliseconds of wall time.
        retry_after_ms: u64,
    },
}

/// A request that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}{}", code_suffix(*.code))]
pub struct VenueError {
    /// Its meaning for the request.
    pub class: ErrorClass,
    /// The venue's error code; zero where there is none.
    pub code: i32,
    /// The cause, in the venue's text if it sent one.
    pub text: String,
}

impl VenueError {
    /// An error with a text that may be external. Control characters for terminals are removed.
    #[must_use]
    pub fn new(class: ErrorClass, code: i32, mut text: String) -> VenueError {
        if text.len() > TEXT_MAX || text.contains(is_hidden) {
            text = clean(&text);
        }
        VenueError { class, code, text }
    }
}

fn code_suffix(code: i32) -> String {
    if code == 0 { String::new() } else { format!(" (code {code})") }
}

impl ErrorClass {
    /// Whether the same request would be rejected again.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            ErrorClass::Halt
            | ErrorClass::Refused { again: false }
            | ErrorClass::Rules
            | ErrorClass::Funds => true,
            ErrorClass::NotSent
            | ErrorClass::Refused { again: true }
            | ErrorClass::Unknown
            | ErrorClass::Absent
            | ErrorClass::RateLimited { .. } => false,
        }
    }
}

/// Which of some orders may be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MayPlace {
    /// For each order, whether it may be sent.
    pub now: Vec<bool>,
    /// Milliseconds until more of them may be sent; none: all may now.
    pub wait: Option<u64>,
}

/// A future response.
pub type Pending<T> = Pin<Box<dyn Future<Output = Result<T, VenueError>> + Send>>;

/// Receives the events of a stream. It ends the stream by breaking, and must not block.
pub type Sink<F> = Box<dyn FnMut(Event<F>) -> ControlFlow<()> + Send>;

/// A running stream. It ends when its sink breaks, and closes its connections.
pub type Carried = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The dependencies of a stream.
pub struct Listener {
    /// Reads the clocks.
    pub now: Box<dyn FnMut() -> Moment + Send>,
    /// Returns a new random number on each call, for the jitter of reconnects.
    pub dice: fn() -> u64,
    /// Number of connections of this process to the venue. They share its limits.
    pub connections: usize,
}

/// A venue, as the rest of the program sees it.
///
/// The counts of its limits belong to the host. Adapters to one host share them.
pub trait Venue: Send + Sync + fmt::Debug {
    /// The venue, as facts name it.
    fn id(&self) -> VenueId;

    /// The orders that it accepts.
    fn capabilities(&self) -> Capabilities;

    /// Most open stop orders of one symbol that the daemon may place; 0: none. Without stop orders
    /// the exit rules of lots are judged at closes.
    fn stop_orders(&self) -> u32 {
        0
    }

    /// Symbols that take fewer open stop orders than [`Venue::stop_orders`], with their number,
    /// sorted by symbol. They come with the rules, so none is known before these were queried.
    fn fewer_stop_orders(&self) -> Vec<(Symbol, u32)> {
        Vec::new()
    }

    /// Whether the daemon may place a stop and a limit order as a pair: one ends the other.
    /// Without pairs the targets of lots are judged at closes.
    fn pairs(&self) -> bool {
        false
    }

    /// Whether its instruments may be split, and it reports splits.
    fn splits(&self) -> bool {
        false
    }

    /// Sends one request. Each that places or cancels is at most one request on the wire.
    /// Dropping the future after its first poll leaves their status unknown.
    fn request(&self, request: Request) -> Pending<Report>;

    /// The same venue with other waiting: a read that must wait for the budget fails immediately
    /// with `RateLimited` and the wait. Other requests may be sent meanwhile.
    fn impatient(&self) -> Arc<dyn Venue>;

    /// The venue's clock.
    fn clock(&self) -> &SharedClock;

    /// The venue's time now, UTC milliseconds.
    fn now(&self) -> UtcMs;

    /// The validity of a request signed for venue time `timestamp`, UTC milliseconds: how long it
    /// may arrive, and how to prove that it did not.
    fn validity(&self, timestamp: UtcMs) -> Validity;

    /// Sets how long a request may travel before the venue rejects it, milliseconds of venue time.
    /// It applies to later signatures.
    fn set_recv_window(&self, ms: i64);

    /// Which orders of these sides may be sent now. Orders that reduce a position come first. It
    /// books nothing.
    fn may_place(&self, sides: &[Side]) -> MayPlace;

    /// Share of the current budget that is used, 0 to 1.
    fn used(&self) -> f64;

    /// How long a request still waits for the budget, seconds; none if none waits.
    fn waiting(&self) -> Option<i64>;

    /// The waits that the venue requested, for all requests and for orders: the end, and the time
    /// of the next request, UTC milliseconds.
    fn banned(&self) -> [Option<(UtcMs, UtcMs)>; 2];

    /// Ends such waits by command of an operator. The next request shows whether the venue agrees.
    /// Returns whether there was one.
    fn clear_bans(&self) -> bool;

    /// Runs the stream of the account's events. It reconnects whenever the connection is lost.
    ///
    /// # Errors
    /// There is no key.
    fn follow_account(
        &self,
        listener: Listener,
        sink: Sink<AccountReport>,
    ) -> Result<Carried, VenueError>;
}
