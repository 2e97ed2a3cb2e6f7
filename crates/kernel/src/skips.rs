//! Inputs that a stage does not receive: quarantined for it, as a whole or in parts.
//!
//! A replay or an audit skips the same inputs.

use crate::fact::{Body, Fact, Rank};
use serde::{Deserialize, Serialize};

/// What the runtime does if a stage has failed too often at one input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnPoison {
    /// Nothing: failures are not counted, and the supervisor decides.
    #[default]
    Escalate,
    /// The stage stops before the input until an operator releases it. For stages that need all
    /// inputs.
    Stop,
    /// The stage skips the parts that crash it. If there are none, it skips all inputs from there
    /// on.
    Skip,
}

/// How one input is quarantined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// The stage does not receive the parts.
    Parts,
    /// The stage receives nothing from this input on.
    Stage,
    /// The stage stops before the input.
    Stopped,
    /// The supervisor stopped the stage. The stage does not decide on this input or later ones.
    /// Once it runs again, it folds them as if it had decided nothing.
    Down,
}

/// An input that is quarantined for a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// Rank of the stage.
    pub rank: Rank,
    /// Name of the stage.
    pub stage: &'static str,
    /// Number of the input.
    pub n: u64,
    /// How it is quarantined.
    pub effect: Effect,
    /// The parts that crash the stage: without them it does not fail. See [`Body::parts`]. Empty if
    /// leaving out parts does not help.
    pub parts: Vec<String>,
    /// Number of failures.
    pub failures: u32,
    /// Text of the last failure.
    pub why: String,
}

/// The part of one input that a stage does not receive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub enum Cut {
    /// Nothing: the stage receives all of it.
    Nothing,
    /// The parts of these names.
    Parts(Vec<String>),
    /// The whole input.
    All,
}

impl Cut {
    /// The rest of a fact that the stage receives; none if nothing remains.
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
    /// Empty: all parts.
    parts: Vec<String>,
    /// The stage receives the inputs, but does not decide on them.
    #[serde(default)]
    unasked: bool,
}

/// All inputs and parts that one stage does not receive. A replay or an audit uses the same ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skips(Vec<Skip>);

impl Skips {
    /// Skips the quarantined parts, or all inputs from `n` on, as `effect` defines.
    pub fn quarantine(&mut self, n: u64, effect: Effect, parts: &[String]) {
        let (to, parts) = match effect {
            Effect::Parts => (n, parts.to_vec()),
            Effect::Stage | Effect::Down => (u64::MAX, Vec::new()),
            Effect::Stopped => return,
        };
        self.0.push(Skip { from: n, to, parts, unasked: effect == Effect::Down });
    }

    /// Ends the skip that began at input `n`: the stage receives the inputs after `at`.
    pub fn release(&mut self, n: u64, at: u64) {
        self.end(false, n, at);
    }

    /// Ends the stop by the supervisor from input `n` on: the stage decides on inputs after `at`.
    pub fn up(&mut self, n: u64, at: u64) {
        self.end(true, n, at);
    }

    fn end(&mut self, unasked: bool, n: u64, at: u64) {
        let open = |s: &&mut Skip| s.unasked == unasked && s.from == n && s.to == u64::MAX;
        for skip in self.0.iter_mut().filter(open) {
            skip.to = at;
        }
    }

    /// Whether the stage decides on the facts that it receives about input `n`.
    #[doc(hidden)]
    #[must_use]
    pub fn asked(&self, n: u64) -> bool {
        !self.0.iter().any(|s| s.unasked && (s.from..=s.to).contains(&n))
    }

    /// Whether the stage may append facts about input `n`.
    #[doc(hidden)]
    #[must_use]
    pub fn awake(&self, n: u64) -> bool {
        self.asked(n) && self.at(n) != Cut::All
    }

    /// The part of input `n` that the stage does not receive.
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
