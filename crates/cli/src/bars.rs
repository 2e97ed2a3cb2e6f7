//! `everwarm bars`: closed bars of a symbol.

use super::Core;
use super::query::ListArgs;
use crate::print::Printer;
use everwarm_domain::id::Symbol;
use everwarm_domain::time::Timeframe;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::{Asked, BARS};
use everwarm_views::views::BarView;
use everwarm_words::text::{count, instant};

/// Flags of `bars`.
#[derive(Clone, Debug, clap::Args)]
pub struct BarArgs {
    /// The symbol.
    #[arg(value_parser = |text: &str| Symbol::named(text))]
    symbol: Symbol,
    /// Width of the bars: 1m, 5m, 15m, 1h, 4h or 1d.
    #[arg(default_value = "1m", value_parser = |text: &str| text.parse::<Timeframe>())]
    timeframe: Timeframe,
    /// Print a file of a recording: all bars there are, or the newest of --limit.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    #[command(flatten)]
    list: ListArgs,
}

/// Prints bars, and a note for each gap between them.
pub fn print(args: &BarArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let (symbol, timeframe) = (args.symbol, args.timeframe);
    let width = Some(timeframe.name());
    let asked = Asked::default().with("symbol", Some(symbol)).with("timeframe", width);
    if args.csv || args.list.args.json {
        let asked = asked.with("limit", args.list.limit_or_all());
        let rows: Vec<BarView> = args.list.args.daemon(core)?.ask(&BARS, &asked)?.read()?;
        if args.csv {
            return printer.lines(&recording(&rows, timeframe)).map(|_| Exit::Fine);
        }
        // Commands print what the files hold: bars without indicators.
        let alone = rows.into_iter().map(|bar| BarView { indicators: None, ..bar });
        return printer.json(&alone.collect::<Vec<_>>());
    }
    args.list.print_with(core, printer, (&BARS, asked), |rows| {
        let times: Vec<i64> = rows.iter().filter_map(|row| row["open_time"].as_i64()).collect();
        let lacking = rows.iter().filter(|row| row["complete"] == false).count() as u64;
        if lacking > 0 {
            printer.note(&format!("{} with missing minutes", count(lacking, "bar")));
        }
        for (opened, missing) in gaps(&times, timeframe.ms()) {
            let bars = count(missing, "bar");
            printer.note(&format!("{bars} missing after {}", instant(opened)));
        }
    })
}

/// The gaps between bars: the time of the bar before the gap, and the number of missing bars.
fn gaps(times: &[i64], width: i64) -> impl Iterator<Item = (i64, u64)> {
    times.windows(2).filter_map(move |pair| {
        let missing = (pair[1] - pair[0]) / width - 1;
        u64::try_from(missing).ok().filter(|missing| *missing > 0).map(|n| (pair[0], n))
    })
}

/// The lines of a recording file. Those of wide bars have two columns more, which are empty where
/// nothing is known. Readers of recordings skip them.
fn recording(rows: &[BarView], timeframe: Timeframe) -> Vec<String> {
    let wide = timeframe != Timeframe::M1;
    let line = |bar: &BarView| {
        let BarView { open_time, open, high, low, close, volume, .. } = bar;
        let line = format!("{open_time},{open},{high},{low},{close},{volume}");
        if !wide {
            return line;
        }
        let minutes = bar.minutes.map_or(String::new(), |minutes| minutes.to_string());
        let complete = bar.complete.map_or("", |complete| if complete { "1" } else { "0" });
        format!("{line},{minutes},{complete}")
    };
    let more = if wide { ",minutes,complete" } else { "" };
    let head = format!("open_time,open,high,low,close,volume{more}");
    std::iter::once(head).chain(rows.iter().map(line)).collect()
}
