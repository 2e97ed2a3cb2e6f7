//! The executions of the account, in the order in which they happened.
//!
//! The id of a row begins with its time and ends with the number of the execution. A page goes on
//! after the execution of its token, so no execution is missed if several have the same time.

use super::query::{Direction, Query};
use super::{ids, number, orders, times};
use crate::exchange::{Exchange, Order, Trade};
use crate::wire::error::ApiError;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Side;
use everwarm_domain::time::UtcMs;
use serde_json::{Value, json};
use std::cmp::Reverse;

/// Most rows of a page, and the rows of a page without a size.
const ROWS_MAX: usize = 100;

/// The response about executions.
///
/// # Errors
/// A wrong parameter.
pub fn fills(exchange: &Exchange, query: Query<'_>) -> Result<Value, ApiError> {
    let size = query.count("page_size", ROWS_MAX, ROWS_MAX)?;
    let direction = query.direction("direction", Direction::Descending)?;
    let (after, until) = (query.time("after")?, query.time("until")?);
    let token = match query.text("page_token") {
        None => None,
        Some(text) => {
            let number = text.split_once("::").and_then(|(_, id)| ids::execution_number(id));
            Some(number.ok_or_else(|| query.wrong("page_token must be the id of an activity"))?)
        }
    };
    let order = match query.text("order_id") {
        None => None,
        Some(id) => Some(orders::find(exchange, id)?),
    };
    let page = Page { size, direction, after, until, token };
    let found: Vec<&Trade> = if let Some(order) = order {
        page.of(exchange.trades_of(order))
    } else {
        let symbols = exchange.instruments().iter().map(|rules| rules.symbol);
        symbols.flat_map(|symbol| page.of(exchange.trades(symbol).iter())).collect()
    };
    let row = |trade: &Trade| Some(row(exchange.order(trade.order)?, trade, exchange));
    Ok(page.cut(found).into_iter().filter_map(row).collect())
}

/// The rows of a page.
struct Page {
    size: usize,
    direction: Direction,
    after: Option<UtcMs>,
    until: Option<UtcMs>,
    /// The execution before the first row.
    token: Option<u64>,
}

impl Page {
    /// The trades among these ascending ones that the page can have.
    fn of<'a>(&self, trades: impl Iterator<Item = &'a Trade>) -> Vec<&'a Trade> {
        let wanted = |trade: &&Trade| {
            let beyond = self.token.is_none_or(|token| match self.direction {
                Direction::Ascending => trade.execution > token,
                Direction::Descending => trade.execution < token,
            });
            beyond
                && self.after.is_none_or(|after| trade.time > after)
                && self.until.is_none_or(|until| trade.time <= until)
        };
        self.cut(trades.filter(wanted).collect())
    }

    /// The first rows of the page.
    fn cut<'a>(&self, mut trades: Vec<&'a Trade>) -> Vec<&'a Trade> {
        match self.direction {
            Direction::Ascending => trades.sort_by_key(|trade| trade.execution),
            Direction::Descending => trades.sort_by_key(|trade| Reverse(trade.execution)),
        }
        trades.truncate(self.size);
        trades
    }
}

fn row(order: &Order, trade: &Trade, exchange: &Exchange) -> Value {
    let so_far = exchange.trades_of(order).take_while(|other| other.id <= trade.id);
    let filled: Decimal = so_far.map(|trade| trade.quantity).sum();
    let rest = order.quantity - filled;
    let whole = rest <= Decimal::ZERO;
    json!({
        "id": id(trade), "activity_type": "FILL", "transaction_time": times::utc(trade.time),
        "type": if whole { "fill" } else { "partial_fill" },
        "price": number(trade.price), "qty": number(trade.quantity),
        "side": orders::side(if trade.buyer { Side::Buy } else { Side::Sell }),
        "symbol": order.symbol.as_str(), "leaves_qty": number(rest), "cum_qty": number(filled),
        "order_id": ids::order(order.id), "order_status": orders::status(exchange, order),
        "execution_id": ids::execution(trade.execution),
    })
}

/// The id of an execution's row.
#[must_use]
pub fn id(trade: &Trade) -> String {
    format!("{}::{}", times::compact(trade.time), ids::execution(trade.execution))
}
