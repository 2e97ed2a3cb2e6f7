//! Requests to the core: orders, lists, cancels, replacements.

use super::fact::TimeInForce;
use super::terms::Terms;
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{OrderIntent, OrderType, Side};
use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};

/// The ordered amount, in base or in quote units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Amount {
    /// This much of the base asset.
    Base(Decimal),
    /// As much of the base asset as this amount of the quote asset gives.
    Quote(Decimal),
}

/// On which side of the market a stop lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trigger {
    /// Below the market for sales, above it for purchases.
    StopLoss,
    /// Above the market for sales, below it for purchases.
    TakeProfit,
}

/// An order that enters the market when a trade reaches its stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// In base units.
    pub quantity: Decimal,
    /// The stop price in quote units.
    pub at: Decimal,
    /// On which side of the market the stop price lies.
    pub trigger: Trigger,
    /// Limit price and time in force. None: any price.
    pub limit: Option<(Decimal, TimeInForce)>,
}

impl Stop {
    /// Whether a trade at `price` reaches it.
    #[must_use]
    pub fn reached(&self, side: Side, price: Decimal) -> bool {
        if self.is_below(side) { price <= self.at } else { price >= self.at }
    }

    /// Whether the stop price lies below the market.
    #[must_use]
    pub fn is_below(&self, side: Side) -> bool {
        match (self.trigger, side) {
            (Trigger::StopLoss, Side::Sell) | (Trigger::TakeProfit, Side::Buy) => true,
            (Trigger::StopLoss, Side::Buy) | (Trigger::TakeProfit, Side::Sell) => false,
        }
    }
}

/// How an order is priced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderKind {
    /// Immediately, at any price.
    Market(Amount),
    /// At this price or better.
    Limit {
        /// In base units.
        quantity: Decimal,
        /// In quote units.
        price: Decimal,
        /// How long it works.
        tif: TimeInForce,
    },
    /// At this price, and only as a resting order.
    LimitMaker {
        /// In base units.
        quantity: Decimal,
        /// In quote units.
        price: Decimal,
    },
    /// When a trade reaches a price.
    Stop(Stop),
}

impl OrderKind {
    /// Ordered quantity in base units; none where an amount of the quote asset is given.
    #[must_use]
    pub fn quantity(&self) -> Option<Decimal> {
        match self {
            OrderKind::Market(Amount::Quote(_)) => None,
            OrderKind::Market(Amount::Base(quantity))
            | OrderKind::Limit { quantity, .. }
            | OrderKind::LimitMaker { quantity, .. }
            | OrderKind::Stop(Stop { quantity, .. }) => Some(*quantity),
        }
    }

    /// Ordered amount in quote units, if that is given.
    #[must_use]
    pub fn quote_amount(&self) -> Option<Decimal> {
        match self {
            OrderKind::Market(Amount::Quote(amount)) => Some(*amount),
            OrderKind::Market(Amount::Base(_))
            | OrderKind::Limit { .. }
            | OrderKind::LimitMaker { .. }
            | OrderKind::Stop(_) => None,
        }
    }

    /// The limit price; none for orders that execute at any price.
    #[must_use]
    pub fn limit(&self) -> Option<Decimal> {
        match self {
            OrderKind::Market(_) => None,
            OrderKind::Limit { price, .. } | OrderKind::LimitMaker { price, .. } => Some(*price),
            OrderKind::Stop(stop) => stop.limit.map(|(price, _)| price),
        }
    }

    /// The stop, if it has one.
    #[must_use]
    pub fn stop(&self) -> Option<&Stop> {
        match self {
            OrderKind::Stop(stop) => Some(stop),
            OrderKind::Market(_) | OrderKind::Limit { .. } | OrderKind::LimitMaker { .. } => None,
        }
    }

    /// How long it works. Orders that execute at any price report until cancelled.
    #[must_use]
    pub fn tif(&self) -> TimeInForce {
        match self {
            OrderKind::Limit { tif, .. } => *tif,
            OrderKind::Stop(stop) => stop.limit.map_or(TimeInForce::Gtc, |(_, tif)| tif),
            OrderKind::Market(_) | OrderKind::LimitMaker { .. } => TimeInForce::Gtc,
        }
    }

    /// Whether the part that does not fill immediately stays in the book.
    #[must_use]
    pub fn rests(&self) -> bool {
        self.limit().is_some() && self.tif() == TimeInForce::Gtc
    }

    /// Whether a fault may delay its fills: it has a base quantity, no stop, and is not fill or
    /// kill.
    #[must_use]
    pub fn can_lag(&self) -> bool {
        self.stop().is_none() && self.quantity().is_some() && self.tif() != TimeInForce::Fok
    }

    /// The amount that `rest` of an open order locks. For sales it is `rest`; for purchases it is
    /// `rest` times the limit or stop price. Market orders end immediately and lock nothing.
    #[must_use]
    pub fn holds(&self, side: Side, rest: Decimal) -> Decimal {
        let price = self.limit().or(self.stop().map(|stop| stop.at));
        match (side, price) {
            (_, None) => Decimal::ZERO,
            (Side::Sell, Some(_)) => rest,
            (Side::Buy, Some(price)) => price * rest,
        }
    }
}

/// A request for an order, well formed but not yet checked against rules and balances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewOrder {
    /// What to trade.
    pub symbol: Symbol,
    /// Direction.
    pub side: Side,
    /// How it is priced.
    pub kind: OrderKind,
    /// The client's id. None: the exchange makes one.
    pub client_id: Option<String>,
    /// Venue time of arrival.
    pub at: UtcMs,
    /// Last instant of venue time at which the order may enter the book.
    pub deadline: UtcMs,
    /// The part of its fills that comes immediately, in per cent. The rest comes when its market
    /// next trades. None: all of it, as without faults.
    #[serde(default)]
    pub at_once: Option<u8>,
    /// Terms beyond its kind. None: the protocol has no others.
    #[serde(default)]
    pub terms: Option<Terms>,
}

impl NewOrder {
    /// Makes the request of an intent that arrives at `at`. Limit orders work until cancelled.
    ///
    /// # Errors
    /// A limit order without a price.
    pub fn of(intent: &OrderIntent, at: UtcMs) -> Result<NewOrder, String> {
        let quantity = intent.quantity;
        let kind = match (intent.order_type, intent.price) {
            (OrderType::Market, _) => OrderKind::Market(Amount::Base(quantity)),
            (OrderType::Limit, Some(price)) => {
                OrderKind::Limit { quantity, price, tif: TimeInForce::Gtc }
            }
            (OrderType::Limit, None) => {
                return Err(format!("limit order {} has no price", intent.client_id));
            }
        };
        let kind = match (intent.terms.stop, &kind) {
            (None, _) => kind,
            (Some(at), _) => {
                let limit = kind.limit().map(|price| (price, TimeInForce::Gtc));
                OrderKind::Stop(Stop { quantity, at, trigger: Trigger::StopLoss, limit })
            }
        };
        Ok(NewOrder {
            symbol: intent.symbol,
            side: intent.side,
            kind,
            client_id: Some(intent.client_id.0.clone()),
            at,
            deadline: UtcMs::MAX,
            at_once: None,
            terms: None,
        })
    }
}

/// How the orders of a list depend on each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListKind {
    /// One cancels the other.
    Oco,
    /// One triggers the other.
    Oto,
    /// One triggers two, of which one cancels the other.
    Otoco,
}

impl ListKind {
    /// The contingency type in the protocol.
    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            ListKind::Oco => "OCO",
            ListKind::Oto | ListKind::Otoco => "OTO",
        }
    }
}

/// One order of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leg {
    /// Direction.
    pub side: Side,
    /// How it is priced.
    pub kind: OrderKind,
    /// The client's id. None: the exchange makes one.
    pub client_id: Option<String>,
}

/// The orders of a list by their roles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Shape {
    /// One cancels the other.
    Oco {
        /// The order above the market.
        above: Leg,
        /// The order below the market.
        below: Leg,
    },
    /// One triggers the other.
    Oto {
        /// The order that is placed now.
        working: Leg,
        /// The order that is placed when the working order is filled.
        pending: Leg,
    },
    /// One triggers two, of which one cancels the other.
    Otoco {
        /// The order that is placed now.
        working: Leg,
        /// The order above the market, placed when the working order is filled.
        above: Leg,
        /// The order below the market, placed at the same time.
        below: Leg,
    },
}

impl Shape {
    /// The kind of such a list.
    #[must_use]
    pub const fn kind(&self) -> ListKind {
        match self {
            Shape::Oco { .. } => ListKind::Oco,
            Shape::Oto { .. } => ListKind::Oto,
            Shape::Otoco { .. } => ListKind::Otoco,
        }
    }

    /// The orders as the list numbers them: a working order first, a stop before its pair.
    #[must_use]
    pub fn legs(&self) -> Vec<&Leg> {
        let stop_first = |above: &'_ Leg| above.kind.stop().is_some();
        match self {
            Shape::Oco { above, below } if stop_first(above) => vec![above, below],
            Shape::Oco { above, below } => vec![below, above],
            Shape::Oto { working, pending } => vec![working, pending],
            Shape::Otoco { working, above, below } if stop_first(above) => {
                vec![working, above, below]
            }
            Shape::Otoco { working, above, below } => vec![working, below, above],
        }
    }

    /// The order above and the order below the market, if one cancels the other.
    #[must_use]
    pub fn pair(&self) -> Option<(&Leg, &Leg)> {
        match self {
            Shape::Oco { above, below } | Shape::Otoco { above, below, .. } => Some((above, below)),
            Shape::Oto { .. } => None,
        }
    }
}

impl NewList {
    /// Makes the request of a stop and a limit order as a pair, which arrives at `at`.
    ///
    /// # Errors
    /// The first has no stop, or the second no price.
    pub fn pair(stop: &OrderIntent, target: &OrderIntent, at: UtcMs) -> Result<NewList, String> {
        let leg = |intent: &OrderIntent, kind| Leg {
            side: intent.side,
            kind,
            client_id: Some(intent.client_id.0.clone()),
        };
        let quantity = target.quantity;
        let kind = target.price.map(|price| OrderKind::LimitMaker { quantity, price });
        let kind = kind.ok_or_else(|| format!("{} has no price", target.client_id))?;
        let (above, below) = (leg(target, kind), leg(stop, NewOrder::of(stop, at)?.kind));
        let client_id = stop.terms.list.as_ref().map(|list| list.0.clone());
        let shape = Shape::Oco { above, below };
        let (symbol, deadline) = (stop.symbol, UtcMs::MAX);
        Ok(NewList { symbol, client_id, shape, at, deadline, terms: None })
    }
}

/// A request for a list of orders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewList {
    /// What to trade.
    pub symbol: Symbol,
    /// The client's id of the list. None: the exchange makes one.
    pub client_id: Option<String>,
    /// The orders.
    pub shape: Shape,
    /// Venue time of arrival.
    pub at: UtcMs,
    /// Last instant of venue time at which the orders may enter the book.
    pub deadline: UtcMs,
    /// Terms of all its orders beyond their kinds. None: the protocol has no others.
    #[serde(default)]
    pub terms: Option<Terms>,
}

/// The order that a request names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Its symbol.
    pub symbol: Symbol,
    /// The venue's id.
    pub order: Option<u64>,
    /// The client's id.
    pub client_id: Option<String>,
}

/// A request to cancel an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cancel {
    /// The order to cancel.
    pub target: Target,
    /// The client's id of the cancel. None: the exchange makes one.
    pub cancel_id: Option<String>,
    /// Venue time of arrival.
    pub at: UtcMs,
    /// Last instant of venue time at which the cancel may enter the book.
    pub deadline: UtcMs,
    /// Whether the order must have fills (true) or none (false) to be cancelled. None: either.
    #[serde(default)]
    pub only_begun: Option<bool>,
}

/// Which of the open orders are to be cancelled together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Many {
    /// All of the symbol.
    Symbol,
    /// Those of the list with this venue id.
    List(u64),
    /// Those of the list with this client id.
    ListNamed(String),
}

/// A request to cancel several orders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CancelMany {
    /// Their symbol.
    pub symbol: Symbol,
    /// Which of its orders.
    pub many: Many,
    /// The client's id of the cancel. None: the exchange makes one.
    pub cancel_id: Option<String>,
    /// Venue time of arrival.
    pub at: UtcMs,
    /// Last instant of venue time at which the cancel may enter the book.
    pub deadline: UtcMs,
}

/// A request to cancel an order and to place another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replace {
    /// What to cancel.
    pub cancel: Cancel,
    /// What to place.
    pub order: NewOrder,
    /// Whether to place the new order even if the cancel is refused.
    pub regardless: bool,
}
