//! `everwarm scan`.

use super::{Core, explain, query};
use crate::print::Printer;
use crate::progress::Progress;
use everwarm_domain::time::UtcMs;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::{self, Asked, SCAN};
use everwarm_views::scan::{TOP, TOP_MAX};
use everwarm_words::text::instant;
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
    #[command(flatten)]
    args: query::Args,
}

/// Prints what each strategy says about each symbol.
pub fn print(args: &ScanArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let progress = Arc::new(Progress::begin("evaluating the strategies", !printer.quiet));
    let asked = Asked::default().with("time", args.time).with("strategy", args.strategy.as_ref());
    let asked = asked.with("top", Some(args.top));
    let answer = args.args.daemon_counted(core, &progress)?.ask(&SCAN, &asked)?;
    drop(progress);
    if args.args.json {
        return printer.answer(&answer);
    }
    let rows = answer.rows()?;
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
