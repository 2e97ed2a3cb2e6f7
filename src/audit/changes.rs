//! Finds what operators and the runtime changed for the stages of a journal, in one pass.

use super::torn_is_a_problem;
use everwarm_domain::fact::{Body, Operator};
use everwarm_domain::id::Symbol;
use everwarm_domain::quarantine::{Quarantine, Quarantines};
use everwarm_kernel::fact::{Body as _, Effect, Fact};
use everwarm_kernel::roster::{Change, Joined};
use everwarm_kernel::skips::Skips;
use everwarm_views::exit::Failure;
use everwarm_views::journal_reader::JournalFacts;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// What changed for the stages. The retention keeps these facts for ever.
#[derive(Default)]
pub(super) struct StageChanges {
    /// The stages that joined later.
    pub joined: Vec<Joined>,
    /// The inputs that each stage did not receive, by rank. Later operator facts name them.
    pub skips: BTreeMap<u16, Skips>,
    quarantines: Quarantines,
    /// Stages that a supervisor stopped, by the input that reports it: the rank and the input from
    /// which on they do not decide.
    down: BTreeMap<u64, (u16, u64)>,
}

impl StageChanges {
    /// Reads a whole journal.
    pub(super) fn of(journal: &dyn JournalFacts) -> Result<StageChanges, Failure> {
        let mut changes = StageChanges::default();
        let read = journal.each(0, &mut |_, fact| {
            changes.take(fact);
            ControlFlow::Continue(())
        });
        read.map_err(torn_is_a_problem).map(|()| changes)
    }

    fn take(&mut self, fact: &Fact<Body>) {
        if let Some(Change::Joined(who)) = fact.body.roster() {
            self.joined.push(who);
        }
        let Body::Operator(operator) = &fact.body else { return };
        if let Operator::Released { quarantine, retry: true } = operator
            && let Some(released) = self.quarantines.get(*quarantine)
        {
            self.skips.entry(released.rank).or_default().release(released.input, fact.key.n);
        }
        if let Operator::Released { quarantine, .. } = operator
            && let Some((rank, input)) = self.down.remove(quarantine)
        {
            self.skips.entry(rank).or_default().up(input, fact.key.n);
        }
        if let Some(quarantine) = Quarantine::of(operator, fact.time) {
            let parts: Vec<String> = quarantine.symbols.iter().map(Symbol::to_string).collect();
            self.skips.entry(quarantine.rank).or_default().quarantine(
                quarantine.input,
                quarantine.effect,
                &parts,
            );
            if quarantine.effect == Effect::Down {
                self.down.insert(fact.key.n, (quarantine.rank, quarantine.input));
            }
        }
        self.quarantines.fold(fact);
    }
}
