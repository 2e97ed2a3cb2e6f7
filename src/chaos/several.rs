//! Runs several jobs in parallel: runs wait more than they compute.

use std::sync::{Mutex, PoisonError};

/// Parallel runs.
const THREADS: usize = 3;
/// Runs in a row without an injected fault, after which the proof gives up.
const IN_VAIN: u32 = 3;

/// Counts injected faults, and those planned in runs that are not finished.
#[derive(Debug)]
pub struct Tally {
    wanted: u64,
    injected: u64,
    planned: u64,
    in_vain: u32,
}

impl Tally {
    /// Nothing injected yet, `wanted` to come.
    #[must_use]
    pub const fn new(wanted: u64) -> Tally {
        Tally { wanted, injected: 0, planned: 0, in_vain: 0 }
    }

    /// A run begins that may inject this many faults.
    pub const fn begin(&mut self, planned: u64) {
        self.planned += planned;
    }

    /// A run has ended that might have injected `planned` faults.
    pub const fn end(&mut self, planned: u64, injected: u64) {
        self.planned -= planned;
        self.injected += injected;
        self.in_vain = if injected > 0 { 0 } else { self.in_vain + 1 };
    }

    /// How many more faults to plan; none: nothing, for now or at all.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        let left = self.wanted.saturating_sub(self.injected + self.planned);
        (left > 0 && !self.is_in_vain()).then_some(left)
    }

    /// Whether as many faults as wanted were injected.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.injected >= self.wanted
    }

    /// Whether `IN_VAIN` runs in a row injected nothing.
    #[must_use]
    pub const fn is_in_vain(&self) -> bool {
        self.in_vain >= IN_VAIN
    }
}

/// Does pieces of work on several threads, until `step` has none left. One thread at a time calls
/// `step`: with its finished piece and the result, if it has one. `step` returns the next piece. A
/// thread without a next piece ends, even if others are still working and create more.
pub fn several<P: Send, R: Send>(
    step: &mut (dyn FnMut(Option<(P, R)>) -> Option<P> + Send),
    work: &(dyn Fn(&P) -> R + Sync),
) {
    let step = Mutex::new(step);
    let one_after_the_other = || {
        let mut done = None;
        loop {
            let next = step.lock().unwrap_or_else(PoisonError::into_inner)(done.take());
            let Some(piece) = next else { return };
            let result = work(&piece);
            done = Some((piece, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(one_after_the_other);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    #[test]
    fn what_is_under_way_is_not_planned_again_and_what_strikes_nothing_is_given_up() {
        let mut tally = Tally::new(10);
        assert_eq!((tally.left(), tally.is_done()), (Some(10), false));
        tally.begin(6);
        tally.begin(4);
        assert_eq!(tally.left(), None);
        tally.end(6, 5);
        assert_eq!(tally.left(), Some(1));
        tally.end(4, 9);
        assert_eq!((tally.left(), tally.is_done()), (None, true));

        let mut tally = Tally::new(10);
        for given_up in [false, false, true] {
            tally.begin(1);
            tally.end(1, 0);
            assert_eq!((tally.is_in_vain(), tally.left().is_none()), (given_up, given_up));
        }
    }

    #[test]
    fn each_piece_is_done_once_and_several_at_a_time() {
        // No thread goes on before three have arrived.
        let (together, mut left, mut done) = (Barrier::new(THREADS), 0..12_u64, Vec::new());
        let mut step = |ran: Option<(u64, u64)>| {
            done.extend(ran);
            left.next()
        };
        several(&mut step, &|piece| {
            together.wait();
            piece * 10
        });
        done.sort_unstable();
        assert_eq!(done, (0..12).map(|i| (i, i * 10)).collect::<Vec<_>>());
    }
}
