//! `everwarm bootstrap`: what the next start fetches, and why.

use super::Core;
use super::backfill::{carry_out, sentence, words};
use super::query::Args;
use crate::print::Printer;
use everwarm_views::backfill::{BackfillRequest, BackfillScope, BackfillState, BackfillView};
use everwarm_views::exit::{Exit, Failure};
use everwarm_words::text::{Table, instant, thousands};

/// Flags of `bootstrap`.
#[derive(Clone, Debug, clap::Args)]
pub struct BootstrapArgs {
    /// Show what the next start would fetch, and why. Nothing is fetched or written.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    args: Args,
}

/// Runs the command.
pub fn run(args: &BootstrapArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let BootstrapArgs { dry_run: plan, args } = args.clone();
    let word = BackfillRequest { scope: BackfillScope::Needs, plan, ..BackfillRequest::default() };
    let view = carry_out(&args, &word, core, printer)?;
    let exit = if view.state == BackfillState::Failed { Exit::Problems } else { Exit::Fine };
    if args.json {
        return printer.json(&view).map(|_| exit);
    }
    printer.table(&table(&view))?;
    printer.lines(&[sentence(&view)])?;
    Ok(exit)
}

/// The series that a start needs.
fn table(view: &BackfillView) -> Table {
    let mut table = Table::new(&[
        "symbol",
        "width",
        ">needed",
        ">stored",
        ">missing",
        ">requests",
        "from (UTC)",
        "why",
    ]);
    for row in &view.rows {
        table.row(vec![
            row.symbol.to_string(),
            row.timeframe.to_string(),
            thousands(row.need),
            thousands(row.have),
            thousands(row.missing),
            thousands(row.pages),
            instant(row.from),
            row.error.clone().unwrap_or_else(|| words(row)),
        ]);
    }
    table
}
