//! Finds a close that all stages decided, and reads the facts until then.

use super::exit::{Exit, Failure};
use super::journal_reader::JournalFacts;
use everwarm_domain::fact::{Body, Ledger, Market};
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::Fact;
use everwarm_words::text::instant;
use std::ops::ControlFlow;

/// The requested close in the journal.
#[derive(Default)]
pub(crate) struct Found {
    /// Number of that close; without a time, of the newest decided close.
    wanted: Option<u64>,
    /// The row at which the last stage processed it.
    decided: Option<u64>,
    /// Times of the first and the newest close.
    closes: Option<(UtcMs, UtcMs)>,
}

impl Found {
    /// Looks for the close of `time`; without a time, for the newest decided close.
    ///
    /// # Errors
    /// The journal could not be read.
    pub(crate) fn of(journal: &dyn JournalFacts, time: Option<UtcMs>) -> Result<Found, Failure> {
        let mut found = Found::default();
        journal.each(0, &mut |row, fact| {
            if let Body::Market(Market::Close { time: now, .. }) = &fact.body {
                found.closes = Some((found.closes.map_or(*now, |(first, _)| first), *now));
                if time == Some(*now) {
                    found.wanted = Some(fact.key.n);
                }
            }
            if let Body::Ledger(Ledger::Equity { .. }) = &fact.body {
                if time.is_none() {
                    (found.wanted, found.decided) = (Some(fact.key.n), Some(row));
                } else if found.wanted == Some(fact.key.n) {
                    found.decided = Some(row);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// Its number, if it is decided.
    pub(crate) fn input(&self) -> Option<u64> {
        self.wanted.filter(|_| self.decided.is_some())
    }

    /// Reads the facts about this close and all inputs before it.
    ///
    /// # Errors
    /// The journal could not be read.
    pub(crate) fn each(
        &self,
        journal: &dyn JournalFacts,
        fold: &mut dyn FnMut(&Fact<Body>),
    ) -> Result<(), Failure> {
        let Some((input, row)) = self.wanted.zip(self.decided) else { return Ok(()) };
        journal.each(0, &mut |at, fact| {
            // Stages may have appended facts about later inputs already.
            if fact.key.n <= input {
                fold(fact);
            }
            if at >= row { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }

    /// The failure that there is no such close, or that it is not decided.
    pub(crate) fn missing(&self, journal: &dyn JournalFacts, time: Option<UtcMs>) -> Failure {
        let text = match (self.closes, time) {
            (None, _) => "there is no close yet".to_owned(),
            (Some(_), Some(time)) if self.wanted.is_some() => {
                format!("the close at {} UTC is not decided yet", instant(time))
            }
            (Some((first, last)), Some(time)) => format!(
                "there was no close at {} UTC; the closes are from {} to {}{}",
                instant(time),
                instant(first),
                instant(last),
                removed(journal)
            ),
            (Some(_), None) => "the first close is not decided yet".to_owned(),
        };
        Failure::new(Exit::Failed, text).coded("no-such-id")
    }
}

/// What follows the times of the closes: whether older ones were removed.
fn removed(journal: &dyn JournalFacts) -> &'static str {
    let whole = journal.store().is_none_or(|store| store.whole_from().is_ok_and(|row| row == 1));
    if whole { "" } else { "; of those before storage.analysis_days, most were removed" }
}
