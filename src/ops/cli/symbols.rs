//! `everwarm symbols`: what is traded, and an operator's word on it.

use super::Core;
use super::ask::Args;
use crate::ops::desk::SymbolsChange;
use crate::ops::exit::{Exit, Failure};
use crate::ops::print::{Printer, confirm};
use crate::ops::text::{Table, instant, plain};
use crate::ops::views::SymbolView;
use clap::Subcommand;
use everwarm_domain::id::Symbol;

/// Flags of `symbols`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Symbols {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    args: Args,
}

/// What is asked or said.
#[derive(Debug, Subcommand)]
enum Verb {
    /// List symbols with state, time and reason. This is the default.
    List(Args),
    /// Add a symbol, whatever market.symbols selects.
    Add(One),
    /// Remove a symbol: no entries, and exits until its position is closed.
    Remove(One),
    /// Poll the venue's symbol list now.
    Refresh(Args),
}

/// One symbol.
#[derive(Debug, clap::Args)]
struct One {
    /// The symbol.
    #[arg(value_parser = |text: &str| Symbol::new(text))]
    symbol: Symbol,
    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    args: Args,
}

impl One {
    fn say(&self, wanted: bool, printer: Printer) -> Result<Exit, Failure> {
        let how = if wanted { "trade" } else { "leave" };
        confirm(&format!("{how} {}", self.symbol), self.yes)?;
        say(&self.args, SymbolsChange::Want(self.symbol, wanted), printer)
    }
}

/// Lists symbols, or changes what is listed.
pub fn run(command: &Symbols, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    match &command.verb {
        None => list(&command.args, core, printer),
        Some(Verb::List(args)) => list(args, core, printer),
        Some(Verb::Add(one)) => one.say(true, printer),
        Some(Verb::Remove(one)) => one.say(false, printer),
        Some(Verb::Refresh(args)) => say(args, SymbolsChange::Refresh, printer),
    }
}

fn list(args: &Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let all = args.desk(core)?.symbols()?;
    if args.json {
        return printer.json(&all);
    }
    if all.is_empty() {
        printer.note("no symbols yet");
        return Ok(Exit::Fine);
    }
    printer.table(&table(&all))
}

/// Symbols as people see them.
pub fn table(rows: &[SymbolView]) -> Table {
    let titles = ["symbol", "state", "since (UTC)", "newest bar (UTC)", ">held", "why"];
    let mut table = Table::new(&titles);
    let time = |time: Option<i64>| time.map_or("-".to_owned(), instant);
    for row in rows {
        table.row(vec![
            row.symbol.to_string(),
            row.state.name().to_owned(),
            time(row.since),
            time(row.newest_bar),
            row.held.map_or("-".to_owned(), plain),
            row.why.clone(),
        ]);
    }
    table
}

fn say(args: &Args, change: SymbolsChange, printer: Printer) -> Result<Exit, Failure> {
    let view = args.change_symbols(change)?;
    if args.json {
        return printer.json(&view);
    }
    printer.lines(&[view.text]).map(|_| Exit::Fine)
}
