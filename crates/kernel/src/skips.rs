//! What a stage is not given: inputs that were set aside for it, whole or in parts.
//!
//! Whoever derives facts again leaves out the same.

use crate::fact::{Body, Fact, Rank};
use serde::{Deserialize, Serialize};

/// What is done where a stage has failed too often at one input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnPoison {
    /// Nothing: failures are not counted, its supervisor decides.
    #[default]
    Escalate,
    /// It stops before the input until an operator releases it. For stages that must see all.
    Stop,
    /// The input is left out for it: the parts that fail it, or else all inputs from there on.
    Skip,
}

/// What is done about one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// The stage is not given the parts.
    Parts,
    /// The stage is given nothing from this input on.
    Stage,
    /// The stage stands before the input.
    Stopped,
    /// The stage is kept down, and not asked about this input nor those behind it: once it is up
    /// it folds them, as if it had been asked and had nothing to say.
    Down,
}

/// An input that was set aside for a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// The stage.
    pub rank: Rank,
    /// Its name.
    pub stage: &'static str,
    /// The input.
    pub n: u64,
    /// What is done about it.
    pub effect: Effect,
    /// The parts without which the stage does not fail; see [`Body::parts`]. Empty: none help.
    pub parts: Vec<String>,
    /// Failures.
    pub failures: u32,
    /// The text of the last.
    pub why: String,
}

/// What a stage is not given of one input.
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub enum Cut {
    /// Nothing is cut.
    Nothing,
    /// These parts.
    Parts(Vec<String>),
    /// All of it.
    All,
}

impl Cut {
    /// What the stage is given of a fact; none where nothing of it.
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
    /// Empty: everything.
    parts: Vec<String>,
    /// It is given them and not asked.
    #[serde(default)]
    unasked: bool,
}

/// What a stage is not given, over all inputs. Whoever derives facts again goes by the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skips(Vec<Skip>);

impl Skips {
    /// Leaves out what was set aside at input `n`.
    pub fn quarantine(&mut self, n: u64, effect: Effect, parts: &[String]) {
        let (to, parts) = match effect {
            Effect::Parts => (n, parts.to_vec()),
            Effect::Stage | Effect::Down => (u64::MAX, Vec::new()),
            Effect::Stopped => return,
        };
        self.0.push(Skip { from: n, to, parts, unasked: effect == Effect::Down });
    }

    /// A stage that was given nothing from input `n` on is given what comes after input `at`.
    pub fn release(&mut self, n: u64, at: u64) {
        self.end(false, n, at);
    }

    /// A stage that was kept down from input `n` on is asked about what comes after input `at`.
    pub fn up(&mut self, n: u64, at: u64) {
        self.end(true, n, at);
    }

    fn end(&mut self, unasked: bool, n: u64, at: u64) {
        let open = |s: &&mut Skip| s.unasked == unasked && s.from == n && s.to == u64::MAX;
        for skip in self.0.iter_mut().filter(open) {
            skip.to = at;
        }
    }

    /// Whether the stage is asked about input `n`, of what it is given.
    #[doc(hidden)]
    #[must_use]
    pub fn asked(&self, n: u64) -> bool {
        !self.0.iter().any(|s| s.unasked && (s.from..=s.to).contains(&n))
    }

    /// Whether the stage may speak about input `n`.
    #[doc(hidden)]
    #[must_use]
    pub fn awake(&self, n: u64) -> bool {
        self.asked(n) && self.at(n) != Cut::All
    }

    /// What is cut of input `n`.
    #[doc(hidden)]
    #[must_use]
    pub fn at(&self, n: u64) -> Cut {
        let mut cut: Vec<String> = Vec::new();
        for skip in self.0.iter().filter(|s| !s.unasked && (s.from..=s.to).contains(&n)) {
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
    fn parts_are_left_out_at_their_input_and_a_stage_until_it_is_released() {
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
