//! Random histories against the invariants.

use super::*;

/// A small, good enough source of chance.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n as u64).unwrap()
    }
}

/// A world of instances for random histories, which checks each action.
struct World {
    strategy: Strategy,
    policy: Policy,
    now: Duration,
    alive: BTreeMap<Seat, u64>,
    starting: BTreeSet<Seat>,
    asked: BTreeSet<Seat>,
    dead: Vec<(Seat, u64)>,
    timers: Vec<(Duration, Seat, u64, Timer)>,
    is_up: bool,
    ending: bool,
    ended: bool,
}

impl World {
    fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            assert!(!self.ended, "nothing comes after the end");
            match action {
                Action::Start(seat, generation) => {
                    assert!(!self.ending, "nothing is started while ending");
                    assert!(self.alive.insert(seat, generation).is_none(), "one instance at most");
                    let grouped =
                        matches!(self.strategy, Strategy::RestForOne | Strategy::OneForAll);
                    if grouped || !self.is_up {
                        let wanted = self.starting.difference(&self.asked).count();
                        assert_eq!(wanted, 0, "one start at a time");
                    }
                    if grouped {
                        assert_eq!(self.alive.last_key_value(), Some((&seat, &generation)));
                    }
                    self.starting.insert(seat);
                }
                Action::Stop(seat) | Action::Kill(seat) => {
                    let (last, _) = self.alive.last_key_value().unwrap();
                    let others = self.strategy != Strategy::Dynamic && self.asked.is_empty();
                    if self.ending && others {
                        assert_eq!(seat, *last, "the last one is stopped first");
                    }
                    assert!(self.alive.contains_key(&seat), "only what is alive is stopped");
                    self.asked.insert(seat);
                }
                Action::Arm(seat, generation, timer, after) => {
                    self.timers.push((self.now + after, seat, generation, timer));
                }
                Action::Forget(seat) => assert!(!self.alive.contains_key(&seat)),
                Action::Tell(..) => {}
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

    fn event(&mut self, event: Event) {
        let actions = self.policy.on(event, self.now);
        self.ending = self.policy.serving().is_err();
        self.take(actions);
    }

    fn step(&mut self, chance: &mut Chance) {
        let living: Vec<(Seat, u64)> = self.alive.iter().map(|(s, g)| (*s, *g)).collect();
        let pick = (!living.is_empty()).then(|| living[chance.below(living.len().max(1))]);
        match (chance.below(10), pick) {
            (0..4, Some((seat, generation))) => self.settle(seat, generation, chance),
            (4..7, _) => self.fire(),
            (7, _) if !self.dead.is_empty() => {
                let (seat, generation) = self.dead[chance.below(self.dead.len())];
                let event = match chance.below(3) {
                    0 => Event::Exited(seat, generation, Exit::Killed),
                    1 => Event::Started(seat, generation),
                    _ => Event::StartFailed(seat, generation, StartError::new("", "late")),
                };
                self.event(event);
            }
            (8, _) => self.request(chance),
            (9, _) if chance.below(20) == 0 => {
                self.event(Event::Stop(Some(self.now + 100 * MS)));
            }
            _ => self.now += 20 * MS,
        }
    }

    /// Something happens to a living instance.
    fn settle(&mut self, seat: Seat, generation: u64, chance: &mut Chance) {
        let asked = self.asked.contains(&seat);
        if self.starting.remove(&seat) {
            if chance.below(3) > 0 && !asked {
                return self.event(Event::Started(seat, generation));
            }
            self.bury(seat, generation);
            let error = StartError { injected: chance.below(2) == 0, ..StartError::new("", "no") };
            return self.event(Event::StartFailed(seat, generation, error));
        }
        self.bury(seat, generation);
        let exit = [
            Exit::Normal(String::new()),
            Exit::Failed("x".into()),
            Exit::Killed,
            Exit::Injected("test".into()),
        ][chance.below(4)]
        .clone();
        self.event(Event::Exited(seat, generation, exit));
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

    fn request(&mut self, chance: &mut Chance) {
        let id: Arc<str> = format!("r{}", chance.below(4)).into();
        let rules = if chance.below(2) == 0 { degrade() } else { rules() };
        let done = match chance.below(3) {
            0 => self.policy.add(id, rules, self.now).map(|(_, actions)| actions),
            1 => self.policy.remove(&id, self.now).map(|(_, actions)| actions),
            _ => self.policy.retry(&id, self.now),
        };
        self.take(done.unwrap_or_default());
    }
}

#[test]
fn random_histories_keep_the_invariants() {
    let strategies =
        [Strategy::OneForOne, Strategy::RestForOne, Strategy::OneForAll, Strategy::Dynamic];
    let kinds = [rules(), degrade(), restart(Restart::Transient), restart(Restart::Temporary)];
    for seed in 1..=600_u64 {
        let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let strategy = strategies[chance.below(4)];
        let intensity = u32::try_from(chance.below(6)).unwrap() * 20;
        let settings = Settings { strategy, intensity, period: 5_000 * MS };
        let count = chance.below(6);
        let children: Vec<_> = (0..count)
            .map(|i| (Arc::from(format!("c{i}")), kinds[chance.below(kinds.len())]))
            .collect();
        let mut world = World {
            strategy,
            policy: Policy::new(settings, children),
            now: Duration::ZERO,
            alive: BTreeMap::new(),
            starting: BTreeSet::new(),
            asked: BTreeSet::new(),
            dead: Vec::new(),
            timers: Vec::new(),
            is_up: false,
            ending: false,
            ended: false,
        };
        world.event(Event::Begin);
        for _ in 0..400 {
            world.step(&mut chance);
        }
        // Whatever has happened, a stop comes to its end.
        world.event(Event::Stop(None));
        while let Some((seat, generation)) = world.alive.pop_last() {
            world.starting.remove(&seat);
            world.asked.remove(&seat);
            world.event(Event::Exited(seat, generation, Exit::Killed));
        }
        assert!(world.ended, "seed {seed}: the supervisor ends");
    }
}
