//! Failures of stages in the journal. They are written in the commits of its facts, and a gate
//! precedes each retry.

use super::locked_state::Inner;
use super::{AppendError, Appended, Chunk, Journal, Round, Seat, Waker, Writer};
use everwarm_kernel::fact::{Body, Fact, Rank, RuntimeEvent};
use everwarm_kernel::skips::{Cut, Effect};
use std::sync::{Arc, PoisonError};

/// How far changes about failures have reached the disk. Changes are numbered. Each field holds the
/// last number that reached its step.
#[derive(Debug, Default)]
pub(super) struct Marks {
    last: u64,
    handed: u64,
    committed: u64,
    durable: u64,
}

impl Marks {
    /// Whether a change waits for its flush.
    pub(super) fn waiting(&self) -> bool {
        self.last > self.durable
    }
}

impl<B: Body> Inner<B> {
    /// Numbers a change that must be on disk before the stage tries again.
    pub(super) fn mark(&mut self, index: usize) {
        self.marks.last += 1;
        let state = &mut self.stages[index];
        (state.mark, state.poison_changed) = (self.marks.last, true);
    }

    /// The last input up to `wanted` that the stage may receive, and whether to wake the store
    /// thread. The stage does not pass an input at which it stopped. It retries an input only after
    /// the retry is noted on disk.
    pub(super) fn admitted(&mut self, index: usize, wanted: u64) -> (u64, bool) {
        let ready = self.ready(index);
        let state = &mut self.stages[index];
        let Some(n) = state.poison.failed_at().filter(|n| *n <= ready.min(wanted)) else {
            return (ready, false);
        };
        if state.poison.is_stopped() {
            return (n - 1, false);
        }
        let marked = state.poison.try_again();
        if marked {
            self.mark(index);
        }
        let open = self.stages[index].mark <= self.marks.durable;
        (if open { ready } else { n - 1 }, marked)
    }

    /// Takes the changes about failures that the next commit writes.
    pub(super) fn poison_rows(&mut self) -> Vec<(u16, Option<Vec<u8>>)> {
        self.marks.handed = self.marks.last;
        let mut rows = Vec::new();
        for state in &mut self.stages {
            if self.closing && state.poison.give_up() {
                state.poison_changed = true;
            }
            if std::mem::take(&mut state.poison_changed) {
                rows.push((state.info.rank.0, state.poison.row()));
            }
        }
        rows
    }

    /// Notes that a commit is done. Returns the wakers of stages that may try again.
    pub(super) fn marked(&mut self, synced: bool) -> Vec<Arc<Waker>> {
        self.marks.committed = self.marks.handed;
        if !synced || self.marks.durable == self.marks.committed {
            return Vec::new();
        }
        self.marks.durable = self.marks.committed;
        let waiting = self.stages.iter().filter(|s| s.poison.failed_at().is_some());
        waiting.filter_map(|s| s.waker.clone()).collect()
    }
}

impl<B: Body> Journal<B> {
    /// Notes that the stage has failed at input `n`.
    pub(crate) fn failed(&self, seat: &Seat<B>, n: u64, why: &str) {
        let mut inner = self.lock();
        let state = &mut inner.stages[seat.index];
        if state.incarnation != seat.incarnation {
            return;
        }
        state.poison.failed(n, why);
        inner.mark(seat.index);
        drop(inner);
        self.notify(&[], true);
    }

    /// Notes a failure of the stage of this name. It blocks its thread, so the process is about to
    /// end. Returns true when the failure is on disk, false if the journal ended before. Returns
    /// false immediately if the stage handles no input or the input does not count.
    pub fn held(&self, name: &str, why: &str) -> bool {
        let mut inner = self.lock();
        let Some(index) = inner.stages.iter().position(|s| s.info.name == name) else {
            return false;
        };
        let state = &mut inner.stages[index];
        let n = state.at.input();
        // The stage has passed the input meanwhile.
        if n <= state.passed {
            return false;
        }
        state.poison.held(n, why);
        inner.mark(index);
        let mark = inner.stages[index].mark;
        self.work.notify_one();
        let waiting = |inner: &mut Inner<B>| inner.marks.durable < mark && !inner.ended;
        let waited = self.commits.wait_while(inner, waiting);
        waited.unwrap_or_else(PoisonError::into_inner).marks.durable >= mark
    }

    /// Quarantines the input at which the stage failed, and appends an input that reports it, in
    /// one act.
    pub(crate) fn quarantine(
        &self,
        seat: &Seat<B>,
        effect: Effect,
        parts: Vec<String>,
    ) -> Result<(), AppendError> {
        let mut wake = Vec::new();
        {
            let mut inner = self.lock();
            inner.open()?;
            let state = &mut inner.stages[seat.index];
            if state.incarnation != seat.incarnation {
                return Err(AppendError::Fenced);
            }
            let name = state.info.name;
            let quarantine = state.poison.set_aside(Rank(seat.rank), name, effect, parts);
            if effect == Effect::Stage {
                state.next_wake = None;
            }
            inner.mark(seat.index);
            let body = B::runtime(RuntimeEvent::Quarantined(quarantine));
            inner.append_inputs(i64::MIN, vec![body], &mut wake);
        }
        self.notify(&wake, true);
        Ok(())
    }

    /// Appends an input that releases input `n` for a stage. If the stage stopped there, it tries
    /// again. If it received nothing from there on, it receives the inputs after this one.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn release(
        &self,
        writer: &Writer,
        body: B,
        rank: Rank,
        n: u64,
    ) -> Result<Appended, AppendError> {
        let mut wake = Vec::new();
        let appended = {
            let mut inner = self.lock();
            inner.open()?;
            if inner.writers.get(writer.name) != Some(&writer.incarnation) {
                return Err(AppendError::Fenced);
            }
            let head = inner.head + 1;
            if let Some(index) = inner.index_of_rank(rank.0) {
                inner.stages[index].poison.release(n, head);
                inner.mark(index);
            }
            inner.append_inputs(i64::MIN, vec![body], &mut wake);
            Appended { n: head, row: inner.next_row - 1 }
        };
        self.notify(&wake, true);
        Ok(appended)
    }
}

impl<B: Body> Round<B> {
    /// The round without the parts that the stage does not receive.
    pub(crate) fn without(mut self, cut: &Cut) -> Round<B> {
        if *cut != Cut::Nothing {
            let left = |chunk: &Arc<Chunk<B>>| {
                let facts: Vec<Fact<B>> =
                    chunk.facts.iter().filter_map(|fact| cut.apply(fact)).collect();
                (!facts.is_empty()).then(|| Arc::new(Chunk::new(chunk.first_row, facts)))
            };
            self.seen = self.seen.iter().filter_map(left).collect();
        }
        self
    }

    /// A copy of the round that shares its facts.
    pub(crate) fn again(&self) -> Round<B> {
        let Round { n, time, failures, held, asked, .. } = *self;
        Round { n, time, seen: self.seen.clone(), own: self.own.clone(), failures, held, asked }
    }

    /// Names of the parts of the visible facts, ascending, without duplicates.
    pub(crate) fn parts(&self) -> Vec<String> {
        let facts = self.seen.iter().flat_map(|chunk| &chunk.facts);
        let mut parts: Vec<String> = facts.flat_map(|fact| fact.body.parts()).collect();
        parts.sort_unstable();
        parts.dedup();
        parts
    }
}
