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
    /// What is to be logged: a level, or levels by target, like warn,everwarm=debug.
    filter: Option<String>,
    /// Do not ask.
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
        let text = format!("no daemon is running on {}", config.data_dir.display());
        return Err(Failure::new(Exit::Unreachable, text));
    };
    let view = match &args.filter {
        None => desk.log_level()?,
        Some(filter) => {
            confirm(&format!("log {filter} from now on"), args.yes)?;
            let token = Token::find(config.token.as_ref(), &config.data_dir)?;
            let wanted = LogLevelView { filter: filter.clone() };
            desk.set_log_level(&wanted, token.as_ref())?
        }
    };
    if args.args.json {
        return printer.json(&view);
    }
    printer.lines(&[view.filter]).map(|_| Exit::Fine)
}
