//! Supervisors that end when their significant children have.

use super::*;

#[test]
fn s47_s48_significant_children_need_a_supervisor_that_stops_by_itself() {
    let log = Log::default();
    let one = |when| supervisor("r", Strategy::OneForOne).auto_shutdown(when);
    let transient = || log.actor("a").restart(Restart::Transient).significant();
    let never = one(AutoShutdown::Never).child(transient());
    assert_eq!(never.check(), Err(SpecError::SignificantForNothing("a".into())));
    let any = || one(AutoShutdown::AnySignificant);
    let permanent = any().child(log.actor("a").significant());
    assert_eq!(permanent.check(), Err(SpecError::SignificantPermanent("a".into())));
    assert_eq!(any().child(transient()).check(), Ok(()));
    let pool = supervisor("p", Strategy::Pool).auto_shutdown(AutoShutdown::AnySignificant);
    assert_eq!(pool.check(), Err(SpecError::PoolWithAutoShutdown("p".into())));
}

#[tokio::test(start_paused = true)]
async fn s49_s53_the_end_of_a_significant_child_climbs_as_a_normal_exit() {
    let log = Log::default();
    let low = supervisor("m", Strategy::OneForOne)
        .auto_shutdown(AutoShutdown::AnySignificant)
        .child(log.actor("a"))
        .child(log.actor("b").restart(Restart::Transient).significant());
    let plain = low.clone().as_child().restart(Restart::Transient);
    let root = start(&log, supervisor("root", Strategy::OneForOne).child(plain)).await;
    log.take();
    order(&root, "root/m/b", Order::Stop);
    tokio::time::sleep(100 * MS).await;
    let why = "b, which is significant, has ended";
    let ended = ["stop b", "-b", "root/m/b ended", "stop a", "-a", &format!("root/m ended: {why}")];
    assert_eq!(log.take(), ended);
    assert_eq!(seen(&root, "root/m").state, State::Stopped, "a transient one stays down");
    root.stop(LONG).await;

    let climbs = low.as_child().restart(Restart::Temporary).significant();
    let spec = supervisor("root", Strategy::OneForOne)
        .auto_shutdown(AutoShutdown::AllSignificant)
        .child(log.actor("c"))
        .child(climbs);
    let root = start(&log, spec).await;
    order(&root, "root/m/b", Order::Stop);
    assert_eq!(root.outcome().await, RootOutcome::Stopped);
    assert_eq!(log.take().last().map(String::as_str), Some("-c"));
}

#[tokio::test(start_paused = true)]
async fn s52_a_significant_child_that_is_removed_by_request_stops_nothing() {
    let log = Log::default();
    let spec = supervisor("root", Strategy::OneForOne)
        .auto_shutdown(AutoShutdown::AnySignificant)
        .child(log.actor("a").restart(Restart::Transient).significant());
    let root = start(&log, spec).await;
    let handle = root.directory().supervisor("root");
    handle.remove("a").await.unwrap();
    let permanent = handle.add(log.actor("b").significant()).await.err();
    let error = SpecError::SignificantPermanent("b".into());
    assert_eq!(permanent, Some(RequestError::Spec(error)));
    assert!(handle.which().await.unwrap().is_empty());
    assert_eq!(root.stop(LONG).await, RootOutcome::Stopped);
}
