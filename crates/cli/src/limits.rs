//! `everwarm limits`: end the waits that the venue requested.

use super::Core;
use super::query::Args;
use crate::print::{Printer, confirm};
use clap::Subcommand;
use everwarm_views::changes::{LIMITS, Nothing};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::Asked;
use everwarm_views::views::ClearedView;

/// Subcommands of `limits`.
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

/// Ends the waits that the venue requested, in the running daemon or in its files.
pub fn run(command: &Limits, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let Limits::Clear(ClearArgs { yes, args }) = command;
    confirm("end every wait that the venue requested", *yes)?;
    let answer = args.change(core, &LIMITS, &Asked::default(), &Nothing {})?;
    if args.json {
        return printer.answer(&answer);
    }
    let view: ClearedView = answer.read()?;
    printer.lines(&[view.text]).map(|_| Exit::Fine)
}
