//! `everwarm orders`, `fills`, `equity`, `signals`: lists, newest last.

use super::Core;
use super::ask::ListArgs;
use crate::ops::describe;
use crate::ops::exit::{Exit, Failure};
use crate::ops::print::Printer;
use crate::ops::text::{Table, amount, count, instant, plain, rounded};
use crate::ops::views::{AuditView, BarView, EquityView, FillView, OrderView, Outcome, SignalView};
use everwarm_domain::id::Symbol;
use everwarm_domain::time::Timeframe;

/// Prints orders.
pub fn orders(args: &ListArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let print = |rows: &[OrderView]| printer.table(&order_table(rows));
    args.list(core, printer, super::super::desk::Desk::orders, print)
}

/// Prints fills.
pub fn fills(args: &ListArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let print = |rows: &[FillView]| printer.table(&fill_table(rows));
    args.list(core, printer, super::super::desk::Desk::fills, print)
}

/// Prints equity points.
pub fn equity(args: &ListArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let print = |rows: &[EquityView]| printer.table(&equity_table(rows));
    args.list(core, printer, super::super::desk::Desk::equity, print)
}

/// Prints signals.
pub fn signals(args: &ListArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let print = |rows: &[SignalView]| printer.table(&signal_table(rows));
    args.list(core, printer, super::super::desk::Desk::signals, print)
}

/// Prints the audit log.
pub fn audit(args: &ListArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let print = |rows: &[AuditView]| printer.table(&audit_table(rows));
    args.list(core, printer, super::super::desk::Desk::audit, print)
}

fn audit_table(rows: &[AuditView]) -> Table {
    let mut table = Table::new(&["time (UTC)", "what", "result", "sent"]);
    for row in rows {
        let cells = [row.what.clone(), row.result.clone(), row.body.to_string()];
        table.row(std::iter::once(instant(row.time)).chain(cells).collect());
    }
    table
}

/// Flags of `bars`.
#[derive(Clone, Debug, clap::Args)]
pub struct BarArgs {
    /// The symbol.
    #[arg(value_parser = |text: &str| Symbol::new(text))]
    symbol: Symbol,
    /// Bar width: 1m, 5m, 15m, 1h, 4h or 1d.
    #[arg(default_value = "1m", value_parser = |text: &str| text.parse::<Timeframe>())]
    timeframe: Timeframe,
    /// Print the format of a recording: all bars, or the newest --limit.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    #[command(flatten)]
    list: ListArgs,
}

/// Prints bars, and where some are missing between them.
pub fn bars(args: &BarArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let (symbol, timeframe) = (args.symbol, args.timeframe);
    if args.csv {
        let desk = args.list.args.desk(core)?;
        let rows = desk.bars(symbol, timeframe, args.list.limit_or_all())?;
        return printer.lines(&recording(&rows)).map(|_| Exit::Fine);
    }
    let print = |rows: &[BarView]| {
        let gap = |pair: &[BarView]| pair[1].open_time - pair[0].open_time - timeframe.ms();
        for pair in rows.windows(2).filter(|pair| gap(pair) > 0) {
            let missing = u64::try_from(gap(pair) / timeframe.ms()).unwrap_or_default();
            printer.note(&format!(
                "{} missing after {}",
                count(missing, "bar"),
                instant(pair[0].open_time)
            ));
        }
        printer.table(&bar_table(rows))
    };
    args.list.list(core, printer, move |desk, limit| desk.bars(symbol, timeframe, limit), print)
}

/// The lines of a recording's file.
fn recording(rows: &[BarView]) -> Vec<String> {
    let line = |bar: &BarView| {
        let BarView { open_time, open, high, low, close, volume, .. } = bar;
        format!("{open_time},{open},{high},{low},{close},{volume}")
    };
    let head = "open_time,open,high,low,close,volume".to_owned();
    std::iter::once(head).chain(rows.iter().map(line)).collect()
}

fn bar_table(rows: &[BarView]) -> Table {
    let mut table = Table::new(&["opened (UTC)", ">open", ">high", ">low", ">close", ">volume"]);
    for bar in rows {
        table.row(vec![
            instant(bar.open_time),
            plain(bar.open),
            plain(bar.high),
            plain(bar.low),
            plain(bar.close),
            plain(bar.volume),
        ]);
    }
    table
}

/// Orders as people see them.
pub fn order_table(rows: &[OrderView]) -> Table {
    let mut table = Table::new(&[
        "close (UTC)",
        "symbol",
        "side",
        "type",
        ">quantity",
        ">filled",
        ">average",
        "status",
        "client order id",
    ]);
    for order in rows {
        let priced = match order.price {
            Some(price) => format!("limit {}", plain(price)),
            None => "market".to_owned(),
        };
        table.row(vec![
            instant(order.time),
            order.symbol.to_string(),
            describe::side(order.side).to_owned(),
            priced,
            plain(order.quantity),
            plain(order.filled_quantity),
            order.average_price.map_or("-".to_owned(), rounded),
            describe::status(order.status).to_owned(),
            order.client_order_id.to_string(),
        ]);
    }
    table
}

/// Fills as people see them.
pub fn fill_table(rows: &[FillView]) -> Table {
    let mut table = Table::new(&[
        "time (UTC)",
        "symbol",
        "side",
        ">quantity",
        ">price",
        ">fee",
        ">trade",
        "client order id",
    ]);
    for fill in rows {
        table.row(vec![
            instant(fill.time),
            fill.symbol.to_string(),
            describe::side(fill.side).to_owned(),
            plain(fill.quantity),
            plain(fill.price),
            format!("{} {}", plain(fill.fee), fill.fee_asset),
            fill.trade_id.to_string(),
            fill.client_order_id.to_string(),
        ]);
    }
    table
}

fn equity_table(rows: &[EquityView]) -> Table {
    let mut table = Table::new(&["close (UTC)", ">equity", ">cash"]);
    for point in rows {
        table.row(vec![instant(point.time), amount(point.equity), amount(point.cash)]);
    }
    table
}

fn signal_table(rows: &[SignalView]) -> Table {
    let mut table = Table::new(&[
        "close (UTC)",
        "symbol",
        "side",
        ">price",
        "strategy",
        "fact",
        "outcome",
        "why",
    ]);
    for signal in rows {
        let became = match (&signal.outcome, &signal.declined) {
            (Outcome::Approved, _) => "approved".to_owned(),
            (Outcome::Declined, Some(why)) => format!("declined: {why}"),
            (Outcome::Declined, None) => "declined".to_owned(),
            (Outcome::Pending, _) => "pending".to_owned(),
        };
        table.row(vec![
            instant(signal.time),
            signal.symbol.to_string(),
            describe::side(signal.side).to_owned(),
            plain(signal.price),
            signal.strategy.clone(),
            signal.key.clone(),
            became,
            signal.reason.clone(),
        ]);
    }
    table
}
