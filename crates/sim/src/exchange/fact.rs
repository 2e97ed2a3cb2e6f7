//! The facts of the exchange. Inputs are requests and the passing of time; derived facts are the
//! decisions of the core.

use super::costs::Costs;
use super::order::OrderList;
use super::request::{Cancel, CancelMany, NewList, NewOrder, OrderKind, Replace};
use super::terms::{Terms, Trail};
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::order::Side;
use everwarm_domain::split::Split;
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::{Body, Mask, RuntimeEvent};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The trading state of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It trades.
    Trading,
    /// It does not trade now.
    Halted,
    /// The exchange no longer lists it.
    Delisted,
}

/// One fact of the exchange.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SimFact {
    /// Input: the exchange opened its books. This is always the first input.
    Opened(Opened),
    /// Input: a deposit, or a withdrawal if `amount` is negative.
    Funded {
        /// The asset.
        asset: String,
        /// Amount in units of the asset.
        amount: Decimal,
        /// Venue time.
        at: UtcMs,
    },
    /// Input: a symbol stops trading, resumes or is delisted.
    Standing {
        /// The symbol.
        symbol: Symbol,
        /// Its state from now on.
        standing: Standing,
        /// The last close before the change.
        since: UtcMs,
        /// Venue time.
        at: UtcMs,
    },
    /// Input: the rules of a symbol change. Orders in the books stay.
    Ruled {
        /// The complete new rules.
        rules: Instrument,
        /// Venue time.
        at: UtcMs,
    },
    /// Input: what trading costs from now on.
    Priced {
        /// The costs.
        costs: Costs,
        /// Venue time.
        at: UtcMs,
    },
    /// Input: the shares of a symbol are replaced by new ones. Its orders were cancelled before.
    Split {
        /// The split.
        split: Split,
        /// Venue time.
        at: UtcMs,
    },
    /// Input: a request to place an order.
    Place(NewOrder),
    /// Input: a request to cancel an order.
    Cancel(Cancel),
    /// Input: a request to place a list of orders.
    PlaceList(NewList),
    /// Input: a request to cancel several orders.
    CancelMany(CancelMany),
    /// Input: a request to cancel one order and place another.
    Replace(Replace),
    /// Input: time passed.
    Advance(Advance),
    /// Input: time passed in a market that spreads its trades over the minute.
    Ticked(Ticks),
    /// Input: the core was started under another version.
    Upgraded {
        /// The version before.
        from: u16,
        /// The version from now on.
        to: u16,
    },
    /// The order is in the books.
    Accepted(Accepted),
    /// A part of an order was executed.
    Traded(Traded),
    /// The request was refused, or a part of a replacement was.
    Rejected {
        /// The protocol's error code.
        code: i32,
        /// The protocol's error message.
        msg: String,
    },
    /// An order was cancelled on request.
    Cancelled {
        /// The venue's id of the order.
        order: u64,
        /// The client's id of the cancel.
        cancel_id: String,
        /// Number of this execution event.
        execution: u64,
        /// Venue time.
        at: UtcMs,
    },
    /// The unfilled rest of an order expired by its own terms or those of its list.
    Expired {
        /// The venue's id of the order.
        order: u64,
        /// Number of this execution event.
        execution: u64,
        /// Venue time.
        at: UtcMs,
    },
    /// A list is in the books; its orders follow.
    Listed(OrderList),
    /// A waiting order entered the market: its stop was reached.
    Triggered {
        /// The venue's id of the order.
        order: u64,
        /// Number of this execution event.
        execution: u64,
        /// Venue time.
        at: UtcMs,
    },
    /// A pending order was placed: the working order of its list is filled.
    Activated {
        /// The venue's id of the order.
        order: u64,
        /// Number of this execution event.
        execution: u64,
        /// Venue time.
        at: UtcMs,
    },
    /// The market traded at the limit of a resting order: its queue is shorter.
    Queued {
        /// The venue's id of the order.
        order: u64,
        /// The volume that is still ahead of it, in base units.
        ahead: Decimal,
    },
    /// An order took the place of another one, which ended.
    Replaced(Replaced),
    /// The market moved in favor of a trailing stop: its stop price follows.
    Trailed {
        /// The venue's id of the order.
        order: u64,
        /// Its trail, with the new best price.
        trail: Trail,
        /// The new stop price, in quote units.
        stop: Decimal,
    },
}

/// The initial state of the books.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// Seed of every random choice.
    pub seed: u64,
    /// Venue time.
    pub at: UtcMs,
    /// The traded instruments, by symbol.
    pub instruments: Vec<Instrument>,
    /// Free balances by asset.
    pub balances: BTreeMap<String, Decimal>,
    /// The largest holding of the base asset, for symbols that have such a filter.
    pub max_position: BTreeMap<Symbol, Decimal>,
    /// The last closed bar of each symbol that has one.
    pub last: Vec<Bar>,
    /// Most open stop orders, for symbols that take fewer than others; 0: none at all.
    #[serde(default)]
    pub max_stop_orders: BTreeMap<Symbol, u32>,
}

/// How long an order works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimeInForce {
    /// Until cancelled.
    Gtc,
    /// What can execute immediately; the rest expires.
    Ioc,
    /// The whole quantity immediately, or nothing.
    Fok,
}

impl TimeInForce {
    /// The name in the protocol.
    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            TimeInForce::Gtc => "GTC",
            TimeInForce::Ioc => "IOC",
            TimeInForce::Fok => "FOK",
        }
    }
}

/// Time passed, by at most one close.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Advance {
    /// The new venue time. Venue time never goes back.
    pub now: UtcMs,
    /// Trades up to and including this instant are released.
    pub market: UtcMs,
    /// The close of the minute with trades to release in this step, and its bars by symbol.
    pub minute: Option<(UtcMs, Vec<Bar>)>,
}

/// Time passed, and trades within a minute are released.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ticks {
    /// The new venue time. Venue time never goes back.
    pub now: UtcMs,
    /// Trades up to and including this instant are released.
    pub market: UtcMs,
    /// The close of the minute of the trades.
    pub close: UtcMs,
    /// The trades, by time and symbol.
    pub list: Vec<Tick>,
}

/// A trade of the market within a minute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tick {
    /// What was traded.
    pub symbol: Symbol,
    /// Venue time.
    pub time: UtcMs,
    /// In quote units.
    pub price: Price,
    /// Volume of the minute's bar, with the first trade of the minute.
    pub volume: Option<Decimal>,
}

/// An order as it entered the books.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    /// The venue's id.
    pub order: u64,
    /// The client's id.
    pub client_id: String,
    /// What is traded.
    pub symbol: Symbol,
    /// Direction.
    pub side: Side,
    /// How it is priced.
    pub kind: OrderKind,
    /// Quantity in base units. For an order in quote units, the quantity that its amount gives.
    pub quantity: Decimal,
    /// Number of this execution event.
    pub execution: u64,
    /// Venue time.
    pub at: UtcMs,
    /// The list it belongs to.
    #[serde(default)]
    pub list: Option<u64>,
    /// Whether it waits for the working order of its list.
    #[serde(default)]
    pub pending: bool,
    /// Terms beyond its kind.
    #[serde(default)]
    pub terms: Option<Terms>,
}

/// An order that took the place of another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replaced {
    /// The venue's id of the order that ended.
    pub order: u64,
    /// Number of the execution event of its end.
    pub execution: u64,
    /// The order in its place.
    pub by: Accepted,
}

/// One execution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Traded {
    /// The venue's id of the order.
    pub order: u64,
    /// What was traded.
    pub symbol: Symbol,
    /// Id of the trade, counting from 1 per symbol.
    pub trade: u64,
    /// In quote units.
    pub price: Decimal,
    /// In base units.
    pub quantity: Decimal,
    /// In units of `fee_asset`.
    pub fee: Decimal,
    /// Base on buys, quote on sells.
    pub fee_asset: String,
    /// Whether the order was resting.
    pub maker: bool,
    /// Filled quantity of the order, this trade included.
    pub executed: Decimal,
    /// Quote amount of the order, this trade included.
    pub executed_quote: Decimal,
    /// Number of this execution event.
    pub execution: u64,
    /// Venue time.
    pub at: UtcMs,
}

/// Kinds of facts that come from outside.
pub const INPUTS: Mask = Mask::of(&[0, 1, 2, 3, 4, 5, 6, 7, 16, 24, 25, 26, 27, 28]);
/// Kinds of facts that the core appends.
pub const DERIVED: Mask = Mask::of(&[8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 19]);

impl Body for SimFact {
    fn kind(&self) -> u8 {
        match self {
            SimFact::Opened(_) => 0,
            SimFact::Funded { .. } => 1,
            SimFact::Place(_) => 2,
            SimFact::Cancel(_) => 3,
            SimFact::Advance(_) => 4,
            SimFact::Upgraded { .. } => 5,
            SimFact::PlaceList(_) => 6,
            SimFact::CancelMany(_) => 7,
            SimFact::Accepted(_) => 8,
            SimFact::Traded(_) => 9,
            SimFact::Rejected { .. } => 10,
            SimFact::Cancelled { .. } => 11,
            SimFact::Expired { .. } => 12,
            SimFact::Listed(_) => 13,
            SimFact::Triggered { .. } => 14,
            SimFact::Activated { .. } => 15,
            SimFact::Replace(_) => 16,
            SimFact::Queued { .. } => 17,
            SimFact::Replaced(_) => 18,
            SimFact::Trailed { .. } => 19,
            SimFact::Standing { .. } => 24,
            SimFact::Ruled { .. } => 25,
            SimFact::Priced { .. } => 26,
            SimFact::Ticked(_) => 27,
            SimFact::Split { .. } => 28,
        }
    }

    fn name(kind: u8) -> &'static str {
        match kind {
            0 => "Opened",
            1 => "Funded",
            2 => "Place",
            3 => "Cancel",
            4 => "Advance",
            5 => "Upgraded",
            6 => "PlaceList",
            7 => "CancelMany",
            8 => "Accepted",
            9 => "Traded",
            10 => "Rejected",
            11 => "Cancelled",
            12 => "Expired",
            13 => "Listed",
            14 => "Triggered",
            15 => "Activated",
            16 => "Replace",
            17 => "Queued",
            18 => "Replaced",
            19 => "Trailed",
            24 => "Standing",
            25 => "Ruled",
            26 => "Priced",
            27 => "Ticked",
            28 => "Split",
            _ => "?",
        }
    }

    /// All facts except the passing of time, of queues and of trails: they must be on disk before a
    /// response or an event is sent.
    fn synced(&self) -> bool {
        !matches!(
            self,
            SimFact::Advance(_)
                | SimFact::Ticked(_)
                | SimFact::Queued { .. }
                | SimFact::Trailed { .. }
        )
    }

    fn encode(&self, out: &mut Vec<u8>) {
        rmp_serde::encode::write(out, self).expect("plain values into memory always encode");
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        rmp_serde::from_slice(bytes).map_err(|e| e.to_string())
    }

    fn runtime(event: RuntimeEvent) -> Self {
        match event {
            RuntimeEvent::StageUpgraded { from, to, .. } => SimFact::Upgraded { from, to },
            RuntimeEvent::Quarantined(q) => {
                unreachable!("failures of the {} are not counted", q.stage)
            }
            RuntimeEvent::Released { .. } => unreachable!("it is never stopped by its supervisor"),
            RuntimeEvent::Joined(who) => unreachable!("{} is there from the start", who.id),
            RuntimeEvent::Left { .. } => unreachable!("it never leaves"),
        }
    }
}
