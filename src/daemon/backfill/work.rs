//! Fetches the pages of plans and stores them.
//!
//! Several series are fetched at once, and the pages of each one after the other. A page is stored
//! before the next one of its series is requested.

use super::super::fetch_history::{check, patiently, why};
use super::meter::Meter;
use super::plan::row;
use everwarm_domain::market::Bar;
use everwarm_domain::sessions::Sessions;
use everwarm_domain::time::UtcMs;
use everwarm_edge::market::fetch::fetch;
use everwarm_edge::world::{Passing, World};
use everwarm_history::backfill::{SeriesPlan, Wanted, split};
use everwarm_history::backfilled::{FetchedPage, store};
use everwarm_history::gaps::bars_of;
use everwarm_history::need::{Times, missing_in};
use everwarm_history::queries::HistoryError;
use everwarm_runtime::clock;
use everwarm_runtime::store::archive::Archive;
use everwarm_venue::Source;
use everwarm_venue::port::{Bars, ErrorClass, VenueError};
use everwarm_venue::source::BarRange;
use everwarm_views::backfill::{BackfillSeriesView, BackfillState};
use everwarm_words::text::{instant, thousands};
use futures_util::stream::{self, StreamExt as _};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Series that are fetched at once.
const AT_ONCE: usize = 8;
/// The same beside trading: half of the permits to query bars stay free for closes.
const BESIDE: usize = 4;
/// Share of the venue's budget above which a backfill beside trading waits. Bars that closes wait
/// for may use more.
const SHARE: f64 = 0.5;
/// Wall time between two checks of that share.
const LOOK: Duration = Duration::from_millis(500);
/// After so many failed series in a row, the others are not tried.
const FAILURES_MAX: usize = 8;

/// What fetches.
pub(super) struct Work {
    /// The source of the bars.
    pub source: Arc<dyn Source>,
    /// The history.
    pub archive: Arc<Archive>,
    /// The sessions of the venue.
    pub sessions: Sessions,
    /// The daemon that trades meanwhile; none: there is none.
    pub beside: Option<World>,
    /// How far it is.
    pub meter: Meter,
    /// Failed series in a row.
    pub failed: AtomicUsize,
}

impl Work {
    /// Fetches all series in their order, and writes the result to the meter.
    pub async fn run(&self, plans: Vec<SeriesPlan>) {
        let at_once = if self.beside.is_some() { BESIDE } else { AT_ONCE };
        let began = clock::now();
        let took = || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.meter.change(|view| view.state = BackfillState::Running);
        let mut running = stream::iter(plans.into_iter().enumerate())
            .map(async |(at, plan)| (at, self.series(plan, &took).await))
            .buffer_unordered(at_once);
        let mut rows = Vec::new();
        while let Some(row) = running.next().await {
            rows.push(row);
            self.meter.change(|view| view.series_done += 1);
        }
        drop(running);
        rows.sort_by_key(|(at, _)| *at);
        let rows: Vec<BackfillSeriesView> = rows.into_iter().map(|(_, row)| row).collect();
        let failed = rows.iter().filter(|row| row.error.is_some()).count() as u64;
        self.meter.change(|view| {
            view.took_ms = took();
            view.rows = rows;
            view.state = if failed == 0 { BackfillState::Done } else { BackfillState::Failed };
            view.error = (failed > 0).then(|| format!("{} not whole", are(failed)));
        });
    }

    /// Fetches the pages of one series.
    async fn series(&self, plan: SeriesPlan, took: &impl Fn() -> u64) -> BackfillSeriesView {
        let mut row = row(&plan, &self.sessions);
        let (of, width) = (&plan.wanted, plan.wanted.timeframe.ms());
        let mut pages: VecDeque<Times> = plan.pages.into();
        while let Some(times) = pages.pop_front() {
            if self.failed.load(Relaxed) >= FAILURES_MAX {
                row.error = Some("it was not tried, because others failed".to_owned());
                break;
            }
            let done = match self.page(of, std::slice::from_ref(&times), &times, &mut row).await {
                // Before the listing of a symbol all pages are empty. One request finds it.
                Ok(None) if pages.len() > 1 => self.oldest(of, &mut pages, width, &mut row).await,
                done => done.map(drop),
            };
            self.meter.change(|view| view.took_ms = took());
            if let Err(why) = done {
                self.failed.fetch_add(1, Relaxed);
                row.error = Some(why);
                break;
            }
            self.failed.store(0, Relaxed);
        }
        row
    }

    /// Fetches the oldest bars of the remaining pages, and keeps the pages after them.
    async fn oldest(
        &self,
        of: &Wanted,
        pages: &mut VecDeque<Times>,
        width: UtcMs,
        row: &mut BackfillSeriesView,
    ) -> Result<(), String> {
        let (Some(newest), Some(oldest)) = (pages.front(), pages.back()) else { return Ok(()) };
        let span = *oldest.start()..=*newest.end();
        let rest: Vec<Times> = pages.iter().cloned().collect();
        let range = || BarRange { symbol: of.symbol, timeframe: of.timeframe, times: span.clone() };
        let found = self.ask(&range(), async || self.source.bars(range()).await).await?;
        let end = last_of(&found).unwrap_or(*span.end());
        let (after, upto) = split(&rest, end, width);
        self.keep(of, &upto, found, row).await?;
        *pages = after.into();
        Ok(())
    }

    /// Fetches and stores the bars of one page. Returns the opening time of its newest bar; none:
    /// it has no bar.
    async fn page(
        &self,
        of: &Wanted,
        pages: &[Times],
        times: &Times,
        row: &mut BackfillSeriesView,
    ) -> Result<Option<UtcMs>, String> {
        let (symbol, timeframe) = (of.symbol, of.timeframe);
        let range = BarRange { symbol, timeframe, times: times.clone() };
        let asked = async || fetch(&*self.source, (symbol, timeframe), times.clone()).await;
        let found = self.ask(&range, asked).await?;
        let last = last_of(&found);
        self.keep(of, pages, found, row).await?;
        Ok(last)
    }

    /// Requests bars until the source responds, within the limits, and checks the response.
    async fn ask(
        &self,
        range: &BarRange,
        asked: impl AsyncFn() -> Result<Bars, VenueError>,
    ) -> Result<Bars, String> {
        let found = patiently(async || {
            let Some(world) = &self.beside else { return asked().await };
            while world.passing != Passing::Lockstep && world.venue.used() >= SHARE {
                tokio::time::sleep(LOOK).await;
            }
            let _turn = world.lookups.acquire().await;
            asked().await
        });
        let found = found.await.map_err(|e| why(&e))?;
        let wrong = |text| VenueError::new(ErrorClass::Refused { again: false }, 0, text);
        check(range, &[], &found).map_err(|text| wrong(text).to_string())?;
        Ok(found)
    }

    /// Stores what was found of `pages`, and the times without a bar.
    async fn keep(
        &self,
        of: &Wanted,
        pages: &[Times],
        found: Bars,
        row: &mut BackfillSeriesView,
    ) -> Result<(), String> {
        let (symbol, timeframe) = (of.symbol, of.timeframe);
        let mut here: BTreeSet<UtcMs> = found.unheld.iter().map(|bar| bar.open_time).collect();
        let mut refused = here.len();
        for bar in &found.unheld {
            tracing::warn!(%symbol, %timeframe, time = bar.open_time, "left out: {}", bar.why);
        }
        let mut bars: Vec<Bar> = Vec::with_capacity(found.held.len());
        for bar in &found.held {
            let bar = bar.ordered();
            here.insert(bar.open_time);
            match bar.validate() {
                Ok(()) => bars.push(bar),
                Err(why) => {
                    refused += 1;
                    let at = instant(bar.open_time);
                    tracing::warn!(%symbol, %timeframe, "the bar of {at} is left out: {why}");
                }
            }
        }
        let sessions = (timeframe, &self.sessions);
        let none: Vec<Times> = pages
            .iter()
            .rev()
            .flat_map(|times| missing_in(here.iter().copied(), &[], times, sessions))
            .collect();
        let all = |ranges: &[Times]| -> u64 {
            ranges.iter().map(|times| bars_of(times, timeframe.ms()).unsigned_abs()).sum()
        };
        let (fetched, requested) = (bars.len() as u64, all(pages));
        row.none += all(&none);
        row.refused += refused as u64;
        row.fetched += fetched;
        let page = FetchedPage { symbol, timeframe, bars, none };
        let archive = Arc::clone(&self.archive);
        let stored = tokio::task::spawn_blocking(move || store(&archive, &page)).await;
        stored.map_err(|e| e.to_string())?.map_err(|e| self.unstored(e))?;
        self.meter.change(|view| {
            view.fetched += fetched;
            view.bars_done += requested;
        });
        Ok(())
    }

    /// The error of a file. The daemon ends if it cannot use its history any more.
    fn unstored(&self, error: HistoryError) -> String {
        self.failed.fetch_max(FAILURES_MAX, Relaxed);
        match &self.beside {
            Some(world) => world.history_failed(error),
            None => error.to_string(),
        }
    }
}

/// Opening time of the newest bar.
fn last_of(found: &Bars) -> Option<UtcMs> {
    let held = found.held.last().map(|bar| bar.open_time);
    held.max(found.unheld.last().map(|bar| bar.open_time))
}

/// So many series, with their verb.
fn are(series: u64) -> String {
    let verb = if series == 1 { "is" } else { "are" };
    format!("{} series {verb}", thousands(series))
}
