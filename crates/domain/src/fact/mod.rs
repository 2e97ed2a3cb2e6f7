//! Every kind of fact, grouped. `docs/reference/facts.md` is generated from [`kinds::TABLE`].
//!
//! Inputs come from outside and are numbered. The stage of one rank appends each derived fact.

pub mod kinds;
mod listed;
mod market;
mod operator;
mod packed;
mod parts;

pub use super::conflict::{Accept, Conflict, Dispute, Part};
use super::features::FeatureTable;
use super::id::{ClientOrderId, Symbol, VenueId};
use super::market::RolledBar;
use super::money::Decimal;
use super::order::{
    Balance, Charge, ExternalTrades, OrderIntent, OrderReport, OrderRequest, OrderStatus,
    PanicTrade, Response, SendAttempt, Side, VenueFill,
};
use super::settings::exits::ExitRule;
pub use super::signal::Signal;
use super::time::{Timeframe, UtcMs};
use super::venue_ids::VenueOrderId;
pub use listed::{AtVenue, Listed, Standing};
pub use market::Market;
pub use operator::{HealthCheck, Operator, Restarts, Retained};
use serde::{Deserialize, Serialize};

/// The content of a fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Body {
    /// Inputs: what the market did.
    Market(Market),
    /// Inputs: what was sent to the venue and what it reported.
    Venue(Venue),
    /// Inputs: the process, the clock, operators and the runtime.
    Operator(Operator),
    /// Derived: rolled bars, features and signals.
    Analysis(Analysis),
    /// Derived: limits on trading, approvals and exits.
    Decision(Decision),
    /// Derived: the states of orders.
    Order(Order),
    /// Derived: the books.
    Ledger(Ledger),
}

/// Inputs: what was sent to the venue and what it reported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Venue {
    /// Announces order requests. They are sent once this fact is on disk. Synced.
    Sent {
        /// The attempts, for all orders of one close together.
        attempts: Vec<SendAttempt>,
    },
    /// The venue reported the state of an order.
    Reported(OrderReport),
    /// The venue definitely rejected one attempt: the order was not accepted.
    Refused {
        /// Our id.
        client_id: ClientOrderId,
        /// The rejected attempt.
        attempt: u32,
        /// The venue's error code.
        code: i32,
        /// The venue's error text.
        text: String,
        /// Whether the same order may be tried again (clock, rate limit). If not, the order is
        /// wrong.
        again: bool,
    },
    /// An attempt got no clear response. The order may or may not exist.
    Unanswered {
        /// Our id.
        client_id: ClientOrderId,
        /// The attempt.
        attempt: u32,
        /// What happened.
        reason: String,
    },
    /// The venue was queried for an order by our id and for the symbol's trades. It has neither.
    Absent {
        /// Our id.
        client_id: ClientOrderId,
        /// Venue time of the query.
        asked: UtcMs,
    },
    /// The account as the venue reports it, to be compared with the books. All findings of the
    /// query round of this run are in the journal before it.
    Account {
        /// Number of the run that queried it.
        life: u64,
        /// Venue time of the snapshot.
        time: UtcMs,
        /// Balances other than zero, by asset.
        balances: Vec<Balance>,
        /// Client ids and symbols of the orders open at the venue, by id.
        open: Vec<(ClientOrderId, Symbol)>,
        /// Assets with implausible balances, by name. They are not among the balances.
        #[serde(default)]
        unread: Vec<String>,
        /// The venue of the account.
        #[serde(default)]
        venue: VenueId,
        /// The last amounts that the venue took and that no fill reports, by time.
        #[serde(default)]
        charges: Vec<Charge>,
        /// The venue's ids of these charges, in their order. Empty: an older version read them, and
        /// the ledger books a charge as often as the cash lacks it.
        #[serde(default)]
        charge_ids: Vec<String>,
    },
    /// Trades of `everwarm panic`. They are fetched when the books do not explain a balance. A
    /// trade may be reported again and counts once.
    PanicTraded {
        /// The trades, by symbol, then venue time, then trade id.
        trades: Vec<PanicTrade>,
        /// The venue of the account.
        #[serde(default)]
        venue: VenueId,
    },
    /// Announces a request about an order. It is sent once this fact is on disk. Synced.
    Requested(OrderRequest),
    /// The result of such a request, as far as it is known. Its only effect is that the order is
    /// queried.
    Responded {
        /// Our id of the request.
        id: String,
        /// Our id of the order.
        of: ClientOrderId,
        /// The attempt.
        attempt: u32,
        /// The result.
        response: Response,
    },
    /// Trades of external orders that are adopted. A trade may be reported again and counts once.
    ExternalTraded(ExternalTrades),
}

/// Derived: rolled bars, features and signals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Analysis {
    /// Bars of a larger width that this close completed.
    Rolled {
        /// The width of the bars.
        timeframe: Timeframe,
        /// The bars, by symbol.
        bars: Vec<RolledBar>,
    },
    /// The features that are computed from here on. Appended when the configuration changes them.
    FeaturePlan {
        /// Its number, a digest of the features; never 0.
        plan: u64,
        /// The features, like `sma(20)@1h`. They are the columns of the values, in this order.
        features: Vec<String>,
    },
    /// Values of the features of one width after this close.
    FeatureValues {
        /// Number of the plan. 0: a fact of an earlier version. Its columns are the fast and the
        /// slow simple average, the exponential average and the true range of the only strategy.
        plan: u64,
        /// Width of the bars they are computed on.
        timeframe: Timeframe,
        /// One row for each symbol, by symbol; one column for each feature of that width.
        table: FeatureTable,
    },
    /// Only of earlier versions: the same four values for lengths that were no longer configured.
    /// Positions opened with these lengths still used them.
    Kept {
        /// Width of the bars they are computed on.
        timeframe: Timeframe,
        /// Length of the fast average, in bars.
        fast: u32,
        /// Length of the slow averages, in bars.
        slow: u32,
        /// One row for each symbol, by symbol.
        rows: FeatureTable,
    },
    /// Signals of one strategy after this close. Never empty.
    Signals {
        /// The signals, by symbol.
        rows: Vec<Signal>,
    },
}

/// Levels of the circuit breaker, ascending. Their names are the same everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BreakerLevel {
    /// Everything is allowed.
    #[default]
    Normal,
    /// Entries have a reduced size.
    Reduced,
    /// Only exits are allowed.
    ExitsOnly,
    /// Nothing is sent.
    Halted,
}

/// The limit of one strategy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrategyLimit {
    /// Its id.
    pub id: String,
    /// Its level; the account may have a higher one.
    pub level: BreakerLevel,
    /// Why, and until when.
    pub why: String,
}

/// Derived: limits on trading, approvals and exits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Decision {
    /// The breaker changed its level or its reasons.
    Breaker {
        /// The level from here on.
        level: BreakerLevel,
        /// The reasons, one sentence each; empty at normal.
        reasons: Vec<String>,
        /// Symbols without entries, and why; by symbol.
        #[serde(default)]
        barred: Vec<(Symbol, String)>,
        /// Limited strategies, by id.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        strategies: Vec<StrategyLimit>,
    },
    /// A signal was approved and its cash reserved. Only the decision appends these.
    Approved {
        /// The order to be sent.
        intent: OrderIntent,
        /// Quote amount reserved until the order is final.
        reserved: Decimal,
        /// The signal's reason.
        reason: String,
        /// The arithmetic of the quantity. None: a fixed amount that no cap cut, an exit, or a fact
        /// of an earlier version.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sizing: Option<String>,
    },
    /// A signal was declined.
    Declined {
        /// The signal.
        signal: Signal,
        /// Machine-readable reason, like `max-positions`.
        code: String,
        /// The reason in words.
        text: String,
    },
    /// An owed exit: decided and not sold yet. Appended when it opens, when its obstacle changes,
    /// and when it ends.
    Owed {
        /// The owner of the lot: a strategy, or `house`. Versions without lots wrote `flatten` for
        /// everything of a symbol that an operator had sold.
        strategy: String,
        /// The symbol to sell.
        symbol: Symbol,
        /// The close at which it was decided, UTC milliseconds.
        since: UtcMs,
        /// Why it was decided, in words.
        cause: String,
        /// Number of the next request for it, from 0.
        revision: u32,
        /// Number of equal refusals in a row.
        tries: u32,
        /// Why it is not requested now; none while its request is under way.
        refusal: Option<String>,
        /// Why it ended; none while it is owed.
        ended: Option<String>,
        /// The exit rule that opened it; none if a signal or an operator did, and in later facts
        /// about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<ExitRule>,
    },
    /// An order was withdrawn before it was sent. It is not sent any more.
    Withdrawn {
        /// Our id.
        client_id: ClientOrderId,
        /// The strategy that wanted the order.
        strategy: String,
        /// The symbol of the order.
        symbol: Symbol,
        /// Direction.
        side: Side,
        /// Why, in words.
        reason: String,
    },
    /// An order was withdrawn after it was sent. It is to be cancelled.
    CancelIntent {
        /// Our id.
        client_id: ClientOrderId,
        /// The strategy that wanted the order.
        strategy: String,
        /// The symbol of the order.
        symbol: Symbol,
        /// Direction.
        side: Side,
        /// Why, in words.
        reason: String,
    },
    /// An operator gave a lot a stop, a target, or both. A given price replaces the present one,
    /// the other one stays.
    Guarded {
        /// The owner of the lot.
        strategy: String,
        /// Its symbol.
        symbol: Symbol,
        /// The new stop, quote units, on a tick.
        stop: Option<Decimal>,
        /// The new target, quote units, on a tick.
        target: Option<Decimal>,
        /// Why, in words.
        reason: String,
    },
}

/// Derived: the states of orders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Order {
    /// An order to be sent once, while it is valid.
    Intent(OrderIntent),
    /// A further attempt with the same id is granted.
    Granted {
        /// Our id.
        client_id: ClientOrderId,
        /// Number of the attempt that may be sent.
        attempt: u32,
        /// Why the attempt is safe.
        reason: String,
    },
    /// An order changed.
    Changed {
        /// Our id.
        client_id: ClientOrderId,
        /// Its symbol.
        symbol: Symbol,
        /// The venue's id, once known.
        venue_order_id: Option<VenueOrderId>,
        /// Its state from here on.
        status: OrderStatus,
        /// Cumulative filled quantity.
        executed: Decimal,
        /// Cumulative quote amount of the fills.
        executed_quote: Decimal,
        /// Why, if it is not obvious.
        reason: String,
    },
    /// One execution. It is applied once.
    Filled {
        /// Our id.
        client_id: ClientOrderId,
        /// The strategy that wanted the order.
        strategy: String,
        /// What was traded.
        symbol: Symbol,
        /// Direction.
        side: Side,
        /// Number of this fill within the order, from 1.
        k: u32,
        /// The execution.
        fill: VenueFill,
    },
    /// The open orders of the account were compared with ours, as part of a reconciliation.
    Compared {
        /// Number of the run.
        life: u64,
        /// Differences that nothing explains.
        conflicts: Vec<Conflict>,
    },
}

/// Derived: the books.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Ledger {
    /// A position changed.
    Position {
        /// The symbol.
        symbol: Symbol,
        /// Base units held.
        quantity: Decimal,
        /// Cost of the units held, in quote units, without fees in quote.
        cost: Decimal,
        /// Profit realised since the beginning, in quote units, fees included.
        realized_pnl: Decimal,
        /// Cash after the fill, in quote units.
        cash: Decimal,
    },
    /// Value of the account after a close.
    Equity {
        /// The close, UTC milliseconds.
        time: UtcMs,
        /// Cash plus the value of positions at the newest prices.
        equity: Decimal,
        /// Cash.
        cash: Decimal,
        /// Change of the equity by adjustments since the beginning: neither profit nor loss.
        #[serde(default)]
        adjusted: Decimal,
    },
    /// The account was compared with the books. Without conflicts trading continues. Synced.
    Reconciled {
        /// Number of the run that it holds for.
        life: u64,
        /// Differences that nothing explains. Empty: trading continues.
        conflicts: Vec<Conflict>,
        /// Cash in quote units, according to the books.
        cash: Decimal,
        /// External surplus by asset. It is recorded and never traded.
        foreign: Vec<(String, Decimal)>,
        /// The venue of the account.
        #[serde(default, skip_serializing_if = "VenueId::is_default")]
        venue: VenueId,
    },
    /// An operator changed the books: they accepted that the venue has less of an asset, or adopted
    /// a surplus. What is held is the sum of fills and adjustments.
    Adjusted {
        /// The asset.
        asset: String,
        /// The part of the books that changed.
        part: Part,
        /// Change of the amount; negative if something was missing.
        amount: Decimal,
        /// Change of the equity, in quote units at the last price.
        value: Decimal,
    },
    /// A lot changed: the part of a position that belongs to one strategy. The position is the sum
    /// of its lots.
    Lot {
        /// The owner: a strategy, or `house` for what belongs to no strategy.
        strategy: String,
        /// The symbol.
        symbol: Symbol,
        /// Base units held; zero if the lot is closed.
        quantity: Decimal,
        /// Cost of the units held, in quote units, without fees in quote.
        cost: Decimal,
        /// Event time at which it was opened, UTC milliseconds. None if it is closed, or was opened
        /// by a version without lots.
        opened: Option<UtcMs>,
        /// Profit realised by this strategy in this symbol since the beginning, in quote units,
        /// fees included. The position's profit is the sum over its strategies.
        #[serde(default)]
        realized_pnl: Decimal,
    },
}

/// The first version of the ledger that appends [`Ledger::Lot`].
pub const LOTS_FROM: u16 = 3;
