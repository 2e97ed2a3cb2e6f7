//! `everwarm symbols`: list, add and remove symbols.

use super::Core;
use super::query::Args;
use crate::print::{Printer, confirm};
use clap::Subcommand;
use everwarm_domain::id::Symbol;
use everwarm_views::changes::{Change, Nothing, REFRESH, SYMBOL};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::{Asked, SYMBOLS};
use everwarm_views::views::SymbolsChangeView;

/// Flags of `symbols`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Symbols {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    args: Args,
}

/// Subcommands of `symbols`.
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
    #[arg(value_parser = |text: &str| Symbol::named(text))]
    symbol: Symbol,
    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    args: Args,
}

impl One {
    fn apply(&self, wanted: bool, core: &Core, printer: Printer) -> Result<Exit, Failure> {
        let (how, word) = if wanted { ("trade", "add") } else { ("leave", "remove") };
        confirm(&format!("{how} {}", self.symbol), self.yes)?;
        let asked = Asked::default().with("symbol", Some(self.symbol)).with("how", Some(word));
        send(&self.args, (&SYMBOL, &asked), core, printer)
    }
}

/// Lists symbols, or changes the list.
pub fn run(command: &Symbols, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    match &command.verb {
        None => command.args.print(core, printer, &SYMBOLS),
        Some(Verb::List(args)) => args.print(core, printer, &SYMBOLS),
        Some(Verb::Add(one)) => one.apply(true, core, printer),
        Some(Verb::Remove(one)) => one.apply(false, core, printer),
        Some(Verb::Refresh(args)) => send(args, (&REFRESH, &Asked::default()), core, printer),
    }
}

fn send(
    args: &Args,
    (change, asked): (&Change, &Asked),
    core: &Core,
    printer: Printer,
) -> Result<Exit, Failure> {
    let answer = args.change(core, change, asked, &Nothing {})?;
    if args.json {
        return printer.answer(&answer);
    }
    let view: SymbolsChangeView = answer.read()?;
    printer.lines(&[view.text]).map(|_| Exit::Fine)
}
