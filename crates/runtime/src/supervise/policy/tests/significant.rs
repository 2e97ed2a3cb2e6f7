//! Tests of significant children, whose end ends their supervisor.

use super::*;

fn bench(auto_shutdown: AutoShutdown, children: &[Rules]) -> Bench {
    let mut bench = Bench::new(Strategy::OneForOne, 5, children);
    bench.policy.settings.auto_shutdown = auto_shutdown;
    bench.event(Event::Begin);
    for child in 0..children.len() {
        bench.started(child);
    }
    bench.look();
    bench
}

fn significant(restart: Restart) -> Rules {
    Rules { restart, significant: true, ..rules() }
}

#[test]
fn s46_without_auto_shutdown_no_exit_stops_the_supervisor() {
    let children = [restart(Restart::Temporary), restart(Restart::Transient)];
    let mut bench = bench(AutoShutdown::Never, &children);
    bench.fails(0);
    bench.ends(1);
    assert_eq!(bench.look(), "forget a");
    assert_eq!(bench.policy.serving(), Ok(()));
}

#[test]
fn s49_any_significant_child_that_ends_for_good_stops_it() {
    let (normal, failed) = (Exit::Normal(String::new()), Exit::Failed("x".into()));
    let table = [
        (Restart::Transient, &normal, "stop b, stop a"),
        (Restart::Transient, &failed, "start c"),
        (Restart::Temporary, &normal, "forget c, stop b, stop a"),
        (Restart::Temporary, &failed, "forget c, stop b, stop a"),
    ];
    for (kind, exit, expected) in table {
        let children = [rules(), significant(Restart::Transient), significant(kind)];
        let mut bench = bench(AutoShutdown::AnySignificant, &children);
        bench.exits(2, exit.clone());
        for child in [1, 0] {
            if expected.contains("stop") {
                bench.ends(child);
            }
        }
        let expected = if expected.contains("stop") {
            format!("{expected}, end: c finished")
        } else {
            expected.into()
        };
        assert_eq!(bench.look(), expected, "{kind:?} {exit}");
    }
}

#[test]
fn s50_the_last_significant_child_stops_it_where_all_must_end() {
    let children = [significant(Restart::Transient), rules(), significant(Restart::Temporary)];
    let mut bench = bench(AutoShutdown::AllSignificant, &children);
    bench.ends(0);
    assert_eq!(bench.look(), "");
    bench.fails(2);
    bench.ends(1);
    assert_eq!(bench.look(), "forget c, stop b, end: c finished");
}

#[test]
fn s51_others_stop_nothing() {
    let children = [significant(Restart::Transient), restart(Restart::Temporary)];
    for when in [AutoShutdown::AnySignificant, AutoShutdown::AllSignificant] {
        let mut bench = bench(when, &children);
        bench.fails(1);
        assert_eq!(bench.look(), "forget b");
    }
}

#[test]
fn s52_a_significant_child_that_was_asked_to_stop_stops_nothing() {
    for kind in [Restart::Transient, Restart::Temporary] {
        let mut bench = bench(AutoShutdown::AnySignificant, &[rules(), significant(kind)]);
        let actions = bench.policy.terminate(Seat(1), bench.now).unwrap();
        bench.take(actions);
        bench.ends(1);
        assert!(bench.look().starts_with("stop b, ended b"));
        assert_eq!(bench.policy.serving(), Ok(()), "by request");
    }
    let mut bench =
        bench(AutoShutdown::AnySignificant, &[rules(), significant(Restart::Temporary)]);
    bench.policy.settings.strategy = Strategy::OneForAll;
    bench.fails(0);
    bench.ends(1);
    assert_eq!(bench.look(), "stop b, forget b, start a", "for a sibling's sake");
}

#[test]
fn s62_a_supervisor_that_gave_up_has_ended_normally() {
    let gave_up = || Exit::GaveUp(crate::supervise::GaveUp { path: "p".into(), why: "w".into() });
    for (kind, expected) in [(Restart::Permanent, "start a"), (Restart::Transient, "")] {
        let mut bench = Bench::up(Strategy::OneForOne, 1, &[restart(kind)]);
        bench.exits(0, gave_up());
        assert_eq!(bench.look(), expected, "{kind:?}");
    }
}
