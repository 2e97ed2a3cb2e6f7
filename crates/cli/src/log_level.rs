//! `everwarm log-level`.

use super::{Core, query};
use crate::print::{Printer, confirm};
use everwarm_views::changes::LOG_LEVEL;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::{self, Asked};
use everwarm_views::views::LogLevelView;

/// Flags of `log-level`.
#[derive(Clone, Debug, clap::Args)]
pub struct LogLevelArgs {
    /// Log filter: a level, or levels by target, like warn,everwarm=debug.
    filter: Option<String>,
    /// Duration in seconds; then the configured filter applies again [default: until the daemon
    /// ends].
    #[arg(long, value_name = "SECONDS", requires = "filter")]
    for_s: Option<u32>,
    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    args: query::Args,
}

/// Sets the filter if one is given, and prints the current one.
pub fn run(args: &LogLevelArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let asked = Asked::default();
    let answer = match &args.filter {
        None => args.args.daemon(core)?.ask(&questions::LOG_LEVEL, &asked)?,
        Some(filter) => {
            let until = args.for_s.map_or("from now on".to_owned(), |s| format!("for {s} s"));
            confirm(&format!("log {filter} {until}"), args.yes)?;
            let wanted = LogLevelView { filter: filter.clone(), for_s: args.for_s };
            args.args.change(core, &LOG_LEVEL, &asked, &wanted)?
        }
    };
    if args.args.json {
        return printer.answer(&answer);
    }
    let view: LogLevelView = answer.read()?;
    let left = view.for_s.map_or(String::new(), |s| format!(", for {s} s more"));
    printer.lines(&[format!("{}{left}", view.filter)]).map(|_| Exit::Fine)
}
