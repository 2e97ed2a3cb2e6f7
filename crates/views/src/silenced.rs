//! Why a stage says nothing: an operator turned it off, it is quarantined, or its supervisor
//! stopped it.

use everwarm_domain::fact::{Body, Operator};
use everwarm_domain::quarantine::{Quarantine, Quarantines};
use everwarm_domain::switch::Switches;
use everwarm_kernel::fact::{Effect, Fact};
use std::collections::BTreeMap;

/// The state of the fold over the journal.
#[derive(Debug, Default)]
pub(crate) struct Silenced {
    switches: Switches,
    quarantines: Quarantines,
    /// Branches that their supervisors stopped, and how they ended last.
    branches: BTreeMap<String, String>,
}

impl Silenced {
    /// Takes one fact in, in the order of the journal.
    #[expect(clippy::wildcard_enum_match_arm, reason = "no other fact silences a stage")]
    pub(crate) fn fold(&mut self, fact: &Fact<Body>) {
        match &fact.body {
            Body::Operator(Operator::Switched { .. }) => self.switches.fold(fact),
            Body::Operator(Operator::Quarantined { .. } | Operator::Released { .. }) => {
                self.quarantines.fold(fact);
            }
            Body::Operator(Operator::Branch { path, down }) => {
                self.branches.remove(path);
                self.branches.extend(down.clone().map(|why| (path.clone(), why)));
            }
            // A new run starts with all branches up.
            Body::Operator(Operator::Started { .. }) => self.branches.clear(),
            _ => {}
        }
    }

    /// That an operator turned the strategy off.
    pub(crate) fn off(&self, strategy: &str) -> Option<String> {
        let off = self.switches.strategies.get(strategy)?;
        Some(format!("an operator turned {strategy} off: {}", off.reason))
    }

    /// Which of these stages is quarantined or stopped, and why.
    pub(crate) fn away(&self, stages: &[&str]) -> Option<String> {
        let is_one = |name: &str| stages.contains(&name);
        let out = |one: &Quarantine| one.effect == Effect::Stage && is_one(&one.stage);
        if let Some((id, one)) = self.quarantines.all().find(|(_, one)| out(one)) {
            return Some(format!("quarantine {id}: {}", one.words()));
        }
        let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let (path, why) = self.branches.iter().find(|(path, _)| is_one(&name(path)))?;
        Some(format!("{path} is stopped by its supervisor: {why}"))
    }
}
