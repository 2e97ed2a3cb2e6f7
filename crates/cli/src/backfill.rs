//! `everwarm backfill`.

use super::Core;
use super::query::{Args, silent};
use crate::print::Printer;
use crate::progress::Progress;
use crate::remote::Remote;
use everwarm_api::Token;
use everwarm_config::CheckDepth;
use everwarm_domain::id::Symbol;
use everwarm_domain::time::Timeframe;
use everwarm_views::backfill::{
    BackfillRequest, BackfillSeriesView, BackfillState, BackfillView, LackView,
};
use everwarm_views::changes::BACKFILL as BEGIN;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::{Asked, BACKFILL, Json};
use everwarm_words::text::{Table, count, instant, thousands, took};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Wall time between two questions about the progress.
const LOOK: Duration = Duration::from_millis(300);
/// Series that a table shows one by one. More are summed by width.
const SHOWN: usize = 40;
/// Series that are not whole and are named.
const NAMED: usize = 10;

/// Flags of `backfill`.
#[derive(Clone, Debug, clap::Args)]
pub struct BackfillArgs {
    /// Days before now [default: history.days].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3_650))]
    days: Option<u32>,
    /// Widths of the bars, separated by commas [default: history.timeframes].
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    #[arg(value_parser = |text: &str| text.parse::<Timeframe>())]
    timeframes: Vec<Timeframe>,
    /// Symbols, separated by commas [default: those that are traded].
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with = "universe")]
    #[arg(value_parser = |text: &str| Symbol::named(text))]
    symbols: Vec<Symbol>,
    /// All symbols that the venue trades in the quote asset, without excluded ones.
    #[arg(long)]
    universe: bool,
    /// Fetch all bars again, also those that are stored. What stages were given stays as it is.
    #[arg(long)]
    force: bool,
    /// Show what would be fetched, and fetch nothing.
    #[arg(long)]
    plan: bool,
    #[command(flatten)]
    args: Args,
}

/// Runs the command.
pub fn run(args: &BackfillArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let BackfillArgs { days, timeframes, symbols, universe, force, plan, args } = args.clone();
    let scope = everwarm_views::backfill::BackfillScope::Days;
    let word = BackfillRequest { scope, days, timeframes, symbols, universe, force, plan };
    let view = carry_out(&args, &word, core, printer)?;
    let exit = if view.state == BackfillState::Failed { Exit::Problems } else { Exit::Fine };
    if args.json {
        return printer.json(&view).map(|_| exit);
    }
    print(&view, printer)?;
    Ok(exit)
}

/// Carries out a request: the running daemon does, or this process if none runs.
///
/// # Errors
/// It is refused, or there is neither a daemon nor a usable directory.
pub fn carry_out(
    args: &Args,
    word: &BackfillRequest,
    core: &Core,
    printer: Printer,
) -> Result<BackfillView, Failure> {
    let shown: Mutex<Option<Progress>> = Mutex::new(None);
    let report = |view: &BackfillView| {
        if view.bars == 0 {
            return;
        }
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = shown.get_or_insert_with(|| Progress::of("", view.bars, !printer.quiet));
        shown.name(now(view));
        shown.at(view.bars_done);
    };
    let config = args.configuration(CheckDepth::Secrets)?;
    let view = if let Some(remote) = Remote::connect(&config.data_dir)? {
        let token = Token::find(config.token.as_ref(), &config.data_dir)?;
        follow(&remote, token.as_ref(), word, &report)?
    } else {
        let config = args.configuration(CheckDepth::World)?;
        (core.backfill)(&config, word, &report).map_err(silent)?
    };
    drop(shown);
    match &view.error {
        Some(why) if view.rows.is_empty() => Err(Failure::new(Exit::Failed, why.clone())),
        Some(_) | None => Ok(view),
    }
}

/// Requests a backfill from the running daemon, and follows it to its end.
fn follow(
    remote: &Remote,
    token: Option<&Token>,
    word: &BackfillRequest,
    report: &dyn Fn(&BackfillView),
) -> Result<BackfillView, Failure> {
    let asked = Asked::default();
    let begun = remote.change(&BEGIN, &asked, Json::of(word)?, token)?;
    let run = begun.read::<BackfillView>()?.run;
    loop {
        let view: BackfillView = remote.ask(&BACKFILL, &asked)?.read()?;
        if view.run != run {
            let text = "the daemon was restarted, or another backfill has begun. What was fetched \
                        is stored: the same command continues";
            return Err(Failure::new(Exit::Failed, text));
        }
        if view.state.is_over() {
            return Ok(view);
        }
        report(&view);
        std::thread::park_timeout(LOOK);
    }
}

/// The words before the progress bar.
fn now(view: &BackfillView) -> String {
    let (done, all) = (thousands(view.series_done), thousands(view.series));
    let left = view.left_ms().map_or_else(String::new, |ms| {
        format!(", {} left", took(Duration::from_millis(ms / 1_000 * 1_000)))
    });
    format!(
        "{done} of {all} series, {} bars a second{left}, budget {} %, bars",
        thousands(view.rate()),
        view.budget_used_percent
    )
}

fn print(view: &BackfillView, printer: Printer) -> Result<(), Failure> {
    let planned = view.state == BackfillState::Planned;
    if view.rows.len() <= SHOWN {
        printer.table(&series(&view.rows, planned))?;
    } else {
        printer.table(&widths(&view.rows, planned))?;
    }
    let failed: Vec<&BackfillSeriesView> =
        view.rows.iter().filter(|row| row.error.is_some()).collect();
    for row in failed.iter().take(NAMED) {
        let why = row.error.as_deref().unwrap_or_default();
        printer.note(&format!("{} {}: {why}", row.symbol, row.timeframe));
    }
    if failed.len() > NAMED {
        printer.note(&format!("{} more series are not whole", failed.len() - NAMED));
    }
    if !failed.is_empty() {
        printer.note("What was fetched is stored. The same command continues.");
    }
    printer.lines(&[sentence(view)]).map(drop)
}

/// The result in one sentence.
pub fn sentence(view: &BackfillView) -> String {
    if view.state != BackfillState::Planned {
        let (fetched, series) = (count(view.fetched, "bar"), thousands(view.series));
        let time = took(Duration::from_millis(view.took_ms));
        return format!("{fetched} of {series} series fetched in {time}");
    }
    if view.requests == 0 {
        return "nothing is missing".to_owned();
    }
    let time = view.estimate_ms.filter(|ms| *ms >= 1_000).map_or_else(String::new, |ms| {
        format!(", at least {} by the limits of the venue", took(Duration::from_millis(ms)))
    });
    let (bars, requests) = (count(view.bars, "bar"), count(view.requests, "request"));
    format!("{bars} are missing: at most {requests}{time}. Nothing was fetched.")
}

fn series(rows: &[BackfillSeriesView], planned: bool) -> Table {
    let heads: &[&str] = if planned {
        &["symbol", "width", ">stored", ">missing", ">requests", "from (UTC)", "to (UTC)", ""]
    } else {
        &["symbol", "width", ">stored", ">fetched", ">not at the venue", "from (UTC)", "to (UTC)"]
    };
    let mut table = Table::new(heads);
    for row in rows {
        let mut cells =
            vec![row.symbol.to_string(), row.timeframe.to_string(), thousands(row.have)];
        let times = [instant(row.from), instant(row.to)];
        if planned {
            cells.extend([thousands(row.missing), thousands(row.pages)]);
            cells.extend(times);
            cells.push(words(row));
        } else {
            cells.extend([thousands(row.fetched), thousands(row.none)]);
            cells.extend(times);
        }
        table.row(cells);
    }
    table
}

/// Why a series is requested, in words.
pub fn words(row: &BackfillSeriesView) -> String {
    let needed = if row.needed > 0 && row.lack != LackView::Whole {
        format!(", {} needed", thousands(row.needed))
    } else {
        String::new()
    };
    format!("{}{needed}", row.lack.words())
}

fn widths(rows: &[BackfillSeriesView], planned: bool) -> Table {
    let head = if planned { ">requests" } else { ">fetched" };
    let last = if planned { ">missing" } else { ">not at the venue" };
    let mut table = Table::new(&["width", ">series", ">stored", head, last]);
    let mut sums: BTreeMap<Timeframe, [u64; 4]> = BTreeMap::new();
    for row in rows {
        let sum = sums.entry(row.timeframe).or_default();
        let more = if planned {
            [1, row.have, row.pages, row.missing]
        } else {
            [1, row.have, row.fetched, row.none]
        };
        sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    }
    for (width, sum) in sums.iter().rev() {
        let cells = sum.iter().map(|sum| thousands(*sum));
        table.row(std::iter::once(width.to_string()).chain(cells).collect());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_progress_names_series_rate_time_and_budget() {
        let view = BackfillView {
            series: 32,
            series_done: 3,
            bars: 40_000,
            bars_done: 10_000,
            took_ms: 2_000,
            budget_used_percent: 45,
            ..BackfillView::default()
        };
        assert_eq!(
            now(&view),
            format!(
                "3 of 32 series, 5,000 bars a second, {} left, budget 45 %, bars",
                took(Duration::from_secs(6))
            )
        );
    }

    #[test]
    fn a_plan_says_what_it_costs() {
        let state = BackfillState::Planned;
        let mut view = BackfillView { state, ..BackfillView::default() };
        assert_eq!(sentence(&view), "nothing is missing");
        (view.bars, view.requests, view.estimate_ms) = (24_000, 24, Some(6_000));
        let text = sentence(&view);
        assert!(
            text.starts_with("24,000 bars are missing: at most 24 requests, at least"),
            "{text}"
        );
        assert!(text.ends_with("Nothing was fetched."), "{text}");
    }
}
