//! Random histories against a simple model. If every instance reacts immediately, a supervisor
//! needs only a few lines. The policy must give the same result.

use super::*;
use crate::supervise::rules::Strategy;
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

#[derive(Clone, Debug, PartialEq)]
struct Model {
    id: Arc<str>,
    restart: Restart,
    significant: bool,
    up: bool,
    starts: u64,
}

/// A listed child: its id, and the generation of its instance.
type Listed = Vec<(Arc<str>, Option<u64>)>;

/// The model: supervision in which nothing takes time.
struct Simple {
    settings: Settings,
    children: Vec<Model>,
    restarts: Vec<Duration>,
    ended: bool,
}

impl Simple {
    fn listed(&self) -> Listed {
        let of = |child: &Model| (child.id.clone(), child.up.then_some(child.starts));
        self.children.iter().map(of).collect()
    }

    fn start(&mut self, at: usize) {
        self.children[at].up = true;
        self.children[at].starts += 1;
    }

    fn exits(&mut self, at: usize, exit: &Exit, now: Duration) {
        let Model { restart, significant, .. } = self.children[at];
        self.children[at].up = false;
        let normal = exit.is_normal();
        if restart == Restart::Temporary || (restart == Restart::Transient && normal) {
            if restart == Restart::Temporary {
                self.children.remove(at);
            }
            let others = self.children.iter().any(|child| child.significant && child.up);
            self.ended |= significant
                && match self.settings.auto_shutdown {
                    AutoShutdown::Never => false,
                    AutoShutdown::AnySignificant => true,
                    AutoShutdown::AllSignificant => !others,
                };
            return;
        }
        if !exit.is_injected() {
            self.restarts.push(now);
            let period = self.settings.period;
            self.restarts.retain(|then| now.saturating_sub(*then) <= period);
            if self.restarts.len() > self.settings.intensity as usize {
                self.ended = true;
                return;
            }
        }
        let group = match self.settings.strategy {
            Strategy::RestForOne => at..self.children.len(),
            Strategy::OneForAll => 0..self.children.len(),
            Strategy::OneForOne | Strategy::Dynamic | Strategy::Pool => at..at + 1,
        };
        for i in group.rev() {
            if i != at && self.children[i].up && self.children[i].restart == Restart::Temporary {
                self.children.remove(i);
            } else {
                self.start(i);
            }
        }
    }

    fn request(&mut self, what: u8, id: &Arc<str>, restart: Restart) -> Result<(), RequestError> {
        let at = self.children.iter().position(|child| child.id == *id);
        match (what % 4, at) {
            (0, None) => {
                let (id, significant) = (id.clone(), false);
                self.children.push(Model { id, restart, significant, up: true, starts: 1 });
                Ok(())
            }
            (0, Some(at)) if self.children[at].up => Err(RequestError::AlreadyStarted(None)),
            (0, Some(_)) => Err(RequestError::AlreadyPresent),
            (_, None) => Err(RequestError::NotFound),
            (1, Some(at)) => {
                self.children[at].up = false;
                if self.children[at].restart == Restart::Temporary {
                    self.children.remove(at);
                }
                Ok(())
            }
            (_, Some(at)) if self.children[at].up => Err(RequestError::Running),
            (2, Some(at)) => {
                self.start(at);
                Ok(())
            }
            (_, Some(at)) => {
                self.children.remove(at);
                Ok(())
            }
        }
    }
}

/// The policy with instances that react immediately.
struct Prompt {
    policy: Policy,
    up: BTreeMap<Seat, u64>,
    ended: bool,
}

impl Prompt {
    fn listed(&self) -> Listed {
        let of = |(seat, id): (Seat, &Arc<str>)| (id.clone(), self.up.get(&seat).copied());
        self.policy.list().map(of).collect()
    }

    fn event(&mut self, event: Event, now: Duration) {
        let actions = self.policy.on(event, now);
        self.take(actions, now);
    }

    fn take(&mut self, actions: Vec<Action>, now: Duration) {
        for action in actions {
            match action {
                Action::Start(seat, generation) => {
                    self.up.insert(seat, generation);
                    self.event(Event::Started(seat, generation), now);
                }
                Action::Stop(seat) | Action::Kill(seat) => {
                    let generation = self.up.remove(&seat).unwrap();
                    let exit = Exit::Normal(String::new());
                    self.event(Event::Exited(seat, generation, exit), now);
                }
                Action::Forget(seat) => {
                    assert!(!self.up.contains_key(&seat));
                }
                Action::End(_) => self.ended = true,
                Action::Arm(..) | Action::Ended(_) | Action::Announce(..) | Action::Up => {}
            }
        }
    }

    fn request(
        &mut self,
        what: u8,
        id: &Arc<str>,
        restart: Restart,
        now: Duration,
    ) -> Result<(), RequestError> {
        let actions = match what % 4 {
            0 => self.policy.add(id.clone(), instant(restart, false), now).map(|(_, a)| a),
            1 => self.policy.find(id).and_then(|seat| self.policy.terminate(seat, now)),
            2 => self.policy.restart(id, now).map(|(_, actions)| actions),
            _ => self.policy.delete(id, now),
        };
        actions.map(|actions| self.take(actions, now))
    }
}

fn instant(restart: Restart, significant: bool) -> Rules {
    let backoff =
        Backoff { first: Duration::ZERO, max: Duration::ZERO, healthy: Duration::from_secs(1) };
    Rules { restart, backoff, significant, ..rules() }
}

fn restarts() -> impl proptest::strategy::Strategy<Value = Restart> {
    proptest::sample::select(vec![
        Restart::Permanent,
        Restart::Permanent,
        Restart::Transient,
        Restart::Temporary,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn where_all_obey_at_once_a_simple_model_comes_to_the_same(
        strategy in proptest::sample::select(
            vec![Strategy::OneForOne, Strategy::RestForOne, Strategy::OneForAll],
        ),
        auto_shutdown in proptest::sample::select(
            vec![AutoShutdown::Never, AutoShutdown::AnySignificant, AutoShutdown::AllSignificant],
        ),
        intensity in 0_u32..8,
        children in proptest::collection::vec((restarts(), any::<bool>()), 0..6),
        steps in proptest::collection::vec((any::<u8>(), any::<u16>(), 0_u32..3_000), 0..60),
    ) {
        let settings = Settings { auto_shutdown, ..settings(strategy, intensity) };
        let children: Vec<Model> = (children.into_iter().zip(0..))
            .map(|((restart, wanted), i)| Model {
                id: Arc::from(format!("c{i}")),
                restart,
                significant: wanted && restart != Restart::Permanent,
                up: true,
                starts: 1,
            })
            .collect();
        let listed = children.iter().map(|c| (c.id.clone(), instant(c.restart, c.significant)));
        let policy = Policy::new(settings, listed);
        let mut real = Prompt { policy, up: BTreeMap::new(), ended: false };
        real.event(Event::Begin, Duration::ZERO);
        let mut model = Simple { settings, children, restarts: Vec::new(), ended: false };
        let mut now = Duration::ZERO;
        for (what, whom, passes) in steps {
            now += passes * MS;
            let living: Vec<usize> =
                (0..model.children.len()).filter(|i| model.children[*i].up).collect();
            let exits = [
                Exit::Normal(String::new()),
                Exit::Failed("x".into()),
                Exit::Killed,
                Exit::Injected("test".into()),
            ];
            if what % 3 == 0 {
                let id: Arc<str> = format!("c{}", whom % 8).into();
                let kind = [Restart::Permanent, Restart::Temporary][usize::from(what % 2)];
                let (asked, expected) =
                    (real.request(what / 8, &id, kind, now), model.request(what / 8, &id, kind));
                prop_assert_eq!(asked, expected);
            } else if !living.is_empty() {
                let at = living[usize::from(whom) % living.len()];
                let exit = &exits[usize::from(what / 3 % 4)];
                let seat = real.policy.find(&model.children[at].id).unwrap();
                let generation = real.up.remove(&seat).unwrap();
                model.exits(at, exit, now);
                real.event(Event::Exited(seat, generation, exit.clone()), now);
            }
            prop_assert_eq!(real.ended, model.ended);
            if model.ended {
                break;
            }
            prop_assert_eq!(real.listed(), model.listed());
        }
    }
}
