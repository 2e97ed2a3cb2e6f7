//! The resumable core of every stage: take over, evolve, catch up. It is synchronous. An actor is a
//! thin shell around it; other durable state machines can use it too.
//!
//! A start loads the last checkpoint at c0. It evolves over (c0, passed]. Decisions of the same
//! version are made again there, and their encoded bytes are compared: a free check of determinism.
//! Inputs behind that are decided.

use crate::chaos::{Chaos, Site};
use crate::clock;
use crate::journal::{AppendError, FileRounds, Journal, Round, Seat, Waker};
use crate::poison::POISON_ATTEMPTS;
use crate::store::StoreError;
use crate::supervise::Injected;
use everwarm_kernel::fact::{Body, Fact, Library};
use everwarm_kernel::skips::{Cut, Effect, OnPoison};
use everwarm_kernel::stage::{RecordedFacts, Stage, Step};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

/// Rounds read under one lock.
const BATCH: usize = 64;
/// The most parts of an input that are skipped.
const CULPRITS: usize = 8;

/// Why a stage cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The journal rejected an append.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The history cannot be read from the file.
    #[error(transparent)]
    History(#[from] StoreError),
    /// The saved state cannot be read.
    #[error("checkpoint of {stage} at input {n}: {reason}")]
    Load {
        /// The stage.
        stage: &'static str,
        /// The input of the state.
        n: u64,
        /// What is wrong.
        reason: String,
    },
    /// A repeated decision differs from the journal: the stage is no function of its inputs.
    #[error("{stage} at input {n}: decided again it says {again}, the journal holds {held}")]
    Differs {
        /// The stage.
        stage: &'static str,
        /// The input.
        n: u64,
        /// The decision now.
        again: String,
        /// The decision in the journal.
        held: String,
    },
    /// Bulk data of an input is missing or differs.
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

/// What a start did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResumeReport {
    /// The input of the checkpoint; 0: none.
    pub checkpoint: u64,
    /// Inputs evolved.
    pub evolved: u64,
    /// Facts that were decided again and found equal.
    pub compared: u64,
    /// Microseconds from taking over to the complete state.
    pub micros: u64,
}

/// A stage with its place in the journal.
pub struct Runner<S: Stage + ?Sized> {
    stage: Box<S>,
    journal: Arc<Journal<S::Body>>,
    seat: Seat<S::Body>,
    library: Arc<dyn Library<S::Body>>,
    /// Reads rounds from the file until it reaches the tail in memory.
    file_rounds: Option<FileRounds<S::Body>>,
    cursor: u64,
    step: Step<S::Body>,
    /// Weight of the facts since the state was saved.
    fed: usize,
}

impl<S: Stage + ?Sized> Runner<S> {
    /// Takes over the place of the stage and restores its state.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn resume(
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
        let (seat, file_rounds) = (attached.seat, attached.file_rounds);
        let mut runner = Runner {
            stage,
            journal,
            seat,
            library,
            file_rounds,
            cursor,
            step: Step::default(),
            fed: 0,
        };
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

    /// Raises `waker` whenever there may be rounds to handle.
    pub fn listen(&self, waker: Arc<Waker>) {
        self.journal.listen(&self.seat, waker);
    }

    /// The state machine.
    #[must_use]
    pub fn stage(&self) -> &S {
        &self.stage
    }

    /// The state machine, for data that a follower keeps beside the facts.
    pub fn stage_mut(&mut self) -> &mut S {
        &mut self.stage
    }

    /// The last input passed.
    #[must_use]
    pub fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Handles up to `max` inputs as far as the gates are open, and shows each new fact of the
    /// stage. True if there may be more.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn catch_up(
        &mut self,
        max: usize,
        mut see: impl FnMut(&Fact<S::Body>),
    ) -> Result<bool, RunError> {
        let rounds = self.rounds(max.min(BATCH))?;
        let more = match self.file_rounds {
            Some(_) => !rounds.is_empty(),
            None => rounds.len() == max.min(BATCH),
        };
        // Inputs without facts for this stage are passed together.
        let mut quiet = None;
        for round in &rounds {
            if round.failures >= POISON_ATTEMPTS {
                // Earlier folded inputs are passed first: the next turn begins behind them.
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
            self.say(round.n, own)?;
            quiet = None;
        }
        self.pass(quiet)?;
        // The row of an input in its history is not known.
        if self.file_rounds.is_none() && self.journal.checkpoint_due(&self.seat, self.fed) {
            self.keep(false);
        }
        Ok(more)
    }

    /// The next rounds, up to `max`: from memory, or from the file if they are only there.
    fn rounds(&mut self, max: usize) -> Result<Vec<Round<S::Body>>, RunError> {
        let joins = |_: &mut FileRounds<S::Body>| self.journal.join(&self.seat, self.cursor);
        if self.file_rounds.take_if(joins).is_some() || self.file_rounds.is_none() {
            return Ok(self.journal.rounds(&self.seat, self.cursor, max));
        }
        let Some(file_rounds) = &mut self.file_rounds else { return Ok(Vec::new()) };
        Ok(self.journal.rounds_from_file(&self.seat, file_rounds, self.cursor, max)?)
    }

    /// Saves the state at the last input passed, for this process and later ones.
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

    fn say(&mut self, n: u64, own: Vec<Fact<S::Body>>) -> Result<(), RunError> {
        let name = self.stage.name();
        self.chaos().point(Site::BeforeAppend, name);
        let wake = self.stage.next_wake();
        if self.chaos().sabotaged(crate::chaos::Sabotage::CursorApart) {
            self.journal.append_without_progress(&self.seat, n, own);
            self.chaos().point(Site::AfterAppend, name);
            self.journal.pass(&self.seat, n, Vec::new(), wake)?;
        } else {
            self.journal.pass(&self.seat, n, own, wake)?;
            self.chaos().point(Site::AfterAppend, name);
        }
        self.cursor = n;
        Ok(())
    }

    /// Passes inputs without facts of this stage, up to the given one.
    fn pass(&mut self, quiet: Option<u64>) -> Result<(), RunError> {
        if let Some(n) = quiet {
            self.journal.pass(&self.seat, n, Vec::new(), self.stage.next_wake())?;
            self.cursor = n;
        }
        Ok(())
    }

    /// Handles one input. A failure is counted before it is returned. While the input is handled,
    /// other threads can read its number.
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

    /// Quarantines the input: the stage has failed too often at it.
    fn set_aside(&mut self, round: &Round<S::Body>) -> Result<(), RunError> {
        // The search for the parts may end the process too, so it is also limited. It is skipped if
        // the stage blocks its thread.
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

    /// The parts of an input that make the stage fail, found by trying it without some. Empty if it
    /// fails without any. The state of the stage is unchanged.
    fn culprits(&mut self, round: &Round<S::Body>) -> Result<Vec<String>, RunError> {
        let saved = self.stage.save();
        let mut left = round.parts();
        let mut culprits = Vec::new();
        if self.fails(round, &saved, &left)? {
            return Ok(culprits);
        }
        // With more parts at fault, the data is not the cause.
        while culprits.len() < CULPRITS && !left.is_empty() {
            // The first `passes` of the remaining parts pass, the first `fails` do not.
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
        if !round.decides {
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

    /// Evolves over an input that was passed before. If the same version decided on it, it decides
    /// again and compares.
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
        let mut recorded = RecordedFacts::new(held);
        for chunk in &round.seen {
            for fact in chunk.facts.iter().filter(|f| interest.has(f.body.kind())) {
                let full = self.resolve(round.n, fact)?;
                recorded.feed(&mut *self.stage, full.as_ref().unwrap_or(fact));
            }
        }
        recorded.finish(&mut *self.stage);
        Ok(0)
    }
}

/// The text of a panic.
fn text(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text")
}

/// A fact as the journal stores it. Floats are compared by bits.
fn encoded<B: Body>(
    fact: &Fact<B>,
) -> (everwarm_kernel::fact::Key, Vec<everwarm_kernel::fact::Key>, Vec<u8>) {
    let mut bytes = Vec::new();
    fact.body.encode(&mut bytes);
    (fact.key, fact.because.clone(), bytes)
}
