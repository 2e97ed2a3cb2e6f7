//! Subtrees that are killed, branches that are hopeless, ends on purpose.

use super::*;
use crate::supervise::Harm;

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
    let said = log.take();
    assert_eq!(said.last().map(String::as_str), Some("down root/m"));
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
    // One that does not hear of the kill: it is no longer linked, but still attended to.
    let (a, n) = (root.directory().slot("root/m/n/a"), root.directory().slot("root/m/n"));
    a.cell().unwrap().unlink(n.cell().unwrap());
    log.take();
    assert!(root.directory().kill("root/m"));
    tokio::time::sleep(100 * MS).await;
    let mut said = log.take();
    said[..2].sort();
    assert_eq!(said, ["-a", "-b", "root/m killed", "+a", "+b"]);
    root.stop(LONG).await;
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
    let said = log.take();
    assert_eq!(said.iter().filter(|line| line.ends_with("injected: step")).count(), 4);
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
    assert!(root.directory().harm("root/m", Harm::Stop, &why));
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
    for harm in [Harm::Kill, Harm::Stop, Harm::Panic] {
        assert!(root.directory().harm("root/a", harm, &why));
        if harm == Harm::Panic {
            order(&root, "root/a", Order::StopBadly);
        }
        tokio::time::sleep(100 * MS).await;
        let after = ids(&root, &["root/a"]);
        assert!(after[0].is_some() && after != before, "{harm:?}");
        before = after;
    }
    assert!(root.directory().harm("root/a", Harm::Stall(MS), &why));
    order(&root, "root/a", Order::StopBadly);
    settle().await;
    assert_eq!(ids(&root, &["root/a"]), before, "it goes on");
    assert!(!root.directory().harm("root/nobody", Harm::Panic, &why));
    assert_eq!(seen(&root, "root/a").injected, 3);
    root.stop(LONG).await;
}
