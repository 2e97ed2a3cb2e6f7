//! The stored bars of a daemon: how whole each series is, the state of its holes, and what a check
//! of the bars finds.

use crate::coverage::{SeriesState, SeriesView};
use crate::exit::{Exit, Failure};
use crate::journal_reader::JournalFacts;
use crate::questions::{Context, remembered};
use everwarm_domain::id::Symbol;
use everwarm_domain::sessions::Sessions;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_history::check::{Checker, Problem, SeriesCheck, StoreCheck};
use everwarm_history::gaps::{Odd, Times};
use everwarm_history::ledger::{HoleState, Known, SeriesLedger, ledger};
use everwarm_history::repair::marked_times;
use everwarm_history::stored::{self, Series, absence};
use everwarm_runtime::store::Store;
use everwarm_runtime::store::archive::Archive;
use everwarm_words::shapes;
use everwarm_words::text::{count, instant};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use utoipa::ToSchema;

/// Problems of a check that a view lists. All are counted.
const PROBLEMS_MAX: usize = 1_000;

/// One series: the bars that the history has, and those that features need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoredSeriesView {
    /// The symbol.
    #[schema(value_type = shapes::Symbol)]
    pub symbol: Symbol,
    /// The width of the bars.
    #[schema(value_type = String)]
    pub timeframe: Timeframe,
    /// Bars in the history.
    pub stored: u64,
    /// Bars that it would have without holes between the first and the last one.
    pub expected: u64,
    /// Opening time of the first bar, UTC milliseconds; none: it has no bar.
    pub from: Option<UtcMs>,
    /// Opening time of the last bar, UTC milliseconds; none: it has no bar.
    pub to: Option<UtcMs>,
    /// Missing bars by state. Those beyond the first and the last bar count, too.
    pub holes: BTreeMap<HoleState, u64>,
    /// Time from the end of the last bar to the newest close of this width, milliseconds; none: it
    /// has no bar.
    pub age_ms: Option<i64>,
    /// Bars that the features of strategies have; 0: no feature needs them.
    pub bars: u64,
    /// Bars until every feature has its first value.
    pub first: u64,
    /// Bars until strategies enter.
    pub needed: u64,
    /// Bars after which earlier ones weigh at most 1 %.
    pub settled: u64,
    /// Its state for the features of strategies; none: no feature needs it.
    pub state: Option<SeriesState>,
    /// Venue time until strategies enter, milliseconds; none: they do, its history is being loaded,
    /// or no feature needs it.
    pub ready_in_ms: Option<i64>,
}

/// Missing bars of one series that have the same state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HoleView {
    /// The symbol.
    #[schema(value_type = shapes::Symbol)]
    pub symbol: Symbol,
    /// The width of the bars.
    #[schema(value_type = String)]
    pub timeframe: Timeframe,
    /// Opening time of the first missing bar, UTC milliseconds.
    pub from: UtcMs,
    /// Opening time of the last one, UTC milliseconds.
    pub to: UtcMs,
    /// Number of missing bars.
    pub bars: u64,
    /// Why they are missing.
    pub state: HoleState,
    /// What shows that.
    pub evidence: String,
}

/// The bars of a history, compared with the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckedHistoryView {
    /// By symbol and width.
    pub series: Vec<CheckedStoredView>,
    /// Number of problems.
    pub problems: u64,
    /// The first problems, at most 1,000.
    pub found: Vec<HistoryProblemView>,
    /// Odd prices, at most 1,000. Its source has repeated each of them, so none is a problem.
    pub odd: Vec<OddStoredView>,
    /// Rows of bars that were compared with their facts.
    pub compared: u64,
    /// Rows of bars whose facts the journal does not keep any more.
    pub uncompared: u64,
    /// What a repair did before this check; none: there was none.
    #[serde(default)]
    pub repair: Option<HistoryRepairView>,
}

/// One checked series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckedStoredView {
    /// The symbol.
    #[schema(value_type = shapes::Symbol)]
    pub symbol: Symbol,
    /// The width of the bars.
    #[schema(value_type = String)]
    pub timeframe: Timeframe,
    /// Fetched ranges, also those that the journal announced and that are missing.
    pub ranges: u64,
    /// Those that are right.
    pub good_ranges: u64,
    /// Bars from facts of the journal, also those that are missing.
    pub bars: u64,
    /// Those that are right.
    pub good_bars: u64,
    /// Bars in the history, fetched or from facts.
    pub stored: u64,
    /// Bars that it would have without holes between the first and the last one.
    pub expected: u64,
    /// Opening time of the first bar, UTC milliseconds; none: it has no bar.
    pub from: Option<UtcMs>,
    /// Opening time of the last bar, UTC milliseconds; none: it has no bar.
    pub to: Option<UtcMs>,
    /// Missing bars by state.
    pub holes: BTreeMap<HoleState, u64>,
}

/// A problem of a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HistoryProblemView {
    /// The kind: `form`, `order`, `doubled`, `off-grid`, `ohlc`, `digest`, `missing`, `differs`,
    /// `stray` or `hole`.
    pub kind: String,
    /// The table with the row; none: it is about a hole.
    pub table: Option<String>,
    /// The symbol; none: the row has no or several symbols.
    #[schema(value_type = Option<shapes::Symbol>)]
    pub symbol: Option<Symbol>,
    /// The width of the bars; none: the row has none.
    #[schema(value_type = Option<String>)]
    pub timeframe: Option<Timeframe>,
    /// Opening time of its first bar, UTC milliseconds; none: the row has none.
    pub from: Option<UtcMs>,
    /// Opening time of its last bar, UTC milliseconds; none: the row has none.
    pub to: Option<UtcMs>,
    /// The input of the journal that needs the row; none: no fact needs it.
    pub input: Option<u64>,
    /// The reason.
    pub text: String,
}

/// A stored price that is far from its neighbours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OddStoredView {
    /// The symbol.
    #[schema(value_type = shapes::Symbol)]
    pub symbol: Symbol,
    /// The width of the bar.
    #[schema(value_type = String)]
    pub timeframe: Timeframe,
    /// Opening time of the bar, UTC milliseconds.
    pub open_time: UtcMs,
    /// What is odd.
    pub what: String,
}

/// What a repair of a history did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HistoryRepairView {
    /// Rows that the quarantine has.
    pub quarantined: u64,
    /// The file with these rows.
    pub quarantine: String,
    /// Rows of bars that were written again from their facts.
    pub from_facts: u64,
    /// Ranges that were made again from other stored bars.
    pub rebuilt: u64,
    /// Ranges that the next start fetches again.
    pub marked: u64,
}

/// The ledger of a history, with what features need.
#[derive(Debug)]
struct Overview {
    ledger: Vec<SeriesLedger>,
    needs: BTreeMap<Series, SeriesView>,
    /// The newest close.
    closed: UtcMs,
    sessions: Sessions,
}

fn overview(context: &dyn Context) -> Result<Overview, Failure> {
    let archive = context.archive();
    let (needs, loading, closed, sessions) = remembered(context, |memory| {
        let coverage = &memory.coverage;
        (coverage.series(), coverage.loading(), coverage.closed(), coverage.sessions().clone())
    })?;
    let (stored, marked) = (stored::read(archive)?, marked_times(archive)?);
    let ledger = ledger(
        &stored,
        &Known {
            sessions: &sessions,
            absence: absence(archive)?,
            loading: &loading,
            marked: &marked,
            running: context.process().is_some(),
        },
    );
    let needs = needs.into_iter().map(|need| ((need.symbol, need.timeframe), need)).collect();
    Ok(Overview { ledger, needs, closed, sessions })
}

/// Every series that is stored or needed, by symbol and width.
///
/// # Errors
/// The history or the facts could not be read.
pub fn series(context: &dyn Context) -> Result<Vec<StoredSeriesView>, Failure> {
    let Overview { ledger, needs, closed, .. } = overview(context)?;
    let mut rows: BTreeMap<Series, StoredSeriesView> = BTreeMap::new();
    for series in &ledger {
        let (width, row) = (series.of.1, empty(series.of));
        let age = |span: &Times| {
            let end = span.end().saturating_add(width.ms());
            width.open_of(closed).saturating_sub(end).max(0)
        };
        let row = StoredSeriesView {
            stored: series.bars,
            expected: series.expected,
            from: series.span.as_ref().map(|span| *span.start()),
            to: series.span.as_ref().map(|span| *span.end()),
            holes: series.by_state(),
            age_ms: series.span.as_ref().map(age),
            ..row
        };
        rows.insert(series.of, row);
    }
    for (of, need) in needs {
        let row = rows.entry(of).or_insert_with(|| empty(of));
        (row.bars, row.first, row.needed) = (need.bars, need.first, need.needed);
        row.settled = need.settled;
        (row.state, row.ready_in_ms) = (Some(need.state), need.ready_in_ms);
    }
    Ok(rows.into_values().collect())
}

fn empty((symbol, timeframe): Series) -> StoredSeriesView {
    StoredSeriesView {
        symbol,
        timeframe,
        stored: 0,
        expected: 0,
        from: None,
        to: None,
        holes: BTreeMap::new(),
        age_ms: None,
        bars: 0,
        first: 0,
        needed: 0,
        settled: 0,
        state: None,
        ready_in_ms: None,
    }
}

/// Every hole, by series and time.
///
/// # Errors
/// The history or the facts could not be read.
pub fn holes(context: &dyn Context) -> Result<Vec<HoleView>, Failure> {
    let of_series = |series: SeriesLedger| {
        let (symbol, timeframe) = series.of;
        series.holes.into_iter().map(move |hole| HoleView {
            symbol,
            timeframe,
            from: *hole.times.start(),
            to: *hole.times.end(),
            bars: hole.bars,
            state: hole.state,
            evidence: hole.evidence.to_string(),
        })
    };
    Ok(overview(context)?.ledger.into_iter().flat_map(of_series).collect())
}

/// Compares the bars of a history with the facts of its journal.
///
/// # Errors
/// One of them could not be read.
pub fn compare(archive: &Archive, journal: &dyn JournalFacts) -> Result<StoreCheck, Failure> {
    let whole_from = journal.store().map_or(Ok(1), Store::whole_from);
    let unread = |e: everwarm_runtime::store::StoreError| {
        Failure::new(Exit::StoreFailed, format!("the journal cannot be read: {e}"))
    };
    let mut checker = Checker::begin(archive, whole_from.map_err(unread)?)?;
    journal.each(0, &mut |row, fact| {
        checker.fact(row, fact);
        ControlFlow::Continue(())
    })?;
    Ok(checker.finish()?)
}

/// Checks all bars of a history, and its holes.
///
/// # Errors
/// The history or the journal could not be read.
pub fn check(context: &dyn Context) -> Result<CheckedHistoryView, Failure> {
    let found = compare(context.archive(), context.journal())?;
    let overview = overview(context)?;
    let mut view = CheckedHistoryView {
        problems: found.problems.len() as u64,
        found: found.problems.iter().take(PROBLEMS_MAX).map(problem).collect(),
        odd: found.odd.iter().map(|(of, bar, odd)| odd_view(*of, bar.open_time, odd)).collect(),
        compared: found.compared,
        uncompared: found.uncompared,
        ..CheckedHistoryView::default()
    };
    let mut rows: BTreeMap<Series, CheckedStoredView> =
        found.series.iter().map(|(of, checked)| (*of, row(*of, *checked))).collect();
    for series in &overview.ledger {
        let row = rows.entry(series.of).or_insert_with(|| row(series.of, SeriesCheck::default()));
        (row.stored, row.expected, row.holes) = (series.bars, series.expected, series.by_state());
        if let Some(span) = &series.span {
            (row.from, row.to) = (Some(*span.start()), Some(*span.end()));
        }
        for hole in needed_holes(series, &overview) {
            view.problems += 1;
            if view.found.len() < PROBLEMS_MAX {
                view.found.push(hole);
            }
        }
    }
    view.series = rows.into_values().collect();
    Ok(view)
}

fn row((symbol, timeframe): Series, checked: SeriesCheck) -> CheckedStoredView {
    let SeriesCheck { ranges, good_ranges, bars, good_bars } = checked;
    CheckedStoredView {
        symbol,
        timeframe,
        ranges,
        good_ranges,
        bars,
        good_bars,
        stored: 0,
        expected: 0,
        from: None,
        to: None,
        holes: BTreeMap::new(),
    }
}

/// The open holes among the bars that features need.
fn needed_holes<'a>(
    series: &'a SeriesLedger,
    overview: &'a Overview,
) -> impl Iterator<Item = HistoryProblemView> + 'a {
    let (symbol, timeframe) = series.of;
    let need = overview.needs.get(&series.of);
    let from = need.map_or(UtcMs::MAX, |need| {
        let end = timeframe.open_of(overview.closed);
        let bars = i64::try_from(need.settled).unwrap_or(i64::MAX);
        overview.sessions.first_of(timeframe, bars, end)
    });
    let open = series.holes.iter().filter(|hole| hole.state == HoleState::Open);
    open.filter(move |hole| *hole.times.end() >= from).map(move |hole| HistoryProblemView {
        kind: "hole".to_owned(),
        table: None,
        symbol: Some(symbol),
        timeframe: Some(timeframe),
        from: Some(*hole.times.start()),
        to: Some(*hole.times.end()),
        input: None,
        text: format!("features need {} of this hole: {}", count(hole.bars, "bar"), hole.evidence),
    })
}

/// A problem with its place.
#[must_use]
pub fn problem(problem: &Problem) -> HistoryProblemView {
    HistoryProblemView {
        kind: problem.kind.name().to_owned(),
        table: Some(problem.table.to_owned()),
        symbol: problem.of.map(|(symbol, _)| symbol),
        timeframe: problem.width(),
        from: problem.times.as_ref().map(|times| *times.start()),
        to: problem.times.as_ref().map(|times| *times.end()),
        input: problem.announced.map(|announced| announced.n),
        text: problem.why.clone(),
    }
}

impl HistoryProblemView {
    /// The problem in one line.
    #[must_use]
    pub fn line(&self) -> String {
        let HistoryProblemView { symbol, timeframe, from, to, input, text, .. } = self;
        let mut of: Vec<String> = symbol.iter().map(Symbol::to_string).collect();
        of.extend(timeframe.iter().map(Timeframe::to_string));
        match (from, to) {
            (Some(from), Some(to)) if from == to => of.push(format!("at {}", instant(*from))),
            (Some(from), Some(to)) => {
                of.push(format!("from {} to {}", instant(*from), instant(*to)));
            }
            (_, None) | (None, _) => {}
        }
        let needed = input.filter(|_| self.kind != "missing");
        let needed = needed.map_or(String::new(), |n| format!(" (input {n} announced it)"));
        let of = if of.is_empty() { "a row".to_owned() } else { of.join(" ") };
        format!("{}: {of}: {text}{needed}", self.kind)
    }
}

fn odd_view((symbol, timeframe): Series, open_time: UtcMs, odd: &Odd) -> OddStoredView {
    OddStoredView { symbol, timeframe, open_time, what: odd.to_string() }
}
