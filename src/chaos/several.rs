//! Several runs at a time: they wait more than they compute.

use std::sync::{Mutex, PoisonError};

/// Runs at a time.
const THREADS: usize = 3;
/// Runs in a row that may strike nothing before it is given up.
const IN_VAIN: u32 = 3;

/// How much of what is wanted has struck, and how much is planned in runs that are not over.
#[derive(Debug)]
pub struct Tally {
    wanted: u64,
    injected: u64,
    planned: u64,
    in_vain: u32,
}

impl Tally {
    /// Nothing yet of so much.
    #[must_use]
    pub const fn new(wanted: u64) -> Tally {
        Tally { wanted, injected: 0, planned: 0, in_vain: 0 }
    }

    /// A run begins that may strike so much.
    pub const fn begin(&mut self, planned: u64) {
        self.planned += planned;
    }

    /// A run is over that might have struck `planned`.
    pub const fn end(&mut self, planned: u64, injected: u64) {
        self.planned -= planned;
        self.injected += injected;
        self.in_vain = if injected > 0 { 0 } else { self.in_vain + 1 };
    }

    /// How much more is to be planned; none: nothing, for now or at all.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        let left = self.wanted.saturating_sub(self.injected + self.planned);
        (left > 0 && !self.is_in_vain()).then_some(left)
    }

    /// Whether there was as much as wanted.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.injected >= self.wanted
    }

    /// Whether run after run struck nothing.
    #[must_use]
    pub const fn is_in_vain(&self) -> bool {
        self.in_vain >= IN_VAIN
    }
}

/// Has pieces of work done, several at a time, until `step` has none left. `step` is called by one
/// at a time: with a piece that is done and what came of it, except at the beginning, and gives the
/// next. Who was given none ends, even if others are not done yet and leave more to do.
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
        // Nobody goes on before three are there.
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
