//! The port: what the edge asks of a venue and what comes back, as data in the words of the domain.
//!
//! Nothing here names a venue. An adapter implements [`VenuePort`]; how it words a request, signs
//! it and reads the answer is its own business.

use everwarm_domain::clean::{TEXT_MAX, clean, is_hidden};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::order::{
    Balance, OrderIntent, OrderReport, SendAttempt, Side, Validity, VenueFill,
};
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_domain::venue_ids::{VenueOrderId, VenueTradeId};
use std::future::Future;
use std::pin::Pin;

/// Most bars and trades a venue gives in one answer, and most that may be asked for at once.
pub const PAGE_MAX: u16 = 1000;

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

/// What may be asked of a venue.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// The venue's clock.
    ServerTime,
    /// The rules of these instruments; none named: of all.
    Instruments {
        /// By name.
        symbols: Vec<Symbol>,
    },
    /// Past bars by opening time, ascending. The newest may still be forming: see
    /// [`closed_before`].
    Klines {
        /// Of what.
        symbol: Symbol,
        /// Their width.
        timeframe: Timeframe,
        /// First opening time wanted, inclusive.
        from: UtcMs,
        /// Last opening time wanted, inclusive.
        to: UtcMs,
        /// Most bars wanted, 1 to [`PAGE_MAX`].
        limit: u16,
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
    /// The order with this id of ours and its fills, if the venue knows it.
    FindOrder {
        /// Of what.
        symbol: Symbol,
        /// Our id of the order.
        client_id: ClientOrderId,
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

/// What a venue answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// To `ServerTime`.
    ServerTime(TimeSample),
    /// To `Instruments`, by symbol.
    Instruments(Vec<Instrument>),
    /// To `Klines`, ascending by opening time.
    Bars(Bars),
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

/// The answer to come.
pub type Asked = Pin<Box<dyn Future<Output = Result<Report, VenueError>> + Send>>;

/// A venue, as the rest of the program sees it.
pub trait VenuePort: Send + Sync {
    /// Asks one thing. `Place` and `Cancel` are at most one request on the wire; dropping the
    /// future after its first poll leaves their fate unknown.
    fn ask(&self, request: Request) -> Asked;

    /// The venue's time now, UTC milliseconds.
    fn now(&self) -> UtcMs;
}

/// How long after its end a bar told without a closed flag counts as closed, milliseconds.
pub const CLOSE_MARGIN: UtcMs = 1_500;

/// Keeps the bars that were closed for good at venue time `now`, the margin included.
#[must_use]
pub fn closed_before(mut bars: Vec<Bar>, timeframe: Timeframe, now: UtcMs) -> Vec<Bar> {
    bars.retain(|bar| bar.open_time + timeframe.ms() - 1 + CLOSE_MARGIN < now);
    bars
}
