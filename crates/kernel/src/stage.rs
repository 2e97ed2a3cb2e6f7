//! The stage: the pure half of an actor, a state machine over facts.
//!
//! For input `n`, a stage of rank `r` sees the facts it is interested in, in this order: those of
//! higher ranks about `n - 1`, the input `n`, those of lower ranks about `n` by rank.
//! [`Stage::evolve`] folds each visible fact. Then [`Stage::decide`] appends facts that follow from
//! it, and the stage folds these too. After the last fact, [`Stage::conclude`] may append more.
//! State changes nowhere else. `Step` is this order in code; every loop over facts uses it.

use crate::fact::{Body, Draft, Fact, Key, Mask, Rank};
pub use crate::skips::OnPoison;

/// A state machine over facts. The value that implements it *is* the state.
///
/// It uses no clock, random number, file, environment or iteration in hash order. The same facts
/// give the same result.
pub trait Stage: Send + 'static {
    /// The content of facts.
    type Body: Body;

    /// Its place in the order.
    fn rank(&self) -> Rank;
    /// Its name in metrics and displays.
    fn name(&self) -> &'static str;
    /// The kind it is an instance of, if a configuration makes it. An instance joins every journal
    /// by an input, even a new journal. Other stages take part from the first input of a new
    /// journal on.
    fn instance_of(&self) -> Option<&'static str> {
        None
    }
    /// Version of the stage. It rises whenever the same facts may give another result.
    fn version(&self) -> u16 {
        1
    }
    /// Kinds of facts it sees.
    fn interest(&self) -> Mask;
    /// Kinds of facts it appends.
    fn produces(&self) -> Mask;
    /// Folds a visible fact or one of its own into the state.
    fn evolve(&mut self, fact: &Fact<Self::Body>);
    /// Appends the facts that follow from a visible fact, which was folded just before.
    fn decide(&self, fact: &Fact<Self::Body>, out: &mut Out<Self::Body>);
    /// Appends the facts that follow from all visible facts about an input together. It runs once
    /// for each input with at least one visible fact, after the last of them. It is for stages that
    /// need a whole round first (all signals, and then the circuit breaker, for example).
    fn conclude(&self, _out: &mut Out<Self::Body>) {}
    /// The event time, UTC milliseconds, at which it needs a clock input.
    fn next_wake(&self) -> Option<i64> {
        None
    }
    /// What the runtime does if the stage has failed too often at one input.
    fn on_poison(&self) -> OnPoison {
        OnPoison::Escalate
    }
    /// Encodes the whole state.
    fn save(&self) -> Vec<u8>;
    /// Replaces the state by one that [`Stage::save`] of the same version wrote.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    fn load(&mut self, bytes: &[u8]) -> Result<(), String>;
    /// Older versions whose saved states [`Stage::convert`] reads. For other versions, the stage
    /// reads its history again.
    fn converts(&self) -> &'static [u16] {
        &[]
    }
    /// Replaces the state by one that [`Stage::save`] of such an older version wrote.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    fn convert(&mut self, version: u16, _bytes: &[u8]) -> Result<(), String> {
        Err(format!("a state of version {version} is not read by this one"))
    }
    /// Asserts the invariants of the state. It runs after every input if debug assertions are on.
    fn check(&self) {}
}

/// The facts that a stage appends on one visible fact.
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
    /// Appends `body`, which follows from the fact being decided on.
    pub fn append(&mut self, body: B) {
        self.drafts.push(Draft { because: Vec::new(), body });
    }

    /// Appends `body`, which also follows from `because`.
    pub fn append_because(&mut self, because: impl Into<Vec<Key>>, body: B) {
        self.drafts.push(Draft { because: because.into(), body });
    }

    /// Takes the appended facts, for tests of a single stage.
    pub fn take(&mut self) -> Vec<Draft<B>> {
        std::mem::take(&mut self.drafts)
    }
}

/// The known facts of a stage about one input, for a stage that folds them and does not decide. The
/// stage folds each after the fact it was decided on, and those of [`Stage::conclude`] last.
#[doc(hidden)]
#[derive(Debug)]
pub struct Refold<'a, B>(Vec<&'a Fact<B>>);

impl<'a, B: Body> Refold<'a, B> {
    /// Starts with none of the facts folded.
    #[must_use]
    pub fn new(held: &'a [Fact<B>]) -> Refold<'a, B> {
        Refold(held.iter().collect())
    }

    /// Folds one visible fact, and the known facts that were decided on it.
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

    /// Folds the remaining known facts.
    pub fn finish<S: Stage<Body = B> + ?Sized>(self, stage: &mut S) {
        self.0.into_iter().for_each(|own| stage.evolve(own));
    }
}

/// The work of one stage for one input, in the order that the module defines.
///
/// `own` is the list of the stage's facts about this input. It must be empty at the first feed, and
/// grows from then on. If the visible facts come in the documented order, every caller gets the
/// same facts.
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
    /// Begins input `n` with event time `time` for the next stage. Reuses the buffers of the step
    /// before.
    pub fn begin(&mut self, n: u64, time: i64) {
        debug_assert!(self.out.drafts.is_empty(), "the step before was finished");
        (self.n, self.time, self.fed) = (n, time, false);
    }

    /// Feeds one visible fact: folds it, decides on it, folds the new facts.
    pub fn feed<S: Stage<Body = B> + ?Sized>(
        &mut self,
        stage: &mut S,
        fact: &Fact<B>,
        own: &mut Vec<Fact<B>>,
    ) {
        self.fed = true;
        stage.evolve(fact);
        stage.decide(fact, &mut self.out);
        self.append(stage, Some(fact.key), own);
    }

    /// Ends the input for this stage: concludes and folds the new facts.
    pub fn finish<S: Stage<Body = B> + ?Sized>(&mut self, stage: &mut S, own: &mut Vec<Fact<B>>) {
        if !self.fed {
            return;
        }
        stage.conclude(&mut self.out);
        self.append(stage, None, own);
        if cfg!(debug_assertions) {
            stage.check();
        }
    }

    /// Numbers and folds the new facts. The first cause of each is the fact it was decided on.
    fn append<S: Stage<Body = B> + ?Sized>(
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
