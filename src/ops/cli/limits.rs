//! `everwarm limits`: what the venue wants us to wait for.

use super::Core;
use super::ask::Args;
use crate::ops::api::Token;
use crate::ops::config::Look;
use crate::ops::exit::{Exit, Failure};
use crate::ops::print::{Printer, confirm};
use crate::ops::remote::RemoteDesk;
use clap::Subcommand;

/// What is done about waits.
#[derive(Clone, Debug, Subcommand)]
pub enum Limits {
    /// End a ban or another wait that the venue requested. The next request shows whether the venue
    /// agrees.
    Clear(ClearArgs),
}

/// Flags of `limits clear`.
#[derive(Clone, Debug, clap::Args)]
pub struct ClearArgs {
    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    args: Args,
}

/// Ends what the venue wants us to wait for: in the daemon where one runs, otherwise in the files.
pub fn run(command: &Limits, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let Limits::Clear(ClearArgs { yes, args }) = command;
    let config = args.configuration(Look::Secrets)?;
    confirm("end every wait that the venue requested", *yes)?;
    let view = match RemoteDesk::connect(&config.data_dir)? {
        Some(desk) => {
            let token = Token::find(config.token.as_ref(), &config.data_dir)?;
            desk.clear_limits(token.as_ref())?
        }
        None => (core.clear_limits)(&config.data_dir)?,
    };
    if args.json {
        return printer.json(&view);
    }
    printer.lines(&[view.text]).map(|_| Exit::Fine)
}
