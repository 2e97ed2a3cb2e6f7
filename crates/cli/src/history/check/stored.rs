//! `everwarm history check` without a folder: the stored bars of a daemon, compared with its
//! journal.

use super::CheckArgs;
use crate::Core;
use crate::print::Printer;
use crate::progress::Progress;
use crate::remote::Remote;
use everwarm_config::CheckDepth;
use everwarm_domain::time::UtcMs;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::{Asked, HISTORY_CHECK, missing};
use everwarm_views::stored_history::{
    CheckedHistoryView, CheckedStoredView, HistoryProblemView, HistoryRepairView, OddStoredView,
};
use everwarm_words::text::{Table, count, instant, thousands};
use std::sync::Arc;

/// Findings of a kind that are printed as text.
const SHOWN: usize = 20;

/// Checks the stored bars, after a repair if that is requested.
pub fn run(args: &CheckArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let repair = args.repair.then(|| repaired(args, core)).transpose()?;
    let progress = Arc::new(Progress::begin("comparing the bars with the journal", !printer.quiet));
    let answer = args.ask.daemon_counted(core, &progress)?;
    let answer = answer.ask(&HISTORY_CHECK, &Asked::default())?;
    drop(progress);
    let view = CheckedHistoryView { repair, ..answer.read()? };
    if args.ask.json {
        printer.json(&view)?;
    } else {
        print(&view, printer)?;
    }
    Ok(if view.problems == 0 { Exit::Fine } else { Exit::Problems })
}

fn repaired(args: &CheckArgs, core: &Core) -> Result<HistoryRepairView, Failure> {
    let data_dir = args.ask.configuration(CheckDepth::Words)?.data_dir;
    if Remote::connect(&data_dir)?.is_some() {
        let text = "a running daemon uses the history; stop it first: everwarm stop";
        return Err(Failure::new(Exit::Held, text.to_owned()));
    }
    (core.repair_history)(&data_dir)
}

fn print(view: &CheckedHistoryView, printer: Printer) -> Result<(), Failure> {
    let mut lines: Vec<String> = view.repair.iter().flat_map(repair).collect();
    if !lines.is_empty() {
        printer.lines(&lines)?;
    }
    printer.table(&table(view))?;
    lines = view.found.iter().take(SHOWN).map(HistoryProblemView::line).collect();
    let more = view.problems.saturating_sub(SHOWN as u64);
    lines.extend((more > 0).then(|| format!("{} more; --json prints them", thousands(more))));
    let odd = view.odd.iter().take(SHOWN).map(|odd| {
        let OddStoredView { symbol, timeframe, open_time, what } = odd;
        format!("odd price: {symbol} {timeframe} at {}: {what}", instant(*open_time))
    });
    lines.extend(odd);
    let rows = count(view.compared, "row");
    let old = match view.uncompared {
        0 => String::new(),
        rows => {
            let rows = count(rows, "row");
            format!("; {rows} not compared: the journal does not keep their facts any more")
        }
    };
    lines.push(format!("{rows} of bars compared with the facts of the journal{old}"));
    lines.push(match view.problems {
        0 => "all stored bars are right".to_owned(),
        problems => format!("{} in the stored bars", count(problems, "problem")),
    });
    printer.lines(&lines).map(|_| ())
}

fn table(view: &CheckedHistoryView) -> Table {
    let heads = [
        "symbol",
        "width",
        ">good ranges",
        ">good bars",
        ">stored",
        "missing",
        "first (UTC)",
        "last (UTC)",
    ];
    let mut table = Table::new(&heads);
    let of = |good: u64, all: u64| format!("{}/{}", thousands(good), thousands(all));
    let time = |time: Option<UtcMs>| time.map_or_else(|| "-".to_owned(), instant);
    for row in &view.series {
        let CheckedStoredView { ranges, good_ranges, bars, good_bars, stored, expected, .. } = row;
        table.row(vec![
            row.symbol.to_string(),
            row.timeframe.to_string(),
            of(*good_ranges, *ranges),
            of(*good_bars, *bars),
            of(*stored, *expected),
            missing(&row.holes),
            time(row.from),
            time(row.to),
        ]);
    }
    table
}

fn repair(view: &HistoryRepairView) -> Vec<String> {
    let HistoryRepairView { quarantined, quarantine, from_facts, rebuilt, marked } = view;
    let all = [
        (quarantined, "row", format!("moved to {quarantine}")),
        (from_facts, "row", "written again from the journal".to_owned()),
        (rebuilt, "range", "made again from other stored bars".to_owned()),
        (marked, "range", "left to the next start, which fetches it again".to_owned()),
    ];
    let some = all.into_iter().filter(|(number, ..)| **number > 0);
    some.map(|(number, one, what)| format!("repaired: {} {what}", count(*number, one))).collect()
}
