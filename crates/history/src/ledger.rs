//! The gap ledger: the state of every hole in the stored bars, with its evidence.
//!
//! It is computed from what is stored: bars, times for which the source reported no bars, what a
//! missing bar means to the source, and the sessions of the venue. Nothing else is kept.
//!
//! 1. A hole is open until the source was asked for its bars. Closes ask for the bars of their
//!    minutes, and loaded history asks for the rest.
//! 2. An answered hole that all series of a width share is an outage of the venue.
//! 3. A bar that arrives later closes its hole: only missing bars are in the ledger.

use super::gaps::{self, Span, bars_of, joined, minus};
use super::need::Times;
use super::stored::{Absence, Series, StoredBars, StoredSeries};
use everwarm_domain::id::Symbol;
use everwarm_domain::sessions::Sessions;
use everwarm_domain::time::{Timeframe, UtcMs};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use utoipa::ToSchema;

/// State of a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoleState {
    /// The source was not asked for these bars.
    Open,
    /// They are being fetched.
    Filling,
    /// All series lack them together.
    VenueOutage,
    /// Nothing was traded.
    NotTraded,
    /// The symbol was not listed yet.
    BeforeListing,
    /// The source does not have them.
    Unfillable,
    /// They were moved out of the history after their time.
    MovedOut,
}

impl HoleState {
    /// The state in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            HoleState::Open => "open",
            HoleState::Filling => "filling",
            HoleState::VenueOutage => "venue outage",
            HoleState::NotTraded => "not traded",
            HoleState::BeforeListing => "before listing",
            HoleState::Unfillable => "unfillable",
            HoleState::MovedOut => "moved out",
        }
    }
}

/// What shows the state of a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// No request covers it.
    NotRequested,
    /// A repair marked it for the next start.
    Marked,
    /// The history of the symbol is being loaded.
    Loading,
    /// The source has no bar, and so many series lack it together.
    Together(usize),
    /// The source has no bar, and it omits bars without a trade.
    Omitted,
    /// The source has no bar before the first one of the series.
    BeforeFirst,
    /// The source has no bar, and it sends bars without a trade, too.
    Answered,
    /// The source has no bar. What that means to it is not recorded.
    AnsweredOnly,
    /// Later bars from facts and older wider ones are there.
    Retention,
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Evidence::NotRequested => f.write_str("no request covers it"),
            Evidence::Marked => f.write_str("a repair marked it for the next start"),
            Evidence::Loading => f.write_str("the history of the symbol is being loaded"),
            Evidence::Together(series) => {
                write!(f, "{series} series lack it together, and the source has no bar")
            }
            Evidence::Omitted => f.write_str("the source omits bars without a trade"),
            Evidence::BeforeFirst => f.write_str("the source has no bar before the first one"),
            Evidence::Answered => {
                f.write_str("the source has no bar, although it sends bars without a trade")
            }
            Evidence::AnsweredOnly => f.write_str("the source has no bar"),
            Evidence::Retention => f.write_str("the retention moved older bars out"),
        }
    }
}

/// Missing bars of one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// Opening times of the first and the last missing bar.
    pub times: Times,
    /// Number of missing bars.
    pub bars: u64,
    /// Its state.
    pub state: HoleState,
    /// What shows the state.
    pub evidence: Evidence,
}

/// One series with all its holes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesLedger {
    /// Symbol and width.
    pub of: Series,
    /// Opening times of the first and the last bar; none: it has no bar.
    pub span: Option<Times>,
    /// Number of its bars.
    pub bars: u64,
    /// Number of bars that it would have without holes between the first and the last one.
    pub expected: u64,
    /// Its holes, ascending.
    pub holes: Vec<Hole>,
}

impl SeriesLedger {
    /// Missing bars by state.
    #[must_use]
    pub fn by_state(&self) -> BTreeMap<HoleState, u64> {
        let mut sums = BTreeMap::new();
        for hole in &self.holes {
            *sums.entry(hole.state).or_default() += hole.bars;
        }
        sums
    }
}

/// What is known besides the stored bars.
#[derive(Clone, Debug)]
pub struct Known<'a> {
    /// The sessions of the venue. Bars outside them are not missing.
    pub sessions: &'a Sessions,
    /// What a missing bar means to the source.
    pub absence: Absence,
    /// Symbols whose history is being loaded.
    pub loading: &'a BTreeSet<Symbol>,
    /// Bars that a repair marked to be fetched again, ascending.
    pub marked: &'a BTreeMap<Series, Vec<Times>>,
    /// Whether a daemon runs.
    pub running: bool,
}

/// The ledger of all series, by symbol and width.
#[must_use]
pub fn ledger(stored: &StoredBars, known: &Known<'_>) -> Vec<SeriesLedger> {
    let holes: BTreeMap<Series, Vec<Times>> = stored
        .series
        .iter()
        .map(|(of, series)| (*of, holes(series, of.1, known.sessions)))
        .collect();
    let outages = outages(stored, &holes);
    let mut facts_from: BTreeMap<Symbol, UtcMs> = BTreeMap::new();
    for ((symbol, _), series) in &stored.series {
        if let Some(facts) = &series.facts {
            let from = facts_from.entry(*symbol).or_insert(*facts.start());
            *from = (*from).min(*facts.start());
        }
    }
    let of_series = |(of, series): (&Series, &StoredSeries)| {
        let width = of.1.ms();
        let moved_out = facts_from.get(&of.0).zip(stored.moved_through.get(&of.1));
        let moved_out = moved_out.filter(|(from, through)| from <= through);
        let judge = Judge {
            of: *of,
            series,
            known,
            moved_out: moved_out.map(|(from, through)| of.1.open_of(*from)..=*through),
            outages: outages.get(&of.1).map_or(&[], Vec::as_slice),
        };
        let (span, bars) = (span(series), count(&series.runs, width));
        let missing = &holes[of];
        let inside: Vec<Times> =
            span.iter().flat_map(|span| common(missing, std::slice::from_ref(span))).collect();
        let expected = bars + count(&inside, width);
        SeriesLedger { of: *of, span, bars, expected, holes: judge.all(missing) }
    };
    stored.series.iter().map(of_series).collect()
}

/// From the first to the last bar.
fn span(series: &StoredSeries) -> Option<Times> {
    Some(*series.runs.first()?.start()..=*series.runs.last()?.end())
}

fn count(times: &[Times], width: UtcMs) -> u64 {
    times.iter().map(|times| bars_of(times, width).unsigned_abs()).sum()
}

/// The missing bars of a series: between its bars, and beyond them where the source was asked.
fn holes(series: &StoredSeries, timeframe: Timeframe, sessions: &Sessions) -> Vec<Times> {
    let width = timeframe.ms();
    let ends = |all: &[Times]| Some((*all.first()?.start(), *all.last()?.end()));
    let ends = [ends(&series.runs), ends(&series.none)];
    let all = ends.into_iter().flatten().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    let Some((first, last)) = all else { return Vec::new() };
    // An outage may begin off the grid in a file of an earlier version.
    let (first, last) = (timeframe.open_of(first), timeframe.open_of(last));
    let nights = sessions.closed(timeframe, first, last);
    let missing = minus(&(first..=last), &series.runs, width);
    missing.iter().flat_map(|times| minus(times, &nights, width)).collect()
}

/// Times in which all series of a width lack bars, with the number of series. An outage is one for
/// every wider bar within it, too.
fn outages(
    stored: &StoredBars,
    holes: &BTreeMap<Series, Vec<Times>>,
) -> BTreeMap<Timeframe, Vec<(Times, usize)>> {
    let mut spans: BTreeMap<Timeframe, Vec<Span>> = BTreeMap::new();
    for (of, series) in &stored.series {
        let Some(times) = span(series) else { continue };
        let long = |gap: &&Times| bars_of(gap, of.1.ms()) >= gaps::OUTAGE;
        let inside = |gap: &&Times| times.contains(gap.start());
        let gaps = holes[of].iter().filter(long).filter(inside).cloned().collect();
        spans.entry(of.1).or_default().push(Span { times, gaps });
    }
    let mut all: BTreeMap<Timeframe, Vec<(Times, usize)>> = BTreeMap::new();
    for (narrow, spans) in spans {
        for (times, series) in gaps::outages(&spans, narrow.ms()) {
            let end = times.end().saturating_add(narrow.ms());
            for wide in Timeframe::ALL.into_iter().filter(|wide| *wide >= narrow) {
                let first = wide.open_of(times.start().saturating_add(wide.ms() - 1));
                let last = wide.open_of(end).saturating_sub(wide.ms());
                if first <= last {
                    all.entry(wide).or_default().push((first..=last, series));
                }
            }
        }
    }
    all
}

/// Judges the holes of one series.
struct Judge<'a> {
    of: Series,
    series: &'a StoredSeries,
    known: &'a Known<'a>,
    /// Opening times of bars from facts that were moved out.
    moved_out: Option<Times>,
    outages: &'a [(Times, usize)],
}

impl Judge<'_> {
    fn all(&self, missing: &[Times]) -> Vec<Hole> {
        let width = self.of.1.ms();
        let mut holes = Vec::new();
        let mut take = |times: Vec<Times>, state, evidence| {
            let hole = |times: Times| {
                let bars = bars_of(&times, width).unsigned_abs();
                Hole { times, bars, state, evidence }
            };
            holes.extend(times.into_iter().map(hole));
        };
        let (moved, left) = self.split(missing, self.moved_out.as_slice());
        take(moved, HoleState::MovedOut, Evidence::Retention);
        let marked = self.known.marked.get(&self.of).map_or(&[][..], Vec::as_slice);
        let (marked, left) = self.split(&left, marked);
        let fetched = if self.known.running { HoleState::Filling } else { HoleState::Open };
        take(marked, fetched, Evidence::Marked);
        let (answered, left) = self.split(&left, &self.answered());
        if self.known.running && self.known.loading.contains(&self.of.0) {
            take(left, HoleState::Filling, Evidence::Loading);
        } else {
            take(left, HoleState::Open, Evidence::NotRequested);
        }
        let mut left = answered;
        for (outage, series) in self.outages {
            let (inside, others) = self.split(&left, std::slice::from_ref(outage));
            take(inside, HoleState::VenueOutage, Evidence::Together(*series));
            left = others;
        }
        let first = span(self.series).map(|span| *span.start());
        let before = first.map(|first| UtcMs::MIN..=first - width);
        let (before, left) = self.split(&left, before.as_slice());
        take(before, HoleState::BeforeListing, Evidence::BeforeFirst);
        let (state, evidence) = match self.known.absence {
            Absence::NotTraded => (HoleState::NotTraded, Evidence::Omitted),
            Absence::Lost => (HoleState::Unfillable, Evidence::Answered),
            Absence::Unknown => (HoleState::Unfillable, Evidence::AnsweredOnly),
        };
        take(left, state, evidence);
        holes.sort_by_key(|hole| *hole.times.start());
        holes
    }

    /// Times for which the source was asked: those that it reported, and those between bars of
    /// closes. A close asks for each bar that the stream did not bring.
    fn answered(&self) -> Vec<Times> {
        let mut asked = self.series.none.clone();
        asked.extend(self.series.facts.clone());
        joined(asked, self.of.1.ms())
    }

    /// The parts of `times` within `ranges`, and the others.
    fn split(&self, times: &[Times], ranges: &[Times]) -> (Vec<Times>, Vec<Times>) {
        let width = self.of.1.ms();
        let outside = times.iter().flat_map(|times| minus(times, ranges, width)).collect();
        (common(times, ranges), outside)
    }
}

/// The parts that both have. Both ascend.
fn common(times: &[Times], ranges: &[Times]) -> Vec<Times> {
    times.iter().flat_map(|times| gaps::common(times, ranges)).collect()
}

#[cfg(test)]
mod tests;
