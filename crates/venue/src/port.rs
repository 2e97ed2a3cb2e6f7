//! The port to a venue: requests out and reports in, as data in the words of the domain.
//!
//! Nothing here names a venue. An adapter implements [`Venue`]. How it words a request, signs it
//! and reads the response is its own business. [`super::calls`] has a method for each request.

use super::clock::SharedClock;
use super::session::{Event, Moment};
use everwarm_domain::capabilities::Capabilities;
use everwarm_domain::clean::{TEXT_MAX, clean, is_hidden};
use everwarm_domain::id::{ClientOrderId, Symbol, VenueId};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{
    Balance, OrderIntent, OrderReport, SendAttempt, Side, Validity, VenueFill,
};
use everwarm_domain::sessions::Sessions;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_domain::venue_ids::{VenueOrderId, VenueTradeId};
use jiff::tz::TimeZone;
use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;

/// The time a request is signed for, decided by whoever made it durable.
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

/// From where on trades are wanted. How a venue finds them is its adapter's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TradesSince {
    /// Behind this trade, which is known, and was made at this venue time.
    Trade(VenueTradeId, UtcMs),
    /// From this venue time on, inclusive.
    Time(UtcMs),
}

/// A request to a venue.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// The venue's clock.
    ServerTime,
    /// The rules of these instruments; none named: of all.
    Instruments {
        /// By name.
        symbols: Vec<Symbol>,
    },
    /// The volume of a day of each instrument, in quote units.
    Volumes,
    /// When the venue trades, and when its days begin.
    Hours,
    /// The price of the last trade.
    LastPrice {
        /// Of what.
        symbol: Symbol,
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
        /// What is to be traded.
        intent: Box<OrderIntent>,
        /// The durable announcement of this request.
        attempt: SendAttempt,
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
    /// Cancel all open orders of a symbol, whoever placed them: once, signed for exactly the stamp.
    CancelAll {
        /// Of what.
        symbol: Symbol,
        /// The time it is signed for.
        stamp: Stamp,
    },
    /// How many orders the venue counts, where that may limit the next ones.
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
        /// From where on.
        since: TradesSince,
    },
}

/// Bars of a venue's records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bars {
    /// Those that can be held, ascending by opening time. Their prices may contradict each other.
    pub held: Vec<Bar>,
    /// Those that no type holds or that are beyond the limits, ascending by opening time.
    pub unheld: Vec<UnheldBar>,
}

/// A bar that no type holds, or that is beyond the limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnheldBar {
    /// What it is of.
    pub symbol: Symbol,
    /// Its opening time, UTC milliseconds.
    pub open_time: UtcMs,
    /// Why it cannot be held.
    pub why: String,
    /// What it claims, in words.
    pub claimed: String,
}

/// The response of a venue.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// To `ServerTime`.
    ServerTime(TimeSample),
    /// To `Instruments`, by symbol.
    Instruments(Vec<Instrument>),
    /// To `Volumes`: symbols whose volume can be believed.
    Volumes(Vec<(Symbol, Decimal)>),
    /// To `Hours`.
    Hours(Hours),
    /// To `LastPrice`.
    Price(Decimal),
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
    /// To `FindOrder`; none: the venue does not know it, which alone proves nothing yet.
    Found(Option<Box<OrderReport>>),
    /// To `OrderTrades` and `TradesSince`, ascending by venue time, then by trade id.
    Trades(Vec<Trade>),
}

/// When a venue trades, and when its days begin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hours {
    /// Its sessions, from some days back to some days ahead; none: it trades always.
    pub sessions: Option<Sessions>,
    /// The zone whose midnight begins its day; none: UTC.
    pub zone: Option<TimeZone>,
}

/// One look at the venue's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeSample {
    /// Our wall clock just before the request, UTC milliseconds.
    pub sent: UtcMs,
    /// The venue's clock, UTC milliseconds.
    pub server: UtcMs,
    /// Our wall clock just after the answer, UTC milliseconds.
    pub received: UtcMs,
}

/// The account as the venue has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountPicture {
    /// The venue's number of the account, where it tells one.
    pub id: Option<String>,
    /// Whether the venue lets the account trade.
    pub can_trade: bool,
    /// Balances other than zero, by asset.
    pub balances: Vec<Balance>,
    /// Assets whose balances cannot be believed, by name.
    pub unread: Vec<String>,
}

/// A trade of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trade {
    /// The venue's id of the order.
    pub venue_order_id: VenueOrderId,
    /// What was traded.
    pub symbol: Symbol,
    /// Direction of our side.
    pub side: Side,
    /// The execution.
    pub fill: VenueFill,
}

/// What a market stream says.
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
    /// A closed bar that cannot be held.
    Unheld(UnheldBar),
    /// Something else: counted, not used.
    Other {
        /// The venue's name for it.
        name: String,
    },
}

/// What a private stream says: hints, the answers to requests are the truth.
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

/// What an error says about the request that met it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Definitely not executed; the same may be tried later.
    NotSent,
    /// A definite no: not executed.
    Refused {
        /// Whether the same may be tried again (clock), or is wrong as it stands.
        again: bool,
    },
    /// May or may not have been executed.
    Unknown,
    /// A definite no that concerns the key or the account: stop trading at this venue.
    Halt,
    /// A definite no: the order is against the rules of its instrument. They may have changed.
    Rules,
    /// A definite no: the account has too little for the order.
    Funds,
    /// The venue does not know the order, or does not have it open.
    Absent,
    /// A definite no: too many requests. Everything waits.
    RateLimited {
        /// How long, milliseconds of wall time.
        retry_after_ms: u64,
    },
}

/// A request without the wanted answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}{}", code_suffix(*.code))]
pub struct VenueError {
    /// What it means for the request.
    pub class: ErrorClass,
    /// The venue's error code; zero where there is none.
    pub code: i32,
    /// What happened, in the venue's words where it said any.
    pub text: String,
}

impl VenueError {
    /// In words that may be a stranger's: what a terminal would obey is taken out.
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
    /// Whether the same request would be rejected again, for now.
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

/// Which of some orders may leave now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MayPlace {
    /// Of each.
    pub now: Vec<bool>,
    /// How long until more of them may, milliseconds; none where all may now.
    pub wait: Option<u64>,
}

/// A response to come.
pub type Pending<T> = Pin<Box<dyn Future<Output = Result<T, VenueError>> + Send>>;

/// Takes what a stream reports, until it breaks. It must not block.
pub type Sink<F> = Box<dyn FnMut(Event<F>) -> ControlFlow<()> + Send>;

/// A stream that is carried: it ends when its sink breaks, and its connections with it.
pub type Carried = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a stream needs of the process that listens to it.
pub struct Listener {
    /// The clocks.
    pub now: Box<dyn FnMut() -> Moment + Send>,
    /// A new random number each call, for the jitter of reconnects.
    pub dice: fn() -> u64,
    /// Connections that the process keeps to this venue. They share what it allows.
    pub connections: usize,
}

/// A venue, as the rest of the program sees it.
///
/// What it counts of its limits belongs to the host: adapters to one host share it.
pub trait Venue: Send + Sync + fmt::Debug {
    /// The venue, as facts name it.
    fn id(&self) -> VenueId;

    /// Which orders it takes.
    fn capabilities(&self) -> Capabilities;

    /// Sends one request. `Place`, `Cancel` and `CancelAll` are at most one request on the wire.
    /// Dropping the future after its first poll leaves their status unknown.
    fn request(&self, request: Request) -> Pending<Report>;

    /// The same venue, of which a read that must wait for the budget fails immediately and says for
    /// how long (`RateLimited`): other requests may leave meanwhile.
    fn impatient(&self) -> Arc<dyn Venue>;

    /// The venue's clock.
    fn clock(&self) -> &SharedClock;

    /// The venue's time now, UTC milliseconds.
    fn now(&self) -> UtcMs;

    /// What a request means that is signed for venue time `timestamp`, UTC milliseconds: how long
    /// it may arrive, and how it is proved that it did not.
    fn validity(&self, timestamp: UtcMs) -> Validity;

    /// Sets how long a request may be on its way before the venue rejects it, milliseconds of its
    /// time, for what is signed from now on.
    fn set_recv_window(&self, ms: i64);

    /// Which orders of these sides may leave now, those that reduce a position before the others.
    /// Nothing is booked.
    fn may_place(&self, sides: &[Side]) -> MayPlace;

    /// Share of the current budget that is used, 0 to 1.
    fn used(&self) -> f64;

    /// How long a request still waits for the budget, seconds; none where none waits.
    fn waiting(&self) -> Option<i64>;

    /// What the venue wants us to wait for: the end and when something leaves next, UTC
    /// milliseconds, of all requests and of orders.
    fn banned(&self) -> [Option<(UtcMs, UtcMs)>; 2];

    /// Ends such waits, by command of an operator: the next request shows whether the venue agrees.
    /// Returns whether there was one.
    fn clear_bans(&self) -> bool;

    /// Carries the stream of the account's events. It connects again whenever it is lost.
    ///
    /// # Errors
    /// There is no key.
    fn follow_account(
        &self,
        listener: Listener,
        sink: Sink<AccountReport>,
    ) -> Result<Carried, VenueError>;
}
