//! The bars near a signal: those without a signal at which exactly one condition failed.
//!
//! They are evaluated again from the facts of the journal on request. With `storage.scan_history`,
//! the night after a day also keeps some of them in the history. They stay there after the journal
//! has removed their facts.

use super::reading::{self, Found};
use super::{DayCounts, damaged, key_of, newest_days, rows_of, stored};
use crate::exit::Failure;
use crate::journal_reader::JournalFacts;
use crate::known_strategies::known;
use crate::scan::{ConditionView, ScanState, ScanView};
use crate::summary::Period;
use everwarm_domain::id::Symbol;
use everwarm_domain::order::Side;
use everwarm_domain::time::{DAY, UtcMs, day_of};
use everwarm_runtime::store::archive::{Archive, Op};
use everwarm_trading::strategy::Verdict;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// Most bars that a night keeps of one strategy, symbol and day: the nearest to a signal. With 300
/// symbols, a strategy takes about 1 MB a day.
pub const NEAR_ROWS: usize = 10;
/// Days for which the history keeps them.
pub const NEAR_DAYS: i64 = 30;
/// Kept bars. The key is the day and the strategy, the value a list of symbols with their bars.
pub(super) const TABLE: &str = "scan_near.1";

/// The bars of some days at which exactly one condition of a signal failed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NearView {
    /// The bars, the smallest gap first.
    pub rows: Vec<ScanView>,
    /// Days without bars in `rows`, although they may have had some, oldest first.
    pub unknown: Vec<UnknownDaysView>,
}

/// Consecutive days whose bars near a signal are unknown: the journal has removed their facts, and
/// the history keeps no such bars of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnknownDaysView {
    /// Start of the first day, UTC milliseconds.
    pub from: UtcMs,
    /// Start of the last day, UTC milliseconds.
    pub to: UtcMs,
    /// Why the history keeps none.
    pub why: String,
}

/// The bars nearest to a signal, of those that were added.
#[derive(Debug)]
pub(super) struct Nearest {
    /// Number of bars that stay, from 1.
    top: usize,
    rows: Vec<ScanView>,
}

impl Nearest {
    const fn new(top: usize) -> Nearest {
        Nearest { top, rows: Vec::new() }
    }

    fn add(&mut self, row: ScanView) {
        self.rows.push(row);
        if self.rows.len() > self.top.saturating_mul(2) {
            self.keep();
        }
    }

    /// Drops all but the nearest bars. Of equally near ones the newest come first.
    fn keep(&mut self) {
        self.rows.sort_by(|one, other| {
            let (gap, of) = (one.gap.unwrap_or(f64::MAX), other.gap.unwrap_or(f64::MAX));
            let by_time = || other.close.cmp(&one.close);
            gap.total_cmp(&of).then_with(by_time).then_with(|| one.order(other))
        });
        self.rows.truncate(self.top);
    }

    /// The nearest bars, the nearest first.
    fn into_rows(mut self) -> Vec<ScanView> {
        self.keep();
        self.rows
    }
}

/// A request for the nearest bars of all days.
#[derive(Debug)]
pub(super) struct Request {
    /// The only strategy that counts; none: all.
    strategy: Option<String>,
    nearest: Nearest,
}

impl Request {
    fn wants(&self, strategy: &str) -> bool {
        self.strategy.as_deref().is_none_or(|only| only == strategy)
    }

    /// Takes one evaluation.
    pub(super) fn add(&mut self, strategy: &str, verdict: &Verdict) {
        if is_near(verdict) && self.wants(strategy) {
            self.nearest.add(ScanView::of_bar(strategy, verdict.clone()));
        }
    }

    /// Drops the bars of days whose facts were removed, up to `removed`.
    pub(super) fn drop_until(&mut self, removed: UtcMs) {
        self.nearest.rows.retain(|row| day_of(row.close) * DAY > removed);
    }
}

/// The nearest bars by day and strategy, then by symbol.
pub(super) type OfDays = BTreeMap<(UtcMs, String), BTreeMap<Symbol, Nearest>>;

/// Adds one evaluation to the nearest bars of its day.
pub(super) fn add_to(days: &mut OfDays, (day, strategy): (UtcMs, &str), verdict: &Verdict) {
    if is_near(verdict) {
        let symbols = days.entry((day, strategy.to_owned())).or_default();
        let of_symbol = symbols.entry(verdict.head.symbol);
        let nearest = of_symbol.or_insert_with(|| Nearest::new(NEAR_ROWS));
        nearest.add(ScanView::of_bar(strategy, verdict.clone()));
    }
}

/// Whether a bar gave no signal and exactly one condition failed.
pub(super) fn is_near(verdict: &Verdict) -> bool {
    let failed = verdict.judged.as_ref().map_or(0, |all| all.distance().failed);
    verdict.signal.is_none() && failed == 1
}

/// The bars of the newest `days` days up to the close `newest` at which exactly one condition of a
/// signal failed: the `top` ones with the smallest gap. With a strategy, only its bars. Days whose
/// facts were removed have those that a night kept.
///
/// # Errors
/// The journal or the history could not be read, or there is no such strategy.
pub fn near(
    journal: &dyn JournalFacts,
    archive: &Archive,
    (days, newest): (u32, UtcMs),
    strategy: Option<&str>,
    top: usize,
) -> Result<NearView, Failure> {
    let period = newest_days(days, newest);
    let request = Request { strategy: strategy.map(str::to_owned), nearest: Nearest::new(top) };
    let counts = DayCounts::new(period, BTreeSet::new());
    let counts = DayCounts { request: Some(request), ..counts };
    let Found { counts, settings, begins, .. } = reading::whole(journal, counts)?;
    let removed = counts.removed.map(|day| day + DAY);
    let Some(mut request) = counts.request else { return Ok(NearView::default()) };
    let whole_from = removed.or(begins).unwrap_or(period.to);
    let gone = Period { from: period.from, to: whole_from.min(period.to) };
    let kept = take_kept(archive, gone, &mut request)?;
    let unknown = Unknown { gone, kept: &kept, begins, newest, request: &request };
    let unknown = unknown.days(archive)?;
    let rows = request.nearest.into_rows();
    if rows.is_empty() {
        strategy.map_or(Ok(()), |strategy| known(strategy, &settings))?;
    }
    Ok(NearView { rows, unknown })
}

/// Adds the kept bars of a period. Returns the days that have some, of any strategy.
fn take_kept(
    archive: &Archive,
    period: Period,
    request: &mut Request,
) -> Result<BTreeSet<UtcMs>, Failure> {
    let (mut kept, mut day) = (BTreeSet::new(), period.from);
    while day < period.to {
        for (_, strategy, value) in rows_of(archive, TABLE, Period { from: day, to: day + DAY })? {
            kept.insert(day);
            if !request.wants(&strategy) {
                continue;
            }
            let symbols: Vec<(Symbol, Vec<Kept>)> =
                rmp_serde::from_slice(&value).map_err(|e| damaged(TABLE, &e.to_string()))?;
            for (symbol, rows) in symbols {
                let views = rows.into_iter().map(|row| row.view(&strategy, symbol));
                views.for_each(|row| request.nearest.add(row));
            }
        }
        day += DAY;
    }
    Ok(kept)
}

/// The days of which no bar is known.
struct Unknown<'a> {
    /// Days whose facts were removed.
    gone: Period,
    /// Those of them with kept bars.
    kept: &'a BTreeSet<UtcMs>,
    /// The day of the first fact; none: there is no fact.
    begins: Option<UtcMs>,
    /// The newest close.
    newest: UtcMs,
    request: &'a Request,
}

impl Unknown<'_> {
    fn days(&self, archive: &Archive) -> Result<Vec<UnknownDaysView>, Failure> {
        let (counts, _) = stored(archive, self.gone)?;
        let (mut unknown, mut day) = (Vec::<UnknownDaysView>::new(), self.gone.from);
        while day < self.gone.to {
            let near = counts.get(&day).map(|strategies| {
                let wanted = strategies.iter().filter(|(id, _)| self.request.wants(id));
                let all = wanted.flat_map(|(_, symbols)| symbols.values());
                all.map(|of| of.near).sum::<u64>()
            });
            if let Some(why) = self.why(day, near) {
                let before = |of: &&mut UnknownDaysView| of.to + DAY == day && of.why == why;
                match unknown.last_mut().filter(before) {
                    Some(before) => before.to = day,
                    None => unknown.push(UnknownDaysView { from: day, to: day, why }),
                }
            }
            day += DAY;
        }
        Ok(unknown)
    }

    /// Why no bar of a day is known; none: its bars are known, or it had none. `near` is their
    /// stored count.
    fn why(&self, day: UtcMs, near: Option<u64>) -> Option<String> {
        let lived = near.is_some() || self.begins.is_some_and(|first| first <= day);
        if self.kept.contains(&day) || near == Some(0) || !lived {
            return None;
        }
        if day_of(day) < day_of(self.newest) - NEAR_DAYS {
            return Some(format!("the history keeps such bars for {NEAR_DAYS} days"));
        }
        let why = match near {
            Some(_) => "storage.scan_history was off, or an emergency of storage removed them",
            None => "the day had no bar, or daemon.self_replay did not count it",
        };
        Some(why.to_owned())
    }
}

/// The stored form of a bar. Later versions may add members at the end.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// End of the bar.
    bar: UtcMs,
    state: ScanState,
    signal: Option<Side>,
    gap: Option<f64>,
    value: Option<f64>,
    bound: Option<f64>,
    why: String,
    /// Name, whether it is met, number and bound of each condition.
    conditions: Vec<(String, bool, Option<f64>, Option<f64>)>,
}

impl Kept {
    fn of(row: ScanView) -> Kept {
        let ScanView { close: bar, state, signal, gap, value, bound, why, conditions, .. } = row;
        let condition = |of: ConditionView| (of.name, of.met, of.value, of.bound);
        let conditions = conditions.into_iter().map(condition).collect();
        Kept { bar, state, signal, gap, value, bound, why, conditions }
    }

    fn view(self, strategy: &str, symbol: Symbol) -> ScanView {
        let Kept { bar, state, signal, gap, value, bound, why, conditions } = self;
        let condition = |(name, met, value, bound)| ConditionView { name, met, value, bound };
        ScanView {
            close: bar,
            symbol,
            strategy: strategy.to_owned(),
            state,
            signal,
            failed: Some(1),
            gap,
            value,
            bound,
            bar: Some(bar),
            why,
            conditions: conditions.into_iter().map(condition).collect(),
        }
    }
}

/// Keeps the nearest bars of some days.
pub(super) fn ops(days: OfDays) -> impl Iterator<Item = Op> {
    days.into_iter().map(|((day, strategy), symbols)| {
        let rows =
            |of: Nearest| -> Vec<Kept> { of.into_rows().into_iter().map(Kept::of).collect() };
        let all: Vec<(Symbol, Vec<Kept>)> =
            symbols.into_iter().map(|(symbol, of)| (symbol, rows(of))).collect();
        let key = [&key_of(day)[..], strategy.as_bytes()].concat();
        let value = rmp_serde::to_vec(&all).expect("plain values and memory takes them");
        Op::Put { table: TABLE, key, value }
    })
}

/// Removes all kept bars, in an emergency of storage.
///
/// # Errors
/// The history could not be written.
pub fn forget_near(archive: &Archive) -> Result<(), Failure> {
    if archive.len(TABLE)? == 0 {
        return Ok(());
    }
    archive.commit(&[Op::Clear { table: TABLE }], true).map_err(Failure::from)
}

#[cfg(test)]
#[path = "near_tests.rs"]
mod tests;
