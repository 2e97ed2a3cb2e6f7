//! Live prices for the simulated exchange: fetches the bars of a public source, each minute as it
//! becomes final.
//!
//! A source that fails is asked again and again. Until it responds, the exchange has no new close,
//! and the daemon reports that its bars are old.

use super::fetch_history::{opening, patiently, rules};
use everwarm_adapters::{PastBars, PublicSource};
use everwarm_config::{MarketSource, Pace, Symbols};
use everwarm_domain::id::{Symbol, VenueId};
use everwarm_domain::instrument::{Instrument, SymbolRules};
use everwarm_domain::market::Bar;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use everwarm_runtime::clock;
use everwarm_sim::market::{Arrivals, Live};
use everwarm_venue::install_tls;
use everwarm_venue::port::{ErrorClass, VenueError};
use everwarm_venue::source::BarRange;
use everwarm_views::exit::{Exit, Failure};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Requests at once.
const AT_ONCE: usize = 8;
/// Minutes of the past that an exchange has at its start: its statistics are of a day.
const MINUTES: i64 = 1_500;
/// Bars of each wider width that an exchange has at its start, at most a page.
const WIDE: i64 = 1_000;
/// How far the market is behind the source, besides the time after which a bar is final,
/// milliseconds. In this time the bars of a minute are fetched.
const BEHIND: UtcMs = 3_500;
/// Time of the source between two requests of wider bars, milliseconds.
const RENEW: UtcMs = 24 * 60 * MINUTE;
/// Time of the source between two comparisons of the clocks, milliseconds.
const COMPARE: UtcMs = 10 * MINUTE;
/// How long a symbol without a bar of the newest minute is asked again.
const PATIENCE: Duration = Duration::from_secs(20);
/// The first wait before that; the others double.
const RECHECK: Duration = Duration::from_millis(250);
/// Longest wait before another attempt.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// A clock of the source, since its time was read.
#[derive(Clone, Copy, Debug)]
struct Clock {
    base: UtcMs,
    read: Instant,
    factor: u32,
}

impl Clock {
    fn now(&self) -> UtcMs {
        let passed = self.read.elapsed() * self.factor;
        self.base + UtcMs::try_from(passed.as_millis()).unwrap_or(0)
    }

    /// How long until it shows `at`.
    fn until(&self, at: UtcMs) -> Duration {
        let left = at.saturating_sub(self.now());
        Duration::from_millis(u64::try_from(left).unwrap_or(0)) / self.factor
    }
}

/// The requests to the source.
#[derive(Clone)]
struct Reader {
    title: &'static str,
    source: Arc<dyn PastBars>,
}

/// The source, and what is fetched from it.
struct Feed {
    reader: Reader,
    symbols: Vec<Symbol>,
    arrivals: Arc<Arrivals>,
    settles: UtcMs,
    clock: SourceTime,
}

/// The clock, which the fetcher corrects and the exchange reads.
#[derive(Clone)]
struct SourceTime(Arc<Mutex<Clock>>);

impl SourceTime {
    fn of(base: UtcMs, factor: u32) -> SourceTime {
        SourceTime(Arc::new(Mutex::new(Clock { base, read: clock::now(), factor })))
    }

    fn read(&self) -> Clock {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> UtcMs {
        self.read().now()
    }

    fn set(&self, base: UtcMs) {
        let mut clock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *clock = Clock { base, read: clock::now(), factor: clock.factor };
    }
}

/// The symbols that the configuration names for live prices.
#[must_use]
pub fn symbols(market: &MarketSource) -> &[Symbol] {
    match &market.symbols {
        Symbols::Named(names) => names,
        Symbols::Auto | Symbols::First(_) => &[],
    }
}

/// Fetches what an exchange needs at its start, and goes on to fetch until the process ends.
///
/// # Errors
/// The source does not respond, or lacks a symbol.
pub async fn open(name: &str, market: &MarketSource) -> Result<Live, Failure> {
    let unknown = || Failure::new(Exit::Usage, format!("market.prices: no source {name:?}"));
    let source = PublicSource::named(name).ok_or_else(unknown)?;
    install_tls();
    let address = market.prices_address.as_deref().unwrap_or(source.address);
    let bars = (source.open)(address, &[], opening()).map_err(|e| Failure::new(Exit::Failed, e))?;
    let title = source.title;
    let no = |error: VenueError| no_prices(title, &error.to_string());
    let now = patiently(async || bars.now().await).await.map_err(no)?;
    let names = symbols(market).to_vec();
    let rules = rules(&names, title, &*bars).await?;
    if let Some(absent) = names.iter().find(|name| rules.iter().all(|rule| rule.symbol != **name)) {
        let text = format!("market.symbols: {title} has no {absent}");
        return Err(Failure::new(Exit::Usage, text));
    }
    let factor = match market.pace {
        Pace::Times(factor) => factor,
        Pace::Lockstep => 1,
    };
    let settles = bars.capabilities().settles;
    let clock = SourceTime::of(now, factor);
    // The minute before the newest one is final for certain.
    let through = Timeframe::M1.open_of(clock.now() - settles) - MINUTE;
    let first = through - MINUTES * MINUTE;
    let arrivals = Arc::new(Arrivals::from(first));
    let reader = Reader { title, source: bars };
    let time = clock.clone();
    let feed = Feed { reader, symbols: names, arrivals, settles, clock };
    let minutes = patiently(async || feed.minutes(first..=through - MINUTE).await).await;
    let minutes = minutes.map_err(no)?;
    feed.arrivals.add(through, minutes);
    patiently(async || feed.renew().await).await.map_err(no)?;
    let instruments = rules.into_iter().map(instrument).collect();
    let behind = settles + BEHIND;
    let time = Arc::new(move || time.now() - behind);
    let live = Live::new(instruments, Arc::clone(&feed.arrivals), time);
    tokio::spawn(feed.follow());
    Ok(live)
}

fn no_prices(title: &str, why: &str) -> Failure {
    Failure::new(Exit::Unreachable, format!("no prices from {title}: {why}"))
}

/// An instrument of the exchange with the rules of the source.
fn instrument(rules: SymbolRules) -> Instrument {
    Instrument {
        symbol: rules.symbol,
        base: rules.base,
        quote: rules.quote,
        trading: true,
        tick_size: rules.tick_size,
        lot_size: rules.lot_size,
        min_quantity: rules.min_quantity,
        max_quantity: rules.max_quantity,
        market_lot_size: Decimal::ZERO,
        market_max_quantity: Decimal::ZERO,
        min_notional: rules.min_notional,
        min_notional_for_market: true,
        venue: VenueId::default(),
    }
}

impl Reader {
    /// Most milliseconds of bars of this width in a response.
    fn page(&self, timeframe: Timeframe) -> UtcMs {
        UtcMs::from(self.source.capabilities().page.max(1)) * timeframe.ms()
    }

    /// The bars of a symbol with these opening times, page by page.
    async fn series(
        self,
        symbol: Symbol,
        timeframe: Timeframe,
        opens: RangeInclusive<UtcMs>,
    ) -> Result<Vec<Bar>, VenueError> {
        let page = self.page(timeframe);
        let (mut from, end, mut all) = (*opens.start(), *opens.end(), Vec::new());
        while from <= end {
            let times = from..=end.min(from + page - timeframe.ms());
            let range = BarRange { symbol, timeframe, times };
            let bars = self.source.bars(range).await?;
            if let Some(first) = bars.unheld.first() {
                let (title, count) = (self.title, bars.unheld.len());
                tracing::warn!(?first, "{title} sent {count} bars of {symbol} that are no bars");
            }
            all.extend(bars.held);
            from += page;
        }
        Ok(all)
    }
}

impl Feed {
    /// The minutes of all symbols with these opening times.
    async fn minutes(&self, opens: RangeInclusive<UtcMs>) -> Result<Vec<Bar>, VenueError> {
        Ok(self.each(&self.symbols, opens).await?.into_iter().flatten().collect())
    }

    /// The minutes of each of these symbols with these opening times.
    async fn each(
        &self,
        symbols: &[Symbol],
        opens: RangeInclusive<UtcMs>,
    ) -> Result<Vec<Vec<Bar>>, VenueError> {
        let one = |symbol| self.reader.clone().series(symbol, Timeframe::M1, opens.clone());
        let each: Vec<_> = symbols.iter().copied().map(one).collect();
        stream::iter(each).buffered(AT_ONCE).try_collect().await
    }

    /// Fetches the newest bars of every wider width.
    async fn renew(&self) -> Result<(), VenueError> {
        let can = self.reader.source.capabilities();
        let now = self.clock.now() - self.settles;
        let most = WIDE.min(can.page.into());
        for width in can.widths.iter().copied().filter(|width| *width != Timeframe::M1) {
            let last = width.open_of(now) - width.ms();
            let opens = last - (most - 1) * width.ms()..=last;
            let one = |symbol| self.reader.clone().series(symbol, width, opens.clone());
            let each: Vec<_> = self.symbols.iter().copied().map(one).collect();
            let all: Vec<Vec<Bar>> = stream::iter(each).buffered(AT_ONCE).try_collect().await?;
            for (symbol, bars) in self.symbols.iter().zip(all) {
                self.arrivals.set_older(*symbol, width, bars);
            }
        }
        Ok(())
    }

    /// Fetches each minute as it becomes final, and what the exchange missed.
    async fn follow(self) {
        let (mut renewed, mut compared) = (self.clock.now(), self.clock.now());
        let mut failures = 0_u32;
        loop {
            let due = self.arrivals.through() + MINUTE + self.settles;
            let missed = self.arrivals.wanted();
            if missed.is_none() {
                // The exchange may miss minutes meanwhile, so it is looked at again soon.
                let wait = self.clock.read().until(due).min(Duration::from_secs(1));
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                    continue;
                }
            }
            let done = match missed {
                Some(opens) => self.catch_up(opens).await,
                None => self.step(&mut renewed, &mut compared).await,
            };
            failures = match done {
                Ok(()) => 0,
                Err(error) => self.wait(&error, failures + 1).await,
            };
        }
    }

    /// Waits before another attempt. Returns the failures so far.
    async fn wait(&self, error: &VenueError, failures: u32) -> u32 {
        let backoff = Duration::from_millis(500) * 2_u32.pow(failures.min(7));
        let wait = match error.class {
            ErrorClass::RateLimited { retry_after_ms } => Duration::from_millis(retry_after_ms),
            ErrorClass::NotSent
            | ErrorClass::Unknown
            | ErrorClass::Refused { .. }
            | ErrorClass::Halt
            | ErrorClass::Rules
            | ErrorClass::Funds
            | ErrorClass::Absent => backoff.min(RETRY_MAX),
        };
        tracing::warn!(%error, ?wait, failures, "no prices from {}; retrying", self.reader.title);
        tokio::time::sleep(wait).await;
        failures
    }

    /// Fetches the minutes that an exchange missed, the newest part first.
    async fn catch_up(&self, opens: RangeInclusive<UtcMs>) -> Result<(), VenueError> {
        let page = self.reader.page(Timeframe::M1);
        let from = (*opens.start()).max(*opens.end() - page + MINUTE);
        let bars = self.minutes(from..=*opens.end()).await?;
        self.arrivals.add_before(from, bars);
        Ok(())
    }

    /// The minutes of all symbols that close after `from`, up to `through`. None: the clock of the
    /// source has not passed that time. A symbol without a bar of the newest minute had no trade in
    /// it, or the source is late: it is asked again, until it sends a later bar or the patience
    /// ends.
    async fn settled(&self, from: UtcMs, through: UtcMs) -> Result<Option<Vec<Bar>>, VenueError> {
        let (began, mut wait) = (clock::now(), RECHECK);
        let (mut all, mut lacking) = (BTreeMap::new(), self.symbols.clone());
        loop {
            let forming = Timeframe::M1.open_of(self.clock.now());
            for bars in self.each(&lacking, from..=forming).await? {
                if let Some(bar) = bars.first() {
                    all.insert(bar.symbol, bars);
                }
            }
            lacking.retain(|symbol| {
                let newest = all.get(symbol).and_then(|bars| bars.last());
                newest.is_none_or(|bar| bar.open_time < through - MINUTE)
            });
            if lacking.is_empty() {
                break;
            }
            // A source that was away may have lost time.
            self.compare().await?;
            if self.clock.now() < through + self.settles {
                return Ok(None);
            }
            if began.elapsed() > PATIENCE {
                break;
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        if !lacking.is_empty() {
            let (title, count) = (self.reader.title, lacking.len());
            tracing::debug!(through, ?lacking, "{title} has no bar of a minute of {count} symbols");
        }
        Ok(Some(all.into_values().flatten().collect()))
    }

    /// Compares the clocks.
    async fn compare(&self) -> Result<(), VenueError> {
        self.clock.set(self.reader.source.now().await?);
        Ok(())
    }

    /// Fetches the minutes that are final now. At times it compares the clocks and renews the wider
    /// bars.
    async fn step(&self, renewed: &mut UtcMs, compared: &mut UtcMs) -> Result<(), VenueError> {
        if self.clock.now() - *compared > COMPARE {
            self.compare().await?;
            *compared = self.clock.now();
        }
        let from = self.arrivals.through();
        let through = Timeframe::M1.open_of(self.clock.now() - self.settles);
        if from < through {
            let Some(bars) = self.settled(from, through).await? else { return Ok(()) };
            self.arrivals.add(through, bars);
        }
        if self.clock.now() - *renewed > RENEW {
            self.renew().await?;
            *renewed = self.clock.now();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_a_fast_source_is_fast() {
        let read = clock::now();
        let clock = Clock { base: 60_000, read, factor: 60 };
        assert!(clock.now() >= 60_000);
        assert!(clock.until(clock.now() + 60_000) <= Duration::from_secs(1));
        assert_eq!(clock.until(0), Duration::ZERO);
    }
}
