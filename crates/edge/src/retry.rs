//! How long to wait before a query is repeated to which the venue did not respond.

use super::stream::dice;
use super::world::Passing;
use everwarm_venue::session::back_off;
use std::time::Duration;

/// Tries after which the wait no longer grows: at most 8 s.
const TRIES: u32 = 5;

/// Wall time before the next try, after `tries` that failed before the last. It grows, and is
/// random in part, so that not all callers query together. In lockstep nothing happens meanwhile,
/// so it is short.
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
