//! `everwarm backtest`.

use super::Core;
use super::chaos::HERE;
use super::run::{put, sources};
use crate::print::Printer;
use crate::progress::Progress;
use crate::sql_files;
use everwarm_config::{CheckDepth, Config, Given};
use everwarm_domain::money::Decimal;
use everwarm_domain::time::UtcMs;
use everwarm_runtime::files::write_whole;
use everwarm_views::backtest::{BacktestTradeView, BacktestView, DaemonResult, html};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::summary::Period;
use everwarm_words::text::{Table, count, hang, instant, instant_of, rounded, shell_word, signed};
use serde_json::json;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Newest trades that are printed as text.
const SHOWN: usize = 20;
/// Columns before the continuation of a long line.
const INDENT: usize = 2;

/// The request to `backtest`.
#[derive(Clone, Debug)]
pub struct BacktestConfig {
    /// The configuration of the daemon. Its market is played.
    pub config: Config,
    /// Data directory whose closes are played, instead of the market.
    pub journal: Option<PathBuf>,
    /// Start of the account, UTC milliseconds; none: that of the market. Bars before it are
    /// history.
    pub from: Option<UtcMs>,
    /// The last close; none: that of the market.
    pub to: Option<UtcMs>,
    /// File with the signals of external programs; none: those that the journal has.
    pub signals: Option<PathBuf>,
    /// File to write with the signals that the journal has.
    pub save_signals: Option<PathBuf>,
}

/// Flags that select what is played.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct PlayArgs {
    /// Recording to play: a folder of SYMBOL_1m.csv[.gz] [default: market.recording, else the
    /// synthetic market].
    #[arg(long, value_name = "DIR")]
    recording: Option<PathBuf>,
    /// File with base, quote, volume unit and filters of the recording [default: recording.toml in
    /// its folder].
    #[arg(long, value_name = "FILE")]
    recording_config: Option<PathBuf>,
    /// Play the closes of a daemon from its data directory, which no process may use. The account
    /// starts with the equity of the first close. `backtest` also prints what the daemon did.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["recording", "recording_config"])]
    journal: Option<PathBuf>,
    /// Number of symbols, or their names: 8, or BTCUSD,ETHUSD.
    #[arg(long, value_name = "N|LIST")]
    symbols: Option<String>,
    /// Seed of the exchange, and of the synthetic market [default: 1].
    #[arg(long, value_name = "N")]
    seed: Option<String>,
    /// Configuration file with strategies and limits. Its venue is not asked.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set a configuration key, like strategy.sma_cross.fast=20. May be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// Start of the account: a UTC day, or a time like "2026-01-05 12:00". Bars before it are
    /// history for the indicators.
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<UtcMs>,
    /// The last close, written like --from. The synthetic market needs it.
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<UtcMs>,
    /// File with signals of external programs: CSV with the columns of an API request, or JSON
    /// lines. Each arrives at its time [default: with --journal, those that the daemon received].
    #[arg(long, value_name = "FILE")]
    signals: Option<PathBuf>,
}

/// Flags of `backtest`.
#[derive(Clone, Debug, clap::Args)]
pub struct BacktestArgs {
    #[command(flatten)]
    play: PlayArgs,
    /// Play these two configuration files over the same bars, and print their results side by side.
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with_all = ["config", "html"])]
    compare: Vec<PathBuf>,
    /// Write a report with charts as one HTML file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write every trade as one file of Parquet.
    #[arg(long, value_name = "FILE", conflicts_with = "compare")]
    parquet: Option<PathBuf>,
    /// Write the signals of external programs that the daemon received as a file for --signals.
    #[arg(long, value_name = "FILE", requires = "journal")]
    #[arg(conflicts_with_all = ["compare", "signals"])]
    save_signals: Option<PathBuf>,
    /// Print JSON, with every trade.
    #[arg(long)]
    json: bool,
}

/// A key and its value, as `--set` takes them.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').map(|(key, value)| (key.trim(), value.trim()));
    let pair = pair.filter(|(key, _)| !key.is_empty());
    pair.map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| "write it like strategy.sma_cross.fast=20".to_owned())
}

/// A UTC day, or a time.
pub(super) fn time(text: &str) -> Result<UtcMs, String> {
    let day = || Period::day(text).ok().map(|day| day.from);
    instant_of(text)
        .or_else(day)
        .ok_or_else(|| "not a time; write it like 2026-01-05 or \"2026-01-05 12:00\"".to_owned())
}

/// Runs a backtest and prints its result.
pub fn run(args: &BacktestArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    if args.parquet.is_some() {
        sql_files::available()?;
    }
    if let [a, b] = &args.compare[..] {
        let views = [play(args, Some(a), core, printer)?, play(args, Some(b), core, printer)?];
        if args.json {
            let [a, b] = &views;
            return printer.json(&json!({ "a": a, "b": b }));
        }
        let heads = [a, b].map(|file| file.display().to_string());
        let results = [(&*heads[0], &views[0]), (&*heads[1], &views[1])];
        return printer.table(&side_by_side(&results));
    }
    let view = play(args, args.play.config.as_ref(), core, printer)?;
    if let Some(file) = &args.html {
        let no = |e: std::io::Error| everwarm_views::backup::failed(file, &e);
        write_whole(file, html::page(&view).as_bytes()).map_err(no)?;
        printer.note(&format!("{}: written", file.display()));
    }
    if let Some(file) = &args.parquet {
        sql_files::write_backtest(file, &view)?;
        let trades = count(view.trades.len() as u64, "trade");
        printer.note(&format!("{}: written, with {trades}", file.display()));
    }
    if args.json {
        return printer.json(&view);
    }
    printer.lines(&lines(&view, printer.width)).map(|_| Exit::Fine)
}

/// Plays a configuration.
fn play(
    args: &BacktestArgs,
    config: Option<&PathBuf>,
    core: &Core,
    printer: Printer,
) -> Result<BacktestView, Failure> {
    let save_signals = args.save_signals.clone();
    let asked = BacktestConfig { save_signals, ..args.play.of(config, &[])? };
    let view = played(&asked, core, printer)?;
    if let Some(file) = &asked.save_signals {
        printer.note(&format!("{}: written", file.display()));
    }
    Ok(view)
}

/// Plays what was asked for, with its progress shown.
pub(super) fn played(
    asked: &BacktestConfig,
    core: &Core,
    printer: Printer,
) -> Result<BacktestView, Failure> {
    let shown: Mutex<Option<Progress>> = Mutex::new(None);
    let report = |done, all| {
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.get_or_insert_with(|| Progress::of("minutes", all, !printer.quiet)).at(done);
    };
    (core.backtest)(asked, &report)
}

/// Results side by side, each under its head.
pub(super) fn side_by_side(results: &[(&str, &BacktestView)]) -> Table {
    let heads: Vec<&str> = ["item"].into_iter().chain(results.iter().map(|of| of.0)).collect();
    let mut table = Table::new(&heads);
    let views: Vec<&BacktestView> = results.iter().map(|of| of.1).collect();
    for row in html::side_by_side(&views) {
        table.row(row);
    }
    table
}

impl PlayArgs {
    /// The closes of a data directory, from one time to another, with keys of its configuration
    /// changed.
    pub fn of_journal(
        data_dir: PathBuf,
        config: Option<PathBuf>,
        set: Vec<(String, String)>,
        (from, to): (Option<UtcMs>, Option<UtcMs>),
    ) -> PlayArgs {
        PlayArgs { journal: Some(data_dir), config, set, from, to, ..PlayArgs::default() }
    }

    /// What the flags select.
    pub fn asked(&self) -> Result<BacktestConfig, Failure> {
        self.of(self.config.as_ref(), &[])
    }

    /// The configuration with these keys changed.
    pub fn with(&self, keys: &[(&str, &str)]) -> Result<Config, Failure> {
        Ok(self.of(self.config.as_ref(), keys)?.config)
    }

    fn of(&self, file: Option<&PathBuf>, keys: &[(&str, &str)]) -> Result<BacktestConfig, Failure> {
        let (from, to) = (self.from, self.to);
        if from.zip(to).is_some_and(|(from, to)| from >= to) {
            return Err(Failure::new(Exit::Usage, "--from must be before --to"));
        }
        let config = sources(file, self.given(keys)).load(CheckDepth::World)?;
        let (journal, signals) = (self.journal.clone(), self.signals.clone());
        Ok(BacktestConfig { config, journal, from, to, signals, save_signals: None })
    }

    /// The configuration keys that the flags, a grid and `backtest` set. Of several values of a
    /// key, the last one counts: `--set` wins over other flags, a grid over `--set`, and what
    /// `backtest` fixes over all.
    fn given(&self, grid: &[(&str, &str)]) -> Vec<Given> {
        let mut given = Vec::new();
        let path = |path: &Option<PathBuf>| path.as_ref().map(|p| p.display().to_string());
        put(&mut given, "market.recording", "--recording", path(&self.recording));
        let description = path(&self.recording_config);
        put(&mut given, "market.recording_config", "--recording-config", description);
        put(&mut given, "market.symbols", "--symbols", self.symbols.clone());
        put(&mut given, "market.seed", "--seed", self.seed.clone());
        for (key, value) in &self.set {
            put(&mut given, key, "--set", Some(value.clone()));
        }
        for (key, value) in grid {
            put(&mut given, key, "--grid", Some((*value).to_owned()));
        }
        // The time of the wall clock would start the synthetic market elsewhere at each run.
        for (key, value) in HERE.into_iter().chain([("market.pace", "lockstep")]) {
            put(&mut given, key, "backtest", Some(value.to_owned()));
        }
        given
    }

    /// The flags as words of a shell.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut add = |flag: &str, value: Option<String>| {
            words.extend(value.map(|value| format!("{flag} {}", shell_word(&value))));
        };
        let path = |path: &Option<PathBuf>| path.as_ref().map(|p| p.display().to_string());
        add("--recording", path(&self.recording));
        add("--recording-config", path(&self.recording_config));
        add("--journal", path(&self.journal));
        add("--symbols", self.symbols.clone());
        add("--seed", self.seed.clone());
        add("--config", path(&self.config));
        for (key, value) in &self.set {
            add("--set", Some(format!("{key}={value}")));
        }
        add("--from", self.from.map(|time| time.to_string()));
        add("--to", self.to.map(|time| time.to_string()));
        add("--signals", path(&self.signals));
        words
    }
}

/// The report as text.
fn lines(view: &BacktestView, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    if !view.trades.is_empty() {
        let mut table = Table::new(&[
            "closed (UTC)",
            "symbol",
            "strategy",
            ">entry",
            ">exit",
            ">profit",
            "why it was sold",
        ]);
        let older = view.trades.len().saturating_sub(SHOWN);
        for trade in &view.trades[older..] {
            table.row(row(trade));
        }
        lines.extend(table.lines(width));
        if older > 0 {
            lines.push(format!("the newest {SHOWN} of {} trades", view.trades.len()));
        }
        lines.push(String::new());
    }
    for (title, rows) in [
        ("strategy", &view.strategies),
        ("symbol", &view.symbols),
        ("regime at the entry", &view.regimes),
    ] {
        if rows.is_empty() {
            continue;
        }
        let heads =
            [title, ">trades", ">won", ">profit", ">per trade", ">profit factor", ">minutes"];
        let mut table = Table::new(&heads);
        for row in html::results(rows) {
            table.row(row.into());
        }
        lines.extend(table.lines(width));
        lines.push(String::new());
    }
    if let Some(DaemonResult::Traded(daemon)) = &view.daemon {
        let results = [("played", view), ("the daemon", &**daemon)];
        lines.extend(side_by_side(&results).lines(width));
    } else {
        let mut table = Table::new(&["item", "value"]);
        for row in html::facts(view) {
            table.row(row.into());
        }
        lines.extend(table.lines(width).into_iter().skip(1));
    }
    let notes = html::notes(view);
    if !notes.is_empty() {
        lines.push(String::new());
        lines.extend(notes.iter().flat_map(|note| hang(note, INDENT, width)));
    }
    lines.push(String::new());
    let (closes, bars) = (count(view.closes, "close"), count(view.bars, "bar"));
    let (from, to) = (instant(view.from), instant(view.to));
    lines.push(format!("{closes} with {bars}, from {from} to {to}"));
    lines
}

fn row(trade: &BacktestTradeView) -> Vec<String> {
    let price = |price: Option<Decimal>| price.map_or_else(|| "-".to_owned(), rounded);
    vec![
        instant(trade.closed),
        trade.symbol.to_string(),
        trade.strategy.clone(),
        price(trade.entry),
        price(trade.exit),
        signed(trade.profit),
        trade.exit_reason.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_and_a_time_are_read_or_refused_with_an_example() {
        let of = |text| pair(text).unwrap();
        assert_eq!(of("a.b = 5%"), ("a.b".to_owned(), "5%".to_owned()));
        assert_eq!(of("a.b=x=y").1, "x=y");
        assert!(pair("a.b").unwrap_err().contains("strategy.sma_cross.fast=20"));
        assert!(pair("=5").is_err());
        assert_eq!(time("2026-01-05"), Ok(1_767_571_200_000));
        assert_eq!(time("2026-01-05 00:01"), Ok(1_767_571_260_000));
        assert!(time("yesterday").unwrap_err().contains("2026-01-05"));
    }
}
