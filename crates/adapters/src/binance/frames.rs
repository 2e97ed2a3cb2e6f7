//! The messages of the market streams and of the WebSocket API, as types.
//!
//! Market streams come raw or wrapped (`{"stream", "data"}`), user data events raw or wrapped
//! (`{"subscriptionId", "event"}`). Both are mixed with responses to our requests. An unknown
//! message is `Other`: counted, never an error.

use super::wire::{AssetBalance, Dec, ErrorBody, ExecutionType, OrderSide, Status, decode};
use crate::bar_rows::RowDecimal;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// A kline event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KlineEvent {
    /// Event time, UTC milliseconds.
    #[serde(rename = "E")]
    pub time: i64,
    /// The symbol.
    #[serde(rename = "s")]
    pub symbol: String,
    /// The bar.
    #[serde(rename = "k")]
    pub kline: Kline,
}

/// The bar of a kline event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kline {
    /// Opening time, UTC milliseconds.
    #[serde(rename = "t")]
    pub open_time: i64,
    /// Last millisecond of the interval.
    #[serde(rename = "T")]
    pub close_time: i64,
    /// `1m` and others.
    #[serde(rename = "i")]
    pub interval: String,
    /// First price.
    #[serde(rename = "o")]
    pub open: RowDecimal,
    /// Last price.
    #[serde(rename = "c")]
    pub close: RowDecimal,
    /// Highest price.
    #[serde(rename = "h")]
    pub high: RowDecimal,
    /// Lowest price.
    #[serde(rename = "l")]
    pub low: RowDecimal,
    /// Base volume.
    #[serde(rename = "v")]
    pub volume: RowDecimal,
    /// Number of trades.
    #[serde(rename = "n")]
    pub trades: i64,
    /// Closed for good.
    #[serde(rename = "x")]
    pub closed: bool,
}

/// A change of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionReport {
    /// Event time, UTC milliseconds.
    #[serde(rename = "E")]
    pub event_time: i64,
    /// The symbol.
    #[serde(rename = "s")]
    pub symbol: String,
    /// Client id; on a cancel the id of the cancel itself.
    #[serde(rename = "c")]
    pub client_id: String,
    /// On a cancel: the client id of the order.
    #[serde(rename = "C", default)]
    pub original_client_id: String,
    /// Direction.
    #[serde(rename = "S")]
    pub side: OrderSide,
    /// `LIMIT`, `MARKET` and others.
    #[serde(rename = "o")]
    pub order_type: String,
    /// Ordered quantity.
    #[serde(rename = "q")]
    pub quantity: Dec,
    /// Limit price.
    #[serde(rename = "p")]
    pub price: Dec,
    /// The reason of the event.
    #[serde(rename = "x")]
    pub execution: ExecutionType,
    /// The state of the order.
    #[serde(rename = "X")]
    pub status: Status,
    /// Reject reason, or `NONE`.
    #[serde(rename = "r", default)]
    pub reject_reason: String,
    /// The venue's id of the order.
    #[serde(rename = "i")]
    pub order_id: u64,
    /// Quantity of this fill.
    #[serde(rename = "l")]
    pub last_quantity: Dec,
    /// Cumulative filled quantity.
    #[serde(rename = "z")]
    pub executed: Dec,
    /// Price of this fill.
    #[serde(rename = "L")]
    pub last_price: Dec,
    /// Fee of this fill.
    #[serde(rename = "n")]
    pub commission: Dec,
    /// Asset of the fee.
    #[serde(rename = "N")]
    pub commission_asset: Option<String>,
    /// Transaction time, UTC milliseconds.
    #[serde(rename = "T")]
    pub time: i64,
    /// Trade id; -1: none.
    #[serde(rename = "t")]
    pub trade_id: i64,
    /// Whether our order rested in the book before this fill.
    #[serde(rename = "m", default)]
    pub is_maker: bool,
    /// Cumulative quote amount.
    #[serde(rename = "Z")]
    pub executed_quote: Dec,
    /// The reason if the venue ended the order.
    #[serde(rename = "eR", default, skip_serializing_if = "Option::is_none")]
    pub expiry_reason: Option<String>,
}

/// Balances after a change; absolute values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountPosition {
    /// Event time, UTC milliseconds.
    #[serde(rename = "E")]
    pub time: i64,
    /// The balances that may have changed.
    #[serde(rename = "B")]
    pub balances: Vec<PositionBalance>,
}

/// One balance of an [`AccountPosition`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionBalance {
    /// Asset.
    #[serde(rename = "a")]
    pub asset: String,
    /// Free to use.
    #[serde(rename = "f")]
    pub free: RowDecimal,
    /// Held by orders.
    #[serde(rename = "l")]
    pub locked: RowDecimal,
}

impl From<PositionBalance> for AssetBalance {
    fn from(b: PositionBalance) -> Self {
        AssetBalance { asset: b.asset, free: b.free, locked: b.locked }
    }
}

/// A change of a list of orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListStatus {
    /// Event time, UTC milliseconds.
    #[serde(rename = "E")]
    pub time: i64,
    /// The symbol.
    #[serde(rename = "s")]
    pub symbol: String,
    /// The venue's id of the list.
    #[serde(rename = "g")]
    pub list_id: i64,
    /// `OCO` or `OTO`.
    #[serde(rename = "c")]
    pub contingency: String,
    /// `EXEC_STARTED` and others.
    #[serde(rename = "l")]
    pub status_type: String,
    /// `EXECUTING`, `ALL_DONE`, `REJECT`.
    #[serde(rename = "L")]
    pub order_status: String,
    /// Our id of the list.
    #[serde(rename = "C")]
    pub client_id: String,
}

/// The response to one of our requests on a websocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The number of the request; none: the venue could not read it.
    pub id: Option<u64>,
    /// HTTP-like status; 200 if there is neither a status nor an error.
    pub status: u16,
    /// The error, if any.
    pub error: Option<ErrorBody>,
}

/// A message of a market stream connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarketFrame {
    /// A bar.
    Kline(Box<KlineEvent>),
    /// The response to one of our requests.
    Answer(Answer),
    /// The venue is about to close the connection.
    Shutdown,
    /// Anything else, by name.
    Other(String),
}

/// A message of a WebSocket API connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserFrame {
    /// An order changed.
    Execution(Box<ExecutionReport>),
    /// Balances changed.
    Position(AccountPosition),
    /// A list of orders changed.
    List(ListStatus),
    /// The response to one of our requests.
    Answer(Answer),
    /// The subscription ended; no more events come.
    Terminated,
    /// The venue is about to close the connection.
    Shutdown,
    /// Anything else, by name.
    Other(String),
}

/// Reads a message of a market stream.
///
/// # Errors
/// The error names the position in the message.
pub fn decode_market(bytes: &[u8]) -> Result<MarketFrame, String> {
    let peek: Peek = decode("market message", bytes)?;
    if let Some(answer) = peek.answer() {
        return Ok(MarketFrame::Answer(answer));
    }
    let name = peek.name();
    match name.as_str() {
        "kline" if peek.data.is_some() => {
            decode("kline event", bytes).map(|w: Data<_>| MarketFrame::Kline(Box::new(w.data)))
        }
        "kline" => decode("kline event", bytes).map(|k| MarketFrame::Kline(Box::new(k))),
        "serverShutdown" => Ok(MarketFrame::Shutdown),
        _ => Ok(MarketFrame::Other(name)),
    }
}

/// Reads a message of the WebSocket API.
///
/// # Errors
/// The error names the position in the message.
pub fn decode_user(bytes: &[u8]) -> Result<UserFrame, String> {
    let peek: Peek = decode("user message", bytes)?;
    if let Some(answer) = peek.answer() {
        return Ok(UserFrame::Answer(answer));
    }
    let wrapped = peek.event.is_some();
    let name = peek.name();
    Ok(match name.as_str() {
        "executionReport" => UserFrame::Execution(Box::new(event("order event", bytes, wrapped)?)),
        "outboundAccountPosition" => UserFrame::Position(event("balance event", bytes, wrapped)?),
        "listStatus" => UserFrame::List(event("list event", bytes, wrapped)?),
        "eventStreamTerminated" => UserFrame::Terminated,
        "serverShutdown" => UserFrame::Shutdown,
        _ => UserFrame::Other(name),
    })
}

fn event<T: serde::de::DeserializeOwned>(
    what: &str,
    bytes: &[u8],
    wrapped: bool,
) -> Result<T, String> {
    #[derive(Deserialize)]
    struct Wrapped<T> {
        event: T,
    }
    if wrapped { decode(what, bytes).map(|w: Wrapped<T>| w.event) } else { decode(what, bytes) }
}

#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

/// The fields that identify a message.
#[derive(Deserialize)]
struct Peek {
    e: Option<String>,
    stream: Option<String>,
    data: Option<Inner>,
    event: Option<Inner>,
    #[serde(default, deserialize_with = "present")]
    id: Option<RequestId>,
    #[serde(default, deserialize_with = "present")]
    result: Option<IgnoredAny>,
    status: Option<u16>,
    error: Option<ErrorBody>,
    code: Option<i32>,
    msg: Option<String>,
}

impl Peek {
    fn answer(&self) -> Option<Answer> {
        let msg = || self.msg.clone().unwrap_or_default();
        let bare = self.code.map(|code| ErrorBody { code, msg: msg(), wait_ms: None });
        let error = self.error.clone().or(bare);
        let is_answer = self.e.is_none()
            && self.data.is_none()
            && self.event.is_none()
            && (error.is_some() || self.result.is_some() || self.status.is_some());
        let fallback = if error.is_some() { 400 } else { 200 };
        let id = self.id.as_ref().and_then(RequestId::number);
        is_answer.then(|| Answer { id, status: self.status.unwrap_or(fallback), error })
    }

    fn name(&self) -> String {
        let inner = self.data.as_ref().or(self.event.as_ref()).and_then(|i| i.0.clone());
        let stream = self.stream.as_ref().map(|s| s.split_once('@').map_or(&**s, |p| p.1));
        inner
            .or_else(|| self.e.clone())
            .or_else(|| stream.map(|s| s.trim_start_matches('!').to_owned()))
            .unwrap_or_else(|| "unnamed".to_owned())
    }
}

/// Distinguishes a null field from an absent one.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// The name of a wrapped message: its field `e`, if it has one.
struct Inner(Option<String>);

impl<'de> Deserialize<'de> for Inner {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct EventName;
        impl<'de> Visitor<'de> for EventName {
            type Value = Inner;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an event")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Inner, A::Error> {
                let mut name = None;
                while let Some(key) = map.next_key::<String>()? {
                    if key == "e" {
                        name = Some(map.next_value()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Inner(name))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Inner, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Inner(None))
            }
        }
        from.deserialize_any(EventName)
    }
}

/// The number of a request. The venue repeats it as it was sent, a number or a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum RequestId {
    Number(u64),
    Text(String),
    Other(IgnoredAny),
}

impl RequestId {
    fn number(&self) -> Option<u64> {
        match self {
            RequestId::Number(n) => Some(*n),
            RequestId::Text(text) => text.parse().ok(),
            RequestId::Other(_) => None,
        }
    }
}
