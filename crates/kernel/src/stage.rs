//! The pure half of an actor: a state machine over facts.
//!
//! For input `n` a stage of rank `r` sees, in this order, the facts it is interested in:
//!
//! 1. those of higher ranks about `n - 1`,
//! 2. the input `n`,
//! 3. those of lower ranks about `n`, by rank.
//!
//! Each visible fact is first folded with [`Stage::evolve`]. Then [`Stage::decide`] appends what
//! follows. Then each new fact of the stage is folded too. After the last one [`Stage::conclude`]
//! may append more. State changes nowhere else. `Step` is this order in code; every loop over facts
//! uses it.

use crate::fact::{Body, Draft, Fact, Key, Mask, Rank};
pub use crate::skips::OnPoison;

/// A state machine over facts. The value that implements it *is* its state.
///
/// It uses no clock, random number, file, environment or hash order. The same facts give the same
/// result.
pub trait Stage: Send + 'static {
    /// The contents of facts.
    type Body: Body;

    /// Its place in the order.
    fn rank(&self) -> Rank;
    /// Its name for people and metrics.
    fn name(&self) -> &'static str;
    /// The kind it is an instance of, if a configuration makes it. An instance joins each journal
    /// by an input, also a new one. Other stages take part from the first input of a new journal
    /// on.
    fn instance_of(&self) -> Option<&'static str> {
        None
    }
    /// The version. It rises whenever the same facts may give another result.
    fn version(&self) -> u16 {
        1
    }
    /// The kinds of facts it sees.
    fn interest(&self) -> Mask;
    /// The kinds of facts it appends.
    fn produces(&self) -> Mask;
    /// Folds a visible fact, or one of its own, into the state.
    fn evolve(&mut self, fact: &Fact<Self::Body>);
    /// Appends what follows from a visible fact that was just folded.
    fn decide(&self, fact: &Fact<Self::Body>, out: &mut Out<Self::Body>);
    /// Appends what follows from all visible facts about an input. It is called once for each input
    /// with at least one visible fact. It is for stages that need a whole round first, such as the
    /// signals of all strategies.
    fn conclude(&self, _out: &mut Out<Self::Body>) {}
    /// The event time, UTC milliseconds, at which it needs a clock input.
    fn next_wake(&self) -> Option<i64> {
        None
    }
    /// What happens when it failed too often at one input.
    fn on_poison(&self) -> OnPoison {
        OnPoison::Escalate
    }
    /// The whole state as bytes.
    fn save(&self) -> Vec<u8>;
    /// Replaces the state by the output of [`Stage::save`] of the same version.
    ///
    /// # Errors
    /// The bytes are no such state.
    fn load(&mut self, bytes: &[u8]) -> Result<(), String>;
    /// Older versions whose saved states [`Stage::convert`] can load. For other versions the stage
    /// reads its history again.
    fn converts(&self) -> &'static [u16] {
        &[]
    }
    /// Replaces the state by the output of [`Stage::save`] of one of those versions.
    ///
    /// # Errors
    /// The bytes are no such state.
    fn convert(&mut self, version: u16, _bytes: &[u8]) -> Result<(), String> {
        Err(format!("a state of version {version} is not read by this one"))
    }
    /// Asserts the invariants of the state. Debug and chaos runs call it after every input.
    fn check(&self) {}
}

/// The facts that a stage appends about one visible fact.
#[derive(Debug)]
pub struct Out<B> {
    pub(crate) drafts: Vec<Draft<B>>,
}

impl<B> Default for Out<B> {
    fn default() -> Self {
        Out { drafts: Vec::new() }
    }
}

impl<B> Out<B> {
    /// Appends `body`, which follows from the fact that is decided on.
    pub fn say(&mut self, body: B) {
        self.drafts.push(Draft { because: Vec::new(), body });
    }

    /// Appends `body`, which also follows from `because`.
    pub fn say_because(&mut self, because: impl Into<Vec<Key>>, body: B) {
        self.drafts.push(Draft { because: because.into(), body });
    }

    /// Takes the appended facts, for tests of a single stage.
    pub fn take(&mut self) -> Vec<Draft<B>> {
        std::mem::take(&mut self.drafts)
    }
}

/// The recorded facts of an older version about one input, folded into a stage that does not decide
/// on it. Each fact is folded behind the one it was decided on, the concluding facts last.
#[doc(hidden)]
#[derive(Debug)]
pub struct RecordedFacts<'a, B>(Vec<&'a Fact<B>>);

impl<'a, B: Body> RecordedFacts<'a, B> {
    /// Starts with none of them folded.
    #[must_use]
    pub fn new(held: &'a [Fact<B>]) -> RecordedFacts<'a, B> {
        RecordedFacts(held.iter().collect())
    }

    /// Folds one visible fact, and what was decided on it.
    pub fn feed<S: Stage<Body = B> + ?Sized>(&mut self, stage: &mut S, fact: &Fact<B>) {
        stage.evolve(fact);
        self.0.retain(|own| {
            let on_this = own.because.first() == Some(&fact.key);
            if on_this {
                stage.evolve(own);
            }
            !on_this
        });
    }

    /// Folds the remaining facts.
    pub fn finish<S: Stage<Body = B> + ?Sized>(self, stage: &mut S) {
        self.0.into_iter().for_each(|own| stage.evolve(own));
    }
}

/// The work of one stage for one input: the one place where the order above is code.
///
/// `own` holds the facts of the stage about this input. It must be empty at the first feed and only
/// grows. If the visible facts are fed in the documented order, the facts of the stage are the same
/// in every loop.
#[doc(hidden)]
#[derive(Debug)]
pub struct Step<B> {
    out: Out<B>,
    n: u64,
    time: i64,
    fed: bool,
}

impl<B: Body> Default for Step<B> {
    fn default() -> Self {
        Step { out: Out::default(), n: 0, time: 0, fed: false }
    }
}

impl<B: Body> Step<B> {
    /// Begins input `n` with event time `time` for the next stage. It reuses the buffers of the
    /// step before.
    pub fn begin(&mut self, n: u64, time: i64) {
        debug_assert!(self.out.drafts.is_empty(), "the step before was finished");
        (self.n, self.time, self.fed) = (n, time, false);
    }

    /// Feeds one visible fact: folds it, decides, folds the new facts.
    pub fn feed<S: Stage<Body = B> + ?Sized>(
        &mut self,
        stage: &mut S,
        fact: &Fact<B>,
        own: &mut Vec<Fact<B>>,
    ) {
        self.fed = true;
        stage.evolve(fact);
        stage.decide(fact, &mut self.out);
        self.append_own(stage, Some(fact.key), own);
    }

    /// Ends the input for this stage: concludes, and folds those facts too.
    pub fn finish<S: Stage<Body = B> + ?Sized>(&mut self, stage: &mut S, own: &mut Vec<Fact<B>>) {
        if !self.fed {
            return;
        }
        stage.conclude(&mut self.out);
        self.append_own(stage, None, own);
        if cfg!(debug_assertions) {
            stage.check();
        }
    }

    /// Numbers and folds the new facts. The first cause of each is the fact it was decided on.
    fn append_own<S: Stage<Body = B> + ?Sized>(
        &mut self,
        stage: &mut S,
        on: Option<Key>,
        own: &mut Vec<Fact<B>>,
    ) {
        if self.out.drafts.is_empty() {
            return;
        }
        let (rank, version) = (stage.rank().0, stage.version());
        for draft in self.out.drafts.drain(..) {
            let mut because: Vec<Key> = on.into_iter().collect();
            because.extend(draft.because.into_iter().filter(|key| Some(*key) != on));
            let body = draft.body;
            let i = u16::try_from(own.len()).expect("a stage says less than 65,536 facts an input");
            let key = Key { n: self.n, rank, i };
            let fact = Fact { key, time: self.time, version, because, body };
            stage.evolve(&fact);
            own.push(fact);
        }
    }
}
