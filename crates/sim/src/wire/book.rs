//! The visible book: responses, stream messages, and its update ids.
//!
//! The id of the last trade is the update id of the book, which changes with each trade.

use super::error::ApiError;
use super::number;
use super::params::Params;
use crate::exchange::costs::Costs;
use crate::exchange::{Exchange, Tape, depth};
use crate::market::Market;
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Side;
use everwarm_domain::time::{MINUTE, UtcMs};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Levels of the book in a response: default and maximum.
const LEVELS: (usize, usize) = (100, 5_000);

/// The update id of the book of `symbol`; 0 if nothing was ever traded.
pub fn update_id(exchange: &Exchange, market: &mut dyn Market, symbol: Symbol) -> i64 {
    exchange.tape(symbol).map_or(0, |tape| last_id(market, symbol, tape.minute, exchange.market()))
}

/// The id of the last trade up to `through`, of a symbol whose last trade is in the minute that
/// closes at `close`.
pub fn last_id(market: &mut dyn Market, symbol: Symbol, close: UtcMs, through: UtcMs) -> i64 {
    let last = close / MINUTE * market.trades_per_minute() - 1;
    if through >= close - 1 {
        return last;
    }
    let bar = market.bars(symbol, close - MINUTE, close - MINUTE, 1).pop();
    let later = |bar: &Bar| market.prints(bar).iter().filter(|p| p.time > through).count();
    let later = bar.as_ref().map(later).unwrap_or_default();
    last - i64::try_from(later).unwrap_or_default()
}

/// The best of the visible book: bid price and quantity, ask price and quantity.
#[must_use]
pub fn best(tape: &Tape, rules: &Instrument, costs: &Costs) -> [String; 4] {
    let first =
        |side| depth::levels(tape, rules, side, 1, costs).first().copied().unwrap_or_default();
    let ((bid, bid_quantity), (ask, ask_quantity)) = (first(Side::Sell), first(Side::Buy));
    [bid, bid_quantity, ask, ask_quantity].map(number)
}

/// The row with the best of the visible book.
#[must_use]
pub fn book_ticker(exchange: &Exchange, rules: &Instrument) -> Option<Value> {
    let tape = exchange.tape(rules.symbol)?;
    let [bid, bid_quantity, ask, ask_quantity] = best(tape, rules, exchange.costs());
    Some(json!({
        "symbol": rules.symbol.as_str(), "bidPrice": bid, "bidQty": bid_quantity,
        "askPrice": ask, "askQty": ask_quantity,
    }))
}

/// The stream message with the best of the visible book.
#[must_use]
pub fn book_event(tape: &Tape, rules: &Instrument, costs: &Costs, id: i64) -> Value {
    let [bid, bid_quantity, ask, ask_quantity] = best(tape, rules, costs);
    json!({
        "u": id, "s": rules.symbol.as_str(), "b": bid, "B": bid_quantity, "a": ask,
        "A": ask_quantity,
    })
}

/// The number of levels that a request wants.
///
/// # Errors
/// -1100 and -1130. A larger number is reduced to the maximum.
pub fn levels(params: &Params) -> Result<usize, ApiError> {
    let limit = match params.integer("limit")? {
        None => LEVELS.0,
        Some(0) => return Err(ApiError::invalid("limit")),
        Some(limit) => usize::try_from(limit).unwrap_or(LEVELS.1),
    };
    Ok(limit.min(LEVELS.1))
}

/// The visible book, `count` levels on each side, with its update id.
#[must_use]
pub fn book(exchange: &Exchange, rules: &Instrument, count: usize, id: i64) -> Value {
    let (tape, costs) = (exchange.tape(rules.symbol), exchange.costs());
    let rows = |side| -> Value {
        let count = count.min(depth::COUNT);
        let levels = tape.map(|tape| depth::levels(tape, rules, side, count, costs));
        levels
            .unwrap_or_default()
            .into_iter()
            .map(|(price, quantity)| json!([number(price), number(quantity)]))
            .collect()
    };
    json!({"lastUpdateId": id, "bids": rows(Side::Sell), "asks": rows(Side::Buy)})
}

/// What changes on one side of the book: the new quantity at each price, 0 where there is none any
/// more. As JSON text.
fn changes(
    (before, after): (Option<&Tape>, &Tape),
    rules: &Instrument,
    side: Side,
    costs: &Costs,
) -> String {
    let levels = |tape: &Tape| depth::levels(tape, rules, side, depth::COUNT, costs);
    let mut changed: BTreeMap<Decimal, Decimal> = BTreeMap::new();
    let old: BTreeMap<Decimal, Decimal> =
        before.map(levels).unwrap_or_default().into_iter().collect();
    changed.extend(old.keys().map(|price| (*price, Decimal::ZERO)));
    changed.extend(levels(after));
    changed.retain(|price, quantity| old.get(price) != Some(quantity));
    let row = |(price, quantity): (&Decimal, &Decimal)| {
        format!("[\"{}\",\"{}\"]", number(*price), number(*quantity))
    };
    // The best price comes first.
    let rows: Vec<String> = match side {
        Side::Buy => changed.iter().map(row).collect(),
        Side::Sell => changed.iter().rev().map(row).collect(),
    };
    rows.join(",")
}

/// The message of the difference between two books, whose update ids are `from` - 1 and `to`.
#[must_use]
pub fn difference_event(
    tapes: (Option<&Tape>, &Tape),
    rules: &Instrument,
    costs: &Costs,
    (now, from, to): (UtcMs, i64, i64),
) -> String {
    let (bids, asks) =
        (changes(tapes, rules, Side::Sell, costs), changes(tapes, rules, Side::Buy, costs));
    let symbol = rules.symbol;
    format!(
        "{{\"e\":\"depthUpdate\",\"E\":{now},\"s\":\"{symbol}\",\"U\":{from},\"u\":{to},\
         \"b\":[{bids}],\"a\":[{asks}]}}"
    )
}
