//! Queries what the selection of symbols needs from the venue.

use super::DAY_ZONE;
use crate::world::World;
use everwarm_domain::id::Symbol;
use everwarm_domain::settings::Selection;
use everwarm_domain::time::{DAY, Timeframe, UtcMs, day_of};
use everwarm_trading::universe::{Venue, candidates};
use everwarm_venue::port::{ErrorClass, VenueError};
use everwarm_venue::source::BarRange;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinSet;

/// Days whose beginning is announced, the current one included.
const DAYS_AHEAD: usize = 5;
/// The value of [`DAY_ZONE`] for the zone of the venue.
const VENUES: &str = "venue";
/// Most queries for first bars under way at a time.
const QUERIES: usize = 8;

/// Opening times of the first daily bars. They never change, so each is queried once in a process.
pub type FirstBars = Arc<Mutex<BTreeMap<Symbol, UtcMs>>>;

/// Queries the symbols of the venue, and their markets where the rule needs them.
///
/// # Errors
/// The venue does not respond, or rejects a request.
pub async fn look(
    world: &World,
    rule: &Selection,
    first_bars: &FirstBars,
) -> Result<Venue, VenueError> {
    let rules = world.venue.instruments(&[]).await?;
    let needs_days = rule.ranks() || rule.limits.needs_days();
    let days = if needs_days { world.venue.days().await? } else { Vec::new() };
    let hours = world.venue.hours().await.map_err(|error| {
        let text = format!("its calendar: {}", error.text);
        VenueError { text, ..error }
    })?;
    let day_begins = wanted_zone(world).or(hours.zone).map(|zone| {
        let days = days_ahead(&zone, world.now());
        (zone.iana_name().unwrap_or("UTC").to_owned(), days)
    });
    let capabilities = Some(world.venue.capabilities());
    let stop_orders = (world.venue.stop_orders(), world.venue.fewer_stop_orders());
    let mut venue = Venue {
        rules,
        days: days.into_iter().collect(),
        first_bars: BTreeMap::new(),
        time: world.now(),
        capabilities,
        stop_orders,
        pairs: world.venue.pairs(),
        splits: world.venue.splits(),
        sessions: hours.sessions,
        day_begins,
    };
    if rule.limits.min_age_d > 0 {
        let symbols = candidates(rule, &venue, |_| true);
        query_first_bars(world, symbols, first_bars).await?;
        venue.first_bars = known(first_bars, |known| known.clone());
    }
    Ok(venue)
}

/// Queries the first daily bars that are not known yet. What was answered before an error is kept.
async fn query_first_bars(
    world: &World,
    symbols: Vec<Symbol>,
    first_bars: &FirstBars,
) -> Result<(), VenueError> {
    let wanted = known(first_bars, |known| {
        let new = symbols.into_iter().filter(|symbol| !known.contains_key(symbol));
        new.collect::<Vec<Symbol>>()
    });
    let mut wanted = wanted.into_iter();
    let mut queries = JoinSet::new();
    let last = Timeframe::D1.open_of(world.now()) - DAY;
    loop {
        while queries.len() < QUERIES
            && let Some(symbol) = wanted.next()
        {
            let source = Arc::clone(&world.source);
            queries.spawn(async move {
                let range = BarRange { symbol, timeframe: Timeframe::D1, times: 0..=last };
                Ok::<_, VenueError>((symbol, source.bars(range).await?))
            });
        }
        let Some(done) = queries.join_next().await else { return Ok(()) };
        let ended = |e| VenueError::new(ErrorClass::NotSent, 0, format!("a query ended: {e}"));
        let (symbol, bars) = done.map_err(ended)??;
        let held = bars.held.first().map(|bar| bar.open_time);
        let unheld = bars.unheld.first().map(|bar| bar.open_time);
        if let Some(opened) = held.into_iter().chain(unheld).min() {
            known(first_bars, |known| known.insert(symbol, opened));
        }
    }
}

fn known<T>(first_bars: &FirstBars, with: impl FnOnce(&mut BTreeMap<Symbol, UtcMs>) -> T) -> T {
    with(&mut first_bars.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The zone of `risk.day_zone`; none: that of the venue.
fn wanted_zone(world: &World) -> Option<TimeZone> {
    let name = world.board.in_force(DAY_ZONE)?;
    TimeZone::get(name.as_str().filter(|name| *name != VENUES)?).ok()
}

/// The day of venue time `now` in a zone and the days that follow: the number of the date, and its
/// beginning, UTC milliseconds.
fn days_ahead(zone: &TimeZone, now: UtcMs) -> Vec<(i64, UtcMs)> {
    let Ok(now) = Timestamp::from_millisecond(now) else { return Vec::new() };
    let today = now.to_zoned(zone.clone()).date();
    let begins = |date: Date| {
        let at = date.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond();
        // Midnight of the same date in UTC.
        let midnight = date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond();
        Some((day_of(midnight), at))
    };
    today.series(1.day()).take(DAYS_AHEAD).filter_map(begins).collect()
}
