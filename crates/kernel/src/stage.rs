//! The pure half of an actor: a state machine over facts.
//!
//! For input `n` a stage of rank `r` sees, in this order, the facts it is interested in: those of
//! higher ranks about `n - 1`, the input `n`, those of lower ranks about `n` by rank. Each visible
//! fact is first folded with [`Stage::evolve`], then [`Stage::decide`] says what follows, then each
//! of the stage's own new facts is folded too. When all have been fed, [`Stage::conclude`] has the
//! last word. State changes nowhere else. `Step` is this order in code; every loop over facts goes
//! through it.

use crate::fact::{Body, Draft, Fact, Key, Mask, Rank};
pub use crate::skips::OnPoison;

/// A state machine over facts. The value that implements it *is* the state.
///
/// No clock, random number, file, environment or iteration in hash order: same facts, same result.
pub trait Stage: Send + 'static {
    /// What facts say.
    type Body: Body;

    /// Its place in the order.
    fn rank(&self) -> Rank;
    /// Its name, as people and metrics know it.
    fn name(&self) -> &'static str;
    /// What it is an instance of, where a configuration makes it. Who is one joins each journal by
    /// an input, also a new one; others are there from the first input of a new journal on.
    fn instance_of(&self) -> Option<&'static str> {
        None
    }
    /// Rises whenever the same facts may give another result.
    fn version(&self) -> u16 {
        1
    }
    /// Kinds it wants to see.
    fn interest(&self) -> Mask;
    /// Kinds it says.
    fn produces(&self) -> Mask;
    /// Folds a visible fact or one of its own into the state.
    fn evolve(&mut self, fact: &Fact<Self::Body>);
    /// Says what follows from a visible fact that has just been folded.
    fn decide(&self, fact: &Fact<Self::Body>, out: &mut Out<Self::Body>);
    /// Says what follows once every visible fact about an input has been folded and decided on;
    /// asked once for each input of which at least one fact was visible. For stages that need a
    /// whole round (all strategies' wishes, and the breaker's word after them) before they speak.
    fn conclude(&self, _out: &mut Out<Self::Body>) {}
    /// The event time, UTC milliseconds, at which it wants to be given a clock input.
    fn next_wake(&self) -> Option<i64> {
        None
    }
    /// What is to be done where it has failed too often at one input.
    fn on_poison(&self) -> OnPoison {
        OnPoison::Escalate
    }
    /// The whole state, flat.
    fn save(&self) -> Vec<u8>;
    /// Takes over what [`Stage::save`] of the same version wrote, whatever it was before.
    ///
    /// # Errors
    /// Says what is wrong with the bytes.
    fn load(&mut self, bytes: &[u8]) -> Result<(), String>;
    /// Older versions whose saved states [`Stage::convert`] takes over. The past of others is read
    /// again.
    fn converts(&self) -> &'static [u16] {
        &[]
    }
    /// Takes over what [`Stage::save`] of one of those versions wrote, whatever it was before.
    ///
    /// # Errors
    /// Says what is wrong with the bytes.
    fn convert(&mut self, version: u16, _bytes: &[u8]) -> Result<(), String> {
        Err(format!("a state of version {version} is not read by this one"))
    }
    /// Asserts the invariants of the state; called after every input in debug and chaos runs.
    fn check(&self) {}
}

/// The facts a stage says about one visible fact.
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
    /// Says `body`, which follows from the fact being decided on.
    pub fn say(&mut self, body: B) {
        self.drafts.push(Draft { because: Vec::new(), body });
    }

    /// Says `body`, which also follows from `because`.
    pub fn say_because(&mut self, because: impl Into<Vec<Key>>, body: B) {
        self.drafts.push(Draft { because: because.into(), body });
    }

    /// Takes what was said; for tests of a stage by itself.
    pub fn take(&mut self) -> Vec<Draft<B>> {
        std::mem::take(&mut self.drafts)
    }
}

/// What an older version said about one input, told again to a stage that is not asked about it:
/// each fact is folded behind the one it was decided on, what concluded the input last.
#[doc(hidden)]
#[derive(Debug)]
pub struct Retold<'a, B>(Vec<&'a Fact<B>>);

impl<'a, B: Body> Retold<'a, B> {
    /// Nothing of it is told yet.
    #[must_use]
    pub fn new(held: &'a [Fact<B>]) -> Retold<'a, B> {
        Retold(held.iter().collect())
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

    /// Folds what is left.
    pub fn finish<S: Stage<Body = B> + ?Sized>(self, stage: &mut S) {
        self.0.into_iter().for_each(|own| stage.evolve(own));
    }
}

/// The work of one stage for one input: the one place where the order above is code.
///
/// `own` is the list of the stage's facts about this input; it must be empty at the first feed and
/// is only added to. Where a stage's visible facts are fed in the documented order, its facts are
/// the same whoever feeds them.
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

    /// Feeds one visible fact: fold, decide, fold what was said.
    pub fn feed<S: Stage<Body = B> + ?Sized>(
        &mut self,
        stage: &mut S,
        fact: &Fact<B>,
        own: &mut Vec<Fact<B>>,
    ) {
        self.fed = true;
        stage.evolve(fact);
        stage.decide(fact, &mut self.out);
        self.say(stage, Some(fact.key), own);
    }

    /// Ends the input for this stage: its last word, folded too.
    pub fn finish<S: Stage<Body = B> + ?Sized>(&mut self, stage: &mut S, own: &mut Vec<Fact<B>>) {
        if !self.fed {
            return;
        }
        stage.conclude(&mut self.out);
        self.say(stage, None, own);
        if cfg!(debug_assertions) {
            stage.check();
        }
    }

    /// Numbers and folds what was said; the first cause of each fact is the one it was decided on.
    fn say<S: Stage<Body = B> + ?Sized>(
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
