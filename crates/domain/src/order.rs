//! Orders: what we intend, what the venue says of it.

use super::id::{ClientOrderId, Symbol, VenueId};
use super::money::Decimal;
use super::time::UtcMs;
use super::venue_ids::{VenueOrderId, VenueTradeId};
use serde::{Deserialize, Serialize};

/// Direction of an order or signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Buys the base asset.
    Buy,
    /// Sells the base asset.
    Sell,
}

/// How an order is priced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderType {
    /// At once, at whatever price.
    Market,
    /// At the given price or better, until cancelled.
    Limit,
}

impl OrderType {
    /// As it is written for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            OrderType::Market => "market",
            OrderType::Limit => "limit",
        }
    }
}

/// Where an order stands. `Unknown` is a state, not an error: sent, and no clear answer yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Decided, not sent.
    Intent,
    /// A request is on its way.
    Sent,
    /// Sent, and the venue has not proved whether it knows it.
    Unknown,
    /// Acknowledged and working.
    Open,
    /// Working, with some of it filled.
    PartlyFilled,
    /// All of it filled.
    Filled,
    /// Ended by a cancel; may have fills.
    Cancelled,
    /// Never accepted.
    Rejected,
    /// Ended by time or by the venue's rules; may have fills.
    Expired,
}

impl OrderStatus {
    /// No further change is expected.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            OrderStatus::Filled
            | OrderStatus::Cancelled
            | OrderStatus::Rejected
            | OrderStatus::Expired => true,
            OrderStatus::Intent
            | OrderStatus::Sent
            | OrderStatus::Unknown
            | OrderStatus::Open
            | OrderStatus::PartlyFilled => false,
        }
    }
}

/// The strategy that `everwarm panic` trades as; no strategy of a daemon has this name.
pub const PANIC: &str = "panic";

/// Whose lot is what belongs to no strategy: adopted amounts, and what was left of closed lots.
pub const HOUSE: &str = "house";

/// Who trades by hand.
pub const MANUAL: &str = "manual";

/// Names that no strategy may have.
pub const RESERVED: [&str; 3] = [MANUAL, PANIC, HOUSE];

/// The one strategy there was before lots were kept. What was held then is its lot.
pub const FIRST_STRATEGY: &str = "sma_cross";

/// A durable decision to trade, written before anything is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderIntent {
    /// Our id, a function of the intent.
    pub client_id: ClientOrderId,
    /// Who wanted it.
    pub strategy: String,
    /// What to trade.
    pub symbol: Symbol,
    /// Direction.
    pub side: Side,
    /// How it is priced.
    pub order_type: OrderType,
    /// Quantity in base units, a multiple of the lot size.
    pub quantity: Decimal,
    /// Limit price; none for market orders.
    pub price: Option<Decimal>,
    /// The close that led to it, UTC milliseconds.
    pub close_time: UtcMs,
    /// Not sent for the first time after this instant of venue time.
    pub valid_until: UtcMs,
    /// What else was decided; left out of facts where it is nothing.
    #[serde(default, skip_serializing_if = "Terms::is_default")]
    pub terms: Box<Terms>,
}

/// How long an order works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeInForce {
    /// Until it is filled or cancelled.
    GoodTilCancelled,
    /// What is not filled at once ends.
    ImmediateOrCancel,
    /// All at once, or nothing.
    FillOrKill,
    /// Until the session ends.
    Day,
}

/// What an intent says besides what to trade and how much.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// Where it is traded.
    pub venue: VenueId,
    /// Whose lot it changes; none: that of who wanted it.
    pub lot: Option<String>,
    /// Amount to trade in quote units, in place of a quantity.
    pub notional: Option<Decimal>,
    /// Price at which a stop is triggered, quote units.
    pub stop: Option<Decimal>,
    /// Distance at which a stop follows the market, millionths of the price.
    pub trail_ppm: Option<u32>,
    /// How long it works; none: as its kind of order does.
    pub tif: Option<TimeInForce>,
    /// Our id of the list of orders it is part of.
    pub list: Option<ClientOrderId>,
    /// Which part of a decision it is, from 0.
    pub leg: u32,
    /// How often the same was requested before.
    pub revision: u32,
    /// The order that it protects or replaces.
    pub parent: Option<ClientOrderId>,
    /// Whether it may only make a position smaller.
    pub reduce_only: bool,
}

impl Terms {
    /// Whether nothing but what is usual was decided.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Terms::default()
    }

    /// The terms of a request that was made `revision` times before.
    #[must_use]
    pub fn again(revision: u32) -> Terms {
        Terms { revision, ..Terms::default() }
    }
}

/// What an execution was to the book of the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Liquidity {
    /// Our order waited in it.
    Maker,
    /// Our order met one that waited.
    Taker,
}

impl Liquidity {
    /// Of an order that waited in the book, or did not.
    #[must_use]
    pub const fn of(waited: bool) -> Liquidity {
        if waited { Liquidity::Maker } else { Liquidity::Taker }
    }
}

/// One execution as the venue tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VenueFill {
    /// The venue's id of the trade, unique per symbol.
    pub trade_id: VenueTradeId,
    /// Price in quote units.
    pub price: Decimal,
    /// Quantity in base units.
    pub quantity: Decimal,
    /// Commission, in `fee_asset` units.
    pub fee: Decimal,
    /// Asset the commission was paid in.
    pub fee_asset: String,
    /// Venue time of the trade.
    pub time: UtcMs,
    /// Whether it waited in the book; none in facts of versions that did not note it, which stay
    /// byte for byte what they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liquidity: Option<Liquidity>,
}

/// Where a report came from; reports of all sources feed the same idempotent function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReportSource {
    /// The answer to the order request.
    Answer,
    /// A query by id.
    Query,
    /// The private stream: a hint, REST is the truth.
    Stream,
}

/// The venue's word on one order of ours. `executed` is cumulative; `fills` may be a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderReport {
    /// Who says so.
    pub source: ReportSource,
    /// Our id.
    pub client_id: ClientOrderId,
    /// The venue's id.
    pub venue_order_id: VenueOrderId,
    /// What is traded.
    pub symbol: Symbol,
    /// Direction.
    pub side: Side,
    /// Where it stands: never `Intent`, `Sent` or `Unknown`.
    pub status: OrderStatus,
    /// Ordered quantity.
    pub quantity: Decimal,
    /// Cumulative filled quantity.
    pub executed: Decimal,
    /// Cumulative quote amount of the fills.
    pub executed_quote: Decimal,
    /// The fills that came with the report, ascending by venue time, then by trade id.
    pub fills: Vec<VenueFill>,
    /// Venue time of the report.
    pub time: UtcMs,
}

/// One execution of an order that `everwarm panic` placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PanicTrade {
    /// The id that `everwarm panic` gave the order.
    pub client_id: ClientOrderId,
    /// What was traded.
    pub symbol: Symbol,
    /// Direction.
    pub side: Side,
    /// The execution.
    pub fill: VenueFill,
}

/// How it is proved that a venue does not have an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// By one query by our id. The venue keeps our ids unique for good and refuses a repeat, so the
    /// same order may be sent again while an earlier request may still arrive. The adapter reports
    /// a refused repeat as a request without a clear answer.
    ById,
    /// By two queries by our id and one for trades, after the request can no longer arrive.
    #[default]
    ByAbsenceAndTrades,
}

/// What stages need to know of a request, as the adapter of its venue says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The venue time the request is signed for, UTC milliseconds.
    pub timestamp: UtcMs,
    /// The last venue time at which the venue takes it in, UTC milliseconds.
    pub deadline: UtcMs,
    /// After this venue time the request can change nothing any more, UTC milliseconds; none:
    /// that never settles.
    pub settled_at: Option<UtcMs>,
    /// How it is proved that the venue does not have the order.
    pub proof: Proof,
}

impl Validity {
    /// How long after its deadline a request still changed something, milliseconds, in facts that
    /// did not say it.
    const SETTLED_AFTER: i64 = 10_000;

    /// What facts meant that named only how long after `timestamp` a request is taken in,
    /// milliseconds.
    #[must_use]
    pub const fn within(timestamp: UtcMs, window: i64) -> Validity {
        let settled_at = Some(timestamp.saturating_add(window.saturating_add(Self::SETTLED_AFTER)));
        let (deadline, proof) = (timestamp.saturating_add(window), Proof::ByAbsenceAndTrades);
        Validity { timestamp, deadline, settled_at, proof }
    }
}

/// One request that is about to leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredAttempt", into = "StoredAttempt")]
pub struct SendAttempt {
    /// Our id.
    pub client_id: ClientOrderId,
    /// From 1.
    pub attempt: u32,
    /// How long it may arrive, and how it is proved that it did not.
    pub validity: Validity,
}

/// An attempt as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(rename = "SendAttempt")]
struct StoredAttempt {
    client_id: ClientOrderId,
    attempt: u32,
    timestamp: UtcMs,
    recv_window: i64,
    /// None: of versions that said no more.
    #[serde(default)]
    deadline: Option<UtcMs>,
    #[serde(default)]
    settled_at: Option<UtcMs>,
    #[serde(default)]
    proof: Proof,
}

impl From<StoredAttempt> for SendAttempt {
    fn from(stored: StoredAttempt) -> SendAttempt {
        let StoredAttempt { client_id, attempt, timestamp, recv_window, .. } = stored;
        let StoredAttempt { deadline, settled_at, proof, .. } = stored;
        let validity = match deadline {
            Some(deadline) => Validity { timestamp, deadline, settled_at, proof },
            None => Validity::within(timestamp, recv_window),
        };
        SendAttempt { client_id, attempt, validity }
    }
}

impl From<SendAttempt> for StoredAttempt {
    fn from(attempt: SendAttempt) -> StoredAttempt {
        let SendAttempt { client_id, attempt, validity } = attempt;
        let Validity { timestamp, deadline, settled_at, proof } = validity;
        let recv_window = deadline.saturating_sub(timestamp);
        let deadline = Some(deadline);
        StoredAttempt { client_id, attempt, timestamp, recv_window, deadline, settled_at, proof }
    }
}

/// What a request asks of an order that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// That it ends; what is filled of it stays filled.
    Cancel,
}

/// One request about an order that is about to leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRequest {
    /// Our id of the request.
    pub id: String,
    /// Our id of the order.
    pub of: ClientOrderId,
    /// What the order trades.
    pub symbol: Symbol,
    /// What is asked.
    pub what: RequestKind,
    /// From 1, for each order.
    pub attempt: u32,
    /// The venue time the bytes are signed for, UTC milliseconds.
    pub timestamp: UtcMs,
    /// The last venue time at which the venue takes them, UTC milliseconds.
    pub deadline: UtcMs,
    /// After this venue time the request can change nothing any more, UTC milliseconds; none:
    /// that never settles.
    pub settled_at: Option<UtcMs>,
    /// How it is proved that the venue does not have the order.
    #[serde(default)]
    pub proof: Proof,
}

impl OrderRequest {
    /// A request that asks `what` of the order `of`.
    #[must_use]
    pub fn new(
        of: ClientOrderId,
        symbol: Symbol,
        what: RequestKind,
        attempt: u32,
        validity: Validity,
    ) -> OrderRequest {
        let Validity { timestamp, deadline, settled_at, proof } = validity;
        let id = OrderRequest::id_of(&of, what, attempt);
        OrderRequest { id, of, symbol, what, attempt, timestamp, deadline, settled_at, proof }
    }

    /// The id of a request: that of its order, and the number of the attempt.
    #[must_use]
    pub fn id_of(order: &ClientOrderId, what: RequestKind, attempt: u32) -> String {
        match what {
            RequestKind::Cancel => format!("{order}-c{attempt}"),
        }
    }
}

/// What came of a request about an order. What became of the order is reported for itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// The venue did what was asked.
    Accepted,
    /// The venue does not have the order open: it may be filled.
    NotOpen,
    /// A definite no.
    Refused {
        /// The venue's error code; zero where there is none.
        code: i32,
        /// The venue's words.
        text: String,
    },
    /// No clear answer: it may or may not have been done.
    Unknown {
        /// What happened.
        reason: String,
    },
}

/// Balance of one asset at the venue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Its name.
    pub asset: String,
    /// Free to use.
    pub free: Decimal,
    /// Held by open orders.
    pub locked: Decimal,
}
