//! When a question is asked again that the venue did not answer.

use super::stream::dice;
use super::world::Passing;
use everwarm_venue::session::back_off;
use std::time::Duration;

/// Tries after which the wait is not longer still: 8 s at most.
const TRIES: u32 = 5;

/// Wall time before the next try, after `tries` that failed before the last: later and later, and
/// by chance, so that many do not ask at once. In lockstep nothing goes on meanwhile: soon.
pub fn after(tries: u32, passing: Passing) -> Duration {
    let most = if passing == Passing::Lockstep { 0 } else { TRIES };
    Duration::from_millis(back_off(tries.min(most), dice()).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_wait_doubles_up_to_some_seconds_and_not_in_lockstep() {
        let longest = |tries, passing| (0..2_000).map(|_| after(tries, passing)).max().unwrap();
        for (tries, ms) in [(0, 250), (1, 500), (5, 8_000), (60, 8_000)] {
            let longest = longest(tries, Passing::Scaled(1)).as_millis();
            assert!((ms * 9 / 10..=ms).contains(&longest), "{tries}: {longest}");
        }
        assert!(longest(60, Passing::Lockstep) <= Duration::from_millis(250));
    }
}
