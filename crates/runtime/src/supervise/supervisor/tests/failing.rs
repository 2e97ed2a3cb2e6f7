//! Killed subtrees, branches that exceed the restart budget, and injected ends.

use super::*;
use crate::supervise::{BoxFuture, InjectedFault, NotInjected, custom};

#[tokio::test(start_paused = true)]
async fn s71_a_hopeless_branch_stays_down_and_is_tried_slowly() {
    let log = Log::default();
    let how = |time| if time == 1 { Start::Err } else { Start::Well };
    let low = supervisor("m", Strategy::OneForOne).budget(0, MS).child(log.starting("a", how));
    let spec = supervisor("root", Strategy::OneForOne)
        .budget(0, MS)
        .child(low.as_child().degrade(60_000 * MS))
        .child(log.actor("b"));
    let root = start(&log, spec).await;
    log.take();
    order(&root, "root/m/a", Order::Panic);
    settle().await;
    let down = seen(&root, "root/m");
    assert_eq!((down.state, down.down, down.children.len()), (State::Down, true, 0));
    let lines = log.take();
    assert_eq!(lines.last().map(String::as_str), Some("down root/m"));
    tokio::time::sleep(60_000 * MS).await;
    let failed = ["-a", "root/m/a no start: cannot start", "root/m no start: cannot start"];
    assert_eq!(log.take(), failed);
    root.directory().supervisor("root").retry("m").await.unwrap();
    settle().await;
    assert!(seen(&root, "root/m").down);
    tokio::time::sleep(10_000 * MS).await;
    assert_eq!(log.take(), ["+a", "healthy root/m"]);
    assert!(!seen(&root, "root/m").down);
    root.stop(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn s45_a_replacement_waits_for_the_last_of_a_killed_subtree() {
    let log = Log::default();
    let busy = supervisor("m", Strategy::OneForOne)
        .child(supervisor("n", Strategy::OneForOne).child(log.actor("a")).child(log.actor("b")));
    let spec = supervisor("root", Strategy::OneForOne).child(busy);
    let root = start(&log, spec).await;
    // This child does not receive the kill. It is no longer linked, but its helper task still runs.
    let (a, n) = (root.directory().slot("root/m/n/a"), root.directory().slot("root/m/n"));
    a.cell().unwrap().unlink(n.cell().unwrap());
    log.take();
    assert!(root.directory().kill("root/m"));
    tokio::time::sleep(100 * MS).await;
    let mut lines = log.take();
    lines[..5].sort();
    let along = |path: &str| format!("root/m/{path} ended with its supervisor");
    let gone = ["-a", "-b", &along("n"), &along("n/a"), &along("n/b")];
    assert_eq!(lines, [&gone[..], &["root/m killed", "+a", "+b"]].concat());
    root.stop(LONG).await;
}

/// An actor whose task ends `after` later than the actor.
fn lingering(log: &Log, id: &'static str, after: Duration) -> ChildSpec {
    let log = log.clone();
    let start = move |context: StartContext| -> BoxFuture<Result<Started, StartError>> {
        let log = log.clone();
        Box::pin(async move {
            let state = LoggerState::new(id, &log, Start::Well);
            let spawned = Actor::spawn_linked(None, Logger, state, context.supervisor).await;
            let (actor, task) = spawned.map_err(|error| StartError::of(context.path, &error))?;
            let task = tokio::spawn(async move {
                task.await.unwrap();
                tokio::time::sleep(after).await;
                log.note(format!("{id} is gone"));
            });
            Ok(Started::new(actor.get_cell(), task))
        })
    };
    custom(id, Arc::new(start))
}

#[tokio::test(start_paused = true)]
async fn s45_whether_killed_or_panicked_its_children_end_and_are_gone_before_it_is_replaced() {
    for panics in [false, true] {
        let log = Log::default();
        let low = supervisor("n", Strategy::OneForOne).child(lingering(&log, "a", 300 * MS));
        let middle = supervisor("m", Strategy::OneForOne).child(low).child(log.actor("b"));
        let root = start(&log, supervisor("root", Strategy::OneForOne).child(middle)).await;
        let cells =
            ["root/m/n/a", "root/m/b"].map(|path| root.directory().slot(path).cell().unwrap());
        log.take();
        if panics {
            let boom = Msg::Ask(Box::new(|_| panic!("boom")));
            root.directory().slot("root/m").send(boom).map_err(|_| ()).unwrap();
        } else {
            assert!(root.directory().kill("root/m"));
        }
        tokio::time::sleep(299 * MS).await;
        let ended = |cell: &ActorCell| cell.get_status() == ractor::ActorStatus::Stopped;
        assert!(cells.iter().all(ended), "they do not outlive it: {panics}");
        let lines = log.take();
        assert!(lines.contains(&"-a".to_owned()) && lines.contains(&"-b".to_owned()), "{lines:?}");
        assert!(!lines.iter().any(|line| line.starts_with('+')), "{lines:?}");
        tokio::time::sleep(10 * MS).await;
        let along = ["a is gone", "root/m/n/a ended with its supervisor"];
        let how = if panics { "root/m failed: boom" } else { "root/m killed" };
        let rest = ["root/m/n ended with its supervisor", how, "+a", "+b"];
        assert_eq!(log.take(), [&along[..], &rest].concat());
        root.stop(LONG).await;
    }
}

/// The reported ends, each with path, number of restarts, uptime in ms, and whether it was
/// requested.
fn ends(notices: &Mutex<Vec<SupervisionNotice>>) -> Vec<String> {
    let notices = std::mem::take(&mut *notices.lock().unwrap());
    let end = |SupervisionNotice { path, news, .. }: SupervisionNotice| {
        let Announcement::Exited { exit, uptime, restarts, asked } = news else { return None };
        Some(format!("{path} {exit}, {restarts}, {}, {asked}", uptime.as_millis()))
    };
    let mut ends: Vec<String> = notices.into_iter().filter_map(end).collect();
    ends.sort();
    ends
}

#[tokio::test(start_paused = true)]
async fn s64_ends_with_a_supervisor_are_told_once_each_and_restarts_never_go_down() {
    let (log, notices) = (Log::default(), Arc::new(Mutex::new(Vec::new())));
    let received = Arc::clone(&notices);
    let observer = move |notice: &SupervisionNotice| received.lock().unwrap().push(notice.clone());
    let tree = Tree::new(Arc::new(observer), Arc::new(crate::clock::WallMs::default));
    let low = supervisor("n", Strategy::OneForOne).child(log.actor("b"));
    let middle = supervisor("m", Strategy::Dynamic).budget(0, MS).child(log.actor("a")).child(low);
    let spec = supervisor("root", Strategy::OneForOne).budget(9, LONG).child(middle);
    let root = tree.start(spec).await.unwrap();
    let restarts = |path: &str| seen(&root, path).restarts;
    let all = || ["root/m", "root/m/a", "root/m/n", "root/m/n/b"].map(restarts);
    tokio::time::sleep(40 * MS).await;
    // One child ends in the same moment as its supervisor.
    assert!(root.directory().kill("root/m/a") && root.directory().kill("root/m"));
    settle().await;
    let along = "ended with its supervisor, 0, 40, false";
    let first = ["root/m killed, 0, 40, false".to_owned()]
        .into_iter()
        .chain(["a", "n", "n/b"].map(|path| format!("root/m/{path} {along}")));
    assert_eq!(ends(&notices), first.collect::<Vec<_>>());
    assert_eq!(all(), [1; 4]);
    let why = seen(&root, "root/m/n/b").last_failure;
    assert_eq!(why.as_deref(), Some("ended with its supervisor"));
    // The supervisor gives up and reports the children that it stops.
    order(&root, "root/m/a", Order::Panic);
    tokio::time::sleep(1_000 * MS).await;
    assert_eq!(ends(&notices).len(), 4);
    assert_eq!(all(), [2; 4]);
    // An injected end, with a child that was added by request.
    let asked = root.directory().supervisor("root/m");
    asked.add(log.actor("y")).await.unwrap();
    let why = Injected("test".into());
    assert!(root.directory().inject_kill("root/m", &why));
    settle().await;
    assert_eq!(ends(&notices).len(), 5);
    assert_eq!(all(), [3; 4]);
    asked.add(log.actor("y")).await.unwrap();
    assert_eq!(restarts("root/m/y"), 1, "it has been there before");
    asked.remove("y").await.unwrap();
    asked.add(log.actor("y")).await.unwrap();
    assert_eq!(restarts("root/m/y"), 0, "another one of that name");
    root.stop(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn s06_a_start_function_that_panics_or_fails_fails_that_start_and_nothing_else() {
    for panics in [true, false] {
        let log = Log::default();
        let fails = move |id: &'static str, ill: fn(u32) -> bool| {
            let (inner, times) = (Log::default().actor(id), AtomicU32::new(0));
            let start = move |context: StartContext| -> BoxFuture<Result<Started, StartError>> {
                let ill = ill(times.fetch_add(1, SeqCst));
                assert!(!(ill && panics), "no start");
                let error = StartError::new(context.path.clone(), "no start");
                if ill {
                    Box::pin(async { Err(error) })
                } else {
                    inner.start(context, super::super::start)
                }
            };
            custom(id, Arc::new(start))
        };
        let why = if panics { "its start panicked or lost its runtime" } else { "no start" };
        let middle = supervisor("m", Strategy::OneForOne)
            .budget(3, 5_000 * MS)
            .child(fails("a", |time| time == 1))
            .child(log.actor("b"));
        let root = start(&log, supervisor("root", Strategy::OneForOne).child(middle)).await;
        let paths = ["root/m", "root/m/b", "root/m/a"];
        let before = ids(&root, &paths);
        log.take();
        order(&root, "root/m/a", Order::Panic);
        tokio::time::sleep(1_000 * MS).await;
        let failed = format!("root/m/a no start: {why}");
        assert_eq!(log.take(), ["root/m/a failed: boom".to_owned(), failed]);
        let asked = root.directory().supervisor("root/m");
        let refused = asked.add(fails("c", |_| true)).await.err();
        assert_eq!(refused, Some(RequestError::Start(StartError::new("root/m/c", why))));
        let after = ids(&root, &paths);
        assert_eq!(after[..2], before[..2], "the supervisor and the sibling live on");
        assert!(after[2].is_some() && after[2] != before[2], "it was tried again");
        root.stop(LONG).await;

        let spec = supervisor("root", Strategy::OneForOne).child(fails("a", |_| true));
        let error = log.tree().start(spec).await.err();
        assert_eq!(error, Some(RootError::Start(StartError::new("root/a", why))));
    }
}

#[tokio::test(start_paused = true)]
async fn s45_a_start_under_way_ends_with_its_supervisor() {
    let log = Log::default();
    let how = |time| if time == 1 { Start::Hang } else { Start::Well };
    let low = supervisor("m", Strategy::OneForOne).child(log.starting("a", how));
    let root = start(&log, supervisor("root", Strategy::OneForOne).child(low)).await;
    order(&root, "root/m/a", Order::Panic);
    settle().await;
    log.take();
    assert!(root.directory().kill("root/m"));
    tokio::time::sleep(100 * MS).await;
    assert_eq!(log.take(), ["-a", "root/m killed", "+a"]);
    root.stop(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn s72_injected_exits_use_no_budget() {
    let log = Log::default();
    let how = |time| if time == 3 { Start::Injected } else { Start::Well };
    let low = supervisor("m", Strategy::OneForOne).budget(0, MS).child(log.starting("a", how));
    let root = start(&log, supervisor("root", Strategy::OneForOne).budget(0, MS).child(low)).await;
    log.take();
    let injected = Injected("step".into());
    assert!(root.directory().inject_kill("root/m/a", &injected));
    settle().await;
    order(&root, "root/m/a", Order::Injected);
    settle().await;
    assert!(root.directory().note_injected("root/m/a", &injected));
    order(&root, "root/m/a", Order::Panic);
    tokio::time::sleep(1_000 * MS).await;
    let seen = seen(&root, "root/m/a");
    assert_eq!((seen.injected, seen.restarts, seen.state), (4, 3, State::Running));
    assert!(root.directory().inject_kill("root/m", &injected));
    settle().await;
    let lines = log.take();
    assert_eq!(lines.iter().filter(|line| line.ends_with("injected: step")).count(), 4);
    assert!(!root.directory().inject_kill("root/nobody", &injected));
    order(&root, "root/m/a", Order::Panic);
    let RootOutcome::GaveUp(gave_up) = root.outcome().await else { panic!("it gives up") };
    assert_eq!(gave_up.path, "root/m");
}

#[tokio::test(start_paused = true)]
async fn s38_s72_a_supervisor_that_is_stopped_on_purpose_stops_its_children_in_order() {
    let log = Log::default();
    let low = supervisor("n", Strategy::OneForOne).child(log.actor("b")).child(log.actor("c"));
    let middle = supervisor("m", Strategy::OneForOne).child(log.actor("a")).child(low);
    let spec = supervisor("root", Strategy::OneForOne).budget(0, MS).child(middle);
    let root = start(&log, spec).await;
    log.take();
    let why = Injected("asked for".into());
    assert_eq!(root.directory().inject("root/m", InjectedFault::Stop, &why), Ok(()));
    tokio::time::sleep(100 * MS).await;
    let stopped = ["stop c", "-c", "stop b", "-b", "stop a", "-a"];
    let up_again = ["root/m injected: asked for", "+a", "+b", "+c"];
    assert_eq!(log.take(), [&stopped[..], &up_again].concat());
    let seen = seen(&root, "root/m");
    assert_eq!((seen.injected, seen.restarts, seen.state), (1, 1, State::Running));
    root.stop(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn s72_whatever_is_done_on_purpose_uses_no_budget() {
    let log = Log::default();
    let spec = supervisor("root", Strategy::OneForOne).budget(0, MS).child(log.actor("a"));
    let root = start(&log, spec).await;
    let why = Injected("asked for".into());
    let mut before = ids(&root, &["root/a"]);
    for fault in [InjectedFault::Kill, InjectedFault::Stop, InjectedFault::Panic] {
        assert_eq!(root.directory().inject("root/a", fault, &why), Ok(()));
        if fault == InjectedFault::Panic {
            order(&root, "root/a", Order::StopBadly);
        }
        tokio::time::sleep(100 * MS).await;
        let after = ids(&root, &["root/a"]);
        assert!(after[0].is_some() && after != before, "{fault:?}");
        before = after;
    }
    assert_eq!(root.directory().inject("root/a", InjectedFault::Stall(MS), &why), Ok(()));
    // A second fault does not replace it.
    let second = root.directory().inject("root/a", InjectedFault::Panic, &why);
    assert_eq!(second, Err(NotInjected::Planned(InjectedFault::Stall(MS))));
    order(&root, "root/a", Order::StopBadly);
    settle().await;
    assert_eq!(ids(&root, &["root/a"]), before, "it goes on");
    let nobody = root.directory().inject("root/nobody", InjectedFault::Panic, &why);
    assert_eq!(nobody, Err(NotInjected::Absent));
    assert_eq!(seen(&root, "root/a").injected, 3);
    root.stop(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn s65_a_stranger_that_ends_during_a_start_is_told_once_the_start_is_over() {
    let log = Log::default();
    let how = |time| if time == 1 { Start::Hang } else { Start::Well };
    let slow = log.starting("a", how).start_limit(300 * MS);
    let spec = supervisor("root", Strategy::OneForOne).budget(9, LONG).child(slow);
    let root = start(&log, spec).await;
    order(&root, "root/a", Order::Panic);
    tokio::time::sleep(150 * MS).await;
    // Its second start hangs. Meanwhile an actor ends that another party has linked to the
    // supervisor.
    let stranger = LoggerState::new("x", &log, Start::Well);
    let supervisor = root.directory().slot("root").cell().unwrap();
    let (stranger, task) = Actor::spawn_linked(None, Logger, stranger, supervisor).await.unwrap();
    stranger.kill();
    task.await.unwrap();
    settle().await;
    let who = stranger.get_id();
    let expected = format!("root got a stray event: actor {who}, which is no child, killed");
    assert!(!log.take().contains(&expected), "it may be what starts");
    tokio::time::sleep(2_000 * MS).await;
    let lines = log.take();
    assert_eq!(lines.iter().filter(|line| **line == expected).count(), 1, "{lines:?}");
    assert_eq!(seen(&root, "root/a").state, State::Running);
    root.stop(LONG).await;
}
