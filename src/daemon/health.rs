//! Checks on its own thread whether the process is healthy. It reports to the service manager, ends
//! a process whose disk has not responded for long, and notices suspensions of the process.

use super::answers::LiveContext;
use super::lag::Lag;
use super::notify::Notify;
use super::stop::end;
use everwarm_edge::orders::gateway::GatewayMsg;
use everwarm_edge::world::World;
use everwarm_runtime::clock;
use everwarm_runtime::clock::wall;
use everwarm_views::exit::Exit;
use everwarm_views::questions::Context;
use everwarm_views::views::State;
use sd_notify::NotifyState;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;
use tokio::runtime::Handle;

/// Wall time between checks, at most.
const LOOK: Duration = Duration::from_millis(500);
/// How long the root supervisor may take to answer.
const ANSWER: Duration = Duration::from_secs(1);
/// How long a stage may wait before an input, or a commit for the disk, in a healthy process. It is
/// half of the watchdog interval, within these bounds.
const STUCK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));
/// How long a commit may wait for the disk; then the process ends.
const DEAD: Duration = Duration::from_secs(30);
/// Delay of a check that means a suspension of the process. A wall clock that moved this much more
/// or less than time passed was set, or the machine slept.
const PAUSE: Duration = Duration::from_secs(5);
/// Checks in a row without an answer of the root supervisor, at which it counts as stuck: the
/// machine may be busy.
const LATE: u32 = 3;
/// Extension of the start timeout that the service manager receives while a start makes progress.
const EXTEND: NotifyState<'static> = NotifyState::ExtendTimeoutUsec(60_000_000);

/// The values of one check.
struct Observation<'a> {
    /// The root supervisor answered.
    root: bool,
    /// Age of the oldest fact that is not committed.
    uncommitted: Duration,
    head: u64,
    /// The last input that each stage has passed.
    passed: &'a [(&'static str, u64)],
    /// A stage waits at an input for an operator's decision, so others may wait for it.
    decided: bool,
    /// Time since the last check.
    since: Duration,
}

/// An interruption of time between two checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Break {
    /// The process was suspended.
    Stood,
    /// The wall clock was set, or the machine slept.
    Jumped,
}

impl Break {
    /// The interruption between two checks; `since` is by the clock of this process, `wall` by the
    /// wall clock, milliseconds.
    fn of(since: Duration, wall: i64) -> Option<Break> {
        let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        if since > PAUSE {
            return Some(Break::Stood);
        }
        let apart = Duration::from_millis(wall.abs_diff(ms(since)));
        (apart > PAUSE).then_some(Break::Jumped)
    }
}

/// The state of the checks so far.
#[derive(Debug)]
struct Health {
    /// How long nothing may move in a healthy process.
    stuck: Duration,
    stood: BTreeMap<&'static str, (u64, Duration)>,
    blocked: Duration,
    /// Checks in a row without an answer of the root supervisor.
    mute: u32,
}

impl Health {
    fn new(watchdog: Option<Duration>) -> Health {
        let half = watchdog.map_or(STUCK.1, |whole| whole / 2);
        let stuck = half.clamp(STUCK.0, STUCK.1);
        Health { stuck, stood: BTreeMap::new(), blocked: Duration::ZERO, mute: 0 }
    }

    /// Why the process is not healthy; none: it is.
    fn look(&mut self, look: &Observation<'_>) -> Option<String> {
        // A suspended process had no chance to commit.
        let blocked = look.uncommitted >= look.since && !look.uncommitted.is_zero();
        self.blocked =
            if blocked { self.blocked + look.since.min(LOOK * 2) } else { Duration::ZERO };
        let mut stuck = None;
        for (name, passed) in look.passed {
            let (last, stood) = self.stood.entry(name).or_default();
            let moved = last != passed || *passed >= look.head || look.decided;
            *stood = if moved { Duration::ZERO } else { *stood + look.since.min(LOOK * 2) };
            *last = *passed;
            if *stood >= self.stuck {
                let text = format!("{name} waits at input {} of {}", passed + 1, look.head);
                stuck.get_or_insert(text);
            }
        }
        self.mute = if look.root { 0 } else { self.mute + 1 };
        if self.mute >= LATE {
            return Some("the root supervisor does not respond".to_owned());
        }
        if self.blocked >= self.stuck {
            return Some(format!("no commit for {} s", self.blocked.as_secs()));
        }
        stuck
    }
}

/// The health thread; it ends when this is dropped.
pub struct Pulse {
    stop: Option<SyncSender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Pulse {
    /// Starts the checks. They report to `notify`, with texts from `desk`.
    #[must_use]
    pub fn begin(
        world: &World,
        desk: Arc<LiveContext>,
        notify: Arc<Notify>,
        lag: Arc<Lag>,
    ) -> Pulse {
        let (stop, stopped) = sync_channel(1);
        let (world, control) = (world.clone(), (Handle::current(), lag));
        let thread = std::thread::Builder::new().name("pulse".into());
        let thread = thread.spawn(move || beat(&world, &control, &desk, &notify, &stopped));
        if let Err(e) = &thread {
            tracing::error!("the health thread could not start: {e}");
        }
        Pulse { stop: Some(stop), thread: thread.ok() }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// The runtime of the supervisors, and its delay.
type Control = (Handle, Arc<Lag>);

fn beat(
    world: &World,
    control: &Control,
    desk: &LiveContext,
    notify: &Notify,
    stopped: &Receiver<()>,
) {
    let interval = notify.watchdog().map(|whole| whole / 2);
    let look = interval.map_or(LOOK, |interval| interval.min(LOOK));
    let (mut health, mut ready, mut reported) =
        (Health::new(notify.watchdog()), false, String::new());
    let (mut last, mut wall_was, mut pinged, mut well) = (clock::now(), wall().utc(), None, true);
    let mut deleted = false;
    while stopped.recv_timeout(look) == Err(RecvTimeoutError::Timeout) {
        let since = std::mem::replace(&mut last, clock::now()).elapsed();
        let wall_is = wall().utc();
        let passed = wall_is - std::mem::replace(&mut wall_was, wall_is);
        match Break::of(since, passed) {
            Some(Break::Stood) => resumed(world, since),
            Some(Break::Jumped) => {
                tracing::warn!("the wall clock jumped; querying the venue");
                world.send(&world.places.gateway(), GatewayMsg::Interrupted);
            }
            None => {}
        }
        desk.look();
        let unlinked = desk.unlinked();
        if let Some(file) = unlinked.as_ref().filter(|_| !deleted) {
            tracing::error!(
                "{file} was deleted or replaced: the journal is lost when this process ends. Make \
                 a backup now: everwarm backup FILE"
            );
        }
        deleted = unlinked.is_some();
        let root = answers(world, control);
        let wrong = health.look(&Observation {
            root,
            uncommitted: world.journal.uncommitted_age(),
            head: world.journal.head(),
            passed: &world.journal.progress(),
            decided: desk.checks().iter().any(|check| check.name == "stages" && !check.ok),
            since,
        });
        if health.blocked >= DEAD {
            let why = format!("no commit for {} s", health.blocked.as_secs());
            end(Exit::Watchdog, &why);
        }
        let (status, is_ready) = words(desk, wrong.as_ref());
        if is_ready && !ready {
            ready = true;
            notify.report(&status, Some(NotifyState::Ready));
        } else if !ready && wrong.is_none() {
            notify.report(&status, Some(EXTEND));
        } else if status != reported {
            notify.report(&status, None);
        }
        reported = status;
        let due = interval.is_some_and(|interval| {
            pinged.is_none_or(|at: std::time::Instant| at.elapsed() + look > interval)
        });
        if due && root && wrong.is_none() {
            notify.alive();
            pinged = Some(clock::now());
        }
        if let Some(why) = wrong.as_ref().filter(|_| well) {
            tracing::warn!(why, "the process is not healthy");
        }
        well = wrong.is_none();
    }
}

/// The status for the service manager, and whether the start is finished.
fn words(desk: &dyn Context, wrong: Option<&String>) -> (String, bool) {
    if let Some(why) = wrong {
        return (format!("not healthy: {why}"), false);
    }
    match desk.status() {
        Ok(status) if status.ready => (format!("trading, {} closes", status.closes), true),
        Ok(status) => {
            let state =
                if status.state == State::Trading { "waiting" } else { status.state.name() };
            (format!("{state}: {}", status.problems.join("; ")), false)
        }
        Err(e) => (e.text, false),
    }
}

/// Whether the root supervisor answers.
fn answers(world: &World, (handle, lag): &Control) -> bool {
    let root = world.directory.supervisor("root");
    let (answer, received) = sync_channel(1);
    lag.ask();
    let lag = Arc::clone(lag);
    handle.spawn(async move {
        let answered = root.answers().await;
        lag.answered();
        if answered && answer.try_send(()).is_err() {
            tracing::debug!("the root supervisor responded late");
        }
    });
    received.recv_timeout(ANSWER).is_ok()
}

/// The process was suspended and may have missed messages: it reconnects as after a lost
/// connection.
fn resumed(world: &World, stood: Duration) {
    tracing::warn!(seconds = stood.as_secs(), "the process was suspended; reconnecting");
    world.board.write_pause(i64::try_from(stood.as_millis()).unwrap_or(i64::MAX));
    world.send(&world.places.gateway(), GatewayMsg::Interrupted);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look<'a>(
        uncommitted: u64,
        passed: &'a [(&'static str, u64)],
        decided: bool,
    ) -> Observation<'a> {
        let uncommitted = Duration::from_millis(uncommitted);
        Observation { root: true, uncommitted, head: 9, passed, decided, since: LOOK }
    }

    #[test]
    fn a_stage_that_stands_and_a_disk_that_does_not_commit_are_not_well() {
        let mut health = Health::new(None);
        let stands = [("indicator", 9), ("ledger", 8)];
        let mut seen: Vec<Option<String>> = Vec::new();
        for _ in 0..22 {
            seen.push(health.look(&look(0, &stands, false)));
        }
        assert_eq!(seen.iter().filter(|wrong| wrong.is_none()).count(), 20, "{seen:?}");
        assert_eq!(seen[21].as_deref(), Some("ledger waits at input 9 of 9"));
        assert_eq!(health.look(&look(0, &[("indicator", 9), ("ledger", 9)], false)), None);
        for _ in 0..40 {
            assert_eq!(health.look(&look(0, &stands, true)), None, "an operator is asked");
        }
        for n in 1..=19 {
            let wrong = health.look(&look(500 * n, &[], false));
            assert_eq!(wrong, None, "{n}");
        }
        let wrong = health.look(&look(10_000, &[], false));
        assert_eq!(wrong.as_deref(), Some("no commit for 10 s"));
        assert_eq!(health.look(&look(3, &[], false)), None);
    }

    #[test]
    fn more_than_five_seconds_are_a_break() {
        let of = |since: u64, wall: i64| Break::of(Duration::from_millis(since), wall);
        assert_eq!((of(500, 500), of(5_000, 5_000), of(500, 5_500)), (None, None, None));
        assert_eq!(of(5_001, 5_001), Some(Break::Stood));
        assert_eq!(of(500, 5_501), Some(Break::Jumped), "the machine slept, or it was set");
        assert_eq!((of(500, -4_500), of(500, -4_501)), (None, Some(Break::Jumped)), "set back");
    }

    #[test]
    fn a_process_that_stood_still_is_no_dead_disk() {
        let mut health = Health::new(None);
        let minute = Duration::from_mins(1);
        let (head, passed, decided) = (9, &[][..], false);
        let slept =
            Observation { root: true, uncommitted: minute, head, passed, decided, since: minute };
        assert_eq!(health.look(&slept), None);
        assert_eq!(health.look(&look(0, &[], false)), None);
        let found: Vec<bool> = (0..4)
            .map(|_| health.look(&Observation { root: false, ..look(0, &[], false) }).is_some())
            .collect();
        assert_eq!(found, [false, false, true, true], "late once is late, not gone");
    }
}
