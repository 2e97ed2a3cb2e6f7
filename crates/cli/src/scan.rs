//! `everwarm scan`.

use super::{Core, explain, query};
use crate::print::Printer;
use crate::progress::Progress;
use everwarm_domain::time::{UtcMs, date_of, day_of};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::{self, Asked, Json, NEAR_COLUMNS, SCAN, SCAN_DAYS, SCAN_NEAR};
use everwarm_views::scan::{TOP, TOP_MAX};
use everwarm_views::scan_days::{DAYS_MAX, NearView, UnknownDaysView};
use everwarm_words::text::instant;
use serde_json::Value;
use std::sync::Arc;

/// Flags of `scan`.
#[derive(Clone, Debug, clap::Args)]
pub struct ScanArgs {
    /// The close in UTC: "2021-01-08 12:03" or milliseconds [default: the newest].
    #[arg(value_parser = explain::time)]
    time: Option<UtcMs>,
    /// Only the rows of this strategy.
    #[arg(long, value_name = "NAME")]
    strategy: Option<String>,
    /// Number of rows, the nearest to a signal.
    #[arg(long, value_name = "N", default_value_t = TOP,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(TOP_MAX)))]
    top: u32,
    /// Count the bars, signals and near signals of the newest N days instead, by day, strategy and
    /// symbol. Today is one of them.
    #[arg(long, value_name = "N", conflicts_with = "time",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(DAYS_MAX)))]
    days: Option<u32>,
    /// List the bars of these days at which exactly one condition of a signal failed, the smallest
    /// gap first.
    #[arg(long, requires = "days")]
    near: bool,
    #[command(flatten)]
    args: query::Args,
}

/// Prints what each strategy says about each symbol.
pub fn print(args: &ScanArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let progress = Arc::new(Progress::begin("evaluating the strategies", !printer.quiet));
    let asked = Asked::default().with("strategy", args.strategy.as_ref());
    let (question, asked) = match args.days {
        Some(days) if args.near => {
            (&SCAN_NEAR, asked.with("days", Some(days)).with("top", Some(args.top)))
        }
        Some(days) => (&SCAN_DAYS, asked.with("days", Some(days))),
        None => (&SCAN, asked.with("time", args.time).with("top", Some(args.top))),
    };
    let answer = args.args.daemon_counted(core, &progress)?.ask(question, &asked)?;
    drop(progress);
    if args.args.json {
        return printer.answer(&answer);
    }
    if args.near {
        return print_near(&answer, printer);
    }
    let rows = answer.rows()?;
    if args.days.is_some() {
        return query::rows(&rows, question, printer);
    }
    let Some(close) = rows.first().map(|row| row["close"].as_i64().unwrap_or_default()) else {
        printer.note(SCAN.none);
        return Ok(Exit::Fine);
    };
    printer.note(&format!("the close at {} UTC", instant(close)));
    let exit = printer.table(&questions::table(SCAN.columns, &rows))?;
    if rows.len() as u64 == u64::from(args.top) {
        printer.note(&format!("the nearest {} rows; --top N shows more", args.top));
    }
    Ok(exit)
}

/// Prints bars near a signal, and of which days none are known.
fn print_near(answer: &Json, printer: Printer) -> Result<Exit, Failure> {
    let NearView { unknown, .. } = answer.read()?;
    for UnknownDaysView { from, to, why } in unknown {
        let [from, to] = [from, to].map(|day| date_of(day_of(day)));
        let days = if from == to { from } else { format!("{from} to {to}") };
        printer.note(&format!("{days}: no bars near a signal are known: {why}"));
    }
    // The table takes the rows as they were sent.
    let all: Value = answer.read()?;
    let rows = all["rows"].as_array().map_or(&[][..], Vec::as_slice);
    if rows.is_empty() {
        printer.note(SCAN_NEAR.none);
        return Ok(Exit::Fine);
    }
    printer.table(&questions::table(NEAR_COLUMNS, rows))
}
