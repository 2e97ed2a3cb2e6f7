//! Access to the facts of a journal, and the proofs that read all of them.

use super::exit::{Exit, Failure};
use super::summary::Period;
use super::views::{ReplayView, VerifyView};
use everwarm_domain::fact::Body;
use everwarm_domain::quarantine::{Quarantine, Quarantines};
use everwarm_kernel::fact::{Effect, Fact};
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::store::{CheckpointRow, Left, Store};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Name of the live file in a data directory: the newest part of the journal, and the states.
pub const LIVE_FILE: &str = "live.redb";

/// The facts of a journal, in their order.
pub trait JournalFacts: Send + Sync {
    /// Calls `see` with each fact and its row, from `from_row` on, until `see` breaks or the facts
    /// end. Rows begin at 1 and rise by at least 1 per fact.
    ///
    /// # Errors
    /// The journal could not be read.
    fn each(
        &self,
        from_row: u64,
        see: &mut dyn FnMut(u64, &Fact<Body>) -> ControlFlow<()>,
    ) -> Result<(), Failure>;

    /// Like [`JournalFacts::each`], but skips sealed rows that cannot be read, and reports them to
    /// `see`. It is for views, never for a proof.
    ///
    /// # Errors
    /// The rest of the journal could not be read.
    fn each_left(
        &self,
        from_row: u64,
        see: &mut dyn FnMut(Left<'_, Fact<Body>>) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        self.each(from_row, &mut |row, fact| see(Left::Row(row, fact)))
    }

    /// The checkpoints of stages, by rank; empty if there are only facts.
    ///
    /// # Errors
    /// They could not be read.
    fn checkpoints(&self) -> Result<Vec<(u16, CheckpointRow)>, Failure> {
        Ok(Vec::new())
    }

    /// The store that holds the facts. It knows which facts were removed, and from where on they
    /// can be derived again. None if there are only facts.
    fn store(&self) -> Option<&Store> {
        None
    }
}

/// Derives all facts of a journal again and compares them. The archive has the data that inputs
/// only refer to.
pub type Verify = fn(&dyn JournalFacts, &Arc<Archive>) -> Result<VerifyView, Failure>;

/// Decides everything again and compares the facts of a period; none: of the whole journal.
pub type Replay =
    fn(&dyn JournalFacts, &Arc<Archive>, Option<Period>) -> Result<ReplayView, Failure>;

/// The proofs that read a whole journal.
#[derive(Clone, Copy, Debug)]
pub struct Proofs {
    /// Checks that all derived facts follow from their inputs.
    pub verify: Verify,
    /// Compares the facts with those of the present stages.
    pub replay: Replay,
}

/// The quarantine `id`, if it may end this way. A stage that skipped the input has decided later
/// inputs, so it cannot be retried. A stage that never skips can only be retried.
///
/// # Errors
/// There is no such quarantine, or it cannot end this way.
pub fn releasable(all: &Quarantines, id: u64, retry: bool) -> Result<&Quarantine, Failure> {
    let unknown = || {
        Failure::new(
            Exit::Failed,
            format!("there is no quarantine {id}; everwarm quarantine list shows them"),
        )
    };
    let quarantine = all.get(id).ok_or_else(unknown)?;
    let stage = &quarantine.stage;
    let refused = match (quarantine.effect, retry) {
        (Effect::Parts, true) => format!(
            "{stage} has skipped it and decided later inputs, so it cannot be retried: run \
             everwarm quarantine drop {id}, which allows entries of the symbol again"
        ),
        (Effect::Stage, false) if quarantine.dropped => {
            format!("{stage} is already dropped; to start it again: everwarm quarantine retry {id}")
        }
        (Effect::Stopped, false) => {
            format!(
                "{stage} skips no input: repair the cause, then run everwarm quarantine retry {id}"
            )
        }
        (Effect::Down, _) => {
            format!("{stage} is stopped by its supervisor and retried every minute")
        }
        (Effect::Parts, false) | (Effect::Stage, _) | (Effect::Stopped, true) => {
            return Ok(quarantine);
        }
    };
    Err(Failure::new(Exit::Refused, refused))
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::fact::Operator;
    use everwarm_kernel::fact::Key;

    #[test]
    fn each_quarantine_ends_only_by_what_is_true_of_it() {
        let mut all = Quarantines::default();
        for (n, effect) in [(1, Effect::Parts), (2, Effect::Stage), (3, Effect::Stopped)] {
            let operator = Operator::Quarantined {
                rank: 200,
                stage: "s".into(),
                input: 9,
                effect,
                symbols: Vec::new(),
                failures: 3,
                why: "w".into(),
            };
            let (key, because) = (Key { n, rank: 0, i: 0 }, Vec::new());
            all.fold(&Fact { key, time: 0, version: 0, because, body: Body::Operator(operator) });
        }
        let exit = |id, retry| releasable(&all, id, retry).map_or_else(|f| f.exit, |_| Exit::Fine);
        let exits = [1, 2, 3, 4].map(|id| (exit(id, true), exit(id, false)));
        let expected = [
            (Exit::Refused, Exit::Fine),
            (Exit::Fine, Exit::Fine),
            (Exit::Fine, Exit::Refused),
            (Exit::Failed, Exit::Failed),
        ];
        assert_eq!(exits, expected);
        // A dropped stage stays stopped, and an operator may still retry it.
        let dropped = Operator::Released { quarantine: 2, retry: false };
        let (key, because) = (Key { n: 5, rank: 0, i: 0 }, Vec::new());
        all.fold(&Fact { key, time: 0, version: 0, because, body: Body::Operator(dropped) });
        let exit = |id, retry| releasable(&all, id, retry).map_or_else(|f| f.exit, |_| Exit::Fine);
        assert_eq!((exit(2, true), exit(2, false)), (Exit::Fine, Exit::Refused));
        assert!(all.held().all(|one| one.effect != Effect::Stage) && all.all().count() == 3);
    }
}
