//! Requests of operators to trade by hand.

use super::id::{ClientOrderId, Symbol};
use super::money::Decimal;
use super::order::{MANUAL, Side};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Most characters of the id of a request.
pub const ID_MAX: usize = 64;

/// Most minutes that a limit order by hand works: 30 days.
pub const MINUTES_MAX: u32 = 43_200;

/// How much an order trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// Base units.
    Quantity(Decimal),
    /// Quote units, at the newest closing price.
    Quote(Decimal),
}

impl Amount {
    /// Writes it with its symbol.
    fn write(self, f: &mut fmt::Formatter<'_>, symbol: Symbol) -> fmt::Result {
        match self {
            Amount::Quantity(quantity) => write!(f, "{} {symbol}", quantity.normalize()),
            Amount::Quote(quote) => write!(f, "{symbol} for {} in quote units", quote.normalize()),
        }
    }
}

/// What an operator requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// A market order, or a limit order to buy. The lot belongs to the strategy `manual`.
    Order {
        /// The symbol.
        symbol: Symbol,
        /// Buys the lot, or sells it or a part of it.
        side: Side,
        /// How much.
        amount: Amount,
        /// The highest price of a purchase, quote units; none: a market order.
        #[serde(default)]
        limit: Option<Decimal>,
        /// How long a limit order works, minutes; 0: until it is cancelled.
        #[serde(default)]
        minutes: u32,
    },
    /// Sells all lots of a symbol, or the one of a strategy.
    Close {
        /// The symbol.
        symbol: Symbol,
        /// The owner of the lot; none: all owners.
        strategy: Option<String>,
    },
    /// Cancels an order of ours that is not final.
    Cancel {
        /// Our id of the order.
        client_id: ClientOrderId,
        /// Its symbol.
        symbol: Symbol,
    },
    /// Gives the lot of the strategy `manual` a limit, a stop, or both, at which it is sold. They
    /// replace its target and its stop.
    Guard {
        /// The symbol.
        symbol: Symbol,
        /// The price at which the lot is sold with a loss, quote units; none: the present one
        /// stays.
        stop: Option<Decimal>,
        /// The limit at which it is sold with a profit, quote units; none: the present one stays.
        target: Option<Decimal>,
        /// How much the operator names; none: the whole lot. Less than the lot is declined.
        amount: Option<Amount>,
    },
}

impl Request {
    /// The symbol it is about.
    #[must_use]
    pub const fn symbol(&self) -> Symbol {
        match self {
            Request::Order { symbol, .. }
            | Request::Close { symbol, .. }
            | Request::Cancel { symbol, .. }
            | Request::Guard { symbol, .. } => *symbol,
        }
    }

    /// The side of the order that it leads to or is about.
    #[must_use]
    pub const fn side(&self) -> Side {
        match self {
            Request::Order { side, .. } => *side,
            Request::Close { .. } | Request::Cancel { .. } | Request::Guard { .. } => Side::Sell,
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Order { symbol, side, amount, limit, minutes } => {
                let does = match side {
                    Side::Buy => "buy",
                    Side::Sell => "sell",
                };
                write!(f, "{does} ")?;
                amount.write(f, *symbol)?;
                if let Some(limit) = limit {
                    write!(f, " at {} or better", limit.normalize())?;
                }
                match minutes {
                    0 => Ok(()),
                    minutes => write!(f, " within {minutes} min"),
                }
            }
            Request::Close { symbol, strategy: None } => write!(f, "close {symbol}"),
            Request::Close { symbol, strategy: Some(strategy) } => {
                write!(f, "close the lot of {strategy} in {symbol}")
            }
            Request::Cancel { client_id, .. } => write!(f, "cancel order {client_id}"),
            Request::Guard { symbol, stop, target, amount } => {
                f.write_str("sell ")?;
                match amount {
                    Some(amount) => amount.write(f, *symbol),
                    None => write!(f, "the lot of {MANUAL} in {symbol}"),
                }?;
                let named = [("limit", target), ("stop", stop)].into_iter();
                let named = named.filter_map(|(name, price)| Some((name, (*price)?)));
                for (place, (name, price)) in named.enumerate() {
                    let joint = if place == 0 { "at" } else { "or" };
                    write!(f, " {joint} the {name} {}", price.normalize())?;
                }
                Ok(())
            }
        }
    }
}
