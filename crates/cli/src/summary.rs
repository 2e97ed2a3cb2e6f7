//! `everwarm summary`.

use super::{Core, query};
use crate::print::Printer;
use everwarm_runtime::files::write_whole;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::{Asked, FILLS, ORDERS, SUMMARY, TRADES};
use everwarm_views::summary::{Made, Period, SummaryView, csv, html};
use everwarm_views::views::{FillView, OrderView, TradeView};
use everwarm_words::text::{Table, count, hang, instant, signed, thousands};
use std::path::PathBuf;

/// Number of problems and gaps printed as text.
const SHOWN: usize = 10;
/// Columns before the continuation of a long line: the width of a time.
const INDENT: usize = 18;

/// Flags of `summary`.
#[derive(Clone, Debug, clap::Args)]
pub struct SummaryArgs {
    /// A UTC day, like 2026-01-05 [default: the day of the newest close].
    #[arg(value_name = "DATE", value_parser = Period::day)]
    day: Option<Period>,
    /// A month, like 2026-01.
    #[arg(long, value_name = "MONTH", value_parser = Period::month, conflicts_with = "day")]
    month: Option<Period>,
    /// Write the summary as one HTML file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write trades.csv and fees.csv into this folder, with exact amounts.
    #[arg(long, value_name = "DIR")]
    csv: Option<PathBuf>,
    #[command(flatten)]
    args: query::Args,
}

/// Prints or writes the summary of a period.
pub fn print(args: &SummaryArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let daemon = args.args.daemon(core)?;
    let answer = daemon.ask(&SUMMARY, &Asked::within(args.day.or(args.month)))?;
    let view: SummaryView = answer.read()?;
    if let Some(why) = view.not_begun() {
        return Err(Failure::new(Exit::Failed, why));
    }
    if let Some(file) = &args.html {
        let page = html::page(&view);
        let no = |e: std::io::Error| everwarm_views::backup::failed(file, &e);
        write_whole(file, page.as_bytes()).map_err(no)?;
        printer.note(&format!("{}: written", file.display()));
    }
    if let Some(folder) = &args.csv {
        let period = Period { from: view.from, to: view.to };
        let all = |question| daemon.ask(question, &Asked::default());
        let trades: Vec<TradeView> = all(&TRADES)?.read()?;
        let fills: Vec<FillView> = all(&FILLS)?.read()?;
        let orders: Vec<OrderView> = all(&ORDERS)?.read()?;
        csv::write(folder, period, (&trades, &fills, &orders))?;
        let (dir, trades, fees) = (folder.display(), csv::TRADES, csv::FEES);
        printer.note(&format!("{dir}: {trades} and {fees} written"));
    }
    if args.args.json {
        return printer.answer(&answer);
    }
    let lines = lines(&view, printer.width);
    let lines: Vec<String> =
        lines.iter().flat_map(|line| hang(line, INDENT, printer.width)).collect();
    printer.lines(&lines).map(|_| Exit::Fine)
}

fn lines(view: &SummaryView, width: usize) -> Vec<String> {
    let period = Period { from: view.from, to: view.to };
    let mut facts = Table::new(&["item", "value"]);
    for row in html::facts(view) {
        facts.row(row.into());
    }
    let mut lines = vec![format!("{}, UTC", period.name())];
    lines.extend(facts.lines(width).into_iter().skip(1));
    let money = &view.money;
    for (title, rows) in [("symbol", &money.symbols), ("strategy", &money.strategies)] {
        if !rows.is_empty() {
            lines.push(String::new());
            lines.extend(made(title, rows).lines(width));
        }
    }
    let running = &view.running;
    lines.push(String::new());
    let mut limits = Table::new(&["limit", ">most used", ">limit"]);
    for row in html::limits(view) {
        limits.row(row.into());
    }
    lines.extend(limits.lines(width));
    for (code, times) in &running.declined {
        lines.push(format!("declined {code}: {}", thousands(*times)));
    }
    lines.push(String::new());
    lines.push(running.bars());
    let older = running.gaps.len().saturating_sub(SHOWN);
    for gap in &running.gaps[older..] {
        lines.push(format!("no closes from {} to {}", instant(gap.from), instant(gap.to)));
    }
    lines.push(count(running.failures_all, "problem"));
    let older = running.failures.len().saturating_sub(SHOWN);
    for trouble in &running.failures[older..] {
        lines.push(format!("{}  {}", instant(trouble.time), trouble.text));
    }
    let bytes: u64 = running.files.iter().map(|file| file.bytes).sum();
    let (kept, facts) = (thousands(bytes.div_ceil(1024)), thousands(running.facts));
    let grown = thousands(running.grown.div_ceil(1024));
    lines.push(format!(
        "{facts} facts, about {grown} kB of journal; {kept} kB in the data directory"
    ));
    lines
}

fn made(title: &'static str, rows: &[Made]) -> Table {
    let mut table = Table::new(&[title, ">realised", ">unrealised", ">fills", "fees"]);
    for row in rows {
        table.row(vec![
            row.name.clone(),
            signed(row.realized),
            signed(row.unrealized),
            thousands(row.fills),
            html::fees(&row.fees),
        ]);
    }
    table
}
