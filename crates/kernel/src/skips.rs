//! Skips: the inputs that a stage does not receive, whole or in parts.
//!
//! Replays and audits skip the same.

use crate::fact::{Body, Fact, Rank};
use serde::{Deserialize, Serialize};

/// What happens when a stage has failed too often at one input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnPoison {
    /// Failures are not counted. The supervisor decides.
    #[default]
    Escalate,
    /// The stage stops before the input until an operator releases it. For stages that need every
    /// input.
    Stop,
    /// The parts of the input that make it fail are skipped. If none are found, all inputs from
    /// there on are.
    Skip,
}

/// The effect of a quarantine on the stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// The stage does not receive the parts.
    Parts,
    /// The stage receives nothing from this input on.
    Stage,
    /// The stage is stopped before the input.
    Stopped,
    /// The supervisor stopped the stage. It decides neither on this input nor on later ones. When
    /// it is up again, it folds them as if it had decided nothing.
    Down,
}

/// An input that is quarantined for a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// The stage.
    pub rank: Rank,
    /// Its name.
    pub stage: &'static str,
    /// The input.
    pub n: u64,
    /// Its effect.
    pub effect: Effect,
    /// The parts without which the stage does not fail, see [`Body::parts`]. Empty if there are
    /// none.
    pub parts: Vec<String>,
    /// Number of failures.
    pub failures: u32,
    /// The error text of the last failure.
    pub why: String,
}

/// The part of one input that a stage does not receive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub enum Cut {
    /// Nothing is skipped.
    Nothing,
    /// These parts.
    Parts(Vec<String>),
    /// The whole input.
    All,
}

impl Cut {
    /// The part of a fact that the stage receives; `None` if nothing remains.
    #[must_use]
    pub fn apply<B: Body>(&self, fact: &Fact<B>) -> Option<Fact<B>> {
        let body = match self {
            Cut::Nothing => Some(fact.body.clone()),
            Cut::Parts(parts) => fact.body.without(parts),
            Cut::All => None,
        };
        let because = fact.because.clone();
        body.map(|body| Fact { because, body, ..*fact })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Skip {
    from: u64,
    to: u64,
    /// Empty: the whole input.
    parts: Vec<String>,
    /// The stage receives the inputs and does not decide on them.
    #[serde(default)]
    undecided: bool,
}

/// All skips of a stage. Replays and audits use the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skips(Vec<Skip>);

impl Skips {
    /// Skips what was quarantined at input `n`.
    pub fn quarantine(&mut self, n: u64, effect: Effect, parts: &[String]) {
        let (to, parts) = match effect {
            Effect::Parts => (n, parts.to_vec()),
            Effect::Stage | Effect::Down => (u64::MAX, Vec::new()),
            Effect::Stopped => return,
        };
        self.0.push(Skip { from: n, to, parts, undecided: effect == Effect::Down });
    }

    /// A stage that received nothing from input `n` on receives the inputs after `at`.
    pub fn release(&mut self, n: u64, at: u64) {
        self.end(false, n, at);
    }

    /// A stage that was stopped from input `n` on decides on the inputs after `at`.
    pub fn up(&mut self, n: u64, at: u64) {
        self.end(true, n, at);
    }

    fn end(&mut self, undecided: bool, n: u64, at: u64) {
        let open = |s: &&mut Skip| s.undecided == undecided && s.from == n && s.to == u64::MAX;
        for skip in self.0.iter_mut().filter(open) {
            skip.to = at;
        }
    }

    /// Whether the stage decides on input `n`, as far as it receives it.
    #[doc(hidden)]
    #[must_use]
    pub fn decides(&self, n: u64) -> bool {
        !self.0.iter().any(|s| s.undecided && (s.from..=s.to).contains(&n))
    }

    /// Whether the stage may append facts about input `n`.
    #[doc(hidden)]
    #[must_use]
    pub fn is_active(&self, n: u64) -> bool {
        self.decides(n) && self.at(n) != Cut::All
    }

    /// The part of input `n` that is skipped.
    #[doc(hidden)]
    #[must_use]
    pub fn at(&self, n: u64) -> Cut {
        let mut cut: Vec<String> = Vec::new();
        for skip in self.0.iter().filter(|s| !s.undecided && (s.from..=s.to).contains(&n)) {
            if skip.parts.is_empty() {
                return Cut::All;
            }
            cut.extend(skip.parts.iter().cloned());
        }
        if cut.is_empty() { Cut::Nothing } else { Cut::Parts(cut) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_skipped_at_their_input_and_a_stage_until_its_release() {
        let mut skips = Skips::default();
        skips.quarantine(3, Effect::Parts, &["a".into()]);
        skips.quarantine(3, Effect::Parts, &["b".into()]);
        skips.quarantine(5, Effect::Stage, &[]);
        skips.quarantine(9, Effect::Stopped, &[]);
        assert_eq!(skips.at(3), Cut::Parts(vec!["a".into(), "b".into()]));
        assert_eq!([2, 4].map(|n| skips.at(n)), [Cut::Nothing, Cut::Nothing]);
        assert_eq!([5, 9, u64::MAX].map(|n| skips.at(n)), [Cut::All, Cut::All, Cut::All]);
        skips.release(3, 7);
        skips.release(5, 7);
        assert_eq!([5, 7].map(|n| skips.at(n)), [Cut::All, Cut::All]);
        assert_eq!([8, 9].map(|n| skips.at(n)), [Cut::Nothing, Cut::Nothing]);
        assert_eq!(skips.at(3), Cut::Parts(vec!["a".into(), "b".into()]));
    }
}
