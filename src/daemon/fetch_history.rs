//! `everwarm history fetch`: past bars of a public source, written as the files of a recording.
//!
//! A file grows by blocks of pages from the bars that it has, and each write replaces it whole. So
//! a command that is killed leaves whole files, and the same command continues. A long series is
//! in memory alone.

mod patience;

use everwarm_adapters::{PUBLIC, PastBars, PublicSource};
use everwarm_cli::FetchConfig;
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::SymbolRules;
use everwarm_domain::market::Bar;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_runtime::clock::wall;
use everwarm_sim::market::{add_rules, read_bars, write_bars};
use everwarm_venue::address::Address;
use everwarm_venue::clock::{Pace, SharedClock};
use everwarm_venue::port::{Bars, ErrorClass, VenueError};
use everwarm_venue::rate_limit::Note;
use everwarm_venue::source::BarRange;
use everwarm_venue::{Opening, install_tls};
use everwarm_views::backup::failed;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::fetched::{FetchedSeriesView, FetchedView};
use everwarm_words::text::instant;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use patience::{patiently, why};
use std::cell::Cell;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Requests at once.
const AT_ONCE: usize = 8;
/// Pages of a block. With pages of 1,000 bars a block of minutes is six weeks.
const BLOCK: usize = 64;
/// Bars of a long series: 3 MB of memory.
const LONG: u64 = 40_000;
/// Fetches what the files lack. The callback gets the bars whose times were requested, and all.
///
/// # Errors
/// The request is wrong, the source cannot be used at all, or a file cannot be read or written. A
/// series that is not whole is in the result.
pub fn run(asked: &FetchConfig, on_progress: &dyn Fn(u64, u64)) -> Result<FetchedView, Failure> {
    let names = || PUBLIC.iter().map(|source| source.name).collect::<Vec<_>>().join(", ");
    let name = asked.source.as_deref().unwrap_or(PUBLIC[0].name);
    let source = PublicSource::named(name)
        .ok_or_else(|| usage(format!("--source: {name:?} is not one of: {}", names())))?;
    let address = address(source, asked.address.as_deref())?;
    install_tls();
    let opening = Opening {
        recv_window: 0,
        clock: SharedClock::new(Pace::Real),
        wall: Arc::new(wall),
        note: Note::default(),
    };
    let failed = |e: String| Failure::new(Exit::Failed, e);
    let bars = (source.open)(address, opening).map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| failed(e.to_string()))?;
    runtime.block_on(fetch_all(asked, (source, &*bars), on_progress))
}

fn usage(text: String) -> Failure {
    Failure::new(Exit::Usage, text)
}

/// The address to ask.
fn address<'a>(source: &PublicSource, given: Option<&'a str>) -> Result<&'a str, Failure> {
    let Some(given) = given else { return Ok(source.address) };
    let address = Address::read(given).map_err(|why| usage(format!("--address: {why}")))?;
    match address.scheme {
        "https" => Ok(given),
        "http" if address.is_loopback() => Ok(given),
        "http" => Err(usage(format!(
            "--address: {given:?} is not encrypted. Use https; http is for this machine only."
        ))),
        _ => Err(usage(format!("--address: {given:?} does not begin with https"))),
    }
}

async fn fetch_all(
    asked: &FetchConfig,
    (source, bars): (&PublicSource, &dyn PastBars),
    on_progress: &dyn Fn(u64, u64),
) -> Result<FetchedView, Failure> {
    let title = source.title;
    let can = bars.capabilities();
    let all = &asked.series;
    if let Some((_, width)) = all.iter().find(|(_, width)| !can.widths.contains(width)) {
        return Err(usage(format!("--timeframes: {title} has no bars of {width}")));
    }
    let now = patiently(async || bars.now().await).await.map_err(|e| no(title, &e))?;
    let final_before = now - can.settles;
    let through = asked.to.map_or(final_before, |to| to.min(final_before));
    let rules = rules(asked, title, bars).await?;
    std::fs::create_dir_all(&asked.out).map_err(|e| failed(&asked.out, &e))?;
    add_rules(&asked.out, &[]).map_err(|e| usage(e.to_string()))?;
    let page = can.page.into();
    let plans: Vec<Plan> = all
        .iter()
        .map(|(symbol, width)| Plan::of(asked, (*symbol, *width), through))
        .collect::<Result<_, _>>()?;
    let wanted = plans.iter().map(Plan::bars).sum();
    let fetcher = Fetcher { bars, page, done: Cell::new(0), wanted, on_progress };
    (fetcher.on_progress)(0, wanted);
    let long = plans.iter().any(|plan| plan.held + plan.bars() > LONG);
    let running = stream::iter(plans).map(|plan| fetcher.fetch(plan));
    let series: Vec<FetchedSeriesView> =
        running.buffered(if long { 1 } else { AT_ONCE }).try_collect().await?;
    let has_minutes = |rule: &&SymbolRules| {
        let of = |s: &FetchedSeriesView| s.symbol == rule.symbol && s.timeframe == Timeframe::M1;
        series.iter().any(|series| of(series) && series.bars > 0)
    };
    let rules: Vec<SymbolRules> = rules.iter().filter(has_minutes).cloned().collect();
    add_rules(&asked.out, &rules).map_err(|e| Failure::new(Exit::Failed, e.to_string()))?;
    Ok(FetchedView { source: source.name.to_owned(), through, series })
}

/// The rules of the symbols.
///
/// # Errors
/// Names the symbols that the source does not have.
async fn rules(
    asked: &FetchConfig,
    title: &str,
    bars: &dyn PastBars,
) -> Result<Vec<SymbolRules>, Failure> {
    let mut symbols: Vec<Symbol> = asked.series.iter().map(|(symbol, _)| *symbol).collect();
    symbols.dedup();
    let found = match patiently(async || bars.rules(symbols.clone()).await).await {
        Ok(found) => found,
        Err(e) if !matches!(e.class, ErrorClass::Refused { .. }) => return Err(no(title, &e)),
        Err(_) => {
            // One wrong name refuses the whole list.
            let mut found = Vec::new();
            for symbol in &symbols {
                match patiently(async || bars.rules(vec![*symbol]).await).await {
                    Ok(one) => found.extend(one),
                    Err(e) if matches!(e.class, ErrorClass::Refused { .. }) => {}
                    Err(e) => return Err(no(title, &e)),
                }
            }
            found
        }
    };
    let unknown = |symbol: &&Symbol| !found.iter().any(|rule| rule.symbol == **symbol);
    let unknown: Vec<String> = symbols.iter().filter(unknown).map(Symbol::to_string).collect();
    if unknown.is_empty() {
        return Ok(found);
    }
    Err(usage(format!("--symbols: {title} has no {}", unknown.join(", "))))
}

fn no(title: &str, error: &VenueError) -> Failure {
    Failure::new(Exit::Failed, format!("{title}: {error}"))
}

/// A part of a series that its file lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    /// Opening times, UTC milliseconds.
    times: RangeInclusive<UtcMs>,
    width: UtcMs,
    /// Whether it lies before the bars of the file. It then grows from its end.
    before: bool,
}

impl Part {
    /// Opening times in it.
    fn bars(&self) -> u64 {
        bars_in(&self.times, self.width)
    }
}

fn bars_in(times: &RangeInclusive<UtcMs>, width: UtcMs) -> u64 {
    u64::try_from((times.end() - times.start()) / width + 1).unwrap_or(0)
}

/// The parts of `from..through` that a file with bars of these opening times lacks. Bars that close
/// after `through` are not final.
fn parts(
    width: UtcMs,
    (from, through): (UtcMs, UtcMs),
    held: Option<RangeInclusive<UtcMs>>,
) -> Vec<Part> {
    let first = from.saturating_add(width - 1).div_euclid(width) * width;
    let last = through.div_euclid(width) * width - width;
    let part = |times, before| Part { times, width, before };
    let parts = match held {
        None => vec![part(first..=last, false)],
        Some(held) => {
            vec![
                // What lies between the file and the request is fetched, too: no hole remains.
                part(first..=held.start() - width, true),
                part(held.end() + width..=last, false),
            ]
        }
    };
    parts.into_iter().filter(|part| !part.times.is_empty()).collect()
}

/// What to fetch for one file.
struct Plan {
    symbol: Symbol,
    timeframe: Timeframe,
    path: PathBuf,
    /// Bars that it has.
    held: u64,
    wanted: Vec<Part>,
}

impl Plan {
    fn of(
        asked: &FetchConfig,
        (symbol, timeframe): (Symbol, Timeframe),
        through: UtcMs,
    ) -> Result<Plan, Failure> {
        let name = |end: &str| asked.out.join(format!("{symbol}_{timeframe}.csv{end}"));
        let path = if name("").exists() { name("") } else { name(".gz") };
        let bars = held(&path, timeframe)?;
        let span = bars.first().zip(bars.last()).map(|(a, b)| a.open_time..=b.open_time);
        let wanted = parts(timeframe.ms(), (asked.from, through), span);
        Ok(Plan { symbol, timeframe, path, held: bars.len() as u64, wanted })
    }

    /// Bars to request.
    fn bars(&self) -> u64 {
        self.wanted.iter().map(Part::bars).sum()
    }
}

/// The bars of a file; none if there is no file.
fn held(path: &Path, timeframe: Timeframe) -> Result<Vec<Bar>, Failure> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let no = |why| usage(format!("{why}. Repair or remove the file."));
    let (bars, _) = read_bars(path, usize::MAX).map_err(|e| no(e.to_string()))?;
    if let Some(bar) = bars.iter().find(|bar| bar.open_time % timeframe.ms() != 0) {
        let (file, open) = (path.display(), instant(bar.open_time));
        return Err(no(format!("{file}: no bar of {timeframe} opens at {open}")));
    }
    Ok(bars)
}

/// One file with its bars.
struct Series {
    symbol: Symbol,
    timeframe: Timeframe,
    path: PathBuf,
    bars: Vec<Bar>,
    /// Pages that are not in the file.
    unwritten: usize,
    refused: Vec<String>,
}

impl Series {
    /// Adds bars that lie before or after all others.
    fn add(&mut self, found: Bars, before: bool) {
        let mut bars = Vec::with_capacity(found.held.len());
        for bar in found.held {
            match bar.validate() {
                Ok(()) => bars.push(bar),
                Err(why) => self.refused.push(format!("{}: {why}", instant(bar.open_time))),
            }
        }
        for bar in found.unheld {
            self.refused.push(format!("{}: {} ({})", instant(bar.open_time), bar.why, bar.claimed));
        }
        if before {
            bars.append(&mut self.bars);
            self.bars = bars;
        } else {
            self.bars.append(&mut bars);
        }
    }

    /// Writes the bars that are not in the file.
    fn write(&mut self) -> Result<(), Failure> {
        if self.unwritten > 0 && !self.bars.is_empty() {
            write_bars(&self.path, &self.bars).map_err(|e| failed(&self.path, &e))?;
        }
        self.unwritten = 0;
        Ok(())
    }

    fn view(self, fetched: usize, error: Option<String>) -> FetchedSeriesView {
        let Series { symbol, timeframe, path, bars, refused, .. } = self;
        let first = bars.first().map(|bar| bar.open_time);
        let last = bars.last().map(|bar| bar.open_time);
        let between = first.zip(last).map(|(first, last)| bars_in(&(first..=last), timeframe.ms()));
        let count = bars.len() as u64;
        FetchedSeriesView {
            symbol,
            timeframe,
            file: path,
            fetched: fetched as u64,
            bars: count,
            first,
            last,
            missing: between.unwrap_or(0).saturating_sub(count),
            refused,
            error,
        }
    }
}

/// What all series share.
struct Fetcher<'a> {
    bars: &'a dyn PastBars,
    /// Most bars of a page.
    page: u64,
    /// Bars whose times were requested.
    done: Cell<u64>,
    wanted: u64,
    on_progress: &'a dyn Fn(u64, u64),
}

impl Fetcher<'_> {
    /// Fetches what a file lacks.
    ///
    /// # Errors
    /// The file cannot be read or written.
    async fn fetch(&self, plan: Plan) -> Result<FetchedSeriesView, Failure> {
        let Plan { symbol, timeframe, path, wanted, .. } = plan;
        let bars = held(&path, timeframe)?;
        let before = bars.len();
        let (unwritten, refused) = (0, Vec::new());
        let mut series = Series { symbol, timeframe, path, bars, unwritten, refused };
        let mut error = None;
        for part in wanted {
            let fetched = self.part(&mut series, &part).await;
            series.write()?;
            match fetched {
                Ok(()) => {}
                Err(Stop::Disk(failure)) => return Err(failure),
                Err(Stop::Source(e)) => {
                    error = Some(why(&e));
                    break;
                }
            }
        }
        let fetched = series.bars.len() - before;
        Ok(series.view(fetched, error))
    }

    async fn part(&self, series: &mut Series, part: &Part) -> Result<(), Stop> {
        let width = part.width;
        let (mut from, to) = (*part.times.start(), *part.times.end());
        if part.bars() > self.page {
            // Before its listing a symbol has no bars, so the first one is looked for.
            let (symbol, timeframe) = (series.symbol, series.timeframe);
            let range = || BarRange { symbol, timeframe, times: from..=to };
            let page = patiently(async || self.bars.bars(range()).await).await;
            let page = page.map_err(Stop::Source)?;
            let unheld = page.unheld.first().map(|bar| bar.open_time);
            let held = page.held.first().map(|bar| bar.open_time);
            let first = held.into_iter().chain(unheld).min().unwrap_or(to + width);
            self.count(u64::try_from((first - from) / width).unwrap_or(0));
            from = first;
        }
        let step = width.saturating_mul(i64::try_from(self.page).unwrap_or(i64::MAX));
        let mut pages = Vec::new();
        while from <= to {
            let end = from.saturating_add(step - width).min(to);
            pages.push(from..=end);
            from = end.saturating_add(width);
        }
        let blocks: Vec<_> = if part.before {
            pages.rchunks(BLOCK).collect()
        } else {
            pages.chunks(BLOCK).collect()
        };
        for block in blocks {
            let of = (series.symbol, series.timeframe);
            let found = stream::iter(block).map(|times| self.page(of, times.clone()));
            let found: Vec<Bars> = found.buffered(AT_ONCE).try_collect().await?;
            let mut all = Bars::default();
            for page in found {
                all.held.extend(page.held);
                all.unheld.extend(page.unheld);
            }
            series.add(all, part.before);
            series.unwritten += block.len();
            // A file is written whole, so a larger one is written less often.
            let quarter = series.bars.len() as u64 / (4 * self.page);
            if series.unwritten as u64 >= quarter.max(BLOCK as u64) {
                series.write().map_err(Stop::Disk)?;
            }
        }
        Ok(())
    }

    async fn page(
        &self,
        of: (Symbol, Timeframe),
        times: RangeInclusive<UtcMs>,
    ) -> Result<Bars, Stop> {
        let (symbol, timeframe) = of;
        let range = || BarRange { symbol, timeframe, times: times.clone() };
        let found = patiently(async || self.bars.bars(range()).await).await;
        self.count(bars_in(&times, timeframe.ms()));
        found.map_err(Stop::Source)
    }

    fn count(&self, bars: u64) {
        self.done.set(self.done.get() + bars);
        (self.on_progress)(self.done.get(), self.wanted);
    }
}

/// Why a series ended early.
enum Stop {
    Source(VenueError),
    Disk(Failure),
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::time::MINUTE;

    fn wanted(
        from: UtcMs,
        through: UtcMs,
        held: Option<RangeInclusive<UtcMs>>,
    ) -> Vec<(UtcMs, UtcMs, bool)> {
        let minutes = |minute: UtcMs| minute * MINUTE;
        let held = held.map(|held| minutes(*held.start())..=minutes(*held.end()));
        let parts = parts(MINUTE, (minutes(from), minutes(through)), held);
        let minute = |time: &UtcMs| time / MINUTE;
        parts.iter().map(|p| (minute(p.times.start()), minute(p.times.end()), p.before)).collect()
    }

    #[test]
    fn a_file_gets_what_lies_before_and_after_its_bars_and_nothing_twice() {
        assert_eq!(wanted(10, 20, None), [(10, 19, false)], "bars that close by then");
        assert_eq!(wanted(10, 20, Some(12..=15)), [(10, 11, true), (16, 19, false)]);
        assert_eq!(wanted(10, 20, Some(10..=19)), []);
        assert_eq!(wanted(10, 20, Some(5..=30)), []);
        assert_eq!(wanted(20, 30, Some(5..=10)), [(11, 29, false)], "no hole between");
        assert_eq!(wanted(5, 10, Some(20..=30)), [(5, 19, true)], "no hole between");
        assert_eq!(wanted(10, 10, None), []);
    }

    #[test]
    fn times_between_bars_begin_with_the_next_bar() {
        let parts = parts(MINUTE, (MINUTE + 1, 3 * MINUTE + 5), None);
        assert_eq!(parts[0].times, 2 * MINUTE..=2 * MINUTE);
    }

    #[test]
    fn addresses_are_encrypted_unless_they_are_this_machine() {
        let at = |given| address(&PUBLIC[0], given).map_err(|e| e.to_string());
        assert_eq!(at(None), Ok(PUBLIC[0].address));
        assert!(at(Some("https://example.com")).is_ok());
        assert!(at(Some("http://127.0.0.1:80")).is_ok());
        for wrong in ["http://example.com", "wss://example.com", "example.com"] {
            assert!(at(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
