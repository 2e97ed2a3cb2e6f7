//! Tests of children that are made from one template.

use super::*;

/// Rounds of a race between two threads, which it rarely wins.
const ROUNDS: u32 = 100;

/// A template of actors that have the id they are given. `how` chooses the result of each start.
fn loggers(log: &Log, how: impl Fn(u32) -> Start + Send + Sync + 'static) -> ChildSpec {
    let (log, times) = (log.clone(), AtomicU32::new(0));
    template("m", move |_, id: &&'static str| {
        (Logger, LoggerState::new(id, &log, how(times.fetch_add(1, SeqCst))))
    })
}

fn pool(template: ChildSpec) -> SupervisorSpec {
    supervisor("pool", Strategy::Pool).budget(3, 5_000 * MS).child(template)
}

#[tokio::test(start_paused = true)]
async fn s25_a_pool_starts_empty_and_restarts_each_with_its_own_arguments() {
    let log = Log::default();
    let spec = supervisor("root", Strategy::OneForOne).child(pool(loggers(&log, |_| Start::Well)));
    let root = start(&log, spec).await;
    assert_eq!(log.take(), [""; 0]);
    let asked = root.directory().supervisor("root/pool");
    let x = asked.start("x").await.unwrap();
    let y = asked.start("y").await.unwrap();
    assert_eq!((x.path.as_str(), y.path.as_str()), ("root/pool/m-1", "root/pool/m-2"));
    let (other, how) =
        (asked.start(7_u8).await.err(), "its template takes arguments of another type");
    let error = StartError::new("root/pool/m", how);
    assert_eq!(other, Some(RequestError::Start(error)));
    log.take();
    order(&root, &y.path, Order::Panic);
    settle().await;
    assert_eq!(log.take(), ["-y", "root/pool/m-2 failed: boom", "+y"]);
    asked.end(&y).await.unwrap();
    assert_eq!(log.take(), ["stop y", "-y"], "the handle of a replaced instance still names it");
    assert_eq!(asked.end(&y).await, Err(RequestError::NotFound));
    assert_eq!(asked.which().await.unwrap().len(), 1);
    let count = asked.count().await.unwrap();
    assert_eq!((count.specs, count.active, count.workers), (1, 1, 1));
    assert!(root.directory().kill("root/pool"));
    settle().await;
    let z = asked.start("z").await.unwrap();
    assert_eq!(x.path, z.path);
    assert_eq!(asked.end(&x).await, Err(RequestError::NotFound), "one of an earlier pool");
    root.stop(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn s26_a_pool_stops_all_its_children_within_one_limit() {
    let log = Log::default();
    let limited = loggers(&log, |_| Start::Well).shutdown(Shutdown::Timed(300 * MS));
    let root = start(&log, supervisor("root", Strategy::OneForOne).child(pool(limited))).await;
    let asked = root.directory().supervisor("root/pool");
    for id in ["x", "y", "z"] {
        let child = asked.start(id).await.unwrap();
        if id != "y" {
            order(&root, &child.path, Order::Hang);
        }
    }
    settle().await;
    log.take();
    let began = Instant::now();
    root.stop(LONG).await;
    assert!((300 * MS..330 * MS).contains(&began.elapsed()), "{:?}", began.elapsed());
    let mut lines = log.take();
    lines.sort();
    let late = |n| format!("root/pool/m-{n} stopped badly: killed");
    assert_eq!(lines, ["-x", "-y", "-z", &late(1), &late(3), "stop y"]);
}

#[tokio::test(start_paused = true)]
async fn s27_a_pool_has_one_template_and_no_ids() {
    let log = Log::default();
    let none = || supervisor("pool", Strategy::Pool);
    let one = || loggers(&log, |_| Start::Well);
    let outside = supervisor("root", Strategy::OneForOne).child(one());
    let table = [
        (none(), SpecError::NotOneTemplate("pool".into())),
        (none().child(one()).child(one()), SpecError::NotOneTemplate("pool".into())),
        (none().child(log.actor("a")), SpecError::NotOneTemplate("pool".into())),
        (outside, SpecError::TemplateOutsidePool("m".into())),
    ];
    for (spec, error) in table {
        assert_eq!(spec.check(), Err(error));
    }
    let root = start(&log, supervisor("root", Strategy::OneForOne).child(pool(one()))).await;
    let asked = root.directory().supervisor("root/pool");
    asked.start("x").await.unwrap();
    for refused in
        [asked.terminate("m-1").await, asked.delete("m-1").await, asked.remove("m-1").await]
    {
        assert_eq!(refused, Err(RequestError::Pool));
    }
    assert_eq!(asked.restart("m-1").await.err(), Some(RequestError::Pool));
    assert_eq!(asked.add(log.actor("a")).await.err(), Some(RequestError::Pool));
    let top = root.directory().supervisor("root");
    assert_eq!(top.start("x").await.err(), Some(RequestError::NoPool));
    root.stop(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn s28_a_pool_child_with_nothing_to_do_after_its_crash_disappears() {
    let log = Log::default();
    let how = |time| if time == 0 { Start::Well } else { Start::Ignore };
    let root =
        start(&log, supervisor("root", Strategy::OneForOne).child(pool(loggers(&log, how)))).await;
    let asked = root.directory().supervisor("root/pool");
    let x = asked.start("x").await.unwrap();
    order(&root, &x.path, Order::Panic);
    settle().await;
    assert!(asked.which().await.unwrap().is_empty());
    root.stop(LONG).await;
}

#[tokio::test]
async fn s61_thousands_of_children_start_and_stop_in_linear_time() {
    async fn life(children: usize) -> Duration {
        #[expect(clippy::disallowed_methods, reason = "what is measured")]
        let began = std::time::Instant::now();
        let log = Log::default();
        let spec = pool(loggers(&log, |_| Start::Well).shutdown(Shutdown::Kill));
        let root = log.tree().start(spec).await.unwrap();
        let asked = root.directory().supervisor("pool");
        for _ in 0..children {
            asked.start("x").await.unwrap();
        }
        assert_eq!(asked.count().await.unwrap().active, children);
        assert_eq!(root.stop(LONG).await, RootOutcome::Stopped);
        began.elapsed()
    }
    // Ten times as many children. A busy machine gets another attempt.
    let mut seen = Vec::new();
    for _ in 0..4 {
        let (few, many) = (life(1_000).await, life(10_000).await);
        seen.push((few, many));
        if many < few * 25 {
            return;
        }
    }
    panic!("for 1,000 and for 10,000: {seen:?}");
}

#[tokio::test(start_paused = true)]
async fn s60_a_new_template_holds_from_the_next_start_of_each_child_on() {
    let log = Log::default();
    let spec = supervisor("root", Strategy::OneForOne).child(pool(loggers(&log, |_| Start::Well)));
    let root = start(&log, spec).await;
    let asked = root.directory().supervisor("root/pool");
    let x = asked.start("x").await.unwrap();
    let new = || {
        let log = log.clone();
        template("m", move |_, id: &&'static str| {
            (Logger, LoggerState::new(if *id == "x" { "new x" } else { "new" }, &log, Start::Well))
        })
    };
    let inner = log.clone();
    let other =
        template("m", move |_, _: &u8| (Logger, LoggerState::new("?", &inner, Start::Well)));
    let none = SpecError::NotOneTemplate("pool".into());
    let table = [
        (vec![], none.clone()),
        (vec![new(), new()], none.clone()),
        (vec![log.actor("m")], none),
        (vec![other], SpecError::OtherArguments("m-1".into())),
        (vec![new().start_limit(Duration::ZERO)], SpecError::ZeroLimit("m".into())),
    ];
    log.take();
    let panics = async || {
        order(&root, &x.path, Order::Panic);
        tokio::time::sleep(1_000 * MS).await;
        log.take().pop().unwrap()
    };
    for (list, error) in table {
        assert_eq!(asked.replace(list).await, Err(RequestError::Spec(error)));
    }
    assert_eq!(panics().await, "+x", "nothing was changed");
    let rules = new().shutdown(Shutdown::Kill);
    asked.replace(vec![rules]).await.unwrap();
    assert_eq!(log.take(), [""; 0], "it keeps running");
    assert_eq!(panics().await, "+new x");
    asked.start("y").await.unwrap();
    assert_eq!(log.take(), ["+new"]);
    asked.end(&x).await.unwrap();
    assert_eq!(log.take(), ["-new x"], "by the new rule");
    root.stop(LONG).await;
}

/// The supervisor reads its reports while other children end: the reason of an end and its report
/// arrive between any two of its reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_of_many_children_that_end_at_once_has_its_reason() {
    for round in 0..ROUNDS {
        let log = Log::default();
        let spec =
            supervisor("root", Strategy::OneForOne).child(pool(loggers(&log, |_| Start::Well)));
        let root = start(&log, spec).await;
        let asked = root.directory().supervisor("root/pool");
        for _ in 0..300 {
            asked.start("x").await.unwrap();
        }
        assert_eq!(root.stop(LONG).await, RootOutcome::Stopped);
        let mut wrong = log.take();
        wrong.retain(|line| !["+x", "-x", "stop x"].contains(&line.as_str()));
        assert_eq!(wrong, [""; 0], "round {round}");
    }
}
