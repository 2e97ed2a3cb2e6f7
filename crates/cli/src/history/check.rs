//! `everwarm history check`: what a folder of bars holds, and what it lacks.

use crate::print::Printer;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_history::gaps::{self, Odd, Times, bars_of};
use everwarm_sim::market::read_bars;
use everwarm_views::checked_bars::{
    CheckedBarsView, CheckedSeriesView, GapView, OddPriceView, OutageView,
};
use everwarm_views::exit::{Exit, Failure};
use everwarm_words::text::{Table, count, instant, thousands};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Findings of a kind that are printed as text.
const SHOWN: usize = 20;

/// Flags of `history check`.
#[derive(Clone, Debug, clap::Args)]
pub struct CheckArgs {
    /// Folder of SYMBOL_WIDTH.csv[.gz]. Widths: 1m, 5m, 15m, 1h, 4h or 1d.
    folder: PathBuf,
    /// Print JSON, with every gap.
    #[arg(long)]
    json: bool,
}

/// Checks the files of a folder.
pub fn run(args: &CheckArgs, printer: Printer) -> Result<Exit, Failure> {
    let view = check(&args.folder)?;
    if args.json {
        printer.json(&view)?;
    } else {
        print(&view, printer)?;
    }
    let fine = view.wrong.is_empty() && view.outages.is_empty() && view.odd.is_empty();
    Ok(if fine { Exit::Fine } else { Exit::Problems })
}

/// The files with bars, by symbol and width.
fn files(folder: &Path) -> Result<Vec<(Symbol, Timeframe, PathBuf)>, Failure> {
    let no = |e: std::io::Error| everwarm_views::backup::failed(folder, &e);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(no)? {
        let path = entry.map_err(no)?.path();
        files.extend(series_of(&path).map(|(symbol, width)| (symbol, width, path)));
    }
    if files.is_empty() {
        let text = format!("{} holds no file named SYMBOL_WIDTH.csv[.gz]", folder.display());
        return Err(Failure::new(Exit::Usage, text));
    }
    files.sort();
    Ok(files)
}

/// The symbol and the width in the name of a file.
fn series_of(path: &Path) -> Option<(Symbol, Timeframe)> {
    let name = path.file_name()?.to_str()?;
    let stem = name.strip_suffix(".gz").unwrap_or(name).strip_suffix(".csv")?;
    let (symbol, width) = stem.rsplit_once('_')?;
    Some((Symbol::named(symbol).ok()?, width.parse().ok()?))
}

fn check(folder: &Path) -> Result<CheckedBarsView, Failure> {
    let mut view = CheckedBarsView {
        series: Vec::new(),
        outages: Vec::new(),
        odd: Vec::new(),
        wrong: Vec::new(),
    };
    let mut opens: BTreeMap<Timeframe, Vec<Vec<UtcMs>>> = BTreeMap::new();
    let files = files(folder)?;
    for pair in files.windows(2) {
        let [(symbol, width, first), (.., second)] = pair else { continue };
        if (symbol, width) == (&pair[1].0, &pair[1].1) {
            let (first, second) = (first.display(), second.display());
            view.wrong.push(format!("{first}, {second}: the same series. Remove one."));
        }
    }
    for (symbol, timeframe, file) in files {
        match read_bars(&file, usize::MAX) {
            Ok((bars, notices)) => {
                view.wrong.extend(notices.iter().map(ToString::to_string));
                // The day of a session begins at its own midnight.
                let time = |bar: &Bar| match timeframe {
                    Timeframe::D1 => timeframe.open_of(bar.open_time),
                    Timeframe::M1
                    | Timeframe::M5
                    | Timeframe::M15
                    | Timeframe::H1
                    | Timeframe::H4 => bar.open_time,
                };
                let times: Vec<UtcMs> = bars.iter().map(time).collect();
                if let Some(off) = times.iter().find(|time| *time % timeframe.ms() != 0) {
                    let at = instant(*off);
                    let file = file.display();
                    view.wrong.push(format!("{file}: no bar of {timeframe} opens at {at}"));
                    continue;
                }
                view.series.extend(series((symbol, timeframe), file, &bars, &times));
                view.odd.extend(odd((symbol, timeframe), &bars));
                opens.entry(timeframe).or_default().push(times);
            }
            Err(why) => view.wrong.push(why.to_string()),
        }
    }
    for (timeframe, all) in &opens {
        let all: Vec<&[UtcMs]> = all.iter().map(Vec::as_slice).collect();
        let width = timeframe.ms();
        view.outages.extend(gaps::outages(&all, width).iter().map(|(times, series)| {
            let series = *series as u64;
            OutageView { timeframe: *timeframe, gap: gap(times, width), series }
        }));
    }
    Ok(view)
}

fn gap(times: &Times, width: UtcMs) -> GapView {
    let bars = u64::try_from(bars_of(times, width)).unwrap_or(0);
    GapView { from: *times.start(), to: *times.end(), bars }
}

fn series(
    (symbol, timeframe): (Symbol, Timeframe),
    file: PathBuf,
    bars: &[Bar],
    times: &[UtcMs],
) -> Option<CheckedSeriesView> {
    let width = timeframe.ms();
    let (first, last) = (*times.first()?, *times.last()?);
    let gaps = gaps::gaps(times, width);
    Some(CheckedSeriesView {
        symbol,
        timeframe,
        file,
        bars: bars.len() as u64,
        whole: gap(&(first..=last), width).bars,
        first,
        last,
        gaps: gaps.iter().map(|times| gap(times, width)).collect(),
        without_volume: bars.iter().filter(|bar| bar.volume.is_zero()).count() as u64,
    })
}

fn odd(
    (symbol, timeframe): (Symbol, Timeframe),
    bars: &[Bar],
) -> impl Iterator<Item = OddPriceView> {
    gaps::odd(bars).into_iter().map(move |(open_time, odd)| {
        let what = match odd {
            Odd::Jump { from, to } => format!("opens at {to} after a close of {from}"),
            Odd::Body { open, close } => format!("goes from {open} to {close} in one bar"),
            Odd::High(high) => format!("its high {high} is far above open and close"),
            Odd::Low(low) => format!("its low {low} is far below open and close"),
        };
        OddPriceView { symbol, timeframe, open_time, what }
    })
}

fn print(view: &CheckedBarsView, printer: Printer) -> Result<(), Failure> {
    let mut table = Table::new(&[
        "symbol",
        "width",
        ">bars",
        ">whole",
        ">gaps",
        ">longest",
        ">no volume",
        "first (UTC)",
        "last (UTC)",
    ]);
    for series in &view.series {
        let longest = series.gaps.iter().map(|gap| gap.bars).max().unwrap_or(0);
        table.row(vec![
            series.symbol.to_string(),
            series.timeframe.to_string(),
            thousands(series.bars),
            thousands(series.whole),
            thousands(series.gaps.len() as u64),
            thousands(longest),
            thousands(series.without_volume),
            instant(series.first),
            instant(series.last),
        ]);
    }
    printer.table(&table)?;
    let outages = view.outages.iter().map(|OutageView { timeframe, gap, series }| {
        let (bars, symbols) = (count(gap.bars, "bar"), count(*series, "symbol"));
        let (from, to) = (instant(gap.from), instant(gap.to));
        format!("outage: all {symbols} of {timeframe} lack {bars}, from {from} to {to}")
    });
    let odd = view.odd.iter().map(|OddPriceView { symbol, timeframe, open_time, what }| {
        format!("odd price: {symbol} {timeframe} at {}: {what}", instant(*open_time))
    });
    let wrong = view.wrong.iter().map(|why| format!("wrong: {why}"));
    let mut lines = Vec::new();
    for findings in [outages.collect::<Vec<_>>(), odd.collect(), wrong.collect()] {
        let more = findings.len().saturating_sub(SHOWN) as u64;
        lines.extend(findings.into_iter().take(SHOWN));
        lines.extend((more > 0).then(|| format!("{} more; --json prints all", thousands(more))));
    }
    printer.lines(&lines).map(|_| ())
}
