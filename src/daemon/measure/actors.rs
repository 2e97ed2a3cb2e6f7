//! What is measured of actors and their supervisors.

use super::super::watch::Watch;
use crate::edge::world::World;
use crate::edge::world::path::STAGES;
use crate::ops::telemetry::{Page, name};
use everwarm_runtime::meter::Meter;
use everwarm_runtime::supervise::{ActorReading, Kind, State};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is told of one name: the bar actors have one together.
struct Shown {
    alive: bool,
    waiting: u64,
    meter: Arc<Meter>,
}

/// Says it.
pub fn show(page: &mut Page, world: &World, watch: &Watch) {
    let readings = world.directory.readings();
    let behind = behind(world);
    let mut shown: BTreeMap<&str, Shown> = BTreeMap::new();
    for reading in &readings {
        let inputs = reading.path.strip_prefix(STAGES).and_then(|of| of.strip_prefix('/'));
        let inputs = inputs.and_then(|of| behind.get(of)).copied().unwrap_or(0);
        let waiting = reading.waiting as u64 + inputs;
        shown
            .entry(name(&reading.path))
            .and_modify(|of| {
                of.alive &= reading.alive;
                of.waiting += waiting;
            })
            .or_insert_with(|| Shown {
                alive: reading.alive,
                waiting,
                meter: Arc::clone(&reading.meter),
            });
    }
    let mut panics = 0;
    for (actor, of) in shown {
        page.flag("everwarm_actor_alive", &[actor], of.alive);
        page.count("everwarm_actor_mailbox_messages", &[actor], of.waiting);
        panics += of.meter.panics();
        measured(page, actor, &of.meter);
    }
    page.count("everwarm_panics_total", &["actor"], panics);
    supervisors(page, &readings);
    watch.supervised.show(page);
}

fn behind(world: &World) -> BTreeMap<&'static str, u64> {
    let head = world.journal.head();
    let passed = world.journal.progress().into_iter();
    passed.map(|(name, passed)| (name, head.saturating_sub(passed))).collect()
}

fn measured(page: &mut Page, actor: &str, meter: &Meter) {
    let measured = meter.read();
    for (kind, handled, failed) in measured.kinds {
        page.count("everwarm_actor_messages_total", &[actor, kind], handled);
        page.count("everwarm_actor_message_failures_total", &[actor, kind], failed);
    }
    page.spread("everwarm_actor_handle_duration_seconds", &[actor], measured.took);
    page.spread("everwarm_actor_mailbox_wait_seconds", &[actor], measured.waited);
    for (reason, n) in [("stopped", measured.stopped), ("full", measured.full)] {
        page.count("everwarm_actor_send_failures_total", &[actor, reason], n);
    }
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of our age are exact")]
    let now = everwarm_runtime::clock::wall_ms() as f64 / 1000.0;
    let last = measured.idle.map_or(0.0, |idle| now - idle.as_secs_f64());
    page.set("everwarm_actor_last_message_timestamp_seconds", &[actor], last);
}

fn supervisors(page: &mut Page, readings: &[ActorReading]) {
    const CHILDREN: &str = "everwarm_supervisor_children";
    const BACKOFF: &str = "everwarm_supervisor_backoff_seconds";
    let mut children: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut backoff: BTreeMap<(&str, &str), f64> = BTreeMap::new();
    for reading in readings {
        let Some((parent, _)) = reading.path.rsplit_once('/') else { continue };
        let (parent, child) = (name(parent), name(&reading.path));
        *children.entry((parent, word(reading.state))).or_default() += 1;
        let wait = backoff.entry((parent, child)).or_default();
        *wait = wait.max(reading.retry_in.as_secs_f64());
    }
    let ours = |reading: &&ActorReading| reading.kind == Kind::Supervisor;
    for reading in readings.iter().filter(ours) {
        let supervisor = name(&reading.path);
        for state in ["running", "starting", "backoff", "stopping", "failed"] {
            let n = children.get(&(supervisor, state)).copied().unwrap_or(0);
            page.count(CHILDREN, &[supervisor, state], n);
        }
        let (used, allowed) = reading.restarts;
        let share = f64::from(used) / f64::from(allowed.max(1));
        page.set("everwarm_supervisor_intensity_ratio", &[supervisor], share);
        page.count("everwarm_supervisor_escalations_total", &[supervisor], 0);
    }
    for ((supervisor, child), wait) in backoff {
        page.set(BACKOFF, &[supervisor, child], wait);
    }
}

const fn word(state: State) -> &'static str {
    match state {
        State::Starting => "starting",
        State::Running => "running",
        State::Backoff => "backoff",
        State::Stopping => "stopping",
        State::Stopped | State::Down => "failed",
    }
}
