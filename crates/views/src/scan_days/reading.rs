//! Reads the facts of a journal and evaluates its strategies again.
//!
//! A night also stores what the evaluations of later facts follow from, as of the end of the day
//! that it counts. The next night continues there. The stored state follows from the facts before
//! it alone, and a night that cannot use it reads from the first fact. So both give the same
//! evaluations. After facts were removed, only the former knows what strategies remembered then.

use super::DayCounts;
use crate::evaluations::{Evaluations, Remembered};
use crate::exit::{Exit, Failure};
use crate::journal_reader::JournalFacts;
use crate::summary::Period;
use everwarm_domain::fact::{Body, Ledger, Market, Operator};
use everwarm_domain::settings::Settings;
use everwarm_domain::time::{DAY, MINUTE, UtcMs, day_of};
use everwarm_kernel::fact::{Fact, Key};
use everwarm_kernel::state;
use everwarm_runtime::store::Store;
use everwarm_runtime::store::archive::{Archive, Op};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// The stored state. It has one row.
pub(super) const TABLE: &str = "scan_state.1";
const KEY: &[u8] = b"state";
/// Format of that row. Raise it when the same facts give other evaluations: then a night counts
/// from the first fact.
const FORMAT: u8 = 1;
/// A state is noted at most once in this event time, milliseconds.
const HOUR: UtcMs = 60 * MINUTE;

/// The fact behind which a night may begin, and what it needs.
#[derive(Debug, Serialize, Deserialize)]
struct Begin {
    /// Row, key and event time of the fact.
    row: u64,
    key: Key,
    time: UtcMs,
    remembered: Remembered,
}

/// What a reading gave.
pub(super) struct Found {
    pub counts: DayCounts,
    /// The newest settings.
    pub settings: Settings,
    /// The day of the first fact with a time; none: there is no such fact.
    pub begins: Option<UtcMs>,
    /// Stores where the next night begins; none: where this one did.
    pub next: Option<Op>,
}

/// A fold over the journal.
struct Reading {
    evaluations: Evaluations,
    period: Period,
    settings: Settings,
    begins: Option<UtcMs>,
    /// The first row from which on no fact was removed.
    whole_from: u64,
    /// The end of the day before a night; none: it is no night.
    night: Option<UtcMs>,
    next: Option<Begin>,
    /// The hour of `next`.
    hour: i64,
}

/// Reads a whole journal.
pub(super) fn whole(journal: &dyn JournalFacts, counts: DayCounts) -> Result<Found, Failure> {
    let mut reading = Reading::new(journal, counts)?;
    reading.read(journal, 0)?;
    Ok(reading.end())
}

/// Reads a journal from where the last night stored a state, else from the first fact. `to` is the
/// end of the newest day to count.
pub(super) fn of_night(
    journal: &dyn JournalFacts,
    archive: &Archive,
    counts: DayCounts,
    to: UtcMs,
) -> Result<Found, Failure> {
    let mut reading = Reading::new(journal, counts)?;
    reading.night = Some(to);
    let mut from = 0;
    if let Some(Begin { row, remembered, .. }) = stored(journal, archive)?
        && reading.evaluations.resume(remembered)
    {
        from = row + 1;
    }
    reading.read(journal, from)?;
    Ok(reading.end())
}

/// The stored state, if it is of this journal. One that is damaged, or of another version, counts
/// as none: the night replaces it.
fn stored(journal: &dyn JournalFacts, archive: &Archive) -> Result<Option<Begin>, Failure> {
    let bytes = archive.get(TABLE, KEY)?;
    let begin = bytes.and_then(|bytes| state::load::<Begin>(FORMAT, &bytes).ok());
    let Some(begin) = begin else { return Ok(None) };
    let mut same = false;
    journal.each(begin.row, &mut |row, fact| {
        same = (row, fact.key, fact.time) == (begin.row, begin.key, begin.time);
        ControlFlow::Break(())
    })?;
    Ok(same.then_some(begin))
}

impl Reading {
    fn new(journal: &dyn JournalFacts, counts: DayCounts) -> Result<Reading, Failure> {
        let whole_from = journal.store().map_or(Ok(1), Store::whole_from);
        let whole_from = whole_from.map_err(|e| Failure::new(Exit::StoreFailed, e.to_string()))?;
        let period = counts.period;
        Ok(Reading {
            evaluations: Evaluations::counting(counts),
            period,
            settings: Settings::default(),
            begins: None,
            whole_from,
            night: None,
            next: None,
            hour: i64::MIN,
        })
    }

    fn read(&mut self, journal: &dyn JournalFacts, from_row: u64) -> Result<(), Failure> {
        journal.each(from_row, &mut |row, fact| {
            self.take(row, fact);
            ControlFlow::Continue(())
        })
    }

    fn take(&mut self, row: u64, fact: &Fact<Body>) {
        let mut time = fact.time;
        if let Body::Market(Market::Close { time: close, .. }) = &fact.body {
            time = *close;
            if let Some(counts) = self.evaluations.counts.as_mut().filter(|_| row < self.whole_from)
            {
                counts.removed = counts.removed.max(Some(day_of(time) * DAY));
            }
        }
        if time > 0 {
            self.begins = self.begins.or(Some(day_of(time) * DAY));
        }
        self.evaluations.fold(fact);
        if let Body::Operator(Operator::ConfigApplied { text, .. }) = &fact.body {
            self.settings = Settings::from_text(text).unwrap_or_default();
        }
        if let Body::Ledger(Ledger::Equity { time, .. }) = &fact.body {
            self.note(row, fact, *time);
        }
    }

    /// Notes that the next night may begin behind this fact about the close at `time`, once an
    /// hour of the day before the night. No fact may wait then, and no bar of a later day may be
    /// evaluated: the next night counts it.
    fn note(&mut self, row: u64, fact: &Fact<Body>, time: UtcMs) {
        let Some(to) = self.night.filter(|to| (to - DAY..*to).contains(&time)) else { return };
        let hour = time.div_euclid(HOUR);
        if hour <= self.hour {
            return;
        }
        if let Some(remembered) = self.evaluations.remembered(to) {
            self.hour = hour;
            self.next = Some(Begin { row, key: fact.key, time: fact.time, remembered });
        }
    }

    fn end(self) -> Found {
        let none = || DayCounts::new(self.period, BTreeSet::new());
        let mut counts = self.evaluations.counts.unwrap_or_else(none);
        counts.drop_removed();
        let next = self.next.map(|begin| Op::Put {
            table: TABLE,
            key: KEY.to_vec(),
            value: state::save(FORMAT, &begin),
        });
        Found { counts, settings: self.settings, begins: self.begins, next }
    }
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
