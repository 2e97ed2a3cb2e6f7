//! Loads past bars of widths that minutes do not span, each in its own bars.
//!
//! Only fetched bars count as present: a bar that was aggregated from minutes may lack some of
//! them.

use crate::market::bar::unkept;
use crate::market::fetch::fetch;
use crate::world::World;
use everwarm_domain::fact::Market;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_history::bars;
use everwarm_history::fetched_bars::Past;
use everwarm_history::need::{Times, missing_in};
use everwarm_history::queries::HistoryError;
use everwarm_trading::indicators::Needs;
use everwarm_venue::port::VenueError;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Fetches the wide bars that are needed before `through` and missing in the history, stores them,
/// and returns the facts that announce them. The caller holds a permit to query the venue.
///
/// # Errors
/// The venue does not respond, or a file cannot be read or written.
pub(crate) async fn load(
    world: &World,
    symbol: Symbol,
    needs: &Needs,
    through: UtcMs,
) -> Result<Vec<Market>, VenueError> {
    let sessions = world.board.sessions();
    let mut loaded = Vec::new();
    for (timeframe, times) in needs.wide_before(through, &sessions) {
        let past = Box::pin(complete(world, (symbol, timeframe), times)).await?;
        let kept = world.keeper.keep(past).await;
        loaded.push(kept.map_err(|e| unkept(format!("history: {e}")))?);
    }
    Ok(loaded)
}

/// The stored bars of these times, with what the venue has of the missing ones.
async fn complete(
    world: &World,
    (symbol, timeframe): (Symbol, Timeframe),
    times: Times,
) -> Result<Past, VenueError> {
    let (archive, within) = (Arc::clone(&world.archive), times.clone());
    let read = tokio::task::spawn_blocking(move || {
        let none = bars::outages(&archive, timeframe, symbol, *within.end())?;
        Ok((bars::read_fetched(&archive, (timeframe, symbol), &within)?, none))
    });
    let read = read.await.map_err(|e| unkept(e.to_string()))?;
    let (mut have, none): (BTreeMap<UtcMs, Bar>, _) =
        read.map_err(|e: HistoryError| unkept(world.history_failed(e)))?;
    let sessions = world.board.sessions();
    let missing = |here: &mut dyn Iterator<Item = UtcMs>| {
        missing_in(here, &none, &times, (timeframe, &sessions))
    };
    let (needed, mut refused) = (missing(&mut have.keys().copied()), Vec::new());
    if let (Some(first), Some(last)) = (needed.first(), needed.last()) {
        // One request more often spans all gaps than not.
        let span = *first.start()..=*last.end();
        let found = fetch(&*world.source, (symbol, timeframe), span).await?;
        for bar in &found.unheld {
            let (time, reason) = (bar.open_time, &bar.why);
            tracing::warn!(%symbol, %timeframe, time, reason, "a past bar is refused");
            refused.push(time);
        }
        world.board.bars.refused(refused.len() as u64);
        let on_grid = |bar: &Bar| bar.open_time == timeframe.open_of(bar.open_time);
        for bar in found.held.into_iter().filter(on_grid) {
            have.entry(bar.open_time).or_insert_with(|| bar.ordered());
        }
    }
    // The venue was queried for what is still missing, and does not have it. The next load queries
    // refused bars again.
    let here: BTreeSet<UtcMs> = have.keys().copied().chain(refused).collect();
    let none = missing(&mut here.into_iter());
    Ok(Past { symbol, timeframe, times, bars: have.into_values().collect(), none })
}
