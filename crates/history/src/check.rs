//! Checks the bars of a history: the form of each row, the digest of each fetched range, and their
//! agreement with the facts of the journal.
//!
//! 1. The bars from facts are what [`project`] makes of these facts, byte for byte.
//! 2. A fetched range has the digest in its key. A range that the journal announced is there.
//! 3. Odd bars are no problem: a source has repeated each of them before it was stored.

mod rows;

pub use rows::sample;
pub(super) use rows::series_in;

use super::backfilled::BACKFILLED;
use super::bars::{self, OUTAGES, RANGES};
use super::gaps::{self, Odd};
use super::key_encoding::{self, SYMBOL};
use super::need::Times;
use super::projection::{BARS, project, projected_through};
use super::removed::Removed;
use super::stored::{Series, each, time_in, width_in};
use everwarm_domain::fact::kinds::kind;
use everwarm_domain::fact::{Body, Market};
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_kernel::fact::{Body as _, Fact, Mask};
use everwarm_runtime::store::archive::{Archive, ArchiveError, Op, Row};
use rows::{checked_bars, checked_range, differing, without_minutes, wrong_row};
use std::collections::BTreeMap;

/// Bytes of the key of a row of bars from facts: width, opening time, input.
const ROW_KEY: usize = 17;
/// Odd bars that are kept.
const ODD_MAX: usize = 1_000;
/// Fetched ranges that are read at once.
const RANGES_AT_ONCE: usize = 8;
/// Other rows that are read at once.
const ROWS_AT_ONCE: usize = 64;
/// Facts that hold or announce bars.
const INTEREST: Mask = Mask::of(&[kind::CLOSE, kind::LATE_BAR, kind::ROLLED, kind::HISTORY_LOADED]);

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Its key or value cannot be decoded, or they contradict each other.
    Form,
    /// Its bars are out of order.
    Order,
    /// It has a bar twice.
    Doubled,
    /// It has a bar at a time at which none opens.
    OffGrid,
    /// A bar breaks the rules of bars.
    Ohlc,
    /// Its bars are not those of its digest.
    Digest,
    /// The journal needs it, and it is not there.
    Missing,
    /// The facts of the journal have other bars.
    Differs,
    /// No fact of the journal made it.
    Stray,
}

impl Kind {
    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Form => "form",
            Kind::Order => "order",
            Kind::Doubled => "doubled",
            Kind::OffGrid => "off-grid",
            Kind::Ohlc => "ohlc",
            Kind::Digest => "digest",
            Kind::Missing => "missing",
            Kind::Differs => "differs",
            Kind::Stray => "stray",
        }
    }
}

/// A row that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub kind: Kind,
    /// Name of the table.
    pub table: &'static str,
    /// Key of the row.
    pub key: Vec<u8>,
    /// The series; none: the row does not say.
    pub of: Option<Series>,
    /// Opening times of its bars; none: the row does not say.
    pub times: Option<Times>,
    /// The reason.
    pub why: String,
    /// The input of the journal that announced a fetched range; none: no fact needs the row.
    pub announced: Option<Announced>,
    /// The value that the facts of the journal give; none: no fact gives it.
    pub right: Option<Vec<u8>>,
}

impl Problem {
    /// The width of its bars; none: the row does not say.
    #[must_use]
    pub fn width(&self) -> Option<Timeframe> {
        self.of.map(|(_, width)| width).or_else(|| width_in(&self.key))
    }
}

/// A fetched range that the journal announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The input.
    pub n: u64,
    /// Opening time of the last bar.
    pub to: UtcMs,
    /// Number of bars.
    pub count: u32,
}

/// The rows and bars of one series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeriesCheck {
    /// Fetched ranges, also those that are announced and missing.
    pub ranges: u64,
    /// Those that are right.
    pub good_ranges: u64,
    /// Bars from facts, also those that are missing.
    pub bars: u64,
    /// Those that are right.
    pub good_bars: u64,
}

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreCheck {
    /// By symbol and width.
    pub series: BTreeMap<Series, SeriesCheck>,
    /// The wrong rows, by table and key.
    pub problems: Vec<Problem>,
    /// Odd bars of fetched ranges: at most 1,000.
    pub odd: Vec<(Series, Bar, Odd)>,
    /// Rows of bars that were compared with their facts.
    pub compared: u64,
    /// Rows of bars whose facts the journal does not keep any more.
    pub uncompared: u64,
}

/// Compares a history with its journal. It takes the facts of the journal in their order.
pub struct Checker<'a> {
    archive: &'a Archive,
    /// Row of the journal up to which the history follows.
    through: u64,
    /// Row from which on no fact was removed from the journal, and the first input there.
    whole_from: (u64, Option<u64>),
    /// Keys of bars from facts, ascending, and whether their fact was seen.
    rows: (Vec<[u8; ROW_KEY]>, Vec<bool>),
    announced: BTreeMap<Vec<u8>, Announced>,
    removed: Removed,
    /// Wrong rows of bars from facts, by key.
    wrong: BTreeMap<Vec<u8>, Problem>,
    /// The first error of the file.
    failed: Option<ArchiveError>,
    found: StoreCheck,
}

impl<'a> Checker<'a> {
    /// Reads the rows of bars from facts. `whole_from` is the row of the journal from which on no
    /// fact was removed. The journal is read afterwards, so that it has the facts of all rows.
    ///
    /// # Errors
    /// The file could not be read.
    pub fn begin(archive: &'a Archive, whole_from: u64) -> Result<Checker<'a>, ArchiveError> {
        let mut checker = Checker {
            archive,
            through: projected_through(archive)?,
            whole_from: (whole_from, None),
            rows: (Vec::new(), Vec::new()),
            announced: BTreeMap::new(),
            removed: Removed::read(archive)?,
            wrong: BTreeMap::new(),
            failed: None,
            found: StoreCheck::default(),
        };
        each(archive, BARS, ROWS_AT_ONCE, &mut |row| checker.row_of_facts(row))?;
        checker.rows.1 = vec![false; checker.rows.0.len()];
        Ok(checker)
    }

    fn row_of_facts(&mut self, (key, value): Row) {
        let decoded = key_encoding::named_bars_of(&value);
        let wrong = match (<[u8; ROW_KEY]>::try_from(&key[..]), width_in(&key), &decoded) {
            (Ok(known), Some(width), Ok(bars)) => {
                self.rows.0.push(known);
                for bar in bars {
                    let series = self.found.series.entry((bar.symbol, width)).or_default();
                    (series.bars, series.good_bars) = (series.bars + 1, series.good_bars + 1);
                }
                wrong_row(width, time_in(&key, 1), bars)
            }
            (Err(_), ..) | (_, None, _) => Some((Kind::Form, "its key is not one".to_owned())),
            (_, _, Err(why)) => Some((Kind::Form, why.clone())),
        };
        if let Some((kind, why)) = wrong {
            let problem = problem_of_facts(kind, &key, why);
            self.wrong.insert(key, problem);
        }
    }

    /// Takes a fact with its row in the journal.
    pub fn fact(&mut self, row: u64, fact: &Fact<Body>) {
        if self.failed.is_some() {
            return;
        }
        if row >= self.whole_from.0 && fact.key.rank == 0 && self.whole_from.1.is_none() {
            self.whole_from.1 = Some(fact.key.n);
        }
        if !INTEREST.has(fact.body.kind()) {
            return;
        }
        if let Body::Market(Market::HistoryLoaded { .. }) = &fact.body {
            if row >= self.whole_from.0 {
                self.announcement(fact);
            }
        } else if row <= self.through {
            for op in project(fact) {
                if let Op::Put { table: BARS, key, value } = op
                    && let Err(e) = self.compare(row, key, value)
                {
                    self.failed = Some(e);
                }
            }
        }
    }

    fn announcement(&mut self, fact: &Fact<Body>) {
        if let Body::Market(Market::HistoryLoaded {
            symbol,
            timeframe,
            from,
            to,
            count,
            digest,
            ..
        }) = &fact.body
            && *count > 0
        {
            let key = bars::range_key(*timeframe, *symbol, *from, *digest);
            let announced = Announced { n: fact.key.n, to: *to, count: *count };
            self.announced.entry(key).or_insert(announced);
        }
    }

    /// Compares a row of bars with the value of its fact, which is in this row of the journal. Of
    /// two facts for one row of bars, the later counts.
    fn compare(&mut self, row: u64, key: Vec<u8>, value: Vec<u8>) -> Result<(), ArchiveError> {
        let at = self.rows.0.binary_search_by(|known| known[..].cmp(&key)).ok();
        if let Some(seen) = at.and_then(|at| self.rows.1.get_mut(at)) {
            self.found.compared += u64::from(!std::mem::replace(seen, true));
        }
        let (kind, why) = match self.archive.get(BARS, &key)? {
            Some(stored) if stored == value || stored == without_minutes(&value) => {
                self.wrong.remove(&key);
                return Ok(());
            }
            Some(stored) => (Kind::Differs, differing(&stored, &value)),
            None if self.removed.has(row, &key) => return Ok(()),
            None => (Kind::Missing, "the journal has its fact, and the row is missing".to_owned()),
        };
        let problem = Problem { right: Some(value), ..problem_of_facts(kind, &key, why) };
        self.wrong.insert(key, problem);
        Ok(())
    }

    /// Checks the fetched ranges, and ends the comparison.
    ///
    /// # Errors
    /// The file could not be read.
    pub fn finish(mut self) -> Result<StoreCheck, ArchiveError> {
        if let Some(failed) = self.failed.take() {
            return Err(failed);
        }
        self.strays();
        for problem in std::mem::take(&mut self.wrong).into_values() {
            self.count_wrong(&problem)?;
            self.found.problems.push(problem);
        }
        let archive = self.archive;
        each(archive, RANGES, RANGES_AT_ONCE, &mut |(key, value)| self.range(key, &value))?;
        for (key, announced) in std::mem::take(&mut self.announced) {
            let (of, from) = (series_in(&key), time_in(&key, 1 + SYMBOL));
            if let Some(of) = of {
                self.found.series.entry(of).or_default().ranges += 1;
            }
            let n = announced.n;
            self.found.problems.push(Problem {
                kind: Kind::Missing,
                table: RANGES,
                key,
                of,
                times: from.map(|from| from..=announced.to),
                why: format!("input {n} announced this range, and it is missing"),
                announced: Some(announced),
                right: None,
            });
        }
        each(archive, BACKFILLED, RANGES_AT_ONCE, &mut |(key, value)| {
            if let Err((kind, why)) = checked_bars(&key, &value) {
                let problem = problem_of_range(kind, key, why);
                self.found.problems.push(Problem { table: BACKFILLED, ..problem });
            }
        })?;
        each(archive, OUTAGES, ROWS_AT_ONCE, &mut |(key, value)| self.outage(key, &value))?;
        self.found.problems.sort_by(|a, b| (a.table, &a.key).cmp(&(b.table, &b.key)));
        Ok(self.found)
    }

    /// Rows of bars that no fact made, although the journal has all facts of their time.
    fn strays(&mut self) {
        for (key, _) in self.rows.0.iter().zip(&self.rows.1).filter(|(_, seen)| !**seen) {
            let n = key[9..].try_into().map_or(0, u64::from_be_bytes);
            if self.whole_from.1.is_none_or(|first| n < first) {
                self.found.uncompared += 1;
                continue;
            }
            let why = format!("no fact of the journal about input {n} has these bars");
            let problem = problem_of_facts(Kind::Stray, key, why);
            self.wrong.entry(key.to_vec()).or_insert(problem);
        }
    }

    /// Takes the bars of a wrong row from the good ones of their series.
    fn count_wrong(&mut self, problem: &Problem) -> Result<(), ArchiveError> {
        let Some(width) = width_in(&problem.key) else { return Ok(()) };
        let stored = self.archive.get(BARS, &problem.key)?;
        let decode = |value: Option<&Vec<u8>>| -> BTreeMap<Symbol, Bar> {
            let bars = value.and_then(|value| key_encoding::named_bars_of(value).ok());
            bars.into_iter().flatten().map(|bar| (bar.symbol, bar)).collect()
        };
        let (have, right) = (decode(stored.as_ref()), decode(problem.right.as_ref()));
        for (symbol, bar) in &have {
            if right.get(symbol) != Some(bar)
                && let Some(series) = self.found.series.get_mut(&(*symbol, width))
            {
                series.good_bars = series.good_bars.saturating_sub(1);
            }
        }
        for symbol in right.keys().filter(|symbol| !have.contains_key(symbol)) {
            self.found.series.entry((*symbol, width)).or_default().bars += 1;
        }
        Ok(())
    }

    fn range(&mut self, key: Vec<u8>, value: &[u8]) {
        let announced = self.announced.remove(&key);
        let checked = checked_range(&key, value);
        let of = series_in(&key);
        if let Some(of) = of {
            let series = self.found.series.entry(of).or_default();
            series.ranges += 1;
            series.good_ranges += u64::from(checked.is_ok());
        }
        match (checked, of) {
            (Ok(bars), Some(of)) => self.odd(of, &bars),
            (Ok(_), None) => {}
            (Err((kind, why)), _) => {
                let mut problem = problem_of_range(kind, key, why);
                if let (Some(times), Some(announced)) = (&problem.times, announced) {
                    problem.times = Some(*times.start()..=announced.to);
                }
                self.found.problems.push(Problem { announced, ..problem });
            }
        }
    }

    fn odd(&mut self, of: Series, bars: &[Bar]) {
        let mut before = None;
        for bar in bars {
            for odd in gaps::odd(before, bar) {
                let found = (of, *bar, odd);
                // Ranges overlap.
                if self.found.odd.len() < ODD_MAX && !self.found.odd.contains(&found) {
                    self.found.odd.push(found);
                }
            }
            before = Some(bar.close);
        }
    }

    fn outage(&mut self, key: Vec<u8>, value: &[u8]) {
        let times = time_in(&key, 1 + SYMBOL).zip(time_in(value, 0));
        let of = series_in(&key).filter(|_| key.len() == 1 + SYMBOL + 8 && value.len() == 8);
        let on_grid = |time: UtcMs, width: Timeframe| width.open_of(time) == time;
        let why = match (of, times) {
            (Some((_, width)), Some((from, to))) if on_grid(from, width) && on_grid(to, width) => {
                if from <= to {
                    return;
                }
                "it ends before it begins"
            }
            (Some(_), Some(_)) => "its times are off the grid",
            (None, _) | (_, None) => "its key or its value is not one",
        };
        let (times, why) = (times.map(|(from, to)| from..=to), why.to_owned());
        let (kind, table, announced, right) = (Kind::Form, OUTAGES, None, None);
        let problem = Problem { kind, table, key, of, times, why, announced, right };
        self.found.problems.push(problem);
    }
}

fn problem_of_facts(kind: Kind, key: &[u8], why: String) -> Problem {
    let times = time_in(key, 1).map(|time| time..=time);
    let (table, key, of) = (BARS, key.to_vec(), None);
    Problem { kind, table, key, of, times, why, announced: None, right: None }
}

fn problem_of_range(kind: Kind, key: Vec<u8>, why: String) -> Problem {
    let times = time_in(&key, 1 + SYMBOL).map(|time| time..=time);
    let (table, of) = (RANGES, series_in(&key));
    Problem { kind, table, key, of, times, why, announced: None, right: None }
}

#[cfg(test)]
mod tests;
