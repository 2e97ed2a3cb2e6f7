//! The command line: one file a noun. Data goes to standard output, everything else to standard
//! error.

mod ask;
mod books;
mod config;
mod explain;
mod lists;
mod log_level;
mod quarantine;
mod run;
mod shell;
mod sim;
mod status;
mod store;
mod tree;
mod verify;

use super::api::LogLevel;
use super::config::Config;
use super::desk::Verify;
use super::exit::{Exit, Failure};
use super::print::{Color, Printer, note};
use super::store_check::Files;
use super::views::QuarantineView;
use clap::{CommandFactory as _, Parser, Subcommand};
pub use sim::SimConfig;
use std::path::Path;

/// What the commands need of the daemon's core.
pub struct Core {
    /// Runs the daemon until it is done.
    pub run: fn(Config, LogLevel, Printer) -> Result<Exit, Failure>,
    /// Runs the simulated exchange until it is done.
    pub sim: fn(SimConfig) -> Result<Exit, Failure>,
    /// The files of a data directory.
    pub files: Files,
    /// Derives all facts of a journal again and compares.
    pub verify: Verify,
    /// Ends a quarantine in a data directory that no process holds: its number, and whether the
    /// stage is tried again.
    pub release: fn(&Path, u64, bool) -> Result<QuarantineView, Failure>,
}

/// A trading daemon that cannot be caught cold.
///
/// Without a command it trades simulated money on a simulated exchange.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::Args,
    /// When to colour.
    #[arg(long, global = true, value_enum, default_value_t)]
    color: Color,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon (what happens without a command).
    Run(run::Args),
    /// Run the simulated exchange by itself.
    Sim(sim::Args),
    /// One screen about the daemon.
    Status(ask::Args),
    /// Orders, newest last.
    Orders(ask::ListArgs),
    /// Fills, newest last.
    Fills(ask::ListArgs),
    /// What is held, and what it made.
    Positions(ask::Args),
    /// Trades from flat to flat, newest last.
    Trades(ask::Args),
    /// Value of the account after each close, newest last.
    Equity(ask::ListArgs),
    /// What strategies wished and what became of it, newest last.
    Signals(ask::ListArgs),
    /// Closed bars of a symbol, newest last.
    Bars(lists::BarArgs),
    /// The supervision tree.
    Tree(tree::TreeArgs),
    /// What was set aside because a stage failed at it.
    #[command(subcommand)]
    Quarantine(quarantine::Quarantine),
    /// Why did it do that, or not do it? The story of an order, a fill or a fact.
    Explain(explain::ExplainArgs),
    /// Why was there no order for a symbol? What each stage said of it at one close.
    WhyNot(explain::WhyNotArgs),
    /// What is configured, where it came from, and what is wrong with it.
    Config(config::Args),
    /// The files of a data directory.
    Store(store::Args),
    /// What the running daemon logs; with a filter, sets it until its end.
    LogLevel(log_level::LogLevelArgs),
    /// Derive everything again from the inputs and compare. Exit code 4: something differs.
    Verify(ask::Args),
    /// Completions for a shell, on standard output.
    Completions(shell::CompletionArgs),
    /// A man page, on standard output.
    Man(shell::ManArgs),
}

/// Parses the command line of this process, does what it says, and tells how to end.
#[must_use]
pub fn main(core: &Core) -> Exit {
    everwarm_runtime::store::quiet_damage();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let usage = e.use_stderr();
            if let Err(e) = e.print() {
                tracing::debug!("the help was not printed: {e}");
            }
            return if usage { Exit::Usage } else { Exit::Fine };
        }
    };
    match dispatch(cli, core) {
        Ok(exit) => exit,
        Err(failure) => {
            note(&format!("everwarm: {failure}"));
            failure.exit
        }
    }
}

fn dispatch(cli: Cli, core: &Core) -> Result<Exit, Failure> {
    let printer = Printer::new(cli.color);
    match cli.command.unwrap_or(Command::Run(cli.run)) {
        Command::Run(args) => run::run(&args, core, printer),
        Command::Sim(args) => sim::run(&args, core),
        Command::Status(args) => status::print(&args, core, printer),
        Command::Orders(args) => lists::orders(&args, core, printer),
        Command::Fills(args) => lists::fills(&args, core, printer),
        Command::Positions(args) => books::positions(&args, core, printer),
        Command::Trades(args) => books::trades(&args, core, printer),
        Command::Equity(args) => lists::equity(&args, core, printer),
        Command::Signals(args) => lists::signals(&args, core, printer),
        Command::Bars(args) => lists::bars(&args, core, printer),
        Command::Tree(args) => tree::print(&args, core, printer),
        Command::Quarantine(command) => quarantine::run(&command, core, printer),
        Command::Explain(args) => explain::print(&args, core, printer),
        Command::WhyNot(args) => explain::why_not(&args, core, printer),
        Command::Config(args) => config::print(&args, printer),
        Command::Store(args) => store::print(&args, core, printer),
        Command::Completions(args) => shell::completions(&args, Cli::command(), printer),
        Command::Man(args) => shell::man(&args, Cli::command(), printer),
        Command::LogLevel(args) => log_level::run(&args, printer),
        Command::Verify(args) => verify::print(&args, core, printer),
    }
}

#[cfg(test)]
mod tests;
