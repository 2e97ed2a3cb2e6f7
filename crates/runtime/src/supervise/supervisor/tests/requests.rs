//! Tests of requests at run time.

use super::*;
use crate::supervise::ChildInfo;
use ractor::Actor;
use std::sync::Weak;
use std::sync::atomic::AtomicBool;

async fn listed(root: &RootHandle) -> String {
    let all = root.directory().supervisor("root").which().await.unwrap();
    let show =
        |child: ChildInfo| format!("{} {:?} {}", child.id, child.state, child.cell.is_some());
    all.into_iter().map(show).collect::<Vec<_>>().join(", ")
}

#[tokio::test(start_paused = true)]
async fn s05_a_child_may_have_nothing_to_do() {
    let log = Log::default();
    let spec = supervisor("root", Strategy::OneForOne)
        .child(log.starting("a", |_| Start::Ignore))
        .child(log.starting("b", |_| Start::Ignore).restart(Restart::Temporary))
        .child(log.actor("c"));
    let root = start(&log, spec).await;
    let expected = ["-a", "root/a has nothing to do", "-b", "root/b has nothing to do", "+c"];
    assert_eq!(log.take(), expected);
    assert_eq!(listed(&root).await, "a Stopped false, c Running true");
    let child = root.directory().supervisor("root").restart("a").await.unwrap();
    assert!(child.cell.is_none());
    root.stop(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn s09_defaults_are_filled_in_and_read_back() {
    let log = Log::default();
    let low = supervisor("m", Strategy::OneForOne);
    assert_eq!(
        low.settings,
        Settings {
            strategy: Strategy::OneForOne,
            intensity: 1,
            period: Duration::from_secs(5),
            auto_shutdown: AutoShutdown::Never,
        }
    );
    let root =
        start(&log, supervisor("root", Strategy::OneForOne).child(log.actor("a")).child(low)).await;
    let asked = root.directory().supervisor("root");
    let worker = asked.child("a").await.unwrap();
    let Rules { restart, shutdown, significant, .. } = worker.rules;
    assert_eq!((restart, significant), (Restart::Permanent, false));
    assert_eq!((worker.kind, shutdown), (Kind::Worker, Shutdown::Timed(Duration::from_secs(5))));
    let low = asked.child("m").await.unwrap();
    assert_eq!((low.kind, low.rules.shutdown), (Kind::Supervisor, Shutdown::Infinite));
    assert_eq!(asked.child("z").await, Err(RequestError::NotFound));
    root.stop(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn s10_what_a_start_tells_reaches_whoever_asked_for_it() {
    let log = Log::default();
    let root = start(&log, supervisor("root", Strategy::OneForOne)).await;
    let times = AtomicU32::new(0);
    let inner = log.clone();
    let spec = custom(
        "a",
        Arc::new(move |context| {
            let (time, state) =
                (times.fetch_add(1, SeqCst), LoggerState::new("a", &inner, Start::Well));
            Box::pin(async move {
                let spawned = Logger::spawn_linked(None, Logger, state, context.supervisor).await;
                let (actor, task) = spawned.map_err(|e| StartError::of(context.path, &e))?;
                Ok(Started::new(actor.get_cell(), task).with_extra(time))
            })
        }),
    );
    let asked = root.directory().supervisor("root");
    let extra = |child: Child| *child.extra.unwrap().downcast::<u32>().unwrap();
    assert_eq!(extra(asked.add(spec).await.unwrap()), 0);
    order(&root, "root/a", Order::Panic);
    settle().await;
    asked.terminate("a").await.unwrap();
    assert_eq!(extra(asked.restart("a").await.unwrap()), 2, "the automatic restart dropped it");
    root.stop(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn s16_what_a_temporary_child_was_started_with_is_not_kept() {
    let log = Log::default();
    let root = start(&log, supervisor("root", Strategy::OneForOne)).await;
    let asked = root.directory().supervisor("root");
    for (id, kind, kept) in [("a", Restart::Temporary, false), ("b", Restart::Permanent, true)] {
        let given = Arc::new(());
        let weak: Weak<()> = Arc::downgrade(&given);
        let inner = log.clone();
        let spec = worker(id, move |_| {
            drop(Arc::clone(&given));
            (Logger, LoggerState::new("x", &inner, Start::Well))
        });
        asked.add(spec.restart(kind)).await.unwrap();
        settle().await;
        assert_eq!(weak.upgrade().is_some(), kept, "{kind:?}");
    }
    root.stop(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn s34_a_child_that_waits_for_its_delay_is_listed_as_such() {
    let log = Log::default();
    let how = |time| if time == 0 { Start::Well } else { Start::Err };
    let spec = supervisor("root", Strategy::OneForOne)
        .budget(9, 60_000 * MS)
        .child(log.starting("a", how))
        .child(log.actor("b"));
    let root = start(&log, spec).await;
    order(&root, "root/a", Order::Panic);
    settle().await;
    let asked = root.directory().supervisor("root");
    assert_eq!(listed(&root).await, "a Backoff false, b Running true");
    assert_eq!(asked.count().await.unwrap().active, 1);
    assert_eq!(asked.restart("a").await.err(), Some(RequestError::Restarting));
    assert_eq!(asked.delete("a").await, Err(RequestError::Restarting));
    assert_eq!(asked.add(log.actor("a")).await.err(), Some(RequestError::AlreadyPresent));
    asked.terminate("a").await.unwrap();
    log.take();
    tokio::time::sleep(LONG).await;
    assert_eq!(log.take(), [""; 0], "called off for good");
    root.stop(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn s54_s55_s56_s57_start_terminate_restart_and_delete() {
    let log = Log::default();
    let fails = Arc::new(AtomicBool::new(false));
    let sees = Arc::clone(&fails);
    let how = move |_| if sees.load(SeqCst) { Start::Err } else { Start::Well };
    let spec = supervisor("root", Strategy::RestForOne)
        .budget(0, MS)
        .child(log.starting("a", how))
        .child(log.actor("b"));
    let root = start(&log, spec).await;
    let asked = root.directory().supervisor("root");
    let child = asked.add(log.actor("c")).await.unwrap();
    assert_eq!(child.path, "root/c");
    let there = asked.add(log.actor("c")).await.unwrap_err();
    assert_eq!(there, RequestError::AlreadyStarted(child.cell));
    log.take();

    assert_eq!(asked.restart("a").await.err(), Some(RequestError::Running));
    assert_eq!(asked.delete("a").await, Err(RequestError::Running));
    asked.terminate("a").await.unwrap();
    assert_eq!(log.take(), ["stop a", "-a"], "gone when it is answered, and nobody else");
    asked.terminate("a").await.unwrap();
    assert_eq!(listed(&root).await, "a Stopped false, b Running true, c Running true");
    assert_eq!(asked.add(log.actor("a")).await.err(), Some(RequestError::AlreadyPresent));

    fails.store(true, SeqCst);
    let failed = asked.restart("a").await.err();
    let error = StartError::new("root/a", "cannot start");
    assert_eq!(failed, Some(RequestError::Start(error)));
    assert_eq!(listed(&root).await, "a Stopped false, b Running true, c Running true");
    fails.store(false, SeqCst);
    assert!(asked.restart("a").await.unwrap().cell.is_some());

    asked.terminate("c").await.unwrap();
    asked.delete("c").await.unwrap();
    for unknown in [asked.delete("c").await, asked.terminate("c").await, asked.remove("c").await] {
        assert_eq!(unknown, Err(RequestError::NotFound));
    }
    assert_eq!(asked.restart("c").await.err(), Some(RequestError::NotFound));
    assert_eq!(listed(&root).await, "a Running true, b Running true");
    assert_eq!(root.stop(LONG).await, RootOutcome::Stopped);
}

#[tokio::test(start_paused = true)]
async fn s58_a_crash_and_a_termination_at_once_leave_the_child_down() {
    for crash_first in [true, false] {
        let log = Log::default();
        let spec = supervisor("root", Strategy::OneForOne).budget(5, LONG).child(log.actor("a"));
        let root = start(&log, spec).await;
        let asked = root.directory().supervisor("root");
        let cell = root.directory().slot("root/a").cell().unwrap();
        if crash_first {
            cell.kill();
            // The supervisor has not received the end either.
            asked.terminate("a").await.unwrap();
        } else {
            let termination = asked.terminate("a");
            let (done, ()) = tokio::join!(termination, async { cell.kill() });
            done.unwrap();
        }
        tokio::time::sleep(LONG).await;
        let left = root.directory().slot("root/a").cell();
        assert!(left.is_none(), "{crash_first}");
        assert_eq!(listed(&root).await, "a Stopped false", "{crash_first}");
        root.stop(LONG).await;
    }
}

#[tokio::test(start_paused = true)]
async fn s59_children_are_listed_and_counted() {
    let log = Log::default();
    let low = supervisor("m", Strategy::OneForOne).child(log.actor("x"));
    let spec = supervisor("root", Strategy::OneForOne)
        .child(log.actor("a"))
        .child(low)
        .child(log.actor("t").restart(Restart::Transient));
    let root = start(&log, spec).await;
    order(&root, "root/t", Order::Stop);
    tokio::time::sleep(50 * MS).await;
    assert_eq!(listed(&root).await, "a Running true, m Running true, t Stopped false");
    let count = root.directory().supervisor("root").count().await.unwrap();
    let expected = crate::supervise::Count { specs: 3, active: 2, supervisors: 1, workers: 2 };
    assert_eq!(count, expected);
    root.stop(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn s60_a_new_list_of_specs_changes_nothing_that_runs() {
    let log = Log::default();
    let spec = supervisor("root", Strategy::OneForOne)
        .budget(9, 60_000 * MS)
        .child(log.actor("a"))
        .child(log.actor("b"));
    let root = start(&log, spec).await;
    let before = ids(&root, &["root/a", "root/b"]);
    let asked = root.directory().supervisor("root");
    let twice = vec![log.actor("x"), log.actor("x")];
    let bad = asked.replace(twice).await;
    assert_eq!(bad, Err(RequestError::Spec(SpecError::TwiceTheSame("x".into()))));
    assert_eq!(listed(&root).await, "a Running true, b Running true");
    let inner = log.clone();
    let changed = worker("a", move |_| (Logger, LoggerState::new("A", &inner, Start::Well)));
    asked.replace(vec![log.actor("n"), changed]).await.unwrap();
    assert_eq!(listed(&root).await, "a Running true, b Running true, n Stopped false");
    assert_eq!(ids(&root, &["root/a", "root/b"]), before);
    log.take();
    order(&root, "root/a", Order::Panic);
    settle().await;
    assert_eq!(log.take(), ["-a", "root/a failed: boom", "+A"]);
    asked.restart("n").await.unwrap();
    asked.remove("b").await.unwrap();
    assert_eq!(listed(&root).await, "a Running true, n Running true");
    root.stop(LONG).await;
}
