//! `everwarm strategy`: writes the crate of an own strategy, and checks strategies.

mod new;

use super::Core;
use super::chaos::HERE;
use super::run::{put, sources};
use crate::print::Printer;
use clap::Subcommand;
use everwarm_config::{CheckDepth, Config, Given};
use everwarm_trading::strategy::check::{Outcome, Report};
use everwarm_trading::strategy::{kind, kinds};
use everwarm_views::exit::{Exit, Failure};
use everwarm_words::text::{Table, count, hang, instant};
use std::path::PathBuf;

/// Columns before the continuation of a long line.
const INDENT: usize = 2;
/// Most days that are played.
const DAYS_MAX: u64 = 4_000;

/// Subcommands of `strategy`.
#[derive(Clone, Debug, Subcommand)]
pub enum Strategy {
    /// Write a crate with a strategy of your own: it builds, passes its test and runs on simulated
    /// money.
    New(new::NewArgs),
    /// Check a strategy over bars, for look-ahead, chance, lost memory and missing exits. Exit code
    /// 4: a check failed.
    Check(CheckArgs),
}

/// Flags of `strategy check`.
#[derive(Clone, Debug, clap::Args)]
pub struct CheckArgs {
    /// A strategy of the configuration, a kind with its defaults, or a configuration file, of which
    /// every enabled strategy is checked.
    #[arg(value_name = "NAME|FILE")]
    target: String,
    /// Bars to play: a recording, or a file of bars of one minute [default: the synthetic market].
    #[arg(long, value_name = "FILE|DIR")]
    data: Option<PathBuf>,
    /// Configuration file with the strategy NAME.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Days to play, from the start of the bars.
    #[arg(long, value_name = "N", default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(1..=DAYS_MAX))]
    days: u64,
    /// Number of symbols, or their names: 8, or BTCUSD,ETHUSD [default: at most 8].
    #[arg(long, value_name = "N|LIST")]
    symbols: Option<String>,
    /// Seed of the synthetic market [default: 1].
    #[arg(long, value_name = "N")]
    seed: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The request to `strategy check`.
#[derive(Clone, Debug)]
pub struct StrategyCheckConfig {
    /// The configuration with the strategies. Its market is played, unless a file is.
    pub config: Config,
    /// The strategies.
    pub ids: Vec<String>,
    /// A file of bars of one minute.
    pub file: Option<PathBuf>,
    /// Days to play.
    pub days: usize,
}

/// Runs a subcommand.
pub fn run(command: &Strategy, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    match command {
        Strategy::New(args) => new::write(args, printer),
        Strategy::Check(args) => check(args, core, printer),
    }
}

fn check(args: &CheckArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let reports = (core.strategy_check)(&args.asked()?)?;
    let bad = reports.iter().any(Report::is_bad);
    if args.json {
        printer.json(&reports)?;
    } else {
        let lines = reports.iter().flat_map(|report| lines(report, printer.width));
        printer.lines(&lines.collect::<Vec<_>>())?;
    }
    Ok(if bad { Exit::Problems } else { Exit::Fine })
}

impl CheckArgs {
    /// Whether the target is a file, not a name.
    fn is_file(&self) -> bool {
        self.target.contains(['/', '.'])
    }

    /// The configuration, and the strategies that are checked.
    fn asked(&self) -> Result<StrategyCheckConfig, Failure> {
        let usage = |why: String| Failure::new(Exit::Usage, why);
        let own = PathBuf::from(&self.target);
        let file = if self.is_file() { Some(&own) } else { self.config.as_ref() };
        let days = usize::try_from(self.days).unwrap_or(usize::MAX);
        let asked = |config: Config, ids: Vec<String>| StrategyCheckConfig {
            config,
            ids,
            file: self.data.clone().filter(|data| !data.is_dir()),
            days,
        };
        let config = sources(file, self.given()).load(CheckDepth::World)?;
        let strategies = &config.settings.strategy.0;
        if self.is_file() {
            let enabled = strategies.iter().filter(|(_, one)| one.enabled);
            let ids: Vec<String> = enabled.map(|(id, _)| id.clone()).collect();
            let file = &self.target;
            if ids.is_empty() {
                let text = format!("{file}: no strategy is enabled; nothing is checked");
                return Err(usage(text));
            }
            return Ok(asked(config, ids));
        }
        let id = self.target.clone();
        if strategies.get(&id).is_some_and(|one| one.enabled) {
            return Ok(asked(config, vec![id]));
        }
        if kind(&id).is_none() {
            let known: Vec<&str> = kinds().map(|kind| kind.name).collect();
            let (ids, kinds) = (strategies.keys().cloned().collect::<Vec<_>>(), known.join(", "));
            let text = format!(
                "there is no strategy and no kind {id}; the strategies are {}, the kinds {kinds}. \
                 Name a file of yours: --config FILE",
                ids.join(", ")
            );
            return Err(usage(text));
        }
        // A strategy of this kind with its defaults.
        let mut given = self.given();
        for (member, value) in [("kind", id.as_str()), ("enabled", "true")] {
            let key = format!("strategy.{id}.{member}");
            put(&mut given, &key, "strategy check", Some(value.to_owned()));
        }
        Ok(asked(sources(file, given).load(CheckDepth::World)?, vec![id]))
    }

    /// The configuration keys that the flags and the command set.
    fn given(&self) -> Vec<Given> {
        let mut given = Vec::new();
        let recording = self.data.as_ref().filter(|data| data.is_dir());
        let recording = recording.map(|data| data.display().to_string());
        put(&mut given, "market.recording", "--data", recording);
        put(&mut given, "market.symbols", "--symbols", self.symbols.clone());
        put(&mut given, "market.seed", "--seed", self.seed.clone());
        for (key, value) in HERE.into_iter().chain([("market.pace", "lockstep")]) {
            put(&mut given, key, "strategy check", Some(value.to_owned()));
        }
        given
    }
}

/// A report as text.
fn lines(report: &Report, width: usize) -> Vec<String> {
    let Report { strategy, kind, closes, symbols, entries, exits, findings } = report;
    let of = if strategy == kind { String::new() } else { format!(" ({kind})") };
    let signals = format!("{} and {}", entry(*entries), count(*exits, "exit"));
    let played = format!("{} of {}", count(*closes, "close"), count(*symbols, "symbol"));
    let mut lines = vec![format!("{strategy}{of}: {signals} in {played}")];
    let mut table = Table::new(&["check", "result", "first at (UTC)"]);
    for one in findings {
        let time = one.time.map_or_else(|| "-".to_owned(), instant);
        table.row(vec![one.check.to_owned(), one.outcome.word().to_owned(), time]);
    }
    lines.extend(table.lines(width));
    lines.push(String::new());
    let notes = findings.iter().map(|one| format!("{}: {}", one.check, one.text));
    lines.extend(notes.flat_map(|note| hang(&note, INDENT, width)));
    let failed = findings.iter().filter(|one| one.outcome == Outcome::Failed).count();
    let result = if failed > 0 {
        format!("{} failed", count(failed as u64, "check"))
    } else {
        "no check failed".to_owned()
    };
    lines.extend([String::new(), format!("{strategy}: {result}"), String::new()]);
    lines
}

/// A number of entries.
fn entry(number: u64) -> String {
    if number == 1 { "1 entry".to_owned() } else { format!("{number} entries") }
}
