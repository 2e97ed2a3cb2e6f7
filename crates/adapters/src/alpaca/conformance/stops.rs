//! Steps with stop orders. Those that buy need no position, those that sell need one.

use super::orders::cancelled;
use super::walk::{Terms, Walk};
use everwarm_domain::order::Side;
use everwarm_venue::conformance::check::{Check, Outcome, not_tried};

/// Prices of stops that must not trigger, in thousandths of the last price.
const BELOW: i64 = 710;
const FAR_BELOW: i64 = 700;
const ABOVE: i64 = 1_300;
const FAR_ABOVE: i64 = 1_310;

/// Places a stop, with a limit or without, and cancels it.
async fn waits(walk: &mut Walk, side: Side, limited: bool) -> Outcome {
    walk.clock().await?;
    let [near, far] = match side {
        Side::Buy => [ABOVE, FAR_ABOVE],
        Side::Sell => [BELOW, FAR_BELOW],
    };
    let stop = walk.level(near).await?;
    let limit = if limited { Some(walk.level(far).await?) } else { None };
    let kind = if limited { "stop_limit" } else { "stop" };
    let terms = Terms { side, kind, lifetime: "gtc", limit, stop: Some(stop) };
    let (id, mark) = (walk.base.id(), walk.base.mark());
    let mut check = Check::new();
    let placed = walk.place(&id, &terms, &mut check).await?;
    walk.reports(mark, (&id, &["new"]), &mut check).await?;
    let body = walk.query(&id).await?.good()?;
    walk.order(&mut check, "the query", &body, (&id, &terms));
    cancelled(walk, &placed, &mut check).await?;
    check.end(format!("1 at {} waits, then it is canceled", stop.normalize()))
}

pub(super) async fn buy(walk: &mut Walk) -> Outcome {
    waits(walk, Side::Buy, false).await
}

pub(super) async fn buy_limit(walk: &mut Walk) -> Outcome {
    waits(walk, Side::Buy, true).await
}

/// A stop that sells the share of this walk.
async fn sells(walk: &mut Walk, limited: bool) -> Outcome {
    if !walk.holds {
        let why = "a stop that sells needs a share, and this run holds none: market closed, or the \
                   purchase failed";
        return Err(not_tried(why));
    }
    waits(walk, Side::Sell, limited).await
}

pub(super) async fn sale(walk: &mut Walk) -> Outcome {
    sells(walk, false).await
}

pub(super) async fn sale_limit(walk: &mut Walk) -> Outcome {
    sells(walk, true).await
}
