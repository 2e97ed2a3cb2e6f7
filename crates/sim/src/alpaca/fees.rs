//! The fees of the authorities for sales of shares. Nothing else costs a fee.
//!
//! The SEC takes a share of the proceeds, FINRA an amount a share, with a most a trade. The venue
//! adds each fee up over a day in New York and rounds it up to a cent. At the end of the day it
//! takes the fees from the cash. One activity `FEE` shows each.
//!
//! The books need no state for that. Time passes the end of a day with sales only by the input that
//! takes the fees. So the fees of every day before now are taken.
//!
//! How fees are charged: <https://docs.alpaca.markets/docs/regulatory-fees>.

use super::opening::USD;
use super::query::{Direction, Query};
use super::{ids, new_york, number, times};
use crate::exchange::{Exchange, SimFact, Trade};
use crate::wire::error::ApiError;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::{UtcMs, date_of};
use serde_json::{Value, json};

/// The fee of the SEC, as a fraction of the proceeds: 20.60 dollars a million since 2026-04-04.
const PROCEEDS: Decimal = Decimal::from_parts(206, 0, 0, false, 7);
/// The trading activity fee of FINRA for a share, since 2026-01-01.
const SHARE: Decimal = Decimal::from_parts(195, 0, 0, false, 6);
/// The most that FINRA takes for one trade, dollars.
const TRADE_MAX: Decimal = Decimal::from_parts(979, 0, 0, false, 2);
/// Most rows of a page, and the rows of a page without a size.
const ROWS_MAX: usize = 100;
/// Most days before now whose fees are listed.
const DAYS_MAX: i64 = 400;

/// A fee of one day.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fee {
    /// Number of the day in New York.
    day: i64,
    /// Its name in the protocol.
    name: &'static str,
    /// Dollars, in whole cents.
    amount: Decimal,
    /// What it is a fee for.
    of: String,
}

/// The first instant after the day in New York that holds `time`.
fn end_of_day(time: UtcMs) -> UtcMs {
    new_york::midnight(new_york::day(time) + 1)
}

/// The sales of a day.
fn sales(exchange: &Exchange, day: i64) -> impl Iterator<Item = &Trade> {
    let (from, to) = (new_york::midnight(day), new_york::midnight(day + 1));
    let of_day = move |trades: &[Trade]| {
        let at = |time| trades.partition_point(|trade| trade.time < time);
        at(from)..at(to)
    };
    let symbols = exchange.instruments().iter().map(|rules| exchange.trades(rules.symbol));
    let trades = symbols.flat_map(move |trades| &trades[of_day(trades)]);
    trades.filter(|trade| !trade.buyer)
}

/// The fees of a day, up to now.
fn of_day(exchange: &Exchange, day: i64) -> Vec<Fee> {
    let (mut proceeds, mut shares, mut activity) = (Decimal::ZERO, Decimal::ZERO, Decimal::ZERO);
    let mut count = 0_usize;
    for trade in sales(exchange, day) {
        proceeds = proceeds.saturating_add(trade.price.saturating_mul(trade.quantity));
        shares = shares.saturating_add(trade.quantity);
        activity = activity.saturating_add(trade.quantity.saturating_mul(SHARE).min(TRADE_MAX));
        count += 1;
    }
    let cents = |amount: Decimal| {
        let cents = amount.saturating_mul(Decimal::ONE_HUNDRED).ceil();
        cents / Decimal::ONE_HUNDRED
    };
    let regulatory = cents(proceeds.saturating_mul(PROCEEDS));
    let fees = [
        Fee { day, name: "REG", amount: regulatory, of: format!("${}", number(proceeds)) },
        Fee {
            day,
            name: "TAF",
            amount: cents(activity),
            of: format!("{} shares ({count} trades)", number(shares)),
        },
    ];
    fees.into_iter().filter(|fee| !fee.amount.is_zero()).collect()
}

/// The end of the day that venue time is in, if time reaches it by `to`.
#[must_use]
pub fn next_end(exchange: &Exchange, to: UtcMs) -> Option<UtcMs> {
    Some(end_of_day(exchange.now())).filter(|end| *end <= to)
}

/// The input that takes the fees of the day that ends at `end`. None: nothing was sold.
#[must_use]
pub fn charge(exchange: &Exchange, end: UtcMs) -> Option<SimFact> {
    let fees = of_day(exchange, new_york::day(end - 1));
    let total: Decimal = fees.iter().map(|fee| fee.amount).sum();
    let (asset, amount) = (USD.to_owned(), -total);
    (!total.is_zero()).then_some(SimFact::Funded { asset, amount, at: end })
}

/// The response about the fees that were taken.
///
/// # Errors
/// A wrong parameter.
pub fn activities(exchange: &Exchange, query: Query<'_>) -> Result<Value, ApiError> {
    let size = query.count("page_size", ROWS_MAX, ROWS_MAX)?;
    let direction = query.direction("direction", Direction::Descending)?;
    let (after, until) = (query.time("after")?, query.time("until")?);
    let token = query.text("page_token");
    let today = new_york::day(exchange.now());
    let first = after.unwrap_or_else(|| exchange.opened_at()).max(exchange.opened_at());
    let days = new_york::day(first).max(today - DAYS_MAX)..today;
    let mut fees: Vec<Fee> = days.flat_map(|day| of_day(exchange, day)).collect();
    fees.retain(|fee| {
        let at = new_york::midnight(fee.day + 1);
        after.is_none_or(|after| at > after) && until.is_none_or(|until| at <= until)
    });
    if direction == Direction::Descending {
        fees.reverse();
    }
    let mut rows: Vec<Value> = fees.iter().map(|fee| row(exchange, fee)).collect();
    if let Some(token) = token {
        let at = rows.iter().position(|row| row["id"] == token);
        let at = at.ok_or_else(|| query.wrong("page_token must be the id of an activity"))?;
        rows.drain(..=at);
    }
    rows.truncate(size);
    Ok(Value::Array(rows))
}

fn row(exchange: &Exchange, fee: &Fee) -> Value {
    let Fee { day, name, amount, of } = fee;
    let (date, account) = (date_of(*day), ids::account_number(exchange));
    let id = format!("{}000000000::{}", date.replace('-', ""), ids::fee(exchange, &date, name));
    json!({
        "id": id, "activity_type": "FEE", "activity_sub_type": name, "date": date,
        "created_at": times::utc(new_york::midnight(day + 1)), "net_amount": number(-amount),
        "description": format!("{name} fee for proceed of {of} on {date} by {account}"),
        "status": "executed", "currency": USD, "qty": "0", "per_share_amount": "0",
    })
}
