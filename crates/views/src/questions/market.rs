//! Queries of symbols, bars and signals.

use super::columns::{column, plain, time, word};
use super::{Answer, Context, Failure, LIMITED, PAGED, Question, all, remembered};
use crate::known_symbols::known;
use crate::views::{BarView, SignalView, SymbolView};
use everwarm_domain::id::Symbol;
use everwarm_history::whole::{self, StoredBar};
use serde_json::Value;

/// The listed symbols, by name.
///
/// # Errors
/// The facts could not be read.
pub fn symbols(context: &dyn Context) -> Result<Vec<SymbolView>, Failure> {
    remembered(context, |memory| memory.now().status.symbols())
}

/// Checks that a symbol is listed or has bars.
///
/// # Errors
/// Neither is true, or the files could not be read.
pub(super) fn is_known(context: &dyn Context, symbol: Symbol) -> Result<(), Failure> {
    known(symbol, &symbols(context)?, context.archive())
}

/// The query of closed bars of a symbol, in pages.
pub const BARS: Question = Question {
    query: PAGED,
    columns: &[
        column("opened (UTC)", "open_time", time),
        column(">open", "open", plain),
        column(">high", "high", plain),
        column(">low", "low", plain),
        column(">close", "close", plain),
        column(">volume", "volume", plain),
        column("whole", "", whole),
    ],
    ..Question::new(
        "/api/v1/bars/{symbol}/{timeframe}",
        "List closed bars of a symbol, newest last",
        all::<BarView>,
        |context, asked| {
            let (symbol, width) = (asked.symbol()?, asked.timeframe()?);
            let found = whole::page(context.archive(), width, symbol, &asked.page()?)?;
            if found.rows.is_empty() {
                is_known(context, symbol)?;
            }
            Answer::page(found.map(|StoredBar { bar, minutes, complete }| {
                let end = bar.open_time + width.ms();
                let process = context.process();
                let indicators = process.and_then(|p| p.indicators(symbol, width, end));
                BarView { minutes, complete, indicators, ..BarView::of(&bar) }
            }))
        },
    )
};

/// Whether a bar lacks minutes; `?`: it is not known.
fn whole(bar: &Value) -> String {
    match (bar["complete"].as_bool(), &bar["minutes"]) {
        (Some(true), _) => "yes".to_owned(),
        (Some(false), minutes) => format!("{} min", word(minutes)),
        (None, _) => "?".to_owned(),
    }
}

/// The query of signals and their outcomes.
pub const SIGNALS: Question = Question {
    query: LIMITED,
    columns: &[
        column("close (UTC)", "time", time),
        column("symbol", "symbol", word),
        column("side", "side", word),
        column(">price", "price", plain),
        column("strategy", "strategy", word),
        column(">confidence", "confidence", plain),
        column("fact", "key", word),
        column("outcome", "", outcome),
        column("why", "reason", word),
    ],
    ..Question::new(
        "/api/v1/signals",
        "List signals and their outcome, newest last",
        all::<SignalView>,
        |context, asked| {
            let limit = asked.limit()?;
            Answer::of(&remembered(context, |memory| memory.signals.newest(limit))?)
        },
    )
};

fn outcome(signal: &Value) -> String {
    match (signal["outcome"].as_str(), signal["declined"].as_str()) {
        (Some("declined"), Some(why)) => format!("declined: {why}"),
        (Some("pending"), _) => "pending".to_owned(),
        _ => word(&signal["outcome"]),
    }
}

/// The query of symbols and their states.
pub const SYMBOLS: Question = Question {
    columns: &[
        column("symbol", "symbol", word),
        column("state", "state", word),
        column("since (UTC)", "since", time),
        column("newest bar (UTC)", "newest_bar", time),
        column(">held", "held", plain),
        column("why", "why", word),
    ],
    none: "no symbols yet",
    ..Question::new(
        "/api/v1/symbols",
        "List symbols and their states",
        all::<SymbolView>,
        |context, _| Answer::of(&symbols(context)?),
    )
};
