//! Loads the history of features that join while the daemon trades: bars of the history up to the
//! join, stored as a range of their own. So a stage gets the same bars whenever it is built again.

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
use std::sync::Arc;
use std::time::Duration;

/// Wall time between checks of how far the history has followed.
const LOOK: Duration = Duration::from_millis(20);
/// Minutes read at once. A row has the bars of all symbols: 10 MB in all with 300 symbols.
const PART: i64 = 500;

/// Reads the history owed to features of a symbol, stores it, and returns the fact that announces
/// it.
///
/// # Errors
/// A file cannot be read or written, or the journal has ended.
pub(crate) async fn load(world: &World, symbol: Symbol, owed: &Owed) -> Result<Market, String> {
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
    let mut loaded = world.keeper.keep(past).await.map_err(|e| e.to_string())?;
    if let Market::HistoryLoaded { plan, .. } = &mut loaded {
        *plan = owed.plan;
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
