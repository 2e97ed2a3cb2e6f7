//! `everwarm positions`, `trades`: the books.

use super::Core;
use super::ask::Args;
use crate::ops::exit::{Exit, Failure};
use crate::ops::print::{Printer, note};
use crate::ops::text::{Table, amount, instant, plain, rounded, signed};

/// Prints positions.
pub fn positions(args: &Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let rows = args.desk(core)?.positions()?;
    if args.json {
        return printer.json(&rows);
    }
    if rows.is_empty() {
        note("none yet");
        return Ok(Exit::Fine);
    }
    let mut table = Table::new(&["symbol", ">quantity", ">average", ">locked in", ">at the mark"]);
    for position in rows {
        table.row(vec![
            position.symbol.to_string(),
            plain(position.quantity),
            position.average_price.map_or("-".to_owned(), rounded),
            signed(position.realized_pnl),
            position.unrealized_pnl.map_or("-".to_owned(), signed),
        ]);
    }
    printer.table(&table)
}

/// Prints trades.
pub fn trades(args: &Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let rows = args.desk(core)?.trades()?;
    if args.json {
        return printer.json(&rows);
    }
    if rows.is_empty() {
        note("none yet");
        return Ok(Exit::Fine);
    }
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
    printer.table(&table)
}
