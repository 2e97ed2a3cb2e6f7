//! Random histories against the invariants. Instances react late. Events come late, in any order,
//! and also from replaced instances.

use super::*;
use crate::supervise::rules::Strategy;
use proptest::prelude::{ProptestConfig, any, proptest};

/// One random step: action, target and variant, each taken modulo the number of choices.
type Step = (u8, u16, u8);

/// A simulated world of instances for random histories, which checks each action.
struct World {
    strategy: Strategy,
    policy: Policy,
    now: Duration,
    alive: BTreeMap<Seat, u64>,
    starting: BTreeSet<Seat>,
    asked: BTreeSet<Seat>,
    /// Children with a requested start. They may start in the middle of a group.
    requested: BTreeSet<Seat>,
    dead: Vec<(Seat, u64)>,
    timers: Vec<(Duration, Seat, u64, Timer)>,
    is_up: bool,
    ending: bool,
    ended: bool,
}

fn pick<T: Clone>(from: &[T], by: u16) -> Option<T> {
    (!from.is_empty()).then(|| from[usize::from(by) % from.len()].clone())
}

impl World {
    fn new(strategy: Strategy, intensity: u32, children: &[Rules]) -> World {
        let pool = strategy == Strategy::Pool;
        let auto_shutdown = if pool { AutoShutdown::Never } else { AutoShutdown::AnySignificant };
        let settings = Settings { auto_shutdown, ..settings(strategy, intensity) };
        let ids = (0..).map(|i| Arc::from(format!("c{i}")));
        let children = if pool { &[] } else { children };
        World {
            strategy,
            policy: Policy::new(settings, ids.zip(children.iter().copied())),
            now: Duration::ZERO,
            alive: BTreeMap::new(),
            starting: BTreeSet::new(),
            asked: BTreeSet::new(),
            requested: BTreeSet::new(),
            dead: Vec::new(),
            timers: Vec::new(),
            is_up: false,
            ending: false,
            ended: false,
        }
    }

    fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            assert!(!self.ended, "nothing comes after the end");
            match action {
                Action::Start(seat, generation) => self.starts(seat, generation),
                Action::Stop(seat) | Action::Kill(seat) => {
                    let (last, _) = self.alive.last_key_value().unwrap();
                    let alone = self.strategy != Strategy::Pool && self.asked.is_empty();
                    if self.ending && alone {
                        assert_eq!(seat, *last, "the last one is stopped first");
                    }
                    assert!(self.alive.contains_key(&seat), "only what is alive is stopped");
                    self.asked.insert(seat);
                }
                Action::Arm(seat, generation, timer, after) => {
                    self.timers.push((self.now + after, seat, generation, timer));
                }
                Action::Forget(seat) | Action::Ended(seat) => {
                    assert!(!self.alive.contains_key(&seat), "it is gone before that is announced");
                }
                Action::Announce(..) => {}
                Action::Up => {
                    assert!(!std::mem::replace(&mut self.is_up, true), "up comes once");
                }
                Action::End(_) => {
                    assert!(self.alive.is_empty(), "the end comes when nothing is alive");
                    self.ended = true;
                }
            }
        }
    }

    fn starts(&mut self, seat: Seat, generation: u64) {
        assert!(!self.ending, "nothing is started while ending");
        assert!(self.alive.insert(seat, generation).is_none(), "one instance at most");
        let grouped = matches!(self.strategy, Strategy::RestForOne | Strategy::OneForAll);
        if grouped || !self.is_up {
            let wanted = self.starting.difference(&self.asked).count();
            assert_eq!(wanted, 0, "one start at a time");
        }
        if grouped && !self.requested.contains(&seat) {
            assert_eq!(self.alive.last_key_value(), Some((&seat, &generation)));
        }
        self.starting.insert(seat);
    }

    fn event(&mut self, event: Event) {
        let actions = self.policy.on(event, self.now);
        self.ending = self.policy.serving().is_err();
        self.take(actions);
    }

    fn step(&mut self, (what, whom, how): Step) {
        let living: Vec<(Seat, u64)> = self.alive.iter().map(|(s, g)| (*s, *g)).collect();
        match (what % 10, pick(&living, whom)) {
            (0..4, Some((seat, generation))) => self.settle(seat, generation, how),
            (4..7, _) => self.fire(),
            (7, _) if !self.dead.is_empty() => {
                let (seat, generation) = pick(&self.dead, whom).unwrap();
                self.event(match how % 4 {
                    0 => Event::Exited(seat, generation, Exit::Killed),
                    1 => Event::Started(seat, generation),
                    2 => Event::Ignored(seat, generation),
                    _ => Event::StartFailed(seat, generation, StartError::new("", "late")),
                });
            }
            (8, _) => self.request(whom, how),
            (9, _) if how < 12 => self.event(Event::Stop(Some(self.now + 100 * MS))),
            _ => self.now += 20 * MS,
        }
    }

    /// Lets something happen to a living instance.
    fn settle(&mut self, seat: Seat, generation: u64, how: u8) {
        let asked = self.asked.contains(&seat);
        if self.starting.remove(&seat) {
            if !how.is_multiple_of(3) && !asked {
                self.requested.remove(&seat);
                return self.event(Event::Started(seat, generation));
            }
            self.bury(seat, generation);
            let error = StartError { injected: how.is_multiple_of(2), ..StartError::new("", "no") };
            return self.event(match how {
                ..40 => Event::Ignored(seat, generation),
                _ => Event::StartFailed(seat, generation, error),
            });
        }
        self.bury(seat, generation);
        let exits = [
            Exit::Normal(String::new()),
            Exit::Failed("x".into()),
            Exit::Killed,
            Exit::Injected("test".into()),
        ];
        self.event(Event::Exited(seat, generation, exits[usize::from(how % 4)].clone()));
    }

    fn bury(&mut self, seat: Seat, generation: u64) {
        self.alive.remove(&seat);
        self.asked.remove(&seat);
        self.dead.push((seat, generation));
    }

    fn fire(&mut self) {
        let next = (0..self.timers.len()).min_by_key(|i| self.timers[*i].0);
        if let Some((at, seat, generation, timer)) = next.map(|i| self.timers.remove(i)) {
            self.now = self.now.max(at);
            self.event(Event::Timer(seat, generation, timer));
        }
    }

    fn request(&mut self, whom: u16, how: u8) {
        let listed: Vec<(Seat, Arc<str>)> =
            self.policy.list().map(|(seat, id)| (seat, id.clone())).collect();
        let rules = [rules(), degrade(), restart(Restart::Temporary)][usize::from(how / 8 % 3)];
        let fresh: Arc<str> = format!("r{}", how / 64).into();
        let (seat, id) = pick(&listed, whom).unwrap_or((Seat(99), fresh.clone()));
        let (now, policy) = (self.now, &mut self.policy);
        let done = match how % 8 {
            0 | 1 if self.strategy == Strategy::Pool => {
                policy.add_to_pool("m", rules, now).map(|(seat, _, a)| (Some(seat), a))
            }
            0 | 1 => policy.add(fresh, rules, now).map(|(seat, a)| (Some(seat), a)),
            2 => policy.remove(seat, now).map(|a| (None, a)),
            3 => policy.terminate(seat, now).map(|a| (None, a)),
            4 => policy.restart(&id, now).map(|(seat, a)| (Some(seat), a)),
            5 => policy.delete(&id, now).map(|a| (None, a)),
            6 => policy.replace(&[(id, rules)]).map(|_| (None, Vec::new())),
            _ => policy.retry(&id, now).map(|a| (None, a)),
        };
        if let Ok((requested, actions)) = done {
            self.requested.extend(requested);
            self.take(actions);
        }
    }

    /// Stops the supervisor and checks that it ends.
    fn finish(mut self) {
        self.event(Event::Stop(None));
        while let Some((seat, generation)) = self.alive.pop_last() {
            self.starting.remove(&seat);
            self.asked.remove(&seat);
            self.event(Event::Exited(seat, generation, Exit::Killed));
        }
        assert!(self.ended, "the supervisor ends");
    }
}

fn strategies() -> impl proptest::strategy::Strategy<Value = Strategy> {
    proptest::sample::select(vec![
        Strategy::OneForOne,
        Strategy::RestForOne,
        Strategy::OneForAll,
        Strategy::Dynamic,
        Strategy::Pool,
    ])
}

fn kinds() -> impl proptest::strategy::Strategy<Value = Rules> {
    let significant = Rules { significant: true, ..restart(Restart::Transient) };
    proptest::sample::select(vec![
        rules(),
        rules(),
        degrade(),
        restart(Restart::Transient),
        restart(Restart::Temporary),
        significant,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_histories_keep_the_invariants(
        strategy in strategies(),
        intensity in 0_u32..6,
        children in proptest::collection::vec(kinds(), 0..6),
        steps in proptest::collection::vec(any::<Step>(), 0..300),
    ) {
        let mut world = World::new(strategy, intensity * 20, &children);
        world.event(Event::Begin);
        for step in steps {
            world.step(step);
        }
        world.finish();
    }
}
