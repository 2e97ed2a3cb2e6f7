//! Quarantined inputs that were not released yet.

use super::fact::{Body, Operator};
use super::id::Symbol;
use super::time::UtcMs;
use everwarm_kernel::fact::{Effect, Fact};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One input that is quarantined for one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// Rank of the stage.
    pub rank: u16,
    /// Its name.
    pub stage: String,
    /// Number of the input.
    pub input: u64,
    /// What the runtime does about it.
    pub effect: Effect,
    /// Leaving out these symbols lets the stage pass.
    pub symbols: Vec<Symbol>,
    /// Number of failures.
    pub failures: u32,
    /// Error text of the last failure.
    pub why: String,
    /// Event time of the quarantine, UTC milliseconds.
    pub time: UtcMs,
    /// Whether an operator dropped it. The stage stays out, and this holds nothing back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dropped: bool,
}

impl Quarantine {
    /// The quarantine that a fact of event time `time` reports; none if it reports none.
    #[must_use]
    pub fn of(operator: &Operator, time: UtcMs) -> Option<Quarantine> {
        let Operator::Quarantined { rank, stage, input, effect, symbols, failures, why } = operator
        else {
            return None;
        };
        Some(Quarantine {
            rank: *rank,
            stage: stage.clone(),
            input: *input,
            effect: *effect,
            symbols: symbols.clone(),
            failures: *failures,
            why: why.clone(),
            time,
            dropped: false,
        })
    }

    /// What follows from it, in words that are the same for every run over the same market. Numbers
    /// of inputs and failures differ between such runs, so they are left out.
    #[must_use]
    pub fn reason(&self) -> String {
        let Quarantine { stage, .. } = self;
        match self.effect {
            Effect::Parts => {
                format!("{stage} failed at it and went on without; an operator has to look")
            }
            Effect::Stage => format!("{stage} failed and is out; an operator has to decide"),
            Effect::Down => format!("{stage} failed too often and is kept down"),
            Effect::Stopped => {
                format!("{stage} failed and stands still; an operator has to decide")
            }
        }
    }

    /// What happened and what follows from it, in words.
    #[must_use]
    pub fn words(&self) -> String {
        let Quarantine { stage, input, failures, why, .. } = self;
        let names: Vec<&str> = self.symbols.iter().map(Symbol::as_str).collect();
        let names = names.join(", ");
        let follows = match self.effect {
            Effect::Parts => {
                format!("it skipped {names} there; {names} gets no entries")
            }
            Effect::Stage if self.dropped => {
                "an operator dropped it, so it gets no inputs and causes no entries or exits"
                    .to_owned()
            }
            Effect::Stage => "it gets no inputs, and there are no entries".to_owned(),
            Effect::Down => {
                return format!("{stage} is down ({why}): it skips inputs from {input} on");
            }
            Effect::Stopped => "it skips nothing, so no order is decided or sent".to_owned(),
        };
        format!("{stage} failed {failures} times at input {input} ({why}): {follows}")
    }
}

/// Open quarantines, by the number of the input that reported them. Inputs that skip a stage
/// stopped by its supervisor are not included: its branch reports that, and no operator has to act.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantines(#[serde(with = "saved")] BTreeMap<u64, Quarantine>);

/// The form of quarantines in saved states. It leaves out no field.
mod saved {
    use super::{BTreeMap, Effect, Quarantine, Symbol, UtcMs};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(remote = "Quarantine")]
    struct Saved {
        rank: u16,
        stage: String,
        input: u64,
        effect: Effect,
        symbols: Vec<Symbol>,
        failures: u32,
        why: String,
        time: UtcMs,
        dropped: bool,
    }

    #[derive(Serialize)]
    struct Out<'a>(#[serde(with = "Saved")] &'a Quarantine);

    #[derive(Deserialize)]
    struct In(#[serde(with = "Saved")] Quarantine);

    pub(super) fn serialize<S: Serializer>(
        all: &BTreeMap<u64, Quarantine>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_map(all.iter().map(|(id, one)| (id, Out(one))))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<u64, Quarantine>, D::Error> {
        let all = BTreeMap::<u64, In>::deserialize(from)?;
        Ok(all.into_iter().map(|(id, In(one))| (id, one)).collect())
    }
}

impl Quarantines {
    /// Applies one fact, in the order of the journal.
    pub fn fold(&mut self, fact: &Fact<Body>) {
        let Body::Operator(operator) = &fact.body else { return };
        if let Operator::Released { quarantine, retry } = operator {
            match self.0.get_mut(quarantine) {
                // The stage is still out, and may be tried again later.
                Some(out) if out.effect == Effect::Stage && !retry => out.dropped = true,
                Some(_) | None => _ = self.0.remove(quarantine),
            }
        }
        let begun = Quarantine::of(operator, fact.time).filter(|q| q.effect != Effect::Down);
        self.0.extend(begun.map(|quarantine| (fact.key.n, quarantine)));
    }

    /// All quarantines with their numbers, oldest first, including dropped ones.
    pub fn all(&self) -> impl Iterator<Item = (u64, &Quarantine)> {
        self.0.iter().map(|(id, quarantine)| (*id, quarantine))
    }

    /// The quarantines that hold something back until an operator decides.
    pub fn held(&self) -> impl Iterator<Item = &Quarantine> {
        self.0.values().filter(|quarantine| !quarantine.dropped)
    }

    /// The quarantine with this number.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<&Quarantine> {
        self.0.get(&id)
    }
}
