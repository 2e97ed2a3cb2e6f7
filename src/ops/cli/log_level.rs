//! `everwarm log-level`.

use super::ask;
use crate::ops::api::Token;
use crate::ops::config::Look;
use crate::ops::exit::{Exit, Failure};
use crate::ops::print::{Printer, confirm};
use crate::ops::remote::RemoteDesk;
use crate::ops::views::LogLevelView;

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
    args: ask::Args,
}

/// Prints what is logged, and sets it before where a filter is given.
pub fn run(args: &LogLevelArgs, printer: Printer) -> Result<Exit, Failure> {
    let look = if args.filter.is_some() { Look::Secrets } else { Look::Words };
    let config = args.args.configuration(look)?;
    let Some(desk) = RemoteDesk::connect(&config.data_dir)? else {
        return Err(Failure::no_daemon(&config.data_dir));
    };
    let view = match &args.filter {
        None => desk.log_level()?,
        Some(filter) => {
            let until = args.for_s.map_or("from now on".to_owned(), |s| format!("for {s} s"));
            confirm(&format!("log {filter} {until}"), args.yes)?;
            let token = Token::find(config.token.as_ref(), &config.data_dir)?;
            let wanted = LogLevelView { filter: filter.clone(), for_s: args.for_s };
            desk.set_log_level(&wanted, token.as_ref())?
        }
    };
    if args.args.json {
        return printer.json(&view);
    }
    let left = view.for_s.map_or(String::new(), |s| format!(", for {s} s more"));
    printer.lines(&[format!("{}{left}", view.filter)]).map(|_| Exit::Fine)
}
