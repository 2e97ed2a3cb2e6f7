//! Tests of the supervision rules, as tables of events.
//!
//! Over 500 lines: one subject, one test a promise.

mod histories;
mod model;
mod requests;
mod significant;

use super::*;
use crate::supervise::event::RequestError;
use crate::supervise::exit::{Exit, StartError};
use crate::supervise::rules::{AutoShutdown, Backoff, OnGiveUp, Restart, Shutdown, Strategy};

const MS: Duration = Duration::from_millis(1);

fn rules() -> Rules {
    Rules {
        restart: Restart::Permanent,
        shutdown: Shutdown::Timed(5_000 * MS),
        start_limit: 30_000 * MS,
        backoff: Backoff { first: 100 * MS, max: 10_000 * MS, healthy: 10_000 * MS },
        on_give_up: OnGiveUp::Escalate,
        significant: false,
    }
}

fn restart(restart: Restart) -> Rules {
    Rules { restart, ..rules() }
}

fn degrade() -> Rules {
    Rules { on_give_up: OnGiveUp::Degrade { retry: 60_000 * MS }, ..rules() }
}

fn settings(strategy: Strategy, intensity: u32) -> Settings {
    let auto_shutdown = AutoShutdown::Never;
    Settings { strategy, intensity, period: 5_000 * MS, auto_shutdown }
}

/// A policy and the results of its actions. Instances react only when the test requests it.
struct Bench {
    policy: Policy,
    now: Duration,
    generations: BTreeMap<Seat, u64>,
    timers: Vec<(Duration, Seat, u64, Timer)>,
    /// Requested actions since the last read, as text.
    log: Vec<String>,
}

/// Name of a seat: a letter.
fn name(seat: Seat) -> String {
    u8::try_from(seat.0).map(|n| char::from(b'a' + n).to_string()).unwrap()
}

impl Bench {
    fn new(strategy: Strategy, intensity: u32, children: &[Rules]) -> Bench {
        let settings = settings(strategy, intensity);
        let ids = (b'a'..).map(|c| Arc::from(char::from(c).to_string()));
        let policy = Policy::new(settings, ids.zip(children.iter().copied()));
        Bench {
            policy,
            now: Duration::ZERO,
            generations: BTreeMap::new(),
            timers: Vec::new(),
            log: Vec::new(),
        }
    }

    /// As [`Bench::new`], with all children up.
    fn up(strategy: Strategy, intensity: u32, children: &[Rules]) -> Bench {
        let mut bench = Bench::new(strategy, intensity, children);
        bench.event(Event::Begin);
        for i in 0..children.len() {
            bench.started(i);
        }
        assert!(bench.look().ends_with("up"), "all children are up");
        bench
    }

    fn event(&mut self, event: Event) {
        let actions = self.policy.on(event, self.now);
        self.take(actions);
    }

    fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            let words = match action {
                Action::Start(seat, generation) => {
                    self.generations.insert(seat, generation);
                    format!("start {}", name(seat))
                }
                Action::Stop(seat) => format!("stop {}", name(seat)),
                Action::Kill(seat) => format!("kill {}", name(seat)),
                Action::Arm(seat, generation, timer, after) => {
                    self.timers.push((self.now + after, seat, generation, timer));
                    match timer {
                        Timer::Retry => format!("wait {} {}", name(seat), after.as_millis()),
                        Timer::StartLimit | Timer::StopDeadline | Timer::Healthy => continue,
                    }
                }
                Action::Ended(seat) => format!("ended {}", name(seat)),
                Action::Forget(seat) => format!("forget {}", name(seat)),
                Action::Announce(seat, Announcement::BranchDown { .. }) => {
                    format!("down {}", name(seat))
                }
                Action::Announce(seat, Announcement::BranchUp) => format!("healthy {}", name(seat)),
                Action::Announce(..) => continue,
                Action::Up => "up".to_owned(),
                Action::End(Outcome::Stopped) => "end".to_owned(),
                Action::End(Outcome::Finished(id)) => format!("end: {id} finished"),
                Action::End(Outcome::StartFailed(error)) => format!("end: {error}"),
                Action::End(Outcome::GaveUp(seat, why)) => {
                    format!("end: {} {why}", name(seat))
                }
            };
            self.log.push(words);
        }
    }

    fn look(&mut self) -> String {
        std::mem::take(&mut self.log).join(", ")
    }

    fn of(&self, child: usize) -> (Seat, u64) {
        let seat = Seat(child as u64);
        (seat, self.generations.get(&seat).copied().unwrap_or_default())
    }

    fn started(&mut self, child: usize) {
        let (seat, generation) = self.of(child);
        self.event(Event::Started(seat, generation));
    }

    fn start_fails(&mut self, child: usize) {
        let (seat, generation) = self.of(child);
        let error = StartError::new(name(seat), "no");
        self.event(Event::StartFailed(seat, generation, error));
    }

    fn exits(&mut self, child: usize, exit: Exit) {
        let (seat, generation) = self.of(child);
        self.event(Event::Exited(seat, generation, exit));
    }

    fn fails(&mut self, child: usize) {
        self.exits(child, Exit::Failed("x".into()));
    }

    fn ends(&mut self, child: usize) {
        self.exits(child, Exit::Normal(String::new()));
    }

    /// Lets time pass and timers fire in order.
    fn pass(&mut self, ms: u32) {
        let end = self.now + ms * MS;
        loop {
            let due = self.timers.iter().map(|timer| timer.0).filter(|at| *at <= end).min();
            let Some(at) = due else { break };
            self.now = at;
            let index = self.timers.iter().position(|timer| timer.0 == at).unwrap();
            let (_, seat, generation, timer) = self.timers.remove(index);
            self.event(Event::Timer(seat, generation, timer));
        }
        self.now = end;
    }

    fn state(&self, child: usize) -> State {
        self.policy.view(Seat(child as u64)).unwrap().state
    }
}

#[test]
fn s01_children_start_one_after_another() {
    for strategy in [Strategy::OneForOne, Strategy::RestForOne, Strategy::OneForAll] {
        let mut bench = Bench::new(strategy, 1, &[rules(); 3]);
        bench.event(Event::Begin);
        assert_eq!(bench.look(), "start a");
        bench.started(0);
        assert_eq!(bench.look(), "start b");
        bench.started(1);
        assert_eq!(bench.look(), "start c");
        bench.started(2);
        assert_eq!(bench.look(), "up");
    }
}

#[test]
fn s03_s04_a_failed_first_start_is_rolled_back_and_not_retried() {
    let mut bench = Bench::new(Strategy::OneForOne, 5, &[rules(); 4]);
    bench.event(Event::Begin);
    bench.started(0);
    bench.started(1);
    bench.look();
    bench.start_fails(2);
    assert_eq!(bench.look(), "stop b");
    bench.ends(1);
    assert_eq!(bench.look(), "stop a");
    bench.ends(0);
    assert_eq!(bench.look(), "end: c could not be started: no");
}

#[test]
fn s11_s12_s13_s14_restart_types() {
    let ends = [Exit::Normal(String::new()), Exit::Failed("x".into()), Exit::Killed, Exit::Lost];
    let table = [
        (Restart::Permanent, ["start a", "start a", "start a", "start a"]),
        (Restart::Transient, ["", "start a", "start a", "start a"]),
        (Restart::Temporary, ["forget a", "forget a", "forget a", "forget a"]),
    ];
    for (kind, expected) in table {
        for (exit, expected) in ends.iter().zip(expected) {
            let mut bench = Bench::up(Strategy::OneForOne, 1, &[restart(kind), rules()]);
            bench.exits(0, exit.clone());
            assert_eq!(bench.look(), expected, "{kind:?} {exit}");
        }
    }
}

#[test]
fn s15_a_temporary_child_stopped_for_a_sibling_does_not_come_back() {
    let children = [rules(), restart(Restart::Temporary), rules()];
    let mut bench = Bench::up(Strategy::RestForOne, 1, &children);
    bench.fails(0);
    bench.ends(2);
    assert_eq!(bench.look(), "stop c, stop b");
    bench.ends(1);
    assert_eq!(bench.look(), "forget b, start a");
    bench.started(0);
    bench.started(2);
    assert_eq!(bench.look(), "start c");
}

#[test]
fn s17_one_for_one_leaves_siblings() {
    let mut bench = Bench::up(Strategy::OneForOne, 1, &[rules(); 3]);
    bench.fails(1);
    assert_eq!(bench.look(), "start b");
}

#[test]
fn s18_s20_s23_one_for_all_stops_all_before_it_starts_all_and_begins_anew_at_a_failed_start() {
    let mut bench = Bench::up(Strategy::OneForAll, 2, &[rules(); 3]);
    bench.fails(1);
    assert_eq!(bench.look(), "stop c");
    bench.ends(2);
    assert_eq!(bench.look(), "stop a");
    bench.ends(0);
    assert_eq!(bench.look(), "start a");
    bench.started(0);
    bench.start_fails(1);
    assert_eq!(bench.look(), "start b, wait b 100, stop a");
    bench.ends(0);
    bench.pass(100);
    assert_eq!(bench.look(), "start a");
    for child in 0..3 {
        bench.started(child);
    }
    assert_eq!(bench.look(), "start b, start c");
}

#[test]
fn s19_rest_for_one_restarts_those_after_in_order() {
    let mut bench = Bench::up(Strategy::RestForOne, 1, &[rules(); 4]);
    bench.fails(1);
    assert_eq!(bench.look(), "stop d");
    bench.ends(3);
    assert_eq!(bench.look(), "stop c");
    bench.ends(2);
    assert_eq!(bench.look(), "start b");
    for child in 1..4 {
        bench.started(child);
    }
    assert_eq!(bench.look(), "start c, start d");
}

#[test]
fn s21_s22_those_that_die_together_cost_one_restart() {
    for strategy in [Strategy::RestForOne, Strategy::OneForAll] {
        let mut bench = Bench::up(strategy, 1, &[rules(); 3]);
        bench.fails(0);
        bench.fails(1);
        bench.fails(2);
        assert_eq!(bench.look(), "stop c, start a", "{strategy:?}");
        for child in 0..3 {
            bench.started(child);
        }
        assert_eq!(bench.look(), "start b, start c");
    }
}

#[test]
fn s22_the_budget_is_not_used_by_exits_that_were_asked_for() {
    let mut bench = Bench::up(Strategy::RestForOne, 1, &[rules(); 2]);
    bench.fails(0);
    bench.exits(1, Exit::Killed);
    bench.started(0);
    bench.started(1);
    bench.pass(5_001);
    bench.fails(1);
    bench.started(1);
    assert_eq!(bench.look(), "stop b, start a, start b, start b");
}

#[test]
fn s24_rest_for_one_goes_on_where_a_start_failed() {
    let mut bench = Bench::up(Strategy::RestForOne, 5, &[rules(); 3]);
    bench.fails(0);
    bench.ends(2);
    bench.ends(1);
    bench.started(0);
    bench.look();
    bench.start_fails(1);
    assert_eq!(bench.look(), "start b");
    bench.started(1);
    bench.started(2);
    assert_eq!(bench.look(), "start c");
}

#[test]
fn s29_s30_s31_s32_the_budget_slides_and_is_shared() {
    // (intensity, milliseconds before each failure, whether it ends); children fail in turn.
    let table: [(u32, &[u32], bool); 6] = [
        (0, &[0], true),
        (1, &[0], false),
        (1, &[0, 4_999], true),
        (1, &[0, 5_000], true),
        (1, &[0, 5_001], false),
        (2, &[0, 2_000, 3_001, 3_001, 3_001], false),
    ];
    for (intensity, failures, ends) in table {
        let mut bench = Bench::up(Strategy::OneForOne, intensity, &[rules(); 2]);
        for (i, after) in failures.iter().enumerate() {
            bench.pass(*after);
            bench.fails(i % 2);
            bench.pass(2_000);
            bench.now -= 2_000 * MS;
            bench.started(i % 2);
        }
        assert_eq!(bench.look().contains("stop"), ends, "{intensity} in {failures:?}");
    }
}

#[test]
fn s29_giving_up_stops_all_in_reverse_and_names_the_child() {
    let mut bench = Bench::up(Strategy::OneForOne, 0, &[rules(); 3]);
    bench.fails(1);
    bench.ends(2);
    bench.ends(0);
    assert_eq!(bench.look(), "stop c, stop a, end: b failed: x");
}

#[test]
fn s33_a_child_that_never_starts_uses_up_the_budget() {
    let mut bench = Bench::up(Strategy::OneForOne, 10, &[rules()]);
    bench.fails(0);
    for _ in 0..10 {
        bench.pass(10_000);
        bench.now = bench.now.saturating_sub(9_500 * MS);
        bench.start_fails(0);
    }
    assert!(bench.look().ends_with("end: a no"));
}

#[test]
fn s35_s58_removing_cancels_a_retry_and_a_stop_does_not_wait_for_it() {
    let mut bench = Bench::up(Strategy::OneForOne, 5, &[rules(); 2]);
    for child in 0..2 {
        bench.fails(child);
        bench.start_fails(child);
    }
    assert_eq!(bench.look(), "start a, wait a 100, start b, wait b 100");
    let actions = bench.policy.remove(Seat(0), bench.now).unwrap();
    bench.take(actions);
    assert_eq!(bench.look(), "ended a, forget a");
    bench.event(Event::Stop(None));
    assert_eq!(bench.look(), "end");
    bench.pass(60_000);
    assert_eq!(bench.look(), "");
}

#[test]
fn s36_the_delay_grows_to_a_limit_and_is_forgotten() {
    let mut bench = Bench::up(Strategy::OneForOne, 9, &[rules()]);
    let mut waits = Vec::new();
    for _ in 0..6 {
        bench.fails(0);
        waits.push(bench.look());
        bench.pass(500);
        bench.started(0);
        bench.look();
    }
    let expected =
        ["start a", "wait a 100", "wait a 200", "wait a 400", "wait a 500", "wait a 500"];
    assert_eq!(waits, expected);
    bench.pass(10_000);
    bench.fails(0);
    assert_eq!(bench.look(), "start a");
}

#[test]
fn s36_a_delay_holds_up_nobody_else() {
    let mut bench = Bench::up(Strategy::OneForOne, 5, &[rules(); 2]);
    bench.fails(0);
    bench.start_fails(0);
    bench.fails(1);
    assert_eq!(bench.look(), "start a, wait a 100, start b");
}

#[test]
fn s38_s39_s40_s41_stops_in_reverse_each_by_its_own_rule() {
    let shutdown = |shutdown| Rules { shutdown, ..rules() };
    let children = [
        shutdown(Shutdown::Infinite),
        shutdown(Shutdown::Timed(50 * MS)),
        shutdown(Shutdown::Kill),
    ];
    let mut bench = Bench::up(Strategy::OneForOne, 1, &children);
    bench.event(Event::Stop(None));
    assert_eq!(bench.look(), "kill c");
    bench.exits(2, Exit::Killed);
    assert_eq!(bench.look(), "stop b");
    bench.pass(49);
    assert_eq!(bench.look(), "");
    bench.pass(1);
    assert_eq!(bench.look(), "kill b");
    bench.exits(1, Exit::Killed);
    assert_eq!(bench.look(), "stop a");
    bench.pass(1_000_000);
    assert_eq!(bench.look(), "");
    bench.ends(0);
    assert_eq!(bench.look(), "end");
}

#[test]
fn s39_the_deadline_of_a_stop_holds_for_all() {
    let infinite = Rules { shutdown: Shutdown::Infinite, ..rules() };
    let mut bench = Bench::up(Strategy::OneForOne, 1, &[infinite; 2]);
    bench.event(Event::Stop(None));
    bench.event(Event::Stop(Some(100 * MS)));
    bench.pass(100);
    assert_eq!(bench.look(), "stop b, kill b");
    bench.exits(1, Exit::Killed);
    bench.pass(0);
    assert_eq!(bench.look(), "stop a, kill a");
}

#[test]
fn s42_s44_a_failure_while_stopping_is_no_reason_to_start() {
    let mut bench = Bench::up(Strategy::OneForOne, 5, &[rules(); 3]);
    bench.fails(0);
    bench.event(Event::Stop(None));
    assert_eq!(bench.look(), "start a, stop c");
    bench.fails(1);
    bench.fails(2);
    assert_eq!(bench.look(), "stop a");
    assert_eq!(bench.policy.add("z".into(), rules(), bench.now), Err(RequestError::NotRunning));
    bench.start_fails(0);
    assert_eq!(bench.look(), "end");
}

#[test]
fn s54_s55_children_come_and_go_at_run_time() {
    let mut bench = Bench::up(Strategy::Dynamic, 1, &[]);
    for id in ["a", "b"] {
        let (_, actions) = bench.policy.add(id.into(), rules(), bench.now).unwrap();
        bench.take(actions);
    }
    assert_eq!(bench.look(), "start a, start b");
    let again = bench.policy.add("a".into(), rules(), bench.now);
    assert_eq!(again, Err(RequestError::AlreadyPresent));
    bench.started(0);
    let again = bench.policy.add("a".into(), rules(), bench.now);
    assert_eq!(again, Err(RequestError::AlreadyStarted(None)));
    bench.start_fails(1);
    assert_eq!(bench.look(), "forget b");
    assert_eq!(bench.policy.find("b"), Err(RequestError::NotFound));
    let actions = bench.policy.remove(Seat(0), bench.now).unwrap();
    bench.take(actions);
    bench.fails(0);
    assert_eq!(bench.look(), "stop a, ended a, forget a");
    assert_eq!(bench.policy.list().count(), 0);
}

#[test]
fn dynamic_children_have_a_budget_each() {
    let mut bench = Bench::up(Strategy::Dynamic, 1, &[degrade(); 3]);
    for child in 0..3 {
        bench.fails(child);
        bench.started(child);
    }
    assert_eq!(bench.look(), "start a, start b, start c");
    bench.fails(1);
    assert_eq!(bench.look(), "down b, wait b 60000");
}

#[test]
fn s64_what_is_counted_goes_on_where_the_supervisor_before_stopped() {
    let mut bench = Bench::new(Strategy::OneForOne, 5, &[rules(); 2]);
    let last_failure = Some("killed".to_owned());
    let past = ChildView { state: State::Running, ups: 3, injected: 2, last_failure, down: false };
    bench.policy.remember(Seat(0), past.clone());
    let (seat, now) = (Seat(0), bench.now);
    bench.event(Event::Begin);
    let (seat, generation) = (seat, bench.of(0).1);
    let actions = bench.policy.on(Event::Started(seat, generation), now);
    assert!(
        actions.contains(&Action::Announce(seat, Announcement::Started { restarts: 3 })),
        "{actions:?}"
    );
    assert_eq!(bench.policy.view(seat), Some(ChildView { ups: 4, ..past }));
    let actions = bench.policy.on(Event::Exited(seat, generation, Exit::Killed), now);
    let (exit, uptime) = (Exit::Killed, Duration::ZERO);
    let news = Announcement::Exited { exit, uptime, restarts: 3, asked: false };
    assert!(actions.contains(&Action::Announce(seat, news)), "{actions:?}");
}

#[test]
fn s03_s64_a_first_start_under_a_new_supervisor_is_a_first_start() {
    let mut bench = Bench::new(Strategy::OneForOne, 5, &[rules()]);
    let past = bench.policy.view(Seat(0)).unwrap();
    bench.policy.remember(Seat(0), ChildView { ups: 3, ..past });
    bench.event(Event::Begin);
    bench.start_fails(0);
    assert_eq!(bench.look(), "start a, end: a could not be started: no");
}

#[test]
fn s65_events_of_replaced_instances_change_nothing() {
    let mut bench = Bench::up(Strategy::OneForOne, 5, &[rules()]);
    let (seat, old) = bench.of(0);
    bench.fails(0);
    bench.started(0);
    bench.look();
    let error = StartError::new("a", "no");
    for event in [
        Event::Exited(seat, old, Exit::Killed),
        Event::Started(seat, old),
        Event::StartFailed(seat, old, error),
        Event::Timer(seat, old, Timer::StopDeadline),
        Event::Exited(Seat(9), 1, Exit::Killed),
    ] {
        bench.event(event);
        assert_eq!((bench.look(), bench.state(0)), (String::new(), State::Running));
    }
}

#[test]
fn s66_a_start_past_its_limit_is_given_up_and_counts() {
    let mut bench = Bench::up(Strategy::OneForOne, 1, &[rules()]);
    bench.fails(0);
    bench.pass(30_000);
    assert_eq!(bench.look(), "start a, stop a");
    bench.pass(5_000);
    assert_eq!(bench.look(), "kill a");
    bench.start_fails(0);
    assert!(bench.state(0) == State::Backoff);
}

#[test]
fn s71_a_branch_is_kept_down_reported_once_and_tried_slowly() {
    let gave_up = || Exit::GaveUp(crate::supervise::GaveUp { path: "p".into(), why: "w".into() });
    let mut bench = Bench::up(Strategy::OneForOne, 1, &[degrade(), rules()]);
    bench.exits(0, gave_up());
    assert_eq!((bench.look().as_str(), bench.state(0)), ("down a, wait a 60000", State::Down));
    bench.pass(60_000);
    bench.start_fails(0);
    assert_eq!(bench.look(), "start a, wait a 60000");
    bench.pass(60_000);
    bench.started(0);
    bench.pass(9_999);
    bench.exits(0, gave_up());
    assert_eq!(bench.look(), "start a, wait a 60000");
    // None of these counted: the sibling has the whole budget.
    bench.fails(1);
    bench.started(1);
    assert_eq!(bench.look(), "start b");
    let actions = bench.policy.retry("a", bench.now).unwrap();
    bench.take(actions);
    bench.started(0);
    bench.pass(10_000);
    assert_eq!(bench.look(), "start a, healthy a");
    bench.exits(0, gave_up());
    assert_eq!(bench.look(), "down a, wait a 60000");
}

#[test]
fn s71_a_branch_that_was_down_before_its_supervisor_was_replaced_holds_up_nobody() {
    let mut bench = Bench::new(Strategy::OneForOne, 0, &[degrade(), rules()]);
    let past = bench.policy.view(Seat(0)).unwrap();
    bench.policy.remember(Seat(0), ChildView { down: true, ..past });
    bench.event(Event::Begin);
    bench.start_fails(0);
    bench.started(1);
    assert_eq!(bench.look(), "start a, wait a 60000, start b, up");
    bench.pass(60_000);
    bench.started(0);
    bench.pass(10_000);
    assert_eq!(bench.look(), "start a, healthy a");
}

#[test]
fn s71_a_branch_that_ends_well_is_not_down() {
    let transient = Rules { restart: Restart::Transient, ..degrade() };
    let mut bench = Bench::up(Strategy::OneForOne, 0, &[transient]);
    bench.fails(0);
    bench.pass(60_000);
    bench.started(0);
    bench.ends(0);
    assert_eq!(bench.look(), "down a, wait a 60000, start a, healthy a");
    assert!(!bench.policy.view(Seat(0)).unwrap().down);
}

#[test]
fn s71_what_depends_on_a_branch_stays_down_with_it() {
    let mut bench = Bench::up(Strategy::RestForOne, 0, &[rules(), degrade(), rules()]);
    bench.fails(1);
    bench.ends(2);
    assert_eq!(bench.look(), "down b, wait b 60000, stop c");
    bench.pass(60_000);
    bench.started(1);
    assert_eq!(bench.look(), "start b, start c");
}

#[test]
fn s72_injected_exits_use_no_budget_and_no_delay() {
    let mut bench = Bench::up(Strategy::OneForOne, 0, &[rules(), restart(Restart::Transient)]);
    for child in [0, 1, 0, 1, 0] {
        bench.exits(child, Exit::Injected("test".into()));
        bench.started(child);
    }
    assert_eq!(bench.look(), "start a, start b, start a, start b, start a");
    let view = bench.policy.view(Seat(0)).unwrap();
    assert_eq!((view.injected, view.restarts()), (3, 3));
}

#[test]
fn s72_an_injected_failure_of_a_first_start_is_tried_again() {
    let mut bench = Bench::new(Strategy::OneForOne, 0, &[rules()]);
    bench.event(Event::Begin);
    let error = StartError { injected: true, ..StartError::new("a", "test") };
    bench.event(Event::StartFailed(Seat(0), 1, error));
    bench.pass(100);
    bench.started(0);
    assert_eq!(bench.look(), "start a, wait a 100, start a, up");
}
