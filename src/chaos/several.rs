//! Several runs at a time: they wait more than they compute.

use std::sync::{Mutex, PoisonError};

/// Runs at a time.
const THREADS: usize = 3;

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
