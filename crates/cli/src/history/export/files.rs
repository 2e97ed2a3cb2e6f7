//! Writes the files of an export.
//!
//! It asks for the bars of one symbol after the other, a page at a time, and keeps one file of each
//! month open. A page is short: the daemon reads the bars of all symbols in the time of a page.

use super::ExportArgs;
use crate::Core;
use crate::print::Printer;
use crate::progress::Progress;
use crate::query::Daemon;
use crate::sql_files;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::money::Price;
use everwarm_domain::time::{Timeframe, UtcMs, date_of, day_of};
use everwarm_history::page::Cursor;
use everwarm_parquet::{BarsWriter, Written};
use everwarm_runtime::files::Lock;
use everwarm_views::backup::failed;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::{Asked, BARS, SYMBOLS};
use everwarm_views::views::{BarView, SymbolView};
use everwarm_words::text::{Table, count, instant, thousands};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Bars of a page: a day of minutes.
const PAGE: usize = 1_440;

/// The files that an export wrote.
#[derive(Clone, Debug, Serialize)]
struct ExportedView {
    /// The folder.
    folder: PathBuf,
    /// The files, by width, then by month.
    files: Vec<ExportedFileView>,
}

/// One file.
#[derive(Clone, Debug, Serialize)]
struct ExportedFileView {
    /// Its path.
    file: PathBuf,
    /// Width of its bars.
    timeframe: Timeframe,
    /// Its month, UTC.
    month: String,
    /// Number of symbols.
    symbols: u64,
    /// Number of bars.
    bars: u64,
    /// Bars among them that an earlier export wrote and the daemon lacks.
    kept: u64,
    /// Its bytes.
    bytes: u64,
    /// The first opening time, UTC milliseconds.
    first: Option<UtcMs>,
    /// The last opening time, UTC milliseconds.
    last: Option<UtcMs>,
}

/// Exports the bars, and prints the files.
pub fn run(args: &ExportArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    if args.from.zip(args.to).is_some_and(|(from, to)| from >= to) {
        return Err(Failure::new(Exit::Usage, "--from must be before --to"));
    }
    let daemon = args.args.daemon(core)?;
    let symbols = symbols(args, &daemon)?;
    let _lock = lock(&args.out)?;
    let mut widths = args.timeframes.clone();
    if widths.is_empty() {
        widths.extend(Timeframe::ALL);
    }
    widths.sort_unstable();
    widths.dedup();
    let all = (symbols.len() * widths.len()) as u64;
    let progress = Progress::of("series", all, !printer.quiet);
    let mut files = Vec::new();
    for (width, place) in widths.iter().zip(0_u64..) {
        let mut months = Months::new(&args.out, *width);
        for (symbol, of_width) in symbols.iter().zip(0_u64..) {
            progress.at(place * symbols.len() as u64 + of_width);
            for bar in bars(args, &daemon, *symbol, *width)? {
                months.add(&bar)?;
            }
        }
        files.extend(months.finish()?);
    }
    drop(progress);
    let view = ExportedView { folder: args.out.clone(), files };
    if args.args.json {
        return printer.json(&view);
    }
    if view.files.is_empty() {
        printer.note("no bars there: nothing was written");
        return Ok(Exit::Fine);
    }
    printer.table(&table(&view))?;
    let bars: u64 = view.files.iter().map(|file| file.bars).sum();
    let files = count(view.files.len() as u64, "file");
    printer.note(&format!("{files} with {} bars; read back and verified", thousands(bars)));
    Ok(Exit::Fine)
}

/// Creates the folder and locks it: two exports would write the same files.
fn lock(out: &Path) -> Result<Lock, Failure> {
    let held = std::fs::create_dir_all(out).and_then(|()| Lock::folder(out));
    held.map_err(|e| failed(out, &e))?.ok_or_else(|| {
        let text = format!("{} is in use by another export. Wait until it ends", out.display());
        Failure::new(Exit::Failed, text)
    })
}

fn table(view: &ExportedView) -> Table {
    let heads = ["file", ">symbols", ">bars", ">kept", ">bytes", "first (UTC)", "last (UTC)"];
    let mut table = Table::new(&heads);
    for file in &view.files {
        let time = |time: Option<UtcMs>| time.map_or_else(|| "-".to_owned(), instant);
        table.row(vec![
            file.file.display().to_string(),
            thousands(file.symbols),
            thousands(file.bars),
            thousands(file.kept),
            thousands(file.bytes),
            time(file.first),
            time(file.last),
        ]);
    }
    table
}

/// The symbols, sorted, each once.
fn symbols(args: &ExportArgs, daemon: &Daemon) -> Result<Vec<Symbol>, Failure> {
    let mut symbols = args.symbols.clone();
    if symbols.is_empty() {
        let rows: Vec<SymbolView> = daemon.ask(&SYMBOLS, &Asked::default())?.read()?;
        symbols.extend(rows.iter().map(|row| row.symbol));
    }
    symbols.sort_unstable();
    symbols.dedup();
    Ok(symbols)
}

/// The bars of one series that were asked for, ascending.
fn bars(
    args: &ExportArgs,
    daemon: &Daemon,
    symbol: Symbol,
    width: Timeframe,
) -> Result<Vec<Bar>, Failure> {
    let series = Asked::default().with("symbol", Some(symbol)).with("timeframe", Some(width));
    let series = series.with("limit", Some(PAGE));
    // A bar that opens then closes after --to.
    let end = args.to.map(|to| to.saturating_sub(width.ms()).saturating_add(1));
    let mut before = end.map(Cursor::at);
    let mut found: Vec<Bar> = Vec::new();
    loop {
        let asked = series.clone().with("before", before.as_ref());
        let page: Vec<BarView> = daemon.ask(&BARS, &asked)?.read()?;
        let from = args.from.unwrap_or(UtcMs::MIN);
        let Some(first) = page.first().map(|row| row.open_time) else { break };
        for row in page.iter().rev().take_while(|row| row.open_time >= from) {
            found.push(bar(symbol, row).map_err(|why| {
                let text = format!("{symbol} {width} bar of {}: {why}", instant(row.open_time));
                Failure::new(Exit::Failed, text)
            })?);
        }
        if first <= from || page.len() < PAGE {
            break;
        }
        before = Some(Cursor::at(first));
    }
    found.reverse();
    Ok(found)
}

fn bar(symbol: Symbol, row: &BarView) -> Result<Bar, String> {
    let BarView { open_time, volume, .. } = *row;
    Ok(Bar {
        symbol,
        open_time,
        open: Price::exact(row.open)?,
        high: Price::exact(row.high)?,
        low: Price::exact(row.low)?,
        close: Price::exact(row.close)?,
        volume,
    })
}

/// The files of one width, one for each month.
struct Months {
    folder: PathBuf,
    width: Timeframe,
    open: BTreeMap<String, (PathBuf, BarsWriter)>,
}

impl Months {
    fn new(out: &Path, width: Timeframe) -> Months {
        Months { folder: out.join(width.name()), width, open: BTreeMap::new() }
    }

    fn add(&mut self, bar: &Bar) -> Result<(), Failure> {
        let date = date_of(day_of(bar.open_time));
        let month = date.get(..7).unwrap_or(&date);
        if let Some((_, file)) = self.open.get_mut(month) {
            return file.add(bar).map_err(|e| sql_files::failure(&e));
        }
        std::fs::create_dir_all(&self.folder).map_err(|e| failed(&self.folder, &e))?;
        let path = self.folder.join(format!("{month}.parquet"));
        let begun = BarsWriter::begin(&path, self.width);
        let mut file = begun.map_err(|e| {
            let Failure { exit, text, .. } = sql_files::failure(&e);
            let more =
                if path.exists() { "; or move it away and run the command again" } else { "" };
            Failure::new(exit, text + more)
        })?;
        file.add(bar).map_err(|e| sql_files::failure(&e))?;
        self.open.insert(month.to_owned(), (path, file));
        Ok(())
    }

    fn finish(self) -> Result<Vec<ExportedFileView>, Failure> {
        let timeframe = self.width;
        let finish = |(month, (path, file)): (String, (PathBuf, BarsWriter))| {
            let written = file.finish().map_err(|e| sql_files::failure(&e))?;
            let Written { symbols, bars, kept, bytes, first, last } = written;
            let file = path;
            Ok(ExportedFileView { file, timeframe, month, symbols, bars, kept, bytes, first, last })
        };
        self.open.into_iter().map(finish).collect()
    }
}
