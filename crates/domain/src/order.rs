//! Orders: our intents and requests, and the venue's reports.

pub use super::external_trades::{ExternalTrade, ExternalTrades, is_adopted};

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
    /// Immediately, at any price.
    Market,
    /// At the given price or better, until cancelled.
    Limit,
}

impl OrderType {
    /// The name shown to people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            OrderType::Market => "market",
            OrderType::Limit => "limit",
        }
    }
}

/// The state of an order. `Unknown` is a state, not an error: sent, without a clear response yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Decided, not sent.
    Intent,
    /// A request is under way.
    Sent,
    /// Sent, but it is not proved whether the venue has it.
    Unknown,
    /// Acknowledged and open at the venue.
    Open,
    /// Open, and partly filled.
    PartlyFilled,
    /// Completely filled.
    Filled,
    /// Ended by a cancel; may have fills.
    Cancelled,
    /// Never accepted.
    Rejected,
    /// Ended by time or by the venue's rules; may have fills.
    Expired,
}

impl OrderStatus {
    /// Whether no further change is expected.
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

/// The strategy name of `everwarm panic`. No strategy of a daemon has this name.
pub const PANIC: &str = "panic";

/// The owner of lots that belong to no strategy: adopted amounts, and rests of closed lots.
pub const HOUSE: &str = "house";

/// The strategy name of trades by hand.
pub const MANUAL: &str = "manual";

/// Names that no strategy may have.
pub const RESERVED: [&str; 3] = [MANUAL, PANIC, HOUSE];

/// The only strategy of versions without lots. What they held is its lot.
pub const FIRST_STRATEGY: &str = "sma_cross";

/// A durable decision to trade, written before anything is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderIntent {
    /// Our id, a function of the intent.
    pub client_id: ClientOrderId,
    /// The strategy that wanted it.
    pub strategy: String,
    /// The symbol.
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
    /// The last venue time at which it may be sent for the first time.
    pub valid_until: UtcMs,
    /// Further terms. Facts leave out the default.
    #[serde(default, skip_serializing_if = "Terms::is_default")]
    pub terms: Box<Terms>,
}

/// How long an order stays open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeInForce {
    /// Until it is filled or cancelled.
    GoodTilCancelled,
    /// What is not filled immediately is cancelled.
    ImmediateOrCancel,
    /// Completely and immediately, or not at all.
    FillOrKill,
    /// Until the session ends.
    Day,
}

/// The terms of an intent besides symbol, side and quantity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// The venue that trades it.
    pub venue: VenueId,
    /// The owner of the lot that it changes; none: the strategy that wanted it.
    pub lot: Option<String>,
    /// Amount to trade in quote units, in place of a quantity.
    pub notional: Option<Decimal>,
    /// Price at which the order enters the market, quote units: a sale once a trade is at or below
    /// it, a buy once a trade is at or above it; none: it enters immediately.
    pub stop: Option<Decimal>,
    /// Distance at which a stop follows the market, millionths of the price.
    pub trail_ppm: Option<u32>,
    /// How long it stays open; none: as usual for its kind of order.
    pub tif: Option<TimeInForce>,
    /// Our id of the list of orders it is part of.
    pub list: Option<ClientOrderId>,
    /// Number of this order within its decision, from 0.
    pub leg: u32,
    /// How often the same order was requested before.
    pub revision: u32,
    /// The order that this one protects or replaces.
    pub parent: Option<ClientOrderId>,
    /// Whether it may only reduce a position.
    pub reduce_only: bool,
}

/// Prices at which a lot is sold, in place of those that the exit rules of its strategy give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitPrices {
    /// Price at which it is sold with a loss, quote units.
    pub stop: Option<Decimal>,
    /// Price at which it is sold with a profit, quote units.
    pub target: Option<Decimal>,
}

/// The price at which an order that protects a lot sells it, in quote units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// With a loss: at market, once a trade is at or below it.
    Stop(Decimal),
    /// With a profit: at this price or better. It is one of a pair: the fill of either order ends
    /// the other.
    Target(Decimal),
}

impl OrderIntent {
    /// What it protects its lot by; none: it is another order.
    #[must_use]
    pub fn protection(&self) -> Option<Protection> {
        if self.side == Side::Buy {
            return None;
        }
        let target = self.price.filter(|_| self.terms.list.is_some());
        let stop = self.terms.stop.map(Protection::Stop);
        stop.or_else(|| target.map(Protection::Target))
    }
}

impl Terms {
    /// Whether all terms are the default.
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

/// Whether an execution added or took liquidity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Liquidity {
    /// Our order waited in the book.
    Maker,
    /// Our order matched one that waited.
    Taker,
}

impl Liquidity {
    /// Maker for an order that waited in the book, else taker.
    #[must_use]
    pub const fn of(waited: bool) -> Liquidity {
        if waited { Liquidity::Maker } else { Liquidity::Taker }
    }
}

/// One execution as the venue reports it.
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
    /// Whether our order waited in the book. None in facts of versions without this field, which
    /// stay byte for byte the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liquidity: Option<Liquidity>,
}

/// Where a report came from. Reports from all sources go through the same idempotent function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReportSource {
    /// The response to the order request.
    Answer,
    /// A query by id.
    Query,
    /// The private stream. It is only a hint; REST decides.
    Stream,
}

/// The venue's report on one order of ours. `executed` is cumulative; `fills` may be incomplete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderReport {
    /// Where the report came from.
    pub source: ReportSource,
    /// Our id.
    pub client_id: ClientOrderId,
    /// The venue's id.
    pub venue_order_id: VenueOrderId,
    /// The symbol.
    pub symbol: Symbol,
    /// Direction.
    pub side: Side,
    /// The state; never `Intent`, `Sent` or `Unknown`.
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
    /// The symbol.
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
    /// By one query by our id. The venue keeps our ids unique forever and rejects a repeat. So the
    /// same order may be sent again while an earlier request may still arrive. The adapter reports
    /// a rejected repeat as a request without a clear response.
    ById,
    /// By two queries by our id and one for trades, after the request can no longer arrive.
    #[default]
    ByAbsenceAndTrades,
}

/// How long a request may take effect, as the adapter of its venue reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The venue time for which the request is signed, UTC milliseconds.
    pub timestamp: UtcMs,
    /// The last venue time at which the venue accepts it, UTC milliseconds.
    pub deadline: UtcMs,
    /// After this venue time the request can change nothing any more, UTC milliseconds; none: that
    /// is never certain.
    pub settled_at: Option<UtcMs>,
    /// How it is proved that the venue does not have the order.
    pub proof: Proof,
}

impl Validity {
    /// How long after its deadline a request could still change something, milliseconds. Used for
    /// facts that do not store it.
    const SETTLED_AFTER: i64 = 10_000;

    /// The validity in facts that stored only `timestamp` and for how long after it the venue
    /// accepts the request, milliseconds.
    #[must_use]
    pub const fn within(timestamp: UtcMs, window: i64) -> Validity {
        let settled_at = Some(timestamp.saturating_add(window.saturating_add(Self::SETTLED_AFTER)));
        let (deadline, proof) = (timestamp.saturating_add(window), Proof::ByAbsenceAndTrades);
        Validity { timestamp, deadline, settled_at, proof }
    }
}

/// One order request that is about to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredAttempt", into = "StoredAttempt")]
pub struct SendAttempt {
    /// Our id.
    pub client_id: ClientOrderId,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// How long it may arrive, and how its absence is proved.
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
    /// None in facts of versions that stored only the fields above.
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

/// The kind of a request about a sent order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// Cancels the order. What is filled stays filled.
    Cancel,
}

/// One request about an order, which is about to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRequest {
    /// Our id of the request.
    pub id: String,
    /// Our id of the order.
    pub of: ClientOrderId,
    /// The symbol of the order.
    pub symbol: Symbol,
    /// What is requested.
    pub what: RequestKind,
    /// Number of the attempt for this order, from 1.
    pub attempt: u32,
    /// The venue time for which the request is signed, UTC milliseconds.
    pub timestamp: UtcMs,
    /// The last venue time at which the venue accepts it, UTC milliseconds.
    pub deadline: UtcMs,
    /// After this venue time the request can change nothing any more, UTC milliseconds; none: that
    /// is never certain.
    pub settled_at: Option<UtcMs>,
    /// How it is proved that the venue does not have the order.
    #[serde(default)]
    pub proof: Proof,
}

impl OrderRequest {
    /// A request of kind `what` about the order `of`.
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

/// The result of a request about an order. The state of the order is reported separately.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// The venue did what was requested.
    Accepted,
    /// The order is not open at the venue. It may be filled.
    NotOpen,
    /// The venue definitely rejected the request.
    Refused {
        /// The venue's error code; zero if there is none.
        code: i32,
        /// The venue's error text.
        text: String,
    },
    /// No clear response. The request may or may not have taken effect.
    Unknown {
        /// What happened.
        reason: String,
    },
}

/// An amount that the venue took from the account and that no fill reports, like the fees of the
/// authorities for the sales of a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// What it is for, in the venue's words.
    pub what: String,
    /// The asset.
    pub asset: String,
    /// The amount; negative: the venue gave it back.
    pub amount: Decimal,
    /// When the venue took it.
    pub time: UtcMs,
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
