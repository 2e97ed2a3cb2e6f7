//! `everwarm kill` and `everwarm retry`: what is done to actors of the running daemon.

use super::ask;
use crate::ops::actor_faults::{ActorFaultView, BranchView, How, STALL};
use crate::ops::api::Token;
use crate::ops::config::Look;
use crate::ops::exit::{Exit, Failure};
use crate::ops::print::{Printer, confirm};
use crate::ops::remote::RemoteDesk;

/// Flags of `kill`.
#[derive(Clone, Debug, clap::Args)]
pub struct KillArgs {
    /// Its place in the tree, like root/trading/feeds/feed; a name like gateway where nobody else
    /// has it. With a supervisor goes all below it; with root, the process.
    path: String,
    /// How.
    #[arg(long, value_enum, default_value_t)]
    how: How,
    /// With `--how stall`: for how long it holds its thread.
    #[arg(long, value_name = "N", default_value_t = STALL)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    args: ask::Args,
}

/// Flags of `retry`.
#[derive(Clone, Debug, clap::Args)]
pub struct RetryArgs {
    /// Its place in the tree, like root/trading/feeds; a name where nobody else has it.
    path: String,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    args: ask::Args,
}

/// Disturbs an actor.
pub fn kill(args: &KillArgs, printer: Printer) -> Result<Exit, Failure> {
    let wanted = ActorFaultView { path: args.path.clone(), how: args.how, seconds: args.seconds };
    confirm(&format!("disturb {}{}", args.path, end(&wanted)), args.yes)?;
    let (desk, token) = daemon(&args.args)?;
    let view = desk.kill(&wanted, token.as_ref())?;
    if args.args.json {
        return printer.json(&view);
    }
    let (path, fault) = (&view.path, view.fault());
    let mut lines = vec![format!("{path} {fault}{}", end(&view))];
    if fault.waits() {
        lines.push("until that comes, `everwarm tree` shows that it is planned".to_owned());
    }
    printer.lines(&lines).map(|_| Exit::Fine)
}

/// What comes of it where nobody starts it again.
fn end(view: &ActorFaultView) -> String {
    if !view.ends_root() {
        return String::new();
    }
    format!(", which ends the process with exit code {}", Exit::RootGaveUp.code())
}

/// Tries a branch that is kept down.
pub fn retry(args: &RetryArgs, printer: Printer) -> Result<Exit, Failure> {
    confirm(&format!("try {} at once", args.path), args.yes)?;
    let (desk, token) = daemon(&args.args)?;
    let view = desk.retry(&BranchView { path: args.path.clone() }, token.as_ref())?;
    if args.args.json {
        return printer.json(&view);
    }
    printer.lines(&[format!("{} is tried, if it was waiting", view.path)]).map(|_| Exit::Fine)
}

fn daemon(args: &ask::Args) -> Result<(RemoteDesk, Option<Token>), Failure> {
    let config = args.configuration(Look::Secrets)?;
    let Some(desk) = RemoteDesk::connect(&config.data_dir)? else {
        let text = format!("no daemon is running on {}", config.data_dir.display());
        return Err(Failure::new(Exit::Unreachable, text));
    };
    Ok((desk, Token::find(config.token.as_ref(), &config.data_dir)?))
}
