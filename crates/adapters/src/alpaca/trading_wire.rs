//! The messages about orders and the account: <https://docs.alpaca.markets/reference>.
//!
//! Numbers come as texts or as JSON numbers. Both are read exactly.

use crate::bar_rows::{RowDecimal, exact};
use everwarm_domain::money::{Decimal, parse_decimal};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The state of an order.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Order {
    /// The venue's id.
    pub id: String,
    /// The client's id, unique for ever.
    pub client_order_id: String,
    /// What is traded.
    pub symbol: String,
    /// `buy` or `sell`.
    pub side: String,
    /// Its status; new ones may come.
    pub status: String,
    /// Ordered shares; none: the order names an amount of dollars.
    #[serde(default, deserialize_with = "optional")]
    pub qty: Option<Decimal>,
    /// Filled shares.
    #[serde(default, deserialize_with = "optional")]
    pub filled_qty: Option<Decimal>,
    /// Average price of the fills, rounded.
    #[serde(default, deserialize_with = "optional")]
    pub filled_avg_price: Option<Decimal>,
    /// Time of the last change.
    #[serde(default)]
    pub updated_at: Option<String>,
    /// Time of its creation.
    #[serde(default)]
    pub created_at: Option<String>,
    /// Time of its submission, by which the venue sorts.
    #[serde(default)]
    pub submitted_at: Option<String>,
}

/// A fill: a row of `GET /v2/account/activities/FILL`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Fill {
    /// Its id: the time, then a number. Ids rise with time.
    pub id: String,
    /// Time of the trade.
    pub transaction_time: String,
    /// Price, USD.
    #[serde(deserialize_with = "amount")]
    pub price: Decimal,
    /// Shares.
    #[serde(deserialize_with = "amount")]
    pub qty: Decimal,
    /// `buy`, `sell` or `sell_short`.
    pub side: String,
    /// What was traded.
    pub symbol: String,
    /// The venue's id of the order.
    pub order_id: String,
}

/// The response to `GET /v2/account`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Account {
    /// The number of the account. A reset of a paper account changes it.
    #[serde(default)]
    pub account_number: Option<String>,
    /// `ACTIVE`, or something else.
    pub status: String,
    /// The currency of the account.
    #[serde(default)]
    pub currency: Option<String>,
    /// Dollars, before what open orders hold.
    #[serde(deserialize_with = "row")]
    pub cash: RowDecimal,
    /// What may be spent, with credit.
    #[serde(deserialize_with = "row")]
    pub buying_power: RowDecimal,
    /// What may be spent without credit.
    #[serde(default, deserialize_with = "optional")]
    pub non_marginable_buying_power: Option<Decimal>,
    /// Whether the venue rejects orders.
    #[serde(default)]
    pub trading_blocked: bool,
    /// Whether the account is blocked.
    #[serde(default)]
    pub account_blocked: bool,
}

/// A row of `GET /v2/positions`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Position {
    /// What is held.
    pub symbol: String,
    /// Shares; negative for a short position.
    #[serde(deserialize_with = "row")]
    pub qty: RowDecimal,
    /// Shares that no open order holds.
    #[serde(default, deserialize_with = "optional")]
    pub qty_available: Option<Decimal>,
}

/// A fee of the account: a row of `GET /v2/account/activities/FEE`. The venue takes the fees of a
/// day at its end: <https://docs.alpaca.markets/docs/regulatory-fees>.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Fee {
    /// Its id: the date, then a number.
    #[serde(default)]
    pub id: String,
    /// `REG`, `TAF`, `CAT` or another one.
    #[serde(default)]
    pub activity_sub_type: Option<String>,
    /// The day of the trades, like `2026-11-27`.
    #[serde(default)]
    pub date: Option<String>,
    /// When it was taken.
    #[serde(default)]
    pub created_at: Option<String>,
    /// The change of the cash, negative.
    #[serde(deserialize_with = "amount")]
    pub net_amount: Decimal,
    /// `executed`, if it was taken.
    #[serde(default)]
    pub status: Option<String>,
    /// The currency.
    #[serde(default)]
    pub currency: Option<String>,
}

/// The response to `GET /v2/clock`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Clock {
    /// The venue's time.
    pub timestamp: String,
}

/// A row of `GET /v2/calendar`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Day {
    /// The date, like `2026-11-27`.
    pub date: String,
    /// The opening time in New York, like `09:30`.
    pub open: String,
    /// The closing time in New York, like `13:00`.
    pub close: String,
}

/// An error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ErrorBody {
    /// The code; zero: none.
    #[serde(default)]
    pub code: i32,
    /// The text.
    #[serde(default)]
    pub message: String,
}

/// A message of the account's stream.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AccountMessage {
    /// What it is about.
    pub stream: String,
    /// The content, by stream.
    #[serde(default)]
    pub data: AccountData,
}

/// The content of a message of the account's stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct AccountData {
    /// `authorization`: whether the key is accepted.
    #[serde(default)]
    pub status: Option<String>,
    /// An error, if the stream rejects a request.
    #[serde(default)]
    pub error: Option<String>,
    /// `listening`: the streams that the connection has from now on.
    #[serde(default)]
    pub streams: Option<Vec<String>>,
    /// `trade_updates`: what happened.
    #[serde(default)]
    pub event: Option<String>,
    /// `trade_updates`: when it happened.
    #[serde(default)]
    pub timestamp: Option<String>,
    /// `trade_updates`: the state of the order.
    #[serde(default)]
    pub order: Option<Order>,
}

/// A decimal from a text or a number.
fn amount<'de, D: Deserializer<'de>>(from: D) -> Result<Decimal, D::Error> {
    row(from)?.0.map_err(D::Error::custom)
}

/// The same, or nothing.
fn optional<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Decimal>, D::Error> {
    let text = <&RawValue>::deserialize(from)?.get();
    if text == "null" {
        return Ok(None);
    }
    read(text).map_err(D::Error::custom)?.map(Some).map_err(D::Error::custom)
}

/// The same. A number that no decimal can represent affects only its own row.
fn row<'de, D: Deserializer<'de>>(from: D) -> Result<RowDecimal, D::Error> {
    let text = <&RawValue>::deserialize(from)?.get();
    read(text).map(RowDecimal).map_err(D::Error::custom)
}

/// The outer error: the value is no number at all.
fn read(text: &str) -> Result<Result<Decimal, String>, String> {
    if let Some(text) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        return Ok(parse_decimal(text));
    }
    if text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return Ok(exact(text));
    }
    let shown: String = text.chars().take(20).collect();
    Err(format!("{shown:?} is no number"))
}
