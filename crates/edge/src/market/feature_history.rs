//! Loads the history of features that join while the daemon trades: bars up to the join, stored as
//! ranges of their own. So a stage gets the same bars whenever it is built again. Minutes come from
//! the history, and wide bars that it lacks from the venue.

use crate::market::wide_bars;
use crate::world::World;
use everwarm_domain::fact::Market;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::time::{MINUTE, Timeframe};
use everwarm_history::bars;
use everwarm_history::fetched_bars::Past;
use everwarm_history::projection::projected_through;
use everwarm_history::queries::HistoryError;
use everwarm_runtime::store::archive::Archive;
use everwarm_trading::closes::Owed;
use everwarm_trading::indicators::Needs;
use std::sync::Arc;
use std::time::Duration;

/// Wall time between checks of how far the history has followed.
const LOOK: Duration = Duration::from_millis(20);
/// Minutes read at once. A row has the bars of all symbols: 10 MB in all with 300 symbols.
const PART: i64 = 500;

/// Loads the history owed to features of a symbol, stores it, and returns the facts that announce
/// it: wide bars, then minutes.
///
/// # Errors
/// A file cannot be read or written, the journal has ended, or the venue does not respond.
pub(crate) async fn load(
    world: &World,
    symbol: Symbol,
    owed: &Owed,
    needs: &Needs,
) -> Result<Vec<Market>, String> {
    world.board.begun().await;
    // Facts from before the join have smaller rows. The history follows the rows on disk.
    let row = world.journal.last_row();
    if !world.journal.durable(row).await {
        return Err("the journal has ended".to_owned());
    }
    while !blocking(world, move |archive| Ok(projected_through(archive)? >= row)).await? {
        tokio::time::sleep(LOOK).await;
    }
    let turn = world.lookups.acquire().await;
    let through = owed.to.saturating_add(MINUTE);
    let wide = wide_bars::load(world, symbol, needs, through).await;
    let mut loaded = wide.map_err(|e| e.to_string())?;
    let (mut bars, mut from, n) = (Vec::new(), owed.from, owed.n);
    while from <= owed.to {
        let to = from.saturating_add((PART - 1) * MINUTE).min(owed.to);
        let read =
            move |archive: &_| bars::read_as_of(archive, Timeframe::M1, symbol, (from..=to, n));
        bars.extend(blocking(world, read).await?.iter().map(Bar::ordered));
        from = to.saturating_add(MINUTE);
    }
    drop(turn);
    let (timeframe, none) = (Timeframe::M1, Vec::new());
    let past = Past { symbol, timeframe, times: owed.times(), bars, none };
    loaded.push(world.keeper.keep(past).await.map_err(|e| e.to_string())?);
    for announced in &mut loaded {
        if let Market::HistoryLoaded { plan, .. } = announced {
            *plan = owed.plan;
        }
    }
    Ok(loaded)
}

/// Reads the history on a thread that may block.
async fn blocking<T: Send + 'static>(
    world: &World,
    read: impl FnOnce(&Archive) -> Result<T, HistoryError> + Send + 'static,
) -> Result<T, String> {
    let archive = Arc::clone(&world.archive);
    let read = tokio::task::spawn_blocking(move || read(&archive)).await;
    read.map_err(|e| e.to_string())?.map_err(|e| world.history_failed(e))
}
