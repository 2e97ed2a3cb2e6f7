//! Rows of a response as a table.

use crate::sentences;
use everwarm_domain::money::Decimal;
use everwarm_words::text::{self, Table};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its heading; a leading `>` marks a column of numbers.
    pub title: &'static str,
    /// The member of a row that it shows; empty: the whole row.
    pub member: &'static str,
    /// Formats that member.
    pub show: fn(&Value) -> String,
}

/// Shorthand for a [`Column`].
pub(super) const fn column(
    title: &'static str,
    member: &'static str,
    show: fn(&Value) -> String,
) -> Column {
    Column { title, member, show }
}

/// Rows as a table.
#[must_use]
pub fn table(columns: &[Column], rows: &[Value]) -> Table {
    let titles: Vec<&'static str> = columns.iter().map(|column| column.title).collect();
    let mut table = Table::new(&titles);
    for row in rows {
        let cell = |column: &Column| match column.member {
            "" => (column.show)(row),
            member => (column.show)(&row[member]),
        };
        table.row(columns.iter().map(cell).collect());
    }
    table
}

/// The text of a missing value.
const NONE: &str = "-";

/// A text or a number, unchanged.
pub(super) fn word(value: &Value) -> String {
    let text = || value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if value.is_null() { NONE.to_owned() } else { text() }
}

/// A time as date and clock, UTC.
pub(super) fn time(value: &Value) -> String {
    value.as_i64().map_or_else(|| word(value), text::instant)
}

/// A wait of so many milliseconds.
pub(super) fn wait(value: &Value) -> String {
    value.as_i64().map_or_else(|| word(value), text::wait)
}

/// Bytes as millions of them, one decimal.
pub(super) fn megabytes(value: &Value) -> String {
    value.as_u64().map_or_else(|| word(value), text::megabytes)
}

fn decimal(value: &Value, show: fn(Decimal) -> String) -> String {
    let number = value.as_str().and_then(|text| text.parse().ok());
    number.map_or_else(|| word(value), show)
}

/// A price or quantity with all its decimals.
pub(super) fn plain(value: &Value) -> String {
    decimal(value, text::plain)
}

/// An average, at most 8 decimals.
pub(super) fn rounded(value: &Value) -> String {
    decimal(value, text::rounded)
}

/// An amount of money, two decimals.
pub(super) fn amount(value: &Value) -> String {
    decimal(value, text::amount)
}

/// A profit or loss, with its sign.
pub(super) fn signed(value: &Value) -> String {
    decimal(value, text::signed)
}

/// A part of 1 as a percentage with three decimals.
pub(super) fn percent(value: &Value) -> String {
    value.as_f64().map_or_else(|| word(value), |part| format!("{:.3} %", 100.0 * part))
}

/// The display name of a known value; else the value unchanged.
pub(super) fn named<T: DeserializeOwned>(value: &Value, name: fn(T) -> &'static str) -> String {
    let known = serde_json::from_value(value.clone());
    known.map_or_else(|_| word(value), |known| name(known).to_owned())
}

/// The status of an order.
pub(super) fn status(value: &Value) -> String {
    named(value, sentences::status)
}
