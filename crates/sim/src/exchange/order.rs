//! Orders, lists of orders and trades, as the books hold them.

use super::fact::TimeInForce;
use super::request::{ListKind, OrderKind};
use super::terms::{Terms, Trail};
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Side;
use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};

/// The status of an order, in the terms of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// In the books, nothing filled. A stop that is not reached has this status, too.
    New,
    /// A leg of a list whose working order is not filled yet. It locks nothing.
    PendingNew,
    /// Working, a part filled.
    PartiallyFilled,
    /// All filled.
    Filled,
    /// Ended by a cancel.
    Canceled,
    /// Ended by its own terms or those of its list.
    Expired,
}

impl Status {
    /// The name in the protocol.
    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            Status::New => "NEW",
            Status::PendingNew => "PENDING_NEW",
            Status::PartiallyFilled => "PARTIALLY_FILLED",
            Status::Filled => "FILLED",
            Status::Canceled => "CANCELED",
            Status::Expired => "EXPIRED",
        }
    }

    /// Whether the order may still trade.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Status::New | Status::PendingNew | Status::PartiallyFilled)
    }
}

/// An order in the books.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The venue's id, counting from 1.
    pub id: u64,
    /// The client's id.
    pub client_id: String,
    /// What is traded.
    pub symbol: Symbol,
    /// Direction.
    pub side: Side,
    /// How it is priced.
    pub kind: OrderKind,
    /// Ordered quantity in base units.
    pub quantity: Decimal,
    /// Its status.
    pub status: Status,
    /// Filled quantity.
    pub executed: Decimal,
    /// Quote amount of the fills.
    pub executed_quote: Decimal,
    /// Venue time of acceptance.
    pub time: UtcMs,
    /// Venue time of the last change.
    pub updated: UtcMs,
    /// Close of the last released minute at acceptance.
    pub minute: UtcMs,
    /// Indexes of its trades in the trades of the symbol.
    pub trades: Vec<usize>,
    /// The list it belongs to.
    pub list: Option<u64>,
    /// Venue time at which it entered the market. None while it waits for a stop or a working
    /// order.
    pub working: Option<UtcMs>,
    /// Terms beyond its kind.
    #[serde(default)]
    pub terms: Option<Terms>,
    /// Volume that trades at its limit before it, in base units.
    #[serde(default)]
    pub ahead: Decimal,
}

impl Order {
    /// Quantity still to fill.
    #[must_use]
    pub fn rest(&self) -> Decimal {
        self.quantity - self.executed
    }

    /// The limit price; none for orders that execute at any price.
    #[must_use]
    pub fn limit(&self) -> Option<Decimal> {
        self.kind.limit()
    }

    /// How long it works. Orders that execute at any price report until cancelled.
    #[must_use]
    pub fn tif(&self) -> TimeInForce {
        self.kind.tif()
    }

    /// The ordered amount in quote units; zero if it was given in base units.
    #[must_use]
    pub fn quote_quantity(&self) -> Decimal {
        self.kind.quote_amount().unwrap_or_default()
    }

    /// Whether it waits for its stop to be reached.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.status == Status::New && self.working.is_none()
    }

    /// Venue time at which its unfilled rest expires by its terms. None: never.
    #[must_use]
    pub fn expiry(&self) -> Option<UtcMs> {
        self.terms.map(|terms| terms.until).filter(|until| *until < UtcMs::MAX)
    }

    /// How its stop follows the market, if it does.
    #[must_use]
    pub fn trail(&self) -> Option<Trail> {
        self.terms.and_then(|terms| terms.trail)
    }

    /// Moves its stop after the market.
    pub fn trailed(&mut self, trail: Trail, to: Decimal) {
        if let Some(terms) = &mut self.terms {
            terms.trail = Some(trail);
        }
        if let OrderKind::Stop(stop) = &mut self.kind {
            stop.at = to;
        }
    }

    /// Venue time before which it does not trade. 0: immediately.
    #[must_use]
    pub fn earliest(&self) -> UtcMs {
        self.terms.map_or(0, |terms| terms.from)
    }

    /// The amount it locks on its own, in base units for sales and quote units for purchases. Where
    /// orders have terms, a market order may wait for the next session: a sale locks its shares.
    #[must_use]
    pub fn holds(&self) -> Decimal {
        let shares = self.terms.is_some() && self.side == Side::Sell;
        match self.status {
            Status::New | Status::PartiallyFilled if shares => self.rest(),
            Status::New | Status::PartiallyFilled => self.kind.holds(self.side, self.rest()),
            Status::PendingNew | Status::Filled | Status::Canceled | Status::Expired => {
                Decimal::ZERO
            }
        }
    }
}

/// Orders that depend on each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderList {
    /// The venue's id, counting from 1.
    pub id: u64,
    /// The client's id of the list.
    pub client_id: String,
    /// What is traded.
    pub symbol: Symbol,
    /// How they depend on each other.
    pub kind: ListKind,
    /// The venue's ids of its orders. A working order is the first, and a stop precedes its pair.
    pub orders: Vec<u64>,
    /// Venue time of acceptance.
    pub time: UtcMs,
    /// Venue time at which its last order ended; none while one is open.
    pub done: Option<UtcMs>,
}

impl OrderList {
    /// The two orders of which one ends the other. Empty if there are none.
    #[must_use]
    pub fn pair(&self) -> &[u64] {
        match self.kind {
            ListKind::Oco => &self.orders,
            ListKind::Oto => &[],
            ListKind::Otoco => self.orders.get(1..).unwrap_or_default(),
        }
    }

    /// The order whose fill brings the others into the market.
    #[must_use]
    pub fn working(&self) -> Option<u64> {
        match self.kind {
            ListKind::Oco => None,
            ListKind::Oto | ListKind::Otoco => self.orders.first().copied(),
        }
    }

    /// The orders that wait for the working order.
    #[must_use]
    pub fn pending(&self) -> &[u64] {
        match self.kind {
            ListKind::Oco => &[],
            ListKind::Oto | ListKind::Otoco => self.orders.get(1..).unwrap_or_default(),
        }
    }
}

/// A trade in the books.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trade {
    /// Counting from 1 per symbol.
    pub id: u64,
    /// The venue's id of the order.
    pub order: u64,
    /// In quote units.
    pub price: Decimal,
    /// In base units.
    pub quantity: Decimal,
    /// In units of `fee_asset`.
    pub fee: Decimal,
    /// The asset of the fee.
    pub fee_asset: String,
    /// Whether the order was resting.
    pub maker: bool,
    /// Whether it was a buy.
    pub buyer: bool,
    /// Venue time.
    pub time: UtcMs,
    /// Number of the execution event, counting up over all symbols.
    #[serde(default)]
    pub execution: u64,
}
