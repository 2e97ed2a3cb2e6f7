//! `everwarm calibrate`.

use super::{Core, query};
use crate::print::Printer;
use crate::progress::Progress;
use everwarm_domain::money::Decimal;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::{Asked, CALIBRATE};
use everwarm_views::views::{CalibratedView, CalibrationView};
use everwarm_words::text::{Table, hang, thousands};
use std::sync::Arc;

/// Columns before the continuation of a long line.
const INDENT: usize = 2;

/// Prints the comparison by type of order, and the proposed keys.
pub fn print(args: &query::Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let progress = Arc::new(Progress::begin("comparing fills", !printer.quiet));
    let answer = args.daemon_counted(core, &progress)?.ask(&CALIBRATE, &Asked::default())?;
    drop(progress);
    if args.json {
        return printer.answer(&answer);
    }
    let view: CalibrationView = answer.read()?;
    printer.lines(&lines(&view, printer.width)).map(|_| Exit::Fine)
}

fn lines(view: &CalibrationView, width: usize) -> Vec<String> {
    let titles = ["type", ">orders", ">live bp", ">paper bp", ">difference", ">95 % interval"];
    let mut table = Table::new(&titles);
    for of in &view.types {
        table.row(row(of));
    }
    let mut lines = table.lines(width);
    lines.push(String::new());
    let mut texts = Vec::new();
    if view.proposed.is_empty() {
        texts.push("too few orders that took: no key is proposed".to_owned());
    }
    for key in &view.proposed {
        texts.push(format!("proposed: {} = {}: {}", key.key, key.value, key.because));
    }
    lines.extend(texts.iter().flat_map(|text| hang(text, INDENT, width)));
    lines
}

fn row(of: &CalibratedView) -> Vec<String> {
    let interval = |(low, high): (Decimal, Decimal)| format!("{low} to {high}");
    vec![
        of.order_type.clone(),
        thousands(of.orders.into()),
        of.live_bp.to_string(),
        of.paper_bp.to_string(),
        of.difference_bp.to_string(),
        of.low_bp.zip(of.high_bp).map_or_else(|| "-".to_owned(), interval),
    ]
}
