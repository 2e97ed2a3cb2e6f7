//! `everwarm regimes`.

use super::{Core, query};
use crate::print::Printer;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::{REGIME_DAYS, REGIMES};

/// Flags of `regimes`.
#[derive(Clone, Debug, clap::Args)]
pub struct RegimesArgs {
    /// Count the hourly closes of each day by regime, over all symbols.
    #[arg(long)]
    history: bool,
    #[command(flatten)]
    ask: query::Args,
}

/// Prints the regimes now, or those of each day.
pub fn print(args: &RegimesArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    args.ask.print(core, printer, if args.history { &REGIME_DAYS } else { &REGIMES })
}
