//! Metrics of actors and their supervisors.

use super::super::watch::Watch;
use everwarm_domain::path::{self, STAGES};
use everwarm_edge::operation::reload::standing;
use everwarm_edge::world::World;
use everwarm_runtime::meter::Meter;
use everwarm_runtime::supervise::{ActorReading, Kind, State};
use everwarm_views::telemetry::{Page, name};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Values for one name; all bar actors share one.
struct Shown {
    /// None: an operator turned it off.
    alive: Option<bool>,
    waiting: u64,
    meter: Arc<Meter>,
}

/// Writes the metrics.
pub fn show(page: &mut Page, world: &World, watch: &Watch) {
    let readings = world.directory.readings();
    let stands = standing(world);
    show_readings(page, &readings, &behind(world), &|at| path::is_off(&stands.switches, at));
    watch.supervised.show(page);
}

/// Writes the metrics of these readings. An actor that an operator turned off has no value that
/// could raise an alarm.
fn show_readings(
    page: &mut Page,
    readings: &[ActorReading],
    behind: &BTreeMap<&'static str, u64>,
    off: &dyn Fn(&str) -> bool,
) {
    let mut shown: BTreeMap<&str, Shown> = BTreeMap::new();
    for reading in readings {
        let inputs = reading.path.strip_prefix(STAGES).and_then(|of| of.strip_prefix('/'));
        let inputs = inputs.and_then(|of| behind.get(of)).copied().unwrap_or(0);
        let of = shown.entry(name(&reading.path)).or_insert_with(|| Shown {
            alive: None,
            waiting: 0,
            meter: Arc::clone(&reading.meter),
        });
        if !off(&reading.path) {
            of.alive = Some(of.alive.unwrap_or(true) && reading.alive);
        }
        of.waiting += reading.waiting as u64 + inputs;
    }
    let mut panics = 0;
    for (actor, of) in shown {
        if let Some(alive) = of.alive {
            page.flag("everwarm_actor_alive", &[actor], alive);
        }
        page.count("everwarm_actor_mailbox_messages", &[actor], of.waiting);
        panics += of.meter.panics();
        measured(page, actor, &of.meter);
    }
    page.count("everwarm_panics_total", &["actor"], panics);
    supervisors(page, readings, off);
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
    let now = everwarm_runtime::clock::wall().utc() as f64 / 1000.0;
    let last = measured.idle.map_or(0.0, |idle| now - idle.as_secs_f64());
    page.set("everwarm_actor_last_message_timestamp_seconds", &[actor], last);
}

fn supervisors(page: &mut Page, readings: &[ActorReading], off: &dyn Fn(&str) -> bool) {
    const CHILDREN: &str = "everwarm_supervisor_children";
    const BACKOFF: &str = "everwarm_supervisor_backoff_seconds";
    let mut children: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut backoff: BTreeMap<(&str, &str), f64> = BTreeMap::new();
    for reading in readings {
        let Some((parent, _)) = reading.path.rsplit_once('/') else { continue };
        let (parent, child) = (name(parent), name(&reading.path));
        let stays = reading.state == State::Stopped && off(&reading.path);
        *children.entry((parent, word(reading.state))).or_default() += u64::from(!stays);
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

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_runtime::supervise::Directory;
    use everwarm_views::telemetry::Rejected;
    use std::time::Duration;

    /// Two children of the gateways that have stopped, one of them turned off.
    #[test]
    fn what_an_operator_turned_off_is_no_alarm() {
        let directory = Directory::measuring(everwarm_edge::message_kinds::wanted());
        let meter = || Arc::clone(directory.slot("root/x").mailbox().meter());
        let reading = |path: &str, kind, state| ActorReading {
            path: path.to_owned(),
            kind,
            state,
            since_ms: 0,
            alive: state == State::Running,
            waiting: 0,
            retry_in: Duration::ZERO,
            restarts: (0, 5),
            meter: meter(),
        };
        let gateways = "root/trading/gateways/sim";
        let readings = [
            reading(gateways, Kind::Supervisor, State::Running),
            reading(&format!("{gateways}/private"), Kind::Worker, State::Stopped),
            reading(&format!("{gateways}/gateway"), Kind::Worker, State::Stopped),
        ];
        let text = |off: &dyn Fn(&str) -> bool| {
            let mut page = Page::new(&Rejected::default());
            show_readings(&mut page, &readings, &BTreeMap::new(), off);
            page.text()
        };
        let failed = "everwarm_supervisor_children{supervisor=\"gateways/sim\",state=\"failed\"}";
        let one = text(&|path| path.ends_with("/private"));
        assert!(!one.contains("everwarm_actor_alive{actor=\"private\"}"), "{one}");
        assert!(one.contains("everwarm_actor_alive{actor=\"gateway\"} 0"), "{one}");
        assert!(one.contains(&format!("{failed} 1")), "{one}");
        let none = text(&|_| false);
        assert!(none.contains("everwarm_actor_alive{actor=\"private\"} 0"), "{none}");
        assert!(none.contains(&format!("{failed} 2")), "{none}");
    }
}
