//! Queries the splits of a symbol, until the venue responds.

use crate::market::closer::CloserMsg;
use crate::retry;
use crate::world::World;
use everwarm_domain::id::Symbol;
use everwarm_domain::path;
use everwarm_domain::split::Split;
use everwarm_domain::time::{UtcMs, day_of};

/// A bar that a split may explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// Opening time of the bar, UTC milliseconds.
    pub bar: UtcMs,
    /// End of the bar before it, UTC milliseconds.
    pub before: Option<UtcMs>,
}

/// Queries until the venue responds, and reports each failure and the response to the closer.
pub(crate) async fn run(world: World, symbol: Symbol, doubt: Doubt) {
    for tries in 0.. {
        let found = query(&world, symbol, doubt).await;
        let ends = found.is_ok();
        world.send(path::CLOSER, CloserMsg::Splits { symbol, bar: doubt.bar, found });
        if ends {
            return;
        }
        tokio::time::sleep(retry::after(tries, world.passing)).await;
    }
}

/// The split between the two bars; none: there is none.
///
/// A bar of a day already has the shares of that day, so the split is later than the bar before.
async fn query(world: &World, symbol: Symbol, doubt: Doubt) -> Result<Option<Split>, String> {
    let last = day_of(doubt.bar);
    let first = doubt.before.map_or(last, |before| day_of(before - 1) + 1).min(last);
    // The permit also leaves orders and the account their turn.
    let _turn = world.lookups.acquire().await;
    let splits = world.venue.splits_of(symbol, first..=last).await.map_err(|e| e.to_string())?;
    let later = |split: &Split| doubt.before.is_none_or(|end| split.ex_day > day_of(end - 1));
    let after = |split: &&Split| split.symbol == symbol && later(split);
    let found: Vec<&Split> = splits.iter().filter(after).collect();
    match found.as_slice() {
        [] => Ok(None),
        [split] => Ok(Some(**split)),
        [first, second, ..] => {
            Err(format!("the venue reports two splits, {} and {}", first.ratio, second.ratio))
        }
    }
}
