//! What a day or a month came to: money from the history, what went wrong from the journal.
//!
//! `money.rs` counts what was made, `running.rs` how it ran, `html.rs` and `csv.rs` write both down
//! for people. A period is of event time; what a close says belongs to the minute that it ends.
//! Deposits are not in the books and withdrawals are adjustments, so neither is profit.

pub mod csv;
pub mod html;
mod money;
mod period;
mod running;
mod view;

pub use period::Period;
pub use view::{FileSize, Gap, LimitUsed, Made, Money, Point, Running, SummaryView, Trouble};

use super::desk::JournalFacts;
use super::exit::Failure;
use crate::history::History;
use std::path::Path;

/// What a period came to; without one, the UTC day of the newest close.
///
/// # Errors
/// The history or the journal could not be read.
pub fn summary(
    history: &History,
    journal: &dyn JournalFacts,
    data_dir: &Path,
    period: Option<Period>,
) -> Result<SummaryView, Failure> {
    let newest = || history.equity(Some(1)).map(|points| points.rows.last().map_or(0, |p| p.time));
    let period = period.map_or_else(|| newest().map(|time| Period::day_of(time - 1)), Ok)?;
    let (money, tops) = money::money(history, period)?;
    let running = running::running(journal, data_dir, period, &tops)?;
    let Period { from, to } = period;
    Ok(SummaryView { from, to, money, running })
}
