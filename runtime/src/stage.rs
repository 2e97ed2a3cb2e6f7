//! The pure half of an actor: a state machine over facts.
//!
//! For input `n` a stage of rank `r` sees, in this order, the facts it is interested in: those of higher
//! ranks about `n - 1`, the input `n`, those of lower ranks about `n` by rank. Each visible fact is first
//! folded with [`Stage::evolve`], then [`Stage::decide`] says what follows, then each of the stage's own
//! new facts is folded too. State changes nowhere else.

use crate::fact::{Body, Draft, Fact, Key, Mask, Rank};

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
    /// The event time, UTC milliseconds, at which it wants to be given a clock input.
    fn next_wake(&self) -> Option<i64> {
        None
    }
    /// The whole state, flat.
    fn save(&self) -> Vec<u8>;
    /// Takes over what [`Stage::save`] of the same version wrote.
    ///
    /// # Errors
    /// Says what is wrong with the bytes.
    fn load(&mut self, bytes: &[u8]) -> Result<(), String>;
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

/// The inner step every driver shares: folds `seen`, decides, folds what was decided. New facts are about
/// input `n` and go to `own`; the first cause of each is `seen`.
pub(crate) fn feed<S: Stage + ?Sized>(
    stage: &mut S,
    seen: &Fact<S::Body>,
    (n, time): (u64, i64),
    out: &mut Out<S::Body>,
    own: &mut Vec<Fact<S::Body>>,
) {
    stage.evolve(seen);
    stage.decide(seen, out);
    for draft in out.drafts.drain(..) {
        let i = u16::try_from(own.len()).expect("a stage says few facts about an input");
        let mut because = vec![seen.key];
        because.extend(draft.because.into_iter().filter(|key| *key != seen.key));
        let key = Key { n, rank: stage.rank().0, i };
        let fact = Fact { key, time, version: stage.version(), because, body: draft.body };
        stage.evolve(&fact);
        own.push(fact);
    }
}
