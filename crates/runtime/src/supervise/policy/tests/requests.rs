//! Tests of requests at run time, and of what they leave unchanged.

use super::*;

impl Bench {
    /// Makes a request and returns its response and its actions as text.
    fn ask(
        &mut self,
        ask: impl FnOnce(&mut Policy, Duration) -> Result<Vec<Action>, RequestError>,
    ) -> String {
        match ask(&mut self.policy, self.now) {
            Ok(actions) => {
                self.take(actions);
                self.look()
            }
            Err(error) => format!("{error:?}"),
        }
    }

    fn terminate(&mut self, child: usize) -> String {
        self.ask(|policy, now| policy.terminate(Seat(child as u64), now))
    }

    fn restart(&mut self, id: &str) -> String {
        self.ask(|policy, now| policy.restart(id, now).map(|(_, actions)| actions))
    }

    fn delete(&mut self, id: &str) -> String {
        self.ask(|policy, now| policy.delete(id, now))
    }

    fn add(&mut self, id: &str, rules: Rules) -> String {
        self.ask(|policy, now| policy.add(id.into(), rules, now).map(|(_, actions)| actions))
    }
}

#[test]
fn s05_a_child_that_has_nothing_to_do_is_listed_and_the_next_one_starts() {
    let mut bench = Bench::new(Strategy::RestForOne, 1, &[rules(); 2]);
    bench.event(Event::Begin);
    bench.event(Event::Ignored(Seat(0), 1));
    bench.started(1);
    assert_eq!(bench.look(), "start a, start b, up");
    assert_eq!(bench.state(0), State::Stopped);
    assert_eq!(bench.restart("a"), "start a");
}

#[test]
fn s05_a_temporary_child_that_has_nothing_to_do_leaves_no_spec() {
    let mut bench = Bench::new(Strategy::OneForOne, 1, &[restart(Restart::Temporary)]);
    bench.event(Event::Begin);
    bench.event(Event::Ignored(Seat(0), 1));
    assert_eq!(bench.look(), "start a, forget a, up");
}

#[test]
fn s13_a_transient_child_that_ended_well_can_be_restarted() {
    let mut bench = Bench::up(Strategy::OneForOne, 0, &[restart(Restart::Transient)]);
    bench.ends(0);
    assert_eq!((bench.look().as_str(), bench.state(0)), ("", State::Stopped));
    assert_eq!(bench.restart("a"), "start a");
}

#[test]
fn s14_the_id_of_a_temporary_child_that_ended_can_be_added_again() {
    let mut bench = Bench::up(Strategy::OneForOne, 0, &[restart(Restart::Temporary)]);
    bench.fails(0);
    bench.look();
    assert_eq!(bench.add("a", rules()), "start b", "under a new seat");
}

#[test]
fn s34_while_a_child_restarts_requests_are_told_so() {
    let mut bench = Bench::up(Strategy::OneForOne, 5, &[rules(); 2]);
    bench.fails(0);
    bench.start_fails(0);
    assert_eq!((bench.look().as_str(), bench.state(0)), ("start a, wait a 100", State::Backoff));
    assert_eq!(bench.restart("a"), "Restarting");
    assert_eq!(bench.delete("a"), "Restarting");
    assert_eq!(bench.add("a", rules()), "AlreadyPresent");
    assert_eq!(bench.terminate(1), "stop b", "others are served meanwhile");
}

#[test]
fn s35_terminating_a_child_that_restarts_calls_that_off_for_good() {
    let mut bench = Bench::up(Strategy::RestForOne, 5, &[rules(); 2]);
    bench.fails(0);
    bench.ends(1);
    bench.start_fails(0);
    bench.look();
    assert_eq!(bench.terminate(0), "ended a, start b", "and holds up nobody any more");
    bench.started(1);
    bench.pass(60_000);
    assert_eq!((bench.look().as_str(), bench.state(0)), ("", State::Stopped));
}

#[test]
fn s37_a_requested_restart_uses_no_budget_and_touches_nobody() {
    for strategy in [Strategy::OneForOne, Strategy::RestForOne, Strategy::OneForAll] {
        let mut bench = Bench::up(strategy, 0, &[rules(); 3]);
        for _ in 0..5 {
            assert_eq!(bench.terminate(1), "stop b");
            bench.ends(1);
            assert_eq!(bench.look(), "ended b");
            assert_eq!(bench.restart("b"), "start b");
            bench.started(1);
        }
        assert_eq!(bench.look(), "", "{strategy:?}");
    }
}

#[test]
fn s37_a_requested_start_waits_for_a_group_restart_around_it() {
    let mut bench = Bench::up(Strategy::OneForAll, 1, &[rules(); 2]);
    bench.terminate(1);
    bench.ends(1);
    bench.look();
    assert_eq!(bench.restart("b"), "start b");
    bench.fails(0);
    assert_eq!(bench.look(), "stop b");
    bench.start_fails(1);
    bench.started(0);
    bench.started(1);
    assert_eq!(bench.look(), "start a, start b");
}

#[test]
fn s54_a_failed_start_by_request_leaves_no_spec() {
    let mut bench = Bench::up(Strategy::RestForOne, 0, &[rules()]);
    assert_eq!(bench.add("b", rules()), "start b");
    bench.start_fails(1);
    assert_eq!(bench.look(), "forget b");
    assert_eq!(bench.add("b", rules()), "start c", "it can be added again, and is the last");
}

#[test]
fn s55_terminating_keeps_the_spec_but_for_temporary_children() {
    let mut bench = Bench::up(Strategy::OneForOne, 0, &[rules(), restart(Restart::Temporary)]);
    for _ in 0..2 {
        bench.terminate(0);
        bench.ends(0);
        assert_eq!(bench.state(0), State::Stopped, "what is not running may be terminated again");
    }
    bench.look();
    assert_eq!(bench.terminate(1), "stop b");
    bench.ends(1);
    assert_eq!(bench.look(), "ended b, forget b");
    assert_eq!(bench.terminate(1), "NotFound");
}

#[test]
fn s56_a_failed_restart_by_request_leaves_the_spec_without_an_instance() {
    let mut bench = Bench::up(Strategy::OneForOne, 0, &[rules()]);
    assert_eq!(bench.restart("a"), "Running");
    assert_eq!(bench.restart("z"), "NotFound");
    bench.terminate(0);
    bench.ends(0);
    bench.restart("a");
    assert_eq!(bench.restart("a"), "Restarting");
    bench.start_fails(0);
    bench.look();
    assert_eq!((bench.look().as_str(), bench.state(0)), ("", State::Stopped));
}

#[test]
fn s57_only_a_child_without_an_instance_is_deleted() {
    let mut bench = Bench::up(Strategy::OneForOne, 0, &[rules()]);
    assert_eq!(bench.delete("a"), "Running");
    assert_eq!(bench.delete("z"), "NotFound");
    bench.terminate(0);
    assert_eq!(bench.delete("a"), "Running", "it still stops");
    bench.ends(0);
    bench.look();
    assert_eq!(bench.delete("a"), "forget a");
}

#[test]
fn s58_a_crash_and_a_termination_end_with_the_child_down() {
    let exits = [Exit::Normal(String::new()), Exit::Failed("x".into()), Exit::Killed];
    for crash_first in [true, false] {
        for exit in &exits {
            let mut bench = Bench::up(Strategy::OneForOne, 1, &[rules()]);
            if crash_first {
                bench.exits(0, exit.clone());
                bench.terminate(0);
                bench.start_fails(0);
            } else {
                bench.terminate(0);
                bench.exits(0, exit.clone());
            }
            bench.pass(60_000);
            assert_eq!(bench.state(0), State::Stopped, "{crash_first} {exit}");
        }
    }
}

#[test]
fn s60_a_new_list_takes_effect_at_the_next_start() {
    let mut bench = Bench::up(Strategy::OneForOne, 5, &[rules(); 2]);
    let list = [("c".into(), rules()), ("a".into(), restart(Restart::Temporary))];
    assert_eq!(bench.policy.replace(&list), Ok(vec![Seat(2), Seat(0)]));
    assert_eq!((bench.state(0), bench.state(2)), (State::Running, State::Stopped));
    bench.fails(0);
    assert_eq!(bench.look(), "start a", "the rule it was started under");
    bench.started(0);
    bench.fails(0);
    assert_eq!(bench.look(), "forget a", "the new one");
    assert_eq!(bench.state(1), State::Running, "missing, but not deleted");
    assert_eq!(bench.restart("c"), "start c");
}

#[test]
fn s25_s27_a_pool_makes_its_children_and_knows_them_by_handle_only() {
    let mut bench = Bench::up(Strategy::Pool, 1, &[]);
    for child in 0..3 {
        let (seat, id, actions) = bench.policy.add_to_pool("m", rules(), bench.now).unwrap();
        assert_eq!((seat, &*id), (Seat(child), format!("m-{}", child + 1).as_str()));
        bench.take(actions);
        bench.started(usize::try_from(child).unwrap());
    }
    bench.look();
    assert_eq!(bench.restart("m-1"), "Pool");
    assert_eq!(bench.delete("m-1"), "Pool");
    assert_eq!(bench.add("x", rules()), "Pool");
    assert_eq!(bench.policy.find("m-1"), Err(RequestError::Pool));
    bench.fails(1);
    assert_eq!(bench.look(), "start b");
    assert_eq!(bench.terminate(0), "stop a");
    bench.ends(0);
    assert_eq!(bench.look(), "ended a, forget a");
    let mut other = Bench::up(Strategy::OneForOne, 1, &[]);
    let refused = other.policy.add_to_pool("m", rules(), other.now).err();
    assert_eq!(refused, Some(RequestError::NoPool));
}

fn pool(children: usize) -> Bench {
    let mut bench = Bench::up(Strategy::Pool, 1, &[]);
    for child in 0..children {
        let rules = Rules { shutdown: Shutdown::Timed(50 * MS), ..rules() };
        let (_, _, actions) = bench.policy.add_to_pool("m", rules, bench.now).unwrap();
        bench.take(actions);
        bench.started(child);
    }
    bench.look();
    bench
}

#[test]
fn s26_a_pool_stops_all_at_the_same_time_and_kills_stragglers_at_the_limit() {
    let mut bench = pool(3);
    bench.event(Event::Stop(None));
    assert_eq!(bench.look(), "stop c, stop b, stop a");
    bench.ends(1);
    bench.pass(50);
    assert_eq!(bench.look(), "kill c, kill a");
    bench.exits(0, Exit::Killed);
    bench.exits(2, Exit::Killed);
    assert_eq!(bench.look(), "end");
}

#[test]
fn s28_a_pool_child_whose_restart_has_nothing_to_do_disappears() {
    let mut bench = pool(1);
    bench.fails(0);
    let (seat, generation) = bench.of(0);
    bench.event(Event::Ignored(seat, generation));
    assert_eq!(bench.look(), "start a, forget a");
}

#[test]
fn s61_a_hundred_thousand_children_cost_as_much_each_as_a_thousand() {
    fn life(children: u64) -> Duration {
        #[expect(clippy::disallowed_methods, reason = "what is measured")]
        let began = std::time::Instant::now();
        let mut bench = Bench::up(Strategy::Pool, 1, &[]);
        for child in 0..children {
            let (_, _, actions) = bench.policy.add_to_pool("m", rules(), bench.now).unwrap();
            assert_eq!(actions.len(), 2);
            bench.policy.on(Event::Started(Seat(child), 1), bench.now);
        }
        let stops = bench.policy.on(Event::Stop(None), bench.now);
        assert_eq!(stops.len() as u64, 2 * children);
        for child in 0..children {
            bench.policy.on(Event::Exited(Seat(child), 1, Exit::Killed), bench.now);
        }
        assert_eq!(bench.policy.serving(), Err(RequestError::NotRunning));
        began.elapsed()
    }
    assert_linear("in a pool", 10_000, life);
}

/// Checks that ten times as many children cost about ten times as much. A busy machine gets another
/// attempt.
fn assert_linear(how: &str, few: u64, life: impl Fn(u64) -> Duration) {
    let mut seen = Vec::new();
    while seen.iter().all(|(few, many)| *many >= *few * 25) {
        assert!(seen.len() < 4, "{how}, {few} and ten times as many take {seen:?}");
        seen.push((life(few), life(few * 10)));
    }
}

#[test]
fn s61_so_they_do_in_a_list_in_which_one_starts_after_the_other() {
    fn life(strategy: Strategy, children: u64) -> Duration {
        let ids = (0..children).map(|child| (Arc::from(child.to_string()), rules()));
        let mut policy = Policy::new(settings(strategy, 1), ids);
        #[expect(clippy::disallowed_methods, reason = "what is measured")]
        let began = std::time::Instant::now();
        let mut on = |event| {
            let mut actions = policy.on(event, MS);
            actions.retain(|action| !matches!(action, Action::Announce(..)));
            actions
        };
        let mut actions = on(Event::Begin);
        for child in (0..children).map(Seat) {
            assert_eq!(actions.first(), Some(&Action::Start(child, 1)));
            actions = on(Event::Started(child, 1));
        }
        assert_eq!(actions, [Action::Up]);
        actions = on(Event::Stop(None));
        for child in (0..children).rev().map(Seat) {
            assert_eq!(actions.first(), Some(&Action::Stop(child)));
            actions = on(Event::Exited(child, 1, Exit::Normal(String::new())));
        }
        assert_eq!(actions, [Action::End(Outcome::Stopped)]);
        began.elapsed()
    }
    let strategies =
        [Strategy::OneForOne, Strategy::RestForOne, Strategy::OneForAll, Strategy::Dynamic];
    for strategy in strategies {
        assert_linear(&format!("{strategy:?}"), 3_000, |children| life(strategy, children));
    }
}

#[test]
fn another_budget_holds_from_there_on_and_what_was_counted_counts() {
    let mut bench = Bench::up(Strategy::OneForOne, 1, &[rules()]);
    bench.fails(0);
    bench.started(0);
    bench.look();
    bench.policy.limit(2, 5_000 * MS);
    bench.fails(0);
    assert!(!bench.look().contains("end"), "the second is allowed now");
    let mut bench = Bench::up(Strategy::OneForOne, 5, &[rules()]);
    bench.fails(0);
    bench.started(0);
    bench.look();
    bench.policy.limit(1, 5_000 * MS);
    bench.fails(0);
    assert!(bench.look().contains("end"), "it is not any more");
}
