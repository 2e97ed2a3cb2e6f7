//! The resumable core of every stage: take over, evolve, catch up. It is synchronous. Actors and
//! other callers are thin wrappers around it.
//!
//! A start loads the last checkpoint, at input c0, and evolves over (c0, passed]. For inputs that
//! the same version decided, it decides again and compares the encoded facts, which checks
//! determinism. It appends new facts only after `passed`.

use crate::chaos::{Chaos, Site};
use crate::clock;
use crate::journal::{AppendError, Journal, Past, Round, Seat, Waker};
use crate::poison::POISON_ATTEMPTS;
use crate::store::StoreError;
use crate::supervise::Injected;
use everwarm_kernel::fact::{Body, Fact, Library};
use everwarm_kernel::skips::{Cut, Effect, OnPoison};
use everwarm_kernel::stage::{Refold, Stage, Step};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

/// Maximum of rounds read under one lock.
const BATCH: usize = 64;
/// Maximum of parts of an input that are skipped.
const CULPRITS: usize = 8;

/// Why a stage cannot continue.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The journal rejected an append.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// History cannot be read from the file.
    #[error(transparent)]
    Past(#[from] StoreError),
    /// The saved state cannot be read.
    #[error("checkpoint of {stage} at input {n}: {reason}")]
    Load {
        /// The stage.
        stage: &'static str,
        /// The input at which the state was saved.
        n: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The stage decided differently from the journal: it is not a function of its inputs.
    #[error("{stage} at input {n}: decided again it says {again}, the journal holds {held}")]
    Differs {
        /// The stage.
        stage: &'static str,
        /// The input.
        n: u64,
        /// The new fact.
        again: String,
        /// The fact in the journal.
        held: String,
    },
    /// The bulk data of an input is missing or different.
    #[error("{stage} at input {n}: {reason}")]
    Library {
        /// The stage.
        stage: &'static str,
        /// The input.
        n: u64,
        /// What is wrong.
        reason: String,
    },
}

/// Measurements of a start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResumeReport {
    /// The input of the checkpoint; 0: none.
    pub checkpoint: u64,
    /// Number of inputs evolved.
    pub evolved: u64,
    /// Number of facts that were decided again and found equal.
    pub compared: u64,
    /// Microseconds until the state was restored.
    pub micros: u64,
}

/// A stage with its rank in the journal.
pub struct Runner<S: Stage + ?Sized> {
    stage: Box<S>,
    journal: Arc<Journal<S::Body>>,
    seat: Seat<S::Body>,
    library: Arc<dyn Library<S::Body>>,
    /// Reads history from the file, until the stage reaches the tail in memory.
    past: Option<Past<S::Body>>,
    cursor: u64,
    step: Step<S::Body>,
    /// Weight of the facts handled since the last save.
    fed: usize,
}

impl<S: Stage + ?Sized> Runner<S> {
    /// Takes over the stage's rank and restores its state.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn recover_stage(
        journal: Arc<Journal<S::Body>>,
        mut stage: Box<S>,
        library: Arc<dyn Library<S::Body>>,
    ) -> Result<(Runner<S>, ResumeReport), RunError> {
        let began = clock::now();
        let (name, version) = (stage.name(), stage.version());
        journal.chaos().point(Site::BeforeResume, name);
        let attached = journal.attach(stage.rank());
        let mut report = ResumeReport::default();
        let mut cursor = attached.joined;
        if let Some(saved) = attached.checkpoint {
            let load = if saved.version == version {
                stage.load(&saved.state)
            } else {
                stage.convert(saved.version, &saved.state)
            };
            load.map_err(|reason| RunError::Load { stage: name, n: saved.n, reason })?;
            (report.checkpoint, cursor) = (saved.n, saved.n);
        }
        let (seat, past) = (attached.seat, attached.past);
        let mut runner =
            Runner { stage, journal, seat, library, past, cursor, step: Step::default(), fed: 0 };
        while runner.cursor < attached.passed {
            let left = usize::try_from(attached.passed - runner.cursor).unwrap_or(BATCH);
            let rounds = runner.rounds(left.min(BATCH))?;
            if rounds.is_empty() && !runner.journal.wait_for_a_commit() {
                return Err(AppendError::Closed.into());
            }
            for round in rounds {
                report.compared += runner.evolve_again(&round, round.n > attached.since)?;
                runner.cursor = round.n;
                report.evolved += 1;
            }
        }
        if runner.journal.chaos().sabotaged(crate::chaos::Sabotage::FactsInMessages) {
            runner.cursor = runner.journal.head();
        }
        runner.journal.chaos().point(Site::AfterResume, name);
        report.micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        Ok((runner, report))
    }

    /// Sets `waker` to be raised whenever there may be new inputs.
    pub fn listen(&self, waker: Arc<Waker>) {
        self.journal.listen(&self.seat, waker);
    }

    /// The state machine.
    #[must_use]
    pub fn stage(&self) -> &S {
        &self.stage
    }

    /// The state machine, to change data of it that does not come from facts.
    pub fn stage_mut(&mut self) -> &mut S {
        &mut self.stage
    }

    /// The last input passed.
    #[must_use]
    pub fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Handles up to `max` inputs as far as the gates are open. Passes each new fact of the stage
    /// to `see`. True if there may be more.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn catch_up(
        &mut self,
        max: usize,
        mut see: impl FnMut(&Fact<S::Body>),
    ) -> Result<bool, RunError> {
        let rounds = self.rounds(max.min(BATCH))?;
        let more = match self.past {
            Some(_) => !rounds.is_empty(),
            None => rounds.len() == max.min(BATCH),
        };
        // Inputs on which the stage appends nothing are passed together.
        let mut quiet = None;
        for round in &rounds {
            if round.failures >= POISON_ATTEMPTS {
                // Pass the inputs folded before first. The next call begins after them.
                self.pass(quiet)?;
                self.set_aside(round)?;
                return Ok(true);
            }
            if round.seen.is_empty() {
                quiet = Some(round.n);
                continue;
            }
            let own = self.attempt(round)?;
            own.iter().for_each(&mut see);
            if own.is_empty() {
                quiet = Some(round.n);
                continue;
            }
            self.append(round.n, own)?;
            quiet = None;
        }
        self.pass(quiet)?;
        // The row of an input is unknown while the stage reads history.
        if self.past.is_none() && self.journal.checkpoint_due(&self.seat, self.fed) {
            self.keep(false);
        }
        Ok(more)
    }

    /// The next rounds, up to `max`: from memory, or from the file if they are only there.
    fn rounds(&mut self, max: usize) -> Result<Vec<Round<S::Body>>, RunError> {
        let joins = |_: &mut Past<S::Body>| self.journal.join(&self.seat, self.cursor);
        if self.past.take_if(joins).is_some() || self.past.is_none() {
            return Ok(self.journal.rounds(&self.seat, self.cursor, max));
        }
        let Some(past) = &mut self.past else { return Ok(Vec::new()) };
        Ok(self.journal.past_rounds(&self.seat, past, self.cursor, max)?)
    }

    /// Saves the state at the last input passed, for this run and later ones.
    pub fn save(&mut self) {
        self.keep(true);
    }

    fn keep(&mut self, last: bool) {
        self.chaos().point(Site::BeforeCheckpoint, self.stage.name());
        self.journal.checkpoint(&self.seat, self.stage.save(), last);
        self.fed = 0;
        self.chaos().point(Site::AfterCheckpoint, self.stage.name());
    }

    fn chaos(&self) -> &Chaos {
        self.journal.chaos()
    }

    fn append(&mut self, n: u64, own: Vec<Fact<S::Body>>) -> Result<(), RunError> {
        let name = self.stage.name();
        self.chaos().point(Site::BeforeAppend, name);
        let wake = self.stage.next_wake();
        if self.chaos().sabotaged(crate::chaos::Sabotage::CursorApart) {
            self.journal.append_apart(&self.seat, n, own);
            self.chaos().point(Site::AfterAppend, name);
            self.journal.pass(&self.seat, n, Vec::new(), wake)?;
        } else {
            self.journal.pass(&self.seat, n, own, wake)?;
            self.chaos().point(Site::AfterAppend, name);
        }
        self.cursor = n;
        Ok(())
    }

    /// Passes inputs without facts, up to the given one.
    fn pass(&mut self, quiet: Option<u64>) -> Result<(), RunError> {
        if let Some(n) = quiet {
            self.journal.pass(&self.seat, n, Vec::new(), self.stage.next_wake())?;
            self.cursor = n;
        }
        Ok(())
    }

    /// Handles one input. A failure is counted before the panic continues. While it runs, `at`
    /// names the input, for a watchdog that ends the process because the stage is blocked.
    fn attempt(&mut self, round: &Round<S::Body>) -> Result<Vec<Fact<S::Body>>, RunError> {
        let counts = self.stage.on_poison() != OnPoison::Escalate;
        let _handling = counts.then(|| self.seat.at.handles(round.n));
        self.chaos().point(Site::BeforeStep, self.stage.name());
        catch_unwind(AssertUnwindSafe(|| self.step(round))).unwrap_or_else(|panic| {
            let why = text(panic.as_ref());
            if counts && !Injected::is_panic(why) {
                self.journal.failed(&self.seat, round.n, why);
            }
            resume_unwind(panic)
        })
    }

    /// Quarantines an input at which the stage has failed too often.
    fn set_aside(&mut self, round: &Round<S::Body>) -> Result<(), RunError> {
        // The search for the culprits may also end the process. It is tried only as often as the
        // input. If the stage blocks its thread and there are several parts, there is no search.
        let named = round.failures < 2 * POISON_ATTEMPTS;
        let one = || round.parts().len() == 1;
        let parts =
            if named && (!round.held || one()) { self.culprits(round)? } else { Vec::new() };
        let effect = match self.stage.on_poison() {
            OnPoison::Skip if parts.is_empty() => Effect::Stage,
            OnPoison::Skip => Effect::Parts,
            OnPoison::Stop | OnPoison::Escalate => Effect::Stopped,
        };
        Ok(self.journal.quarantine(&self.seat, effect, parts)?)
    }

    /// The parts of an input that crash the stage, found by trials without some parts. Empty if the
    /// stage also fails without all of them. Its state is restored.
    fn culprits(&mut self, round: &Round<S::Body>) -> Result<Vec<String>, RunError> {
        let saved = self.stage.save();
        let mut left = round.parts();
        let mut culprits = Vec::new();
        if self.fails(round, &saved, &left)? {
            return Ok(culprits);
        }
        // With more culprits, the cause is not the data.
        while culprits.len() < CULPRITS && !left.is_empty() {
            // With only the first `passes` parts left in, the stage passes. With the first `fails`,
            // it fails.
            let (mut passes, mut fails) = (0, left.len());
            while fails - passes > 1 {
                let half = usize::midpoint(passes, fails);
                if self.fails(round, &saved, culprits.iter().chain(&left[half..]))? {
                    fails = half;
                } else {
                    passes = half;
                }
            }
            culprits.push(left.remove(passes));
            if !self.fails(round, &saved, &culprits)? {
                return Ok(culprits);
            }
        }
        Ok(Vec::new())
    }

    /// Whether the stage fails at an input without these parts.
    fn fails<'a>(
        &mut self,
        round: &Round<S::Body>,
        saved: &[u8],
        parts: impl IntoIterator<Item = &'a String>,
    ) -> Result<bool, RunError> {
        let round = round.again().without(&Cut::Parts(parts.into_iter().cloned().collect()));
        let tried = catch_unwind(AssertUnwindSafe(|| self.step(&round).map(drop)));
        self.step = Step::default();
        let load = self.stage.load(saved);
        let (stage, n) = (self.stage.name(), round.n);
        load.map_err(|reason| RunError::Load { stage, n, reason })?;
        tried.map_or(Ok(true), |done| done.map(|()| false))
    }

    fn step(&mut self, round: &Round<S::Body>) -> Result<Vec<Fact<S::Body>>, RunError> {
        if !round.asked {
            return self.evolve_only(round, &[]).map(|_| Vec::new());
        }
        let mut own = Vec::new();
        let interest = self.stage.interest();
        self.step.begin(round.n, round.time);
        for chunk in &round.seen {
            self.fed += chunk.weight();
            for fact in chunk.facts.iter().filter(|f| interest.has(f.body.kind())) {
                let full = self.resolve(round.n, fact)?;
                self.step.feed(&mut *self.stage, full.as_ref().unwrap_or(fact), &mut own);
            }
        }
        self.step.finish(&mut *self.stage, &mut own);
        Ok(own)
    }

    fn resolve(&self, n: u64, fact: &Fact<S::Body>) -> Result<Option<Fact<S::Body>>, RunError> {
        if fact.key.rank != 0 {
            return Ok(None);
        }
        let stage = self.stage.name();
        let found = self.library.resolve(&fact.body);
        let body = found.map_err(|reason| RunError::Library { stage, n, reason })?;
        Ok(body.map(|body| Fact { body, because: Vec::new(), ..*fact }))
    }

    /// Evolves over an input that was passed before. If the same version decided it, decides again
    /// and compares.
    fn evolve_again(&mut self, round: &Round<S::Body>, compare: bool) -> Result<u64, RunError> {
        let held: &[Fact<S::Body>] = round.own.as_ref().map_or(&[], |c| &c.facts);
        if !compare {
            return self.evolve_only(round, held);
        }
        let again = self.step(round)?;
        let count = again.len().max(held.len());
        for i in 0..count {
            let (a, b) = (again.get(i), held.get(i));
            if a.map(encoded) != b.map(encoded) {
                let (again, held) = (format!("{a:?}"), format!("{b:?}"));
                return Err(RunError::Differs {
                    stage: self.stage.name(),
                    n: round.n,
                    again,
                    held,
                });
            }
        }
        Ok(count as u64)
    }

    fn evolve_only(
        &mut self,
        round: &Round<S::Body>,
        held: &[Fact<S::Body>],
    ) -> Result<u64, RunError> {
        let interest = self.stage.interest();
        let mut refold = Refold::new(held);
        for chunk in &round.seen {
            for fact in chunk.facts.iter().filter(|f| interest.has(f.body.kind())) {
                let full = self.resolve(round.n, fact)?;
                refold.feed(&mut *self.stage, full.as_ref().unwrap_or(fact));
            }
        }
        refold.finish(&mut *self.stage);
        Ok(0)
    }
}

/// The text of a panic.
fn text(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text")
}

/// The encoded form of a fact, as in the journal. Floats are compared by bits.
fn encoded<B: Body>(
    fact: &Fact<B>,
) -> (everwarm_kernel::fact::Key, Vec<everwarm_kernel::fact::Key>, Vec<u8>) {
    let mut bytes = Vec::new();
    fact.body.encode(&mut bytes);
    (fact.key, fact.because.clone(), bytes)
}
