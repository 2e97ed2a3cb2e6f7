//! Stages that their supervisor stopped: the journal passes inputs for them, so that no stage
//! waits.
//!
//! If a stage has used up its restart budget, its gate would block every stage that sees its facts.
//! Instead an input reports from where on the stage does not decide. From there, the journal passes
//! every input for it that its gate admits. It does so in the act that opens the gate. A new
//! instance folds these inputs. It decides again after the input that reports it up. Each run
//! begins with all stages up.

use super::locked_state::Inner;
use super::{AppendError, Journal, TAIL_BYTES, Waker};
use everwarm_kernel::fact::{Body, Rank, RuntimeEvent};
use std::sync::Arc;

impl<B: Body> Inner<B> {
    /// Passes inputs for stopped stages as far as their gates are open. One pass may open another
    /// gate.
    pub(super) fn stand_in(&mut self, wake: &mut Vec<Arc<Waker>>) {
        let may = |inner: &Inner<B>, i: usize| {
            inner.stages[i].absent && inner.ready(i) > inner.stages[i].passed
        };
        while let Some(i) = (0..self.stages.len()).find(|i| may(self, *i)) {
            self.step_past(i, self.ready(i), Vec::new(), None, wake);
        }
    }

    /// Stops keeping a long tail for stopped stages. They will read the rest from the file.
    pub(super) fn leave_behind(&mut self) {
        if self.tail_bytes > TAIL_BYTES / 2 {
            for stage in self.stages.iter_mut().filter(|stage| stage.absent) {
                stage.needs = u64::MAX;
            }
        }
    }

    /// Appends an input that reports a stopped stage as up.
    fn up(&mut self, index: usize, wake: &mut Vec<Arc<Waker>>) {
        // Other stages wait for it again, even if it has no instance yet.
        self.stages[index].absent = false;
        if let Some(quarantine) = self.stages[index].poison.up(self.head + 1) {
            self.mark(index);
            let body = B::runtime(RuntimeEvent::Released { quarantine });
            self.append_inputs(i64::MIN, vec![body], wake);
        }
    }
}

impl<B: Body> Journal<B> {
    /// Reports that the stage of this rank has no instance. From here on the journal passes inputs
    /// for it, until an instance takes over. If it was up, an input reports the stop. From its
    /// first unpassed input on the stage does not decide, until [`Journal::stage_up`].
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
            // Appends of the last instance are rejected.
            state.incarnation += 1;
            (state.absent, state.waker, state.next_wake) = (true, None, None);
            let of = (rank, state.info.name);
            if let Some(quarantine) = state.poison.down(of, state.passed + 1, reported_at, why) {
                inner.mark(index);
                let body = B::runtime(RuntimeEvent::Quarantined(quarantine));
                inner.append_inputs(i64::MIN, vec![body], &mut wake);
            } else {
                inner.stand_in(&mut wake);
            }
            inner.settled()
        };
        self.notify(&wake, true);
        if settled {
            self.rest.notify_waiters();
        }
        Ok(())
    }

    /// Reports that the stage of this rank is up and stable. It decides again on later inputs.
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
        self.notify(&wake, true);
        Ok(())
    }

    /// Marks all stages as up, at the start of a run.
    pub(super) fn begin_up(&self) {
        let mut inner = self.lock();
        for index in 0..inner.stages.len() {
            inner.up(index, &mut Vec::new());
        }
    }
}
