//! `everwarm positions`, `lots`, `trades`: the books.

use super::Core;
use super::ask::{Args, ListArgs};
use crate::ops::exit::{Exit, Failure};
use crate::ops::print::Printer;
use crate::ops::text::{Table, amount, instant, plain, rounded, signed};
use crate::ops::views::TradeView;
use everwarm_domain::fact::Standing;

/// Prints positions.
pub fn positions(args: &Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let rows = args.desk(core)?.positions()?;
    if args.json {
        return printer.json(&rows);
    }
    if rows.is_empty() {
        printer.note("no positions yet");
        return Ok(Exit::Fine);
    }
    let titles = ["symbol", ">quantity", ">average", ">realised", ">unrealised", "symbol state"];
    let mut table = Table::new(&titles);
    for position in rows {
        table.row(vec![
            position.symbol.to_string(),
            plain(position.quantity),
            position.average_price.map_or("-".to_owned(), rounded),
            signed(position.realized_pnl),
            position.unrealized_pnl.map_or("-".to_owned(), signed),
            standing(position.standing).to_owned(),
        ]);
    }
    printer.table(&table)
}

/// Prints lots.
pub fn lots(args: &Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let rows = args.desk(core)?.lots()?;
    if args.json {
        return printer.json(&rows);
    }
    if rows.is_empty() {
        printer.note("no lots");
        return Ok(Exit::Fine);
    }
    let mut table = Table::new(&["symbol", "strategy", ">quantity", ">average", "opened (UTC)"]);
    for lot in rows {
        table.row(vec![
            lot.symbol.to_string(),
            lot.strategy,
            plain(lot.quantity),
            lot.average_price.map_or("-".to_owned(), rounded),
            lot.opened.map_or("-".to_owned(), instant),
        ]);
    }
    printer.table(&table)
}

fn standing(standing: Option<Standing>) -> &'static str {
    match standing {
        Some(Standing::Trading) => "trading",
        Some(Standing::Leaving) => "leaving",
        Some(Standing::Halted) => "halted, cannot be sold now",
        Some(Standing::Gone) => "delisted, cannot be sold",
        None => "not listed",
    }
}

/// Prints trades.
pub fn trades(args: &ListArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let print = |rows: &[TradeView]| printer.table(&trade_table(rows));
    args.list(core, printer, super::super::desk::Desk::trades, print)
}

fn trade_table(rows: &[TradeView]) -> Table {
    let mut table =
        Table::new(&["opened (UTC)", "closed (UTC)", "symbol", ">quantity", ">cost", ">made"]);
    for trade in rows {
        table.row(vec![
            instant(trade.opened),
            trade.closed.map_or("open".to_owned(), instant),
            trade.symbol.to_string(),
            plain(trade.quantity),
            amount(trade.cost),
            signed(trade.pnl),
        ]);
    }
    table
}
