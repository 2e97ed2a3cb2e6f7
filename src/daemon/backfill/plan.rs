//! Which series a backfill completes, and what is stored of them.

use everwarm_domain::fact::{Body, Operator};
use everwarm_domain::id::Symbol;
use everwarm_domain::sessions::Sessions;
use everwarm_domain::settings::Settings;
use everwarm_domain::time::{DAY, Timeframe, UtcMs};
use everwarm_history::backfill::{Lack, SeriesPlan, Stored, Wanted, order, plan};
use everwarm_history::backfilled::times_of_facts;
use everwarm_history::bars::{outages, read_fetched};
use everwarm_history::need::Times;
use everwarm_history::queries::HistoryError;
use everwarm_kernel::fact::{Fact, Key};
use everwarm_kernel::stage::Stage as _;
use everwarm_runtime::store::archive::Archive;
use everwarm_trading::closes::Closes;
use everwarm_trading::indicators::Needs;
use everwarm_views::backfill::{BackfillScope, BackfillSeriesView, LackView};
use std::collections::{BTreeMap, BTreeSet};

/// What a plan is made for.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// Which bars.
    pub bars: BackfillScope,
    /// Days before the last final close.
    pub days: u32,
    /// Widths of the bars.
    pub timeframes: Vec<Timeframe>,
    /// The symbols, and whether each is traded.
    pub symbols: BTreeMap<Symbol, bool>,
    /// Request all bars again.
    pub force: bool,
    /// The last final close.
    pub through: UtcMs,
    /// The sessions of the venue.
    pub sessions: Sessions,
    /// Most bars of a page.
    pub page: u16,
}

/// The bars that a start with these settings needs.
pub(in crate::daemon) fn needs(settings: &Settings) -> Needs {
    let mut closes = Closes::default();
    closes.evolve(&Fact {
        key: Key { n: 1, rank: 0, i: 0 },
        time: 0,
        version: 0,
        because: Vec::new(),
        body: Body::Operator(Operator::configured(1, settings)),
    });
    closes.needs()
}

/// The series to complete.
pub(super) fn wanted(scope: &Scope, needs: &Needs) -> Vec<Wanted> {
    let Scope { through, sessions, .. } = scope;
    let mut needed: BTreeMap<Timeframe, Times> = needs.wide_before(*through, sessions).collect();
    needed.insert(Timeframe::M1, needs.minutes_before(*through, sessions));
    let of = |symbol: &Symbol, traded: bool, timeframe: Timeframe| {
        let need = needed.get(&timeframe).filter(|_| traded).cloned();
        let times = match scope.bars {
            BackfillScope::Needs => need.clone()?,
            BackfillScope::Days => {
                let end = timeframe.open_of(*through);
                let from = timeframe.open_of(*through - i64::from(scope.days) * DAY).max(0);
                let need = need.as_ref().map_or(from, |need| *need.start());
                from.min(need)..=end - timeframe.ms()
            }
        };
        Some(Wanted { symbol: *symbol, timeframe, times, need, traded })
    };
    let mut widths: BTreeSet<Timeframe> = scope.timeframes.iter().copied().collect();
    if scope.bars == BackfillScope::Needs {
        widths = needed.keys().copied().collect();
    }
    let series = |(symbol, traded): (&Symbol, &bool)| {
        widths.iter().filter_map(|width| of(symbol, *traded, *width)).collect::<Vec<_>>()
    };
    scope.symbols.iter().flat_map(series).collect()
}

/// The plans of all series, the highest need first.
///
/// # Errors
/// The history cannot be read, or is damaged.
pub(super) fn plans(
    archive: &Archive,
    scope: &Scope,
    needs: &Needs,
) -> Result<Vec<SeriesPlan>, HistoryError> {
    let wanted = wanted(scope, needs);
    let minutes = wanted.iter().filter(|of| of.timeframe == Timeframe::M1);
    let minutes = minutes.map(|of| of.times.clone());
    let span = minutes.reduce(|a, b| *a.start().min(b.start())..=*a.end().max(b.end()));
    // A row has the minutes of all symbols, so all are read at once.
    let minutes = span.map(|span| times_of_facts(archive, Timeframe::M1, &span)).transpose()?;
    let minutes = minutes.unwrap_or_default();
    let mut plans = Vec::with_capacity(wanted.len());
    for of in wanted {
        let stored = stored(archive, &of, &minutes)?;
        plans.push(plan(of, &stored, (scope.page, scope.force), &scope.sessions));
    }
    order(&mut plans);
    Ok(plans)
}

/// What is stored of a series. As at a start, a wide bar that was made from minutes does not count:
/// it may lack some of them.
fn stored(
    archive: &Archive,
    of: &Wanted,
    minutes: &BTreeMap<Symbol, Vec<Times>>,
) -> Result<Stored, HistoryError> {
    let Wanted { symbol, timeframe, times, .. } = of;
    let none = outages(archive, *timeframe, *symbol, *times.end())?;
    let fetched = read_fetched(archive, (*timeframe, *symbol), times)?;
    let mut have: BTreeSet<UtcMs> = fetched.into_keys().collect();
    if *timeframe == Timeframe::M1 {
        let width = usize::try_from(timeframe.ms()).unwrap_or(usize::MAX);
        for range in minutes.get(symbol).into_iter().flatten() {
            let from = *range.start().max(times.start());
            have.extend((from..=*range.end().min(times.end())).step_by(width));
        }
    }
    Ok(Stored { have: have.into_iter().collect(), none })
}

/// The row of a series before it is fetched.
pub(super) fn row(plan: &SeriesPlan, sessions: &Sessions) -> BackfillSeriesView {
    let Wanted { symbol, timeframe, times, need, .. } = &plan.wanted;
    let lack = match plan.lack {
        Lack::Nothing => LackView::Whole,
        Lack::Empty => LackView::Empty,
        Lack::Old => LackView::Old,
        Lack::Short => LackView::Short,
        Lack::Holes => LackView::Holes,
        Lack::Forced => LackView::Forced,
    };
    let need = need.as_ref().map_or(0, |need| {
        let empty = Stored::default();
        let times = need.clone();
        let of = Wanted { times, ..plan.wanted.clone() };
        everwarm_history::backfill::plan(of, &empty, (u16::MAX, false), sessions).missing
    });
    BackfillSeriesView {
        symbol: *symbol,
        timeframe: *timeframe,
        from: *times.start(),
        to: *times.end(),
        have: plan.have,
        need,
        missing: plan.missing,
        needed: plan.needed,
        lack,
        pages: plan.pages.len() as u64,
        fetched: 0,
        none: 0,
        refused: 0,
        error: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::market::Bar;
    use everwarm_domain::money::Price;
    use everwarm_domain::time::MINUTE;
    use everwarm_history::backfilled::{FetchedPage, store};
    use std::path::Path;

    /// A Monday, at noon.
    const NOON: UtcMs = 1_767_571_200_000 + DAY / 2;

    fn scope(scope: BackfillScope, timeframes: &[Timeframe]) -> Scope {
        let name = |name| Symbol::named(name).unwrap();
        Scope {
            bars: scope,
            days: 120,
            timeframes: timeframes.to_vec(),
            symbols: BTreeMap::from([(name("AAA"), true), (name("BBB"), false)]),
            force: false,
            through: NOON,
            sessions: Sessions::ALWAYS,
            page: 1_000,
        }
    }

    /// Settings whose strategy needs this many days.
    fn daily(days: u32) -> Settings {
        let mut settings = everwarm_trading::testing::crossing(3, 6);
        let section = format!(r#"{{"timeframe":"1d","fast":5,"slow":{days}}}"#);
        settings.strategy.0.get_mut("sma_cross").unwrap().section = section;
        settings
    }

    fn shown(scope: &Scope, settings: &Settings) -> Vec<String> {
        let all = wanted(scope, &needs(settings));
        let one = |of: &Wanted| {
            let width = of.timeframe.ms();
            let bars = |times: &Times| (times.end() - times.start()) / width + 1;
            let need = of.need.as_ref().map_or(0, bars);
            format!("{} {} {} {need}", of.symbol, of.timeframe, bars(&of.times))
        };
        all.iter().map(one).collect()
    }

    #[test]
    fn a_backfill_completes_days_and_what_features_need_of_its_widths() {
        let widths = [Timeframe::D1, Timeframe::H4];
        let mut days = scope(BackfillScope::Days, &widths);
        assert_eq!(
            shown(&days, &daily(100)),
            ["AAA 4h 720 0", "AAA 1d 120 100", "BBB 4h 720 0", "BBB 1d 120 0"]
        );
        days.days = 30;
        assert_eq!(shown(&days, &daily(100))[1], "AAA 1d 100 100", "a need reaches further back");
    }

    #[test]
    fn a_bootstrap_completes_what_a_start_needs_of_traded_symbols() {
        let needs = scope(BackfillScope::Needs, &[Timeframe::M15]);
        assert_eq!(shown(&needs, &daily(100)), ["AAA 1m 1000 1000", "AAA 1d 100 100"]);
    }

    #[test]
    fn what_a_page_stored_is_not_planned_again() {
        let archive = Archive::in_memory(Path::new("history")).unwrap();
        let mut of = scope(BackfillScope::Days, &[Timeframe::D1]);
        of.symbols.retain(|_, traded| *traded);
        let [open, high, low, close] = [Price::e8(1); 4];
        let symbol = Symbol::named("AAA").unwrap();
        let midnight = NOON - DAY / 2;
        let bar = |back: i64| {
            let open_time = midnight - back * DAY;
            Bar { symbol, open_time, open, high, low, close, volume: 1.into() }
        };
        let planned = |of: &Scope| {
            let plans = plans(&archive, of, &needs(&daily(100))).unwrap();
            let row = row(&plans[0], &of.sessions);
            (row.have, row.missing, row.needed, row.lack, plans[0].pages.clone())
        };
        let all = midnight - 120 * DAY..=midnight - DAY;
        assert_eq!(planned(&of), (0, 120, 100, LackView::Empty, vec![all.clone()]));
        let none = vec![midnight - 120 * DAY..=midnight - 103 * DAY];
        let bars = (3..=102).rev().map(bar).collect();
        let timeframe = Timeframe::D1;
        store(&archive, &FetchedPage { symbol, timeframe, bars, none }).unwrap();
        let newest = midnight - 2 * DAY..=midnight - DAY;
        assert_eq!(planned(&of), (100, 2, 2, LackView::Old, vec![newest]));
        of.force = true;
        assert_eq!(planned(&of), (100, 120, 100, LackView::Forced, vec![all]));
    }

    #[test]
    fn minutes_of_closes_count_as_stored() {
        use everwarm_domain::fact::Market;
        use everwarm_history::Projector;
        let archive = std::sync::Arc::new(Archive::in_memory(Path::new("history")).unwrap());
        let mut projector = Projector::new(std::sync::Arc::clone(&archive)).unwrap();
        let bar = |minute| everwarm_trading::testing::bar("AAA", minute, 100);
        let last = NOON / MINUTE - 1;
        let facts: Vec<Fact<Body>> = (1_u64..)
            .zip([last - 2, last])
            .map(|(n, minute)| {
                let time = (minute + 1) * MINUTE;
                let body = Body::Market(Market::close(time, vec![bar(minute)], Vec::new()));
                let key = Key { n, rank: 0, i: 0 };
                Fact { key, time, version: 0, because: Vec::new(), body }
            })
            .collect();
        projector.apply((1..).zip(&facts), 2, true).unwrap();
        let mut of = scope(BackfillScope::Days, &[Timeframe::M1]);
        of.symbols.retain(|_, traded| *traded);
        of.days = 1;
        let plans = plans(&archive, &of, &needs(&daily(100))).unwrap();
        assert_eq!((plans[0].have, plans[0].missing), (2, 1_438));
    }
}
