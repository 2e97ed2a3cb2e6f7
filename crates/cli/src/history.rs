//! `everwarm history`: past bars of a source, files of bars, and the bars of a daemon.

mod check;
mod export;
mod keys;

use super::Core;
use super::backtest::time;
use super::query::Args;
use crate::print::Printer;
use crate::progress::Progress;
use clap::Subcommand;
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Price;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::fetched::{FetchedSeriesView, FetchedView};
use everwarm_views::questions::{HISTORY, HOLES};
use everwarm_words::text::{Table, count, instant, thousands};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

pub use keys::KeyFile;

/// Refused bars of a series that are printed.
const REFUSED_SHOWN: usize = 5;

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum History {
    /// Fetch past bars from a source into a folder that `run` and `backtest` read as a recording.
    /// It needs no daemon. Some sources need a key. Files that exist are extended.
    Fetch(FetchArgs),
    /// Check every row of a folder of bars, and what it lacks: bad rows, gaps, outages of its
    /// source, odd prices, wrong files. Without a folder, compare the stored bars of a daemon with
    /// its journal. Exit code 4: there is a problem. --repair moves bad rows to a quarantine and
    /// fetches what is missing.
    Check(check::CheckArgs),
    /// Write the bars of a daemon as files for SQL, one for each width and month. A file that
    /// exists is extended. Each file is read back before it replaces another.
    Export(export::ExportArgs),
    /// List the series of bars that a daemon has stored: how whole each is, how old, why bars are
    /// missing, and when strategies will have the bars that they need.
    Status(StatusArgs),
}

/// Flags of `history status`.
#[derive(Clone, Debug, clap::Args)]
pub struct StatusArgs {
    /// List every hole instead, with its state and what shows it.
    #[arg(long)]
    gaps: bool,
    #[command(flatten)]
    ask: Args,
}

/// Flags of `history fetch`.
#[derive(Clone, Debug, clap::Args)]
pub struct FetchArgs {
    /// Symbols, separated by commas: BTCUSDT,ETHUSDT.
    #[arg(long, value_name = "LIST", required = true, value_delimiter = ',')]
    #[arg(value_parser = |text: &str| Symbol::named(text))]
    symbols: Vec<Symbol>,
    /// Start: a UTC day, or a time like "2026-01-05 12:00".
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: UtcMs,
    /// The last close, written like --from [default: now].
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<UtcMs>,
    /// Widths of the bars, separated by commas: 1m, 5m, 15m, 1h, 4h or 1d. A recording is played
    /// from 1m.
    #[arg(long, value_name = "LIST", default_value = "1m", value_delimiter = ',')]
    #[arg(value_parser = |text: &str| text.parse::<Timeframe>())]
    timeframes: Vec<Timeframe>,
    /// Folder for the files SYMBOL_WIDTH.csv.gz and for recording.toml.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Name of the source. An unknown name prints all [default: the first of them].
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Address that serves the protocol of the source [default: the source's own].
    #[arg(long, value_name = "URL")]
    address: Option<String>,
    #[command(flatten)]
    keys: KeyFile,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The request to `history fetch`.
#[derive(Clone, Debug)]
pub struct FetchConfig {
    /// Name of the source; none: the first of all.
    pub source: Option<String>,
    /// Address that serves its protocol; none: its own.
    pub address: Option<String>,
    /// Where its key is, if it needs one.
    pub keys: KeyFile,
    /// The bars to fetch.
    pub wanted: Wanted,
    /// Folder of the files.
    pub out: PathBuf,
}

/// The bars to fetch.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// All bars of a time.
    Span {
        /// The series, sorted, each once.
        series: Vec<(Symbol, Timeframe)>,
        /// Start, UTC milliseconds.
        from: UtcMs,
        /// The last close, UTC milliseconds; none: now.
        to: Option<UtcMs>,
    },
    /// These bars only, to repair files. The folder gets no rules of instruments.
    Parts(Vec<WantedPart>),
}

/// Bars of one series that a repair needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedPart {
    /// The symbol.
    pub symbol: Symbol,
    /// Width of the bars.
    pub timeframe: Timeframe,
    /// Opening times of the first and the last one, UTC milliseconds.
    pub times: RangeInclusive<UtcMs>,
    /// Prices beside them, of which one is near; empty: none is known.
    pub near: Vec<Price>,
}

impl History {
    /// Whether it works with this machine alone.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            History::Fetch(_) => true,
            History::Check(args) => args.is_local(),
            History::Export(_) | History::Status(_) => false,
        }
    }
}

/// Runs the command.
pub fn run(command: &History, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    match command {
        History::Fetch(args) => fetch(args, core, printer),
        History::Check(args) => check::run(args, core, printer),
        History::Export(args) => export::run(args, core, printer),
        History::Status(StatusArgs { gaps, ask }) => {
            ask.print(core, printer, if *gaps { &HOLES } else { &HISTORY })
        }
    }
}

fn fetch(args: &FetchArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let widths = |symbol: &Symbol| args.timeframes.iter().map(|width| (*symbol, *width)).collect();
    let mut series: Vec<_> = args.symbols.iter().flat_map::<Vec<_>, _>(widths).collect();
    series.sort_unstable();
    series.dedup();
    let FetchArgs { source, address, keys, from, to, out, .. } = args.clone();
    let wanted = Wanted::Span { series, from, to };
    let asked = FetchConfig { source, address, keys, wanted, out };
    let shown: Mutex<Option<Progress>> = Mutex::new(None);
    let report = |done, all| {
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.get_or_insert_with(|| Progress::of("bars", all, !printer.quiet)).at(done);
    };
    let view = (core.fetch)(&asked, &report)?;
    drop(shown);
    let failed = view.series.iter().any(|series| series.error.is_some());
    if args.json {
        printer.json(&view)?;
    } else {
        print(&view, printer)?;
    }
    Ok(if failed { Exit::Failed } else { Exit::Fine })
}

fn print(view: &FetchedView, printer: Printer) -> Result<(), Failure> {
    let heads =
        ["symbol", "width", ">fetched", ">bars", "first (UTC)", "last (UTC)", ">missing", "file"];
    let mut table = Table::new(&heads);
    for series in &view.series {
        let FetchedSeriesView { symbol, timeframe, file, fetched, bars, missing, .. } = series;
        let time = |time: Option<UtcMs>| time.map_or_else(|| "-".to_owned(), instant);
        table.row(vec![
            symbol.to_string(),
            timeframe.to_string(),
            thousands(*fetched),
            thousands(*bars),
            time(series.first),
            time(series.last),
            thousands(*missing),
            file.display().to_string(),
        ]);
    }
    printer.table(&table)?;
    for series in &view.series {
        let of = format!("{} {}", series.symbol, series.timeframe);
        for why in series.refused.iter().take(REFUSED_SHOWN) {
            printer.note(&format!("{of}: left out: {why}"));
        }
        let more = series.refused.len().saturating_sub(REFUSED_SHOWN);
        if more > 0 {
            printer.note(&format!("{of}: left out: {} more", count(more as u64, "bar")));
        }
        if let Some(why) = &series.error {
            printer.note(&format!("{of}: {why}. The same command continues."));
        }
    }
    Ok(())
}
