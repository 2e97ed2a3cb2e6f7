//! `everwarm kill` and `everwarm retry`: inject faults into actors and retry stopped branches.

use super::{Core, query};
use crate::print::{Printer, confirm};
use everwarm_views::changes::{KILL, RETRY};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::injected::{BranchView, FaultView, How, STALL};
use everwarm_views::questions::Asked;

/// Flags of `kill`.
#[derive(Clone, Debug, clap::Args)]
pub struct KillArgs {
    /// Path of the actor in the tree, like root/trading/feeds/sim/feed, or a unique name like
    /// gateway. A supervisor takes all actors below it along; root ends the process.
    path: String,
    /// Kind of the fault.
    #[arg(long, value_enum, default_value_t)]
    how: How,
    /// With `--how stall`: how long the actor blocks its thread, seconds.
    #[arg(long, value_name = "N", default_value_t = STALL)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    args: query::Args,
}

/// Flags of `retry`.
#[derive(Clone, Debug, clap::Args)]
pub struct RetryArgs {
    /// Path of the branch in the tree, like root/trading/feeds, or a unique name.
    path: String,
    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    args: query::Args,
}

/// Injects a fault into an actor.
pub fn kill(args: &KillArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let wanted = FaultView { path: args.path.clone(), how: args.how, seconds: args.seconds };
    confirm(&format!("disturb {}{}", args.path, end(&wanted)), args.yes)?;
    let answer = args.args.change(core, &KILL, &Asked::default(), &wanted)?;
    if args.args.json {
        return printer.answer(&answer);
    }
    let view: FaultView = answer.read()?;
    let (path, fault) = (&view.path, view.fault());
    let mut lines = vec![format!("{path} {fault}{}", end(&view))];
    if fault.waits() {
        lines.push("until then, `everwarm tree` shows the planned fault".to_owned());
    }
    printer.lines(&lines).map(|_| Exit::Fine)
}

/// The warning of the confirmation if the fault ends the root, else nothing.
fn end(view: &FaultView) -> String {
    if !view.ends_root() {
        return String::new();
    }
    format!(", which ends the process with exit code {}", Exit::RootGaveUp.code())
}

/// Retries a branch that its supervisor stopped.
pub fn retry(args: &RetryArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    confirm(&format!("retry {} now", args.path), args.yes)?;
    let wanted = BranchView { path: args.path.clone() };
    let answer = args.args.change(core, &RETRY, &Asked::default(), &wanted)?;
    if args.args.json {
        return printer.answer(&answer);
    }
    let view: BranchView = answer.read()?;
    printer.lines(&[format!("{}: retry requested", view.path)]).map(|_| Exit::Fine)
}
