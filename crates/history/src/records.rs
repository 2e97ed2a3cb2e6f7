//! The results of queries. Their JSON is the public shape, the same on the command line and over
//! HTTP: decimals are strings without trailing zeros, times are UTC milliseconds.

use everwarm_domain::fact::Standing;
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::{self, Decimal};
use everwarm_domain::order::{OrderStatus, OrderType, Side};
use everwarm_domain::time::UtcMs;
use everwarm_domain::venue_ids::{VenueOrderId, VenueTradeId};
use everwarm_words::shapes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Decimals kept of a quotient of money and quantity.
const QUOTIENT_DECIMALS: u32 = 12;

/// One order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderView {
    /// Our id.
    #[schema(value_type = shapes::ClientOrderId)]
    pub client_order_id: ClientOrderId,
    /// The venue's id, once known.
    #[schema(value_type = Option<String>)]
    pub venue_order_id: Option<VenueOrderId>,
    /// What is traded.
    #[schema(value_type = shapes::Symbol)]
    pub symbol: Symbol,
    /// Direction.
    #[schema(value_type = shapes::Side)]
    pub side: Side,
    /// How it is priced.
    #[serde(rename = "type")]
    #[schema(value_type = shapes::OrderType)]
    pub order_type: OrderType,
    /// Ordered quantity in base units.
    pub quantity: Decimal,
    /// Limit price; none for market orders.
    pub price: Option<Decimal>,
    /// Price from which on it enters the market, quote units; none: it enters immediately.
    pub stop_price: Option<Decimal>,
    /// Where it stands.
    #[schema(value_type = shapes::OrderStatus)]
    pub status: OrderStatus,
    /// Cumulative filled quantity in base units.
    pub filled_quantity: Decimal,
    /// Quote amount of the fills by their quantity; none without fills. At most 12 decimals.
    pub average_price: Option<Decimal>,
    /// Who wanted it.
    pub strategy: String,
    /// The close that led to it, UTC milliseconds.
    pub time: UtcMs,
}

/// One execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FillView {
    /// The venue's id, unique per symbol.
    #[schema(value_type = String)]
    pub trade_id: VenueTradeId,
    /// Our id of the order.
    #[schema(value_type = shapes::ClientOrderId)]
    pub client_order_id: ClientOrderId,
    /// What was traded.
    #[schema(value_type = shapes::Symbol)]
    pub symbol: Symbol,
    /// Direction.
    #[schema(value_type = shapes::Side)]
    pub side: Side,
    /// In quote units.
    pub price: Decimal,
    /// In base units.
    pub quantity: Decimal,
    /// Commission, in `fee_asset` units.
    pub fee: Decimal,
    /// Asset the commission was paid in.
    pub fee_asset: String,
    /// Venue time of the trade, UTC milliseconds.
    pub time: UtcMs,
}

/// What is held of one symbol that was ever traded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PositionView {
    /// Of what.
    #[schema(value_type = shapes::Symbol)]
    pub symbol: Symbol,
    /// Base units held.
    pub quantity: Decimal,
    /// Cost by quantity; none where nothing is held. At most 12 decimals.
    pub average_price: Option<Decimal>,
    /// Realised profit since the beginning, in quote units.
    pub realized_pnl: Decimal,
    /// Value at the newest close less cost, in quote units; none where no close is known.
    pub unrealized_pnl: Option<Decimal>,
    /// How its symbol stands; none where it is not listed.
    #[serde(default)]
    #[schema(value_type = Option<shapes::Standing>)]
    pub standing: Option<Standing>,
}

/// Value of the account after one close.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EquityView {
    /// The close, UTC milliseconds.
    pub time: UtcMs,
    /// Cash plus the value of positions at the newest prices.
    pub equity: Decimal,
    /// Cash.
    pub cash: Decimal,
    /// Change of it by adjustments so far: neither profit nor loss.
    #[serde(default)]
    pub adjusted: Decimal,
}

/// An equity point as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EquityState {
    /// Cash plus the value of positions at the newest prices.
    pub equity: Decimal,
    /// Cash.
    pub cash: Decimal,
    /// Change of the equity by adjustments so far: neither profit nor loss.
    #[serde(default)]
    pub adjusted: Decimal,
}

/// From flat to flat in one symbol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TradeView {
    /// What was traded.
    #[schema(value_type = shapes::Symbol)]
    pub symbol: Symbol,
    /// Venue time of its first execution, UTC milliseconds.
    pub opened: UtcMs,
    /// Venue time of the execution after which nothing was held that could be sold; none while
    /// something is.
    pub closed: Option<UtcMs>,
    /// Most base units held at once.
    pub quantity: Decimal,
    /// Most quote units these had cost.
    pub cost: Decimal,
    /// Realised profit of the trade so far, in quote units.
    pub pnl: Decimal,
}

/// The latest state of an order, without its intent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderState {
    /// The venue's id, once known.
    pub venue_order_id: Option<VenueOrderId>,
    /// Its state.
    pub status: OrderStatus,
    /// Cumulative filled quantity.
    pub executed: Decimal,
    /// Cumulative quote amount of the fills.
    pub executed_quote: Decimal,
}

/// The books of one symbol after a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PositionState {
    /// Event time of the change.
    pub time: UtcMs,
    /// The symbol.
    pub symbol: Symbol,
    /// Base units held.
    pub quantity: Decimal,
    /// Cost of the units held, in quote units.
    pub cost: Decimal,
    /// Profit realised since the beginning, in quote units.
    pub realized_pnl: Decimal,
}

/// What one strategy holds of a symbol after a change, and its realised profit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LotState {
    /// Event time of the change.
    pub time: UtcMs,
    /// The symbol.
    pub symbol: Symbol,
    /// The owner: a strategy, or `house` for what belongs to no strategy.
    pub strategy: String,
    /// Base units held.
    pub quantity: Decimal,
    /// Cost of the units held, in quote units.
    pub cost: Decimal,
    /// Profit realised since the beginning, in quote units.
    pub realized_pnl: Decimal,
}

impl PositionState {
    /// The public shape, valued at `mark`.
    #[must_use]
    pub fn view(&self, mark: Option<Decimal>) -> PositionView {
        let flat = self.quantity.is_zero();
        let unrealized = match mark {
            _ if flat => Some(Decimal::ZERO),
            Some(mark) => {
                mark.checked_mul(self.quantity).map(|v| v.saturating_sub(self.cost).normalize())
            }
            None => None,
        };
        PositionView {
            symbol: self.symbol,
            quantity: self.quantity.normalize(),
            average_price: quotient(self.cost, self.quantity),
            realized_pnl: self.realized_pnl.normalize(),
            unrealized_pnl: unrealized,
            standing: None,
        }
    }
}

/// `amount / quantity` for display: at most 12 decimals, more if it is tiny; none if the quantity
/// is zero.
#[must_use]
pub fn quotient(amount: Decimal, quantity: Decimal) -> Option<Decimal> {
    amount.checked_div(quantity).map(|q| money::shown(q, QUOTIENT_DECIMALS))
}
