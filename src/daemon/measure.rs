//! The metrics of the running daemon: what is watched, told to programs when they ask.

use super::watch::Watch;
use crate::edge::world::{World, wall};
use crate::ops::api::{Metrics, Refusals};
use crate::ops::desk::Desk;
use crate::ops::telemetry::{Gauges, Telemetry};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch as channel;

/// Wall time between two rounds of upkeep.
const UPKEEP: Duration = Duration::from_secs(5);

/// What `/metrics` answers, until `stopped` is told.
pub fn metrics(
    (currency, refusals): (&str, Refusals),
    world: &World,
    watch: &Watch,
    desk: Arc<dyn Desk>,
    mut stopped: channel::Receiver<bool>,
) -> Metrics {
    let telemetry = Telemetry::new(currency, wall());
    let handle = telemetry.handle();
    tokio::spawn(async move {
        let upkeep = async {
            loop {
                tokio::time::sleep(UPKEEP).await;
                handle.run_upkeep();
            }
        };
        tokio::select! {
            () = upkeep => {}
            // Nobody is left who could tell: as good as told.
            _ = stopped.wait_for(|stopped| *stopped) => {}
        }
    });
    let (world, watch) = (world.clone(), watch.clone());
    Arc::new(move || {
        let ready = desk.checks().iter().all(|check| check.ok);
        let live = world.journal.store().file_bytes();
        let history = std::fs::metadata(world.archive.path()).map_or(0, |m| m.len());
        let counts = watch.seen().counts.clone();
        telemetry.render(&counts, &refusals, Gauges { ready, live, history })
    })
}
