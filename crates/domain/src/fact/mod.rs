//! Every fact there is, grouped. `docs/reference/facts.md` is generated from [`kinds::TABLE`].
//!
//! Inputs come from outside and are numbered; derived facts are said by the stage of one rank.
//!
//! Over 500 lines: every kind of fact, documented member by member.

pub mod kinds;
mod listed;
mod market;
mod packed;
mod parts;

pub use super::conflict::{Accept, Conflict, Dispute, Part};
use super::features::FeatureTable;
use super::id::{ClientOrderId, Symbol, VenueId};
use super::market::RolledBar;
use super::money::Decimal;
use super::order::{
    Balance, OrderIntent, OrderReport, OrderRequest, OrderStatus, PanicTrade, Response,
    SendAttempt, Side, VenueFill,
};
use super::settings::Settings;
pub use super::signal::Signal;
use super::switch::Switch;
use super::time::{Timeframe, UtcMs};
use super::venue_ids::VenueOrderId;
use everwarm_kernel::fact::Effect;
pub use listed::{AtVenue, Listed, Standing};
pub use market::Market;
use serde::{Deserialize, Serialize};

/// What a fact says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Body {
    /// Inputs: what the market did.
    Market(Market),
    /// Inputs: what went to the venue and what it said.
    Venue(Venue),
    /// Inputs: the process, the clock, people and the runtime.
    Operator(Operator),
    /// Derived: numbers and wishes.
    Analysis(Analysis),
    /// Derived: what may be done and what is to be done.
    Decision(Decision),
    /// Derived: what became of orders.
    Order(Order),
    /// Derived: the books.
    Ledger(Ledger),
}

/// Inputs: what went to the venue and what it said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Venue {
    /// These requests leave once this is on disk. Synced.
    Sent {
        /// All orders of one close together.
        attempts: Vec<SendAttempt>,
    },
    /// The venue's word on an order.
    Reported(OrderReport),
    /// A definite no to one attempt: the order was not accepted.
    Refused {
        /// Our id.
        client_id: ClientOrderId,
        /// The attempt refused.
        attempt: u32,
        /// The venue's error code.
        code: i32,
        /// The venue's words.
        text: String,
        /// Whether the same order may be tried again (clock, rate limit), or is wrong as it stands.
        again: bool,
    },
    /// An attempt has no clear answer: the order may or may not exist.
    Unanswered {
        /// Our id.
        client_id: ClientOrderId,
        /// The attempt.
        attempt: u32,
        /// What happened.
        reason: String,
    },
    /// The venue was asked for an order by our id and for the symbol's trades, and found neither.
    Absent {
        /// Our id.
        client_id: ClientOrderId,
        /// Venue time at which it was asked.
        asked: UtcMs,
    },
    /// The account as the venue has it, after everything the query round of this life turned up is
    /// in the journal; what is compared with the books.
    Account {
        /// Number of the process life that asked.
        life: u64,
        /// Venue time of the picture.
        time: UtcMs,
        /// Balances other than zero, by asset.
        balances: Vec<Balance>,
        /// Client ids of the orders open at the venue, with symbol, by id.
        open: Vec<(ClientOrderId, Symbol)>,
        /// Assets whose balances cannot be believed, by name: they are not among the balances.
        #[serde(default)]
        unread: Vec<String>,
        /// Whose account it is.
        #[serde(default)]
        venue: VenueId,
    },
    /// What `everwarm panic` traded, as far as the venue was asked for it: the books did not
    /// explain a balance. A trade may be reported again; it counts once.
    PanicTraded {
        /// By symbol, then venue time, then trade id.
        trades: Vec<PanicTrade>,
        /// Whose account it was.
        #[serde(default)]
        venue: VenueId,
    },
    /// This request about an order leaves once this is on disk. Synced.
    Requested(OrderRequest),
    /// What came of one, as far as is known. Nothing follows from it for the order but that it is
    /// to be asked for.
    Responded {
        /// Our id of the request.
        id: String,
        /// Our id of the order.
        of: ClientOrderId,
        /// The attempt.
        attempt: u32,
        /// What came of it.
        response: Response,
    },
}

/// Inputs: the process, the clock, people and the runtime.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Operator {
    /// A process started on this store. Synced.
    Started {
        /// Number of this life, from 1.
        life: u64,
        /// Identity of the installation, part of every client order id.
        installation: String,
        /// Rises by restore, wipe or an operator; part of every client order id.
        epoch: u64,
    },
    /// A person typed the account that may trade real money from here on, and how much of it at
    /// most. Another account needs another one; the last is in force. Synced.
    LiveConfirmed {
        /// The venue's number of the account.
        account: String,
        /// Most quote amount of one entry.
        per_order: Decimal,
        /// Most quote amount of all entries of a UTC day.
        per_day: Decimal,
        /// Whose account it is.
        #[serde(default)]
        venue: VenueId,
    },
    /// The earliest wake-up of a stage is due.
    Clock {
        /// Event time, UTC milliseconds.
        time: UtcMs,
    },
    /// The configuration in force from here on. Synced.
    ConfigApplied {
        /// From 1.
        generation: u64,
        /// The settings as JSON; see [`Settings`].
        text: String,
        /// Where values other than defaults came from: (key, origin).
        origins: Vec<(String, String)>,
        /// Every value that may change while it trades, as JSON: (key, value).
        #[serde(default)]
        values: Vec<(String, String)>,
        /// Digest of what the sources said when it was put in force. After a rollback they say
        /// something else than what is in force, and a start does not undo that.
        #[serde(default)]
        source: String,
        /// Former settings of strategies, by which something may be held still.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        retained: Vec<Retained>,
    },
    /// An operator turns something on or off, until an operator says otherwise. Synced.
    Switched {
        /// What.
        switch: Switch,
        /// Why, in the operator's words.
        reason: String,
    },
    /// A stage speaks under a new version from here on.
    StageUpgraded {
        /// Its rank.
        rank: u16,
        /// The version before.
        from: u16,
        /// The version from here on.
        to: u16,
    },
    /// A stage takes part from the next input on. Synced: what it says needs it.
    StageJoined {
        /// Its rank.
        rank: u16,
        /// Its name.
        id: String,
        /// What it is made as.
        kind: String,
        /// The version that begins.
        version: u16,
        /// What it is made with, as the configuration has it; empty: nothing.
        settings: String,
    },
    /// A stage takes part no more: the input before was its last. Synced.
    StageLeft {
        /// Its rank.
        rank: u16,
    },
    /// A stage failed too often at an input, or is kept down from one on. Synced, and known before
    /// a replay.
    Quarantined {
        /// Rank of the stage.
        rank: u16,
        /// Its name.
        stage: String,
        /// Number of the input.
        input: u64,
        /// What is done about it.
        effect: Effect,
        /// The symbols without which the stage does not fail; empty: none help.
        symbols: Vec<Symbol>,
        /// Failures.
        failures: u32,
        /// The text of the last.
        why: String,
    },
    /// An operator ends a quarantine, or the runtime that of a stage that was kept down. Synced.
    Released {
        /// Number of the input that told of it.
        quarantine: u64,
        /// Whether the stage is tried again; where not, its absence is accepted.
        retry: bool,
    },
    /// A branch of the supervision tree is kept down, or is up again. Synced. A life begins with
    /// all of them up.
    Branch {
        /// Its place in the tree.
        path: String,
        /// How it ended last, where it is kept down.
        down: Option<String>,
    },
    /// An operator's word on a symbol, which goes before any rule. Synced.
    SymbolWanted {
        /// Which.
        symbol: Symbol,
        /// Whether it is to be traded.
        wanted: bool,
    },
    /// An operator ends a conflict. Synced.
    Resolved {
        /// Both sides, as the operator saw them.
        conflict: Conflict,
        /// Whose word counts.
        accept: Accept,
        /// Why, in the operator's words.
        reason: String,
        /// Whose account it is about.
        #[serde(default)]
        venue: VenueId,
    },
    /// An operator takes a surplus into our books. Synced.
    Adopted {
        /// Of what.
        asset: String,
        /// How much; at most what is external is taken.
        quantity: Decimal,
        /// The position it becomes part of, and the last price, which is its cost; none: it is
        /// cash.
        position: Option<(Symbol, Decimal)>,
        /// Why, in the operator's words.
        reason: String,
        /// Whose account it is.
        #[serde(default)]
        venue: VenueId,
    },
    /// Actors were started again after they had ended by themselves: gathered, so that there are
    /// few of them however often that happens.
    Restarted {
        /// By actor and cause.
        actors: Vec<Restarts>,
    },
}

/// Settings by which a strategy may still hold what it has entered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retained {
    /// Which strategy.
    pub id: String,
    /// Its section of the configuration then, as JSON.
    pub settings: String,
    /// Its kind.
    pub kind: String,
}

/// How often an actor was started again for one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restarts {
    /// Its name in the tree; `bar` for those of all symbols.
    pub actor: String,
    /// Why it had ended, in one word, as metrics say it.
    pub reason: String,
    /// How often.
    pub times: u32,
}

/// Derived: numbers and wishes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Analysis {
    /// Bars of a larger width that were completed by this close.
    Rolled {
        /// Their width.
        timeframe: Timeframe,
        /// By symbol.
        bars: Vec<RolledBar>,
    },
    /// Which features are computed from here on; said where the configuration changes that.
    FeaturePlan {
        /// Its number, a digest of the features; never 0.
        plan: u64,
        /// The features, in their order: `sma(20)@1h`. The columns of values come in this order.
        features: Vec<String>,
    },
    /// Values of the features of one width after this close.
    FeatureValues {
        /// Number of the plan; 0: of an earlier version, whose columns were the fast and the slow
        /// simple average, the exponential one and the true range of the one strategy there was.
        plan: u64,
        /// Width of the bars they are computed on.
        timeframe: Timeframe,
        /// One row a symbol, by symbol; one column a feature of that width.
        table: FeatureTable,
    },
    /// Of earlier versions: the same four values under lengths that were not configured any more,
    /// for those who held something that was opened by them.
    Kept {
        /// Width of the bars they are computed on.
        timeframe: Timeframe,
        /// Length of the fast average, in bars.
        fast: u32,
        /// Length of the slow averages, in bars.
        slow: u32,
        /// One row a symbol, by symbol.
        rows: FeatureTable,
    },
    /// Signals of one strategy after this close. Never empty.
    Signals {
        /// By symbol.
        rows: Vec<Signal>,
    },
}

/// Levels of the circuit breaker, everywhere the same words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BreakerLevel {
    /// All is allowed.
    #[default]
    Normal,
    /// Entries are smaller.
    Reduced,
    /// Positions may be left, not entered.
    ExitsOnly,
    /// Nothing is sent.
    Halted,
}

/// Derived: what may be done and what is to be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Decision {
    /// The breaker changed its level or its reasons.
    Breaker {
        /// The level from here on.
        level: BreakerLevel,
        /// Why, one sentence a reason; empty at normal.
        reasons: Vec<String>,
        /// Symbols of which nothing is bought, and why; by symbol.
        #[serde(default)]
        barred: Vec<(Symbol, String)>,
    },
    /// A signal may be traded; the funds are reserved. Only `risk` makes these.
    Approved {
        /// What is to be sent.
        intent: OrderIntent,
        /// Quote amount held for it until it is final.
        reserved: Decimal,
        /// The signal's reason.
        reason: String,
    },
    /// A signal may not be traded.
    Declined {
        /// The signal.
        signal: Signal,
        /// Machine-readable reason, like `max-positions`.
        code: String,
        /// The same in words.
        text: String,
    },
    /// An exit that was decided and is not done: said when it opens, when what keeps it waiting
    /// changes, and when it ends.
    Owed {
        /// Whose lot: a strategy's, or the `house`'s. Versions without lots said `flatten` for all
        /// that an operator had sold of a symbol.
        strategy: String,
        /// What is to be sold.
        symbol: Symbol,
        /// The close it was decided on, UTC milliseconds.
        since: UtcMs,
        /// Why it was decided, in words.
        cause: String,
        /// Number of the next request for it, from 0.
        revision: u32,
        /// Equal refusals in a row.
        tries: u32,
        /// Why it is not requested now; none where its request is on its way.
        refusal: Option<String>,
        /// Why it is over; none while it is owed.
        ended: Option<String>,
    },
    /// What led to an order is withdrawn before the order was sent: it is not sent any more.
    Withdrawn {
        /// Our id.
        client_id: ClientOrderId,
        /// Who wanted the order.
        strategy: String,
        /// What it was to trade.
        symbol: Symbol,
        /// Direction.
        side: Side,
        /// Why, in words.
        reason: String,
    },
    /// What led to an order is withdrawn after the order was sent: it is to be cancelled.
    CancelIntent {
        /// Our id.
        client_id: ClientOrderId,
        /// Who wanted the order.
        strategy: String,
        /// What it trades.
        symbol: Symbol,
        /// Direction.
        side: Side,
        /// Why, in words.
        reason: String,
    },
}

/// Derived: what became of orders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Order {
    /// To be sent once, while valid.
    Intent(OrderIntent),
    /// Another attempt with the same id is granted.
    Granted {
        /// Our id.
        client_id: ClientOrderId,
        /// Number of the attempt that may be sent.
        attempt: u32,
        /// Why it is safe.
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
        /// Where it stands from here on.
        status: OrderStatus,
        /// Cumulative filled quantity.
        executed: Decimal,
        /// Cumulative quote amount of the fills.
        executed_quote: Decimal,
        /// Why, where it is not obvious.
        reason: String,
    },
    /// One execution, applied once.
    Filled {
        /// Our id.
        client_id: ClientOrderId,
        /// Who wanted the order.
        strategy: String,
        /// What was traded.
        symbol: Symbol,
        /// Direction.
        side: Side,
        /// Number of this fill among the order's, from 1.
        k: u32,
        /// The execution.
        fill: VenueFill,
    },
    /// The open orders of the account were compared with ours (part of a reconciliation).
    Compared {
        /// Number of the process life.
        life: u64,
        /// What cannot be explained.
        conflicts: Vec<Conflict>,
    },
}

/// Derived: the books.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Ledger {
    /// A position changed.
    Position {
        /// Of what.
        symbol: Symbol,
        /// Base units held.
        quantity: Decimal,
        /// What the units held have cost, in quote units, fees in quote excluded.
        cost: Decimal,
        /// Profit locked in since the beginning, in quote units, fees included.
        realized_pnl: Decimal,
        /// Quote units of cash after the fill.
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
        /// What adjustments changed of it since the beginning: neither profit nor loss.
        #[serde(default)]
        adjusted: Decimal,
    },
    /// The account was compared with the books; without conflicts trading may go on. Synced.
    Reconciled {
        /// Number of the process life it holds for.
        life: u64,
        /// What cannot be explained; empty: trading may go on.
        conflicts: Vec<Conflict>,
        /// Quote units of cash, as the books have it.
        cash: Decimal,
        /// Surplus balances that are not ours: recorded, never traded.
        foreign: Vec<(String, Decimal)>,
        /// Whose account it was.
        #[serde(default, skip_serializing_if = "VenueId::is_default")]
        venue: VenueId,
    },
    /// The books changed because an operator said so: they took the venue's word for less of an
    /// asset, or took over a surplus. What is held is the fills and these.
    Adjusted {
        /// Of what.
        asset: String,
        /// What of it changed.
        part: Part,
        /// Change of the amount: negative where something was missing.
        amount: Decimal,
        /// What it changed of the equity, quote units at the mark.
        value: Decimal,
    },
    /// A lot changed: what of a position belongs to one strategy. The position is the sum of its
    /// lots.
    Lot {
        /// Whose: a strategy, or `house` for what belongs to none.
        strategy: String,
        /// Of what.
        symbol: Symbol,
        /// Base units held; zero where the lot is closed.
        quantity: Decimal,
        /// What the units held have cost, in quote units, fees in quote excluded.
        cost: Decimal,
        /// Event time at which it was opened, UTC milliseconds; none where it is closed, or was
        /// opened before lots were kept.
        opened: Option<UtcMs>,
        /// Realised profit of this strategy in this symbol since the beginning, in quote units,
        /// fees included. The position's is the sum over its strategies.
        #[serde(default)]
        realized_pnl: Decimal,
    },
}

/// The version of the ledger from which on it says [`Ledger::Lot`].
pub const LOTS_FROM: u16 = 3;

impl Operator {
    /// Settings in force, without where they came from.
    #[must_use]
    pub fn configured(generation: u64, settings: &Settings) -> Operator {
        let (text, source) = (settings.to_text(), String::new());
        let (origins, values) = (Vec::new(), Vec::new());
        let retained = Vec::new();
        Operator::ConfigApplied { generation, text, origins, values, source, retained }
    }
}
