//! The command line: one file a noun. Data goes to standard output, everything else to standard
//! error.

mod actors;
mod ask;
mod backup;
mod bars;
mod chaos;
mod config;
mod doctor;
mod explain;
mod faults;
pub mod heap;
mod limits;
mod live;
pub mod log;
mod log_level;
pub mod offline;
mod panic;
pub mod print;
pub mod progress;
mod quarantine;
mod reconcile;
pub mod remote;
mod replay;
mod run;
mod shell;
mod sim;
mod status;
mod stop;
mod store;
pub mod store_check;
mod summary;
mod switches;
mod symbols;
pub mod terminal;
mod tree;
mod verify;

use crate::print::{Color, Printer, note};
use crate::store_check::Files;
pub use chaos::ChaosConfig;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use everwarm_config::{Config, LogFormat, Sources};
use everwarm_views::backup::RestoredView;
use everwarm_views::changes::{Control, DISABLE, ENABLE};
use everwarm_views::desk::Proofs;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions;
use everwarm_views::views::{AccountView, ChaosView, LiveView, VERSION, VersionView};
pub use panic::Panic;
use rustix::fs::Mode;
pub use sim::SimConfig;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

/// What the commands need of the daemon's core.
pub struct Core {
    /// Version, revision and day of the program, in one line.
    pub build: &'static str,
    /// The same, in parts.
    pub version: fn() -> VersionView,
    /// Runs the daemon, begun at that moment, until it is done; what it is configured by is read at
    /// its start, and again when that is wanted.
    pub run: fn(Sources, Printer, Instant) -> Result<Exit, Failure>,
    /// Runs the simulated exchange until it is done.
    pub sim: fn(SimConfig) -> Result<Exit, Failure>,
    /// The files of a data directory.
    pub files: Files,
    /// What goes through a whole journal once more.
    pub proofs: Proofs,
    /// Plays a recording under kills, crashes and dying disks; told how far it is.
    pub chaos: Chaos,
    /// Asks the venue whose the configured key is.
    pub account: fn(&Config) -> Result<AccountView, Failure>,
    /// Notes what a person confirmed, in a data directory that no process holds.
    pub confirm: fn(&Config, &LiveView) -> Result<(), Failure>,
    /// Cancels and sells at the venue, without daemon and store.
    pub panic: fn(&Config, &Panic, Printer) -> Result<Exit, Failure>,
    /// Packs a data directory that no process holds.
    pub backup: fn(&Path, &mut dyn Write) -> Result<(), Failure>,
    /// Makes a data directory of a backup.
    pub restore: fn(&Path, &Path) -> Result<RestoredView, Failure>,
    /// Who changes something in a data directory that no process holds.
    pub control: fn(&Path) -> Box<dyn Control>,
}

/// See [`Core::chaos`]: what is told is what strikes, how many did, and how many shall.
pub type Chaos =
    fn(&ChaosConfig, &(dyn Fn(&'static str, u64, u64) + Sync)) -> Result<ChaosView, Failure>;

/// A trading daemon that cannot be caught cold.
///
/// Without a command it trades simulated money on a simulated exchange.
#[derive(Debug, Parser)]
#[command(name = "everwarm", version = VERSION, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::Args,
    /// When to colour.
    #[arg(long, global = true, value_enum, default_value_t)]
    color: Color,
    /// Only data and errors: no remarks, no progress.
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Log more to standard error: info, debug (twice) or trace (three times).
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// Every command with its arguments, for pages and completions.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// The filter of the log that so many `-v` stand for.
fn filter(verbose: u8) -> Option<&'static str> {
    match verbose {
        0 => None,
        1 => Some("info"),
        2 => Some("debug"),
        _ => Some("trace"),
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon (what happens without a command).
    Run(run::Args),
    /// Run the simulated exchange by itself, or make a running one misbehave.
    Sim(sim::Args),
    /// Stop the running daemon in order, and wait until it has ended. Exit code 3: none is running.
    Stop(ask::Args),
    #[command(about = questions::STATUS.about)]
    Status(status::StatusArgs),
    /// What is wrong, since when, and what to do about it, with or without a running daemon. Exit
    /// code 4: something is.
    Doctor(ask::Args),
    #[command(about = questions::ORDERS.about)]
    Orders(ask::ListArgs),
    #[command(about = questions::FILLS.about)]
    Fills(ask::ListArgs),
    #[command(about = questions::POSITIONS.about)]
    Positions(ask::Args),
    #[command(about = questions::LOTS.about)]
    Lots(ask::Args),
    #[command(about = questions::TRADES.about)]
    Trades(ask::ListArgs),
    /// What a day or a month came to, for people, as a page, or as tables for accountants.
    Summary(summary::SummaryArgs),
    #[command(about = questions::EQUITY.about)]
    Equity(ask::ListArgs),
    #[command(about = questions::SIGNALS.about)]
    Signals(ask::ListArgs),
    #[command(about = questions::BARS.about)]
    Bars(bars::BarArgs),
    #[command(about = questions::AUDIT.about)]
    Audit(ask::ListArgs),
    #[command(about = questions::TREE.about)]
    Tree(tree::TreeArgs),
    /// Disturb an actor on purpose, to see that it makes no difference. Needs chaos.enabled.
    Kill(actors::KillArgs),
    /// Try a branch of the tree at once that is kept down.
    Retry(actors::RetryArgs),
    #[command(about = questions::SYMBOLS.about)]
    Symbols(symbols::Symbols),
    #[command(about = questions::SWITCHES.about)]
    Switches(ask::Args),
    /// Enter nothing any more; what is held may be left. Remembered until `resume`.
    Halt(switches::WordArgs),
    /// End a halt or a flatten.
    Resume(switches::WordArgs),
    /// Enter nothing any more, and sell everything held by orders like any others. Remembered until
    /// `resume`.
    Flatten(switches::WordArgs),
    /// Start carefully: only collect data, then leave positions, then trade.
    SafeStart(switches::SafeArgs),
    /// Let a strategy enter, or run a process of the tree again.
    Enable(switches::NamedArgs),
    /// Let a strategy enter nothing any more, or do not run a process of the tree.
    Disable(switches::NamedArgs),
    #[command(about = questions::QUARANTINE.about)]
    Quarantine(quarantine::Quarantine),
    /// The account beside the books: what is ours, what is not, and what nothing explains. Exit
    /// code 4: something is not explained.
    Reconcile(ask::Args),
    /// End a conflict: take the venue's word, or let ours count.
    Resolve(reconcile::ResolveArgs),
    /// Take a surplus, like a deposit, into the books: cash, or a position at its last price.
    Adopt(reconcile::AdoptArgs),
    /// Why did it do that, or not do it? The story of an order, a fill or a fact.
    Explain(explain::ExplainArgs),
    #[command(about = questions::WHY_NOT.about)]
    WhyNot(explain::WhyNotArgs),
    /// What is configured, where it came from, and what is wrong with it.
    Config(config::Args),
    /// The files of a data directory.
    Store(store::Args),
    /// Write everything that is kept into one file, while it trades or not.
    Backup(backup::BackupArgs),
    /// Make a data directory of a backup, in an empty folder.
    Restore(backup::FileArgs),
    /// Cancel all open orders of the account and, with --flatten, sell what is held. Needs neither
    /// daemon nor store. Exit code 4: something is left.
    Panic(panic::Args),
    /// Real money: what has to be confirmed before it is traded.
    #[command(subcommand)]
    Live(live::Live),
    /// What the venue wants us to wait for.
    #[command(subcommand)]
    Limits(limits::Limits),
    /// What the running daemon logs; with a filter, sets it until its end.
    LogLevel(log_level::LogLevelArgs),
    /// Derive everything again from the inputs and compare. Exit code 4: something differs.
    Verify(ask::Args),
    /// Decide everything again with this version and compare: what was decided then, what would be
    /// today. Exit code 4: something differs.
    Replay(replay::ReplayArgs),
    /// Play a recording under kills, crashes and dying disks: it must make no difference. Exit code
    /// 4: it did.
    Chaos(chaos::Args),
    /// The description of the API in the form of OpenAPI, on standard output.
    ApiDoc,
    /// Completions for a shell, on standard output.
    Completions(shell::CompletionArgs),
    /// A man page, on standard output.
    Man(shell::ManArgs),
}

/// Parses the command line of this process, does what it says, and tells how to end.
#[must_use]
pub fn main(core: &Core) -> Exit {
    let began = heap::began();
    everwarm_runtime::store::quiet_damage();
    // Whatever this process makes is its owner's alone, the stores of the libraries too.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let matches = Cli::command().version(core.build).try_get_matches();
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(e) => {
            let usage = e.use_stderr();
            if let Err(e) = e.print() {
                tracing::debug!("the help was not printed: {e}");
            }
            return if usage { Exit::Usage } else { Exit::Fine };
        }
    };
    match dispatch(cli, core, began) {
        Ok(exit) => exit,
        Err(failure) => {
            note(&format!("everwarm: {failure}"));
            failure.exit
        }
    }
}

fn dispatch(cli: Cli, core: &Core, began: Instant) -> Result<Exit, Failure> {
    let printer = Printer::new(cli.color, cli.quiet);
    let filter = filter(cli.verbose);
    let command = cli.command.unwrap_or(Command::Run(cli.run));
    let logs_itself = matches!(command, Command::Run(_) | Command::Sim(_));
    let steers = matches!(&command, Command::Sim(args) if args.steers());
    if logs_itself && !steers {
        heap::settle(began);
    }
    if let Some(filter) = filter.filter(|_| !logs_itself) {
        log::start(filter, LogFormat::Text)?;
    }
    match command {
        Command::Run(args) => run::run(&args.louder(filter), core, printer, began),
        Command::Sim(args) => sim::run(&args.louder(filter), core, printer),
        Command::Stop(args) => stop::run(&args, core, printer),
        Command::Status(args) => status::print(&args, core, printer),
        Command::Doctor(args) => doctor::print(&args, core, printer),
        Command::Orders(args) => args.print(core, printer, &questions::ORDERS),
        Command::Fills(args) => args.print(core, printer, &questions::FILLS),
        Command::Positions(args) => args.print(core, printer, &questions::POSITIONS),
        Command::Lots(args) => args.print(core, printer, &questions::LOTS),
        Command::Trades(args) => args.print(core, printer, &questions::TRADES),
        Command::Summary(args) => summary::print(&args, core, printer),
        Command::Equity(args) => args.print(core, printer, &questions::EQUITY),
        Command::Signals(args) => args.print(core, printer, &questions::SIGNALS),
        Command::Bars(args) => bars::print(&args, core, printer),
        Command::Audit(args) => args.print(core, printer, &questions::AUDIT),
        Command::Tree(args) => tree::print(&args, core, printer),
        Command::Kill(args) => actors::kill(&args, core, printer),
        Command::Retry(args) => actors::retry(&args, core, printer),
        Command::Quarantine(command) => quarantine::run(&command, core, printer),
        Command::Symbols(command) => symbols::run(&command, core, printer),
        Command::Reconcile(args) => reconcile::print(&args, core, printer),
        Command::Switches(args) => switches::list(&args, core, printer),
        Command::Halt(args) => switches::word(&args, "halt", core, printer),
        Command::Resume(args) => switches::word(&args, "resume", core, printer),
        Command::Flatten(args) => switches::word(&args, "flatten", core, printer),
        Command::SafeStart(args) => switches::safe(&args, core, printer),
        Command::Enable(args) => switches::named(&args, &ENABLE, core, printer),
        Command::Disable(args) => switches::named(&args, &DISABLE, core, printer),
        Command::Resolve(args) => reconcile::resolve(&args, core, printer),
        Command::Adopt(args) => reconcile::adopt(&args, core, printer),
        Command::Explain(args) => explain::print(&args, core, printer),
        Command::WhyNot(args) => explain::why_not(&args, core, printer),
        Command::Config(args) => config::print(&args, core, printer),
        Command::Store(args) => store::print(&args, core, printer),
        Command::Backup(args) => backup::backup(&args, core, printer),
        Command::Restore(args) => backup::restore(&args, core, printer),
        Command::Panic(args) => panic::run(&args, core, printer),
        Command::Live(command) => live::run(&command, core),
        Command::ApiDoc => printer.json(&everwarm_api::openapi::document()),
        Command::Completions(args) => shell::completions(&args, Cli::command(), printer),
        Command::Man(args) => shell::man(&args, Cli::command().version(core.build), printer),
        Command::Limits(command) => limits::run(&command, core, printer),
        Command::LogLevel(args) => log_level::run(&args, core, printer),
        Command::Chaos(args) => chaos::run(&args, core, printer),
        Command::Verify(args) => verify::print(&args, core, printer),
        Command::Replay(args) => replay::print(&args, core, printer),
    }
}

/// Panics where the command line does not take a command as it stands.
#[cfg(test)]
fn can_be_typed(command: &str) {
    if let Err(e) = Cli::try_parse_from(tests::words(command)) {
        panic!("{command}: {e}");
    }
}

#[cfg(test)]
mod tests;
