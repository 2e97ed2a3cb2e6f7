//! Moves old bars that a backfill fetched out of the history, as old bars from facts.
//!
//! No stage was given these bars, so no fact refers to them. A file of the archive has them only
//! where it has no bar from a fact.

use super::{Goal, MonthBars, Moved, PART, Sorted, month_of};
use crate::backfilled::{self, read, remove};
use crate::queries::HistoryError;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_runtime::store::archive::Archive;
use std::collections::{BTreeMap, BTreeSet};

/// Whether bars of a width that opened before `before` were backfilled.
///
/// # Errors
/// The history cannot be read, or is damaged.
pub fn any_backfilled(
    archive: &Archive,
    width: Timeframe,
    before: UtcMs,
) -> Result<bool, HistoryError> {
    for symbol in backfilled::symbols(archive, width)? {
        let first = backfilled::first(archive, (width, symbol))?;
        if first.is_some_and(|first| first < before) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Moves the backfilled bars of a width that opened before `before`, event time. `goes_on` is
/// called after each step; `false` ends the work there. After a kill or an error, the next call
/// does the rest.
///
/// # Errors
/// The history cannot be read or written, or a file cannot. The bars of that file stay.
pub fn move_backfilled(
    archive: &Archive,
    (width, before): (Timeframe, UtcMs),
    goal: Goal<'_>,
    goes_on: &mut dyn FnMut() -> bool,
) -> Result<Vec<Moved>, HistoryError> {
    let (mut moved, mut part) = (BTreeMap::new(), Part::default());
    for symbol in backfilled::symbols(archive, width)? {
        let (of, times) = ((width, symbol), UtcMs::MIN..=before.saturating_sub(1));
        let bars = read(archive, of, &times)?;
        // A row is as large as its bars together. Most rows leave whole.
        let each = backfilled::bytes(archive, of, &times)? / (bars.len() as u64).max(1);
        for bar in &bars {
            note(bar, each, &mut moved);
        }
        if matches!(goal, Goal::Count) {
            continue;
        }
        part.add(symbol, bars);
        if part.bars >= PART && !part.move_out((archive, width), goal, goes_on)? {
            return Ok(moved.into_values().collect());
        }
    }
    part.move_out((archive, width), goal, goes_on)?;
    Ok(moved.into_values().collect())
}

/// Counts a bar of so many bytes in its month.
fn note(bar: &Bar, bytes: u64, moved: &mut BTreeMap<String, Moved>) {
    let (month, time) = (month_of(bar.open_time), bar.open_time);
    let of = moved.entry(month.clone());
    let of = of.or_insert(Moved { month, bars: 0, bytes: 0, first: time, last: time });
    of.bars += 1;
    of.bytes += bytes;
    of.first = of.first.min(time);
    of.last = of.last.max(time);
}

/// Bars of some symbols that are moved together.
#[derive(Default)]
struct Part {
    bars: usize,
    months: BTreeMap<String, Sorted>,
    times: BTreeMap<Symbol, BTreeSet<UtcMs>>,
}

impl Part {
    fn add(&mut self, symbol: Symbol, bars: Vec<Bar>) {
        self.bars += bars.len();
        for bar in bars {
            self.times.entry(symbol).or_default().insert(bar.open_time);
            let month = self.months.entry(month_of(bar.open_time)).or_default();
            month.insert((symbol, bar.open_time), bar);
        }
    }

    /// Writes its bars to their files, then removes them. It is empty afterwards. False: the work
    /// ends.
    fn move_out(
        &mut self,
        (archive, width): (&Archive, Timeframe),
        goal: Goal<'_>,
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Result<bool, HistoryError> {
        let Part { months, times, .. } = std::mem::take(self);
        if let Goal::Files(files) = goal {
            for (month, staying) in months {
                let bars = MonthBars { leaving: Sorted::new(), staying };
                files.add(width, &month, bars).map_err(HistoryError::Refused)?;
                if !goes_on() {
                    return Ok(false);
                }
            }
        }
        for (symbol, times) in times {
            remove(archive, (width, symbol), &times)?;
            if !goes_on() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
