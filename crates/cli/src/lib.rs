//! The command line, one file for each command group. Data goes to standard output, everything else
//! to standard error.
//!
//! Over 500 lines: the list of the commands, which stays whole.

mod actors;
mod analyze;
mod backfill;
mod backtest;
mod backup;
mod bars;
mod bootstrap;
mod calibrate;
mod chaos;
mod completions;
mod config;
mod conformance;
mod doctor;
mod elsewhere;
mod explain;
pub mod export;
mod faults;
mod funnel;
pub mod heap;
mod history;
mod limits;
mod live;
pub mod log;
mod log_level;
pub mod offline;
mod order;
mod panic;
pub mod print;
pub mod progress;
mod quarantine;
mod query;
mod reconcile;
mod regimes;
pub mod remote;
mod replay;
mod run;
mod scan;
mod signal;
mod sim;
mod sql_files;
mod status;
mod stop;
pub mod storage;
mod store;
pub mod store_check;
mod strategy;
mod summary;
mod sweep;
mod switches;
mod symbols;
pub mod terminal;
mod tokens;
mod tree;
mod verify;
mod verify_trades;

use crate::export::Wipe;
use crate::print::{Color, Printer, note};
use crate::store_check::Files;
pub use backtest::BacktestConfig;
pub use chaos::ChaosConfig;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
pub use conformance::ConformanceRequest;
use everwarm_config::{Config, LogFormat, Sources};
use everwarm_trading::strategy::check::Report;
use everwarm_venue::conformance::{Report as ConformanceReport, StepResult};
use everwarm_views::backfill::{BackfillRequest, BackfillView};
use everwarm_views::backtest::BacktestView;
use everwarm_views::backup::RestoredView;
use everwarm_views::changes::{Control, DISABLE, ENABLE};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::fetched::FetchedView;
use everwarm_views::journal_reader::Proofs;
use everwarm_views::questions;
use everwarm_views::storage::WipedView;
use everwarm_views::stored_history::HistoryRepairView;
use everwarm_views::views::{AccountView, ChaosView, LiveView, VERSION, VersionView};
pub use explain::lines as story_lines;
pub use history::{FetchConfig, KeyFile, Wanted, WantedPart};
pub use panic::Panic;
use rustix::fs::Mode;
pub use sim::SimConfig;
pub use status::lines as status_lines;
use std::io::Write;
use std::path::Path;
use std::time::Instant;
pub use strategy::StrategyCheckConfig;
pub use sweep::SweepConfig;

/// The functions of the daemon's core that the commands call.
pub struct Core {
    /// Version, revision and date of the program, in one line.
    pub build: fn() -> &'static str,
    /// The same in parts.
    pub version: fn() -> VersionView,
    /// Runs the daemon until it ends. The instant is when the process began. The daemon reads the
    /// sources at its start and at each reload.
    pub run: fn(Sources, Printer, Instant) -> Result<Exit, Failure>,
    /// Runs the simulated exchange until it is done.
    pub sim: fn(SimConfig) -> Result<Exit, Failure>,
    /// The files of a data directory.
    pub files: Files,
    /// The checks that read a whole journal again.
    pub proofs: Proofs,
    /// Plays a recording under kills, crashes and disk failures, and reports its progress.
    pub chaos: Chaos,
    /// Plays the strategies over bars of the past.
    pub backtest: Backtest,
    /// Fetches past bars from a public source.
    pub fetch: Fetch,
    /// Completes the bars of a data directory that no process uses.
    pub backfill: Backfill,
    /// Repairs the stored bars of a data directory that no process uses.
    pub repair_history: fn(&Path) -> Result<HistoryRepairView, Failure>,
    /// Plays the points of a grid over bars of the past, on several threads.
    pub sweep: fn(&SweepConfig<'_>) -> Result<(), Failure>,
    /// Checks strategies over bars.
    pub strategy_check: fn(&StrategyCheckConfig) -> Result<Vec<Report>, Failure>,
    /// Queries the venue for the account of the configured key.
    pub account: fn(&Config) -> Result<AccountView, Failure>,
    /// Stores the confirmation of a person in a data directory that no process uses.
    pub confirm: fn(&Config, &LiveView) -> Result<(), Failure>,
    /// Cancels and sells at the venue, without a daemon or its journal.
    pub panic: fn(&Config, &Panic, Printer) -> Result<Exit, Failure>,
    /// Compares a venue with its documentation.
    pub conformance: Conformance,
    /// Packs a data directory that no process uses.
    pub backup: fn(&Path, &mut dyn Write) -> Result<(), Failure>,
    /// Packs what cannot be made again, of a data directory that no process uses.
    pub export: fn(&Path, &mut dyn Write) -> Result<(), Failure>,
    /// Wipes a data directory that no process uses.
    pub wipe: fn(&Path, &Wipe) -> Result<WipedView, Failure>,
    /// Restores a backup into a data directory.
    pub restore: fn(&Path, &Path) -> Result<RestoredView, Failure>,
    /// The control that changes a data directory that no process uses.
    pub control: fn(&Path) -> Box<dyn Control>,
}

/// See [`Core::chaos`]. The callback gets the kind of fault, the number injected so far and the
/// total.
pub type Chaos =
    fn(&ChaosConfig, &(dyn Fn(&'static str, u64, u64) + Sync)) -> Result<ChaosView, Failure>;

/// See [`Core::backtest`]. The callback gets the minutes played, and all.
pub type Backtest = fn(&BacktestConfig, &dyn Fn(u64, u64)) -> Result<BacktestView, Failure>;

/// See [`Core::fetch`]. The callback gets the bars whose times were requested, and all.
pub type Fetch = fn(&FetchConfig, &dyn Fn(u64, u64)) -> Result<FetchedView, Failure>;

/// See [`Core::backfill`]. The callback gets the view of the backfill while it runs.
pub type Backfill =
    fn(&Config, &BackfillRequest, &dyn Fn(&BackfillView)) -> Result<BackfillView, Failure>;

/// See [`Core::conformance`]. The callback gets the result of each step.
pub type Conformance =
    fn(&ConformanceRequest, &dyn Fn(&StepResult)) -> Result<ConformanceReport, Failure>;

/// A crash-safe trading daemon.
///
/// Without a command it runs the daemon. By default it trades simulated money at a simulated
/// exchange.
#[derive(Debug, Parser)]
#[command(name = "everwarm", version = VERSION, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::Args,
    #[command(flatten)]
    elsewhere: elsewhere::ElsewhereArgs,
    /// When to use colours.
    #[arg(long, global = true, value_enum, default_value_t)]
    color: Color,
    /// Print only data and errors, no notes and no progress.
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

/// The log filter for this number of `-v` flags.
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
    /// Run the daemon. This is the default command.
    Run(run::Args),
    /// Run the simulated exchange alone, or inject faults into a running one.
    Sim(sim::Args),
    /// Stop the running daemon cleanly and wait until it has ended. Exit code 3: no daemon is
    /// running.
    Stop(query::Args),
    #[command(about = questions::STATUS.about)]
    Status(status::StatusArgs),
    /// Check the daemon, or its files if none runs: each problem, since when, and what to do. Exit
    /// code 4: there is a problem.
    Doctor(query::Args),
    #[command(about = questions::ORDERS.about)]
    Orders(query::ListArgs),
    #[command(about = questions::FILLS.about)]
    Fills(query::ListArgs),
    #[command(about = questions::POSITIONS.about)]
    Positions(query::Args),
    #[command(about = questions::LOTS.about)]
    Lots(query::Args),
    #[command(about = questions::TRADES.about)]
    Trades(query::ListArgs),
    /// Summarise a day or a month: as text, as a page, or as CSV files.
    Summary(summary::SummaryArgs),
    #[command(about = questions::FUNNEL.about)]
    Funnel(funnel::FunnelArgs),
    #[command(about = questions::CALIBRATE.about)]
    Calibrate(query::Args),
    #[command(about = questions::EQUITY.about)]
    Equity(query::ListArgs),
    #[command(about = questions::SIGNALS.about)]
    Signals(query::ListArgs),
    #[command(about = questions::BARS.about)]
    Bars(bars::BarArgs),
    /// Show the regime, bias and drivers of each symbol, the drivers of composites, or each day.
    Regimes(regimes::RegimesArgs),
    #[command(about = questions::AUDIT.about)]
    Audit(query::ListArgs),
    #[command(about = questions::STORAGE.about)]
    Storage(storage::Args),
    #[command(about = questions::TREE.about)]
    Tree(tree::TreeArgs),
    /// Inject a fault into an actor, to see that it recovers. Needs chaos.enabled = true.
    Kill(actors::KillArgs),
    /// Retry immediately a branch that its supervisor stopped.
    Retry(actors::RetryArgs),
    /// List symbols and their states, or add and remove one.
    Symbols(symbols::Symbols),
    /// List the registry of tokens with their prices, or add, remove and import tokens.
    Tokens(tokens::Tokens),
    #[command(about = questions::SWITCHES.about)]
    Switches(query::Args),
    /// Buy by hand, at market or at a limit; sell what was bought by hand, at market. The strategy
    /// `manual` owns the lot. Exit code 5: the order was declined.
    Order(order::OrderArgs),
    /// Sell all lots of a symbol, or the one of a strategy, by market orders. Exit code 5: nothing
    /// can be sold.
    Close(order::CloseArgs),
    /// Cancel an open order by its id, or by a unique beginning of it. An exit that requested the
    /// order ends, too. Exit code 5: the order is not cancelled.
    Cancel(order::CancelArgs),
    /// Send a signal to a strategy of the kind `external`. Exit code 5: it was declined.
    Signal(signal::SignalArgs),
    /// Stop entries; exits continue. It lasts until `resume`, also after restarts.
    Halt(switches::WordArgs),
    /// End a halt or a flatten.
    Resume(switches::ResumeArgs),
    /// Stop entries and close all positions by market orders. It lasts until `resume`, also
    /// after restarts.
    Flatten(switches::WordArgs),
    /// Start safely in steps: collect data, then allow exits, then trade.
    SafeStart(switches::SafeArgs),
    /// Turn on a strategy or a branch of the tree.
    Enable(switches::NamedArgs),
    /// Turn off the entries of a strategy, or a branch of the tree.
    Disable(switches::NamedArgs),
    /// List quarantined inputs, at which a stage failed three times; retry or drop them.
    Quarantine(quarantine::Quarantine),
    /// Compare the account at the venue with the books. Exit code 4: a difference is unexplained.
    Reconcile(query::Args),
    /// Resolve a conflict: accept the side of the venue or of the books.
    Resolve(reconcile::ResolveArgs),
    /// Take a surplus, like a deposit, into the books: as cash, or as a position at its last price.
    Adopt(reconcile::AdoptArgs),
    /// Explain an order, a fill or a fact: its causes and its effects.
    Explain(explain::ExplainArgs),
    #[command(about = questions::WHY_NOT.about)]
    WhyNot(explain::WhyNotArgs),
    #[command(about = questions::SCAN.about)]
    Scan(scan::ScanArgs),
    /// Show, check or reload the configuration.
    Config(config::Args),
    /// Check the files of a data directory.
    Store(store::Args),
    /// Write a backup of the data directory into one file, while the daemon runs or not.
    Backup(backup::BackupArgs),
    /// Restore a backup into an empty data directory.
    Restore(backup::FileArgs),
    /// Export what cannot be fetched or computed again into one file: orders, fills, positions,
    /// limits, commands, configuration. While the daemon runs or not.
    Export(backup::BackupArgs),
    /// Import an export into an empty data directory. The next start fetches the bars that it
    /// needs.
    Import(backup::FileArgs),
    /// Remove bars and what is computed from them, or everything. Only while no daemon runs: it
    /// writes the files again that a daemon holds open. Exit code 5: positions or open orders would
    /// be forgotten.
    Wipe(export::WipeArgs),
    /// Cancel all open orders of the account and, with --flatten, sell all positions. It needs no
    /// daemon and no data directory. Exit code 4: something is left.
    Panic(panic::Args),
    /// Compare a test network with the venue's documentation: market data, orders, streams, limits.
    /// It places tiny orders with test money and refuses real money. Exit code 4: something
    /// differs.
    Conformance(conformance::Args),
    /// Confirm that real money may be traded.
    #[command(subcommand)]
    Live(live::Live),
    /// Manage waits that the venue requested, like a ban.
    #[command(subcommand)]
    Limits(limits::Limits),
    /// Show the log filter of the running daemon; with FILTER, change it until the daemon ends.
    LogLevel(log_level::LogLevelArgs),
    /// Derive every fact again from the inputs and compare. Exit code 4: something differs.
    Verify(query::Args),
    /// Compute every trade again from its fills and compare it with the books. Exit code 4:
    /// something differs.
    VerifyTrades(query::ListArgs),
    /// Repeat every decision with this version and compare it with the journal. Exit code 4:
    /// something differs.
    Replay(replay::ReplayArgs),
    /// Compute indicators or structures over a file of bars, or draw them, without a daemon or data
    /// directory.
    Analyze(analyze::AnalyzeArgs),
    /// Fetch past bars from a source, check files of bars, or export bars for SQL.
    #[command(subcommand)]
    History(history::History),
    /// Complete the stored bars of past days: beside the running daemon, or without one. Only what
    /// is missing is fetched, and a command that was killed continues. Exit code 4: a series is not
    /// whole.
    Backfill(backfill::BackfillArgs),
    /// Fetch the bars that the next start needs, without a daemon; with --dry-run, show them.
    Bootstrap(bootstrap::BootstrapArgs),
    /// Play the strategies over recorded bars with the daemon's own stages, and print the result.
    Backtest(backtest::BacktestArgs),
    /// Play a grid of settings over recorded bars, on all cores, and rank them by parts of the
    /// period that did not choose them.
    Sweep(sweep::SweepArgs),
    /// Write a crate with a strategy of your own, or check a strategy.
    #[command(subcommand)]
    Strategy(strategy::Strategy),
    /// Play a recording with injected kills, crashes and disk failures, and compare it with a run
    /// without faults. Exit code 4: the results differ.
    Chaos(chaos::Args),
    /// Print the OpenAPI description of the API.
    ApiDoc,
    /// Print completions for a shell.
    Completions(completions::CompletionArgs),
    /// Print a man page.
    Man(completions::ManArgs),
}

/// A flag before the command belongs to `run`: says where to write it.
fn with_remedy(mut error: clap::Error) -> clap::Error {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let command = match (error.kind(), error.get(ContextKind::InvalidSubcommand)) {
        (ErrorKind::ArgumentConflict, Some(ContextValue::String(name))) => name.clone(),
        _ => return error,
    };
    let tip = format!("write the flags after the command: everwarm {command} [OPTIONS]");
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    error
}

/// Every command, with the version of this build.
fn versioned(core: &Core) -> clap::Command {
    Cli::command().version((core.build)())
}

/// Parses the command line of this process, runs the command, and returns its exit code.
#[must_use]
pub fn main(core: &Core) -> Exit {
    let began = heap::began();
    everwarm_runtime::store::quiet_damage();
    // Every file that this process creates is for its owner alone, also those of the libraries.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let arguments = elsewhere::behind_the_command(std::env::args_os());
    let matches = versioned(core).try_get_matches_from(arguments);
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(e) => {
            let e = with_remedy(e);
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

/// Starts the log of a command that does not start its own, and settles the memory of a process
/// that runs for long.
fn settle(command: &Command, filter: Option<&str>, began: Instant) -> Result<(), Failure> {
    let logs_itself = matches!(command, Command::Run(_) | Command::Sim(_));
    let steers = matches!(command, Command::Sim(args) if args.steers());
    if logs_itself && !steers {
        heap::settle(began);
    }
    if let Some(filter) = filter.filter(|_| !logs_itself) {
        log::start(filter, LogFormat::Text)?;
    }
    Ok(())
}

fn dispatch(cli: Cli, core: &Core, began: Instant) -> Result<Exit, Failure> {
    let printer = Printer::new(cli.color, cli.quiet);
    let filter = filter(cli.verbose);
    let command = cli.command.unwrap_or(Command::Run(cli.run));
    cli.elsewhere.apply(&command)?;
    settle(&command, filter, began)?;
    act(command, core, printer, (filter, began))
}

fn act(
    command: Command,
    core: &Core,
    printer: Printer,
    (filter, began): (Option<&'static str>, Instant),
) -> Result<Exit, Failure> {
    match command {
        Command::Run(args) => run::run(&args.louder(filter), core, printer, began),
        Command::Sim(args) => sim::run(&args.louder(filter), core, printer),
        Command::Analyze(args) => analyze::print(&args, printer),
        Command::Backfill(args) => backfill::run(&args, core, printer),
        Command::Bootstrap(args) => bootstrap::run(&args, core, printer),
        Command::History(command) => history::run(&command, core, printer),
        Command::Backtest(args) => backtest::run(&args, core, printer),
        Command::Sweep(args) => sweep::run(&args, core, printer),
        Command::Strategy(command) => strategy::run(&command, core, printer),
        Command::Stop(args) => stop::run(&args, core, printer),
        Command::Status(args) => status::print(&args, core, printer),
        Command::Doctor(args) => doctor::print(&args, core, printer),
        Command::Orders(args) => args.print(core, printer, &questions::ORDERS),
        Command::Fills(args) => args.print(core, printer, &questions::FILLS),
        Command::Positions(args) => args.print(core, printer, &questions::POSITIONS),
        Command::Lots(args) => args.print(core, printer, &questions::LOTS),
        Command::Trades(args) => args.print(core, printer, &questions::TRADES),
        Command::Summary(args) => summary::print(&args, core, printer),
        Command::Funnel(args) => funnel::print(&args, core, printer),
        Command::Calibrate(args) => calibrate::print(&args, core, printer),
        Command::Equity(args) => args.print(core, printer, &questions::EQUITY),
        Command::Signals(args) => args.print(core, printer, &questions::SIGNALS),
        Command::Bars(args) => bars::print(&args, core, printer),
        Command::Regimes(args) => regimes::print(&args, core, printer),
        Command::Audit(args) => args.print(core, printer, &questions::AUDIT),
        Command::Storage(args) => storage::run(&args, core, printer),
        Command::Tree(args) => tree::print(&args, core, printer),
        Command::Kill(args) => actors::kill(&args, core, printer),
        Command::Retry(args) => actors::retry(&args, core, printer),
        Command::Quarantine(command) => quarantine::run(&command, core, printer),
        Command::Symbols(command) => symbols::run(&command, core, printer),
        Command::Tokens(command) => tokens::run(&command, core, printer),
        Command::Reconcile(args) => reconcile::print(&args, core, printer),
        Command::Switches(args) => switches::list(&args, core, printer),
        Command::Order(args) => order::order(&args, core, printer),
        Command::Close(args) => order::close(&args, core, printer),
        Command::Cancel(args) => order::cancel(&args, core, printer),
        Command::Signal(args) => signal::signal(&args, core, printer),
        Command::Halt(args) => switches::word(&args, "halt", core, printer),
        Command::Resume(args) => switches::resume(&args, core, printer),
        Command::Flatten(args) => switches::word(&args, "flatten", core, printer),
        Command::SafeStart(args) => switches::safe(&args, core, printer),
        Command::Enable(args) => switches::named(&args, &ENABLE, core, printer),
        Command::Disable(args) => switches::named(&args, &DISABLE, core, printer),
        Command::Resolve(args) => reconcile::resolve(&args, core, printer),
        Command::Adopt(args) => reconcile::adopt(&args, core, printer),
        Command::Explain(args) => explain::print(&args, core, printer),
        Command::WhyNot(args) => explain::why_not(&args, core, printer),
        Command::Scan(args) => scan::print(&args, core, printer),
        Command::Config(args) => config::print(&args, core, printer),
        Command::Store(args) => store::print(&args, core, printer),
        Command::Backup(args) => backup::backup(&args, core, printer),
        Command::Restore(args) => backup::restore(&args, core, printer),
        Command::Export(args) => export::export(&args, core, printer),
        Command::Import(args) => export::import(&args, core, printer),
        Command::Wipe(args) => export::wipe(&args, core, printer),
        Command::Panic(args) => panic::run(&args, core, printer),
        Command::Conformance(args) => conformance::run(&args, core, printer),
        Command::Live(command) => live::run(&command, core),
        Command::ApiDoc | Command::Completions(_) | Command::Man(_) => {
            completions::describe(&command, core, printer)
        }
        Command::Limits(command) => limits::run(&command, core, printer),
        Command::LogLevel(args) => log_level::run(&args, core, printer),
        Command::Chaos(args) => chaos::run(&args, core, printer),
        Command::Verify(args) => verify::print(&args, core, printer),
        Command::VerifyTrades(args) => verify_trades::print(&args, core, printer),
        Command::Replay(args) => replay::print(&args, core, printer),
    }
}

/// Panics if the command line does not accept the command.
#[cfg(test)]
fn can_be_typed(command: &str) {
    if let Err(e) = Cli::try_parse_from(tests::words(command)) {
        panic!("{command}: {e}");
    }
}

#[cfg(test)]
mod tests;
