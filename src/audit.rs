//! Reads the journal: its facts in order, and whether its derived facts follow from its inputs.

mod again;
mod checkpoints;
mod others;
mod replay;

pub use checkpoints::forget as forget_checkpoint;
pub use replay::replay;

use crate::daemon_run::{APPLICATION, LIVE_FILE};
use again::{Again, Beside};
use checkpoints::Saved;
use everwarm_domain::bounds;
use everwarm_domain::fact::{Body, Operator};
use everwarm_domain::id::Symbol;
use everwarm_domain::quarantine::{Quarantine, Quarantines};
use everwarm_kernel::fact::{Body as _, Effect, Fact, Rank};
use everwarm_kernel::skips::Skips;
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::store::{CheckpointRow, Left, Store, StoreError};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::journal_reader::JournalFacts;
use everwarm_views::views::{ProblemView, VerifyView};
use others::Span;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// Problems listed at most.
const PROBLEMS_MAX: usize = 100;

/// The committed facts of a live file.
pub struct StoreFacts(pub Store);

impl JournalFacts for StoreFacts {
    fn each(
        &self,
        from_row: u64,
        see: &mut dyn FnMut(u64, &Fact<Body>) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        self.0.scan(from_row, &mut |row, fact| see(row, &fact)).map_err(|e| store_failure(&e))
    }

    fn each_left(
        &self,
        from_row: u64,
        see: &mut dyn FnMut(Left<'_, Fact<Body>>) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        self.0.scan_left(from_row, see).map_err(|e| store_failure(&e))
    }

    fn checkpoints(&self) -> Result<Vec<(u16, CheckpointRow)>, Failure> {
        self.0.checkpoints().map_err(|e| store_failure(&e))
    }
}

/// The failure for a store that cannot be used: its exit code and text.
#[must_use]
pub fn store_failure(error: &StoreError) -> Failure {
    let exit = match error {
        StoreError::Held(_) => Exit::Held,
        StoreError::Foreign { .. } | StoreError::Newer { .. } | StoreError::Torn { .. } => {
            Exit::Foreign
        }
        StoreError::Full(_) => Exit::DiskFull,
        StoreError::Io { .. } => Exit::StoreFailed,
    };
    Failure::new(exit, error.to_string())
}

/// Opens the journal of a data directory that no process holds.
///
/// # Errors
/// There is none, or it cannot be used.
pub fn open(data_dir: &Path) -> Result<Box<dyn JournalFacts>, Failure> {
    let file = data_dir.join(LIVE_FILE);
    if !file.exists() {
        return Err(Failure::no_daemon(data_dir));
    }
    let store = Store::look(&file, APPLICATION).map_err(|e| store_failure(&e))?;
    Ok(Box::new(StoreFacts(store)))
}

/// Derives every fact again from the inputs, in a plain loop, and compares.
///
/// # Errors
/// The journal cannot be read, or the history bars that an input refers to are missing.
pub fn verify(journal: &dyn JournalFacts, archive: Arc<Archive>) -> Result<VerifyView, Failure> {
    let specs = everwarm_trading::specs_joined(&again::joined(journal)?);
    let versions = specs.iter().map(|spec| (spec.rank.0, spec.build().version())).collect();
    let spans = others::spans(journal, &versions).map_err(torn_is_a_problem)?;
    // Checkpoints are read before the facts, so that every checkpoint is covered by the facts read.
    let saved = Saved::new(specs, journal.checkpoints()?);
    let again = Again::new(journal, archive)?;
    let view = VerifyView::default();
    let mut audit = Audit { again, versions, others: spans, saved, view };
    through(journal, |row, fact| audit.take(row, fact))?;
    Ok(audit.conclude())
}

/// Passes every fact of a journal to `take`, until it fails.
fn through(
    journal: &dyn JournalFacts,
    mut take: impl FnMut(u64, &Fact<Body>) -> Result<(), String>,
) -> Result<(), Failure> {
    let mut failed = None;
    let read = journal.each(0, &mut |row, fact| match take(row, fact) {
        Ok(()) => ControlFlow::Continue(()),
        Err(why) => {
            failed = Some(Failure::new(Exit::Problems, why));
            ControlFlow::Break(())
        }
    });
    read.map_err(torn_is_a_problem)?;
    failed.map_or(Ok(()), Err)
}

/// The inputs that each stage did not receive, by rank. Later operator facts name them.
fn set_aside(journal: &dyn JournalFacts) -> Result<BTreeMap<u16, Skips>, Failure> {
    let mut skips: BTreeMap<u16, Skips> = BTreeMap::new();
    let mut all = Quarantines::default();
    let mut down: BTreeMap<u64, (u16, u64)> = BTreeMap::new();
    let read = journal.each(0, &mut |_, fact| {
        if let Body::Operator(Operator::Released { quarantine, retry: true }) = &fact.body
            && let Some(released) = all.get(*quarantine)
        {
            skips.entry(released.rank).or_default().release(released.input, fact.key.n);
        }
        if let Body::Operator(Operator::Released { quarantine, .. }) = &fact.body
            && let Some((rank, input)) = down.remove(quarantine)
        {
            skips.entry(rank).or_default().up(input, fact.key.n);
        }
        if let Body::Operator(operator) = &fact.body
            && let Some(quarantine) = Quarantine::of(operator, fact.time)
        {
            let parts: Vec<String> = quarantine.symbols.iter().map(Symbol::to_string).collect();
            skips.entry(quarantine.rank).or_default().quarantine(
                quarantine.input,
                quarantine.effect,
                &parts,
            );
            if quarantine.effect == Effect::Down {
                down.insert(fact.key.n, (quarantine.rank, quarantine.input));
            }
        }
        all.fold(fact);
        ControlFlow::Continue(())
    });
    read.map_err(torn_is_a_problem).map(|()| skips)
}

/// Turns a journal that cannot be read into a problem: the audit reports both alike.
fn torn_is_a_problem(failure: Failure) -> Failure {
    let torn = failure.exit == Exit::Foreign;
    if torn { Failure::new(Exit::Problems, failure.text) } else { failure }
}

struct Audit<'a> {
    again: Again,
    /// Present versions of the stages, by rank. Only facts of these versions are derived again.
    versions: BTreeMap<u16, u16>,
    /// Facts of other versions, by rank: they are used as they are.
    others: BTreeMap<u16, Span<'a>>,
    /// The checkpoints, which the next start reads instead of the first facts.
    saved: Saved,
    view: VerifyView,
}

impl Audit<'_> {
    fn take(&mut self, row: u64, fact: &Fact<Body>) -> Result<(), String> {
        if fact.key.rank == 0 {
            self.input(fact)?;
            self.saved.compare(self.again.last(), row, &self.again);
            return Ok(());
        }
        self.derived(fact);
        Ok(())
    }

    fn input(&mut self, fact: &Fact<Body>) -> Result<(), String> {
        self.view.inputs += 1;
        if fact.key.n != self.again.last() + 1 {
            let text = format!("it follows input {}", self.again.last());
            self.problem(fact, text);
        }
        let room = PROBLEMS_MAX.saturating_sub(self.view.beyond.len());
        let (key, kind) = (fact.key.to_string(), Body::name(fact.body.kind()).to_owned());
        let beyond = bounds::beyond(&fact.body).into_iter().take(room);
        let beyond = beyond.map(|text| ProblemView { key: key.clone(), kind: kind.clone(), text });
        self.view.beyond.extend(beyond);
        let others = &mut self.others;
        let mut other_facts =
            |rank: Rank, n| others.get_mut(&rank.0).map_or(Ok(None), |of| of.about(n));
        self.again.input(fact, &mut other_facts)
    }

    fn derived(&mut self, fact: &Fact<Body>) {
        if self.versions.get(&fact.key.rank) != Some(&fact.version) {
            self.again.leave(fact);
            return;
        }
        self.view.facts += 1;
        match self.again.held(fact) {
            Beside::Same => {}
            Beside::Nothing => self.problem(fact, "the inputs do not imply it".to_owned()),
            Beside::Other(implied) => {
                let text = format!("held {:?}, implied {:?}", fact.body, implied.body);
                self.problem(fact, text);
            }
        }
    }

    fn conclude(mut self) -> VerifyView {
        for fact in self.again.missing() {
            self.problem(&fact, "it is implied and missing".to_owned());
        }
        let names = self.again.names();
        for (rank, span) in &self.others {
            let stage = names.get(rank).map_or_else(|| rank.to_string(), ToString::to_string);
            self.view.others.push(span.view(stage));
        }
        let (checkpoints, damaged) = self.saved.end(self.again.last());
        self.view.checkpoints = checkpoints;
        self.view.problems.extend(damaged);
        self.view
    }

    fn problem(&mut self, fact: &Fact<Body>, text: String) {
        if self.view.problems.len() < PROBLEMS_MAX {
            let kind = Body::name(fact.body.kind()).to_owned();
            let key = fact.key.to_string();
            self.view.problems.push(ProblemView { key, kind, text });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_of_a_store_has_its_exit_code() {
        let path = || Path::new("live.redb").to_owned();
        let reason = String::new;
        for (error, exit) in [
            (StoreError::Held(path()), Exit::Held),
            (StoreError::Foreign { path: path(), reason: reason() }, Exit::Foreign),
            (StoreError::Newer { path: path(), found: 2 }, Exit::Foreign),
            (StoreError::Torn { path: path(), reason: reason() }, Exit::Foreign),
            (StoreError::Full(path()), Exit::DiskFull),
            (StoreError::Io { path: path(), reason: reason() }, Exit::StoreFailed),
        ] {
            let failure = store_failure(&error);
            assert_eq!(failure.exit, exit);
            assert!(failure.text.contains("live.redb"), "{failure}");
        }
    }
}
