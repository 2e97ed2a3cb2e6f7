//! Queries of orders, fills and the books.

use super::columns::{Column, amount, column, named, plain, rounded, signed, status, time, word};
use super::{Answer, Context, Failure, LIMITED, PAGED, Question, all, remembered, symbols};
use everwarm_domain::fact::Standing;
use everwarm_history::page::{Page, Paged};
use everwarm_history::records::{EquityView, FillView, OrderView, PositionView, TradeView};
use serde_json::Value;

/// A page of orders by close time. If no process runs, an order that was sent and has no response
/// has the status that the next start finds.
///
/// # Errors
/// The files could not be read.
pub fn orders(context: &dyn Context, page: Page) -> Result<Paged<OrderView>, Failure> {
    let found = context.history().orders(page)?;
    if context.process().is_some() {
        return Ok(found);
    }
    let at_rest = remembered(context, |memory| memory.now().status.at_rest())?;
    Ok(found.map(|mut order| {
        let status = at_rest.get(&order.client_order_id).map(|(status, _)| *status);
        order.status = status.unwrap_or(order.status);
        order
    }))
}

/// Positions of every symbol ever traded, by symbol, each with the state of its symbol.
///
/// # Errors
/// The files could not be read.
pub fn positions(context: &dyn Context) -> Result<Vec<PositionView>, Failure> {
    let mut positions = context.history().positions()?;
    let listed = symbols(context)?;
    for position in &mut positions {
        let at = listed.binary_search_by_key(&position.symbol, |row| row.symbol);
        position.standing = at.ok().map(|at| listed[at].state);
    }
    Ok(positions)
}

/// The query of orders, in pages.
pub const ORDERS: Question = Question {
    query: PAGED,
    columns: &[
        column("close (UTC)", "time", time),
        column("symbol", "symbol", word),
        column("side", "side", word),
        column("type", "", priced),
        column(">quantity", "quantity", plain),
        column(">filled", "filled_quantity", plain),
        column(">average", "average_price", rounded),
        column("status", "status", status),
        column("client order id", "client_order_id", word),
    ],
    ..Question::new(
        "/api/v1/orders",
        "List orders, newest last",
        all::<OrderView>,
        |context, asked| Answer::page(orders(context, asked.page()?)?),
    )
};

fn priced(order: &Value) -> String {
    let (price, stop) = (&order["price"], &order["stop_price"]);
    if !price.is_null() {
        return format!("limit {}", plain(price));
    }
    if stop.is_null() { "market".to_owned() } else { format!("stop {}", plain(stop)) }
}

/// The query of fills, in pages.
pub const FILLS: Question = Question {
    query: PAGED,
    columns: &[
        column("time (UTC)", "time", time),
        column("symbol", "symbol", word),
        column("side", "side", word),
        column(">quantity", "quantity", plain),
        column(">price", "price", plain),
        column(">fee", "", |fill| format!("{} {}", plain(&fill["fee"]), word(&fill["fee_asset"]))),
        column(">trade", "trade_id", word),
        column("client order id", "client_order_id", word),
    ],
    ..Question::new(
        "/api/v1/fills",
        "List fills, newest last",
        all::<FillView>,
        |context, asked| Answer::page(context.history().fills(asked.page()?)?),
    )
};

/// The query of positions with their profits.
pub const POSITIONS: Question = Question {
    columns: &[
        column("symbol", "symbol", word),
        column(">quantity", "quantity", plain),
        column(">average", "average_price", rounded),
        column(">realised", "realized_pnl", signed),
        column(">unrealised", "unrealized_pnl", signed),
        column("symbol state", "standing", |value| named(value, standing)),
    ],
    ..Question::new(
        "/api/v1/positions",
        "List positions with realised and unrealised profit",
        all::<PositionView>,
        |context, _| Answer::of(&positions(context)?),
    )
};

fn standing(standing: Option<Standing>) -> &'static str {
    match standing {
        Some(Standing::Trading) => "trading",
        Some(Standing::Leaving) => "leaving",
        Some(Standing::Halted) => "halted, cannot be sold now",
        Some(Standing::Gone) => "delisted, cannot be sold",
        None => "not listed",
    }
}

/// The query of the equity after each close, in pages.
pub const EQUITY: Question = Question {
    query: PAGED,
    columns: &[
        column("close (UTC)", "time", time),
        column(">equity", "equity", amount),
        column(">cash", "cash", amount),
    ],
    ..Question::new(
        "/api/v1/equity",
        "List the equity after each close, newest last",
        all::<EquityView>,
        |context, asked| Answer::page(context.history().equity(asked.page()?)?),
    )
};

/// The query of trades from flat to flat.
pub const TRADES: Question = Question {
    query: LIMITED,
    columns: TRADE_COLUMNS,
    ..Question::new(
        "/api/v1/trades",
        "List trades from flat to flat, newest last",
        all::<TradeView>,
        |context, asked| Answer::of(&context.history().trades(asked.limit()?)?),
    )
};

const TRADE_COLUMNS: &[Column] = &[
    column("opened (UTC)", "opened", time),
    column("closed (UTC)", "closed", |closed| {
        if closed.is_null() { "open".to_owned() } else { time(closed) }
    }),
    column("symbol", "symbol", word),
    column(">quantity", "quantity", plain),
    column(">cost", "cost", amount),
    column(">profit", "pnl", signed),
];
