//! Reads the journal: its facts in order, and whether its derived facts follow from its inputs.

mod again;
mod changes;
mod checkpoints;
mod others;
mod replay;

pub use checkpoints::forget as forget_checkpoint;
pub use replay::replay;

use crate::daemon_run::{APPLICATION, LIVE_FILE};
use again::{Again, Begun, Beside, StartAt};
use checkpoints::Saved;
use everwarm_domain::bounds;
use everwarm_domain::fact::Body;
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_kernel::fact::{Body as _, Fact, Rank};
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::store::{CheckpointRow, Left, Store, StoreError, StoredLoop};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::journal_reader::JournalFacts;
use everwarm_views::summary::Period;
use everwarm_views::views::{ProblemView, RemovedView, VerifyView};
use others::Span;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// Problems listed at most.
const PROBLEMS_MAX: usize = 100;
/// Event time after a period in which stages may still have appended facts about it. Later inputs
/// are not read.
const AFTER: UtcMs = 60 * MINUTE;

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

    fn store(&self) -> Option<&Store> {
        Some(&self.0)
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

/// Derives every fact again from the inputs, in a plain loop, and compares. If facts were removed,
/// it begins at the first stored state after them.
///
/// # Errors
/// The journal cannot be read, or the history bars that an input refers to are missing.
pub fn verify(journal: &dyn JournalFacts, archive: &Arc<Archive>) -> Result<VerifyView, Failure> {
    let (mut audit, begun) = Audit::new(journal, archive, StartAt::First, None)?;
    audit.read(journal, begun)?;
    let mut view = audit.conclude().view;
    if begun.n > 0 {
        let removed = journal.store().map_or(Ok(0), Store::removed);
        let facts = removed.map_err(|e| torn_is_a_problem(store_failure(&e)))?;
        view.removed = Some(RemovedView { facts, input: begun.n, time: begun.time });
    }
    Ok(view)
}

/// The facts about the inputs of a period, derived again.
#[derive(Debug)]
pub struct DerivedPeriod {
    /// Inputs of the period.
    pub inputs: u64,
    /// Facts about them that do not follow from the inputs.
    pub differing: u64,
    /// The first fact up to the end of the period that does not follow from the inputs, also of
    /// those before it that were derived again; none if all agree.
    pub first: Option<ProblemView>,
    /// The states of all stages at the end of the period. None if no input follows it.
    pub end: Option<StoredLoop<Body>>,
}

/// Derives the facts about the inputs of a period again, and compares them. It begins at the last
/// stored state before the period, and reads a little further than its end.
///
/// # Errors
/// As of [`verify`].
pub fn derive(
    journal: &dyn JournalFacts,
    archive: &Arc<Archive>,
    period: Period,
) -> Result<DerivedPeriod, Failure> {
    let (mut audit, begun) =
        Audit::new(journal, archive, StartAt::Before(period.from), Some(period))?;
    audit.read(journal, begun)?;
    let Derived { view, differing, end } = audit.conclude();
    let first = view.problems.into_iter().next();
    Ok(DerivedPeriod { inputs: view.inputs, differing, first, end })
}

/// Derives the facts after the last stored state again, and compares them. Returns the states after
/// the last input.
///
/// # Errors
/// As of [`verify`].
pub fn end(journal: &dyn JournalFacts, archive: &Arc<Archive>) -> Result<DerivedPeriod, Failure> {
    let (mut audit, begun) = Audit::new(journal, archive, StartAt::Before(UtcMs::MAX), None)?;
    audit.read(journal, begun)?;
    let state = audit.again.capture();
    let stored = (state.n > 0).then_some(StoredLoop { row: audit.row, state });
    let Derived { view, differing, .. } = audit.conclude();
    let first = view.problems.into_iter().next();
    Ok(DerivedPeriod { inputs: view.inputs, differing, first, end: stored })
}

/// Passes the facts of a journal from a row on to `take`, until it breaks or fails.
fn through(
    journal: &dyn JournalFacts,
    from_row: u64,
    mut take: impl FnMut(u64, &Fact<Body>) -> Result<ControlFlow<()>, String>,
) -> Result<(), Failure> {
    let mut failed = None;
    let read = journal.each(from_row, &mut |row, fact| {
        take(row, fact).unwrap_or_else(|why| {
            failed = Some(Failure::new(Exit::Problems, why));
            ControlFlow::Break(())
        })
    });
    read.map_err(torn_is_a_problem)?;
    failed.map_or(Ok(()), Err)
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
    /// The period to compare; none: everything.
    period: Option<Period>,
    /// Facts that differ.
    differing: u64,
    /// Row of the last input.
    row: u64,
    /// Whether the period has ended, and the states at its end.
    ended: bool,
    end: Option<StoredLoop<Body>>,
}

/// The result of an audit.
struct Derived {
    view: VerifyView,
    differing: u64,
    end: Option<StoredLoop<Body>>,
}

impl<'a> Audit<'a> {
    fn new(
        journal: &'a dyn JournalFacts,
        archive: &Arc<Archive>,
        from: StartAt,
        period: Option<Period>,
    ) -> Result<(Audit<'a>, Begun), Failure> {
        // Checkpoints are read before the facts, so that the facts read cover every checkpoint.
        let mut checkpoints = if period.is_none() { journal.checkpoints()? } else { Vec::new() };
        let (again, begun) = Again::new(journal, archive, from)?;
        let specs = again.specs.clone();
        let versions = specs.iter().map(|spec| (spec.rank.0, spec.build().version())).collect();
        checkpoints.retain(|(_, row)| row.n > begun.n);
        let saved = Saved::new(specs, checkpoints);
        let others = others::spans(journal, &versions, begun.row).map_err(torn_is_a_problem)?;
        let audit = Audit {
            again,
            versions,
            others,
            saved,
            view: VerifyView::default(),
            period,
            differing: 0,
            row: begun.row,
            ended: false,
            end: None,
        };
        Ok((audit, begun))
    }

    fn read(&mut self, journal: &dyn JournalFacts, begun: Begun) -> Result<(), Failure> {
        let until = self.period.map_or(UtcMs::MAX, |period| period.to.saturating_add(AFTER));
        through(journal, begun.row, |row, fact| {
            if fact.key.rank == 0 && fact.time >= until {
                return Ok(ControlFlow::Break(()));
            }
            let derived = if fact.key.n > begun.n { self.take(row, fact) } else { Ok(()) };
            derived.map(|()| ControlFlow::Continue(()))
        })
    }

    fn take(&mut self, row: u64, fact: &Fact<Body>) -> Result<(), String> {
        if fact.key.rank == 0 {
            if self.period.is_some_and(|period| fact.time >= period.to) && !self.ended {
                self.ended = true;
                let state = self.again.capture();
                self.end = (state.n > 0).then_some(StoredLoop { row: self.row, state });
            }
            self.row = row;
            self.input(fact)?;
            self.saved.compare(self.again.last(), row, &self.again);
            return Ok(());
        }
        self.derived(fact);
        Ok(())
    }

    fn is_asked(&self, fact: &Fact<Body>) -> bool {
        self.period.is_none_or(|Period { from, to }| (from..to).contains(&fact.time))
    }

    fn input(&mut self, fact: &Fact<Body>) -> Result<(), String> {
        self.view.inputs += u64::from(self.is_asked(fact));
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

    fn conclude(mut self) -> Derived {
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
        Derived { view: self.view, differing: self.differing, end: self.end }
    }

    fn problem(&mut self, fact: &Fact<Body>, text: String) {
        if self.period.is_some_and(|period| fact.time >= period.to) {
            return;
        }
        self.differing += u64::from(self.is_asked(fact));
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
