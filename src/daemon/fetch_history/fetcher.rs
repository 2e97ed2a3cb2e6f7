//! Requests the pages of a plan and adds the responses to its file.

use super::bars_in;
use super::patience::{patiently, why};
use super::plan::{Part, Place, Plan, held};
use super::response;
use super::series::Series;
use everwarm_adapters::{PastBars, PublicSource};
use everwarm_domain::money::Price;
use everwarm_domain::time::UtcMs;
use everwarm_venue::port::{Bars, ErrorClass, VenueError};
use everwarm_venue::source::BarRange;
use everwarm_views::exit::Failure;
use everwarm_views::fetched::FetchedSeriesView;
use everwarm_words::text::instant;
use futures_util::stream::{self, StreamExt as _};
use std::cell::Cell;
use std::ops::RangeInclusive;

/// Requests at once.
pub(super) const AT_ONCE: usize = 8;
/// Opening times of a block, in whole pages. A block of minutes is six weeks.
const BLOCK: u64 = 64_000;
/// After so many requests of one series without an acceptable response, a repair leaves the rest.
const FAILURES_MAX: usize = 3;

/// What all series share.
pub(super) struct Fetcher<'a> {
    bars: &'a dyn PastBars,
    title: &'static str,
    /// Most bars of a page.
    page: u64,
    /// Bars whose times were requested.
    done: Cell<u64>,
    wanted: u64,
    on_progress: &'a dyn Fn(u64, u64),
}

/// A page to request, with prices beside it.
struct Page<'a> {
    times: RangeInclusive<UtcMs>,
    near: &'a [Price],
}

impl<'a> Fetcher<'a> {
    /// Begins to count the bars to request.
    pub fn new(
        source: &PublicSource,
        bars: &'a dyn PastBars,
        wanted: u64,
        on_progress: &'a dyn Fn(u64, u64),
    ) -> Fetcher<'a> {
        (on_progress)(0, wanted);
        let page = u64::from(bars.capabilities().page).max(1);
        Fetcher { bars, title: source.title, page, done: Cell::new(0), wanted, on_progress }
    }

    /// Fetches what a file lacks.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub async fn fetch(&self, plan: Plan) -> Result<FetchedSeriesView, Failure> {
        let Plan { symbol, timeframe, path, wanted, refused, .. } = plan;
        let bars = held(&path, timeframe)?;
        let before = bars.len();
        let mut series = Series::new((symbol, timeframe), path, bars);
        let mut error = refused;
        if let Some(why) = &error {
            series.failures.push(why.clone());
            return Ok(series.view(0, error));
        }
        let (parts, span): (Vec<Part>, Vec<Part>) =
            wanted.into_iter().partition(|part| part.place == Place::Anywhere);
        let repaired = self.parts(&mut series, &parts).await;
        series.write()?;
        repaired?;
        for part in span {
            let fetched = self.part(&mut series, &part).await;
            series.write()?;
            match fetched {
                Ok(()) => {}
                Err(Stop::Disk(failure)) => return Err(failure),
                Err(Stop::Source(e)) => {
                    error = Some(e);
                    break;
                }
            }
        }
        let fetched = series.bars.len() - before;
        Ok(series.view(fetched, error))
    }

    /// Fetches one end of a span.
    async fn part(&self, series: &mut Series, part: &Part) -> Result<(), Stop> {
        let mut part = part.clone();
        if part.bars() > self.page {
            // Before its listing a symbol has no bars, so the first one is looked for.
            let (from, to) = (*part.times.start(), *part.times.end());
            let all = Page { times: from..=to, near: &[] };
            let page = self.request(series, &all).await;
            let page = page.map_err(|e| Stop::Source(self.named(&e)))?;
            let unheld = page.unheld.first().map(|bar| bar.open_time);
            let held = page.held.first().map(|bar| bar.open_time);
            let first = held.into_iter().chain(unheld).min().unwrap_or(to + part.width);
            self.count(u64::try_from((first - from) / part.width).unwrap_or(0));
            part.times = first..=to;
        }
        let pages: Vec<Page> =
            part.pages(self.page).into_iter().map(|times| Page { times, near: &[] }).collect();
        let block = usize::try_from(BLOCK / self.page).unwrap_or(1).max(1);
        let blocks: Vec<_> = match part.place {
            Place::Before => pages.rchunks(block).collect(),
            Place::After | Place::Anywhere => pages.chunks(block).collect(),
        };
        for block in blocks {
            let mut all = Bars::default();
            for page in self.block(series, block).await {
                let page = page.map_err(|e| Stop::Source(self.named(&e)))?;
                all.held.extend(page.held);
                all.unheld.extend(page.unheld);
            }
            self.add(series, all, (part.place, block.len())).map_err(Stop::Disk)?;
        }
        Ok(())
    }

    /// Fetches the parts of a repair. One that fails does not end the others.
    async fn parts(&self, series: &mut Series, parts: &[Part]) -> Result<(), Failure> {
        let pages = |part: &Part| part.pages(self.page).into_iter();
        let page = |part| pages(part).map(|times| Page { times, near: &part.near });
        let pages: Vec<Page> = parts.iter().flat_map(page).collect();
        for block in pages.chunks(AT_ONCE) {
            if series.failures.len() >= FAILURES_MAX {
                break;
            }
            let mut all = Bars::default();
            for (page, found) in block.iter().zip(self.block(series, block).await) {
                match found {
                    Ok(found) => {
                        series.note_none(&page.times, &found);
                        all.held.extend(found.held);
                        all.unheld.extend(found.unheld);
                    }
                    Err(e) => {
                        let (from, to) = (instant(*page.times.start()), instant(*page.times.end()));
                        series.failures.push(format!("{from} to {to}: {}", self.named(&e)));
                    }
                }
            }
            self.add(series, all, (Place::Anywhere, block.len()))?;
        }
        Ok(())
    }

    async fn block(&self, series: &Series, pages: &[Page<'_>]) -> Vec<Result<Bars, VenueError>> {
        let requests = stream::iter(pages).map(async |page| {
            let found = self.request(series, page).await;
            self.count(bars_in(&page.times, series.timeframe.ms()));
            found
        });
        requests.buffered(AT_ONCE).collect().await
    }

    fn add(
        &self,
        series: &mut Series,
        found: Bars,
        (place, pages): (Place, usize),
    ) -> Result<(), Failure> {
        series.add(found, place);
        series.unwritten += pages;
        // A file is written whole, so a larger one is written less often.
        let quarter = series.bars.len() as u64 / (4 * self.page);
        let block = (BLOCK / self.page).max(1);
        if series.unwritten as u64 >= quarter.max(block) { series.write() } else { Ok(()) }
    }

    /// The bars of one page, if the response is acceptable.
    async fn request(&self, series: &Series, page: &Page<'_>) -> Result<Bars, VenueError> {
        let (symbol, timeframe) = (series.symbol, series.timeframe);
        let Page { times, near } = page;
        let range = || BarRange { symbol, timeframe, times: times.clone() };
        let found = patiently(async || self.bars.bars(range()).await).await?;
        let wrong = |why| VenueError::new(ErrorClass::Refused { again: false }, 0, why);
        response::check(&range(), near, &found).map_err(wrong)?;
        Ok(found)
    }

    /// An error with the name of the source.
    fn named(&self, error: &VenueError) -> String {
        format!("{}: {}", self.title, why(error))
    }

    fn count(&self, bars: u64) {
        self.done.set(self.done.get() + bars);
        (self.on_progress)(self.done.get(), self.wanted);
    }
}

/// Why a series ended early.
enum Stop {
    Source(String),
    Disk(Failure),
}
