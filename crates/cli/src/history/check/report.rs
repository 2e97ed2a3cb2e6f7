//! Prints a check of a folder of bars.

use crate::print::Printer;
use everwarm_domain::time::UtcMs;
use everwarm_views::checked_bars::{
    CheckedBarsView, CheckedSeriesView, OddPriceView, OutageView, RepairView, RepairedSeriesView,
};
use everwarm_views::exit::Failure;
use everwarm_words::text::{Table, count, instant, thousands};

/// Findings of a kind that are printed as text.
const SHOWN: usize = 20;
/// Bad rows of a file that are printed as text.
const ROWS_SHOWN: usize = 5;

/// Prints tables and findings.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(view: &CheckedBarsView, printer: Printer) -> Result<(), Failure> {
    if let Some(repair) = &view.repair {
        self::repair(repair, printer)?;
    }
    printer.table(&table(view))?;
    let outages = view.outages.iter().map(|OutageView { timeframe, gap, series }| {
        let (bars, symbols) = (count(gap.bars, "bar"), count(*series, "symbol"));
        let (from, to) = (instant(gap.from), instant(gap.to));
        format!("outage: all {symbols} of {timeframe} lack {bars}, from {from} to {to}")
    });
    let holes = view.series.iter().flat_map(|series| {
        let CheckedSeriesView { symbol, timeframe, holes, .. } = series;
        holes.iter().map(move |gap| {
            let (bars, from, to) = (count(gap.bars, "bar"), instant(gap.from), instant(gap.to));
            format!("hole: {symbol} {timeframe} lacks {bars}, from {from} to {to}")
        })
    });
    let odd = view.odd.iter().map(|OddPriceView { symbol, timeframe, open_time, what }| {
        format!("odd price: {symbol} {timeframe} at {}: {what}", instant(*open_time))
    });
    let wrong = view.wrong.iter().map(|why| format!("wrong: {why}"));
    let mut lines: Vec<String> = view.series.iter().flat_map(bad_rows).collect();
    for findings in [outages.collect::<Vec<_>>(), holes.collect(), odd.collect(), wrong.collect()] {
        let more = findings.len().saturating_sub(SHOWN) as u64;
        lines.extend(findings.into_iter().take(SHOWN));
        lines.extend((more > 0).then(|| format!("{} more; --json prints all", thousands(more))));
    }
    printer.lines(&lines).map(|_| ())
}

fn table(view: &CheckedBarsView) -> Table {
    let mut table = Table::new(&[
        "symbol",
        "width",
        ">good rows",
        ">whole",
        ">gaps",
        ">longest",
        ">known",
        ">no volume",
        "first (UTC)",
        "last (UTC)",
    ]);
    let time = |time: Option<UtcMs>| time.map_or_else(|| "-".to_owned(), instant);
    for series in &view.series {
        let longest = series.gaps.iter().map(|gap| gap.bars).max().unwrap_or(0);
        table.row(vec![
            series.symbol.to_string(),
            series.timeframe.to_string(),
            format!("{}/{}", thousands(series.good), thousands(series.rows)),
            thousands(series.whole),
            thousands(series.gaps.len() as u64),
            thousands(longest),
            thousands(series.known),
            thousands(series.without_volume),
            time(series.first),
            time(series.last),
        ]);
    }
    table
}

/// The first bad rows of a file, and the counts of all.
fn bad_rows(series: &CheckedSeriesView) -> Vec<String> {
    let CheckedSeriesView { file, bad, counts, .. } = series;
    let file = file.display();
    let first = bad.iter().take(ROWS_SHOWN);
    let mut lines: Vec<String> =
        first.map(|row| format!("bad row: {file}:{}: {}", row.line, row.why)).collect();
    let all: u64 = counts.values().sum();
    if all > ROWS_SHOWN as u64 {
        let counts: Vec<String> =
            counts.iter().map(|(kind, rows)| format!("{} {kind}", thousands(*rows))).collect();
        let rows = count(all, "bad row");
        lines.push(format!("{file}: {rows}: {}; --json prints more", counts.join(", ")));
    }
    lines
}

fn repair(view: &RepairView, printer: Printer) -> Result<(), Failure> {
    let mut lines = Vec::new();
    for series in &view.series {
        let RepairedSeriesView { symbol, timeframe, quarantined, quarantine, .. } = series;
        let RepairedSeriesView { added, confirmed, none, refused, .. } = series;
        let of = format!("{symbol} {timeframe}");
        if *quarantined > 0 {
            let (rows, file) = (count(*quarantined, "row"), quarantine.display());
            lines.push(format!("repaired: {of}: {rows} moved to {file}"));
        }
        if let Some(old) = &series.damaged {
            let old = old.display();
            let how = "Fetch the bars after the last one: everwarm history fetch";
            lines.push(format!(
                "repaired: {of}: its end is unreadable. The old file is {old}. {how}"
            ));
        }
        let source = &view.source;
        for (number, what) in [
            (added, format!("added from {source}")),
            (confirmed, format!("confirmed by {source}")),
            (none, format!("missing at {source}, too")),
        ] {
            if *number > 0 {
                lines.push(format!("repaired: {of}: {} {what}", count(*number, "bar")));
            }
        }
        let first = refused.iter().take(ROWS_SHOWN);
        lines.extend(first.map(|why| format!("refused: {of}: {why}")));
        if refused.len() > ROWS_SHOWN {
            let all = count(refused.len() as u64, "request");
            lines.push(format!("refused: {of}: {all} had no acceptable response"));
        }
    }
    printer.lines(&lines).map(|_| ())
}
