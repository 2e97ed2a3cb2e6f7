//! Stages that their supervisor stopped: the journal passes inputs for them, so that nothing waits.
//!
//! The gate of a stage without restarts left would block every stage that sees its facts. An input
//! therefore records from where on it does not decide. From there on the journal passes for it each
//! input that its gate lets through, in the same act that opens the gate. A new instance folds the
//! inputs that were passed for it. It decides again after the input that records that it is up. A
//! run begins with all stages up.

use super::inner::Inner;
use super::{AppendError, Journal, TAIL_BYTES, Waker};
use everwarm_kernel::fact::{Body, Rank, RuntimeEvent};
use std::sync::Arc;

impl<B: Body> Inner<B> {
    /// Passes inputs for stopped stages as far as their gates are open. One may open the gate of
    /// another.
    pub(super) fn pass_for_stopped(&mut self, wake: &mut Vec<Arc<Waker>>) {
        let may = |inner: &Inner<B>, i: usize| {
            inner.stages[i].absent && inner.ready(i) > inner.stages[i].passed
        };
        while let Some(i) = (0..self.stages.len()).find(|i| may(self, *i)) {
            self.step_past(i, self.ready(i), Vec::new(), None, wake);
        }
    }

    /// Cuts a long tail although stopped stages have not read it. They read the rest from the file.
    pub(super) fn cut_tail_of_stopped(&mut self) {
        if self.tail_bytes > TAIL_BYTES / 2 {
            for stage in self.stages.iter_mut().filter(|stage| stage.absent) {
                stage.needs = u64::MAX;
            }
        }
    }

    /// Records that a stopped stage is up.
    fn up(&mut self, index: usize, wake: &mut Vec<Arc<Waker>>) {
        // Without an instance the others wait for it again.
        self.stages[index].absent = false;
        if let Some(quarantine) = self.stages[index].poison.up(self.head + 1) {
            self.mark(index);
            let body = B::runtime(RuntimeEvent::Released { quarantine });
            self.append_inputs(i64::MIN, vec![body], wake);
        }
    }
}

impl<B: Body> Journal<B> {
    /// Marks the stage of this rank as stopped. Nothing waits for it: inputs are passed for it
    /// until an instance takes over. The first call appends an input; from there on the stage does
    /// not decide until [`Journal::stage_up`].
    ///
    /// # Errors
    /// The journal has ended.
    pub fn stage_down(&self, rank: Rank, why: &str) -> Result<(), AppendError> {
        let mut wake = Vec::new();
        let settled = {
            let mut inner = self.lock();
            inner.open()?;
            let Some(index) = inner.index_of_rank(rank.0) else { return Ok(()) };
            let reported_at = inner.head + 1;
            let state = &mut inner.stages[index];
            // Appends of the last instance are rejected from here on.
            state.incarnation += 1;
            (state.absent, state.waker, state.next_wake) = (true, None, None);
            let of = (rank, state.info.name);
            if let Some(quarantine) = state.poison.down(of, state.passed + 1, reported_at, why) {
                inner.mark(index);
                let body = B::runtime(RuntimeEvent::Quarantined(quarantine));
                inner.append_inputs(i64::MIN, vec![body], &mut wake);
            } else {
                inner.pass_for_stopped(&mut wake);
            }
            inner.settled()
        };
        self.wake_up(&wake, true);
        if settled {
            self.rest.notify_waiters();
        }
        Ok(())
    }

    /// Marks the stage of this rank as up: it decides again.
    ///
    /// # Errors
    /// The journal has ended.
    pub fn stage_up(&self, rank: Rank) -> Result<(), AppendError> {
        let mut wake = Vec::new();
        {
            let mut inner = self.lock();
            inner.open()?;
            let Some(index) = inner.index_of_rank(rank.0) else { return Ok(()) };
            inner.up(index, &mut wake);
        }
        self.wake_up(&wake, true);
        Ok(())
    }

    /// Marks all stages as up at the start of a run.
    pub(super) fn begin_up(&self) {
        let mut inner = self.lock();
        for index in 0..inner.stages.len() {
            inner.up(index, &mut Vec::new());
        }
    }
}
