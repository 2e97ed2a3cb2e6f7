//! REST messages in the venue's format.
//!
//! Unknown fields and unknown words are tolerated. A wrong type is an error that names the message
//! and the position. Decimal strings never pass through a float.
//!
//! Over 500 lines: one type for each response of the venue.

use crate::bar_rows::RowDecimal;
pub use crate::json::decode;
use everwarm_domain::money::{Decimal, parse_decimal};
use serde::de::{Error as _, IgnoredAny, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A decimal written as a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dec(pub Decimal);

impl<'de> Deserialize<'de> for Dec {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Dec;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal number in a string")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Dec, E> {
                parse_decimal(text).map(Dec).map_err(E::custom)
            }
        }
        from.deserialize_str(Text)
    }
}

impl Serialize for Dec {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

/// Enums of the venue's words. An unknown word is kept as text.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
            /// An unknown word.
            Other(String),
        }

        impl $name {
            /// The word on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $($name::$variant => $text,)*
                    $name::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($text => $name::$variant,)*
                    other => $name::Other(other.to_owned()),
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                std::borrow::Cow::<'de, str>::deserialize(from).map(|word| Self::from(&*word))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }
    };
}

words! {
    /// The state of an order.
    Status {
        /// Working.
        New = "NEW",
        /// A leg of an order list that waits for another leg.
        PendingNew = "PENDING_NEW",
        /// Working, with fills.
        PartiallyFilled = "PARTIALLY_FILLED",
        /// All of it filled.
        Filled = "FILLED",
        /// Ended by a cancel; may have fills.
        Canceled = "CANCELED",
        /// Being cancelled; not used by the venue at present.
        PendingCancel = "PENDING_CANCEL",
        /// Never accepted.
        Rejected = "REJECTED",
        /// Ended by time in force or the venue; may have fills.
        Expired = "EXPIRED",
        /// Ended by self-trade prevention; may have fills.
        ExpiredInMatch = "EXPIRED_IN_MATCH",
    }
}

words! {
    /// Direction.
    OrderSide {
        /// Buys the base asset.
        Buy = "BUY",
        /// Sells the base asset.
        Sell = "SELL",
    }
}

words! {
    /// The reason of a user data event.
    ExecutionType {
        /// Accepted.
        New = "NEW",
        /// Cancelled.
        Canceled = "CANCELED",
        /// Cancelled and replaced by another order.
        Replaced = "REPLACED",
        /// Refused.
        Rejected = "REJECTED",
        /// A fill.
        Trade = "TRADE",
        /// Ended by the venue.
        Expired = "EXPIRED",
        /// Ended by self-trade prevention.
        TradePrevention = "TRADE_PREVENTION",
    }
}

/// Response to `GET /api/v3/time`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerTime {
    /// UTC milliseconds.
    pub server_time: i64,
}

/// The statistics of a symbol's day, with the fields that are used.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Day {
    /// Its name.
    pub symbol: String,
    /// The volume in quote units.
    pub quote_volume: RowDecimal,
    /// The best bid; 0: there is none.
    pub bid_price: RowDecimal,
    /// The best ask; 0: there is none.
    pub ask_price: RowDecimal,
    /// The lowest price; 0: there was no trade.
    pub low_price: RowDecimal,
    /// The highest price.
    pub high_price: RowDecimal,
}

/// Response to `GET /api/v3/exchangeInfo`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExchangeInfo {
    /// UTC milliseconds.
    pub server_time: i64,
    /// The venue's limits.
    #[serde(default)]
    pub rate_limits: Vec<RateLimit>,
    /// The instruments.
    pub symbols: Vec<SymbolInfo>,
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// `REQUEST_WEIGHT`, `ORDERS`, `RAW_REQUESTS`.
    pub rate_limit_type: String,
    /// `SECOND`, `MINUTE`, `DAY`.
    pub interval: String,
    /// Number of intervals in a window.
    pub interval_num: u32,
    /// Maximum in a window.
    pub limit: u32,
    /// Count in this window, if it was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

/// One instrument.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SymbolInfo {
    /// Name.
    pub symbol: String,
    /// `TRADING` where orders are accepted.
    pub status: String,
    /// Asset bought and sold.
    pub base_asset: String,
    /// Asset it is paid in.
    pub quote_asset: String,
    /// The kinds of orders that it takes.
    #[serde(default)]
    pub order_types: Vec<String>,
    /// The rules for orders.
    #[serde(default)]
    pub filters: Vec<Filter>,
}

/// One rule for orders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "filterType")]
#[expect(missing_docs, reason = "names and meanings are the venue's")]
pub enum Filter {
    #[serde(rename = "PRICE_FILTER", rename_all = "camelCase")]
    Price { min_price: Dec, max_price: Dec, tick_size: Dec },
    #[serde(rename = "LOT_SIZE", rename_all = "camelCase")]
    LotSize { min_qty: Dec, max_qty: Dec, step_size: Dec },
    #[serde(rename = "MARKET_LOT_SIZE", rename_all = "camelCase")]
    MarketLotSize { min_qty: Dec, max_qty: Dec, step_size: Dec },
    #[serde(rename = "NOTIONAL", rename_all = "camelCase")]
    Notional { min_notional: Dec, apply_min_to_market: bool },
    #[serde(rename = "MIN_NOTIONAL", rename_all = "camelCase")]
    MinNotional { min_notional: Dec, apply_to_market: bool },
    #[serde(rename = "MAX_NUM_ALGO_ORDERS", rename_all = "camelCase")]
    StopOrders { max_num_algo_orders: i64 },
    #[serde(other)]
    Other,
}

/// A row of `GET /api/v3/klines`, an array of twelve values. A number that cannot be read affects
/// only its own row.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "names and meanings are the venue's")]
pub struct KlineRow {
    pub open_time: i64,
    pub open: RowDecimal,
    pub high: RowDecimal,
    pub low: RowDecimal,
    pub close: RowDecimal,
    pub volume: RowDecimal,
    pub close_time: i64,
    pub quote_volume: RowDecimal,
    pub trades: i64,
    pub taker_base: RowDecimal,
    pub taker_quote: RowDecimal,
}

impl<'de> Deserialize<'de> for KlineRow {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(RowVisitor)
    }
}

struct RowVisitor;

impl<'de> Visitor<'de> for RowVisitor {
    type Value = KlineRow;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a kline of twelve elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut row: A) -> Result<KlineRow, A::Error> {
        fn next<'de, A: SeqAccess<'de>, T: Deserialize<'de>>(
            row: &mut A,
            name: &str,
        ) -> Result<T, A::Error> {
            row.next_element()?.ok_or_else(|| A::Error::custom(format!("kline without {name}")))
        }
        let kline = KlineRow {
            open_time: next(&mut row, "open time")?,
            open: next(&mut row, "open")?,
            high: next(&mut row, "high")?,
            low: next(&mut row, "low")?,
            close: next(&mut row, "close")?,
            volume: next(&mut row, "volume")?,
            close_time: next(&mut row, "close time")?,
            quote_volume: next(&mut row, "quote volume")?,
            trades: next(&mut row, "number of trades")?,
            taker_base: next(&mut row, "taker base volume")?,
            taker_quote: next(&mut row, "taker quote volume")?,
        };
        while row.next_element::<IgnoredAny>()?.is_some() {}
        Ok(kline)
    }
}

impl Serialize for KlineRow {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut row = to.serialize_tuple(12)?;
        row.serialize_element(&self.open_time)?;
        row.serialize_element(&self.open)?;
        row.serialize_element(&self.high)?;
        row.serialize_element(&self.low)?;
        row.serialize_element(&self.close)?;
        row.serialize_element(&self.volume)?;
        row.serialize_element(&self.close_time)?;
        row.serialize_element(&self.quote_volume)?;
        row.serialize_element(&self.trades)?;
        row.serialize_element(&self.taker_base)?;
        row.serialize_element(&self.taker_quote)?;
        row.serialize_element("0")?;
        row.end()
    }
}

/// Response to `GET /api/v3/account`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Whether the account may trade.
    #[serde(default = "yes")]
    pub can_trade: bool,
    /// The venue's number of the account.
    #[serde(default)]
    pub uid: Option<u64>,
    /// All balances, or those other than zero.
    pub balances: Vec<AssetBalance>,
}

fn yes() -> bool {
    true
}

/// Response to `GET /api/v3/ticker/price` for one symbol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TickerPrice {
    /// Price of the last trade.
    pub price: Dec,
}

/// Balance of one asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetBalance {
    /// Name.
    pub asset: String,
    /// Free to use.
    pub free: RowDecimal,
    /// Held by orders.
    pub locked: RowDecimal,
}

/// The response to a new order with `newOrderRespType=ACK`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderAck {
    /// The symbol.
    pub symbol: String,
    /// The venue's id.
    pub order_id: u64,
    /// Our id.
    pub client_order_id: String,
    /// UTC milliseconds.
    pub transact_time: i64,
}

/// An order in the responses to new orders (RESULT, FULL), queries, cancels and lists of open
/// orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderState {
    /// The symbol.
    pub symbol: String,
    /// The venue's id.
    pub order_id: u64,
    /// Id of its order list; -1: none.
    #[serde(default = "none_id")]
    pub order_list_id: i64,
    /// Our id. In the response to a cancel, it is the id of the cancel itself.
    pub client_order_id: String,
    /// In the response to a cancel: the id of the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orig_client_order_id: Option<String>,
    /// Time of the response to a new order or a cancel, UTC milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transact_time: Option<i64>,
    /// Limit price; zero for market orders.
    pub price: Dec,
    /// Ordered quantity.
    pub orig_qty: Dec,
    /// Cumulative filled quantity.
    pub executed_qty: Dec,
    /// Cumulative quote amount, in the venue's spelling. A negative value in old orders means
    /// unknown.
    pub cummulative_quote_qty: Dec,
    /// The state of the order.
    pub status: Status,
    /// `GTC`, `IOC`, `FOK`.
    #[serde(default)]
    pub time_in_force: String,
    /// `LIMIT`, `MARKET` and others.
    #[serde(rename = "type")]
    pub order_type: String,
    /// Direction.
    pub side: OrderSide,
    /// Creation, UTC milliseconds; queries only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<i64>,
    /// Last change, UTC milliseconds; queries only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_time: Option<i64>,
    /// Whether it is on the book; queries only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_working: Option<bool>,
    /// Since when it is on the book, UTC milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_time: Option<i64>,
    /// Executions; FULL only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fills: Option<Vec<OrderFill>>,
}

fn none_id() -> i64 {
    -1
}

/// One execution in the response to a new order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderFill {
    /// Price.
    pub price: Dec,
    /// Quantity.
    pub qty: Dec,
    /// Fee.
    pub commission: Dec,
    /// Asset of the fee.
    pub commission_asset: String,
    /// Id, unique per symbol.
    pub trade_id: u64,
}

/// The response to a new order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderAnswer {
    /// Ids only.
    Ack(OrderAck),
    /// The state, with fills if they were requested.
    State(Box<OrderState>),
}

/// Reads the response to a new order of any response type.
///
/// # Errors
/// As [`decode`].
pub fn decode_order_answer(bytes: &[u8]) -> Result<OrderAnswer, String> {
    #[derive(Deserialize)]
    struct Peek {
        status: Option<IgnoredAny>,
    }
    let peek: Peek = decode("order answer", bytes)?;
    if peek.status.is_some() {
        decode("order answer", bytes).map(|s| OrderAnswer::State(Box::new(s)))
    } else {
        decode("order answer", bytes).map(OrderAnswer::Ack)
    }
}

/// The response to a new pair of orders, or to the cancel of one of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PairAnswer {
    /// Both orders.
    pub order_reports: Vec<OrderState>,
}

/// Reads the response to a cancel: of the order, or of the list that it belonged to. The list is
/// cancelled as a whole.
///
/// # Errors
/// As [`decode`], or the list has no such order.
pub fn decode_cancel_answer(bytes: &[u8], id: &str) -> Result<OrderState, String> {
    let Ok(list) = decode::<PairAnswer>("cancel answer", bytes) else {
        return decode("cancel answer", bytes);
    };
    let is_it = |order: &OrderState| order.orig_client_order_id.as_deref() == Some(id);
    let mut orders = list.order_reports.into_iter();
    orders.find(is_it).ok_or_else(|| format!("the answer to a cancel has no order {id}"))
}

/// A row of `GET /api/v3/myTrades`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TradeRow {
    /// The symbol.
    pub symbol: String,
    /// Id, unique per symbol.
    pub id: u64,
    /// The venue's id of the order.
    pub order_id: u64,
    /// Id of its order list; -1: none.
    #[serde(default = "none_id")]
    pub order_list_id: i64,
    /// Price.
    pub price: Dec,
    /// Quantity.
    pub qty: Dec,
    /// Price x quantity.
    pub quote_qty: Dec,
    /// Fee.
    pub commission: Dec,
    /// Asset of the fee.
    pub commission_asset: String,
    /// UTC milliseconds.
    pub time: i64,
    /// Whether we bought.
    pub is_buyer: bool,
    /// Whether our order was on the book.
    #[serde(default)]
    pub is_maker: bool,
}

/// An error's body.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ErrorBody {
    /// The venue's code, negative.
    pub code: i32,
    /// The venue's text.
    #[serde(default)]
    pub msg: String,
    /// How long the venue wants no requests, milliseconds. The WebSocket API has no header for it,
    /// but sends `retryAfter` and `serverTime` in `data`: this is the difference.
    #[serde(default, rename = "data", deserialize_with = "until_retry")]
    pub wait_ms: Option<u64>,
}

/// Other errors have other data, or none, and give no wait.
fn until_retry<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let data = serde_json::Value::deserialize(from)?;
    let ms = |field: &str| data.get(field).and_then(serde_json::Value::as_i64);
    let wait = ms("retryAfter").zip(ms("serverTime")).map(|(at, now)| at.saturating_sub(now));
    Ok(wait.map(|wait| u64::try_from(wait).unwrap_or(0)))
}

/// The error in a body, if it is one. Bodies of proxies and firewalls are HTML.
#[must_use]
pub fn error_body(bytes: &[u8]) -> Option<ErrorBody> {
    serde_json::from_slice(bytes).ok()
}
