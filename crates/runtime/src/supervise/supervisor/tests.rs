//! Tests of the supervisor with real actors, on a paused clock.
//!
//! Over 500 lines: one subject, one test a promise.

mod drops;
mod failing;
mod pool;
mod requests;
mod significant;

use super::*;
use crate::clock::WallMs;
use crate::supervise::Ignore;
use crate::supervise::rules::*;
use crate::supervise::spec::*;
use crate::supervise::{Injected, RootError, RootHandle, RootOutcome, SpecError, State, TreeView};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

const MS: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_mins(10);

/// Log of events in order, shared by the actors of one test and its observer.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn note(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn tree(&self) -> Tree {
        let (log, born) = (self.clone(), Instant::now());
        let observer = move |notice: &SupervisionNotice| {
            let path = &notice.path;
            match &notice.news {
                Announcement::BranchDown { .. } => log.note(format!("down {path}")),
                Announcement::BranchUp => log.note(format!("healthy {path}")),
                Announcement::GaveUp { why } => log.note(format!("gave up on {path}: {why}")),
                Announcement::Exited { exit, asked: false, .. } => {
                    log.note(format!("{path} {exit}"));
                }
                Announcement::StartFailed { error } => {
                    log.note(format!("{path} no start: {}", error.why));
                }
                Announcement::Ignored => log.note(format!("{path} has nothing to do")),
                Announcement::StopFailed { exit } => {
                    log.note(format!("{path} stopped badly: {exit}"));
                }
                Announcement::Exited { .. }
                | Announcement::Started { .. }
                | Announcement::Blocked { .. }
                | Announcement::Unblocked { .. }
                | Announcement::Removed => {}
                Announcement::Stray { what } => {
                    log.note(format!("{path} got a stray event: {what}"));
                }
            }
        };
        let wall = move || WallMs::from_utc(i64::try_from(born.elapsed().as_millis()).unwrap());
        Tree::new(Arc::new(observer), Arc::new(wall))
    }

    /// An actor that logs when it starts, stops, and is dropped.
    fn actor(&self, id: &'static str) -> ChildSpec {
        let log = self.clone();
        worker(id, move |_| (Logger, LoggerState::new(id, &log, Start::Well)))
    }

    /// As [`Log::actor`]. `how` chooses the result of each start.
    fn starting(
        &self,
        id: &'static str,
        how: impl Fn(u32) -> Start + Send + Sync + 'static,
    ) -> ChildSpec {
        let (log, times) = (self.clone(), AtomicU32::new(0));
        worker(id, move |_| {
            let start = how(times.fetch_add(1, SeqCst));
            (Logger, LoggerState::new(id, &log, start))
        })
    }
}

#[derive(Clone, Copy)]
enum Start {
    Well,
    Err,
    Panic,
    Hang,
    Injected,
    Ignore,
}

struct Logger;

struct LoggerState {
    id: &'static str,
    log: Log,
    start: Start,
    stops_badly: bool,
}

impl LoggerState {
    fn new(id: &'static str, log: &Log, start: Start) -> LoggerState {
        LoggerState { id, log: log.clone(), start, stops_badly: false }
    }
}

impl Drop for LoggerState {
    fn drop(&mut self) {
        self.log.note(format!("-{}", self.id));
    }
}

enum Order {
    Panic,
    Err,
    Stop,
    Hang,
    Injected,
    /// Stop, and fail while stopping.
    StopBadly,
}

impl Actor for Logger {
    type Msg = Order;
    type State = LoggerState;
    type Arguments = LoggerState;

    async fn pre_start(
        &self,
        _: ActorRef<Order>,
        state: LoggerState,
    ) -> Result<LoggerState, ActorProcessingErr> {
        match state.start {
            Start::Well => state.log.note(format!("+{}", state.id)),
            Start::Err => return Err("cannot start".into()),
            Start::Panic => panic!("panic at the start"),
            Start::Hang => std::future::pending().await,
            Start::Injected => return Err(Box::new(Injected("spawn".into()))),
            Start::Ignore => return Err(Box::new(Ignore)),
        }
        Ok(state)
    }

    async fn post_stop(
        &self,
        _: ActorRef<Order>,
        state: &mut LoggerState,
    ) -> Result<(), ActorProcessingErr> {
        state.log.note(format!("stop {}", state.id));
        assert!(!state.stops_badly, "bad stop");
        tokio::time::sleep(10 * MS).await;
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<Order>,
        order: Order,
        state: &mut LoggerState,
    ) -> Result<(), ActorProcessingErr> {
        match order {
            Order::Panic => panic!("boom"),
            Order::Err => return Err("bad".into()),
            Order::Stop => myself.stop(None),
            Order::Hang => std::future::pending().await,
            Order::Injected => return Err(Box::new(Injected("step".into()))),
            Order::StopBadly => state.stops_badly = true,
        }
        Ok(())
    }
}

async fn start(log: &Log, spec: SupervisorSpec) -> RootHandle {
    log.tree().start(spec).await.unwrap()
}

fn order(root: &RootHandle, path: &str, order: Order) {
    root.directory().slot(path).send(order).map_err(|_| ()).unwrap();
}

/// Waits until all immediate reactions are done.
async fn settle() {
    tokio::time::sleep(MS).await;
}

fn find(view: &TreeView, path: &str) -> Option<TreeView> {
    if view.path == path {
        return Some(view.clone());
    }
    view.children.iter().find_map(|child| find(child, path))
}

fn seen(root: &RootHandle, path: &str) -> TreeView {
    find(&root.directory().view().unwrap(), path).unwrap()
}

fn ids(root: &RootHandle, paths: &[&str]) -> Vec<Option<ActorId>> {
    let id = |path: &&str| root.directory().slot(path).cell().map(|cell| cell.get_id());
    paths.iter().map(id).collect()
}

#[tokio::test(start_paused = true)]
async fn s01_s02_s38_a_tree_starts_in_order_and_stops_in_reverse() {
    let log = Log::default();
    let middle = supervisor("m", Strategy::OneForOne).child(log.actor("b")).child(log.actor("c"));
    let spec = supervisor("root", Strategy::RestForOne)
        .child(log.actor("a"))
        .child(middle)
        .child(log.actor("d"));
    let root = start(&log, spec).await;
    assert_eq!(log.take(), ["+a", "+b", "+c", "+d"]);
    assert!(ids(&root, &["root/a", "root/m", "root/m/b", "root/d"]).iter().all(Option::is_some));
    assert_eq!(root.stop(LONG).await, RootOutcome::Stopped);
    let stops = ["stop d", "-d", "stop c", "-c", "stop b", "-b", "stop a", "-a"];
    assert_eq!(log.take(), stops);
    assert!(ids(&root, &["root", "root/a", "root/m/b"]).iter().all(Option::is_none));
}

#[tokio::test(start_paused = true)]
async fn s03_s06_a_failed_first_start_rolls_back_and_names_the_child() {
    for (how, why) in [(Start::Err, "cannot start"), (Start::Panic, "panic at the start")] {
        let log = Log::default();
        let middle = supervisor("m", Strategy::OneForOne)
            .child(log.actor("b"))
            .child(log.starting("c", move |_| how));
        let spec = supervisor("root", Strategy::OneForOne).child(log.actor("a")).child(middle);
        let Err(RootError::Start(error)) = log.tree().start(spec).await else {
            panic!("the start must fail")
        };
        assert_eq!((error.path.as_str(), error.why.as_str()), ("root/m/c", why));
        let lines = log.take();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(lines[..2], ["+a", "+b"]);
        assert_eq!(
            lines[lines.len() - 5..],
            ["stop b", "-b", format!("root/m no start: {why}").as_str(), "stop a", "-a"]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn s07_s08_a_bad_spec_is_refused_before_anything_starts() {
    let log = Log::default();
    let one = |id| supervisor(id, Strategy::OneForOne);
    let table = [
        (one("r").child(log.actor("a")).child(log.actor("a")), SpecError::TwiceTheSame("a".into())),
        (one("r").child(one("x/y")), SpecError::BadId("x/y".into())),
        (one("r").child(one("s").budget(1, Duration::ZERO)), SpecError::ZeroPeriod("s".into())),
        (
            one("r").child(log.actor("a").shutdown(Shutdown::Timed(Duration::ZERO))),
            SpecError::ZeroLimit("a".into()),
        ),
    ];
    for (spec, error) in table {
        assert_eq!(log.tree().start(spec).await.err(), Some(RootError::Spec(error)));
    }
    assert_eq!(log.take(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn s12_s17_panic_error_and_kill_give_the_failed_child_a_new_instance() {
    let log = Log::default();
    let spec = supervisor("root", Strategy::OneForOne)
        .budget(3, 5_000 * MS)
        .child(log.actor("a").restart(Restart::Transient))
        .child(log.actor("b"));
    let root = start(&log, spec).await;
    let paths = ["root/a", "root/b"];
    let mut before = ids(&root, &paths);
    log.take();
    for (fault, why) in [(0, "failed: boom"), (1, "failed: bad"), (2, "killed")] {
        match fault {
            0 => order(&root, "root/a", Order::Panic),
            1 => order(&root, "root/a", Order::Err),
            _ => assert!(root.directory().kill("root/a")),
        }
        tokio::time::sleep(500 * MS).await;
        assert_eq!(log.take(), ["-a".to_owned(), format!("root/a {why}"), "+a".to_owned()]);
        let after = ids(&root, &paths);
        assert!(after[0] != before[0] && after[0].is_some() && after[1] == before[1]);
        before = after;
    }
    let seen = seen(&root, "root/a");
    assert_eq!((seen.restarts, seen.last_failure.as_deref()), (3, Some("killed")));
    order(&root, "root/a", Order::Stop);
    settle().await;
    tokio::time::sleep(LONG).await;
    assert_eq!(ids(&root, &paths)[0], None);
    assert_eq!(root.stop(LONG).await, RootOutcome::Stopped);
}

#[tokio::test(start_paused = true)]
async fn s19_rest_for_one_restarts_those_after_in_order() {
    let log = Log::default();
    let spec = supervisor("root", Strategy::RestForOne)
        .children(["a", "b", "c", "d"].map(|id| log.actor(id)));
    let root = start(&log, spec).await;
    let before = ids(&root, &["root/a", "root/b"]);
    log.take();
    order(&root, "root/b", Order::Panic);
    tokio::time::sleep(100 * MS).await;
    let expected = ["-b", "root/b failed: boom", "stop d", "-d", "stop c", "-c", "+b", "+c", "+d"];
    assert_eq!(log.take(), expected);
    let after = ids(&root, &["root/a", "root/b"]);
    assert!(before[0] == after[0] && before[1] != after[1]);
    root.stop(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn s39_s43_a_stuck_child_is_killed_at_its_deadline() {
    let log = Log::default();
    let spec = supervisor("root", Strategy::OneForOne)
        .child(log.actor("a"))
        .child(log.actor("b").shutdown(Shutdown::Timed(300 * MS)));
    let root = start(&log, spec).await;
    order(&root, "root/b", Order::Hang);
    let detached = root.directory().slot("root/a").cell().unwrap();
    detached.unlink(root.directory().slot("root").cell().unwrap());
    settle().await;
    log.take();
    let asked = Instant::now();
    assert_eq!(root.stop(LONG).await, RootOutcome::Stopped);
    let (late, cancelled) =
        ("root/b stopped badly: killed", "root/a stopped badly: its task was cancelled");
    assert_eq!(log.take(), ["-b", late, "stop a", "-a", cancelled]);
    let (elapsed, begin) = (asked.elapsed(), REASON_LIMIT + 300 * MS);
    assert!((begin..begin + 100 * MS).contains(&elapsed), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn s39_the_root_has_a_deadline_for_all() {
    let log = Log::default();
    let stuck = |id| log.actor(id).shutdown(Shutdown::Infinite);
    let spec = supervisor("root", Strategy::OneForOne)
        .child(supervisor("m", Strategy::OneForOne).child(stuck("a")).child(stuck("b")));
    let root = start(&log, spec).await;
    for path in ["root/m/a", "root/m/b"] {
        order(&root, path, Order::Hang);
    }
    let asked = Instant::now();
    assert_eq!(root.stop(200 * MS).await, RootOutcome::Stopped);
    assert!(asked.elapsed() < 300 * MS);
}

#[tokio::test(start_paused = true)]
async fn s33_s36_a_failing_start_is_tried_again_with_delay_until_it_succeeds() {
    let log = Log::default();
    let how = |time| if (1..4).contains(&time) { Start::Err } else { Start::Well };
    let spec =
        supervisor("root", Strategy::OneForOne).budget(9, 5_000 * MS).child(log.starting("a", how));
    let root = start(&log, spec).await;
    log.take();
    order(&root, "root/a", Order::Panic);
    settle().await;
    assert_eq!(seen(&root, "root/a").state, State::Backoff);
    let failed = Instant::now();
    root.directory().slot("root/a").occupied().await;
    assert_eq!(failed.elapsed().as_millis().div_ceil(100), 7); // 100 + 200 + 400 ms
    let no = "root/a no start: cannot start";
    assert_eq!(log.take(), ["-a", "root/a failed: boom", "-a", no, "-a", no, "-a", no, "+a"]);
    root.stop(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn s35_s66_a_start_that_hangs_is_given_up_at_its_limit_and_at_a_stop() {
    let log = Log::default();
    let how = |time| if time == 0 { Start::Well } else { Start::Hang };
    let spec = supervisor("root", Strategy::OneForOne)
        .child(log.starting("a", how).start_limit(200 * MS))
        .child(log.actor("b"));
    let root = start(&log, spec).await;
    order(&root, "root/a", Order::Panic);
    settle().await;
    log.take();
    root.stop(LONG).await;
    assert_eq!(log.take(), ["stop b", "-b", "-a"]);

    let root = start(
        &log,
        supervisor("root", Strategy::OneForOne).child(log.starting("a", how).start_limit(200 * MS)),
    )
    .await;
    log.take();
    order(&root, "root/a", Order::Panic);
    let RootOutcome::GaveUp(gave_up) = root.outcome().await else { panic!("it gives up") };
    assert_eq!((gave_up.path.as_str(), gave_up.why.as_str()), ("root/a", "its start was given up"));
}

#[tokio::test(start_paused = true)]
async fn s29_s62_giving_up_climbs_to_the_root() {
    let log = Log::default();
    let low = supervisor("m", Strategy::OneForOne).budget(0, MS).child(log.actor("a"));
    let spec = supervisor("root", Strategy::OneForOne).child(low).child(log.actor("b"));
    let root = start(&log, spec).await;
    log.take();
    for _ in 0..2 {
        order(&root, "root/m/a", Order::Panic);
        settle().await;
    }
    let RootOutcome::GaveUp(gave_up) = root.outcome().await else { panic!("it gives up") };
    assert_eq!(gave_up.path, "root/m");
    assert_eq!(gave_up.why, "gave up on root/m/a: failed: boom");
    let once = ["-a", "root/m/a failed: boom", "gave up on root/m/a: failed: boom"];
    let climbed = "root/m gave up on root/m/a: failed: boom";
    let root_gave_up = "gave up on root/m: gave up on root/m/a: failed: boom";
    let lines = log.take();
    assert_eq!(lines[..5], [once[0], once[1], once[2], climbed, "+a"]);
    assert_eq!(lines[5..], [once[0], once[1], once[2], climbed, root_gave_up, "stop b", "-b"]);
}

#[tokio::test(start_paused = true)]
async fn s42_s64_a_child_that_stops_badly_is_reported_and_the_stop_goes_on() {
    let log = Log::default();
    let spec = supervisor("root", Strategy::OneForOne)
        .child(log.actor("a"))
        .child(log.actor("b"))
        .child(log.actor("c").shutdown(Shutdown::Timed(50 * MS)))
        .child(log.actor("d").shutdown(Shutdown::Kill));
    let root = start(&log, spec).await;
    order(&root, "root/b", Order::StopBadly);
    order(&root, "root/c", Order::Hang);
    settle().await;
    log.take();
    assert_eq!(root.stop(LONG).await, RootOutcome::Stopped);
    let lines = log.take();
    let expected = [
        "-d",
        "-c",
        "root/c stopped badly: killed",
        "stop b",
        "-b",
        "root/b stopped badly: failed: bad stop",
        "stop a",
        "-a",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test(start_paused = true)]
async fn s64_every_start_and_end_is_told_once_with_its_path_and_figures() {
    let log = Log::default();
    let notices = Arc::new(Mutex::new(Vec::new()));
    let received = Arc::clone(&notices);
    let observer = move |notice: &SupervisionNotice| received.lock().unwrap().push(notice.clone());
    let tree = Tree::new(Arc::new(observer), Arc::new(crate::clock::WallMs::default));
    let low = supervisor("m", Strategy::OneForOne).child(log.actor("a"));
    let root = tree.start(supervisor("root", Strategy::OneForOne).child(low)).await.unwrap();
    tokio::time::sleep(40 * MS).await;
    order(&root, "root/m/a", Order::Err);
    settle().await;
    root.stop(LONG).await;
    let lines: Vec<String> = (notices.lock().unwrap().iter())
        .map(|SupervisionNotice { path, news, .. }| match news {
            Announcement::Started { restarts } => format!("{path} up {restarts}"),
            Announcement::Exited { exit, uptime, restarts, asked } => {
                format!("{path} {exit} after {} ms, {restarts}, {asked}", uptime.as_millis())
            }
            other @ (Announcement::Ignored
            | Announcement::StartFailed { .. }
            | Announcement::StopFailed { .. }
            | Announcement::Blocked { .. }
            | Announcement::Unblocked { .. }
            | Announcement::BranchDown { .. }
            | Announcement::BranchUp
            | Announcement::GaveUp { .. }
            | Announcement::Removed
            | Announcement::Stray { .. }) => format!("{path} {other:?}"),
        })
        .collect();
    let expected = [
        "root/m/a up 0",
        "root/m up 0",
        "root/m/a failed: bad after 40 ms, 0, false",
        "root/m/a up 1",
        "root/m/a ended: asked to stop after 11 ms, 1, true",
        "root/m ended: asked to stop after 51 ms, 0, true",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test(start_paused = true)]
async fn s65_a_message_of_another_type_changes_nothing() {
    let log = Log::default();
    let root = start(&log, supervisor("root", Strategy::OneForOne).child(log.actor("a"))).await;
    assert!(root.directory().slot("root").send("what").is_err());
    assert_eq!(seen(&root, "root/a").state, State::Running);
    root.stop(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn s65_what_is_heard_of_nobody_known_is_told_and_changes_nothing() {
    let log = Log::default();
    let root = start(&log, supervisor("root", Strategy::OneForOne).child(log.actor("a"))).await;
    let (before, slot) = (ids(&root, &["root", "root/a"]), root.directory().slot("root"));
    log.take();
    let error = StartError::new("root/a", "no");
    let messages = [
        Msg::Report(Seat(0), 7, Report::Ignored),
        Msg::Report(Seat(0), 0, Report::Started(slot.cell().unwrap(), None)),
        Msg::Report(Seat(9), 1, Report::StartFailed(None, error)),
        Msg::Timer(Seat(9), 1, Timer::Retry),
    ];
    for message in messages {
        slot.send(message).map_err(|_| ()).unwrap();
    }
    // An actor that another party has linked to the supervisor.
    let stranger = LoggerState::new("x", &log, Start::Well);
    let linked = Actor::spawn_linked(None, Logger, stranger, slot.cell().unwrap()).await;
    let (stranger, task) = linked.unwrap();
    stranger.kill();
    task.await.unwrap();
    settle().await;
    let stray = |what: &str| format!("root got a stray event: {what}");
    let expected = [
        "+x".to_owned(),
        stray("start 7 of child 0 has nothing to do"),
        stray("start 0 of child 0 is up"),
        stray("start 1 of child 9 did not start"),
        "-x".to_owned(),
        stray(&format!("actor {}, which is no child, killed", stranger.get_id())),
    ];
    let mut lines = log.take();
    lines.sort();
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(lines, expected);
    assert_eq!(ids(&root, &["root", "root/a"]), before);
    assert_eq!(seen(&root, "root/a").state, State::Running);
    root.stop(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn s18_s20_one_for_all_replaces_every_instance_and_keeps_the_order() {
    let log = Log::default();
    let spec =
        supervisor("root", Strategy::OneForAll).children(["a", "b", "c"].map(|id| log.actor(id)));
    let root = start(&log, spec).await;
    let paths = ["root/a", "root/b", "root/c"];
    let before = ids(&root, &paths);
    log.take();
    order(&root, "root/b", Order::Panic);
    tokio::time::sleep(100 * MS).await;
    let expected = ["-b", "root/b failed: boom", "stop c", "-c", "stop a", "-a", "+a", "+b", "+c"];
    assert_eq!(log.take(), expected);
    let after = ids(&root, &paths);
    assert!(before.iter().zip(&after).all(|(old, new)| new.is_some() && old != new));
    let listed = root.directory().view().unwrap().children;
    assert_eq!(listed.iter().map(|child| child.path.as_str()).collect::<Vec<_>>(), paths);
    root.stop(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn s54_s55_s63_children_come_and_go_at_run_time() {
    let log = Log::default();
    let pool = supervisor("pool", Strategy::Dynamic).child(log.actor("x"));
    let root = start(&log, supervisor("root", Strategy::OneForOne).child(pool)).await;
    let pool = root.directory().supervisor("root/pool");
    pool.add(log.actor("y")).await.unwrap();
    let there = pool.add(log.actor("y")).await.unwrap_err();
    let y = root.directory().slot("root/pool/y").cell();
    assert_eq!(there, RequestError::AlreadyStarted(y));
    let failed = pool.add(log.starting("z", |_| Start::Err)).await;
    let error = StartError::new("root/pool/z", "cannot start");
    assert_eq!(failed.err(), Some(RequestError::Start(error)));
    assert_eq!(pool.remove("z").await, Err(RequestError::NotFound));
    pool.add(log.actor("v")).await.unwrap();
    let listed = |root: &RootHandle| -> Vec<String> {
        let pool = seen(root, "root/pool");
        pool.children.into_iter().map(|child| child.path).collect()
    };
    assert_eq!(listed(&root), ["root/pool/x", "root/pool/y", "root/pool/v"]);
    log.take();
    pool.remove("y").await.unwrap();
    assert_eq!(log.take(), ["stop y", "-y"]);
    assert_eq!(listed(&root), ["root/pool/x", "root/pool/v"]);
    assert!(root.directory().kill("root/pool"));
    settle().await;
    assert_eq!(listed(&root), ["root/pool/x"]);
    pool.add(log.actor("y")).await.unwrap();
    root.stop(LONG).await;
    assert_eq!(pool.add(log.actor("w")).await.err(), Some(RequestError::NotRunning));
}

#[tokio::test(start_paused = true)]
async fn a_killed_root_takes_everything_with_it_and_says_so() {
    let log = Log::default();
    let low = supervisor("m", Strategy::OneForOne).child(log.actor("a"));
    let root = start(&log, supervisor("root", Strategy::OneForOne).child(low)).await;
    log.take();
    assert!(root.directory().kill("root"));
    assert!(matches!(root.outcome().await, RootOutcome::GaveUp(_)));
    let along = ["-a", "root/m/a ended with its supervisor", "root/m ended with its supervisor"];
    assert_eq!(log.take(), along);
}

#[tokio::test(start_paused = true)]
async fn slots_send_to_the_current_instance_and_give_messages_back() {
    let log = Log::default();
    let root = start(&log, supervisor("root", Strategy::OneForOne).child(log.actor("a"))).await;
    let slot = root.directory().slot("root/a");
    assert!(slot.send(7_u32).is_err_and(|unsent| unsent.0 == 7));
    assert!(slot.actor::<u32>().is_none() && slot.actor::<Order>().is_some());
    order(&root, "root/a", Order::Panic);
    settle().await;
    order(&root, "root/a", Order::Stop);
    root.stop(LONG).await;
    assert!(slot.send(Order::Stop).is_err());
}

#[test]
fn r17_a_child_runs_on_the_runtime_of_its_spec() {
    let runtime = |name: &str| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).thread_name(name).enable_all().build().unwrap()
    };
    let (control, data) = (runtime("control"), runtime("data"));
    let log = Log::default();
    let inner = log.clone();
    let spec = worker("a", move |_| {
        inner.note(std::thread::current().name().unwrap_or_default());
        (Logger, LoggerState::new("a", &inner, Start::Well))
    })
    .on(data.handle().clone());
    let tree = log.tree();
    control.block_on(async move {
        let started = control_task(tree, supervisor("root", Strategy::OneForOne).child(spec));
        let root = tokio::spawn(started).await.unwrap();
        assert_eq!(log.take(), ["data", "+a"]);
        assert_eq!(root.stop(LONG).await, RootOutcome::Stopped);
    });
}

async fn control_task(tree: Tree, spec: SupervisorSpec) -> RootHandle {
    tree.start(spec).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_tree_is_shown_as_json() {
    let log = Log::default();
    let low = supervisor("m", Strategy::OneForOne).child(log.actor("a"));
    let root = start(&log, supervisor("root", Strategy::OneForOne).child(low)).await;
    tokio::time::sleep(5 * MS).await;
    order(&root, "root/m/a", Order::Err);
    settle().await;
    let view = seen(&root, "root/m/a");
    assert_eq!(view.state, State::Running);
    assert_eq!(
        (view.since_ms, view.restarts, view.last_failure.as_deref()),
        (5, 1, Some("failed: bad"))
    );
    assert!(rmp_serde::to_vec_named(&root.directory().view()).is_ok());
    root.stop(LONG).await;
}
