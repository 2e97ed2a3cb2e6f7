//! The plain loop over inputs and ranks: one thread, no actors, no store.
//!
//! It defines which facts an application has. Every other part of the runtime must give the same
//! facts. Replays, backtests and audits run on it.

use crate::fact::{Body, Fact, Key, Library, Mask, Rank};
use crate::roster::{Change, Joined};
use crate::skips::{Cut, Skips};
use crate::stage::{Refold, Stage, Step};
use std::collections::BTreeMap;
use std::fmt;

/// Returns the facts that a stage appended about an input, if known. The stage then does not
/// decide.
pub type LookUpFacts<'a, B> = &'a mut dyn FnMut(Rank, u64) -> Result<Option<Vec<Fact<B>>>, String>;

/// Makes the stage that joins; none if the application has no such kind.
pub type Make<B> = Box<dyn Fn(&Joined) -> Option<Box<dyn Stage<Body = B>>>>;

/// A loop between two inputs, as another loop can continue it.
#[derive(Clone, Debug, PartialEq)]
pub struct LoopState<B> {
    /// Number of the last input.
    pub n: u64,
    /// Event time of that input, UTC milliseconds.
    pub time: i64,
    /// The states of the stages, by rank.
    pub stages: Vec<SavedStage>,
    /// The facts of the stages about the last input, in the order of keys.
    pub facts: Vec<Fact<B>>,
}

/// The state of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedStage {
    /// Its rank.
    pub rank: u16,
    /// The version that saved it.
    pub version: u16,
    /// The state, as the stage saves it.
    pub state: Vec<u8>,
}

/// The stages of one application, fed input by input.
pub struct PlainLoop<B: Body> {
    lanes: Vec<Lane<B>>,
    /// The facts of each stage about the last input it received, in the order of the stages. When a
    /// stage receives `n`, the entries of higher stages still hold `n - 1`.
    facts: Vec<Vec<Fact<B>>>,
    step: Step<B>,
    library: Box<dyn Library<B>>,
    /// Makes the stages that join. `skips` holds what is quarantined for each rank.
    make: Make<B>,
    skips: BTreeMap<Rank, Skips>,
    n: u64,
    time: i64,
}

struct Lane<B: Body> {
    stage: Box<dyn Stage<Body = B>>,
    interest: Mask,
    skips: Skips,
    /// It has left by the current input.
    left: bool,
}

impl<B: Body> Lane<B> {
    fn new(stage: Box<dyn Stage<Body = B>>) -> Lane<B> {
        Lane { interest: stage.interest(), skips: Skips::default(), left: false, stage }
    }
}

impl<B: Body> fmt::Debug for PlainLoop<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.lanes.iter().map(|lane| lane.stage.name()).collect();
        f.debug_struct("PlainLoop")
            .field("stages", &names)
            .field("n", &self.n)
            .finish_non_exhaustive()
    }
}

impl<B: Body> PlainLoop<B> {
    /// A loop that has seen no input. The stages may come in any order.
    ///
    /// # Panics
    /// Two stages have one rank, or a stage has the rank of inputs.
    #[must_use]
    pub fn new(
        mut stages: Vec<Box<dyn Stage<Body = B>>>,
        library: Box<dyn Library<B>>,
    ) -> PlainLoop<B> {
        stages.sort_by_key(|stage| stage.rank());
        for stage in &stages {
            assert!(stage.rank() > Rank::INPUT, "{} has the rank of inputs", stage.name());
        }
        for pair in stages.windows(2) {
            let (a, b) = (&pair[0], &pair[1]);
            assert!(a.rank() < b.rank(), "{} and {} have one rank", a.name(), b.name());
        }
        let facts = stages.iter().map(|_| Vec::new()).collect();
        let lanes = stages.into_iter().map(Lane::new).collect();
        let (make, skips): (Make<B>, _) = (Box::new(|_| None), BTreeMap::new());
        PlainLoop {
            lanes,
            facts,
            step: Step::default(),
            library,
            make,
            skips,
            n: 0,
            time: i64::MIN,
        }
    }

    /// A loop that continues another one. `stage` makes the fresh stage of a rank.
    ///
    /// # Errors
    /// There is no stage of a rank, or it does not read the saved state.
    pub fn resume(
        from: LoopState<B>,
        fresh: impl Fn(Rank) -> Option<Box<dyn Stage<Body = B>>>,
        library: Box<dyn Library<B>>,
    ) -> Result<PlainLoop<B>, String> {
        let mut stages = Vec::new();
        for SavedStage { rank, version, state } in from.stages {
            let none = || format!("there is no stage of rank {rank}");
            let mut stage = fresh(Rank(rank)).ok_or_else(none)?;
            let loaded = if version == stage.version() {
                stage.load(&state)
            } else if stage.converts().contains(&version) {
                stage.convert(version, &state)
            } else {
                Err(format!("its version {} does not read version {version}", stage.version()))
            };
            loaded.map_err(|why| format!("the state of {}: {why}", stage.name()))?;
            stages.push(stage);
        }
        let mut plain = PlainLoop::new(stages, library);
        (plain.n, plain.time) = (from.n, from.time);
        for fact in from.facts {
            let of = plain.lanes.iter().position(|lane| lane.stage.rank().0 == fact.key.rank);
            let of = of.ok_or_else(|| format!("no stage appended fact {}", fact.key))?;
            plain.facts[of].push(fact);
        }
        Ok(plain)
    }

    /// The loop as it is now, between two inputs.
    #[must_use]
    pub fn capture(&self) -> LoopState<B> {
        let saved = |stage: &dyn Stage<Body = B>| SavedStage {
            rank: stage.rank().0,
            version: stage.version(),
            state: stage.save(),
        };
        let stages = self.stages().map(saved).collect();
        let facts = self.facts.iter().flatten().cloned().collect();
        LoopState { n: self.n, time: self.time, stages, facts }
    }

    /// Sets `make` as the function that makes the stages that join.
    #[must_use]
    pub fn joined_by(mut self, make: Make<B>) -> PlainLoop<B> {
        self.make = make;
        self
    }

    /// Sets what the stage of this rank skips. Call it before the inputs concerned.
    pub fn skip(&mut self, rank: Rank, skips: &Skips) {
        self.skips.insert(rank, skips.clone());
        for lane in self.lanes.iter_mut().filter(|lane| lane.stage.rank() == rank) {
            lane.skips = skips.clone();
        }
    }

    /// Feeds one input to every stage, see [`PlainLoop::input_with_known`].
    ///
    /// # Errors
    /// The library lacks the data of the input, or a stage cannot join or leave. The loop is then
    /// unchanged.
    pub fn input(
        &mut self,
        time: i64,
        body: B,
        sink: &mut impl FnMut(&Fact<B>),
    ) -> Result<u64, String> {
        self.input_with_known(time, body, &mut |_, _| Ok(None), sink)
    }

    /// Feeds one input to every stage and returns its number. `known` returns the known facts of a
    /// stage about it: the stage folds these and does not decide. `sink` receives the input, then
    /// the facts about it, in the order of keys. A `time` before that of the last input is raised
    /// to that time.
    ///
    /// # Errors
    /// The library lacks the data of the input, or a stage cannot join or leave. The loop is then
    /// unchanged. If `known` fails, the loop cannot be used further.
    pub fn input_with_known(
        &mut self,
        time: i64,
        body: B,
        known: LookUpFacts<'_, B>,
        sink: &mut impl FnMut(&Fact<B>),
    ) -> Result<u64, String> {
        let kind = body.kind();
        let wanted = self.lanes.iter().any(|lane| lane.interest.has(kind));
        let resolved = if wanted { self.library.resolve(&body)? } else { None };
        let joins = self.change(body.roster())?;
        self.n += 1;
        self.time = self.time.max(time);
        let input = Fact {
            key: Key { n: self.n, rank: Rank::INPUT.0, i: 0 },
            time: self.time,
            version: 0,
            because: Vec::new(),
            body,
        };
        sink(&input);
        let given = resolved.map(|body| Fact { body, because: Vec::new(), ..input });
        let given = given.as_ref().unwrap_or(&input);
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            let Lane { stage, interest, skips, left } = lane;
            let stage = &mut **stage;
            let cut = skips.at(self.n);
            let (lower, rest) = self.facts.split_at_mut(index);
            let Some((own, higher)) = rest.split_first_mut() else { break };
            own.clear();
            if *left {
                continue;
            }
            // A stage that its supervisor had stopped did not decide.
            let unasked = (!skips.asked(self.n)).then(Vec::new);
            let held = known(stage.rank(), self.n)?.or(unasked);
            self.step.begin(self.n, self.time);
            let before = higher.iter().flatten().filter(|f| interest.has(f.body.kind()));
            // Interest refers to the kinds in the journal, which holds the reference.
            let now = interest.has(kind).then_some(given);
            let from_lower = lower.iter().flatten().filter(|f| interest.has(f.body.kind()));
            if let Some(held) = held {
                let mut refold = Refold::new(&held);
                for fact in before.chain(now).chain(from_lower).filter_map(|fact| cut.apply(fact)) {
                    refold.feed(stage, &fact);
                }
                refold.finish(stage);
                own.extend(held);
                own.iter().for_each(&mut *sink);
                continue;
            }
            for fact in before.chain(now).chain(from_lower) {
                if cut == Cut::Nothing {
                    self.step.feed(stage, fact, own);
                } else if let Some(left) = cut.apply(fact) {
                    self.step.feed(stage, &left, own);
                }
            }
            self.step.finish(stage, own);
            own.iter().for_each(&mut *sink);
        }
        if let Some(at) = self.lanes.iter().position(|lane| lane.left) {
            self.lanes.remove(at);
            self.facts.remove(at);
        }
        if let Some(stage) = joins {
            let rank = stage.rank();
            let at = self.lanes.partition_point(|lane| lane.stage.rank() < rank);
            let skips = self.skips.get(&rank).cloned().unwrap_or_default();
            self.lanes.insert(at, Lane { skips, ..Lane::new(stage) });
            self.facts.insert(at, Vec::new());
        }
        Ok(self.n)
    }

    /// Applies a change: makes the stage that joins after the next input, or marks the one that
    /// leaves. A stage that leaves does not receive the input.
    fn change(
        &mut self,
        change: Option<Change>,
    ) -> Result<Option<Box<dyn Stage<Body = B>>>, String> {
        let place = |rank: Rank| self.lanes.iter().position(|lane| lane.stage.rank() == rank);
        match change {
            None => Ok(None),
            Some(Change::Joined(who)) => {
                let Joined { rank, id, kind, .. } = &who;
                if place(*rank).is_some() {
                    return Err(format!("{id} joins at rank {}, which is taken", rank.0));
                }
                let none = || format!("{id} joins, of kind {kind}, which is not known");
                let stage = (self.make)(&who).ok_or_else(none)?;
                assert_eq!(stage.rank(), *rank, "{id} is made for the rank it joins at");
                Ok(Some(stage))
            }
            Some(Change::Left(rank)) => {
                let at = place(rank).ok_or_else(|| format!("nobody at rank {} leaves", rank.0))?;
                self.lanes[at].left = true;
                Ok(None)
            }
        }
    }

    /// The earliest event time at which a stage wants a clock input.
    #[must_use]
    pub fn next_wake(&self) -> Option<i64> {
        let awake = self.lanes.iter().filter(|lane| lane.skips.awake(self.n));
        awake.filter_map(|lane| lane.stage.next_wake()).min()
    }

    /// Number of the last input; 0 before the first.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.n
    }

    /// The stages by rank.
    pub fn stages(&self) -> impl Iterator<Item = &dyn Stage<Body = B>> {
        self.lanes.iter().map(|lane| &*lane.stage)
    }

    /// The stages by rank, to save, load or replace between two inputs.
    pub fn stages_mut(&mut self) -> impl Iterator<Item = &mut Box<dyn Stage<Body = B>>> {
        self.lanes.iter_mut().map(|lane| &mut lane.stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::{NoLibrary, RuntimeEvent};
    use crate::stage::Out;
    use std::sync::{Arc, Mutex};

    /// `(kind, number)`; kind 0 is the input.
    #[derive(Clone, Debug, PartialEq)]
    struct Word(u8, u64);

    impl Body for Word {
        fn kind(&self) -> u8 {
            self.0
        }
        fn name(_: u8) -> &'static str {
            "word"
        }
        fn synced(&self) -> bool {
            false
        }
        fn encode(&self, out: &mut Vec<u8>) {
            out.push(self.0);
        }
        fn decode(_: &[u8]) -> Result<Self, String> {
            Err("not needed".into())
        }
        fn runtime(_: RuntimeEvent) -> Self {
            Word(63, 0)
        }
    }

    type Log = Arc<Mutex<Vec<String>>>;

    /// Notes everything it receives. On an input it appends its own kind. It concludes with the
    /// kind plus 10.
    struct Noter {
        kind: u8,
        log: Log,
    }

    impl Noter {
        fn note(&self, what: &str, fact: &Fact<Word>) {
            self.log.lock().unwrap().push(format!("{} {what} {}", self.kind, fact.key));
        }
    }

    impl Stage for Noter {
        type Body = Word;
        fn rank(&self) -> Rank {
            Rank(u16::from(self.kind))
        }
        fn name(&self) -> &'static str {
            "noter"
        }
        fn interest(&self) -> Mask {
            Mask::of(&[0, 1, 2, 3])
        }
        fn produces(&self) -> Mask {
            Mask::ALL
        }
        fn evolve(&mut self, fact: &Fact<Word>) {
            self.note("folds", fact);
        }
        fn decide(&self, fact: &Fact<Word>, out: &mut Out<Word>) {
            self.note("decides", fact);
            if fact.key.rank == 0 {
                out.append(Word(self.kind, fact.key.n));
            }
        }
        fn conclude(&self, out: &mut Out<Word>) {
            out.append_because([Key::default()], Word(self.kind + 10, 0));
        }
        fn save(&self) -> Vec<u8> {
            Vec::new()
        }
        fn load(&mut self, _: &[u8]) -> Result<(), String> {
            Ok(())
        }
    }

    fn noters(log: &Log) -> Vec<Box<dyn Stage<Body = Word>>> {
        let noter =
            |kind| Box::new(Noter { kind, log: log.clone() }) as Box<dyn Stage<Body = Word>>;
        vec![noter(2), noter(1)]
    }

    #[test]
    fn feeds_higher_of_before_then_the_input_then_lower() {
        let log = Log::default();
        let mut plain = PlainLoop::new(noters(&log), Box::new(NoLibrary));
        let mut keys = Vec::new();
        plain.input(5, Word(0, 0), &mut |f| keys.push(f.key.to_string())).unwrap();
        assert_eq!(keys, ["1", "1.1.0", "1.1.1", "1.2.0", "1.2.1"]);
        log.lock().unwrap().clear();
        let mut times = Vec::new();
        plain.input(3, Word(0, 0), &mut |f| times.push(f.time)).unwrap();
        assert_eq!(times, [5; 5], "time never decreases");
        let expected = [
            "1 folds 1.2.0",
            "1 decides 1.2.0",
            "1 folds 2",
            "1 decides 2",
            "1 folds 2.1.0",
            "1 folds 2.1.1",
            "2 folds 2",
            "2 decides 2",
            "2 folds 2.2.0",
            "2 folds 2.1.0",
            "2 decides 2.1.0",
            "2 folds 2.2.1",
        ];
        assert_eq!(*log.lock().unwrap(), expected);
    }

    #[test]
    fn a_stage_that_sees_nothing_says_nothing() {
        let log = Log::default();
        let mut plain = PlainLoop::new(noters(&log), Box::new(NoLibrary));
        let mut facts = 0;
        plain.input(0, Word(9, 0), &mut |_| facts += 1).unwrap();
        assert_eq!(facts, 1);
        assert!(log.lock().unwrap().is_empty());
    }

    struct Doubles;

    impl Library<Word> for Doubles {
        fn resolve(&self, body: &Word) -> Result<Option<Word>, String> {
            match body.1 {
                7 => Err("seven is not there".into()),
                number => Ok(Some(Word(3, number * 2))),
            }
        }
    }

    #[test]
    fn resolves_references_and_keeps_them_in_the_journal() {
        let mut plain = PlainLoop::new(noters(&Log::default()), Box::new(Doubles));
        let mut first = None;
        plain.input(0, Word(0, 4), &mut |f| _ = first.get_or_insert(f.body.clone())).unwrap();
        assert_eq!(first, Some(Word(0, 4)));
        let refused = plain.input(0, Word(0, 7), &mut |_| {});
        assert_eq!(refused, Err("seven is not there".into()));
        assert_eq!(plain.last(), 1);
    }

    #[test]
    #[should_panic(expected = "have one rank")]
    fn refuses_two_stages_of_one_rank() {
        let log = Log::default();
        let mut stages = noters(&log);
        stages.extend(noters(&log));
        drop(PlainLoop::new(stages, Box::new(NoLibrary)));
    }
}
