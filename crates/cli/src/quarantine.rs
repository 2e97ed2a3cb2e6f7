//! `everwarm quarantine`: list, retry and drop inputs that crashed a stage.

use super::Core;
use super::query::Args;
use crate::print::{Printer, confirm};
use clap::Subcommand;
use everwarm_kernel::fact::Effect;
use everwarm_views::changes::{self, Nothing};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::{Asked, QUARANTINE};
use everwarm_views::views::QuarantineView;
use everwarm_words::text::hang;

/// Columns before the text of a quarantine with a short number.
const INDENT: usize = 4;

/// Flags of `quarantine`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Quarantine {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    args: Args,
}

/// Subcommands of `quarantine`.
#[derive(Debug, Subcommand)]
enum Verb {
    /// List quarantines, oldest first. This is the default.
    List(Args),
    /// Retry: a stage that waits at an input tries it again; a stage without inputs gets the next
    /// ones.
    Retry(One),
    /// Drop the input: entries of its symbols are allowed again; a stopped stage stays stopped.
    Drop(One),
}

/// Flags of `quarantine retry` and `quarantine drop`.
#[derive(Debug, clap::Args)]
struct One {
    /// Number of the quarantine.
    id: u64,
    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    args: Args,
}

/// Lists or ends quarantines.
pub fn run(command: &Quarantine, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    match &command.verb {
        None => list(&command.args, core, printer),
        Some(Verb::List(args)) => list(args, core, printer),
        Some(Verb::Retry(one)) => end(one, true, core, printer),
        Some(Verb::Drop(one)) => end(one, false, core, printer),
    }
}

fn list(args: &Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let answer = args.daemon(core)?.ask(&QUARANTINE, &Asked::default())?;
    if args.json {
        return printer.answer(&answer);
    }
    let all: Vec<QuarantineView> = answer.read()?;
    if all.is_empty() {
        printer.note(QUARANTINE.none);
        return Ok(Exit::Fine);
    }
    let lines: Vec<String> =
        all.iter().flat_map(|view| hang(&line(view), INDENT, printer.width)).collect();
    printer.lines(&lines).map(|_| Exit::Fine)
}

/// One quarantine as text.
pub fn line(view: &QuarantineView) -> String {
    format!("{}  {}", view.id, view.text)
}

fn end(one: &One, retry: bool, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let how = if retry { "retry" } else { "drop" };
    confirm(&format!("{how} quarantine {}", one.id), one.yes)?;
    let asked = Asked::default().with("id", Some(one.id)).with("how", Some(how));
    let answer = one.args.change(core, &changes::QUARANTINE, &asked, &Nothing {})?;
    if one.args.json {
        return printer.answer(&answer);
    }
    let view: QuarantineView = answer.read()?;
    let text = match (retry, view.quarantine.effect) {
        (true, _) => "retries",
        (false, Effect::Stage) => "stays stopped and blocks nothing; retry starts it again",
        (false, Effect::Parts | Effect::Stopped | Effect::Down) => "continues as it is",
    };
    let over = if view.quarantine.effect == Effect::Stage && !retry { "dropped" } else { "over" };
    let line = format!("quarantine {} is {over}: {} {text}", view.id, view.quarantine.stage);
    printer.lines(&[line]).map(|_| Exit::Fine)
}
