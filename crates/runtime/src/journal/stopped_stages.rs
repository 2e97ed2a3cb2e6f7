//! Stages that are kept down: inputs are passed for them, so that nobody waits.
//!
//! Where a stage has used up its restarts, its gate would hold up everybody who sees what it says.
//! Instead an input says from where on it is not asked, and from there the journal passes for it
//! whatever its gate lets through, in the same act by which the gate opens. An instance that takes
//! over folds what was passed for it; it is asked again after the input that says it is up. A life
//! begins with all stages up.

use super::locked_state::Inner;
use super::{AppendError, Journal, TAIL_BYTES, Waker};
use everwarm_kernel::fact::{Body, Rank, RuntimeEvent};
use std::sync::Arc;

impl<B: Body> Inner<B> {
    /// Passes for those who are kept down as far as their gates are open. One may open another's.
    pub(super) fn stand_in(&mut self, wake: &mut Vec<Arc<Waker>>) {
        let may = |inner: &Inner<B>, i: usize| {
            inner.stages[i].absent && inner.ready(i) > inner.stages[i].passed
        };
        while let Some(i) = (0..self.stages.len()).find(|i| may(self, *i)) {
            self.step_past(i, self.ready(i), Vec::new(), None, wake);
        }
    }

    /// A tail that grows long is not kept for those who are kept down: they will find the rest in
    /// the file.
    pub(super) fn leave_behind(&mut self) {
        if self.tail_bytes > TAIL_BYTES / 2 {
            for stage in self.stages.iter_mut().filter(|stage| stage.absent) {
                stage.needs = u64::MAX;
            }
        }
    }

    /// Says that a stage is up where it was kept down.
    fn up(&mut self, index: usize, wake: &mut Vec<Arc<Waker>>) {
        // Where it has none, it is waited for again.
        self.stages[index].absent = false;
        if let Some(quarantine) = self.stages[index].poison.up(self.head + 1) {
            self.mark(index);
            let body = B::runtime(RuntimeEvent::Released { quarantine });
            self.append_inputs(i64::MIN, vec![body], wake);
        }
    }
}

impl<B: Body> Journal<B> {
    /// The stage of this rank has no instance, and is not waited for: from here on inputs are
    /// passed for it, until an instance takes over. Where that is news it is said by an input,
    /// from which on the stage is not asked before [`Journal::stage_up`].
    ///
    /// # Errors
    /// The journal has ended.
    pub fn stage_down(&self, rank: Rank, why: &str) -> Result<(), AppendError> {
        let mut wake = Vec::new();
        let settled = {
            let mut inner = self.lock();
            inner.open()?;
            let Some(index) = inner.index_of_rank(rank.0) else { return Ok(()) };
            let told = inner.head + 1;
            let state = &mut inner.stages[index];
            // What the last instance may still say is refused.
            state.incarnation += 1;
            (state.absent, state.waker, state.next_wake) = (true, None, None);
            let of = (rank, state.info.name);
            if let Some(quarantine) = state.poison.down(of, state.passed + 1, told, why) {
                inner.mark(index);
                let body = B::runtime(RuntimeEvent::Quarantined(quarantine));
                inner.append_inputs(i64::MIN, vec![body], &mut wake);
            } else {
                inner.stand_in(&mut wake);
            }
            inner.settled()
        };
        self.tell(&wake, true);
        if settled {
            self.rest.notify_waiters();
        }
        Ok(())
    }

    /// The stage of this rank is up and will stay so: it is asked again.
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
        self.tell(&wake, true);
        Ok(())
    }

    /// A life begins with all stages up.
    pub(super) fn begin_up(&self) {
        let mut inner = self.lock();
        for index in 0..inner.stages.len() {
            inner.up(index, &mut Vec::new());
        }
    }
}
