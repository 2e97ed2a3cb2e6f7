//! States, errors and arguments whose own code panics when they are dropped or read.

use super::*;
use crate::supervise::{BoxFuture, custom};
use std::fmt;

/// A state that panics when it is dropped, and logs the thread of the drop.
struct Bomb {
    log: Log,
    armed: bool,
}

impl Drop for Bomb {
    fn drop(&mut self) {
        let thread = std::thread::current();
        self.log.note(format!("drop on {}", thread.name().unwrap_or("nobody's")));
        assert!(!self.armed, "bad drop");
    }
}

/// An actor that ends as its message requests, with a [`Bomb`] as its state.
struct Bomber;

/// An error that panics when it is read or dropped.
#[derive(Debug)]
struct BadError;

impl fmt::Display for BadError {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("bad error")
    }
}

impl std::error::Error for BadError {}

enum BomberOrder {
    Stop,
    Panic,
    BadError,
}

impl Actor for Bomber {
    type Msg = BomberOrder;
    type State = Bomb;
    type Arguments = Bomb;

    async fn pre_start(
        &self,
        _: ActorRef<BomberOrder>,
        bomb: Bomb,
    ) -> Result<Bomb, ActorProcessingErr> {
        Ok(bomb)
    }

    async fn handle(
        &self,
        me: ActorRef<BomberOrder>,
        fault: BomberOrder,
        _: &mut Bomb,
    ) -> Result<(), ActorProcessingErr> {
        match fault {
            BomberOrder::Stop => me.stop(None),
            BomberOrder::Panic => panic!("boom"),
            BomberOrder::BadError => return Err(Box::new(BadError)),
        }
        Ok(())
    }
}

/// Only the first instance has a state that panics.
fn bomber(log: &Log, id: &str) -> ChildSpec {
    let (log, first) = (log.clone(), std::sync::atomic::AtomicBool::new(true));
    worker(id, move |_| (Bomber, Bomb { log: log.clone(), armed: first.swap(false, SeqCst) }))
}

fn inject(root: &RootHandle, path: &str, fault: BomberOrder) {
    root.directory().slot(path).send(fault).map_err(|_| ()).unwrap();
}

/// The log without the lines about threads.
fn reported(log: &Log) -> Vec<String> {
    log.take().into_iter().filter(|line| !line.starts_with("drop on")).collect()
}

/// A tree with `child` among siblings. The root's first child is `s`, and one sibling is below a
/// supervisor.
fn around(log: &Log, child: ChildSpec) -> SupervisorSpec {
    let low = supervisor("m", Strategy::OneForOne)
        .budget(1, 5_000 * MS)
        .child(log.actor("a"))
        .child(child.restart(Restart::Transient))
        .child(log.actor("b"));
    supervisor("root", Strategy::OneForOne).budget(0, MS).child(low)
}

const OTHERS: [&str; 4] = ["root", "root/m", "root/m/a", "root/m/b"];

#[tokio::test(start_paused = true)]
async fn s73_s17_a_panic_in_drop_ends_only_that_child_and_its_policy_applies() {
    type End = (&'static str, fn(&RootHandle));
    let ends: [End; 4] = [
        ("failed: a panic in Drop: bad drop", |root| inject(root, "root/m/x", BomberOrder::Stop)),
        ("failed: boom; then a panic in Drop: bad drop", |root| {
            inject(root, "root/m/x", BomberOrder::Panic);
        }),
        ("failed: bad error; then a panic in Drop: bad drop", |root| {
            inject(root, "root/m/x", BomberOrder::BadError);
        }),
        ("killed", |root| assert!(root.directory().kill("root/m/x"))),
    ];
    for (how, end) in ends {
        let log = Log::default();
        let root = start(&log, around(&log, bomber(&log, "x"))).await;
        let (before, first) = (ids(&root, &OTHERS), ids(&root, &["root/m/x"]));
        log.take();
        end(&root);
        tokio::time::sleep(100 * MS).await;
        assert_eq!(reported(&log), [format!("root/m/x {how}")]);
        assert_eq!(ids(&root, &OTHERS), before, "the others live on: {how}");
        let second = ids(&root, &["root/m/x"]);
        assert!(second[0].is_some() && second != first, "it comes back: {how}");
        // A stop of an instance whose state drops without a panic is a normal end, so it stays
        // down.
        inject(&root, "root/m/x", BomberOrder::Stop);
        tokio::time::sleep(1_000 * MS).await;
        assert_eq!(reported(&log), ["root/m/x ended"]);
        assert_eq!(ids(&root, &["root/m/x"]), [None]);
        assert_eq!(root.stop(LONG).await, RootOutcome::Stopped);
    }
}

#[tokio::test(start_paused = true)]
async fn s73_s38_s42_a_panic_in_drop_is_reported_while_a_tree_stops_and_the_stop_goes_on() {
    let log = Log::default();
    let root = start(&log, around(&log, bomber(&log, "x"))).await;
    log.take();
    assert_eq!(root.stop(LONG).await, RootOutcome::Stopped);
    let bad = "root/m/x stopped badly: failed: a panic in Drop: bad drop";
    assert_eq!(reported(&log), ["stop b", "-b", bad, "stop a", "-a"]);
}

#[tokio::test(start_paused = true)]
async fn s73_s55_terminating_a_child_that_panics_in_drop_succeeds() {
    let log = Log::default();
    let root = start(&log, around(&log, bomber(&log, "x"))).await;
    let before = ids(&root, &OTHERS);
    root.directory().supervisor("root/m").terminate("x").await.unwrap();
    assert_eq!(ids(&root, &OTHERS), before);
    assert_eq!(ids(&root, &["root/m/x"]), [None]);
    root.stop(LONG).await;
}

/// An actor with a start function of its own is spawned without the wrapper. Its supervisor
/// receives its state.
#[tokio::test(start_paused = true)]
async fn s73_a_panic_in_drop_of_a_child_with_its_own_start_function_does_not_end_its_supervisor() {
    for kill in [true, false] {
        let log = Log::default();
        let (made, first) = (log.clone(), Arc::new(std::sync::atomic::AtomicBool::new(true)));
        let begin = move |context: StartContext| -> BoxFuture<Result<Started, StartError>> {
            let bomb = Bomb { log: made.clone(), armed: first.swap(false, SeqCst) };
            Box::pin(async move {
                let spawned = Actor::spawn_linked(None, Bomber, bomb, context.supervisor).await;
                let (actor, task) =
                    spawned.map_err(|error| StartError::of(context.path, &error))?;
                Ok(Started::new(actor.get_cell(), task))
            })
        };
        let root = start(&log, around(&log, custom("x", Arc::new(begin)))).await;
        let before = ids(&root, &OTHERS);
        log.take();
        if kill {
            assert!(root.directory().kill("root/m/x"));
        } else {
            inject(&root, "root/m/x", BomberOrder::BadError);
        }
        tokio::time::sleep(100 * MS).await;
        assert_eq!(ids(&root, &OTHERS), before, "the others live on");
        assert!(ids(&root, &["root/m/x"])[0].is_some(), "it comes back");
        root.stop(LONG).await;
    }
}

/// The supervisor drops the start arguments of a child once they are no longer needed.
#[tokio::test(start_paused = true)]
async fn s73_s16_arguments_that_panic_in_drop_are_told_and_end_nobody() {
    let log = Log::default();
    let root = start(&log, around(&log, log.actor("x"))).await;
    let before = ids(&root, &OTHERS);
    let ask = root.directory().supervisor("root/m");
    for restart in [Restart::Temporary, Restart::Permanent] {
        let (bomb, inner) = (Bomb { log: log.clone(), armed: true }, log.clone());
        let kept = worker("y", move |_| {
            let _ = &bomb;
            (Logger, LoggerState::new("y", &inner, Start::Well))
        });
        ask.add(kept.restart(restart)).await.unwrap();
        ask.remove("y").await.ok();
        settle().await;
        let lines = reported(&log);
        assert!(lines.iter().any(|line| line.ends_with("panicked in Drop: bad drop")), "{lines:?}");
        assert_eq!(ids(&root, &OTHERS), before);
    }
    root.stop(LONG).await;
}

/// A state is dropped where its actor ran, however it ends. A slow or failing `Drop` affects only
/// that thread.
#[test]
fn s73_a_state_is_dropped_on_the_runtime_of_its_actor() {
    let runtime = |name: &str| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).thread_name(name).enable_all().build().unwrap()
    };
    let (control, workers) = (runtime("control"), runtime("worker"));
    let log = Log::default();
    let child = |id| bomber(&log, id).on(workers.handle().clone());
    let spec = supervisor("root", Strategy::OneForOne)
        .budget(9, LONG)
        .children(["killed", "stopped", "failed"].map(child));
    let root = control.block_on(async {
        let tree = log.tree();
        tokio::spawn(async move { tree.start(spec).await.unwrap() }).await.unwrap()
    });
    assert!(root.directory().kill("root/killed"));
    inject(&root, "root/stopped", BomberOrder::Stop);
    inject(&root, "root/failed", BomberOrder::Panic);
    let outcome = control.block_on(async { root.stop(LONG).await });
    assert_eq!(outcome, RootOutcome::Stopped);
    let lines = log.take();
    let drops: Vec<&String> = lines.iter().filter(|line| line.starts_with("drop on")).collect();
    assert!(drops.len() >= 3 && drops.iter().all(|line| *line == "drop on worker"), "{lines:?}");
}
