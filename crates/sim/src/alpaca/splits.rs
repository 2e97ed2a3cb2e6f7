//! Splits: when they happen in the books, and the response about them.
//!
//! A split happens at the beginning of its ex-date in New York. First the exchange cancels all open
//! orders of the symbol, then it replaces the shares. At Alpaca, an order may be adjusted instead.
//! A position becomes whole shares, and cash for the fraction of a share.
//!
//! The market declares the splits. The books keep those that happened, so none happens twice. Those
//! from before the books were opened have no effect.
//!
//! The response has the layout of <https://docs.alpaca.markets/reference/corporateactions-1>.

use super::query::{Direction, Query};
use super::{ids, new_york, times};
use crate::exchange::{CancelMany, Exchange, Many, SimFact};
use crate::market::Market;
use crate::wire::error::ApiError;
use everwarm_domain::split::Split;
use everwarm_domain::time::{UtcMs, date_of};
use serde_json::{Value, json};

/// Most rows of a response.
const ROWS_MAX: usize = 1_000;
/// Rows of a response without a limit.
const ROWS: usize = 100;
/// The two kinds of splits in a request, and their lists in a response.
const FORWARD: (&str, &str) = ("forward_split", "forward_splits");
const REVERSE: (&str, &str) = ("reverse_split", "reverse_splits");

/// When a split happens.
fn begin(split: &Split) -> UtcMs {
    new_york::midnight(split.ex_day)
}

/// The next split that happens by `to`, and when.
#[must_use]
pub fn next(exchange: &Exchange, market: &dyn Market, to: UtcMs) -> Option<(Split, UtcMs)> {
    let comes = |split: &&Split| {
        let at = begin(split);
        at > exchange.opened_at()
            && at <= to
            && !exchange.splits().iter().any(|done| done.split == **split)
    };
    market.splits().iter().find(comes).map(|split| (*split, begin(split)))
}

/// The inputs with which a split happens.
#[must_use]
pub fn inputs(exchange: &Exchange, split: Split, at: UtcMs) -> Vec<SimFact> {
    let (symbol, at) = (split.symbol, at.max(exchange.now()));
    let mut inputs = Vec::new();
    if exchange.open_orders().any(|order| order.symbol == symbol) {
        let (cancel_id, deadline) = (None, UtcMs::MAX);
        let cancel = CancelMany { symbol, many: Many::Symbol, cancel_id, at, deadline };
        inputs.push(SimFact::CancelMany(cancel));
    }
    inputs.push(SimFact::Split { split, at });
    inputs
}

/// The response about splits with an ex-date in a range of days. Without a range it is today.
///
/// # Errors
/// A wrong parameter.
pub fn response(market: &dyn Market, query: Query<'_>, now: UtcMs) -> Result<Value, ApiError> {
    let symbols = query.symbols("symbols")?;
    let today = new_york::day(now);
    let day = |name: &str, usual: i64| match query.text(name) {
        None => Ok(usual),
        Some(text) => {
            let day = times::day(text);
            day.ok_or_else(|| query.wrong(format!("invalid {name}: use a date like 2014-06-09")))
        }
    };
    let (start, end) = (day("start", today)?, day("end", today)?);
    if end < start {
        return Err(query.wrong("end should not be before start"));
    }
    let types = query.text("types");
    let wants = |split: &Split| {
        let (name, _) = kind(split);
        types.is_none_or(|types| types.split(',').any(|wanted| wanted == name))
    };
    let limit = query.count("limit", ROWS, ROWS_MAX)?;
    let direction = query.direction("sort", Direction::Ascending)?;
    let mut found: Vec<&Split> = market
        .splits()
        .iter()
        .filter(|split| (start..=end).contains(&split.ex_day) && wants(split))
        .filter(|split| symbols.as_ref().is_none_or(|symbols| symbols.contains(&split.symbol)))
        .collect();
    if direction == Direction::Descending {
        found.reverse();
    }
    if let Some(token) = query.text("page_token") {
        let last = found.iter().position(|split| id(split) == token);
        let last = last.ok_or_else(|| query.wrong("invalid page_token"))?;
        found.drain(..=last);
    }
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|split| id(split));
    let mut actions = json!({});
    for list in [FORWARD.1, REVERSE.1] {
        let of_list = found.iter().filter(|split| kind(split).1 == list);
        let rows: Vec<Value> = of_list.map(|split| row(split)).collect();
        if !rows.is_empty() {
            actions[list] = rows.into();
        }
    }
    Ok(json!({"corporate_actions": actions, "next_page_token": next}))
}

/// The name of its type, and that of its list.
fn kind(split: &Split) -> (&'static str, &'static str) {
    if split.ratio.is_forward() { FORWARD } else { REVERSE }
}

fn id(split: &Split) -> String {
    ids::split(split.symbol, &date_of(split.ex_day))
}

fn row(split: &Split) -> Value {
    let date = date_of(split.ex_day);
    let (new, old) = (split.ratio.new_shares(), split.ratio.old_shares());
    json!({
        "id": id(split), "symbol": split.symbol.as_str(), "new_rate": new, "old_rate": old,
        "process_date": date, "ex_date": date, "record_date": date, "payable_date": date,
    })
}
