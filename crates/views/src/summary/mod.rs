//! What a day or a month came to: money from the history, what went wrong from the journal.
//!
//! `money.rs` counts what was made, `running.rs` how it ran, `used.rs` what was used of limits,
//! `html.rs` and `csv.rs` write it all down for people. A period is of event time: what a close
//! says belongs to the minute that it ends, an execution to the venue's time of it, whenever they
//! were heard of; all else to the time at which it was heard of.
//!
//! Deposits are not in the books and withdrawals are adjustments, so neither is profit.

pub mod csv;
pub mod html;
mod money;
mod period;
mod running;
#[cfg(test)]
mod tests;
mod used;
mod view;

pub use period::Period;
pub use view::{FileSize, Gap, LimitUsed, Made, Money, Point, Running, SummaryView, Trouble};

use super::exit::Failure;
use super::journal_reader::JournalFacts;
use everwarm_history::History;
use everwarm_history::book_changes::{Booked, Share};
use everwarm_history::records::{EquityView, OrderView};
use std::path::Path;

/// What the history has of the books, read once.
struct Records {
    /// Every change of them, in the order in which they were made.
    booked: Vec<Booked>,
    /// What they were to strategies.
    shares: Vec<Share>,
    /// Equity by close.
    equity: Vec<EquityView>,
    /// Orders by close.
    orders: Vec<OrderView>,
}

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
    let booked = history.booked()?;
    let kept = Records {
        shares: history.shares(&booked)?,
        booked,
        equity: history.equity(None)?.rows,
        orders: history.orders(None)?.rows,
    };
    let newest_close = kept.equity.last().map(|point| point.time);
    let first_close = kept.equity.first().map(|point| point.time);
    let period = period.unwrap_or_else(|| Period::day_of(newest_close.unwrap_or(0) - 1));
    let (money, positions) = money::money(history, &kept, period)?;
    let running = running::running(journal, data_dir, period, (&kept, positions))?;
    let Period { from, to } = period;
    Ok(SummaryView { from, to, newest_close, first_close, money, running })
}
